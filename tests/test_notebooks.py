"""The notebooks run offline and give what they show; the site has every page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.documents import ROOT
from tests.notebooks import EXAMPLES, run, stored


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_notebook_gives_what_it_shows(path: Path, offline: None) -> None:
    done = [cell for cell in run(path) if cell.kind == "code"]
    shown = json.loads(json.dumps([cell.outputs for cell in done]))
    assert shown == stored(path), "python -m tests.notebooks writes it anew"
    assert any(cell.printed for cell in done)


def test_there_are_three() -> None:
    names = ["choosing_a_rank", "continual_learning", "sizing_a_server"]
    assert [path.stem for path in EXAMPLES] == names


def test_the_site_has_every_page() -> None:
    nav = (ROOT / ".github" / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:\n")[2]
    pages = [*(ROOT / ".github").glob("*.md"), *(ROOT / ".github" / "docs").glob("*.md")]
    for name in [path.name for path in pages] + [f"examples/{path.stem}.md" for path in EXAMPLES]:
        assert f": {name}\n" in nav, name
