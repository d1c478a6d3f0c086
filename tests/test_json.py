"""The JSON of every command goes through one place, which gives each object its version."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hfkv.cli.output import emit
from hfkv.json_value import SCHEMA_VERSION
from hfkv.render.formats import Format
from tests.conftest import LLAMA

Run = Callable[..., tuple[int, str, str]]
CLI = Path(__file__).parents[1] / "hfkv" / "cli"


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare", LLAMA, "Qwen/Qwen3-8B"),
        ("kv", LLAMA),
        ("lora", LLAMA),
        ("rank", LLAMA),
        ("tokens", LLAMA),
        ("plot", LLAMA, "--over", "tokens"),
        ("cache",),
        ("architectures", "--basis", "documented"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_object_has_its_version_first(
    hfkv: Run, offline: None, arguments: tuple[str, ...]
) -> None:
    code, out, err = hfkv(*arguments, "--format", "json")
    assert code == 0, err
    found = json.loads(out)
    for item in found if isinstance(found, list) else [found]:
        assert next(iter(item.items())) == ("schema_version", SCHEMA_VERSION)


def test_no_command_writes_json_by_itself() -> None:
    for path in CLI.glob("*.py"):
        names = {
            node.id
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call)
            for node in [node.func]
            if isinstance(node, ast.Name)
        }
        allowed = {"output.py": {"to_json"}, "check.py": {"to_json"}, "cache.py": {"to_json"}}
        # SARIF has a schema of its own; the store's to_json makes a value, not a text.
        assert "to_json" not in names - allowed.get(path.name, set()), path.name


@pytest.mark.parametrize("output", [item for item in Format if item is not Format.auto])
def test_warnings_are_said_once_on_stderr_in_every_format(
    capsys: pytest.CaptureFixture[str], output: Format
) -> None:
    emit(
        output,
        {"bytes": 1},
        sheets=list,
        quiet=lambda: ["1"],
        warnings=["alpha \x1b[2J does nothing here", "alpha \x1b[2J does nothing here"],
    )
    out, err = capsys.readouterr()
    assert err == "Warning: alpha \\x1b[2J does nothing here\n"
    if output is Format.json:
        assert len(json.loads(out)["warnings"]) == 2
