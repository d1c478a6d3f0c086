"""Options that several commands share, and their parsing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hfkv.errors import HfkvError
from hfkv.render.formats import Format, resolve
from hfkv.units import parse_bytes, parse_count

__all__ = [
    "BYTES",
    "TOKENS",
    "batch_option",
    "capacity_options",
    "format_options",
    "kv_options",
    "lora_options",
    "source_options",
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


def pretraining_option(command: _F) -> _F:
    """``--pretraining-tokens``: the user's own count, for one model."""
    return click.option(
        "--pretraining-tokens",
        type=TOKENS,
        default=None,
        metavar="TOKENS",
        help="Tokens that MODEL saw in pretraining, where you know better than its card.",
    )(command)


def with_pretraining(found: Sequence[Any], tokens: int | None) -> list[Any]:
    """The models that were read, the only one of them with the count that was given."""
    if tokens is not None and len(found) > 1:
        raise click.UsageError("--pretraining-tokens goes with one MODEL.")
    return [
        item.with_pretraining(tokens) if tokens is not None and hasattr(item, "facts") else item
        for item in found
    ]


def format_options(command: _F) -> _F:
    """``--format``, ``--json`` and ``-q``; the command receives ``output: Format``."""

    def choose(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if not value:
            return value
        chosen = Format(value) if param.name == "output" else Format(str(param.name))
        previous = ctx.meta.get("hfkv.format")
        if previous is not None and previous is not chosen:
            raise click.UsageError("Give only one of --format, --json and -q/--quiet.", ctx)
        ctx.meta["hfkv.format"] = chosen
        return value

    for option in (
        click.option(
            "-q",
            "--quiet",
            "quiet",
            is_flag=True,
            expose_value=False,
            callback=choose,
            help="Print the bare figure. Same as --format quiet.",
        ),
        click.option(
            "--json",
            "json",
            is_flag=True,
            expose_value=False,
            callback=choose,
            help="Same as --format json.",
        ),
        click.option(
            "--format",
            "output",
            type=click.Choice([item.value for item in Format]),
            expose_value=False,
            callback=choose,
            help="Output format; auto is agent for an AI agent, else human.",
        ),
    ):
        command = option(command)
    return command


def chosen_format() -> Format:
    """The format this command was asked for, resolved."""
    chosen = click.get_current_context().meta.get("hfkv.format", Format.auto)
    return resolve(chosen)


def source_options(command: _F) -> _F:
    """``--revision``, ``--source`` and ``--token``."""
    for option in (
        click.option(
            "--token", default=None, help="Hub token; by default the stored one or HF_TOKEN."
        ),
        click.option(
            "--source",
            type=click.Choice(["auto", "hub", "cache", "directory", "snapshot"]),
            default="auto",
            show_default=True,
            help="Where to read from; auto tries them in this order.",
        ),
        click.option(
            "--revision", default=None, help="Branch, tag, refs/pr/N or commit.  [default: main]"
        ),
    ):
        command = option(command)
    return command


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


def kv_options(command: _F) -> _F:
    """``--kv-dtype``, ``--encoder-tokens`` and ``--crosscheck/--no-crosscheck``."""
    for option in (
        click.option(
            "--crosscheck/--no-crosscheck",
            default=True,
            help="Check the plan against the checkpoint's shapes.  [default: crosscheck]",
        ),
        click.option(
            "--encoder-tokens",
            type=TOKENS,
            default=None,
            help="Encoder length for cross-attention.  [default: the model's own]",
        ),
        click.option(
            "--kv-dtype",
            default="auto",
            show_default=True,
            metavar=_DTYPES,
            help="Element type of the cache; auto is the model's own.",
        ),
    ):
        command = option(command)
    return command


def lora_options(command: _F) -> _F:
    """``--rank``, ``--target-modules`` and ``--lora-dtype``."""
    for option in (
        click.option(
            "--lora-dtype",
            default="auto",
            show_default=True,
            metavar=_DTYPES,
            help="Element type of the adapter; auto is the model's own.",
        ),
        click.option(
            "--target-modules",
            default="all-linear",
            show_default=True,
            metavar="all-linear|default|NAME,NAME|regex:...",
            help="What LoRA adapts; default is PEFT's own mapping.",
        ),
        click.option(
            "--rank",
            "-r",
            type=click.IntRange(min=1, max=1_000_000),
            default=32,
            show_default=True,
            help="LoRA rank.",
        ),
    ):
        command = option(command)
    return command


def capacity_options(command: _F) -> _F:
    """``--capacity`` and ``--bits-per-token``: the model of what an adapter could hold."""
    for option in (
        click.option(
            "--bits-per-token",
            type=click.FloatRange(min=0, min_open=True, max=64),
            default=2.0,
            show_default=True,
            help="What a token carries: an assumption.",
        ),
        click.option(
            "--capacity",
            type=click.Choice(["facts", "memorization"]),
            default="facts",
            show_default=True,
            help="Bits a parameter holds: about 2 of facts, or about 3.6 memorized.",
        ),
    ):
        command = option(command)
    return command
