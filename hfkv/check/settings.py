"""Configuration: ``[tool.hfkv]`` of ``pyproject.toml``, or ``hfkv.toml``."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hfkv.check.codes import CODES
from hfkv.errors import InputError
from hfkv.reading import describe, printable
from hfkv.release_lines import line_of
from hfkv.units import parse_count

__all__ = ["BudgetTable", "Settings", "find_settings"]

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_T = TypeVar("_T")
_KEYS = frozenset(
    """select ignore per-file-ignores include exclude models bases budget lock strict
    baseline pretraining-tokens transformers""".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetTable:
    """One ``[[budget]]`` as it was written, with the line it begins at."""

    fields: Mapping[str, Any]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is configured.

    Attributes:
        root: the project's directory; paths in findings and globs are relative to it.
        path: the configuration file relative to the root; "" where there is none.
        select, ignore: codes, or beginnings of codes.
        per_file_ignores: (glob, codes).
        include, exclude: globs of files that a run without file names looks at.
        models: further models to lock.
        bases: (glob, model): the base model of configs that do not name one on the Hub.
        budgets: the ``[[budget]]`` tables.
        lock: the lock's path relative to the root.
        strict: notes fail a run as findings do.
        baseline: a file of findings that are let pass, relative to the root; "" for none.
        pretraining_tokens: Hub id in lower case to a count of your own, of basis ``given``.
        transformers: of which line of releases figures are, as :func:`hfkv.load` takes it; "" for
            the newest.
        text: of the configuration file.
    """

    root: Path
    path: str = ""
    select: tuple[str, ...] = ("ALL",)
    ignore: tuple[str, ...] = ()
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    bases: tuple[tuple[str, str], ...] = ()
    budgets: tuple[BudgetTable, ...] = field(default=(), repr=False)
    lock: str = "hfkv.lock"
    strict: bool = False
    baseline: str = ""
    pretraining_tokens: Mapping[str, int] = field(default_factory=dict)
    transformers: str = ""
    text: str = field(default="", repr=False)

    @property
    def lock_path(self) -> Path:
        """Where the lock is."""
        return self.root / self.lock


def find_settings(start: Path, explicit: Path | None = None) -> Settings:
    """The settings that hold in ``start``: of the nearest ``hfkv.toml`` or ``pyproject.toml`` with
    ``[tool.hfkv]`` at or above it, up to the repository's root; or those of ``explicit``.

    Raises:
        InputError: the configuration cannot be read or says something that is not known.
    """
    if explicit is not None:
        table, text = _read(explicit)
        if explicit.name == "pyproject.toml":
            table = _sub(_sub(table, "tool", explicit), "hfkv", explicit)
        return _settings(explicit.resolve().parent, explicit.name, table, text)
    start = start.resolve()
    for folder in (start, *start.parents):
        own = folder / "hfkv.toml"
        if own.is_file():
            return _settings(folder, own.name, *_read(own))
        project = folder / "pyproject.toml"
        if project.is_file():
            table, text = _read(project)
            tool = table.get("tool")
            if isinstance(tool, dict) and "hfkv" in tool:
                return _settings(folder, project.name, _sub(tool, "hfkv", project), text)
        if (folder / ".git").exists():
            return Settings(root=folder)
    return Settings(root=start)


def _read(path: Path) -> tuple[dict[str, Any], str]:
    try:
        text = path.read_bytes().decode("utf-8")
        return tomllib.loads(text), text
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except (
        ValueError,
        RecursionError,
    ) as error:  # TOMLDecodeError and UnicodeDecodeError are these
        raise InputError(
            f"not readable as TOML: {printable(str(error))}", where=str(path)
        ) from None


