"""What the rules for choosing a rank take for granted, as options of ``rank`` and ``plot``."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hfkv.cli.options import BYTES, TOKENS

if TYPE_CHECKING:
    from hfkv.comparison.rules import Assumed

__all__ = ["rule_options"]

_F = TypeVar("_F", bound=Callable[..., Any])


def _number(ctx: click.Context, param: click.Parameter, value: float | None) -> Fraction | None:
    if value is None:
        return None
    if value != value:
        raise click.BadParameter("expected a number")
    return Fraction(str(value))


def _share(ctx: click.Context, param: click.Parameter, value: str) -> Fraction:
    text = value.strip()
    scale = 100 if text.endswith("%") else 1
    try:
        share = Fraction(text.removesuffix("%").strip()) / scale
    except (ValueError, ZeroDivisionError):
        share = Fraction(0)
    if not 0 < share <= 1 or len(text) > 32:
        raise click.BadParameter(f"{value[:32]!r}: expected a share such as 1% or 0.01")
    return share


_OPTIONS = (
    click.option(
        "--max-share",
        default="1%",
        show_default=True,
        callback=_share,
        metavar="SHARE",
        help="Most of the weights' bytes that an adapter may have.",
    ),
    click.option("--max-bytes", type=BYTES, default=None, help="Most bytes it may have: 1GB."),
    click.option(
        "--cartridge",
        type=TOKENS,
        default=None,
        metavar="TOKENS",
        help="Compare with a cartridge of so many tokens.  [default: TOKENS/38.6]",
    ),
    click.option(
        "--bits-per-token",
        type=click.FloatRange(min=0, min_open=True, max=64),
        default=None,
        callback=_number,
        help="What a token carries: an assumption.  [default: 1]",
    ),
    click.option(
        "--loss",
        type=click.FloatRange(min=0, min_open=True, max=44),
        default=None,
        callback=_number,
        metavar="NATS",
        help="Instead: the base model's loss on the data, in nats a token.",
    ),
    click.option(
        "--data",
        type=click.Path(path_type=Path),
        default=None,
        help="Instead: a file of the data, measured by --compressor.",
    ),
    click.option(
        "--compressor",
        type=click.Choice(["xz", "bz2", "zlib"]),
        default=None,
        help="What measures the bits of --data.  [default: xz]",
    ),
)


def _assumed(
    max_share: Fraction,
    max_bytes: int | None,
    cartridge: int | None,
    bits_per_token: Fraction | None,
    loss: Fraction | None,
    data: Path | None,
    compressor: str | None,
) -> Assumed:
    from hfkv.comparison.rules import Assumed

    if sum(item is not None for item in (bits_per_token, loss, data)) > 1:
        raise click.UsageError("Give only one of --bits-per-token, --loss and --data.")
    if compressor is not None and data is None:
        raise click.UsageError("--compressor measures --data; give both.")
    if max_bytes == 0:
        raise click.BadParameter("expected a size such as 1GB", param_hint="--max-bytes")
    limits: dict[str, Any] = {
        "max_share": max_share,
        "max_bytes": max_bytes,
        "cartridge": cartridge,
    }
    if bits_per_token is not None:
        return Assumed(bits_per_token=bits_per_token, bits_source="given", **limits)
    if loss is not None:
        from math import log

        bits = loss / Fraction(log(2))
        return Assumed(
            bits_per_token=bits, bits_source=f"a loss of {float(loss):g} nats, given", **limits
        )
    if data is not None:
        from hfkv.source.compressed import compressed_bytes

        method = compressor or "xz"
        bits = Fraction(8 * compressed_bytes(data, method))
        return Assumed(data_bits=bits, bits_source=f"{data.name} compressed by {method}", **limits)
    return Assumed(**limits)


def rule_options(command: _F) -> _F:
    """The options; the command takes ``assumed``, what they come to."""

    @wraps(command)
    def gathered(*args: Any, **given: Any) -> Any:
        names = "max_share max_bytes cartridge bits_per_token loss data compressor".split()
        assumed = _assumed(**{name: given.pop(name) for name in names})
        return command(*args, assumed=assumed, **given)

    found: Any = gathered
    for option in reversed(_OPTIONS):
        found = option(found)
    return found  # type: ignore[no-any-return]
