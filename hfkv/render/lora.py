"""An adapter for reading: per target module, in all, and what it is a share of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hfkv.reading import printable
from hfkv.render.crosscheck import crosscheck_line
from hfkv.render.explained import explained
from hfkv.render.origin import notes_of, origin_line
from hfkv.render.sheet import Sheet
from hfkv.render.tidy import Column, Tidy, pick
from hfkv.units import format_bytes

if TYPE_CHECKING:
    from hfkv.model import Model
    from hfkv.peft.lora import Lora

__all__ = ["COLUMNS", "LAYER_COLUMNS", "sheets", "tidy"]

_SAME = (
    Column(name="model", heading="model", words=True),
    Column(name="source"),
    Column(name="revision"),
    Column(name="commit"),
    Column(name="r"),
    Column(name="dtype"),
    Column(name="basis", heading="basis", words=True),
)


def _share(row: Any) -> str:
    return "-" if row.get("share") is None else f"{row['share']:.1%}"


#: One row for each target; what is trained beside the low-rank part has rows of its own, so that
#: they add up to the adapter.
COLUMNS = (
    *_SAME,
    Column(name="target", heading="target", words=True),
    Column(name="part", heading="part", words=True),
    Column(name="modules", heading="modules"),
    Column(name="shape", heading="in x out"),
    Column(name="rank", heading="rank"),
    Column(name="parameters", heading="parameters"),
    Column(name="share", heading="share", write=_share),
)
#: With ``--layers``: one row for each layer, of the low-rank part.
LAYER_COLUMNS = (
    *_SAME,
    Column(name="layer", heading="layer", words=True),
    Column(name="modules", heading="modules"),
    Column(name="parameters", heading="parameters"),
)


def sheets(
    model: Model, figure: Lora, *, by_layer: bool = False, explain: bool = False
) -> list[Sheet]:
    """The tables of a ``lora``."""
    rows = [
        (
            printable(target.name),
            f"{target.modules:,}",
            printable(target.shape),
            str(target.rank),
            f"{target.parameters:,}",
            f"{target.parameters / figure.parameters:.1%}" if figure.parameters else "-",
        )
        for target in figure.targets
    ]
    rows += [
        (name, "", kind, "", f"{count:,}", f"{count / figure.parameters:.1%}")
        for name, kind, count in _beside(figure)
    ]
    found = [
        Sheet(
            title=_title(figure),
            columns=("target", "modules", "in x out", "rank", "parameters", "share"),
            rows=rows,
            facts=_facts(model, figure),
            notes=[printable(note, 600) for note in (*figure.notes, *notes_of(model))],
            drop=(5,),
        )
    ]
    if by_layer:
        found.append(
            Sheet(
                title="By layer",
                columns=("layer", "modules", "parameters"),
                rows=[
                    (printable(layer), f"{modules:,}", f"{parameters:,}")
                    for layer, modules, parameters in figure.per_layer
                ],
            )
        )
    if explain:
        found.append(explained(figure.explain(), "How this is computed"))
    return found


def _title(figure: Lora) -> str:
    modules = f"{figure.modules:,} module{'s' if figure.modules != 1 else ''}"
    return (
        f"{printable(figure.model)}: a LoRA of rank {figure.r} has {figure.parameters:,} "
        f"parameters in {modules}, {format_bytes(figure.bytes)} in {figure.dtype}"
    )


def _beside(figure: Lora) -> list[tuple[str, str, int]]:
    """What is trained beside the low-rank part: name, sort, parameters."""
    found = [(printable(name), "trained whole", count) for name, count in figure.saved]
    return [*found, ("biases", "of the base", figure.biases)] if figure.biases else found


def _facts(model: Model, figure: Lora) -> list[tuple[str, str]]:
    facts = [
        (
            "trainable",
            f"{figure.trainable_parameters:,} of {figure.all_parameters:,} parameters, "
            f"{figure.trainable_percent:.4f}%",
        ),
        (
            "bytes",
            ", ".join(f"{size:,} in {dtype}" for dtype, size in figure.bytes_by_dtype.items()),
        ),
    ]
    if figure.saved_parameters != figure.parameters:
        facts.append(
            (
                "saved to disk",
                f"{figure.saved_parameters:,} parameters, of which {figure.parameters:,} are "
                f"trained; {figure.saved_bytes:,} bytes as they are held",
            )
        )
    facts += [
        ("basis", figure.basis),
        ("crosscheck", crosscheck_line(figure.agreement)),
        ("read from", origin_line(model)),
    ]
    return facts


def tidy(model: Model, figure: Lora, value: dict[str, Any], *, by_layer: bool = False) -> Tidy:
    """One row for each target, or with ``by_layer`` for each layer. ``value`` is the JSON."""
    same = pick(value, _SAME)
    notes = (f"read from {origin_line(model)}", *figure.notes, *notes_of(model))
    said: dict[str, Any] = {
        "title": _title(figure),
        "notes": [printable(note, 600) for note in notes],
        "explained": value.get("explain", ()),
    }
    if by_layer:
        rows = [
            {**same, "layer": layer, "modules": modules, "parameters": parameters}
            for layer, modules, parameters in figure.per_layer
        ]
        return Tidy(columns=LAYER_COLUMNS, rows=rows, **said)
    return Tidy(columns=COLUMNS, rows=targets(figure, value), **said)


def targets(figure: Lora, value: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """One row for each target; ``value`` is the JSON where it holds more than the figure's own."""
    same = pick(figure.to_json() if value is None else value, _SAME)
    rows = [
        {
            **same,
            "target": target.name,
            "part": "low rank",
            "modules": target.modules,
            "shape": target.shape,
            "rank": target.rank,
            "parameters": target.parameters,
        }
        for target in figure.targets
    ]
    rows += [
        {**same, "target": name, "part": kind, "parameters": count}
        for name, kind, count in _beside(figure)
    ]
    for row in rows:
        row["share"] = row["parameters"] / figure.parameters if figure.parameters else None
    return rows
