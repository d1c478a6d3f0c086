"""What llama.cpp keeps of each layer: rows of its caches, from the kinds of the plan.

The converter and the loader of llama.cpp make the layers of a GGUF file out of the same config:
which model it has (by ``architectures``), which of its models slide, and in which pattern. Where
a model's pattern stands in the C++ source, that one counts, whatever the config says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hfkv.cache.kinds import (
    Compressed,
    Cross,
    Full,
    Indexer,
    Kind,
    Latent,
    Nothing,
    Shared,
    Sliding,
    State,
    Together,
)
from hfkv.data import read_json
from hfkv.engines.subject import Subject
from hfkv.errors import UnsupportedError
from hfkv.reading import printable

__all__ = ["DATA", "Row", "architecture", "rows_of"]

#: What the converter and the models of one version have; made by ``tests/census/llamacpp.py``.
DATA: dict[str, Any] = read_json("engines", "llama.cpp_0c1e570.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one layer keeps.

    Attributes:
        key, value: elements of a cell; no value where it is a view of the key (MLA).
        key_head, value_head: elements of one head, which a quantized type must divide.
        window: tokens attended to; 0 for all.
        index, index_value: elements of a cell of the indexer's cache.
        convolution, state: elements for each sequence.
        compressed: the kind, for DeepSeek-V4.
    """

    key: int = 0
    value: int = 0
    key_head: int = 0
    value_head: int = 0
    window: int = 0
    latent: bool = False
    index: int = 0
    index_value: int = 0
    convolution: int = 0
    state: int = 0
    compressed: Compressed | None = None

    @property
    def attends(self) -> bool:
        """Whether it has cells."""
        return bool(self.key)

    @property
    def recurs(self) -> bool:
        """Whether it has a state."""
        return bool(self.convolution or self.state)


def architecture(subject: Subject) -> str:
    """llama.cpp's name of the model, by the config's ``architectures``.

    Raises:
        UnsupportedError: its converter has no such model, or the model keeps no cache.
    """
    text = subject.text.peek("architectures")
    inner = text[0] if isinstance(text, list) and text and isinstance(text[0], str) else ""
    outer = subject.architectures[0] if subject.architectures else ""
    # The text part's own entry counts, but for those that the converter routes by the outer one.
    named = outer if outer in DATA["by_the_outer"] or not inner else inner
    if not named:
        classes = subject.config.cls.architectures if subject.config.cls else ()
        named = next((name for name in classes if name in DATA["architectures"]), "")
    found = DATA["architectures"].get(named)
    if found is None:
        raise UnsupportedError(
            f"llama.cpp's converter has no {printable(named) or subject.config.model_type}",
            where=subject.model,
            expected="an architecture that it converts",
        )
    if found in DATA["without_cache"]:
        raise UnsupportedError(f"llama.cpp keeps no cache for {found}", where=subject.model)
    name: str = found
    return name


def rows_of(subject: Subject, arch: str) -> list[Row]:
    """The rows of all layers, in order.

    Raises:
        UnsupportedError: llama.cpp has nothing like one of the kinds.
    """
    made = {id(kind): _row(kind, subject) for kind in subject.plan.kinds}
    rows = [made[id(kind)] for kind in subject.plan.kinds]
    return _windows(rows, subject, arch)


def _windows(rows: Sequence[Row], subject: Subject, arch: str) -> list[Row]:
    """The rows with the windows that this model of llama.cpp has: its own pattern, or none."""
    rule = DATA["sliding"].get(arch)
    if rule is None or not any(row.window for row in rows):
        return [replace(row, window=0) for row in rows]
    size = rule.get("window") or _stated_window(subject, rows)
    period = rule.get("period")
    found = []
    for index, row in enumerate(rows):
        if period:
            full = 0 if rule.get("full_first") else period - 1
            slides = index % period != full
        else:
            slides = bool(row.window)
        found.append(replace(row, window=size if slides else 0))
    return found


def _stated_window(subject: Subject, rows: Sequence[Row]) -> int:
    """The window that the converter writes: the config's own, whatever the class makes of it."""
    for key in ("sliding_window", "sliding_window_size"):
        value = subject.text.peek(key)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return max(row.window for row in rows)


def _row(kind: Kind, subject: Subject) -> Row:
    match kind:
        case Full() | Sliding():
            return Row(
                key=kind.heads * kind.k_dim,
                value=kind.heads * kind.v_dim,
                key_head=kind.k_dim,
                value_head=kind.v_dim,
                window=kind.window if isinstance(kind, Sliding) else 0,
            )
        case Latent():
            width = kind.rank + (kind.rotary or 0)
            return Row(
                key=width,
                key_head=width,
                value_head=kind.rank,
                window=kind.window or 0,
                latent=True,
            )
        case Indexer():
            return Row(index=kind.dim)
        case State():
            return _state(kind)
        case Compressed():
            return Row(compressed=kind, key=kind.dim, key_head=kind.dim, value_head=kind.dim)
        case Cross() | Nothing():
            return Row()
        case Shared(layer=None):
            return Row()
        case Shared():
            # It has no cells, but its width counts where values of all layers are made alike.
            of = _row(subject.plan.kinds[kind.layer or 0], subject)
            return Row(
                key_head=of.key_head, value_head=of.value_head, value=of.value, window=of.window
            )
        case Together():
            whole = Row()
            for part in kind.parts:
                whole = _joined(whole, _row(part, subject))
            return whole
    raise UnsupportedError(f"llama.cpp has no layer of kind '{kind.name}'", where=subject.model)


def _joined(one: Row, other: Row) -> Row:
    fields = ("key", "value", "key_head", "value_head", "window", "index", "convolution", "state")
    summed = {name: getattr(one, name) + getattr(other, name) for name in fields}
    return replace(one, **summed, latent=one.latent or other.latent)


def _state(kind: State) -> Row:
    """The first column of a window is shifted out before it is read, so it is not kept."""
    convolution = state = 0
    for part in kind.parts:
        if part.role == "convolution":
            *channels, width = part.shape
            convolution += math.prod(channels) * (width - 1)
        elif part.role == "recurrent":
            state += math.prod(part.shape)
        else:
            convolution += math.prod(part.shape)
    return Row(convolution=convolution, state=state)
