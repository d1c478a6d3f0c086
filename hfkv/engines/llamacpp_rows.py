"""What llama.cpp keeps of each layer: rows of its caches, from the kinds of the plan.

The converter and the loader of llama.cpp make the layers of a GGUF file out of the same config:
which model it has (by ``architectures``), which of its models slide, and in which pattern. Where
a model's pattern stands in the C++ source, that one counts, whatever the config says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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


_ARCHITECTURES: dict[str, str] = {
    name: arch for arch, names in DATA["architectures"].items() for name in names
}
#: What the converter takes as the text part, the last that is there first.
_TEXT_PARTS = (
    ("lfm",),
    ("language_config",),
    ("thinker_config", "text_config"),
    ("lm_config",),
    ("llm_config",),
    ("text_config",),
)


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
        empty: whether it is in the cache without heads of its own.
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
    empty: bool = False

    @property
    def attends(self) -> bool:
        """Whether it has cells."""
        return bool(self.key) or self.empty

    @property
    def recurs(self) -> bool:
        """Whether it has a state."""
        return bool(self.convolution or self.state)


def architecture(subject: Subject) -> str:
    """llama.cpp's name of the model, by the config's ``architectures``.

    Raises:
        UnsupportedError: its converter has no such model, or the model keeps no cache.
    """
    inner = _inner_architecture(subject)
    outer = subject.architectures[0] if subject.architectures else ""
    # The text part's own entry counts, but for those that the converter routes by the outer one.
    named = outer if outer in DATA["by_the_outer"] or not inner else inner
    if not named:
        classes = subject.config.cls.architectures if subject.config.cls else ()
        named = next((name for name in classes if name in _ARCHITECTURES), "")
    found = _ARCHITECTURES.get(named)
    if found is None:
        raise UnsupportedError(
            f"llama.cpp's converter has no {printable(named) or subject.config.model_type}",
            where=subject.model,
            expected="an architecture that it converts",
        )
    if found in DATA["without_cache"]:
        raise UnsupportedError(f"llama.cpp keeps no cache for {found}", where=subject.model)
    return found


def _inner_architecture(subject: Subject) -> str:
    """The class that the text part of the file names, under any of the names the part has."""
    for path in _TEXT_PARTS:
        part: object = {key: subject.config.peek(key) for key in (path[0],)}
        for key in path:
            part = part.get(key) if isinstance(part, Mapping) else None
        named = part.get("architectures") if isinstance(part, Mapping) else None
        if isinstance(named, list) and named and isinstance(named[0], str):
            return named[0]
    return ""


def rows_of(subject: Subject, arch: str) -> list[Row]:
    """The rows of all layers, in order.

    Raises:
        UnsupportedError: llama.cpp has nothing like one of the kinds.
    """
    made = {id(kind): _row(kind, subject, arch) for kind in subject.plan.kinds}
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


def _row(kind: Kind, subject: Subject, arch: str) -> Row:
    match kind:
        case Full() | Sliding():
            heads = _own_heads(subject, arch, kind.heads)
            return Row(
                key=heads * kind.k_dim,
                value=heads * kind.v_dim,
                key_head=kind.k_dim,
                value_head=kind.v_dim,
                window=kind.window if isinstance(kind, Sliding) else 0,
            )
        case Latent() if arch in DATA["expanded"]:
            text = subject.text
            heads = text.int("num_attention_heads")
            key = text.int("qk_nope_head_dim") + text.int("qk_rope_head_dim")
            # The converter writes no size of values, so it is the hidden size over the heads.
            value = text.int("hidden_size") // heads
            return Row(key=heads * key, value=heads * value, key_head=key, value_head=value)
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
        case Nothing():
            return Row(empty=arch in DATA["keeps_empty_layers"])
        case Cross() | Shared(layer=None):
            return Row()
        case Shared():
            # It has no cells, but its width counts where values of all layers are made alike.
            of = _row(subject.plan.kinds[kind.layer or 0], subject, arch)
            return Row(
                key_head=of.key_head, value_head=of.value_head, value=of.value, window=of.window
            )
        case Together():
            whole = Row()
            for part in kind.parts:
                whole = _joined(whole, _row(part, subject, arch))
            # Its cache of the indexer is one of keys and values, and keeps both.
            both = whole.value_head if arch == "minimax-m3" and whole.index else 0
            return replace(whole, index_value=both)
    raise UnsupportedError(f"llama.cpp has no layer of kind '{kind.name}'", where=subject.model)


def _own_heads(subject: Subject, arch: str, heads: int) -> int:
    """Key/value heads of the checkpoint, where a class of transformers repeats them."""
    for key in ("num_kv_heads", "n_head_kv") if arch == "falcon" and heads > 1 else ():
        stated = subject.text.peek(key)
        if isinstance(stated, int) and not isinstance(stated, bool) and 0 < stated < heads:
            return stated
    return heads


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
