"""The notebooks run offline and give what they show."""

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


def test_there_are_four() -> None:
    names = ["choosing_a_rank", "continual_learning", "sizing_a_server", "surveying_models"]
    assert [path.stem for path in EXAMPLES] == names


def test_the_site_has_every_notebook() -> None:
    nav = (ROOT / ".github" / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:\n")[2]
    for path in EXAMPLES:
        assert f": examples/{path.stem}.md\n" in nav
