"""A type checker finds what a caller gets wrong, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import hfkv
from hfkv.peft.lora.fields import KNOWN
from hfkv.peft.lora.keywords import LoraFields
from hfkv.peft.targets import TASKS

CALLER = Path(__file__).parent / "caller.py"


def test_a_caller_is_checked_strictly(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="comes with hfkv[dev]")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--cache-dir"]
    done = subprocess.run(
        [*command, str(tmp_path), "--follow-imports=silent", str(CALLER)],
        cwd=Path(hfkv.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    found = {int(line) for line in re.findall(r"caller\.py:(\d+): error", done.stdout)}
    lines = CALLER.read_text(encoding="utf-8").splitlines()
    meant = {number for number, line in enumerate(lines, 1) if line.endswith("# error")}
    assert found == meant, done.stdout + done.stderr


def test_every_field_of_lora_has_its_type() -> None:
    """But for those with parameters of their own, and for one that would be the model's."""
    assert set(LoraFields.__annotations__) == KNOWN - {"r", "target_modules", "revision"}


def test_literals_are_the_values_that_are_taken() -> None:
    text = str(LoraFields.__annotations__["task_type"])
    from hfkv.peft.lora import keywords

    assert "_TaskType" in text
    assert keywords._TaskType.__args__ == TASKS  # type: ignore[attr-defined]


def test_public_names_are_there_and_documented() -> None:
    for name in hfkv.__all__:
        value = getattr(hfkv, name)
        assert name == "__version__" or value.__doc__, name
    assert set(hfkv.__all__) <= set(dir(hfkv))
