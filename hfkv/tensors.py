"""The tensor table of a checkpoint: names, dtypes and shapes, never values.

Real tables repeat one layer's names dozens of times, so they are held by *pattern*: the name with
its numbers taken out (``model.layers.{}.mlp.up_proj.weight``), a dtype, a shape, and the numbers as
boxes of ranges. A DeepSeek-V3 table of 92,000 tensors is some forty patterns, a few kilobytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from hfkv.boxes import Box, Index, box_size, boxes_of, expand, holds
from hfkv.dtypes import COMPUTE, nbytes
from hfkv.errors import HeaderError
from hfkv.reading import printable

__all__ = ["TableBuilder", "Tensor", "TensorTable", "template"]

#: A number that stands alone, without leading zeros: a layer or an expert.
_INDEX = re.compile(r"\b(0|[1-9][0-9]{0,8})\b", re.ASCII)


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


#: Dtype, shape, and the bytes of one where the dtype does not tell.
_Like = tuple[str, tuple[int, ...], "int | None"]


class TensorTable:
    """An immutable set of :class:`Tensor`, like ones together, their numbers ascending.

    >>> table = TensorTable([Tensor(name="h.0.w", dtype="BF16", shape=(4, 2)),
    ...                      Tensor(name="h.1.w", dtype="BF16", shape=(4, 2))])
    >>> len(table), table.parameters, table.bytes, "h.1.w" in table
    (2, 16, 32, True)
    """

    __slots__ = ("_by_pattern", "_groups", "_length", "bytes", "parameters")

    #: Elements of all tensors together.
    parameters: int
    #: Bytes of all tensors together.
    bytes: int

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        builder = TableBuilder()
        for tensor in tensors:
            builder.add(tensor.name, tensor.dtype, tensor.shape, tensor.size)
        self._fill(builder.groups())

    @classmethod
    def of_groups(
        cls, groups: Iterable[tuple[str, str, tuple[int, ...], int | None, tuple[Box, ...]]]
    ) -> TensorTable:
        """The table of ``(pattern, dtype, shape, size, boxes)``, as :meth:`groups` gives them."""
        table = cls.__new__(cls)
        table._fill(groups)
        return table

    def _fill(
        self, groups: Iterable[tuple[str, str, tuple[int, ...], int | None, tuple[Box, ...]]]
    ) -> None:
        self._groups = tuple(groups)
        # pattern -> numbers of its groups; the names themselves are not kept.
        self._by_pattern: dict[str, list[int]] = {}
        self._length = self.parameters = self.bytes = 0
        for number, (pattern, dtype, shape, size, boxes) in enumerate(self._groups):
            self._by_pattern.setdefault(pattern, []).append(number)
            count, elements = box_size(boxes), math.prod(shape)
            self._length += count
            self.parameters += count * elements
            self.bytes += count * (nbytes(elements, dtype) if size is None else size)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Tensor]:
        for pattern, dtype, shape, size, boxes in self._groups:
            for indices in expand(boxes):
                yield Tensor(name=pattern.format(*indices), dtype=dtype, shape=shape, size=size)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TensorTable):
            return NotImplemented
        # Boxes are canonical within a group, so equal sets have equal groups.
        return set(self._groups) == set(other._groups)

    __hash__ = None  # type: ignore[assignment]

    def get(self, name: str) -> Tensor | None:
        """The tensor of that exact name, or None."""
        pattern, indices = template(name)
        for number in self._by_pattern.get(pattern, ()):
            _, dtype, shape, size, boxes = self._groups[number]
            if holds(boxes, indices):
                return Tensor(name=name, dtype=dtype, shape=shape, size=size)
        return None

    def groups(self) -> tuple[tuple[str, str, tuple[int, ...], int | None, tuple[Box, ...]], ...]:
        """``(pattern, dtype, shape, size, boxes)`` of each group of like tensors; ``size`` is the
        bytes of one tensor by the header's offsets, None where the dtype tells."""
        return self._groups

    def patterns(self) -> Iterator[tuple[str, str, tuple[int, ...], tuple[Index, ...]]]:
        """``(pattern, dtype, shape, index tuples)`` of each group of like tensors."""
        for pattern, dtype, shape, _, boxes in self._groups:
            yield pattern, dtype, shape, tuple(expand(boxes))

    def mapped(self, change: Callable[[Tensor], Tensor | None]) -> TensorTable:
        """The table with every tensor changed, or left out where ``change`` gives None.

        ``change`` is asked once for each group of like tensors, whose name has ``{}`` for every
        number, and must keep these; so 92,000 tensors cost some forty calls.

        >>> table = TensorTable([Tensor(name=f"h.{n}.w", dtype="U8", shape=(4,)) for n in (0, 1)])
        >>> wide = table.mapped(lambda t: Tensor(name=t.name, dtype="F4", shape=(8,)))
        >>> [(t.name, t.shape) for t in wide]
        [('h.0.w', (8,)), ('h.1.w', (8,))]
        """
        found: dict[tuple[str, str, tuple[int, ...], int | None], list[tuple[Box, ...]]] = {}
        for pattern, dtype, shape, size, boxes in self._groups:
            new = change(Tensor(name=pattern, dtype=dtype, shape=shape, size=size))
            if new is not None:
                found.setdefault((new.name, new.dtype, new.shape, new.size), []).append(boxes)
        # Groups that have become alike are one.
        return TensorTable.of_groups(
            (*like, parts[0] if len(parts) == 1 else boxes_of(expand(chain(*parts))))
            for like, parts in found.items()
        )

    @property
    def first_compute_dtype(self) -> str | None:
        """The dtype of the first tensor that a model can be loaded in, as transformers reads:
        by name in the first file. None where there is no such tensor."""
        # A builder puts a group of that type before all others, and records keep the order.
        return next((dtype for _, dtype, *_ in self._groups if dtype in COMPUTE), None)

    @property
    def dtypes(self) -> dict[str, int]:
        """Elements by dtype, most first."""
        counts: dict[str, int] = {}
        for _, dtype, shape, _, boxes in self._groups:
            counts[dtype] = counts.get(dtype, 0) + math.prod(shape) * box_size(boxes)
        return dict(sorted(counts.items(), key=lambda item: -item[1]))


