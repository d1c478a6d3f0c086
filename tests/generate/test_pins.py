"""Where releases are pinned, what is newer, and what cannot be had."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfkv.errors import HfkvError, InputError, NetworkError
from hfkv.versions import tables

pytest.importorskip("hfkv.generate", reason="not part of the wheel")
from hfkv.generate import environment, pins
from hfkv.generate.__main__ import main

ROOT = Path(__file__).parents[2]
PYPROJECT = '[project.optional-dependencies]\nverify = ["transformers>=5.4"]\noracle = [{}]\n'
PINNED = '"transformers==1.2.3", "peft==0.1.0", "torch==2.0.0"'


def _done(code: int = 0, out: str = "", err: str = "") -> Callable[..., Any]:
    return lambda *_, **__: subprocess.CompletedProcess([], code, out, err)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.format(PINNED), encoding="utf-8")
    return tmp_path


def test_the_tables_are_of_the_pinned_releases() -> None:
    found = pins.pins()
    assert {name: found[name] for name in pins.LIBRARIES} == {
        name: tables()[name] for name in pins.LIBRARIES
    }


def test_torch_is_that_of_the_pins_wherever_it_is_installed() -> None:
    for name in (".ci/run", ".github/workflows/ci.yml"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert set(re.findall(r"torch==([\d.]+)", text)) <= {pins.pins()["torch"]}, name
        assert not re.search(r"(transformers|peft)==", text), name


def test_no_document_names_the_pinned_releases() -> None:
    """So that moving them is one line: those that are generated name them, and history does."""
    documents = [*(ROOT / ".github").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    for path in documents:
        text = path.read_text(encoding="utf-8")
        found = [name for name in pins.LIBRARIES if pins.pins()[name] in text]
        assert not found or path.name == "ARCHITECTURES.md", path


def test_releases_are_pinned_in_one_line(root: Path) -> None:
    assert pins.pins(root) == {"transformers": "1.2.3", "peft": "0.1.0", "torch": "2.0.0"}
    pins.with_pins({"transformers": "1.3.0"}, root)
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    assert text == PYPROJECT.format(PINNED.replace("1.2.3", "1.3.0"))
    pins.with_pins({"transformers": "1.2.3"}, root)
    assert pins.pins(root)["transformers"] == "1.2.3"


@pytest.mark.parametrize("line", ["", '"transformers==1.2.3"', '"transformers>=1", "peft"'])
def test_pins_that_are_not_there_are_said(tmp_path: Path, line: str) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT.format(line), encoding="utf-8")
    with pytest.raises(InputError, match="oracle: the pinned releases are not there"):
        pins.pins(tmp_path)


@pytest.mark.parametrize("version", ["", "newest", "5.x", "5.24.0; rm -rf /", "--pre", "5..1"])
def test_what_is_no_version_is_refused(root: Path, version: str) -> None:
    with pytest.raises(InputError, match="is no version"):
        pins.with_pins({"transformers": version}, root)


def test_only_what_is_newer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [("transformers", "5.10.0"), ("PEFT", "0.9.0")]
    found = {"install": [{"metadata": {"name": n, "version": v}} for n, v in items]}
    monkeypatch.setattr(subprocess, "run", _done(out=json.dumps(found)))
    assert pins.newer({"transformers": "5.9.1", "peft": "0.10.0"}) == {"transformers": "5.10.0"}
    assert pins.newer({"transformers": "5.10.0", "peft": "0.9"}) == {}


def test_an_index_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "WARNING: retrying\nERROR: No matching distribution found for transformers\n"
    monkeypatch.setattr(subprocess, "run", _done(1, err=said))
    with pytest.raises(NetworkError, match="No matching distribution"):
        pins.newer({"transformers": "5.9.1", "peft": "0.10.0"})
    monkeypatch.setattr(subprocess, "run", _done(out="no JSON"))
    with pytest.raises(HfkvError, match="not as expected"):
        pins.newer({"transformers": "5.9.1", "peft": "0.10.0"})


NONE = (
    "ERROR: Could not find a version that satisfies the requirement transformers==9.9.9 "
    "(from versions: {})\nERROR: No matching distribution found for transformers==9.9.9\n"
)


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        (
            NONE.format("5.9.0, 5.10.0rc1, 5.10.0"),
            InputError,
            "there is no transformers 9.9.9 on the package index; expected one of its releases",
        ),
        (NONE.format("none"), NetworkError, "the package index does not answer"),
        ("ERROR: it needs tokenizers<1\n", HfkvError, "could not install the releases.*tokenizers"),
    ],
)
def test_pips_words_come_to_one_error(said: str, kind: type[HfkvError], text: str) -> None:
    error = environment._error(said, ["transformers==9.9.9"])
    assert type(error) is kind
    assert re.search(text, str(error))


def test_the_running_interpreter_serves_where_it_has_the_releases(tmp_path: Path) -> None:
    from importlib.metadata import version

    found = environment.python_with({"pytest": version("pytest")}, tmp_path / "env")
    assert found == Path(sys.executable)
    assert not (tmp_path / "env").exists()


@pytest.mark.parametrize("name", ["all", "fresh"])
def test_a_wrong_version_is_one_error(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["generate", name, "--transformers", "newest"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert str(stop.value.code).startswith("Error: 'newest' is no version; expected ")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("options", [["--jobs", "0"], ["--limit", "-1"], ["--step", "none"]])
def test_a_wrong_option_is_one_of_usage(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["generate", "all", *options])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert options[0] in capsys.readouterr().err
