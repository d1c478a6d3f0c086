"""A budget of memory as people type it: ``80GB``, ``2x80GB``, ``24GiB``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hfkv.errors import InputError
from hfkv.units import parse_bytes

__all__ = ["Budget"]

_SEVERAL = re.compile(r"\s*([0-9]{1,5})\s*[x×*]\s*(\S.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Memory of so many equal GPUs.

    Attributes:
        per_gpu: bytes of one.
        gpus: how many.
        text: as it was typed, so that it is echoed in the unit given.
    """

    per_gpu: int
    gpus: int = 1
    text: str = ""

    @classmethod
    def parse(cls, text: str, *, gpus: int | None = None) -> Budget:
        """Read a budget; ``gpus`` is ``--gpus``, where it was given.

        Raises:
            InputError: it cannot be read, or says another number of GPUs than ``gpus``.

        >>> Budget.parse("2x80GB")
        Budget(per_gpu=80000000000, gpus=2, text='2x80GB')
        >>> Budget.parse("24GiB", gpus=4).text
        '4x24GiB'
        """
        several = _SEVERAL.fullmatch(text)
        count = int(several.group(1)) if several else 1
        size = parse_bytes(several.group(2) if several else text)
        if several and gpus not in (None, count):
            raise InputError(
                f"{text!r} is of {count} GPUs, and --gpus says {gpus}", expected="one of the two"
            )
        count = count if gpus is None else gpus
        if count < 1 or size < 1:
            raise InputError(f"{text!r} is no memory", expected="80GB, 2x80GB or 24GiB")
        one = (several.group(2) if several else text).strip()
        return cls(per_gpu=size, gpus=count, text=one if count == 1 else f"{count}x{one}")
