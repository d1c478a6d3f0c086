"""A cache that rises and falls: break-even and fit against counting every length."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfkv.cache import plan
from hfkv.cache.kinds import Compressed
from hfkv.cache.plan import Plan
from hfkv.errors import UnsupportedError
from hfkv.facts.config import Config
from tests.cache.stored import curve, size

SIZES = st.integers(1, 40)


@st.composite
def waves(draw: st.DrawFn) -> Plan:
    return Plan(
        kinds=[
            Compressed(
                window=draw(SIZES),
                rate=draw(st.integers(1, 9)),
                dim=draw(SIZES),
                indexer=draw(st.sampled_from([0, 0, 3])),
            )
            for _ in range(draw(st.integers(1, 3)))
        ]
    )


@settings(deadline=None, max_examples=60)
@given(made=waves(), wanted=st.integers(1, 40_000))
def test_the_first_crossing_is_the_first(made: Plan, wanted: int) -> None:
    found = curve(made).first_at_least(wanted)
    counted = next((n for n in range(1, 3000) if size(made, tokens=n) >= wanted), None)
    if counted is None:
        assert found is None or found >= 3000
    else:
        assert found == counted


@settings(deadline=None, max_examples=40)
@given(made=waves(), budget=st.integers(0, 20_000))
def test_every_length_up_to_the_fit_fits(made: Plan, budget: int) -> None:
    fits = curve(made).fit(budget)
    if fits is not None and fits < 3000:
        assert all(size(made, tokens=n) <= budget for n in range(1, fits + 1))
        assert size(made, tokens=fits + 1) > budget


def test_the_default_deepseek_v4() -> None:
    made = plan(Config({"model_type": "deepseek_v4"}, where="test"))
    assert size(made, tokens=127) > size(made, tokens=128)
    line = curve(made)
    assert line.period == 128
    for wanted in (12_000_000, size(made, tokens=127), 50_000_000):
        counted = next(n for n in range(1, 10_000) if size(made, tokens=n) >= wanted)
        assert line.first_at_least(wanted) == counted
    begun = time.perf_counter()
    assert line.fit(80 * 10**9)
    assert time.perf_counter() - begun < 10


def test_waves_too_long_to_search_are_refused() -> None:
    kinds = [Compressed(window=8, rate=rate, dim=1) for rate in (4, 1_000_003)]
    with pytest.raises(UnsupportedError, match="waves of 4000012 tokens"):
        curve(Plan(kinds=kinds)).first_at_least(10)
