"""What a caller gets wrong is an error of ours: of the type, or of the bound that is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

import hfkv
from hfkv.engines import TransformersCache
from hfkv.engines.option_types import wanted

Call = Callable[[Any], object]


@pytest.fixture(scope="module")
def model() -> Any:
    return hfkv.load("Qwen/Qwen3-8B", source="snapshot")


NO_NUMBERS: list[tuple[str, Call]] = [
    ("`tokens`", lambda m: m.kv_cache(tokens="100k")),
    ("`tokens`", lambda m: m.kv_cache(tokens=1.5)),
    ("`tokens`", lambda m: m.kv_cache(tokens=None)),
    ("`tokens`", lambda m: m.kv_cache(tokens=True)),
    ("`batch`", lambda m: m.kv_cache(tokens=10, batch="2")),
    ("`tokens`", lambda m: m.kv_cache(tokens="10", engine=hfkv.Vllm())),
    ("`tokens`", lambda m: m.rank(tokens="x")),
    ("`tokens`", lambda m: hfkv.compare(m, tokens="100k")),
    ("`tokens`", lambda m: m.cartridge(tokens="x")),
    ("`cartridge`", lambda m: hfkv.compare(m, cartridge="x")),
    ("LoraConfig: r", lambda m: m.lora(r="3")),
    ("LoRA config", lambda m: m.lora(3)),
    ("`pretraining_tokens`", lambda m: hfkv.compare(m, pretraining_tokens="4T")),
]


@pytest.mark.parametrize(("where", "call"), NO_NUMBERS, ids=range(len(NO_NUMBERS)))
def test_what_is_no_number_is_of_a_wrong_type(model: Any, where: str, call: Call) -> None:
    with pytest.raises(hfkv.InputTypeError) as caught:
        call(model)
    assert caught.value.where == where


BOUNDS: list[tuple[str, Call]] = [
    ("a whole number of at most 1,000,000", lambda m: m.kv_cache(tokens=10**30)),
    ("a whole number of at least 1", lambda m: m.kv_cache(tokens=0)),
    ("a whole number of at most 1,000,000", lambda m: hfkv.compare(m, tokens=10**30)),
    ("a rank of at most 1,000,000,000", lambda m: m.lora(r=10**30)),
    ("a rank of at least 1", lambda m: m.lora(r=0)),
    ("a whole number of at most 1,000,000,000", lambda m: m.cartridge(tokens=10**30)),
    ("a whole number of at most 4,294,967,295", lambda m: hfkv.LlamaCpp(ctx=10**30)),
    ("a whole number of at most 1,000,000", lambda m: hfkv.Mlx(max_kv_size=10**30)),
    ("a whole number of at least 0", lambda m: hfkv.Mlx(generated=-1)),
]


@pytest.mark.parametrize(("expected", "call"), BOUNDS, ids=range(len(BOUNDS)))
def test_the_bound_that_is_broken_is_told(model: Any, expected: str, call: Call) -> None:
    with pytest.raises(hfkv.InputError) as caught:
        call(model)
    assert caught.value.expected.startswith(expected)
    assert not isinstance(caught.value, TypeError)


NO_ENGINES: list[tuple[str, Call]] = [
    ("`engine`", lambda m: m.kv_cache(tokens=10, engine="vllm")),
    ("`engine`", lambda m: m.kv_cache(tokens=10, engine=hfkv.Vllm)),
    ("`engine`", lambda m: m.kv_cache(tokens=10, engine=0)),
    ("`engine`", lambda m: hfkv.compare(m, engine="vllm")),
    ("`engine`", lambda m: hfkv.compare(m, engine=hfkv.Vllm)),
    ("`engine`", lambda m: m.fit("24GiB", tokens=10, engine="vllm")),
    ("`engine`", lambda m: m.fit("24GiB", tokens=10, engine=hfkv.Vllm)),
    ("`tokens`", lambda m: m.fit("24GiB", tokens="10", engine=hfkv.Vllm())),
]
OPTIONS = [
    (
        engine,
        item.name,
        {"int": "x", "float": "0.9", "str": 3, "bool": 1}[wanted(str(item.type))[0]],
    )
    for engine in (hfkv.Vllm, hfkv.Sglang, hfkv.LlamaCpp, hfkv.Mlx, TransformersCache)
    for item in fields(engine)
]


@pytest.mark.parametrize(("where", "call"), NO_ENGINES, ids=range(len(NO_ENGINES)))
def test_an_engine_is_a_value_with_its_options(model: Any, where: str, call: Call) -> None:
    with pytest.raises(hfkv.InputTypeError) as caught:
        call(model)
    assert caught.value.where == where


@pytest.mark.parametrize(("engine", "name", "value"), OPTIONS)
def test_options_of_engines_are_of_their_types(engine: Any, name: str, value: object) -> None:
    for wrong in (value, [], object()):
        with pytest.raises(hfkv.InputTypeError) as caught:
            engine(**{name: wrong})
        assert caught.value.where == f"{engine.__name__}: {name}"
    assert engine(**{name: getattr(engine(), name)}) == engine()


NO_ADAPTERS: list[tuple[str, Call]] = [
    ("`config`", lambda m: m.adapter("x")),
    ("`config`", lambda m: m.adapter([])),
    ("`config`", lambda m: m.prompt("x")),
    ("`config`", lambda m: m.prompt(None)),
    ("`adapter`", lambda m: m.training("x")),
    ("`adapter`", lambda m: m.training(None)),
    ("`adapter`", lambda m: m.training({"r": 8})),
    ("`gpus`", lambda m: m.training(m.lora(), gpus="2")),
    ("`gpus`", lambda m: m.training(m.lora(), gpus=None)),
    ("`batch`", lambda m: m.training(m.lora(), batch=1.5)),
    ("`sequence`", lambda m: m.training(m.lora(), sequence="4k")),
    ("`optimizer`", lambda m: m.training(m.lora(), optimizer=3)),
    ("`optimizer`", lambda m: m.training(m.lora(), optimizer=[])),
    ("`strategy`", lambda m: m.training(m.lora(), strategy=3, gpus=2)),
    ("`base_dtype`", lambda m: m.training(m.lora(), base_dtype=4)),
    ("`base_dtype`", lambda m: m.training(m.lora(), base_dtype=None)),
    ("`checkpointing`", lambda m: m.training(m.lora(), checkpointing="no")),
]


@pytest.mark.parametrize(("where", "call"), NO_ADAPTERS, ids=range(len(NO_ADAPTERS)))
def test_an_adapter_and_its_training_are_of_their_types(model: Any, where: str, call: Call) -> None:
    with pytest.raises(hfkv.InputTypeError) as caught:
        call(model)
    assert caught.value.where == where


@pytest.mark.parametrize("method", ["IA3", "LOHA"])
def test_training_is_counted_of_lora_alone(model: Any, method: str) -> None:
    with pytest.raises(hfkv.UnsupportedError, match=f"`adapter`: what training {method} takes"):
        model.training(model.adapter({"peft_type": method}))
    assert model.training(model.adapter({"peft_type": "LORA", "r": 4})).r == 4


@pytest.mark.parametrize("name", ["gpus", "batch", "sequence"])
def test_numbers_of_training_have_a_least(model: Any, name: str) -> None:
    with pytest.raises(hfkv.InputError, match=f"`{name}`: found 0; expected .* at least 1"):
        model.training(model.lora(), **{name: 0})


OTHERS: list[tuple[str, Call]] = [
    ("`assumed`", lambda m: m.rank(assumed={"max_share": 1})),
    ("`assumed`", lambda m: m.rank(assumed={})),
    ("`assumed`", lambda m: m.rank(assumed=hfkv.Assumed)),
    ("`max_share`", lambda m: hfkv.Assumed(max_share="x")),  # type: ignore[arg-type]
    ("`max_share`", lambda m: hfkv.Assumed(max_share=None)),  # type: ignore[arg-type]
    ("`data_bits`", lambda m: hfkv.Assumed(data_bits=True)),  # type: ignore[arg-type]
    ("`max_bytes`", lambda m: hfkv.Assumed(max_bytes="1GB")),  # type: ignore[arg-type]
    ("`cartridge`", lambda m: hfkv.Assumed(cartridge=1.5)),  # type: ignore[arg-type]
    ("`bits_source`", lambda m: hfkv.Assumed(bits_source=3)),  # type: ignore[arg-type]
]
LOOKS: list[tuple[str, dict[str, Any]]] = [
    ("`size`", {"size": "x"}),
    ("`size`", {"size": "ab"}),
    ("`size`", {"size": 7}),
    ("`size`", {"size": (7,)}),
    ("`size`", {"size": (7, "5")}),
    ("`style`", {"style": []}),
    ("`assumed`", {"over": "rank", "assumed": {}}),
    ("`tokens`", {"tokens": "100k"}),
    ("`tokens`", {"tokens": "100k", "over": "rank"}),
    ("`batch`", {"batch": "2"}),
    ("`r`", {"r": "3"}),
    ("`r`", {"r": None}),
    ("`r`", {"r": [8, 1.5]}),
]


@pytest.mark.parametrize(("where", "call"), OTHERS, ids=range(len(OTHERS)))
def test_assumptions_are_of_their_types(model: Any, where: str, call: Call) -> None:
    with pytest.raises(hfkv.InputTypeError) as caught:
        call(model)
    assert caught.value.where == where


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1])
def test_an_assumption_is_positive_and_finite(value: float) -> None:
    with pytest.raises(hfkv.InputError, match="`max_share`"):
        hfkv.Assumed(max_share=value)  # type: ignore[arg-type]


@pytest.mark.parametrize(("where", "options"), LOOKS, ids=range(len(LOOKS)))
def test_a_chart_is_asked_for_in_types_that_it_has(
    model: Any, where: str, options: dict[str, Any]
) -> None:
    pytest.importorskip("matplotlib", reason="comes with hfkv[plot]")
    with pytest.raises(hfkv.InputTypeError) as caught:
        hfkv.plot(model, **options)
    assert caught.value.where == where


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_shares_of_memory_are_finite(value: float) -> None:
    for make in (
        lambda: hfkv.Vllm(gpu_memory_utilization=value),
        lambda: hfkv.Sglang(mem_fraction_static=value),
    ):
        with pytest.raises(hfkv.InputError, match="expected a finite number"):
            make()
