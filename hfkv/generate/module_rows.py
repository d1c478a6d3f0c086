"""What a built model says of its modules and parameters, by patterns of their names."""

from __future__ import annotations

import re
from typing import Any

from hfkv.generate.symbols import expression

__all__ = ["NUMBER", "Rows", "buffers_of", "counts_of", "tied_of", "unsaved_of"]

#: A number in a module's name.
NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")


class Rows:
    """The union of module rows over several builds, in module order."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.kinds: dict[str, list[str]] = {}
        self.shapes: dict[str, dict[str, list[Any]]] = {}
        self.marks: dict[str, dict[str, Any]] = {}

    def add(self, model: Any) -> None:
        last = -1
        for name, module in model.named_modules():
            if not name:
                name = ""
            pattern = NUMBER.sub("{}", name)
            if pattern not in self.kinds:
                last += 1
                self.order.insert(last, pattern)
                self.kinds[pattern] = []
                self.shapes[pattern] = {}
                self.marks[pattern] = {}
            else:
                last = max(last, self.order.index(pattern))
            kind, marks = _kind(module)
            if kind not in self.kinds[pattern]:
                self.kinds[pattern].append(kind)
            self.marks[pattern].update(marks)
            for key, parameter in module.named_parameters(recurse=False):
                shape = _shape(parameter)
                known = self.shapes[pattern].setdefault(NUMBER.sub("{}", key), [])
                if shape not in known:
                    known.append(shape)

    def rows(self) -> list[list[Any]]:
        found = []
        for pattern in self.order:
            if not pattern and not self.shapes[pattern]:
                continue
            kinds = self.kinds[pattern]
            marks = dict(self.marks[pattern])
            if len(kinds) > 1:
                marks["kinds"] = kinds[1:]
            shapes = {
                key: [shape for shape in known if shape is not None] or None
                for key, known in self.shapes[pattern].items()
            }
            found.append([pattern, kinds[0], shapes, *([marks] if marks else [])])
        return found


def _shape(parameter: Any) -> list[Any] | None:
    sizes = getattr(parameter, "_sizes", None)
    if sizes is None or tuple(int(size) for size in sizes) != tuple(parameter.shape):
        return None
    return [expression(size) for size in sizes]


def _kind(module: Any) -> tuple[str, dict[str, Any]]:
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    marks: dict[str, Any] = {}
    if getattr(module, "is_transposed", False):
        marks["transposed"] = True
    if getattr(module, "groups", 1) not in (1, None) and isinstance(
        module, (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    ):
        marks["groups"] = expression(module.groups)
    for cls, kind in (
        (nn.Embedding, "embedding"),
        (nn.Conv2d, "conv2d"),
        (nn.Conv3d, "conv3d"),
        (nn.Conv1d, "conv1d"),
        (nn.MultiheadAttention, "attention"),
        (nn.Linear, "linear"),
        (Conv1D, "Conv1D"),
    ):
        if isinstance(module, cls):
            return kind, marks
    return "other", marks


def tied_of(model: Any) -> dict[str, str]:
    """Parameter to the one that it is the same as, which comes first in module order."""
    first: dict[int, str] = {}
    found: dict[str, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        kept = first.setdefault(id(parameter), name)
        if kept != name:
            found[NUMBER.sub("{}", name)] = NUMBER.sub("{}", kept)
    return found


def buffers_of(model: Any) -> list[str]:
    """What a checkpoint holds beside parameters."""
    names = dict(model.named_parameters(remove_duplicate=False))
    return list(dict.fromkeys(NUMBER.sub("{}", n) for n in model.state_dict() if n not in names))


def unsaved_of(model: Any) -> list[str]:
    """Parameters that saving leaves out, because the class computes them."""
    rules = list(getattr(model, "_keys_to_ignore_on_save", None) or ())
    names = [name for name, _ in model.named_parameters() if name in rules]
    return list(dict.fromkeys(NUMBER.sub("{}", name) for name in names))


def counts_of(model: Any) -> dict[str, int]:
    """Repeated containers to their lengths, where all of a name are equally long."""
    from torch import nn

    found: dict[str, set[int]] = {}
    for name, module in model.named_modules():
        if isinstance(module, (nn.ModuleList, nn.Sequential)) and len(module):
            found.setdefault(NUMBER.sub("{}", name), set()).add(len(module))
    return {name: sizes.pop() for name, sizes in found.items() if len(sizes) == 1}
