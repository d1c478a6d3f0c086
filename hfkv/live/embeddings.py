"""What a live model says of its embeddings, and what is tied to them and otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["input_raises", "listed_ties", "name_of", "tie_keys", "tied_names"]


def name_of(model: Any, getter: Callable[[], Any]) -> str | None:
    """The name of the module that a getter of the model gives; None where it gives or has none."""
    try:
        wanted = getter()
    except Exception:
        return None
    if wanted is None:
        return None
    return next((name for name, module in model.named_modules() if module is wanted), None)


def input_raises(model: Any) -> bool:
    """Whether PEFT, which asks for the input embedding of a class that can tie it, gets an error
    for an answer."""
    if not _declares(model):
        return False
    try:
        model.get_input_embeddings()
    except Exception:
        return True
    return False


def tie_keys(model: Any) -> dict[str, str]:
    """What the class and the models in it declare to tie, target to source, as PEFT gathers it:
    nothing where the class itself declares nothing."""
    if not _declares(model):
        return {}
    found: dict[str, str] = {}
    for name, module in model.named_modules():
        start = f"{name}." if name else ""
        for target, source in (getattr(module, "_tied_weights_keys", None) or {}).items():
            found[start + target] = start + source
    return found


def listed_ties(model: Any) -> tuple[str, ...] | None:
    """The modules that a class of 4.x lists as tied, whose word PEFT takes for it; None of a class
    of 5.x, which says what each is tied to."""
    found = getattr(model, "_tied_weights_keys", None)
    if not isinstance(found, (list, tuple, set)):
        return None
    return tuple(sorted({name.rpartition(".")[0] for name in found}))


def tied_names(model: Any) -> dict[str, str]:
    """Parameter to the one that it is the same as, which comes first in module order."""
    first: dict[int, str] = {}
    tied: dict[str, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        kept = first.setdefault(id(parameter), name)
        if kept != name:
            tied[name] = kept
    return tied


def _declares(model: Any) -> bool:
    return isinstance(getattr(model, "_tied_weights_keys", None), dict)
