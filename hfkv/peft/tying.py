"""``ensure_weight_tying``: one adapter, or one copy, for all layers that are tied to the embedding.

PEFT looks at the names alone: where an input embedding or a head of one of two names is among the
targets or the modules to save, the input embedding takes the place of what is tied to it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import replace

from hfkv.errors import TargetError, UnsupportedError
from hfkv.modules.built import Built, leaf
from hfkv.peft.matching import compiled
from hfkv.peft.modules_to_save import Saved
from hfkv.peft.targets import EMBEDDINGS, Targeting
from hfkv.reading import printable

__all__ = ["copy_tied", "tie"]


def tie(built: Built, targeting: Targeting) -> None:
    """What ``ensure_weight_tying`` does: rewrite the targets or the modules to save, and note what
    is to be tied to the embedding.

    Raises:
        UnsupportedError: it is not known what is tied to the embedding, or the outcome depends on
            the order of a set.
    """
    if not built.may_tie:
        return
    saved = [name for name in targeting.saved or () if leaf(name) in EMBEDDINGS]
    targets = targeting.targets
    if isinstance(targets, str):
        targeted = any(compiled(targets).fullmatch(name) for name in EMBEDDINGS)
    else:
        targeted = any(leaf(name) in EMBEDDINGS for name in targets or ())
    if not saved and not targeted:
        return
    if built.to_input == ():
        return
    if built.to_input is None or built.input is None:
        raise UnsupportedError(
            "ensure_weight_tying: what is tied to the input embedding of this class is not known "
            "here",
            where=targeting.where,
        )
    if saved:
        names = targeting.saved or ()
        names = names if built.input in names else (*names, built.input)
        targeting.saved = _without(built, names, targeting.where)
        targeting.copied = built.to_input
        return
    targeting.tied = built.to_input
    if isinstance(targets, str):
        targeting.targets = rf"(?:{targets}|^{re.escape(built.input)}$)"
    else:
        names = tuple(sorted({*(targets or ()), built.input}))
        targeting.targets = _without(built, names, targeting.where)


def _without(built: Built, names: Iterable[str], where: str) -> tuple[str, ...]:
    """The names without one for each tied layer. PEFT goes through sets here, in any order."""
    given, tied = tuple(names), built.to_input or ()
    found: set[frozenset[str]] = set()
    for order in itertools.permutations(tied) if len(tied) < 6 else [tied]:
        for turn in (given, given[::-1]):
            left = list(turn)
            for key in order:
                fitting = (name for name in left if _covers(name, key))
                name = next(fitting, None)
                if name is not None:
                    left.remove(name)
            found.add(frozenset(left))
    if len(found) > 1 or len(tied) >= 6:
        raise UnsupportedError(
            "ensure_weight_tying: several names stand for one layer that is tied to the "
            "embedding, and which of them PEFT leaves out changes from run to run",
            where=where,
            hint="name the input embedding alone",
        )
    (left_over,) = found
    return tuple(name for name in given if name in left_over)


def _covers(name: str, key: str) -> bool:
    expression = compiled(rf"(^|.*\.){name}($|\..*)", "ensure_weight_tying")
    return expression.match(key) is not None


def copy_tied(built: Built, targeting: Targeting, saved: Saved, adapted: set[str]) -> Saved:
    """The copies with the layers that are tied to the embedding: each shares its copy, and its own
    weight is written as well.

    Raises:
        TargetError: the embedding is not copied, or one of the layers is adapted.
        UnsupportedError: a module around them is copied as well.
    """
    if built.input not in saved.trained:
        raise TargetError(
            f"PEFT ties to the copy of the input embedding {printable(built.input or '')}, and "
            "modules_to_save leaves it out, because the class ties it to another one",
            where=targeting.where,
        )
    trained = dict(saved.trained)
    size = trained[built.input or ""]
    written = saved.written
    for module in built.modules:
        name = module.name
        if not name.endswith(targeting.copied) or name in trained:
            continue
        if name in adapted:
            raise TargetError(
                f"PEFT cannot both adapt {printable(name)} and tie it to the copied embedding",
                where=targeting.where,
            )
        if any(name.startswith(f"{other}.") for other in trained):
            raise UnsupportedError(
                f"modules_to_save holds a module around {printable(name)}, which "
                "ensure_weight_tying ties to the embedding",
                where=targeting.where,
            )
        trained[name] = 0
        written += size
    return replace(saved, trained=trained, written=written)
