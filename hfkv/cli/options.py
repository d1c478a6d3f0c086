"""Options that several commands share, and their parsing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hfkv.errors import HfkvError
from hfkv.release_lines import LINES
from hfkv.render.formats import Format, resolve
from hfkv.units import parse_bytes, parse_count

__all__ = [
    "BYTES",
    "TOKENS",
    "batch_option",
    "format_options",
    "kv_options",
    "line_option",
    "lora_options",
    "no_line",
    "source_options",
    "targets_option",
    "together",
    "tokens_option",
]

_F = TypeVar("_F", bound=Callable[..., Any])

if TYPE_CHECKING:
    _Whole = click.ParamType[int]
else:  # older releases of click have no such subscript
    _Whole = click.ParamType

#: What ``--kv-dtype`` and ``--lora-dtype`` take; the meaning is in :mod:`hfkv.dtypes`.
_DTYPES = "auto|bf16|fp16|fp32|fp8|int8|int4"


class _Count(_Whole):
    """A number of tokens as people type it; a wrong one is a usage error, exit code 2."""

    name = "tokens"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            count = parse_count(str(value))
        except HfkvError as error:
            self.fail(str(error), param, ctx)
        if count < 1:
            self.fail(f"{value!r} is not a positive number of tokens", param, ctx)
        return count


class _Bytes(_Whole):
    """A size as people type it."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_bytes(str(value))
        except HfkvError as error:
            self.fail(str(error), param, ctx)


TOKENS = _Count()
BYTES = _Bytes()


#: ``--pretraining-tokens``: the user's own count, for one model.
pretraining_option = click.option(
    "--pretraining-tokens",
    type=TOKENS,
    default=None,
    metavar="TOKENS",
    help="Tokens that MODEL saw in pretraining, where you know better than its card.",
)


def with_pretraining(found: Sequence[Any], tokens: int | None) -> list[Any]:
    """The models that were read, the only one of them with the count that was given."""
    if tokens is not None and len(found) > 1:
        raise click.UsageError("--pretraining-tokens goes with one MODEL.")
    return [
        item.with_pretraining(tokens) if tokens is not None and hasattr(item, "facts") else item
        for item in found
    ]


def together(*options: Callable[[_F], _F]) -> Callable[[_F], _F]:
    """Several options as one decorator; ``--help`` lists them in this order."""

    def add(command: _F) -> _F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _choose(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    if not value:
        return value
    chosen = Format(value) if param.name == "output" else Format(str(param.name))
    previous = ctx.meta.get("hfkv.format")
    if previous is not None and previous is not chosen:
        raise click.UsageError("Give only one of --format, --json and -q/--quiet.", ctx)
    ctx.meta["hfkv.format"] = chosen
    return value


#: ``--format``, ``--json`` and ``-q``; :func:`chosen_format` says what was chosen.
format_options = together(
    click.option(
        "--format",
        "output",
        type=click.Choice([item.value for item in Format]),
        expose_value=False,
        callback=_choose,
        help="Output format; auto is agent for an AI agent, else human.",
    ),
    click.option(
        "--json",
        "json",
        is_flag=True,
        expose_value=False,
        callback=_choose,
        help="Same as --format json.",
    ),
    click.option(
        "-q",
        "--quiet",
        "quiet",
        is_flag=True,
        expose_value=False,
        callback=_choose,
        help="Print the bare figure. Same as --format quiet.",
    ),
)


def chosen_format() -> Format:
    """The format this command was asked for, resolved."""
    chosen = click.get_current_context().meta.get("hfkv.format", Format.auto)
    return resolve(chosen)


#: ``--revision``, ``--source`` and ``--token``.
source_options = together(
    click.option(
        "--revision", default=None, help="Branch, tag, refs/pr/N or commit.  [default: main]"
    ),
    click.option(
        "--source",
        type=click.Choice(["auto", "hub", "cache", "directory", "snapshot"]),
        default="auto",
        show_default=True,
        help="Where to read from; auto tries them in this order.",
    ),
    click.option("--token", default=None, help="Hub token; by default the stored one or HF_TOKEN."),
)


#: ``--transformers``: of which line of releases the figures are.
line_option = click.option(
    "--transformers",
    default=None,
    metavar="|".join(LINES),
    help="Figures of an older line of releases.  [default: the newest]",
)


def no_line(asked: str | None) -> None:
    """Refuse a line where the installed release answers.

    Raises:
        UsageError: one is asked for.
    """
    if asked is not None:
        raise click.UsageError("--basis live asks the installed release; leave --transformers out.")


def tokens_option(default: int | None = 100_000) -> Callable[[_F], _F]:
    """``--tokens``: 100000, 100k, 1M, 128Ki."""
    return click.option(
        "--tokens",
        type=TOKENS,
        default=default,
        show_default=default is not None,
        help="Tokens in each sequence: 100000, 100k, 1M, 128Ki.",
    )


batch_option = click.option(
    "--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Sequences."
)


#: ``--kv-dtype``, ``--encoder-tokens`` and ``--crosscheck/--no-crosscheck``.
kv_options = together(
    click.option(
        "--kv-dtype",
        default="auto",
        show_default=True,
        metavar=_DTYPES,
        help="Element type of the cache; auto is the model's own.",
    ),
    click.option(
        "--encoder-tokens",
        type=TOKENS,
        default=None,
        help="Encoder length for cross-attention.  [default: the model's own]",
    ),
    click.option(
        "--crosscheck/--no-crosscheck",
        default=True,
        help="Check the plan against the checkpoint's shapes.  [default: crosscheck]",
    ),
)


def _targets(ctx: click.Context, param: click.Parameter, value: str) -> Any:
    from hfkv.peft.lora import LoraOptions

    return LoraOptions.parse_targets(value)


#: ``--target-modules``, as the library takes it.
targets_option = click.option(
    "--target-modules",
    default="all-linear",
    show_default=True,
    metavar="all-linear|default|NAME,NAME|regex:...",
    callback=_targets,
    help="What LoRA adapts; default is PEFT's own mapping.",
)

#: ``--rank``, ``--target-modules`` and ``--lora-dtype``.
lora_options = together(
    click.option(
        "--rank",
        "-r",
        type=click.IntRange(min=1, max=1_000_000),
        default=32,
        show_default=True,
        help="LoRA rank.",
    ),
    targets_option,
    click.option(
        "--lora-dtype",
        default="auto",
        show_default=True,
        metavar=_DTYPES,
        help="Element type of the adapter; auto is the model's own.",
    ),
)
