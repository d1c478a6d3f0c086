"""The releases that figures are of: where they are pinned, and what the package index has newer.

They stand in one place, the ``oracle`` extra of ``pyproject.toml``; the tables say for themselves
which release they are of.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hfkv.errors import HfkvError, InputError, NetworkError
from hfkv.reading import printable
from hfkv.versions import release

__all__ = ["LIBRARIES", "ROOT", "newer", "pins", "told", "with_pins"]

ROOT = Path(__file__).parents[2]
#: What figures are of. torch only runs them, and stays as it is pinned.
LIBRARIES = ("transformers", "peft")
_LINE = re.compile(r"(?m)^oracle = \[(.*)\]$")
_PIN = re.compile(r'"(\w+)==([\w.+!]+)"')
_VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc|\.post|\.dev)\d+)*")


def pins(root: Path = ROOT) -> dict[str, str]:
    """Library to the release that it is pinned to.

    Raises:
        InputError: the extra is not there, or not one line of ``"NAME==VERSION"``.
    """
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    line = _LINE.search(text)
    found = dict(_PIN.findall(line[1])) if line is not None else {}
    if not {*LIBRARIES, "torch"} <= set(found):
        raise InputError(
            "the pinned releases are not there",
            where="pyproject.toml: project.optional-dependencies.oracle",
            expected='one line of "NAME==VERSION" for transformers, peft and torch',
        )
    return found


def with_pins(versions: Mapping[str, str], root: Path = ROOT) -> None:
    """Pin other releases: write them into ``pyproject.toml``."""
    for version in versions.values():
        told(version)
    path = root / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    pinned = {**pins(root), **versions}
    line = ", ".join(f'"{name}=={version}"' for name, version in pinned.items())
    path.write_text(_LINE.sub(lambda _: f"oracle = [{line}]", text, count=1), encoding="utf-8")


def told(version: str) -> str:
    """A version as it was given, where it is one.

    >>> told("5.1.0")
    '5.1.0'

    Raises:
        InputError: it is none.
    """
    if _VERSION.fullmatch(version) is None:
        raise InputError(
            f"{printable(version, 40)!r} is no version", expected="the number of a release: 5.24.0"
        )
    return version


def newer(pinned: Mapping[str, str], names: Sequence[str] = LIBRARIES) -> dict[str, str]:
    """The libraries whose newest final release on the package index is newer than the pinned one.

    Asked of pip, so that its own settings hold (another index, a proxy, certificates), and what is
    yanked or needs another Python is passed over.

    Raises:
        NetworkError: the index does not answer.
    """
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps"]
    command += ["--ignore-installed", "--disable-pip-version-check", "--report", "-", *names]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode:
        raise NetworkError(
            "the package index was not to be asked for newer releases",
            where=", ".join(names),
            hint=_last_error(asked.stderr),
        )
    try:
        items = json.loads(asked.stdout)["install"]
        found = {item["metadata"]["name"].lower(): item["metadata"]["version"] for item in items}
    except (ValueError, KeyError, TypeError) as error:
        raise HfkvError("pip's report is not as expected", hint="pip 22.2 or newer") from error
    return {
        name: found[name]
        for name in names
        if name in found and release(found[name]) > release(pinned[name])
    }


def _last_error(text: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith("ERROR:")]
    return printable(lines[-1].removeprefix("ERROR:").strip(), 300) if lines else ""
