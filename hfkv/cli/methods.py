"""``--method`` and ``--match-bytes`` of ``hfkv compare``: PEFT's other methods beside LoRA."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hfkv.errors import HfkvError

if TYPE_CHECKING:
    from hfkv.comparison import Comparison
    from hfkv.comparison.methods import Entry
    from hfkv.render.sheet import Sheet

__all__ = ["Beside", "method_options", "others"]

_F = TypeVar("_F", bound=Callable[..., Any])


def method_options(command: _F) -> _F:
    """The two options."""
    command = click.option(
        "--match-bytes",
        is_flag=True,
        help="Each --method at its largest size that has no more bytes than LoRA at --rank.",
    )(command)
    return click.option(
        "--method",
        default=None,
        metavar="NAME[:SIZE],...",
        help="Also PEFT's other methods: ia3,vera,lora:32; with --match-bytes at equal bytes.",
    )(command)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The other methods on one model, and the bytes that they are held to."""

    model: str
    entries: Sequence[Entry] = ()
    limit: int | None = None

    def sheet(self) -> Sheet:
        """Their table."""
        from hfkv.render.methods import sheet

        return sheet(self.model, self.entries, limit=self.limit)

    def to_json(self) -> dict[str, Any]:
        """What is added to the model's comparison."""
        return {"methods": [entry.to_json() for entry in self.entries]}

    @property
    def warnings(self) -> list[str]:
        """What was asked of them and PEFT does nothing with."""
        figures = [entry.figure for entry in self.entries]
        return [text for figure in figures if figure is not None for text in figure.warnings]


def others(
    results: Sequence[Comparison | HfkvError],
    method: str | None,
    match: bool,
    rank: int,
    asked: Mapping[str, Any],
) -> dict[int, Beside]:
    """The methods that were asked for, by the ``id`` of the comparison that they stand beside."""
    if method is None:
        if match:
            raise click.UsageError("--match-bytes goes with --method.")
        return {}
    from hfkv.comparison.methods import methods, parse_methods

    try:
        wanted = parse_methods(method)
    except HfkvError as error:
        raise click.UsageError(str(error)) from None
    found = {}
    for item in results:
        if isinstance(item, HfkvError):
            continue
        limit = item.lora.bytes if match and item.lora is not None else None
        entries = methods(
            item.model,
            wanted,
            target_modules=asked["target_modules"],
            r=rank,
            dtype=asked["lora_dtype"],
            match_bytes=limit,
        )
        found[id(item)] = Beside(model=item.model.model, entries=entries, limit=limit)
    return found
