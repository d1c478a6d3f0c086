"""Figures say of which releases they are, and when others are installed here."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from hfkv import __version__, versions
from hfkv.errors import InputError
from hfkv.facts.classes import known_types, pinned_version
from hfkv.generate.releases import first_releases, types_of
from tests.conftest import LLAMA

Run = Callable[..., tuple[int, str, str]]
TABLES = versions.tables()


def test_the_tables_are_of_one_release() -> None:
    assert {"hfkv": __version__, "transformers": pinned_version(), "peft": TABLES["peft"]} == TABLES


def test_the_command_says_them(hfkv: Run) -> None:
    said = versions.said("transformers", "peft")
    assert said == f"transformers {TABLES['transformers']}, PEFT {TABLES['peft']}"
    assert hfkv("--version") == (0, f"{__version__} (figures of {said})\n", "")


@pytest.mark.parametrize("command", ["kv", "lora", "compare"])
def test_an_explanation_ends_with_them(hfkv: Run, command: str) -> None:
    asked = (command, LLAMA, "--source", "snapshot", "--explain")
    out = hfkv(*asked)[1]
    line = f"versions: {versions.said('hfkv', 'transformers')}"
    assert line in out
    value = json.loads(hfkv(*asked, "--json")[1])
    for item in value if isinstance(value, list) else [value]:
        assert item["versions"] == TABLES
        assert any(text.strip().startswith(line) for text in item["explain"])


def test_every_known_type_has_a_first_release() -> None:
    for name in known_types():
        first = versions.first_release(name)
        assert first is not None, name
        assert versions.release(first) <= versions.release(TABLES["transformers"]), name


@pytest.mark.parametrize(
    ("older", "newer"),
    [("5.9.0", "5.10.0"), ("4.57.6", "5.0"), ("5.23.0", "5.23.1"), ("", "0.1"), ("5.4rc1", "5.5")],
)
def test_releases_are_ordered_by_their_numbers(older: str, newer: str) -> None:
    assert versions.is_newer(newer, older)
    assert not versions.is_newer(older, newer)
    assert not versions.is_newer(newer, newer)


def test_what_is_no_version_is_not_newer() -> None:
    for found in (None, 6, ["6.0"], {}, "newest", "", "." * 10_000):
        assert not versions.is_newer(found, "5.23.0")


def _installed(monkeypatch: pytest.MonkeyPatch, **found: str | None) -> None:
    monkeypatch.setattr(versions, "installed", found.get)


def test_nothing_is_said_of_the_same_line(hfkv: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for transformers, peft in ((None, None), (TABLES["transformers"], TABLES["peft"])):
        _installed(monkeypatch, transformers=transformers, peft=peft)
        assert versions.beside(["llama", None], peft=True) == []
    _installed(monkeypatch, transformers="5.9.0", peft="0.21.0+local")
    assert versions.beside(["llama", "no-such-type"], peft=True) == []
    assert hfkv("compare", LLAMA, "--source", "snapshot", "-q")[2] == ""


def test_another_line_is_said(hfkv: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _installed(monkeypatch, transformers="4.56.2", peft="0.18.0")
    for command, notes in (("kv", 1), ("lora", 2), ("compare", 2), ("rank", 2)):
        code, out, err = hfkv(command, LLAMA, "--source", "snapshot", "-q")
        assert (code, err.count("Note: ")) == (0, notes)
        assert "transformers 4.56.2 is installed here" in err
        assert ("PEFT 0.18.0" in err) == (notes == 2)
        assert "Note" not in out


def test_a_type_that_the_installed_release_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = TABLES["transformers"]
    new = next(name for name in known_types() if versions.first_release(name) == mine)
    known = versions.releases()
    before = known[known.index(mine) - 1]
    _installed(monkeypatch, transformers=before)
    (note,) = versions.beside([new, "llama"])
    assert f"does not know {new}, which came with {mine}" in note
    # Between two releases that were read it may have come with either.
    for there in (f"{before}.1", mine, f"{mine}.1"):
        _installed(monkeypatch, transformers=there)
        assert versions.beside([new]) == []


def test_a_library_is_asked_for_its_version_without_being_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert versions.installed("no_such_library") is None
    (tmp_path / "loud").mkdir()
    (tmp_path / "loud" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert versions.installed("loud") is None
    folder = tmp_path / "loud-1.2.3.dist-info"
    folder.mkdir()
    assert versions.installed("loud") == "1.2.3"
    (tmp_path / "loud-1.2.4.dist-info").mkdir()
    (folder / "METADATA").write_text("Name: loud\nVersion: 1.2.3\n")
    assert versions.installed("loud") in ("1.2.3", None)


_OLD = """CONFIG_MAPPING_NAMES = OrderedDict[str, str]([("a", "AConfig"), ("b-c", "BConfig")])
OTHER = OrderedDict([("z", "ZConfig")])
"""
_NEW = """from .auto_mappings import CONFIG_MAPPING_NAMES
CONFIG_MAPPING_NAMES.update({"d": "DConfig"})
CONFIG_MAPPING_NAMES = OrderedDict(**{"e": "EConfig"}, **CONFIG_MAPPING_NAMES)
"""


def _wheel(folder: Path, version: str, **files: str) -> Path:
    path = folder / f"transformers-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as held:
        for name, text in files.items():
            held.writestr(f"transformers/models/auto/{name}.py", text)
    return path


def test_the_types_of_a_wheel_are_read_and_not_run(tmp_path: Path) -> None:
    old = types_of(_wheel(tmp_path, "4.9.0", configuration_auto=_OLD))
    new = types_of(_wheel(tmp_path, "5.0.0", configuration_auto=_NEW, auto_mappings=_OLD))
    assert old == {"a", "b-c"}
    assert new == {"a", "b-c", "d", "e"}
    with pytest.raises(InputError, match="CONFIG_MAPPING_NAMES"):
        types_of(_wheel(tmp_path, "6.0.0", configuration_auto="raise SystemExit"))
    pinned = pinned_version()
    assert first_releases({pinned: new, "4.9.0": old}) == {
        "first": {"4.9.0": ["a", "b-c"], pinned: ["d", "e"]}
    }
    with pytest.raises(InputError, match="no wheel of"):
        first_releases({"4.9.0": old})


@pytest.mark.oracle
def test_the_types_of_the_pinned_release_are_its_own() -> None:
    transformers = pytest.importorskip("transformers")
    pinned = versions.release(TABLES["transformers"])
    for name in transformers.CONFIG_MAPPING:
        first = versions.first_release(name)
        assert first is not None, name
        assert versions.release(first) <= pinned, name
