"""The registry of PEFT's methods, and how often a model is built for them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

import hfkv
from hfkv.errors import UnsupportedError
from hfkv.facts import Facts
from hfkv.model import Model
from hfkv.peft.methods import METHODS, method_of
from hfkv.render.adapter import sheets
from tests.peft.tiny import facts
from tests.peft.tuner_cases import CASES


def config_of(name: str) -> dict[str, Any]:
    """A config by which a method has something to train on the tiny model."""
    if name == "LORA":
        return {"r": 8, "target_modules": None}
    if name == "CPT":
        return {"cpt_token_ids": [1, 2], "task_type": "CAUSAL_LM"}
    if name in CASES:
        return {"target_modules": ["q_proj", "v_proj"], **CASES[name][0]}
    return {"num_virtual_tokens": 8}


@pytest.mark.parametrize("name", METHODS)
def test_a_row_names_a_module_with_all_that_a_method_has(name: str) -> None:
    method = method_of({"peft_type": name})
    assert method is import_module(METHODS[name])
    figure = Model(facts()).adapter({"peft_type": name, **config_of(name)})
    assert figure.method == name
    assert min(figure.saved_parameters, figure.parameters) > 0
    assert figure.to_json()["bytes"] == figure.bytes
    assert (figure.dtype, figure.basis) == ("bfloat16", "exact")
    assert "Config(" in figure.snippet()
    assert isinstance(figure.notes, tuple)
    assert dict(figure.rows)["trained parameters"] == figure.parameters
    (sheet,) = sheets(Model(facts()), figure)
    assert name in sheet.title
    assert [tuple(row) for row in sheet.rows] == [(row, f"{n:,}") for row, n in figure.rows]


@pytest.mark.parametrize("name", ["NO_SUCH", None, 3, ["LORA"]])
def test_other_types_are_refused_by_name(name: object) -> None:
    with pytest.raises(UnsupportedError, match="not counted") as caught:
        method_of({"peft_type": name})
    assert "LORA" in str(caught.value)


@pytest.mark.oracle
def test_the_rows_are_types_of_the_pinned_peft() -> None:
    peft = pytest.importorskip("peft")
    assert set(METHODS) <= {item.value for item in peft.PeftType}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what was called: ``build`` and ``inject``."""
    from hfkv.peft import base
    from hfkv.peft.lora import adapter

    made: list[str] = []

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            made.append(name)
            return real(*args, **options)

        return call

    monkeypatch.setattr(base, "build", counted("build", base.build))
    monkeypatch.setattr(adapter, "inject", counted("inject", adapter.inject))
    return made


def test_a_comparison_builds_and_counts_once(calls: list[str]) -> None:
    model = hfkv.load("meta-llama/Meta-Llama-3-70B", source="snapshot")
    (item,) = hfkv.compare(model, cartridge=128)
    assert item.rank_at_parity == 1265
    assert calls == ["build", "inject"]
    model.lora(r=8)
    model.adapter({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 4})
    assert calls == ["build", "inject", "inject"]


def test_the_ranks_are_one_count(calls: list[str]) -> None:
    from hfkv.comparison.rank import ranks

    model = hfkv.load("meta-llama/Meta-Llama-3-70B", source="snapshot")
    assert len(ranks(model, tokens=1000).rows) == 11
    assert calls == ["build", "inject"]


def test_adapter_repositories_build_their_base_once(calls: list[str]) -> None:
    config = {"peft_type": "LORA", "r": 4, "target_modules": ["q_proj"]}
    model = Model(
        Facts(
            model="me/adapter",
            source="directory",
            base=facts(),
            extra={"adapter_config.json": config},
        )
    )
    assert model.adapter().parameters == model.lora(r=4, target_modules=["q_proj"]).parameters
    assert calls == ["build", "inject", "inject"]


def test_a_size_that_does_not_depend_on_the_rank_has_no_parity() -> None:
    model = hfkv.load("meta-llama/Meta-Llama-3-70B", source="snapshot")
    (item,) = hfkv.compare(model, rank_pattern={".*": 4})
    assert item.lora is not None
    assert item.rank_at_parity is None
    assert "does not depend on r" in item.reasons["rank_at_parity"]
