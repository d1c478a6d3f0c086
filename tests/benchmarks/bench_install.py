"""What ``pip install hfkv`` puts on a disk: the bytes of every file, by package, against a bar.

    python -m tests.benchmarks.bench_install             a new environment with this checkout in it
    python -m tests.benchmarks.bench_install FOLDER      an environment that is there

pip and setuptools are left out: an environment brings them along. What pip compiles on installing
counts. Exits 1 where the sum is above the bar.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: Bytes; what hfkv itself may take up with all it needs.
BAR = 45 * 10**6
_BROUGHT = {*"pip setuptools pkg_resources _distutils_hack distutils wheel".split()}


def sizes(environment: Path) -> Counter[str]:
    """Bytes by top-level name of site-packages."""
    (folder,) = {
        path.resolve()
        for pattern in ("lib/python*/site-packages", "Lib/site-packages")
        for path in environment.glob(pattern)
    }
    found: Counter[str] = Counter()
    for path in folder.rglob("*"):
        name = path.relative_to(folder).parts[0]
        brought = name.split("-")[0].removesuffix(".pth") in _BROUGHT
        if not brought and path.is_file() and not path.is_symlink():
            found[name.partition("-")[0]] += path.stat().st_size
    return found


def main(arguments: list[str]) -> int:
    """Measure, print and hold against the bar."""
    with tempfile.TemporaryDirectory() as scratch:
        environment = Path(arguments[0] if arguments else scratch)
        if not arguments:
            subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
            python = next(
                path
                for path in (environment / "bin" / "python", environment / "Scripts" / "python.exe")
                if path.exists()
            )
            subprocess.run([str(python), "-m", "pip", "install", "-q", str(ROOT)], check=True)
        found = sizes(environment)
    for name, size in found.most_common(12):
        print(f"{size / 10**6:8.2f} MB  {name}")
    whole = found.total()
    print(f"{whole / 10**6:8.2f} MB  in all, of at most {BAR / 10**6:.0f} MB")
    return 0 if whole <= BAR else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
