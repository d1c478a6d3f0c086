"""GGUF headers that mean harm: each ends in one clear error or in the right answer."""

from __future__ import annotations

import math
import re
import struct
from typing import Any

import pytest

from hfkv.errors import HeaderError, HfkvError
from hfkv.facts import read
from hfkv.ggml import BLOCK_NAMES, TYPES
from hfkv.model import Model
from hfkv.source.files import Files
from hfkv.source.gguf import GGUF_FILE, LARGEST_HEADER, GgufHeader, read_gguf
from hfkv.tensors import TensorTable
from tests.facts.test_gguf import _header
from tests.fuzz.gguf_bytes import gguf, text, value

ONE = [("a.weight", [64, 2], 0, 0)]


def _read(raw: bytes, size: int | None = None) -> GgufHeader:
    return read_gguf(lambda begin, end: raw[begin:end], where="m.gguf", size=size)


def test_what_is_written_is_read() -> None:
    keys = {
        "general.architecture": "x",
        "a": [1, 2, 3],
        "b": [True, False],
        "c": 1.5,
        "d": ["one", "two"],
        "e": [],
        "long": "x" * 5000,
        "many": list(range(5000)),
        "odd": "\x1b\ud7ff",
    }
    tensors = [("t", [32, 3], 8, 0), ("u", [], 0, 128), ("v", [5], 30, 160)]
    for order in "<>":
        found = _read(gguf(keys, tensors, order=order, data=170))
        assert found.metadata == {
            **keys,
            "d": {"entries": 2},
            "long": {"bytes": 5000},
            "many": {"entries": 5000},
        }
        assert [(item.name, item.dtype, item.shape, item.bytes) for item in found.tensors] == [
            ("t", "Q8_0", (3, 32), 102),
            ("u", "F32", (), 4),
            ("v", "BF16", (5,), 10),
        ]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "ends at byte 0"),
        (b"GGU", "ends at byte 3"),
        (b"GGML" + bytes(20), "starts with b'GGML'"),
        (b"PK\x03\x04" + bytes(20), "a GGUF file"),
        (gguf({}, version=1), "version 1"),
        (gguf({}, version=4), "version 4"),
        (gguf({}, version=0), "version 0"),
        (gguf({}, keys=2**40), "number of metadata keys is"),
        (gguf({}, keys=2**63), "number of metadata keys is"),
        (gguf({}, count=2**63), "number of tensors is"),
        (gguf({}, keys=3), "truncated|twice"),
        (gguf([("a", 1), ("a", 2)]), "'a' appears twice"),
        (gguf({"a": struct.pack("<I", 13)}), "a: a value of type 13"),
        (gguf({"a": struct.pack("<IIQ", 9, 9, 1)}), "a: a value of type 9"),
        (gguf({"a": struct.pack("<IIQ", 9, 99, 1)}), "a: a value of type 99"),
        (gguf({"a": struct.pack("<IIQ", 9, 0, 2**63)}), "length of an array is"),
        (gguf({"a": struct.pack("<IIQ", 9, 8, 2**22)}), "truncated|a text of"),
        (gguf({"a": struct.pack("<IIQQ", 9, 8, 1, 2**63)}), "a text of 9223372036854775808"),
        (gguf({"a": struct.pack("<IQ", 8, 2**63)}), "length of a text is"),
        (gguf({"a": struct.pack("<IQ", 8, 2**25)}), "truncated"),
        (gguf([("k" * 70_000, 1)]), "length of a key is 70000"),
        (gguf({"general.alignment": 0}), "a power of two"),
        (gguf({"general.alignment": 3}), "a power of two"),
        (gguf({"general.alignment": -32}), "a power of two"),
        (gguf({"general.alignment": 2**40}), "a power of two"),
        (gguf({"general.alignment": True}), "a power of two"),
        (gguf({"general.alignment": "32"}), "a power of two"),
        (gguf({}, [("n" * 600, [1], 0, 0)]), "length of a tensor's name is 600"),
        (gguf({}, [*ONE, *ONE]), "a.weight: the name appears twice"),
        (gguf({}, [("a", [1] * 5, 0, 0)]), "5 dimensions"),
        (gguf({}, [("a", [2**32, 2**32], 0, 0)]), "fewer than 2\\^63"),
        (gguf({}, [("a", [2**63], 0, 0)]), "fewer than 2\\^63"),
        (gguf({}, [("a", [33, 2], 8, 0)]), "a multiple of 32"),
        (gguf({}, [("a", [128], 12, 0)]), "a multiple of 256"),
        (gguf({}, [("a", [4], 4, 0)]), "ggml type 4"),
        (gguf({}, [("a\x1b", [4], 999, 0)]), "a\\\\x1b: ggml type 999"),
        (gguf({}, [("a", [4], 0, 32)]), "begin at 32"),
        (gguf({}, [("a", [4], 0, 0), ("b", [4], 0, 16)]), "expected 32"),
        (gguf({}, [("a", [4], 0, 0), ("b", [4], 0, 0)]), "expected 32"),
        (gguf({}, [("a", [4], 0, 2**63)]), "begin at 9223372036854775808"),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(raw: bytes, words: str) -> None:
    with pytest.raises(HeaderError, match=words) as caught:
        _read(raw)
    assert str(caught.value).startswith("m.gguf")
    assert str(caught.value).isprintable()


