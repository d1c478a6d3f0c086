"""The element type of a cache: asked for, published, stated, or what the weights are stored in."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.cache import kv_cache
from hfkv.errors import UnsupportedError
from hfkv.facts import Facts
from tests.cache.test_figure import MISTRAL, facts

FP8 = {"type": "float", "num_bits": 8}


def dtype(config: dict[str, Any], extra: dict[str, Any] | None = None, **options: Any) -> str:
    given = Facts(model="m", source="directory", config=config, extra=extra or {})
    return kv_cache(given, tokens=5, **options).dtype


@pytest.mark.parametrize(
    ("quantization", "expected"),
    [
        ({"kv_cache_scheme": FP8}, "float8_e4m3fn"),
        ({"kv_cache_scheme": {"type": "int", "num_bits": 8}}, "int8"),
        ({"kv_cache_scheme": {"type": "int", "num_bits": 4}}, "int4"),
        ({"kv_cache_scheme": None}, "bfloat16"),
        ({"kv_cache_quant_algo": "FP8"}, "float8_e4m3fn"),
        ({"kv_cache_quant_algo": None}, "bfloat16"),
        ({}, "bfloat16"),
        (None, "bfloat16"),
    ],
)
def test_a_published_scheme_is_followed(quantization: Any, expected: str) -> None:
    assert dtype({**MISTRAL, "quantization_config": quantization}) == expected
    # What the user asks for stands before it.
    asked = dtype({**MISTRAL, "quantization_config": quantization}, dtype="fp16")
    assert asked == "float16"


def test_it_may_stand_in_the_nested_config_or_in_a_file_of_its_own() -> None:
    text = {**MISTRAL, "quantization_config": {"kv_cache_scheme": FP8}}
    assert dtype({"model_type": "llava", "text_config": text}) == "float8_e4m3fn"
    nvidia = {"hf_quant_config.json": {"quantization": {"kv_cache_quant_algo": "INT8"}}}
    assert dtype(MISTRAL, nvidia) == "int8"
    note = kv_cache(
        Facts(model="m", source="directory", config=MISTRAL, extra=nvidia), tokens=5
    ).notes
    assert note[0] == (
        "the cache is I8 by the published hf_quant_config.json: quantization.kv_cache_quant_algo"
    )


@pytest.mark.parametrize(
    "quantization",
    [
        {"kv_cache_scheme": {"type": "float", "num_bits": 4}},
        {"kv_cache_scheme": {"type": [], "num_bits": 8}},
        {"kv_cache_scheme": {}},
        {"kv_cache_scheme": "fp8"},
        {"kv_cache_quant_algo": "NVFP4"},
        {"kv_cache_quant_algo": 8},
    ],
)
def test_a_scheme_that_nobody_knows_is_refused_unless_asked(quantization: Any) -> None:
    config = {**MISTRAL, "quantization_config": quantization}
    with pytest.raises(UnsupportedError, match="quantization_config") as caught:
        dtype(config)
    assert "`dtype`" in str(caught.value)
    assert dtype(config, dtype="fp8") == "float8_e4m3fn"


def test_states_pinned_to_float32_stay_so() -> None:
    config = {"model_type": "qwen3_next", "torch_dtype": "bfloat16", "num_hidden_layers": 4}
    wide = kv_cache(facts(config), tokens=100)
    narrow = kv_cache(facts(config), tokens=100, dtype="fp8")
    for before, after in zip(wide.layers, narrow.layers, strict=True):
        for old, new in zip(before.tensors, after.tensors, strict=True):
            if old.name.startswith("recurrent"):
                assert (old.dtype, new.dtype) == ("F32", "F32")
            else:
                assert (old.dtype, new.dtype) == ("BF16", "F8_E4M3")


@pytest.mark.parametrize("asked", ["int4", "int8", "fp8"])
def test_a_width_that_no_class_holds_is_said_to_be_one(asked: str) -> None:
    """Transformers' quantized caches keep scales, and the last tokens in full."""
    found = kv_cache(facts(MISTRAL), tokens=100, dtype=asked)
    assert found.basis == "documented"
    assert "without scales" in found.notes[-1]
    assert kv_cache(facts(MISTRAL), tokens=100, dtype="fp16").basis == "exact"
