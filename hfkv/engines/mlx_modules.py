"""What mlx-lm's own modules make of a config, where it is not what transformers makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hfkv.cache.kinds import Full, Kind, Sliding, Together
from hfkv.data import read_json
from hfkv.engines.subject import Subject
from hfkv.errors import HfkvError, UnsupportedError
from hfkv.reading import printable

__all__ = [
    "DATA",
    "element_of",
    "module_of",
    "of_head",
    "own_head",
    "own_windows",
    "stated_window",
]

#: What the modules of one version have.
DATA: dict[str, Any] = read_json("engines", "mlx-lm_0.32.2.json")
_FLOATS = ("F32", "F16", "BF16")


def module_of(subject: Subject) -> str:
    """mlx-lm's module, by the outermost ``model_type`` of the file.

    Raises:
        UnsupportedError: it has none.
    """
    # mlx-lm goes by the word in the file alone, whatever class the file names beside it.
    stated = subject.config.peek("model_type")
    named = stated if isinstance(stated, str) else subject.config.model_type
    for arch in subject.architectures[:1]:
        named = DATA["remapping_by_architecture"].get(arch, {}).get(named, named)
    module: str = DATA["remapping"].get(named, named)
    if module not in DATA["models"]:
        raise UnsupportedError(
            f"mlx-lm has no model of type {printable(named)}",
            where=subject.model,
            expected="a type that it has",
        )
    for part, keys in (
        (subject.config, DATA["requires"].get(module, ())),
        (subject.text, DATA["requires_of_text"].get(module, ())),
    ):
        for key in keys:
            if not part.states(key):
                raise UnsupportedError(
                    f"mlx-lm's {module} cannot be made without {key}",
                    where=part.place(key),
                    expected="a config that states it",
                )
    return module


def element_of(subject: Subject) -> tuple[str, str]:
    """The dtype of activations, and why where the checkpoint does not say it."""
    try:
        found = subject.dtype
    except HfkvError:
        return "BF16", "the model names no dtype of its own"
    if found not in _FLOATS:
        return "BF16", f"activations of weights in {found}"
    return found, ""


def own_windows(subject: Subject, module: str) -> list[Kind]:
    """The kinds with the windows that the module gives its layers, where it has a way of its own:
    those of ``layer_types`` alone, or of every so many layers."""
    kinds = list(subject.plan.kinds)
    period = DATA["period"].get(module)
    if period is not None:
        stated = subject.text.peek("sliding_window_pattern")
        period = stated if isinstance(stated, int) and stated > 0 else period
        window = max((kind.window for kind in kinds if isinstance(kind, Sliding)), default=0)
        return [
            _sliding(kind, window if (index + 1) % period else 0)
            for index, kind in enumerate(kinds)
        ]
    if module in DATA["by_layer_types"] and not subject.text.states("layer_types"):
        return [_sliding(kind, 0) for kind in kinds]
    return kinds


def own_head(subject: Subject, module: str) -> int:
    """Elements of a head in modules that know no ``head_dim``; 0 in the others."""
    hidden, heads = (subject.text.peek(key) for key in ("hidden_size", "num_attention_heads"))
    known = isinstance(hidden, int) and isinstance(heads, int) and heads > 0
    return hidden // heads if known and module in DATA["head_of_hidden"] else 0


def of_head(kind: Kind, size: int) -> Kind:
    """The same attention with heads of another size."""
    if isinstance(kind, Full | Sliding):
        return replace(kind, k_dim=size, v_dim=size)
    if isinstance(kind, Together):
        return Together(tuple(of_head(part, size) for part in kind.parts))
    return kind


def _sliding(kind: Kind, window: int) -> Kind:
    """The same attention with another window; full where it is 0."""
    if not isinstance(kind, Full | Sliding):
        return kind
    if not window:
        return Full(heads=kind.heads, k_dim=kind.k_dim, v_dim=kind.v_dim)
    return Sliding(window=window, heads=kind.heads, k_dim=kind.k_dim, v_dim=kind.v_dim)


def stated_window(subject: Subject, window: int) -> int:
    """The window as the file states it, where a class of transformers makes another of it."""
    for key in ("sliding_window", "sliding_window_size"):
        value = subject.text.peek(key)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return window
