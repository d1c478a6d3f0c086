"""Build the page: everything that it needs in one folder, nothing fetched from elsewhere.

    python examples/space/build.py [--out FOLDER] [--endpoint URL]

Needs node, npm and pip, and their registries once; takes half a minute.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT))

#: Parts of hfkv that need a terminal, a disk of projects or the libraries themselves.
LEFT_OUT = ("generate", "live", "check", "cli", "render/chart", "render/terminal.py")
#: The network by sockets, in whose place a page has :mod:`hfkv.source.browser`.
LEFT_OUT += ("source/connections.py", "source/session.py")
#: Of huggingface_hub only its settings are read.
OF_HUB = ("__init__.py", "constants.py")
MODULES = HERE / "node_modules"
#: Of the packages of npm, to where they lie in the page.
FROM_NPM = {
    "pyodide/pyodide.mjs": "pyodide/pyodide.mjs",
    "pyodide/pyodide.asm.mjs": "pyodide/pyodide.asm.mjs",
    "pyodide/pyodide.asm.wasm": "pyodide/pyodide.asm.wasm",
    "d3/dist/d3.min.js": "d3.min.js",
    "@observablehq/plot/dist/plot.umd.min.js": "plot.min.js",
}


def stage(folder: Path) -> None:
    """Put together the modules and tables that the page runs."""
    wheels = folder.parent / "wheels"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-compile"]
    pip += ["--disable-pip-version-check", "--root-user-action=ignore"]
    subprocess.run([*pip, "--target", wheels, "-r", HERE / "requirements.txt"], check=True)
    for name in ("markdown_it", "mdurl", "yaml"):
        for path in (wheels / name).rglob("*.py"):
            _copy(path, folder / path.relative_to(wheels))
    for name in OF_HUB:
        _copy(wheels / "huggingface_hub" / name, folder / "huggingface_hub" / name)
    for path in (ROOT / "hfkv").rglob("*"):
        inner = path.relative_to(ROOT / "hfkv").as_posix()
        if path.is_file() and path.suffix != ".pyc" and not _left_out(inner):
            _copy(path, folder / "hfkv" / inner)
    _copy(HERE / "page" / "answers.py", folder / "answers.py")


def _left_out(inner: str) -> bool:
    return any(inner == name or inner.startswith(f"{name}/") for name in LEFT_OUT)


def _copy(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, to)


def offers() -> dict[str, Any]:
    """What the page offers before Python runs: bundled models, engines and their options."""
    from hfkv import __version__
    from hfkv.cli.engine_flags import FLAGS, OF_BUDGETS
    from hfkv.source.snapshot import snapshot_names

    return {
        "version": __version__,
        "models": snapshot_names(),
        "engines": {
            engine: [
                {
                    "field": flag.field,
                    "flag": flag.names[0],
                    "takes": flag.takes,
                    "help": flag.help,
                    "choices": list(flag.choices),
                }
                for flag in flags
                if flag.names[0] not in OF_BUDGETS
            ]
            for engine, flags in FLAGS.items()
        },
    }


def build(out: Path, endpoint: str) -> None:
    """Make the page in ``out``, whose place it takes."""
    if not (MODULES / "pyodide").is_dir():
        subprocess.run(["npm", "ci", "--no-fund", "--no-audit"], cwd=HERE, check=True)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name, to in FROM_NPM.items():
        _copy(MODULES / name, out / to)
    for path in (HERE / "page").iterdir():
        if path.suffix != ".py":
            _copy(path, out / path.name)
    with tempfile.TemporaryDirectory() as scratch:
        staged = Path(scratch) / "stage"
        made = Path(scratch) / "out"
        made.mkdir()
        stage(staged)
        subprocess.run(
            ["node", HERE / "compile" / "compile.mjs", staged, made, endpoint], check=True
        )
        _copy(made / "python_stdlib.zip", out / "pyodide" / "python_stdlib.zip")
        shutil.copytree(made / "first", out / "first")
        pack = gzip.compress((made / "hfkv.pack").read_bytes(), 9, mtime=0)
        # Not .gz: a server would say that it is packed on the way, and it would arrive unpacked.
        (out / "hfkv.pack").write_bytes(pack)
    # Nothing is installed while the page runs, so the list of what could be is left empty.
    lock = json.loads((MODULES / "pyodide" / "pyodide-lock.json").read_text("utf-8"))
    (out / "pyodide" / "pyodide-lock.json").write_text(
        json.dumps({**lock, "packages": {}}), encoding="utf-8"
    )
    offered = {**offers(), "endpoint": endpoint}
    (out / "offers.json").write_text(json.dumps(offered), encoding="utf-8")
    _service_worker(out)
    _copy(HERE / "README.md", out / "README.md")


def _service_worker(out: Path) -> None:
    """Tell the service worker the files, and a name that changes with any of them."""
    files = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.name != "sw.js")
    files = [name for name in files if (out / name).is_file()]
    seal = hashlib.sha256(b"".join((out / name).read_bytes() for name in files)).hexdigest()[:16]
    path = out / "sw.js"
    text = path.read_text("utf-8")
    text = text.replace("__NAME__", f"hfkv-{seal}").replace("__FILES__", json.dumps(files))
    path.write_text(text, encoding="utf-8")


def sizes(out: Path) -> dict[str, int]:
    """Bytes on the way for each file, as a server sends it that compresses with gzip."""
    found = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        raw = path.read_bytes()
        found[path.relative_to(out).as_posix()] = min(len(raw), len(gzip.compress(raw, 9)))
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE / "dist", help="where the page goes")
    parser.add_argument("--endpoint", default="https://huggingface.co", help="the Hub it asks")
    given = parser.parse_args()
    build(given.out, given.endpoint)
    found = sizes(given.out)
    for name, size in found.items():
        print(f"{size:12,} {name}")
    print(f"{sum(found.values()):12,} bytes in all, compressed")


if __name__ == "__main__":
    main()
