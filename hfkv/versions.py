"""Of which releases of transformers and PEFT every figure is, and what else is installed beside.

The tables of classes and rules are made from one release of each library, so an exact figure is
that of these. What is installed is asked for by its metadata alone: nothing is imported.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from hfkv.data import read_json
from hfkv.reading import printable
from hfkv.release_lines import LINES, differs, has_type, line_versions

__all__ = [
    "beside",
    "first_release",
    "installed",
    "is_newer",
    "release",
    "releases",
    "said",
    "since",
    "tables",
    "unknown",
]

#: The libraries as people write them.
_SPELLED = {"hfkv": "hfkv", "transformers": "transformers", "peft": "PEFT"}
_NUMBERS = re.compile(r"v?(\d{1,6}(?:\.\d{1,6})*)")


@lru_cache(maxsize=8)
def tables(line: str = "") -> Mapping[str, str]:
    """Library to the version that the figures are of; ``hfkv`` is this package.

    Args:
        line: an older line of transformers (:mod:`hfkv.release_lines`); "" for the newest release.

    >>> list(tables())
    ['hfkv', 'transformers', 'peft']
    """
    from hfkv import __version__

    if line:
        return {"hfkv": __version__, **line_versions(line)}
    facts = read_json("peft.json")
    return {"hfkv": __version__, **{name: str(facts[name]) for name in ("transformers", "peft")}}


def said(*names: str, line: str = "") -> str:
    """The libraries with the versions that figures are of: ``transformers 5.1.0, PEFT 0.9.1``."""
    return ", ".join(f"{_SPELLED[name]} {tables(line)[name]}" for name in names)


def release(text: str) -> tuple[int, ...]:
    """The numbers of a version, to be compared; none where it begins with no number.

    Zeros at the end say nothing, and what follows the numbers (``.dev0``, ``rc1``) is left out.

    >>> release("5.10.0") > release("5.9.1"), release("5.0") == release("5.0.0.dev0")
    (True, True)
    """
    found = _NUMBERS.match(text)
    if found is None:
        return ()
    numbers = [int(part) for part in found[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def is_newer(version: object, than: str) -> bool:
    """Whether what may be a version is one of a later release."""
    return isinstance(version, str) and release(version[:100]) > release(than)


@lru_cache(maxsize=1)
def _first() -> Mapping[str, str]:
    firsts: Mapping[str, list[str]] = read_json("releases.json")["first"]
    return {name: version for version, names in firsts.items() for name in names}


def releases() -> list[str]:
    """The releases of transformers whose types were read, oldest first: not all there are."""
    return list(read_json("releases.json")["first"])


def first_release(model_type: str) -> str | None:
    """The first of :func:`releases` that has a type; None where none has it.

    Of the oldest one it says no more than that the type was there.

    >>> first_release("llama") == releases()[0], first_release("no-such-type")
    (True, None)
    """
    return _first().get(model_type)


def since(model_type: str) -> str | None:
    """The release that brought a type; None where the oldest of :func:`releases` has it already,
    or none does."""
    first = first_release(model_type)
    return None if first == releases()[0] else first


def unknown(model_type: str, written_by: object) -> str:
    """Why a type may be unknown to the release that the tables are of: a newer one brought it, or
    wrote the config.

    Args:
        model_type: no type of that release.
        written_by: the config's ``transformers_version``.

    >>> unknown("no-such-type", "4.40.0") == f"no type of {said('transformers')}"
    True
    """
    text = f"no type of {said('transformers')}"
    first = first_release(model_type)
    if first is not None and release(first) > release(tables()["transformers"]):
        return f"{text}: {first} brought it, which a newer hfkv may know"
    if is_newer(written_by, tables()["transformers"]):
        assert isinstance(written_by, str)
        return f"{text}, its config is of {printable(written_by, 20)}: a newer hfkv may know it"
    return text


def installed(name: str) -> str | None:
    """The version of an installed library, without importing it; None where there is none."""
    from importlib.util import find_spec

    try:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            return None
        # A wheel leaves its version in the name of a folder beside it; the library that reads what
        # others leave takes longer to import than most answers take.
        beside_it = os.listdir(os.path.dirname(os.path.dirname(spec.origin)))
        start, end = f"{name}-", ".dist-info"
        named = [item for item in beside_it if item.startswith(start) and item.endswith(end)]
        if len(named) == 1:
            return named[0][len(start) : -len(end)]
        from importlib.metadata import version

        return version(name)
    except (ImportError, ValueError, OSError):
        # Found by its name, but no installed package: nothing can be said of it.
        return None


def beside(model_types: Iterable[str | None], *, peft: bool = False) -> list[str]:
    """That what is installed here is of another line than the figures, or lacks a type of theirs.

    transformers' lines are its major versions, PEFT's its minor ones while the major one is 0.
    Within a line :command:`hfkv verify` says it of each figure.

    Args:
        model_types: the models of the figures.
        peft: whether they are of adapters too.
    """
    model_types = list(model_types)
    found = []
    mine, theirs = tables()["transformers"], installed("transformers")
    if theirs is not None and theirs.partition("+")[0] != mine:
        line = next((line for line in LINES if release(theirs)[:2] == release(line)), "")
        if line:
            found += _in_line(line, theirs, mine, model_types, peft=peft)
        elif release(theirs)[:1] != release(mine)[:1]:
            found.append(
                f"transformers {theirs} is installed here, these figures are of {mine}: another "
                "line, that keeps some caches otherwise (states, latents) and builds mixtures of "
                "other modules"
            )
        lacking = {
            model_type: first
            for model_type in model_types
            if model_type
            and (first := first_release(model_type)) is not None
            and release(first) <= release(mine)
            # Of a release between two that were read nothing is known.
            and release(theirs) <= _before(first)
        }
        found += [
            f"transformers {theirs} is installed here and does not know {name}, which came with "
            f"{first}; these figures are of {mine}"
            for name, first in lacking.items()
        ]
    mine, theirs = tables()["peft"], installed("peft") if peft else None
    if theirs is not None and release(theirs)[:2] != release(mine)[:2]:
        found.append(
            f"PEFT {theirs} is installed here, adapters are counted as {mine} makes them: "
            "hfkv verify --rank counts with the installed one"
        )
    return found


def _in_line(
    line: str, theirs: str, mine: str, model_types: Iterable[str | None], *, peft: bool
) -> list[str]:
    """What of the figures is other, or not known to be the same, in the line that is installed."""
    found = []
    for model_type in dict.fromkeys(model_types):
        if not model_type or not has_type(line, model_type):
            continue
        other = differs(line, model_type, adapters=peft)
        if other == "unproved":
            found.append(
                f"transformers {theirs} is installed here, these figures are of {mine}: those of "
                f"{model_type} were not compared, and may be others there"
            )
        elif other:
            found.append(
                f"transformers {theirs} is installed here, these figures are of {mine}: there "
                f"{model_type} has {other} otherwise; `transformers={line!r}` gives those figures"
            )
    return found


def _before(version: str) -> tuple[int, ...]:
    """The release that was read before this one; () for the first."""
    known = releases()
    place = known.index(version)
    return release(known[place - 1]) if place else ()
