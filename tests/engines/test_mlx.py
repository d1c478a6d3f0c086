"""mlx-lm: equal to the arrays of its own classes, or refused where they fail."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.engines import Mlx
from hfkv.engines.mlx_growth import Reading, chunked, growing, rotating
from hfkv.errors import HfkvError, InputError, UnsupportedError
from tests.engines.rows import SMALL, read_rows, small_subject, subject

ROWS = read_rows("mlx-lm_0.32.2.jsonl")


def agree(found: Any, expected: dict[str, Any]) -> None:
    assert found.bytes == expected["bytes_total"]
    assert found.facts["bytes_after_prefill"] == expected["bytes_after_prefill"]
    assert found.facts["peak_prefill"] == expected["peak_prefill"]


@pytest.mark.skipif(not ROWS, reason="no rows beside the checkout")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['model']}-{row['variant']}")
def test_rows(row: dict[str, Any]) -> None:
    for result in row["results"]:
        engine = Mlx(generated=result.get("decoded", 8), **row["options"])
        if "error" in result:
            with pytest.raises(HfkvError):
                engine.allocate(subject(row["model"]), tokens=result["tokens"])
            continue
        found = engine.allocate(subject(row["model"]), tokens=result["tokens"])
        agree(found, result)
        assert found.basis == subject(row["model"]).basis


@pytest.mark.parametrize("name", SMALL["mlx"])
def test_small(name: str) -> None:
    for row in SMALL["mlx"][name]:
        options = {"generated": row["decoded"], **row["options"]}
        if "error" in row:
            with pytest.raises(UnsupportedError):
                Mlx(**options).allocate(small_subject(name), tokens=row["tokens"])
        else:
            agree(Mlx(**options).allocate(small_subject(name), tokens=row["tokens"]), row)


def slowly(kind: str, reading: Reading, size: int) -> tuple[int, int, int]:
    """The same lengths, step by step as the classes go."""
    length = offset = start = 0
    whole = read = 0
    steps = [reading.chunk] * (reading.in_chunks // reading.chunk)
    rest = reading.in_chunks % reading.chunk
    for number, step in enumerate([*steps, *([rest] if rest else []), *[1] * reading.alone]):
        if kind == "rotating" and step > 1:
            length = min(length, size - 1) + step
        elif kind == "rotating":
            if length == 0 or (offset >= length and length < size):
                length += min(256, size - offset)
            length = min(length, size)
        else:
            if kind == "chunked" and offset - start > size:
                start, length = offset - size, size
            before = offset - start
            if before + step > length:
                length = (before if before % 256 else length) + -(-step // 256) * 256
        offset += step
        if number + 1 == len(steps):
            whole = length
        if offset == reading.in_chunks:
            read = length
    return whole, read, length


@pytest.mark.parametrize("kind", ["growing", "rotating", "chunked"])
@pytest.mark.parametrize("size", [300, 512, 1024, 5000])
def test_lengths_are_those_of_every_step(kind: str, size: int) -> None:
    if kind == "chunked":
        size = size // 256 * 256
    for tokens in (1, 2, 3, 255, 256, 257, 300, 513, 900, 1281, 2600, 5003):
        for alone in (1, 2, 9, 300):
            for chunk in (256, 512, 2048):
                if alone > tokens:
                    continue
                reading = Reading(tokens=tokens, alone=alone, chunk=chunk)
                found = {
                    "growing": lambda reading: growing(reading),
                    "rotating": lambda reading: rotating(reading, size),
                    "chunked": lambda reading: chunked(reading, size),
                }[kind](reading)
                mine = (found.whole, found.read, found.end)
                assert mine == slowly(kind, reading, size), reading


def test_what_is_reserved_is_the_rest_of_a_block() -> None:
    found = Mlx().allocate(small_subject("llama"), tokens=1000)
    # 4 layers x 2 heads x (32 + 32) x 2 B.
    assert (found.held, found.bytes) == (1000 * 1024, 1024 * 1024)


def test_the_start_of_quantizing_is_said() -> None:
    small = small_subject("llama")
    early = Mlx(kv_bits=8, kv_group_size=32).allocate(small, tokens=4096)
    late = Mlx(kv_bits=8, kv_group_size=32, quantized_kv_start=5000).allocate(small, tokens=4096)
    assert early.bytes < late.bytes == Mlx().allocate(small, tokens=4096).bytes
    assert any("5,000" in note for note in early.notes)


def test_a_prompt_that_takes_more_is_said() -> None:
    found = Mlx().allocate(small_subject("gpt_oss"), tokens=4096)
    assert found.facts["peak_prefill"] > found.bytes
    assert any(f"{found.facts['peak_prefill']:,} B" in note for note in found.notes)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("gpt_oss", {"kv_bits": 4}, "RotatingKVCache"),
        ("gemma2", {"kv_bits": 4}, "quantized keys"),
        ("deepseek_v3", {"kv_bits": 4, "kv_group_size": 32}, "quantized keys"),
        ("llama", {"kv_bits": 4}, "groups of 64 elements do not divide the 32"),
        ("t5", {}, "no model of type t5"),
    ],
)
def test_refused(name: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(UnsupportedError, match=says):
        Mlx(**options).allocate(small_subject(name), tokens=4096)


@pytest.mark.parametrize("options", [{"kv_bits": 7}, {"kv_group_size": 48}])
def test_types_that_it_has_not(options: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError):
        Mlx(**options)


@pytest.mark.parametrize("options", [{"max_kv_size": 0}, {"generated": -1}])
def test_options_that_are_none(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Mlx(**options)