def test_every_cut_of_a_file_is_refused() -> None:
    raw = gguf({"general.architecture": "x", "a": ["b", "c"]}, ONE, data=512)
    assert len(_read(raw, len(raw)).tensors) == 1
    for end in range(len(raw)):
        with pytest.raises(HeaderError):
            _read(raw[:end], end)


def test_an_endless_header_is_left_at_a_bound() -> None:
    asked: list[int] = []

    def endless(begin: int, end: int) -> bytes:
        asked.append(end - begin)
        head = gguf({"a": struct.pack("<IIQ", 9, 8, 2**22)})
        more = b"\0\0\x10\0\0\0\0\0" * ((end - begin) // 8 + 2)
        return (head[begin:end] + more[begin % 8 :])[: end - begin]

    with pytest.raises(HeaderError, match="goes beyond"):
        read_gguf(endless, where="m.gguf")
    assert sum(asked) <= LARGEST_HEADER + 2**25


def test_long_arrays_of_numbers_are_not_fetched() -> None:
    raw = gguf({"a": struct.pack("<IIQ", 9, 5, 10**6) + bytes(4 * 10**6), "b": 1}, ONE)
    asked: list[tuple[int, int]] = []

    def ranges(begin: int, end: int) -> bytes:
        asked.append((begin, end))
        return raw[begin:end]

    assert read_gguf(ranges, where="m").metadata == {"a": {"entries": 10**6}, "b": 1}
    assert sum(end - begin for begin, end in asked) < len(raw)


def test_names_of_plain_types_are_those_of_safetensors() -> None:
    from hfkv.dtypes import BITS

    for name, elements, size in TYPES.values():
        if elements == 1:
            assert BITS[name] == 8 * size
        else:
            assert name in BLOCK_NAMES
            assert name not in BITS


# -- keys of the wrong type ----------------------------------------------------------------------

WRONG: list[Any] = [
    None, 0, -1, 1, 2**63, 1.5, math.nan, math.inf, True, "x", "", "\x1b", [], [1, 2, 3], [1, 1, 1],
    ["a"], {"entries": 3}, {"entries": "x"}, {"bytes": 9},
]  # fmt: skip
CASES = ["gemma2", "lfm2"]
MORE = ["llama", "deepseek_v3", "qwen3_5_moe_text", "olmo3", "phi3", "falcon-40b", "exaone4"]


@pytest.mark.parametrize(
    "case", [*CASES, *(pytest.param(case, marks=pytest.mark.oracle) for case in MORE)]
)
def test_every_key_of_the_wrong_type(case: str) -> None:
    header = _header(case)
    table = TensorTable(header.tensors)
    architecture = header.metadata["general.architecture"]
    keys = [key for key in header.metadata if not key.startswith("tokenizer.ggml.model")]
    for key in [*keys, f"{architecture}.attention.sliding_window_pattern", "split.count"]:
        for wrong in WRONG:
            changed = {**header.metadata, key: wrong}
            texts = {GGUF_FILE: GgufHeader(metadata=changed, tensors=()).to_json()}
            files = Files(model="m", source="directory", texts=texts, tensors=table)
            for ask in (
                lambda model: model.kv_cache(tokens=100, dtype="bf16").to_json(layers=True),
                lambda model: model.lora(r=4, dtype="bf16").to_json(),
            ):
                try:
                    ask(Model(read(files)))
                except HfkvError as error:
                    said = str(error)
                    assert said.isprintable(), (key, wrong)


def test_a_header_at_odds_with_its_tensors_is_caught() -> None:
    header = _header("llama")
    table = TensorTable(header.tensors)

    def ask(**change: Any) -> Any:
        metadata = {**header.metadata, **{f"llama.{key}": item for key, item in change.items()}}
        texts = {GGUF_FILE: GgufHeader(metadata=metadata, tensors=()).to_json()}
        files = Files(model="m", source="directory", texts=texts, tensors=table)
        return Model(read(files)).kv_cache(tokens=1)

    assert ask().bytes
    for change in (
        {"attention.head_count_kv": 3},
        {"attention.key_length": 24, "attention.value_length": 24},
        {"block_count": 4},
    ):
        figure = ask(**change)
        assert figure.basis == "contradicted"
        assert re.search("k_proj|layer", figure.notes[0])
    # Heads that differ from layer to layer are no llama; one number for each is.
    with pytest.raises(HfkvError, match="differs from layer to layer"):
        ask(**{"attention.head_count_kv": [2, 2, 0]})
    assert ask(**{"attention.head_count_kv": [2, 2, 2]}).bytes == ask().bytes


def test_the_builder_writes_what_a_text_is() -> None:
    assert text("ab") == b"\x02" + bytes(7) + b"ab"
    assert value(True) == b"\x07\0\0\0\x01"
