"""The tensor table of a checkpoint: names, dtypes and shapes, never values.

Real tables repeat one layer's names dozens of times, so they are held by *pattern*: the name with
its numbers taken out (``model.layers.{}.mlp.up_proj.weight``), a dtype, a shape, and the list of
index tuples. A DeepSeek-V3 table of 92,000 tensors is some forty patterns.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from hfkv.dtypes import nbytes

__all__ = ["Tensor", "TensorTable", "template"]

_INDEX = re.compile(r"(?<![0-9A-Za-z_])(0|[1-9][0-9]{0,8})(?![0-9A-Za-z_])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor of a checkpoint, as its header declares it.

    Attributes:
        name: the published name.
        dtype: the safetensors name, such as ``BF16``.
        shape: sizes, outermost first; ``()`` for a scalar.
        size: bytes by the header's offsets; None where they were not kept, then computed.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int | None = None

    @property
    def elements(self) -> int:
        """Number of stored elements (of a packed tensor: of the packed ones)."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes in the file."""
        return self.size if self.size is not None else nbytes(self.elements, self.dtype)


def template(name: str) -> tuple[str, tuple[int, ...]]:
    """The pattern of a tensor name and the numbers in it.

    >>> template("model.layers.3.mlp.experts.12.up_proj.weight")
    ('model.layers.{}.mlp.experts.{}.up_proj.weight', (3, 12))
    """
    return _INDEX.sub("{}", name.replace("{", "{{").replace("}", "}}")), tuple(
        int(number) for number in _INDEX.findall(name)
    )


_Group = tuple[str, str, tuple[int, ...], int | None]


class TensorTable:
    """An immutable set of :class:`Tensor`, in the order they were added.

    >>> table = TensorTable([Tensor(name="h.0.w", dtype="BF16", shape=(4, 2)),
    ...                      Tensor(name="h.1.w", dtype="BF16", shape=(4, 2))])
    >>> len(table), table.parameters, table.bytes, "h.1.w" in table
    (2, 16, 32, True)
    """

    __slots__ = ("_groups", "_index", "_order", "bytes", "parameters")

    #: Elements of all tensors together.
    parameters: int
    #: Bytes of all tensors together.
    bytes: int

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self._groups: list[_Group] = []
        # pattern -> {indices: group number}; the names themselves are not kept.
        self._index: dict[str, dict[tuple[int, ...], int]] = {}
        seen: dict[_Group, int] = {}
        self.parameters = 0
        self.bytes = 0
        for tensor in tensors:
            pattern, indices = template(tensor.name)
            group = (pattern, tensor.dtype, tensor.shape, tensor.size)
            number = seen.setdefault(group, len(self._groups))
            if number == len(self._groups):
                self._groups.append(group)
            self._index.setdefault(pattern, {})[indices] = number
            self.parameters += tensor.elements
            self.bytes += tensor.bytes

    def __len__(self) -> int:
        return sum(len(found) for found in self._index.values())

    def __iter__(self) -> Iterator[Tensor]:
        for pattern, found in self._index.items():
            for indices, number in found.items():
                _, dtype, shape, size = self._groups[number]
                yield Tensor(name=pattern.format(*indices), dtype=dtype, shape=shape, size=size)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TensorTable):
            return NotImplemented
        return len(self) == len(other) and set(self) == set(other)

    __hash__ = None  # type: ignore[assignment]

    def get(self, name: str) -> Tensor | None:
        """The tensor of that exact name, or None."""
        pattern, indices = template(name)
        number = self._index.get(pattern, {}).get(indices)
        if number is None:
            return None
        _, dtype, shape, size = self._groups[number]
        return Tensor(name=name, dtype=dtype, shape=shape, size=size)

    def patterns(self) -> Iterator[tuple[str, str, tuple[int, ...], tuple[tuple[int, ...], ...]]]:
        """``(pattern, dtype, shape, index tuples)`` of each group of like tensors."""
        members: list[list[tuple[int, ...]]] = [[] for _ in self._groups]
        for found in self._index.values():
            for indices, number in found.items():
                members[number].append(indices)
        for (pattern, dtype, shape, _), found_at in zip(self._groups, members, strict=True):
            yield pattern, dtype, shape, tuple(found_at)

    def mapped(self, change: Callable[[Tensor], Tensor | None]) -> TensorTable:
        """The table with every tensor changed, or left out where ``change`` gives None.

        ``change`` is asked once for each group of like tensors, whose name has ``{}`` for every
        number, and must keep these; so 92,000 tensors cost some forty calls.

        >>> table = TensorTable([Tensor(name=f"h.{n}.w", dtype="U8", shape=(4,)) for n in (0, 1)])
        >>> wide = table.mapped(lambda t: Tensor(name=t.name, dtype="F4", shape=(8,)))
        >>> [(t.name, t.shape) for t in wide]
        [('h.0.w', (8,)), ('h.1.w', (8,))]
        """
        made = TensorTable(())
        seen: dict[_Group, int] = {}
        numbers: list[tuple[int, Tensor] | None] = []
        for pattern, dtype, shape, size in self._groups:
            new = change(Tensor(name=pattern, dtype=dtype, shape=shape, size=size))
            if new is None:
                numbers.append(None)
                continue
            group = (new.name, new.dtype, new.shape, new.size)
            number = seen.setdefault(group, len(made._groups))
            if number == len(made._groups):
                made._groups.append(group)
            numbers.append((number, new))
        for found in self._index.values():
            for indices, old in found.items():
                changed = numbers[old]
                if changed is not None:
                    number, new = changed
                    made._index.setdefault(new.name, {})[indices] = number
                    made.parameters += new.elements
                    made.bytes += new.bytes
        return made

    @property
    def dtypes(self) -> dict[str, int]:
        """Elements by dtype, most first."""
        counts: dict[str, int] = {}
        for _, dtype, shape, indices in self.patterns():
            counts[dtype] = counts.get(dtype, 0) + math.prod(shape) * len(indices)
        return dict(sorted(counts.items(), key=lambda item: -item[1]))