class _Members(list[tuple[str, ...]]):
    """The numbers of like names; ``runs`` is where those of each file begin: (file, place)."""

    __slots__ = ("runs",)

    runs: list[tuple[int, int]]

    def by_file(self) -> Iterator[tuple[tuple[str, ...], int]]:
        """Each with the number of its file."""
        ends = [place for _, place in self.runs[1:]] + [len(self)]
        for (file, begin), end in zip(self.runs, ends, strict=True):
            for member in self[begin:end]:
                yield member, file


class TableBuilder:
    """Collects the tensors of one checkpoint, from one header after another.

    Only names taken apart are held meanwhile, in lists of their group: ninety thousand tensors
    take some tens of megabytes until :meth:`table` folds them into boxes.
    """

    def __init__(self, *, where: str = "") -> None:
        self._where = where
        self._files = [""]
        # (dtype, shape, size) -> texts around the numbers -> the numbers, as they are written.
        self._members: dict[_Like, dict[tuple[str, ...], _Members]] = {}

    def begin(self, file: str) -> None:
        """What is added from here on is of this file, which messages then name."""
        self._files.append(file)

    def add(self, name: str, dtype: str, shape: tuple[int, ...], size: int | None = None) -> None:
        """Add one tensor."""
        self.add_all((name,), dtype, shape, size)

    def add_all(
        self, names: Iterable[str], dtype: str, shape: tuple[int, ...], size: int | None = None
    ) -> None:
        """Add tensors that are alike but for their names."""
        own = self._members.setdefault((dtype, shape, size), {})
        file = len(self._files) - 1
        for parts in map(_INDEX.split, names):
            texts = tuple(parts[::2])
            members = own.get(texts)
            if members is None:
                members = own[texts] = _Members()
                members.runs = [(file, 0)]
            elif members.runs[-1][0] != file:
                members.runs.append((file, len(members)))
            members.append(tuple(parts[1::2]))

    def groups(self) -> list[tuple[str, str, tuple[int, ...], int | None, tuple[Box, ...]]]:
        """The groups so far; see :attr:`TensorTable.first_compute_dtype` for which is first.

        Raises:
            HeaderError: a name was added twice, as when two shards hold the same tensor.
        """
        found = []
        taken: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
        for (dtype, shape, size), own in self._members.items():
            for texts, members in own.items():
                others = taken.setdefault(texts, set())
                before = len(others)
                # Numbers have no leading zeros, so different texts are different numbers.
                others.update(members)
                if len(others) != before + len(members):
                    raise self._twice(texts)
                found.append((_pattern(texts), dtype, shape, size, boxes_of(_indices(members))))
        first = self._first_compute_dtype()
        at = next((n for n, group in enumerate(found) if group[1] == first), 0)
        return [*found[at : at + 1], *found[:at], *found[at + 1 :]]

    def _first_compute_dtype(self) -> str | None:
        """That of the first tensor by name of the first file that a model can be loaded in."""
        found = {like[0] for like in self._members if like[0] in COMPUTE}
        if len(found) < 2:
            return next(iter(found), None)
        # Nothing was added to the nameless file where others have begun.
        first = min(range(len(self._files) > 1, len(self._files)), key=self._files.__getitem__)
        names = (
            ("".join(chain(*zip_longest(texts, member, fillvalue=""))), dtype)
            for (dtype, *_), own in self._members.items()
            if dtype in COMPUTE
            for texts, members in own.items()
            for member, file in members.by_file()
            if file == first
        )
        return min(names, default=("", None))[1]

    def _twice(self, texts: tuple[str, ...]) -> HeaderError:
        seen: dict[tuple[str, ...], int] = {}
        for own in self._members.values():
            for member, file in own[texts].by_file() if texts in own else ():
                if member in seen:
                    name = printable(_pattern(texts).format(*member))
                    one, two = (printable(self._files[n]) for n in sorted((seen[member], file)))
                    twice = "stands twice" if one == two else f"is in {one} and in {two}"
                    return HeaderError(
                        f"'{name}' {twice}", where=self._where, expected="each tensor in one file"
                    )
                seen[member] = file
        raise AssertionError(texts)

    def table(self) -> TensorTable:
        """The table of what was added.

        Raises:
            HeaderError: a name was added twice.
        """
        return TensorTable.of_groups(self.groups())


def _pattern(texts: tuple[str, ...]) -> str:
    return "{}".join(text.replace("{", "{{").replace("}", "}}") for text in texts)


def _indices(members: Sequence[tuple[str, ...]]) -> Iterable[Index]:
    """The numbers of each, column by column, which is quicker than one by one."""
    if not members[0]:
        return [()]
    columns = (map(int, column) for column in zip(*members, strict=True))
    return zip(*columns, strict=True)
