"""One verdict on a model's files, for its cache and its adapter alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from hfkv.errors import HfkvError
from hfkv.facts import Facts
from hfkv.facts.agreement import CONTRADICTED, NOTHING, Agreement
from hfkv.facts.identity import CONTRADICTS
from hfkv.reading import printable

if TYPE_CHECKING:
    from hfkv.cache import KVCache
    from hfkv.cache.crosscheck import Shapes
    from hfkv.modules.built import Built
    from hfkv.peft.lora import Lora

    _Figure = TypeVar("_Figure", KVCache, Lora)

__all__ = ["agreement_of", "check_places", "judged"]


def agreement_of(
    facts: Facts, *, built: Callable[[], Built], shapes: Callable[[], Shapes | None]
) -> Agreement:
    """What came of holding the header against the class and the config.

    Args:
        facts: what the figures are of.
        built: makes its modules.
        shapes: holds the cache's plan against the header.
    """
    if facts.tensors is None:
        return NOTHING
    found = NOTHING
    try:
        found = built().agreement
    except HfkvError as error:
        told = f"the class's modules are not known ({error.what})"
        found = replace(NOTHING, told=printable(told, 300))
    if not found.differs:
        try:
            held = shapes()
        except HfkvError:
            return found
        assert held is not None
        cache, _ = held
        # The class's parameters are more than the projections that the cache is of.
        if cache.differs or found.verdict != "agrees":
            found = cache
    return found


def judged(figure: _Figure, agreement: Agreement) -> _Figure:
    """The figure with the verdict, which where files differ is its first note and basis."""
    if not agreement.differs:
        return replace(figure, agreement=agreement)
    known = {agreement.told, figure.agreement.told}
    rest: list[str] = [note for note in figure.notes if note not in known]
    # Whose model it is comes before how its files differ.
    claims: list[str] = [note for note in rest[:1] if note.startswith(CONTRADICTS)]
    return replace(
        figure,
        agreement=agreement,
        basis=figure.basis if figure.basis == "inferred" else CONTRADICTED,
        notes=(*claims, agreement.told, *rest[len(claims) :]),
    )


def check_places(facts: Facts) -> None:
    """Refuse an adapter where the cache is refused for a config whose sizes stand where its class
    does not look.

    Raises:
        HfkvError: they do.
    """
    from hfkv.cache.misplaced import check_misplaced
    from hfkv.cache.recognition import recognize

    try:
        found = recognize(facts)
    except HfkvError:
        return
    raw = facts.config or {}
    check_misplaced(found.config, raw, found.config.reads, facts.tensors, insisted=False)
