"""Whether a class, a config and a header agree, parameter by parameter.

``from_pretrained`` builds what the class makes of the config: a weight that the file lacks is made
all the same, one that the class does not have is passed over, one of another shape is an error. So
the class's own parameters are what is counted, and where the file has others, that is said first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hfkv.facts.config import MOST_LAYERS
from hfkv.modules.built import Built
from hfkv.modules.conversion import Index, Loaded, Shape
from hfkv.reading import printable

__all__ = ["Difference", "absent", "difference", "inside", "is_weight", "unexpected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a file has otherwise than the class that is built from its config.

    Attributes:
        missing: parameters of the class that the file lacks.
        unexpected: weights of the file that the class does not have.
        other: parameters of another shape: name, shape in the class, shape in the file.
        parameters: how many the class has; None where nothing tells.
    """

    missing: Sequence[str] = ()
    unexpected: Sequence[str] = ()
    other: Sequence[tuple[str, Shape, Shape]] = ()
    parameters: int | None = None

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.other)

    def told(self, architecture: str) -> str:
        """One clause for the reader, with the likely cause where the names show one."""
        parts = []
        if self.missing:
            parts.append(
                f"{len(self.missing):,} parameters of the class are not in the file "
                f"({printable(self.missing[0])}{' the first' if len(self.missing) > 1 else ''})"
            )
        if self.unexpected:
            parts.append(
                f"{len(self.unexpected):,} weights of the file do not belong to the class and get "
                f"no adapter, such as {printable(self.unexpected[0])}"
            )
        if self.other:
            name, wanted, found = self.other[0]
            parts.append(
                f"{len(self.other):,} have another shape, {printable(name)} {list(found)} in the "
                f"file and {list(wanted)} in the class, which from_pretrained refuses"
            )
        cause = self._cause()
        return f"config.json, the header and {architecture} do not agree: {'; '.join(parts)}" + (
            f" ({cause})" if cause else ""
        )

    def _cause(self) -> str:
        names = " ".join(self.unexpected)
        if "switch_mlp" in names:
            return "an MLX conversion"
        if re.search(r"(^| )blk\.", names):
            return "the names of a GGUF file"
        if re.search(r"(^| |\.)(mtp|nextn|draft|eagle|medusa)", names):
            return "a head for drafting"
        if self.parameters is not None and len(self.missing) == self.parameters:
            return "the header is not of this config's model"
        if self.missing and self.unexpected:
            return "renamed weights, or the header of another model"
        towers = {re.split(r"[.{]", name.removeprefix("model."))[0] for name in self.missing}
        if len(towers) == 1 and not self.other and re.search("vis|aud|tower", str(towers)):
            return "saved without that tower"
        if self.missing and not self.other:
            return "a part of a pipeline, or an upload that was cut short"
        return ""


def difference(planned: Built, loaded: Loaded, ignored: Collection[str]) -> Difference:
    """What the file has otherwise than the class.

    Args:
        planned: the class's modules by the config alone.
        loaded: the parameters that the header's tensors become.
        ignored: expressions for names that the class itself passes over.
    """
    wanted = planned.shapes()
    found: dict[str, Shape] = {
        pattern.format(*index): shape
        for pattern, shapes in loaded.shapes.items()
        for index, shape in shapes.items()
    }
    # What shares its storage with another parameter is saved under one of the two names.
    held = {planned.tied.get(name, name) for name in found}
    return Difference(
        missing=[name for name in wanted if planned.tied.get(name, name) not in held],
        unexpected=[
            *unexpected(loaded, ignored),
            *(name for name in found if name not in wanted and is_weight(name, found[name])),
        ],
        other=[
            (name, shape, found[name])
            for name, shape in wanted.items()
            if name in found and found[name] != shape
        ],
        parameters=len(wanted),
    )


def unexpected(loaded: Loaded, ignored: Collection[str]) -> list[str]:
    """Weights of the file that reach no parameter of the class, but those that it passes over."""
    passed = [re.compile(pattern) for pattern in ignored]
    return [
        name
        for pattern, _, shape, indices in loaded.left
        for name in (pattern.format(*index) for index in indices)
        if is_weight(name, shape) and not any(item.search(name) for item in passed)
    ]


def is_weight(name: str, shape: Shape) -> bool:
    """Whether a tensor is a layer's weight: files also hold buffers, which no class saves now."""
    return len(shape) > 1 and name.endswith(".weight")


def inside(container: str, patterns: Iterable[str]) -> list[str]:
    """Patterns of the parameters of a container's members.

    >>> inside("layers", ["layers.{}.q.weight", "layers.{}", "layers_2.{}.q.weight"])
    ['layers.{}.q.weight', 'layers.{}']
    """
    start = f"{container}.{{}}"
    return [item for item in patterns if item == start or item.startswith(f"{start}.")]


def absent(counts: Mapping[str, int], shapes: Mapping[str, Mapping[Index, Shape]]) -> list[str]:
    """Members of a container that a file lacks, where no plan tells what the class has.

    Args:
        counts: patterns of containers to how many members the class makes of each.
        shapes: what the header's tensors become.
    """
    found = []
    for container, count in counts.items():
        if "{}" in container:
            continue
        seen = {index[0] for pattern in inside(container, shapes) for index in shapes[pattern]}
        if seen:
            # A number that no model has must not make a list of as many names.
            numbers = range(min(count, MOST_LAYERS))
            found += [f"{container}.{number}" for number in numbers if number not in seen]
    return found
