"""The libraries that a live figure was made with, beside those that the tables were made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hfkv.live.build import installed
from hfkv.release_lines import LINES
from hfkv.versions import tables

__all__ = ["Versions", "installed_line", "versions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """Versions by the library's name.

    Attributes:
        ran: what is installed, and gave the live figure.
        tables: what hfkv's tables of classes and rules were made from.
    """

    ran: Mapping[str, str]
    tables: Mapping[str, str]

    @property
    def others(self) -> dict[str, tuple[str, str]]:
        """Libraries of which another version ran than the tables', to both versions."""
        return {
            name: (version, self.tables[name])
            for name, version in self.ran.items()
            if name in self.tables and self.tables[name] != _public(version)
        }

    @property
    def notes(self) -> list[str]:
        """That it is not the tables' libraries that ran, where so: a difference may be theirs."""
        if not self.others:
            return []
        said = ", ".join(f"{name} {a} (tables: {b})" for name, (a, b) in self.others.items())
        return [f"not the versions of hfkv's tables, so a difference may be theirs: {said}"]

    def __str__(self) -> str:
        return ", ".join(f"{name} {version}" for name, version in self.ran.items())


def installed_line() -> str:
    """The older line that the installed transformers is of, and that there is a table of; ""
    where it is of none."""
    found = tuple(str(installed("transformers").__version__).split(".")[:2])
    return next((line for line in LINES if tuple(line.split(".")) == found), "")


def versions(*names: str) -> Versions:
    """What is installed of the named libraries, and what the tables are of that it is held against:
    those of its own line, where there are any.

    Raises:
        MissingDependencyError: one is not installed.
    """
    installed("torch")  # without it the others fail with words of their own
    made = tables(installed_line())
    return Versions(
        ran={name: installed(name).__version__ for name in names},
        tables={name: made[name] for name in ("transformers", "peft")},
    )


def _public(version: str) -> str:
    """Without a build's own label: 2.13.0+cpu is 2.13.0."""
    return version.partition("+")[0]
