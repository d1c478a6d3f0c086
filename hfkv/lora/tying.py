"""``ensure_weight_tying``: what PEFT makes of targets and saved modules whose weights are tied.

The input embedding is adapted, or saved, in their place; what is tied to it follows it: an adapter
of its own of the same size, or the saved embedding's weight itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

from hfkv.errors import TargetError, UnsupportedError
from hfkv.lora.built import Built, leaf
from hfkv.lora.matching import compiled
from hfkv.lora.work import Work
from hfkv.reading import printable

__all__ = ["follows", "tie"]

#: PEFT's ``EMBEDDING_LAYER_NAMES``.
_EMBEDDINGS = ("embed_tokens", "lm_head")


def tie(built: Built, work: Work) -> None:
    """Rewrite targets and saved modules as PEFT does.

    Raises:
        TargetError: PEFT itself fails.
        UnsupportedError: what PEFT does hangs on the order of a set.
    """
    options = work.options
    if not options.ensure_weight_tying:
        return
    saved = list(options.modules_to_save or ())
    targets = work.targets
    in_saved = any(leaf(name) in _EMBEDDINGS for name in saved)
    in_targets = (
        any(_fits(targets, name) for name in _EMBEDDINGS)
        if isinstance(targets, str)
        else any(leaf(name) in _EMBEDDINGS for name in targets or ())
    )
    rows = options.trainable_token_indices is not None
    if not (in_saved or in_targets or rows):
        return
    tied = _tied_modules(built, work.where)
    if not tied:
        return
    if built.input in tied:
        raise UnsupportedError(
            "ensure_weight_tying is not counted where the input embedding follows another",
            where=work.where,
        )
    if rows:
        raise UnsupportedError(
            "ensure_weight_tying with trained token rows of tied embeddings is not counted",
            where=work.where,
        )
    assert built.input is not None
    if in_saved:
        if built.input not in saved:
            saved.append(built.input)
        work.options = replace(options, modules_to_save=tuple(_without(saved, tied, work)))
        work.tied_saves = tied
    elif isinstance(targets, str):
        work.targets = rf"(?:{targets}|^{re.escape(built.input)}$)"
        work.tied_targets = tied
    else:
        names = list(dict.fromkeys([*(targets or ()), built.input]))
        work.targets = _without(names, tied, work)
        work.tied_targets = tied


def follows(names: Collection[str], module: str) -> bool:
    """Whether a module is one of those that follow the input embedding."""
    return any(module == name or module.endswith(f".{name}") for name in names)


def _fits(pattern: str, name: str) -> bool:
    return pattern.lower() != "all-linear" and compiled(pattern).fullmatch(name) is not None


def _tied_modules(built: Built, where: str) -> tuple[str, ...]:
    """The modules that the class declares to have the input embedding's weight."""
    if built.input is None or not (built.may_tie or built.tied):
        return ()
    if built.tie_keys is None:
        raise UnsupportedError(
            "what the class of this model ties is not known here, and ensure_weight_tying asks it",
            where=where,
            hint="leave it out, or name no embedding",
        )
    weight = f"{built.input}.weight"
    root = built.tied.get(weight, weight)
    same = {weight, root, *(name for name, source in built.tied.items() if source == root)}
    return tuple(
        target.rpartition(".")[0] for target, source in built.tie_keys.items() if source in same
    )


def _without(names: list[str], tied: tuple[str, ...], work: Work) -> list[str]:
    """The names that are left when each tied module has taken the first that matches it away."""
    kept = list(names)
    for module in tied:
        try:
            found = [name for name in kept if re.match(rf"(^|.*\.){name}($|\..*)", module)]
        except re.error:
            raise TargetError(
                "ensure_weight_tying takes the names for regular expressions, and one is none",
                where=work.where,
            ) from None
        if len(found) > 1:
            raise UnsupportedError(
                f"ensure_weight_tying: which of {printable(', '.join(found), 120)} PEFT leaves out "
                f"for the tied {printable(module)} hangs on the order of a set",
                where=work.where,
                hint="name it once",
            )
        kept = [name for name in kept if name not in found]
    return kept
