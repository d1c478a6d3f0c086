"""What a caller gets wrong is an error of ours: of the type, or of the bound that is broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import hfkv

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
