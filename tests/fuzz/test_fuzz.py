"""Bytes that nobody wrote on purpose: every reader answers, or refuses with one clear error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.readers import READERS
from tests.fuzz.seeds import SEEDS

#: Bytes that mean something to one format or another.
PIECES = [
    b"\0", b"\xff", b"\x7f", b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\n", b"|", b"---\n",
    b"null", b"true", b"-1", b"0", b"1e999", b"NaN", b"9" * 30, b"\\ud800", "\u202e".encode(),
    b"\x1b[2J",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x09\0\0\0", b"\x08\0\0\0", b"GGUF", b"tokens", b"15T ",
]  # fmt: skip


@st.composite
def _mutated(draw: st.DrawFn, name: str) -> bytes:
    """A good file with some places cut, doubled, overwritten or swapped."""
    raw = bytearray(draw(st.sampled_from(SEEDS[name])))
    for _ in range(draw(st.integers(0, 6))):
        # Headers stand at the beginning of files, so that is where it is worth while.
        at = draw(st.integers(0, min(len(raw), 4_000)))
        length = draw(st.sampled_from([0, 1, 1, 1, 2, 4, 8, 40]))
        kind = draw(st.sampled_from(["set", "set", "piece", "cut", "double", "end"]))
        if kind == "set":
            raw[at : at + 1] = bytes([draw(st.integers(0, 255))])
        elif kind == "piece":
            raw[at : at + length] = draw(st.sampled_from(PIECES))
        elif kind == "cut":
            del raw[at : at + length]
        elif kind == "double":
            raw[at:at] = raw[at : at + length]
        else:
            del raw[at:]
    return bytes(raw)


def _run(name: str, examples: int) -> None:
    read = READERS[name]

    @settings(max_examples=examples, deadline=None)
    @given(_mutated(name) | st.binary(max_size=64))
    def run(raw: bytes) -> None:
        read(raw)

    run()


@pytest.mark.parametrize("name", READERS)
def test_any_bytes(name: str) -> None:
    _run(name, 40 if name in ("gguf", "card") else 100)


@pytest.mark.oracle
@pytest.mark.parametrize("name", READERS)
def test_many_more(name: str) -> None:
    _run(name, 3_000)


@pytest.mark.parametrize("name", READERS)
def test_the_seeds_are_good(name: str) -> None:
    for raw in SEEDS[name]:
        READERS[name](raw)
