"""The package's tables are read alike from a checkout and, compressed, from a wheel."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from hfkv import data


def test_a_table_is_read_in_either_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_FOLDER", str(tmp_path))
    (tmp_path / "kinds").mkdir()
    (tmp_path / "kinds" / "a.json").write_text('{"\u00e9": 1}', encoding="utf-8")
    shared = b'{"what": "they share"}'
    packer = zlib.compressobj(zdict=shared)
    (tmp_path / "kinds" / data.SHARED).write_bytes(shared)
    (tmp_path / "kinds" / "b.json.z").write_bytes(
        packer.compress('{"\u00e9": 2}'.encode()) + packer.flush()
    )
    # One table alone shares nothing.
    (tmp_path / data.SHARED).write_bytes(b"")
    (tmp_path / "d.json.z").write_bytes(zlib.compress(b"[3]"))
    assert data.names_in("kinds") == ["a.json", "b.json"]
    assert [data.read_json("kinds", name) for name in ("a.json", "b.json")] == [
        {"\u00e9": 1},
        {"\u00e9": 2},
    ]
    assert data.read_json("d.json") == [3]
    with pytest.raises(FileNotFoundError):
        data.read_text("kinds", "c.json")
    assert data.names_in("none") == []
