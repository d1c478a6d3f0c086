"""PEFT's methods side by side on one model: at a size that was named, or no larger than a number
of bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hfkv.errors import HfkvError, InputError
from hfkv.model import Model
from hfkv.reading import describe

if TYPE_CHECKING:
    from hfkv.peft.methods import Adapter
    from hfkv.peft.tuners.rule import Knob

__all__ = ["Entry", "methods", "parse_methods"]

#: What sets the size of virtual tokens.
_TOKENS = "num_virtual_tokens"
#: No size is tried beyond this.
_MOST = 2**40
#: No layer is as wide as that, and no bank of vectors as long.
_BEYOND = 2**29
#: Methods that have targets of their own.
_OWN_TARGETS = frozenset(["ADAPTION_PROMPT", "LN_TUNING", "TRAINABLE_TOKENS"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One method.

    Attributes:
        method: its ``peft_type``.
        knob: the field that sets its size; None where nothing does.
        size: that field's value; None where the class leaves it open.
        figure: the adapter; None where there is none.
        reason: why there is none, or "".
    """

    method: str
    knob: str | None = None
    size: int | None = None
    figure: Adapter | None = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        value: dict[str, Any] = {"method": self.method, "knob": self.knob, "size": self.size}
        if self.figure is None:
            return {**value, "reason": self.reason}
        figure = self.figure.to_json()
        figure.pop("model", None)
        return {**figure, **value}


def parse_methods(text: str) -> list[tuple[str, int | None]]:
    """What ``--method`` takes: names of methods, each with its size where one is meant.

    Raises:
        InputError: a method is not known, or a size is no number.

    >>> parse_methods("ia3,lora:32")
    [('IA3', None), ('LORA', 32)]
    """
    from hfkv.peft.methods import METHODS

    found: list[tuple[str, int | None]] = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, colon, size = item.partition(":")
        method = name.strip().upper().replace("-", "_")
        if method not in METHODS:
            raise InputError(
                f"found {describe(name)}",
                where="`method`",
                expected="names among " + ", ".join(sorted(METHODS)).lower(),
            )
        if colon and not (size.isascii() and size.isdigit() and 0 < int(size) <= _MOST):
            raise InputError(
                f"found {describe(item)}", where="`method`", expected="NAME or NAME:SIZE"
            )
        found.append((method, int(size) if colon else None))
    return found


def methods(
    model: Model,
    asked: Sequence[tuple[str, int | None]],
    *,
    target_modules: Any = "all-linear",
    r: int = 32,
    dtype: str = "auto",
    match_bytes: int | None = None,
) -> list[Entry]:
    """The methods on this model.

    Args:
        asked: methods, each with its size or None: LoRA's is then ``r``, and others' that of the
            class.
        target_modules: what is adapted, for the methods that have no targets of their own.
        match_bytes: every method without a size of its own gets the largest one at which its
            trained parameters have no more bytes.
    """
    found = []
    for method, size in asked:
        knob = _knob(method)
        fields: dict[str, Any] = {"peft_type": method}
        if method not in _OWN_TARGETS and (knob is None or knob.name != _TOKENS):
            fields["target_modules"] = target_modules
        try:
            found.append(_entry(model, method, fields, knob, size, r, dtype, match_bytes))
        except HfkvError as error:
            found.append(
                Entry(
                    method=method,
                    knob=None if knob is None else knob.name,
                    size=size,
                    reason=str(error),
                )
            )
    return found


def _knob(method: str) -> Knob | None:
    from hfkv.peft.tuners.rule import Knob
    from hfkv.peft.tuners.rules import RULES

    if method in RULES:
        return RULES[method].knob
    return Knob(name="r" if method == "LORA" else _TOKENS)


