"""Compile what the page runs: hfkv and its needs in one pack, of the standard library a part.

Runs in Pyodide under node (``compile.mjs``), with the modules in ``/stage``; writes to ``/out``.
Of the standard library the page has what is loaded once everything in ``/stage`` and all that it
names anywhere was imported, so that nothing is missing on a path that is seldom taken.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import struct
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from importlib._bootstrap_external import _code_to_hash_pyc  # type: ignore[attr-defined]
from pathlib import Path

STAGE, OUT = Path("/stage"), Path("/out")
STDLIB = Path(next(path for path in sys.path if path.endswith(".zip")))
#: Sources that hfkv itself reads, to say in which line a row stands.
READ = "hfkv/cache/rows/"
#: What a page asks of a model before anything was set.
USUAL = {"tokens": 100_000, "batch": 1, "rank": 32}
#: Codecs by name, and what Pyodide itself needs as it starts or reports an error.
ALWAYS = (
    "encodings.ascii",
    "encodings.idna",
    "encodings.latin_1",
    "encodings.utf_16",
    "encodings.utf_8_sig",
    "traceback",
    "linecache",
    "tokenize",
    "textwrap",
    "asyncio",
    "pyodide.webloop",
    "pyodide.http",
    "pyodide.code",
    "pyodide.ffi.wrappers",
)
#: Imported for tools that a page has no use for; they would pull in half of the library.
NEVER = ("ctypes", "multiprocessing", "subprocess", "pdb", "pydoc", "unittest", "doctest")


def compiled(source: bytes, name: str, *, docstrings: bool) -> bytes:
    """Bytecode that is taken as it is, whatever the date of its source.

    A dataclass without a docstring is given one as it is made, which takes longer than to read it.
    """
    code = compile(source, name, "exec", dont_inherit=True, optimize=1 if docstrings else 2)
    found: bytes = bytes(_code_to_hash_pyc(code, importlib.util.source_hash(source), False))
    return found


def named(path: Path) -> set[str]:
    """Modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def import_all() -> None:
    """Import all that is in the stage, and all of the standard library that it names."""
    sys.path.insert(0, str(STAGE))
    files = sorted(STAGE.rglob("*.py"))
    names = {name for path in files for name in named(path)} | set(ALWAYS)
    for path in files:
        parts = path.relative_to(STAGE).with_suffix("").parts
        names.add(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    for name in sorted(names):
        if name.split(".")[0] not in NEVER:
            with suppress(ImportError, AttributeError):
                importlib.import_module(name)


def write_stdlib() -> None:
    """The standard library with only what is loaded now, as bytecode."""
    with zipfile.ZipFile(STDLIB) as whole:
        there = set(whole.namelist())
        wanted = set()
        for name in list(sys.modules):
            place = name.replace(".", "/")
            wanted |= {f"{place}.py", f"{place}/__init__.py"} & there
        # Pyodide starts from its own packages, whatever was imported here.
        wanted |= {
            n for n in there if n.startswith(("pyodide/", "_pyodide/")) and n.endswith(".py")
        }
        with zipfile.ZipFile(
            OUT / "python_stdlib.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9
        ) as new:
            for name in sorted(wanted):
                entry = zipfile.ZipInfo(f"{name}c")
                entry.compress_type = zipfile.ZIP_DEFLATED
                new.writestr(entry, compiled(whole.read(name), name, docstrings=False))


def packed() -> Iterator[tuple[str, bytes]]:
    """The names and contents of the pack."""
    for path in sorted(item for item in STAGE.rglob("*") if item.is_file()):
        name, raw = path.relative_to(STAGE).as_posix(), path.read_bytes()
        if not name.endswith(".py"):
            yield name, raw
            continue
        code = compiled(raw, name, docstrings=True)
        if name.startswith(READ):
            yield name, raw
            yield importlib.util.cache_from_source(name), code
        else:
            yield f"{name}c", code


def write_pack() -> None:
    """All of the stage in one file: a table of places, then the contents one after another."""
    table: dict[str, list[int]] = {}
    contents = bytearray()
    for name, raw in packed():
        table[name] = [len(contents), len(raw)]
        contents += raw
    head = json.dumps(table, separators=(",", ":")).encode()
    (OUT / "hfkv.pack").write_bytes(struct.pack("<I", len(head)) + head + contents)


async def write_first(endpoint: str) -> None:
    """The first answers to bundled models, as the page will have them once Python has started."""
    answers = importlib.import_module("answers")
    answers.endpoint(endpoint)
    names = importlib.import_module("hfkv.source.snapshot").snapshot_names()
    (OUT / "first").mkdir()
    for name in names:
        asked = {"models": [name], "sources": {name: "snapshot"}, **USUAL}
        found = await answers.answer(json.dumps(asked))
        place = OUT / "first" / f"{name.replace('/', '--')}.json"
        place.write_text(found, encoding="utf-8")


import_all()
write_stdlib()
write_pack()
await write_first(ENDPOINT)  # noqa: F704, F821  # compile.mjs runs this, and says the Hub
