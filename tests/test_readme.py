"""The README's commands and numbers cannot drift: they are run here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfkv.cli import COMMANDS
from tests.conftest import LLAMA

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
Run = Callable[..., tuple[int, str, str]]


def test_the_example_is_what_the_command_prints(hfkv: Run) -> None:
    found = re.search(r"<!-- example: hfkv (.*?) -->\n```text\n(.*?)```", README, re.DOTALL)
    assert found is not None
    code, out, _ = hfkv(*found[1].split())
    assert code == 0
    assert [line.rstrip() for line in out.splitlines()] == found[2].splitlines()


def test_the_python_example_gives_its_comments(offline: None) -> None:
    found = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    for line in found[1].splitlines():
        code, _, comment = line.partition("  # ")
        if " = " in code or code.startswith("import"):
            exec(code, names)
        elif code.strip():
            assert repr(eval(code, names)) == comment, code


def test_every_json_field_is_documented(hfkv: Run, offline: None) -> None:
    (value,) = json.loads(hfkv("compare", LLAMA, "--json")[1])
    documented = (ROOT / ".github" / "JSON.md").read_text(encoding="utf-8")
    for key, item in value.items():
        assert f"`{key}" in documented or f"`{key}." in documented, key
        if isinstance(item, dict) and key not in ("reasons",):
            for name in item:
                assert name in documented, f"{key}.{name}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_named_and_has_help(hfkv: Run, command: str) -> None:
    assert f"hfkv {command}" in README
    code, out, _ = hfkv(command, "--help")
    assert code == 0
    assert "Usage:" in out
    assert max(len(line) for line in out.splitlines()) <= 80


@pytest.mark.parametrize("name", ["main", "test"])
def test_the_two_commands_are_one_line_each(name: str) -> None:
    found = re.search(rf"<!-- command: {name} -->\n```sh\n(.*?)```", README, re.DOTALL)
    assert found is not None
    assert len(found[1].splitlines()) == 1
    assert found[1].startswith("python3 -m venv .venv && ")


def test_links_point_to_files() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
