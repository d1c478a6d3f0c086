"""The page on Python says what Python prints, and values of any kind end in an answer in words."""

from __future__ import annotations

import doctest
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hfkv
from tests.peft.tiny import CONFIG

PAGE = Path(__file__).parents[2] / ".github" / "PYTHON.md"


def test_the_page_is_what_python_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: None
) -> None:
    monkeypatch.chdir(tmp_path)
    found = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert found.attempted > 12
    assert found.failed == 0


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
ANY = st.recursive(
    PLAIN | st.binary(max_size=4) | st.just(object()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(
    config=ANY | st.dictionaries(st.sampled_from(sorted(CONFIG)), ANY),
    header=ANY | st.dictionaries(st.text(max_size=8), ANY, max_size=3),
    card=ANY,
    name=ANY,
)
def test_values_of_any_kind_end_in_words(config: Any, header: Any, card: Any, name: Any) -> None:
    if isinstance(config, str):
        return
    try:
        model = hfkv.load(config, header=header, card=card, name=name)
        json.dumps(model.to_dict())
        hfkv.compare([model])
        said = repr(model)
    except hfkv.HfkvError as error:
        said = str(error)
    assert said