def _entry(
    model: Model,
    method: str,
    fields: dict[str, Any],
    knob: Knob | None,
    size: int | None,
    r: int,
    dtype: str,
    limit: int | None,
) -> Entry:
    from hfkv.peft.tuners.rules import RULES

    if method in RULES:
        fields = {**RULES[method].defaults, **fields}
    if size is not None and knob is None:
        raise InputError(f"{method.lower()} has no field that sets its size", where="`method`")

    def made(value: int | None) -> Adapter:
        chosen = {} if value is None or knob is None else _sized(knob, value)
        return model.adapter({**fields, **chosen}, dtype=dtype)

    if size is None and limit is not None and knob is not None:
        size = _largest(f"{model.model}: {method.lower()}", knob, made, limit)
    elif size is None and method == "LORA":
        size = r
    elif size is None and knob is not None and knob.name == _TOKENS:
        raise InputError(
            f"{method.lower()} has no default size",
            where="`method`",
            expected=f"{method.lower()}:TOKENS, or `match_bytes`",
        )
    figure = made(size)
    if knob is None:
        return Entry(method=method, figure=figure)
    if size is None:
        from hfkv.peft.tuners import Tuner

        assert isinstance(figure, Tuner)
        size = figure.options.values[knob.name]
    return Entry(method=method, knob=knob.name, size=size, figure=figure)


def _sized(knob: Knob, value: int) -> dict[str, Any]:
    """The fields that make a method so large; one that excludes this one is off."""
    return {knob.name: value} | ({knob.off: 0} if knob.off else {})


def _largest(where: str, knob: Knob, made: Callable[[int | None], Adapter], limit: int) -> int:
    """The size at which it is largest and no larger than ``limit`` bytes.

    Raises:
        HfkvError: it is larger at every size, or no size is possible.
    """

    def fits(value: int) -> bool:
        try:
            return made(value * knob.step).bytes <= limit
        except InputError:
            # PEFT refuses sizes beyond what a layer takes.
            return False

    if knob.scan or knob.divisors:
        return _scanned(knob, made, limit)
    if knob.falling:
        # The larger the field, the smaller is the adapter: the first that fits.
        return _first(fits, knob.least)
    if not fits(knob.least):
        figure = made(knob.least * knob.step)
        raise InputError(
            f"even at {knob.name}={knob.least * knob.step} it has {figure.bytes:,} bytes",
            where=where,
            expected=f"at most {limit:,}",
        )
    # Beyond some size a method can have all that there is: the smallest of those is meant.
    most = _last(fits, knob.least)
    size = made(most * knob.step).bytes
    return _first(lambda value: made(value * knob.step).bytes >= size, knob.least) * knob.step


def _last(holds: Callable[[int], bool], least: int) -> int:
    """The largest number for which something holds that then holds for all smaller ones, from
    ``least`` on; one that is far beyond all layers where it holds for all."""
    low, high = least, least + 1
    while holds(high):
        if high >= _BEYOND:
            return high
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _first(holds: Callable[[int], bool], least: int) -> int:
    """The smallest number for which something holds that then holds for all larger ones.

    Raises:
        InputError: it holds for none.
    """
    step, low, high = 1, least - 1, least
    while not holds(high):
        low, step = high, step * 2
        high += step
        if high > _MOST:
            raise InputError("no size is small enough", where="`match_bytes`")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _scanned(knob: Knob, made: Callable[[int | None], Adapter], limit: int) -> int:
    """Of all sizes that are possible, the one of the largest adapter that fits: where bytes neither
    rise nor fall with the size. Each is counted on one layer of each size."""
    from hfkv.peft.tuners import Tuner
    from hfkv.peft.tuners.adapter import trained_at

    figure = made(knob.least)
    assert isinstance(figure, Tuner)
    sizes = {size for site in figure.injection.sites for size in (site.inputs, site.outputs)}
    common = math.gcd(*sizes)
    smaller = max(min(site.inputs, site.outputs) for site in figure.injection.sites)
    candidates = range(knob.least, (common if knob.divisors else smaller) + 1)
    best: tuple[int, int] | None = None
    for value in candidates:
        if knob.divisors and common % value:
            continue
        size = trained_at(figure, knob.name, value)
        if size is not None and size <= limit and (best is None or size > best[0]):
            best = (size, value)
    if best is None:
        raise InputError(
            f"at no {knob.name} it is small enough", where="`match_bytes`", expected=f"{limit:,}"
        )
    return best[1]
