"""The flags of each engine, as the engine itself spells them, and the fields that they set.

Plain data, so that ``--help`` imports no engine. ``tests/engines/test_flags.py`` holds it against
the fields of the engines' dataclasses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["FLAGS", "Flag"]

Takes = Literal["int", "tokens", "number", "text", "bytes", "on", "on/off"]


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of an engine.

    Attributes:
        names: its spellings, the engine's own first, a short one of hfkv's last.
        field: the field of the engine's dataclass.
        takes: what follows it: a whole number, a number of tokens (``128k``), a number, a word,
            a size, nothing (``on``), or nothing with a ``--no-`` twin (``on/off``).
        help: one phrase.
        choices: the words it takes, where they are few and fixed.
    """

    names: tuple[str, ...]
    field: str
    takes: Takes
    help: str
    choices: tuple[str, ...] = ()


#: By engine, in the order of ``--help``. A flag that several engines have takes the same there.
FLAGS: dict[str, tuple[Flag, ...]] = {
    "transformers": (),
    "vllm": (),
    "sglang": (),
    "llama.cpp": (),
    "mlx": (),
}
