"""vLLM's paged pool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hfkv.engines.base import Allocation
from hfkv.engines.subject import Subject
from hfkv.errors import UnsupportedError

__all__ = ["Vllm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vllm:
    """Options of vllm, under its own names."""

    name: ClassVar[str] = "vllm"
    version: ClassVar[str] = "0.33.0"
    source: ClassVar[str] = ""

    def allocate(self, subject: Subject, *, tokens: int, batch: int = 1) -> Allocation:
        """What it allocates for ``batch`` sequences of ``tokens`` tokens."""
        raise UnsupportedError("not counted yet", where=subject.model)
