"""``hfkv kv --engine``: what one engine allocates, or all of them side by side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from hfkv.cli.engine_options import chosen_engine
from hfkv.cli.output import emit, unheard
from hfkv.errors import HfkvError, InputError, UnsupportedError
from hfkv.render.formats import Format
from hfkv.render.origin import with_origin

if TYPE_CHECKING:
    from hfkv.cache import KVCache
    from hfkv.engines import Allocation, Budget, Engine
    from hfkv.model import Model

__all__ = ["show", "show_all"]


@contextmanager
def _refusing() -> Iterator[None]:
    """What an engine refuses of this model is an answer, not a misuse of the command."""
    try:
        yield
    except InputError as error:
        raise UnsupportedError(
            error.what, where=error.where, expected=error.expected, hint=error.hint
        ) from None


def show(
    model: Model,
    engine: Engine,
    output: Format,
    *,
    tokens: int,
    batch: int,
    encoder_tokens: int | None,
    crosscheck: bool,
    budget: Budget | None,
    by_layer: bool,
    explain: bool,
) -> int:
    """Print what one engine allocates, or what it makes of a budget."""
    from hfkv.render.engines import sheets, tidy
    from hfkv.render.explained import explained

    fitted = None
    plans = getattr(engine, "fit", None)
    if budget is not None and plans is None:
        raise click.UsageError(f"{engine.name} does not plan from a budget; leave out --fit.")
    with _refusing():
        if budget is None or plans is None:
            figure = model.kv_cache(
                tokens=tokens,
                batch=batch,
                encoder_tokens=encoder_tokens,
                crosscheck=crosscheck,
                engine=engine,
            )
        else:
            subject = model.subject(encoder_tokens=encoder_tokens, crosscheck=crosscheck)
            fitted = plans(subject, budget, tokens=tokens, batch=batch)
            figure = fitted.allocation
    value = with_origin(model, figure.to_json(layers=by_layer))
    if fitted is not None:
        value["fit"] = fitted.to_json()
    bare = str(figure.bytes) if fitted is None else str(fitted.pool_tokens)
    if explain:
        value["explain"] = figure.explain()
    warnings = unheard(output, explain=explain, layers=by_layer)
    emit(
        output,
        value,
        sheets=lambda: [
            *sheets(model, figure, fit=fitted, by_buffer=by_layer),
            *([explained(figure.explain(), "How this is computed")] if explain else []),
        ],
        quiet=lambda: [bare],
        tidy=lambda: tidy(model, figure, value, fit=fitted, by_buffer=by_layer),
        warnings=warnings,
    )
    return 0


def show_all(
    model: Model,
    output: Format,
    *,
    tokens: int,
    batch: int,
    kv_dtype: str,
    encoder_tokens: int | None,
    crosscheck: bool,
) -> int:
    """Print what each engine holds and reserves for the same tokens.

    Returns:
        1 where no engine answers.
    """
    from hfkv.engines import ENGINES
    from hfkv.render.engines import all_sheets, all_tidy

    rows: list[tuple[str, KVCache | Allocation | HfkvError]] = []
    values: list[dict[str, Any]] = []
    for name in ENGINES:
        engine = chosen_engine(kv_dtype, name=name)
        try:
            found: KVCache | Allocation
            shared: dict[str, Any] = {
                "tokens": tokens,
                "batch": batch,
                "encoder_tokens": encoder_tokens,
                "crosscheck": crosscheck,
            }
            if engine is None:
                found = model.kv_cache(dtype=kv_dtype, **shared)
            else:
                found = model.kv_cache(engine=engine, **shared)
        except HfkvError as error:
            rows.append((name, error))
            failure = {"type": type(error).__name__, "message": str(error)}
            values.append({"model": model.model, "engine": name, "error": failure})
            continue
        rows.append((name, found))
        values.append(with_origin(model, found.to_json()))
    emit(
        output,
        values,
        sheets=lambda: all_sheets(model, rows, tokens),
        quiet=lambda: ["" if "error" in value else str(value["bytes"]) for value in values],
        tidy=lambda: all_tidy(values),
    )
    return int(all("error" in value for value in values))
