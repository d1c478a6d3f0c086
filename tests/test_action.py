"""The GitHub action's script, run as a runner would run it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.posix  # a script stands where pip would put the program

ROOT = Path(__file__).parent.parent
ACTION = ROOT / ".github" / "actions" / "hfkv-check"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy of the example repository, and an hfkv where the action installs it."""
    shutil.copytree(ROOT / "examples" / "checked", tmp_path / "checked")
    program = tmp_path / "temp" / "hfkv" / "bin" / "hfkv"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hfkv "$@"\n')
    program.chmod(0o755)
    return tmp_path / "checked"


def _run(example: Path, **inputs: str) -> tuple[int, str, str]:
    output = example.parent / "output"
    done = subprocess.run(
        ["bash", str(ACTION / "check.sh")],
        cwd=example,
        env={
            **os.environ,
            "RUNNER_TEMP": str(example.parent / "temp"),
            "GITHUB_OUTPUT": str(output),
            "FILES": "",
            "FORMAT": "github",
            "OUTPUT": "",
            "LOCK": "true",
            **inputs,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, output.read_text()


def test_a_clean_repository(example: Path) -> None:
    assert _run(example) == (0, "", "exit-code=0\n")


def test_findings_are_annotations_and_sarif(example: Path) -> None:
    config = example / "training" / "trl.yaml"
    config.write_text(config.read_text().replace("q_proj", "qproj"))
    code, out, output = _run(example, FILES="training\n README.md")
    assert (code, output) == (1, "exit-code=1\n")
    assert out.startswith("::error file=training/trl.yaml,line=7,col=5,title=HFKV102::")
    code, out, _ = _run(example, FORMAT="sarif", OUTPUT="hfkv.sarif")
    assert (code, out) == (1, "")
    log = json.loads((example / "hfkv.sarif").read_text())
    assert [result["ruleId"] for result in log["runs"][0]["results"]] == ["HFKV102"]


def test_inputs_are_never_run(example: Path) -> None:
    code, _, _ = _run(example, FILES="$(touch pwned) `touch pwned` --fix ;touch pwned")
    assert code == 2
    assert not (example / "pwned").exists()
