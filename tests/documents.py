"""The examples in README and documents: commands with what they print.

    python -m tests.documents        write what the commands print now

``<!-- example: hfkv COMMAND | 6 -->`` stands before a block of text: the command, and the first six
lines of what the command prints; without ``| 6`` all of them. Each runs on the bundled snapshots.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["DOCUMENTS", "examples", "printed"]

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / ".github" / "docs").glob("*.md"))]
_EXAMPLE = re.compile(r"(<!-- example: hfkv (.*?)(?: \| (\d+))? -->\n```text\n)(.*?)```", re.DOTALL)


def examples(text: str) -> list[tuple[str, str, str]]:
    """(arguments, lines or "", block) of each example."""
    return [(found[2], found[3] or "", found[4]) for found in _EXAMPLE.finditer(text)]


def printed(arguments: str, lines: str, run: Callable[..., str]) -> str:
    """The block of an example: what its command prints, cut to so many lines."""
    out = run(*arguments.split(), "--source", "snapshot").splitlines()
    shown = [line.rstrip() for line in out]
    if lines:
        shown = [*shown[: int(lines)], "..."]
    shown.insert(0, f"$ hfkv {arguments}")
    return "\n".join(shown) + "\n"


def _run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "hfkv", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "80", "PYTHONUTF8": "1"},
    )
    return done.stdout


def main() -> None:
    """Write every example anew."""
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        made = _EXAMPLE.sub(
            lambda found: f"{found[1]}{printed(found[2], found[3] or '', _run)}```", text
        )
        if made != text:
            path.write_text(made, encoding="utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
