"""Messages name an argument as the one who asked types it: one mechanism for Python and shell."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from hfkv.cli.spelling import as_flags

Run = Callable[..., tuple[int, str, str]]
PACKAGE = Path(__file__).parents[2] / "hfkv"
#: Parts that speak to the command line alone, and of the engines' own flags.
OF_THE_COMMAND = {"cli", "check", "render", "generate", "engines"}
FILES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.relative_to(PACKAGE).parts[0] not in OF_THE_COMMAND and "start_log" not in path.parts
]


def _texts(path: Path) -> list[str]:
    """The texts of a module that are no docstrings, the parts of one message together."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in docstrings:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = [part.value for part in node.values if isinstance(part, ast.Constant)]
            found.append("".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_message_of_the_library_names_a_flag(path: Path) -> None:
    for text in _texts(path):
        # A whole command is the same for everyone: `hfkv kv --basis live`.
        for found in re.finditer(r"(?<![\w-])--[a-z][a-z-]+", text):
            before = text[: found.start()]
            assert re.search(r"hfkv [a-z]", before), text


def test_flags_are_those_of_the_command_that_was_asked() -> None:
    import hfkv.cli

    context = click.Context(hfkv.cli.cli)
    commands = {
        name: hfkv.cli.cli.get_command(context, name) for name in ("kv", "lora", "compare", "plot")
    }
    assert as_flags("`dtype`", commands["kv"]) == "--kv-dtype"
    assert as_flags("`dtype`", commands["lora"]) == "--lora-dtype"
    # Of two dtypes none is meant by that; there it is the engine's own.
    assert as_flags("`dtype`", commands["compare"]) == "--dtype"
    assert as_flags("`kv_dtype`", commands["compare"]) == "--kv-dtype"
    assert as_flags("`crosscheck=False` insists", commands["kv"]) == "--no-crosscheck insists"
    assert as_flags("`encoder_tokens` and `r`", commands["plot"]) == "--encoder-tokens and --rank"
    assert as_flags("`revision='refs/pr/1'`", commands["kv"]) == "--revision refs/pr/1"
    assert as_flags("`dtype`", None) == "`dtype`"


def test_notes_too_are_in_flags_for_a_person_and_in_names_for_a_program(
    hfkv: Run, tmp_path: Path
) -> None:
    config = {"model_type": "whisper", "is_encoder_decoder": True, "dtype": "float16"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    _, out, err = hfkv("kv", str(tmp_path), "--tokens", "10")
    assert "--encoder-tokens says otherwise" in " ".join(out.split()), err
    (note,) = json.loads(hfkv("kv", str(tmp_path), "--tokens", "10", "--json")[1])["notes"]
    assert "`encoder_tokens` says otherwise" in note
