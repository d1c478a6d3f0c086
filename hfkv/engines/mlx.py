"""mlx-lm's prompt caches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hfkv.engines.base import Allocation
from hfkv.engines.subject import Subject
from hfkv.errors import UnsupportedError

__all__ = ["Mlx"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mlx:
    """Options of mlx, under its own names."""

    name: ClassVar[str] = "mlx"
    version: ClassVar[str] = "0.32.2"
    source: ClassVar[str] = ""

    def allocate(self, subject: Subject, *, tokens: int, batch: int = 1) -> Allocation:
        """What it allocates for ``batch`` sequences of ``tokens`` tokens."""
        raise UnsupportedError("not counted yet", where=subject.model)
