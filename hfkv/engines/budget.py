"""A budget of memory as people type it: ``80GB``, ``2x80GB``, ``24GiB``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hfkv.errors import InputError, InputTypeError
from hfkv.reading import describe
from hfkv.units import format_bytes, parse_bytes

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

    def shared_by(self, gpus: int) -> Budget:
        """The same memory on so many GPUs, for a budget that says no number of its own.

        Raises:
            InputError: it says another number.
        """
        if self.gpus not in (1, gpus):
            raise InputError(
                f"{self.text!r} is of {self.gpus} GPUs, and --gpus says {gpus}",
                expected="one of the two",
            )
        one = format_bytes(self.per_gpu)
        text = one if gpus == 1 else f"{gpus} x {one}"
        return Budget(per_gpu=self.per_gpu, gpus=gpus, text=text)

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.per_gpu * self.gpus

    @classmethod
    def of(cls, value: int | str | Budget) -> Budget:
        """A budget however it is given: bytes, a text, or one that was read.

        Raises:
            InputError: it is none.

        >>> Budget.of(2**30).bytes, Budget.of("24GiB").bytes
        (1073741824, 25769803776)
        """
        if isinstance(value, Budget):
            return value
        if isinstance(value, str):
            return cls.parse(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputTypeError(
                f"found {describe(value)}", where="`budget`", expected="bytes, or such as '24GiB'"
            )
        if value < 0:
            raise InputError(f"found {value}", where="`budget`", expected="no less than 0 bytes")
        return cls(per_gpu=value, text=format_bytes(value))

    @classmethod
    def parse(cls, text: str, *, gpus: int | None = None) -> Budget:
        """Read a budget; ``gpus`` is ``--gpus``, where it was given.

        Raises:
            InputError: it cannot be read, or says another number of GPUs than ``gpus``.

        >>> Budget.parse("2x80GB")
        Budget(per_gpu=80000000000, gpus=2, text='2 x 80 GB')
        >>> Budget.parse("24GiB", gpus=4).text
        '4 x 24 GiB'
        """
        several = _SEVERAL.fullmatch(text)
        count = int(several.group(1)) if several else 1
        size = parse_bytes(several.group(2) if several else text)
        if count < 1 or size < 1:
            raise InputError(f"{text!r} is no memory", expected="80GB, 2x80GB or 24GiB")
        one = format_bytes(size)
        made = cls(per_gpu=size, gpus=count, text=one if count == 1 else f"{count} x {one}")
        return made if gpus is None else made.shared_by(gpus)
