"""What is read anew takes its ids from the older lines, and leaves the others as they are."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hfkv.generate import statements


def _line(ids: list[str], tokens: int | None) -> dict[str, object]:
    scope = "pretraining" if tokens else "not stated"
    qualifier = "exact" if tokens else None
    source = {"place": "its model card"}
    return {"ids": ids, "tokens": tokens, "qualifier": qualifier, "scope": scope, "source": source}


def _write(path: Path, *lines: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_what_is_read_anew_takes_its_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(statements, "OUT", _write(tmp_path / "old", _line(["o/b", "o/a"], 5)))
    read = _line(["O/A", "o/c"], 7)
    file = _write(tmp_path / "read", {**read, "confidence": "read"}, {**read, "ids": ["o/d"]})
    monkeypatch.setattr(sys, "argv", ["generate", "statements", str(file)])
    statements.main()
    made = [json.loads(line) for line in (tmp_path / "old").read_text("utf-8").splitlines()]
    assert made == [_line(["O/A", "o/c"], 7), _line(["o/b"], 5)]
    assert "o/a: was 5 (pretraining), is 7 (pretraining)" in capsys.readouterr().out
