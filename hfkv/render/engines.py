"""What an engine allocates, for reading: one engine with its buffers, a budget, or all engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hfkv.dtypes import torch_name
from hfkv.reading import printable
from hfkv.render.origin import notes_of, origin_line
from hfkv.render.sheet import Sheet
from hfkv.render.tidy import Column, Tidy, pick
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from hfkv.cache import KVCache
    from hfkv.engines import Allocation, Fit
    from hfkv.errors import HfkvError
    from hfkv.model import Model

__all__ = ["BUFFER_COLUMNS", "COLUMNS", "all_sheets", "all_tidy", "sheets", "tidy"]

COLUMNS = (
    Column(name="model", heading="model", words=True),
    Column(name="source"),
    Column(name="commit"),
    Column(name="engine", heading="engine", words=True),
    Column(name="engine_version", heading="version", words=True),
    Column(name="tokens", heading="tokens"),
    Column(name="batch", heading="sequences"),
    Column(name="dtype", heading="dtype", words=True),
    Column(name="gpus", heading="GPUs"),
    Column(name="bytes", heading="bytes on each GPU"),
    Column(name="held", heading="held"),
    Column(name="reserved", heading="reserved"),
    Column(name="bytes_all_gpus"),
    Column(name="bytes_per_token"),
    Column(name="average_bytes_per_token"),
    Column(name="constant_bytes"),
    Column(name="fit.budget"),
    Column(name="fit.budget_bytes"),
    Column(name="fit.available_bytes"),
    Column(name="fit.pool_tokens"),
    Column(name="fit.concurrency"),
    Column(name="fit.tokens"),
    Column(name="basis", heading="basis", words=True),
    Column(name="error.message"),
)
BUFFER_COLUMNS = (
    Column(name="model", heading="model", words=True),
    Column(name="source"),
    Column(name="commit"),
    Column(name="engine", heading="engine", words=True),
    Column(name="name", heading="buffer", words=True),
    Column(name="layers", heading="layers"),
    Column(name="dtype", heading="dtype", words=True),
    Column(name="bytes", heading="bytes"),
    Column(name="held", heading="held"),
    Column(name="reserved", heading="reserved"),
    Column(name="why", heading="what is reserved", words=True),
    Column(name="rank", heading="stage"),
)


def sheets(
    model: Model, figure: Allocation, *, fit: Fit | None = None, by_buffer: bool = False
) -> list[Sheet]:
    """The tables of one engine."""
    each = " on each GPU" if figure.gpus > 1 else ""
    facts = []
    if fit is not None:
        facts += _budget(fit)
    facts += [
        ("KV cache", f"{figure.bytes:,} B{each} in {figure.dtype}"),
        ("held", f"{figure.held:,} B"),
        ("reserved", f"{figure.reserved:,} B"),
    ]
    if figure.gpus > 1:
        facts.append(("all GPUs", f"{figure.all_gpus:,} B on {figure.gpus}"))
    facts += [
        ("engine", f"{figure.engine} {figure.version}"),
        ("basis", figure.basis),
        ("read from", origin_line(model)),
    ]
    found = [
        Sheet(
            title=_title(figure, fit),
            facts=facts,
            notes=_notes(model, figure, fit),
        )
    ]
    if by_buffer:
        found.append(_buffers(figure))
    return found


def _notes(model: Model, figure: Allocation, fit: Fit | None) -> list[str]:
    """What was assumed, then what else must be known."""
    assumed = [
        f"assumed: {item.option} {_said(item.value)} ({printable(item.why, 200)})"
        for item in figure.assumptions
    ]
    notes = [*figure.notes, *(fit.notes if fit is not None else ()), *notes_of(model)]
    return [*assumed, *(printable(note, 600) for note in dict.fromkeys(notes))]


def _title(figure: Allocation, fit: Fit | None) -> str:
    name, each = printable(figure.model), " on each GPU" if figure.gpus > 1 else ""
    if fit is not None:
        return (
            f"{name} in {fit.budget.text}: a pool of {fit.pool_tokens:,} tokens for all sequences "
            f"together"
        )
    several = f" in each of {figure.batch:,} sequences" if figure.batch > 1 else ""
    return (
        f"{name}: {figure.engine} takes {format_bytes(figure.bytes)}{each} of KV cache for "
        f"{figure.tokens:,} token{'s' if figure.tokens > 1 else ''}{several}"
    )


def _budget(fit: Fit) -> list[tuple[str, str]]:
    facts = [("budget", f"{fit.budget.text} ({fit.budget.per_gpu:,} B a GPU)")]
    facts.append(("usable", f"{fit.usable:,} B a GPU"))
    weights = "not known" if fit.weights is None else f"{fit.weights:,} B a GPU (estimated)"
    facts.append(("weights", weights))
    if fit.other:
        facts.append(("other", f"{fit.other:,} B a GPU"))
    facts.append(("for the cache", f"{fit.available:,} B a GPU"))
    if fit.tokens is not None:
        facts.append(("longest request", f"{fit.tokens:,} tokens"))
    return facts + [("log" if not index else "", line) for index, line in enumerate(fit.log)]


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _buffers(figure: Allocation) -> Sheet:
    stages = len(figure.ranks) > 1
    return Sheet(
        title="Buffers on each GPU",
        columns=("buffer", "layers", "dtype", "bytes", "held", "reserved", "what is reserved"),
        rows=[
            (
                printable(f"{buffer.name}, stage {buffer.rank}" if stages else buffer.name),
                str(buffer.layers),
                torch_name(buffer.dtype),
                f"{buffer.bytes:,}",
                f"{buffer.held:,}",
                f"{buffer.reserved:,}",
                buffer.why,
            )
            for buffer in figure.buffers
        ],
        left=(2, 6),
        drop=(2,),
    )


def tidy(
    model: Model,
    figure: Allocation,
    value: dict[str, Any],
    *,
    fit: Fit | None = None,
    by_buffer: bool = False,
) -> Tidy:
    """The rows of one engine: the figure, or its buffers."""
    columns: Sequence[Column] = COLUMNS
    rows = [pick(value, COLUMNS)]
    if by_buffer:
        shared = {name: value[name] for name in ("model", "source", "commit", "engine")}
        columns, rows = BUFFER_COLUMNS, [{**shared, **buffer} for buffer in value["buffers"]]
    return Tidy(
        columns=columns,
        rows=rows,
        title=f"{_title(figure, fit)}, read from {origin_line(model)}",
        notes=_notes(model, figure, fit),
    )


def all_sheets(
    model: Model, rows: Sequence[tuple[str, KVCache | Allocation | HfkvError]], tokens: int
) -> list[Sheet]:
    """One row an engine, and why they differ."""
    from hfkv.errors import HfkvError

    cells, notes = [], []
    for name, figure in rows:
        if isinstance(figure, HfkvError):
            cells.append((name, "-", "-", "-", "-", "refused"))
            notes.append(f"{name}: {printable(str(figure), 400)}")
            continue
        held = getattr(figure, "held", figure.bytes)
        version = getattr(figure, "version", "")
        cells.append(
            (
                f"{name} {version}".strip(),
                f"{figure.bytes:,}",
                f"{held:,}",
                f"{figure.bytes - held:,}",
                figure.dtype,
                figure.basis,
            )
        )
        why = _reasons(figure)
        if why:
            notes.append(f"{name} reserves {why}")
        assumptions = getattr(figure, "assumptions", ())
        if assumptions:
            said = ", ".join(f"{item.option} {_said(item.value)}" for item in assumptions)
            notes.append(f"{name} assumes {said}")
    return [
        Sheet(
            title=f"{printable(model.model)}: KV cache of {tokens:,} tokens, bytes on each GPU",
            columns=("engine", "bytes", "held", "reserved", "dtype", "basis"),
            rows=cells,
            left=(4, 5),
            drop=(4,),
            notes=notes,
        )
    ]


def _reasons(figure: KVCache | Allocation) -> str:
    buffers = getattr(figure, "buffers", ())
    return "; ".join(
        dict.fromkeys(f"{b.reserved:,} B for {b.why}" for b in buffers if b.reserved and b.why)
    )


def all_tidy(values: Sequence[dict[str, Any]]) -> Tidy:
    """One row an engine."""
    return Tidy(columns=COLUMNS, rows=[pick(value, COLUMNS) for value in values])
