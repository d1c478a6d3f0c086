"""The libraries that a live figure was made with, beside those that the tables were made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hfkv.data import read_json
from hfkv.live.build import installed

__all__ = ["Versions", "versions"]


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


def versions(*names: str) -> Versions:
    """What is installed of the named libraries.

    Raises:
        MissingDependencyError: one is not installed.
    """
    facts = read_json("peft.json")
    return Versions(
        ran={name: installed(name).__version__ for name in names},
        tables={name: facts[name] for name in ("transformers", "peft")},
    )


def _public(version: str) -> str:
    """Without a build's own label: 2.13.0+cpu is 2.13.0."""
    return version.partition("+")[0]
