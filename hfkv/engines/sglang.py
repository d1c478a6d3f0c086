"""SGLang's pools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hfkv.engines.base import Allocation
from hfkv.engines.subject import Subject
from hfkv.errors import UnsupportedError

__all__ = ["Sglang"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sglang:
    """Options of sglang, under its own names."""

    name: ClassVar[str] = "sglang"
    version: ClassVar[str] = "0.5.23"
    source: ClassVar[str] = ""

    def allocate(self, subject: Subject, *, tokens: int, batch: int = 1) -> Allocation:
        """What it allocates for ``batch`` sequences of ``tokens`` tokens."""
        raise UnsupportedError("not counted yet", where=subject.model)
