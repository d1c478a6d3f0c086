"""What a serving engine answers of a model: what it allocates, and what it makes of a budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hfkv.cache.size import check_question
from hfkv.engines import Allocation, Budget, Engine, Fit
from hfkv.engines.option_types import check_engine
from hfkv.engines.subject import Subject
from hfkv.errors import InputError

__all__ = ["allocated", "planned"]


def allocated(
    engine: Engine, subject: Callable[[], Subject], *, tokens: int, batch: int, dtype: str
) -> Allocation:
    """What an engine allocates for so many sequences.

    Args:
        subject: makes the model as engines see it, once the question is known to be one.

    Raises:
        InputError: the question is none, or asks for a type that the engine's own options say.
        HfkvError: it cannot be answered.
    """
    check_engine(engine)
    check_question(tokens, batch)
    if dtype != "auto":
        raise InputError(
            f"dtype is {dtype!r}",
            expected="auto",
            hint=f"{engine.name} has options of its own for the types of its cache",
        )
    made = engine.allocate(subject(), tokens=tokens, batch=batch)
    if made.gpus > 1:
        note = (
            f"{made.engine}'s bytes are those on each of {made.gpus} GPUs, "
            f"{made.all_gpus:,} B on all"
        )
        made = replace(made, notes=(*made.notes, note))
    return made


def planned(
    engine: Engine,
    subject: Callable[[], Subject],
    budget: Budget,
    *,
    tokens: int | None,
    batch: int,
) -> Fit:
    """What an engine makes of a budget.

    Args:
        subject: as of :func:`allocated`.
        tokens: the longest request that it must serve.

    Raises:
        InputError: the engine plans from none, or no tokens are given.
        HfkvError: it cannot be answered.
    """
    check_engine(engine)
    plans = getattr(engine, "fit", None)
    if plans is None or tokens is None:
        raise InputError(
            f"{engine.name} does not plan from a budget" if tokens else "none is given",
            where="`engine`" if tokens else "`tokens`",
            expected="one that does" if tokens else "the longest request to serve",
        )
    check_question(tokens, batch)
    made: Fit = plans(subject(), budget, tokens=tokens, batch=batch)
    return made
