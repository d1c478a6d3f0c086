"""The other caches of transformers: equal to what its classes allocate, or refused as they do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hfkv.cache.conventions import Sequences
from hfkv.cache.conventions.transformers import TRANSFORMERS
from hfkv.engines import TransformersCache
from hfkv.engines.quantized_groups import packed_bytes
from hfkv.engines.subject import subject_of
from hfkv.errors import HfkvError, InputError, UnsupportedError
from hfkv.facts import Facts
from tests.engines.rows import SMALL, read_rows, small_subject, subject

ROWS = read_rows("transformers_5.24.0.jsonl")


def asked(row: dict[str, Any], result: dict[str, Any]) -> TransformersCache:
    """The options of a row."""
    if row["variant"] == "static":
        return TransformersCache(cache="static", dtype="bf16")
    return TransformersCache(
        cache="quantized",
        dtype="bf16",
        backend=row["variant"].partition("_")[2],
        generated=result["tokens"] - row["prompt"] if "prompt" in row else 0,
        **row["options"],
    )


@pytest.mark.skipif(not ROWS, reason="no rows beside the checkout")
@pytest.mark.parametrize(
    "row",
    ROWS,
    ids=lambda row: (
        f"{row['model']}-{row['variant']}-{row.get('max_cache_len', row.get('options'))}"
    ),
)
def test_rows(row: dict[str, Any]) -> None:
    for result in row.get("results") or [{"tokens": row.get("max_cache_len", 1000), **row}]:
        if "error" in result:
            with pytest.raises(HfkvError):
                asked(row, result).allocate(subject(row["model"]), tokens=result["tokens"])
        else:
            found = asked(row, result).allocate(subject(row["model"]), tokens=result["tokens"])
            assert found.bytes == result["bytes_total"]


@pytest.mark.parametrize("name", sorted(set(SMALL["configs"]) - {"bert", "t5"}))
def test_dynamic_is_what_the_convention_counts(name: str) -> None:
    small = small_subject(name)
    for tokens in (1, 100, 3000):
        found = TransformersCache().allocate(small, tokens=tokens, batch=2)
        stored = Sequences(tokens=tokens, batch=2, dtype="BF16")
        assert found.bytes == TRANSFORMERS.bytes(small.plan, stored)


def test_static_is_reserved_for_all_its_tokens() -> None:
    small = small_subject("gpt_oss")
    found = TransformersCache(cache="static", max_cache_len=1000).allocate(small, tokens=50)
    # 2 layers of 128 tokens and 2 of 1,000, 2 heads x (64 + 64) x 2 B each.
    assert found.bytes == 2 * (128 + 1000) * 512
    assert found.held == 4 * 50 * 512
    with pytest.raises(UnsupportedError, match="at most its 1000"):
        TransformersCache(cache="static", max_cache_len=1000).allocate(small, tokens=1001)


def test_two_layers_are_on_the_gpu_where_they_are_offloaded() -> None:
    small = small_subject("gemma2")
    layer = 1000 * 2 * 128 * 2
    window = 511 * 2 * 128 * 2
    found = TransformersCache(cache="offloaded").allocate(small, tokens=1000)
    assert found.bytes == layer + window
    assert found.facts["host_bytes"] == 2 * (layer + window)
    assert found.basis == "documented"
    static = TransformersCache(cache="offloaded_static").allocate(small, tokens=1000)
    # Windows stay: two of them, beside the two other layers.
    assert static.bytes == 2 * layer + 2 * 512 * 2 * 128 * 2


def test_the_newest_tokens_stay_plain_until_they_fill_the_residual() -> None:
    small = small_subject("llama")
    sizes = [
        TransformersCache(cache="quantized", generated=generated)
        .allocate(small, tokens=512 + generated)
        .bytes
        for generated in (0, 1, 127, 128, 129)
    ]
    each = 4 * 2 * 64 * 2
    packed = [4 * (tokens * 2 * 64 // 2 + tokens * 2 * 64 // 64 * 4) for tokens in (512, 640)]
    assert sizes == [
        packed[0],
        packed[0] + each,
        packed[0] + 127 * each,
        packed[1],
        packed[1] + each,
    ]


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("quanto", {"bits": 4, "axis": 0}),
        ("quanto", {"bits": 2, "axis": -1}),
        ("hqq", {"bits": 3, "axis": 0}),
        ("hqq", {"bits": 3, "axis": 1}),
        ("hqq", {"bits": 1, "axis": 1}),
    ],
)
def test_packing_takes_no_less_than_its_bits(backend: str, options: dict[str, int]) -> None:
    elements = 8 * 1024 * 128
    size = packed_bytes((1, 8, 1024, 128), backend=backend, group=64, scale=2, **options)
    plain = elements * options["bits"] // 8 + elements // 64 * 4
    assert plain <= size < plain * 1.3


def test_groups_must_be_whole() -> None:
    with pytest.raises(UnsupportedError, match="do not make groups"):
        packed_bytes((1, 1, 7, 80), backend="quanto", bits=4, axis=0, group=64, scale=2)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("gpt_oss", {"cache": "quantized"}, "full attention only"),
        ("deepseek_v32", {"cache": "quantized"}, "full attention only"),
        ("mamba2", {"cache": "quantized"}, "full attention only"),
        ("llama", {"cache": "quantized", "backend": "quanto", "nbits": 8}, "one of 2, 4"),
        ("llama", {"cache": "quantized", "backend": "hqq", "axis_key": -1}, "one of 0, 1"),
        ("llama", {"cache": "quantized", "backend": "fp8", "nbits": 8}, "no options"),
        ("llama", {"cache": "static", "dtype": "fp8"}, "what a model computes in"),
    ],
)
def test_refused(name: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(UnsupportedError, match=says):
        TransformersCache(**options).allocate(small_subject(name), tokens=100)


@pytest.mark.parametrize(
    "options", [{"cache": "mystery"}, {"backend": "awq"}, {"max_cache_len": 0}]
)
def test_options_that_are_none(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        TransformersCache(**options)


def test_a_published_scheme_is_for_engines() -> None:
    scheme = {"kv_cache_scheme": {"type": "float", "num_bits": 8}}
    config = {**SMALL["configs"]["llama"], "quantization_config": scheme}
    small = subject_of(Facts(model="llama", source="directory", config=config))
    plain = small_subject("llama")
    for cache in ("static", "quantized"):
        engine = TransformersCache(cache=cache)
        assert engine.allocate(small, tokens=99).bytes == engine.allocate(plain, tokens=99).bytes
    assert TransformersCache().allocate(small, tokens=99).basis == "documented"


def test_an_encoder_decoder_is_not_called_exact() -> None:
    small = replace(small_subject("t5"), given_encoder_tokens=9)
    found = TransformersCache(cache="static").allocate(small, tokens=10)
    assert found.basis == "documented"
    # 4 layers x 8 heads x 64 x 2 B, for 10 tokens and for the encoder's 9.
    assert found.bytes == 4 * 8 * 64 * 2 * 19
