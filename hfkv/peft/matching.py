"""Which modules a target matches, by PEFT's own rules (``check_target_module_exists``).

Regular expressions come from users and from files of repositories, and Python's engine tries every
way of matching before it gives up: ``(a+)+x`` takes longer than anyone waits. Expressions whose
worst case is more than a small power of a name's length are refused before they are run.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from hfkv.errors import InputError, UnsupportedError
from hfkv.reading import printable

__all__ = ["compiled", "excluded", "layer_chosen", "matches", "matches_list", "rank_of"]

_T = TypeVar("_T")

#: A repeat of fewer turns than this cannot take long on its own.
_FEW = 16
#: Open-ended repeats one after the other: the work grows as the name's length to this power.
_MOST_REPEATS = 6
_LONGEST = 4000


@lru_cache(maxsize=4096)
def compiled(pattern: str, where: str = "target_modules") -> re.Pattern[str]:
    """A user's regular expression.

    Raises:
        InputError: it is not one.
        UnsupportedError: matching it could take unbounded time.
    """
    if len(pattern) > _LONGEST:
        raise UnsupportedError(
            f"a regular expression of {len(pattern)} characters",
            where=where,
            expected=f"at most {_LONGEST}",
        )
    try:
        expression = re.compile(pattern)
        nested, repeats = _repeats(_parse(pattern))
    except (re.error, RecursionError, OverflowError) as error:
        raise InputError(
            f"'{printable(pattern, 80)}' is not a regular expression: {printable(str(error), 80)}",
            where=where,
        ) from None
    if nested or repeats > _MOST_REPEATS:
        raise UnsupportedError(
            f"matching '{printable(pattern, 80)}' could take unbounded time",
            where=where,
            expected="no repeat inside a repeat, and few in a row",
        )
    return expression


def _parse(pattern: str) -> Any:
    try:
        from re import _parser as parser  # type: ignore[attr-defined]
    except ImportError:  # Python 3.10
        import sre_parse as parser
    return parser.parse(pattern)


def _repeats(items: Any) -> tuple[bool, int]:
    """Whether a long repeat holds another, and how many follow one another."""
    nested, total = False, 0
    for operation, argument in items:
        name = str(operation)
        if "REPEAT" in name:
            _least, most, body = argument
            inner_nested, inner = _repeats(body)
            nested = nested or inner_nested
            if int(most) > _FEW:
                nested = nested or inner > 0
                total += 1
            else:
                total += inner * max(int(most), 1)
        elif name == "BRANCH":
            found = [_repeats(branch) for branch in argument[1]]
            nested = nested or any(item[0] for item in found)
            total += max((item[1] for item in found), default=0)
        elif name in ("SUBPATTERN", "ATOMIC_GROUP"):
            body = argument[-1] if name == "SUBPATTERN" else argument
            inner_nested, inner = _repeats(body)
            nested, total = nested or inner_nested, total + inner
        elif name in ("ASSERT", "ASSERT_NOT"):
            inner_nested, inner = _repeats(argument[1])
            nested, total = nested or inner_nested, total + inner
        elif name == "GROUPREF_EXISTS":
            for body in argument[1:]:
                inner_nested, inner = _repeats(body or ())
                nested, total = nested or inner_nested, total + inner
    return nested, total


def matches(targets: str | Iterable[str], name: str) -> bool:
    """A string is a regular expression for the whole name; a list holds names or endings of them.

    >>> matches(["q_proj"], "model.layers.0.self_attn.q_proj"), matches(r".*_proj", "a.q_proj")
    (True, True)
    """
    if isinstance(targets, str):
        return compiled(targets).fullmatch(name) is not None
    return matches_list(targets if isinstance(targets, Collection) else tuple(targets), name)


def matches_list(targets: Collection[str], name: str) -> bool:
    """Whether ``name`` is one of ``targets`` or ends with one after a dot."""
    if name in targets:
        return True
    place = name.find(".")
    # Every ending after a dot, looked up: targets can be hundreds of full names.
    while place >= 0:
        if name[place + 1 :] in targets:
            return True
        place = name.find(".", place + 1)
    return False


def excluded(
    exclude: str | Collection[str] | None, saved: Collection[str] | None, name: str
) -> bool:
    """Whether ``exclude_modules`` or ``modules_to_save`` keeps LoRA away from a module."""
    if exclude:
        if isinstance(exclude, str):
            if compiled(exclude, "exclude_modules").fullmatch(name):
                return True
        elif matches_list(exclude, name):
            return True
    return any(
        compiled(rf"(^|.*\.){item}($|\..*)", "modules_to_save").match(name) for item in saved or ()
    )


_FIRST_INDEX = re.compile(r".*?\.[^.]*\.(?P<idx>\d+)\.")


def layer_chosen(
    layers: int | Collection[int] | None, patterns: str | Collection[str] | None, name: str
) -> bool:
    """Whether ``layers_to_transform`` and ``layers_pattern`` let a module that a list matches by
    its ending through; one that is named in full is not asked."""
    if layers is None or (not isinstance(layers, int) and len(layers) == 0):
        return True
    found = None
    if not patterns:
        found = _FIRST_INDEX.match(name)
    else:
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            found = compiled(rf"(?:^|.*?\.){pattern}\.(?P<idx>\d+)\.", "layers_pattern").match(name)
            if found is not None:
                break
    if found is None:
        return False
    index = int(found["idx"])
    return index == layers if isinstance(layers, int) else index in layers


def rank_of(patterns: Mapping[str, _T], name: str, default: _T) -> _T:
    """The rank of a module: that of the first pattern that ends its name.

    >>> rank_of({"q_proj": 4}, "model.layers.0.self_attn.q_proj", 8)
    4
    """
    for pattern, rank in patterns.items():
        if compiled(rf"(.*\.)?({pattern})$", "rank_pattern").match(name):
            return rank
    return patterns.get(name, default)