def _sub(table: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise InputError(f"found {describe(value)}", where=f"{path}: {key}", expected="a table")
    return value


def _settings(root: Path, name: str, table: Mapping[str, Any], text: str) -> Settings:
    where = f"{name}: [tool.hfkv]" if name == "pyproject.toml" else name
    for key in table:
        if key not in _KEYS:
            import difflib

            near = difflib.get_close_matches(key, _KEYS, n=1)
            raise InputError(
                f"'{printable(key, 60)}' is no key that is known",
                where=where,
                expected=", ".join(sorted(_KEYS)),
                hint=f"did you mean {near[0]}?" if near else "",
            )

    def read(key: str, reader: Callable[[Any, str], _T], default: _T) -> _T:
        return reader(table[key], f"{where}: {key}") if key in table else default

    no_table: dict[str, Any] = {}
    ignores = read("per-file-ignores", _table, no_table)
    bases = read("bases", _table, no_table)
    lock = read("lock", _text, "hfkv.lock")
    if os.path.isabs(lock) or ".." in Path(lock).parts:
        raise InputError(f"{lock!r} leads out of the project", where=f"{where}: lock")
    return Settings(
        root=root,
        path=name,
        select=read("select", _codes, ("ALL",)),
        ignore=read("ignore", _codes, ()),
        per_file_ignores=tuple(
            (glob, _codes(codes, f"{where}: per-file-ignores")) for glob, codes in ignores.items()
        ),
        include=read("include", _texts, ()),
        exclude=read("exclude", _texts, ()),
        models=read("models", _texts, ()),
        bases=tuple((glob, _text(model, f"{where}: bases")) for glob, model in bases.items()),
        budgets=_budgets(table.get("budget", []), text, where),
        lock=lock,
        strict=read("strict", _flag, False),
        baseline=read("baseline", _text, ""),
        pretraining_tokens={
            model.lower(): _count(value, f"{where}: pretraining-tokens: {printable(model, 80)}")
            for model, value in read("pretraining-tokens", _table, no_table).items()
        },
        transformers=read("transformers", _line, ""),
        text=text,
    )


def _line(value: object, where: str) -> str:
    try:
        return line_of(_text(value, where))
    except InputError as error:
        raise InputError(error.what, where=where, expected=error.expected) from None


def _text(value: object, where: str) -> str:
    # Most are names of files, and no file has a NUL in its name.
    if not isinstance(value, str) or not value or "\0" in value:
        raise InputError(f"found {describe(value)}", where=where, expected="a text")
    return value


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"found {describe(value)}", where=where, expected="true or false")
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise InputError(f"found {describe(value)}", where=where, expected="a list of texts")
    return tuple(_text(item, where) for item in value)


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"found {describe(value)}", where=where, expected="a table")
    return value


def _count(value: object, where: str) -> int:
    expected = 'a positive number of tokens: 4_000_000_000_000 or "4T"'
    if isinstance(value, str):
        with suppress(InputError):
            value = parse_count(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"found {describe(value)}", where=where, expected=expected)
    return value


def _codes(value: object, where: str) -> tuple[str, ...]:
    codes = tuple(code.upper() for code in _texts(value, where))
    check_codes(codes, where)
    return codes


def check_codes(codes: tuple[str, ...], where: str) -> None:
    """Refuse what is neither a code nor the beginning of one.

    Raises:
        InputError: it is neither.
    """
    for code in codes:
        if code != "ALL" and not any(known.startswith(code) for known in CODES):
            raise InputError(
                f"'{printable(code, 40)}' is neither a code nor the beginning of one",
                where=where,
                expected="such as HFKV1 or HFKV301",
            )


_HEADER = re.compile(r"^[ \t]*\[\[\s*(?:tool\s*\.\s*hfkv\s*\.\s*)?budget\s*\]\]", re.MULTILINE)


def _budgets(value: object, text: str, where: str) -> tuple[BudgetTable, ...]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InputError(
            f"found {describe(value)}",
            where=f"{where}: budget",
            expected="tables, each under [[budget]]",
        )
    places = [text.count("\n", 0, found.start()) + 1 for found in _HEADER.finditer(text)]
    # Tables written inline have no header of their own; their list's line is near enough.
    inline = re.search(r"^[ \t]*budget\s*=", text, re.MULTILINE)
    other = text.count("\n", 0, inline.start()) + 1 if inline else 1
    return tuple(
        BudgetTable(fields=item, line=places[number] if len(places) == len(value) else other)
        for number, item in enumerate(value)
    )
