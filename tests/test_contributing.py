"""What the documents name is there: files, modules and tests, and the order of the layers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.test_layers import LAYERS

ROOT = Path(__file__).parent.parent
GITHUB = [*(ROOT / ".github").glob("*.md"), *(ROOT / ".github" / "docs").glob("*.md")]
DOCUMENTS = (
    "CONTRIBUTING.md",
    "README.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in GITHUB),
)
#: Folders at the root; only a path that begins with one of them is a path of this repository.
TOP = sorted(path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "build")


def _paths(text: str) -> set[str]:
    """What stands between backticks, or behind a link, and begins like a path of this repository;
    ``{a,b}`` and ``*`` stand for several."""
    begins = "|".join(map(re.escape, TOP))
    found = set(re.findall(rf"`((?:{begins})/[^`\s]*)`", text))
    found |= set(re.findall(rf"\]\(((?:{begins})/[^)#\s]+)", text))
    return {path.split("::")[0] for path in found}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_path_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    missing = [path for path in sorted(_paths(text)) if not list(ROOT.glob(path.rstrip("/")))]
    assert not missing


def test_contributing_names_files_in_full() -> None:
    """So that the test above can look for them: no file name without its folder."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    bare = re.findall(r"`([\w.-]+\.(?:py|md|json|jsonl))`", text)
    assert [found for found in bare if not (ROOT / found).exists()] == []
    assert len(_paths(text)) > 30


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_module_that_is_run_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for module in re.findall(r"python3? -m ((?:hfkv|tests)[\w.]*)", text):
        path = ROOT.joinpath(*module.rstrip(".").split("."))
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_the_flow_is_that_of_the_layers() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^    (source -> .*)$", text, re.MULTILINE)
    stated = [frozenset(step.split(" | ")) for step in line.split(" -> ")]
    whole = [frozenset(names) for names in LAYERS]
    assert stated == whole[whole.index(frozenset({"source"})) : whole.index(frozenset({"cli"})) + 1]
