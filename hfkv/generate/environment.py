"""An interpreter with stated releases of the pinned libraries.

Where the running one has them, it is that one. Else a virtual environment is made upon it: what it
lacks or has in another release is installed, the rest is seen through. So a newer transformers
needs no second torch.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

from hfkv.errors import HfkvError, InputError, NetworkError
from hfkv.generate.pins import ROOT
from hfkv.reading import printable
from hfkv.versions import release

__all__ = ["installed_in", "python_with", "variables"]

_ASK = """
import json, sys
from importlib.metadata import PackageNotFoundError, version
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        found[name] = None
print(json.dumps(found))
"""
_OTHERS = re.compile(r"\(from versions: (.*)\)")


def python_with(versions: Mapping[str, str], folder: Path) -> Path:
    """The interpreter.

    Args:
        versions: library to release.
        folder: where an environment is made, if one is needed; one that is there is used again.

    Raises:
        InputError: there is no such release.
        NetworkError: the package index does not answer.
        HfkvError: the releases do not go together, or pip fails otherwise.
    """
    running = Path(sys.executable)
    if _are(running, versions):
        return running
    inside = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if inside.exists() and _are(inside, versions):
        return inside
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True, symlinks=os.name != "nt")
    _see_through(inside)
    wanted = [f"{name}=={version}" for name, version in versions.items()]
    command = [str(inside), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Of the thousands of files few are imported.
    command += ["--no-compile", *wanted]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode or not _are(inside, versions):
        shutil.rmtree(folder, ignore_errors=True)
        raise _error(made.stderr, wanted)
    return inside


def _see_through(python: Path) -> None:
    """Let an environment see the libraries of the running interpreter, behind its own."""
    ask = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    place = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    here = dict.fromkeys(sysconfig.get_paths()[key] for key in ("purelib", "platlib"))
    text = "".join(f"import site; site.addsitedir({path!r})\n" for path in here)
    Path(place.stdout.strip(), "_behind.pth").write_text(text, encoding="utf-8")


def installed_in(python: Path, names: Mapping[str, str]) -> dict[str, str | None]:
    """Library to the release that an interpreter imports; None for those that it lacks."""
    asked = subprocess.run(
        [python, "-c", _ASK, *names],
        capture_output=True,
        text=True,
        check=True,
        env=variables(),
    )
    found: dict[str, str | None] = json.loads(asked.stdout)
    return found


def _are(python: Path, versions: Mapping[str, str]) -> bool:
    found = installed_in(python, versions)
    return all(
        # A build's own label says nothing of the release: 2.13.0+cpu is 2.13.0.
        (there := found[name]) is not None and there.partition("+")[0] == version
        for name, version in versions.items()
    )


def variables() -> dict[str, str]:
    """The environment variables of what is run in it: this checkout is imported, offline, and
    each process has one thread."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    fixed = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    return {**os.environ, **fixed, "PYTHONPATH": path}


def _error(text: str, wanted: list[str]) -> HfkvError:
    """What pip's words come to."""
    where = ", ".join(wanted)
    missing = re.search(r"No matching distribution found for (\S+)", text)
    if missing is not None:
        others = _OTHERS.search(text)
        known = [] if others is None or others[1] == "none" else others[1].split(", ")
        if not known:
            return NetworkError("the package index does not answer", where=where)
        newest = sorted(known, key=release)[-5:]
        return InputError(
            f"there is no {missing[1].replace('==', ' ')} on the package index",
            expected=f"one of its releases: ..., {', '.join(newest)}",
        )
    lines = [line.removeprefix("ERROR:").strip() for line in text.splitlines() if line.strip()]
    return HfkvError(
        "pip could not install the releases", where=where, hint=printable(" ".join(lines), 400)
    )
