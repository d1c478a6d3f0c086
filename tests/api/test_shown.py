"""What Python shows of a figure: a line, a table without anything fetched, a dict."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

import hfkv
from hfkv.json_value import SCHEMA_VERSION
from tests.conftest import LLAMA

MODEL = hfkv.load(LLAMA, source="snapshot")
(COMPARISON,) = hfkv.compare(MODEL, cartridge=512)
FIGURES: list[Any] = [
    MODEL,
    MODEL.kv_cache(tokens=100_000),
    MODEL.lora(r=32, modules_to_save=["lm_head"]),
    MODEL.cartridge(tokens=512),
    MODEL.pretraining,
    MODEL.rank(),
    COMPARISON,
    MODEL.kv_cache(tokens=1000, engine=hfkv.Vllm()),
]


class _Cells(HTMLParser):
    """The texts of a page, and its tags with what they hold."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def _read(figure: Any) -> _Cells:
    page = _Cells()
    page.feed(figure._repr_html_())
    page.close()
    assert page.open == []
    return page


@pytest.mark.parametrize("figure", FIGURES, ids=lambda item: type(item).__name__)
def test_one_line_says_what_it_is(figure: Any) -> None:
    line = repr(figure)
    assert line.startswith(f"{type(figure).__name__}(")
    assert "\n" not in line
    assert len(line) < 240


def test_the_lines_of_llama() -> None:
    assert repr(MODEL) == (
        "Model(model='meta-llama/Meta-Llama-3-70B', source='snapshot', model_type='llama', "
        "parameters=70553706496, weight_bytes=141107412992)"
    )
    assert repr(FIGURES[1]) == (
        "KVCache(model='meta-llama/Meta-Llama-3-70B', tokens=100000, batch=1, bytes=32768000000, "
        "dtype='bfloat16', engine='transformers', basis='exact')"
    )
    assert repr(MODEL.pretraining) == (
        "Pretraining(tokens=15000000000000, qualifier='at_least', basis='stated')"
    )


@pytest.mark.parametrize("figure", FIGURES, ids=lambda item: type(item).__name__)
def test_a_notebook_gets_a_table_in_its_own_colours(figure: Any) -> None:
    page = _read(figure)
    assert {tag for tag, _ in page.tags} <= set("div table caption thead tbody tr th td p".split())
    for tag, attributes in page.tags:
        assert set(attributes) <= {"style", "scope"}, tag
        style = str(attributes.get("style"))
        # Colours of the page around it; nothing is fetched.
        assert "url" not in style
        assert "color:" not in style.replace("color:inherit", "")
        assert "background" not in style


def test_numbers_stand_in_the_tables() -> None:
    texts = [" ".join(_read(figure).texts) for figure in FIGURES]
    assert "70,553,706,496" in texts[0]
    assert "32,768,000,000 (32.77 GB)" in texts[1]
    assert "gate_proj" in texts[2]
    assert "over 15 trillion tokens" in texts[4]
    assert "rank 54 at most" in texts[5]
    for text in ("327,680", "8,284", "at most 0.0094", "2,528", "LoRA r=32"):
        assert text in texts[6].replace("0.009407", "0.0094")


EVIL = "<script>alert(1)</script>\x1b[31m\u202e&\"'"


def test_what_a_repository_says_is_escaped() -> None:
    facts = replace(MODEL.facts, model=EVIL, notes=(EVIL,))
    model = hfkv.Model(replace(facts, config={**(facts.config or {}), "model_type": "llama"}))
    found: list[Any] = [model, model.kv_cache(tokens=1), model.lora(r=1), model.rank()]
    found += hfkv.compare(model)
    said = hfkv.Pretraining(tokens=1, qualifier="exact", basis="stated", notes=(EVIL,))
    for figure in (*found, said):
        page = figure._repr_html_()
        assert "<script" not in page
        assert "\x1b" not in page
        assert "\u202e" not in page
        assert "\x1b" not in repr(figure)
        _read(figure)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda item: type(item).__name__)
def test_a_dict_is_the_json_document(figure: Any) -> None:
    value = figure.to_dict()
    assert next(iter(value.items())) == ("schema_version", SCHEMA_VERSION)
    assert json.loads(json.dumps(value)) == value


def test_parameters_without_a_header_or_a_rule() -> None:
    blind = hfkv.Model(replace(MODEL.facts, tensors=None))
    assert (blind.parameters, blind.stored_elements) == (None, None)
    config = {**(MODEL.facts.config or {}), "quantization_config": {"quant_method": "novel"}}
    packed = hfkv.Model(replace(MODEL.facts, config=config))
    assert (packed.parameters, packed.stored_elements) == (None, 70_553_706_496)
    (comparison,) = hfkv.compare(packed)
    assert "packed" in comparison.reasons["parameters"]
