"""The numbers of the charts are the figures that the model gives, and JSON says them exactly."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import hfkv as package
from hfkv.comparison.rank import RANKS, ranks
from hfkv.comparison.series import LAST_TOKENS, OverRank, OverTokens, over_rank, over_tokens
from hfkv.json_value import versioned
from tests.conftest import LLAMA

Run = Callable[..., tuple[int, str, str]]

#: Full attention, sliding windows, sliding windows everywhere (the cache never grows on), and MLA.
MODELS = (
    LLAMA,
    "google/gemma-3-27b-it",
    "microsoft/Phi-3-mini-4k-instruct",
    "deepseek-ai/DeepSeek-V3",
)


@cache
def _load(name: str) -> package.Model:
    return package.load(name, source="snapshot")


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("batch", [1, 3])
def test_points_over_tokens_are_the_models_figures(name: str, batch: int) -> None:
    model = _load(name)
    (found,) = over_tokens([model], batch=batch, r=(8, 64)).models
    for point in found.context.points[:: len(found.context.points) // 12]:
        cache = model.kv_cache(tokens=point.tokens, batch=batch)
        assert point.bytes == cache.bytes
        assert point.bytes_per_token == Fraction(cache.bytes, point.tokens * batch)
    for line, r in zip(found.adapters, (8, 64), strict=True):
        size = model.lora(r=r).bytes
        assert line.r == r
        assert {point.bytes for point in line.points} == {size}
        assert all(p.bytes_per_token == Fraction(size, p.tokens * batch) for p in line.points)
        assert [p.tokens for p in line.points] == [p.tokens for p in found.context.points]
    assert found.context.basis == model.kv_cache(tokens=1).basis
    assert found.adapters[0].basis == model.lora(r=8).basis


@pytest.mark.parametrize("name", MODELS)
def test_points_go_from_end_to_end_and_stand_at_each_bend(name: str) -> None:
    model = _load(name)
    (found,) = over_tokens([model]).models
    lengths = [point.tokens for point in found.context.points]
    assert lengths == sorted(set(lengths))
    assert (lengths[0], lengths[-1]) == (1, LAST_TOKENS)
    assert {bend for bend in model.kv_cache(tokens=1).curve.bends if bend >= 1} <= set(lengths)


@pytest.mark.parametrize("name", MODELS)
def test_marks_over_tokens_are_those_of_the_comparison(name: str) -> None:
    (found,) = over_tokens([_load(name)], batch=2).models
    (comparison,) = package.compare(name, source="snapshot", batch=2)
    (adapter,) = found.adapters
    crossing = adapter.break_even
    assert comparison.lora is not None
    assert (crossing and crossing.tokens) == comparison.break_even_tokens
    if crossing is not None:
        assert crossing.bytes >= comparison.lora.bytes
    level = found.pretraining
    assert (level and level.bytes_per_token) == comparison.pretraining_bytes_per_token
    assert (level and level.qualifier) == comparison.pretraining.qualifier


@pytest.mark.parametrize(("name", "batch"), [*((name, 1) for name in MODELS), (LLAMA, 3)])
def test_points_over_rank_are_the_models_figures(name: str, batch: int) -> None:
    model = _load(name)
    (found,) = over_rank([model], tokens=5000, batch=batch).models
    cache = model.kv_cache(tokens=5000, batch=batch)
    assert found.kv_cache_bytes == cache.bytes
    assert found.weight_bytes == model.weight_bytes
    assert [point.r for point in found.points] == list(RANKS)
    for point in found.points:
        adapter = model.lora(r=point.r)
        assert (point.parameters, point.bytes) == (adapter.parameters, adapter.bytes)
        assert point.compression == Fraction(cache.bytes, adapter.bytes)
        assert point.share_of_weights == Fraction(adapter.bytes, model.weight_bytes or 0)
    named = ranks(model, tokens=5000, batch=batch)
    marks = {mark.name: mark.r for mark in found.marks}
    assert marks == {rule.name: rule.rank for rule in named.rules if rule.parameters is not None}


@pytest.mark.parametrize("name", MODELS[:3])
@pytest.mark.parametrize("tokens", [10, 100_000])
def test_the_sweet_spot_is_where_both_shares_hold(name: str, tokens: int) -> None:
    model = _load(name)
    (found,) = over_rank([model], tokens=tokens).models
    cache, weights = model.kv_cache(tokens=tokens).bytes, model.weight_bytes or 0

    def both(r: int) -> bool:
        size = model.lora(r=r).bytes
        return size * 100 >= cache and size * 100 <= weights

    if found.sweet_spot is None:
        assert not any(both(r) for r in RANKS)
        return
    first, last = found.sweet_spot.first, found.sweet_spot.last
    assert both(first)
    assert both(last)
    assert first == 1 or not both(first - 1)
    assert last == 1024 or not both(last + 1)


def test_without_a_header_the_shares_are_null() -> None:
    model = _load(LLAMA)
    blind = package.Model(replace(model.facts, tensors=None))
    (found,) = over_rank([blind]).models
    assert {point.share_of_weights for point in found.points} == {None}
    assert found.sweet_spot is None
    (over,) = over_tokens([blind]).models
    assert over.pretraining is None


def test_no_model_is_refused() -> None:
    for chart in (over_tokens, over_rank):
        with pytest.raises(package.HfkvError, match="no model"):
            chart([])


@pytest.mark.parametrize("over", ["tokens", "rank"])
def test_plot_prints_the_values(hfkv: Run, over: str) -> None:
    names = MODELS[:2]
    code, out, err = hfkv(
        "plot", *names, "--over", over, "--source", "snapshot", "--format", "json"
    )
    assert (code, err) == (0, "")
    models = [_load(name) for name in names]
    chart: OverTokens | OverRank = over_tokens(models) if over == "tokens" else over_rank(models)
    assert json.loads(out) == versioned(chart.to_json())
    assert out.isascii()


def test_json_names_the_fields_of_its_points(hfkv: Run) -> None:
    for over in ("tokens", "rank"):
        out = hfkv("plot", LLAMA, "--over", over, "--source", "snapshot", "--format", "json")[1]
        value = json.loads(out)
        (model,) = value["models"]
        lines: list[dict[str, Any]] = [model]
        if over == "tokens":
            lines = [model["context"], *model["adapters"]]
        for axis in (value["x"], *value["y"]):
            assert axis["label"]
            assert axis["unit"]
            for line in lines:
                assert all(
                    isinstance(point[axis["field"]], (int, float)) for point in line["points"]
                )


def _keys(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_keys, value))
    return set(value).union(*map(_keys, value.values())) if isinstance(value, dict) else set()


def test_the_documentation_names_every_field() -> None:
    text = (Path(__file__).parents[2] / ".github" / "JSON.md").read_text(encoding="utf-8")
    documented = text[text.index("## Charts") : text.index("## The others")]
    for chart in (over_tokens([_load(LLAMA)]), over_rank([_load(LLAMA)])):
        for key in _keys(chart.to_json()):
            assert re.search(rf"\b{key}\b", documented), key


def test_llama_in_json(hfkv: Run) -> None:
    out = hfkv("plot", LLAMA, "--over", "tokens", "--source", "snapshot", "--format", "json")[1]
    (model,) = json.loads(out)["models"]
    (adapter,) = model["adapters"]
    assert model["context"]["points"][0] == {
        "tokens": 1,
        "bytes": 327_680,
        "bytes_per_token": 327_680,
    }
    assert adapter["points"][-1] == {
        "tokens": 1_000_000,
        "bytes": 828_375_040,
        "bytes_per_token": 828.37504,
    }
    assert (adapter["r"], adapter["break_even"]["tokens"]) == (32, 2528)
    assert model["pretraining"] == {
        "label": "pretraining",
        "bytes": 141_107_412_992,
        "tokens": 15_000_000_000_000,
        "bytes_per_token": 141_107_412_992 / 15_000_000_000_000,
        "qualifier": "at_least",
        "basis": "stated",
    }


def test_json_is_printed_and_not_written_to_a_file(hfkv: Run) -> None:
    code, _, err = hfkv("plot", LLAMA, "--over", "rank", "--format", "json", "-o", "chart.png")
    assert code == 2
    assert "leave out -o" in err


def test_without_the_library_that_draws_one_is_told_before_anything_is_read(
    hfkv: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("hfkv.model.load_many", lambda *_, **__: pytest.fail("it was read"))
    code, _, err = hfkv("plot", LLAMA, "--over", "tokens")
    assert code == 1
    assert "pip install 'hfkv[plot]'" in err
    assert "--format json" in err


def test_numbers_need_no_drawing() -> None:
    code = (
        "import sys\n"
        "from hfkv.cli import main\n"
        f"sys.argv = ['hfkv', 'plot', '{LLAMA}', '--over', 'rank', '--source', 'snapshot',"
        " '--format', 'json']\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "assert not {'matplotlib', 'numpy', 'rich'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)
