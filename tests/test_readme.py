"""The commands and numbers of README and documents cannot drift: they are run here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfkv.cli import COMMANDS
from tests.conftest import LLAMA
from tests.documents import DOCUMENTS, ROOT, examples, printed

README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / ".github" / "docs" / "reference.md").read_text(encoding="utf-8")
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in DOCUMENTS}
EXAMPLES = [(name, *item) for name, text in TEXTS.items() for item in examples(text)]
Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(("name", "arguments", "lines", "block"), EXAMPLES)
def test_an_example_is_what_the_command_prints(
    hfkv: Run, name: str, arguments: str, lines: str, block: str
) -> None:
    def run(*words: str) -> str:
        code, out, _ = hfkv(*words)
        assert code == 0
        return out

    assert printed(arguments, lines, run) == block, "python -m tests.documents writes it anew"


def test_the_readme_is_read_to_the_end() -> None:
    assert len(README.splitlines()) < 120
    assert len([name for name, *_ in EXAMPLES if name == "README.md"]) == 5
    start = README.index("uvx hfkv compare"), README.index("pip install hfkv")
    assert max(start) < README.index("python3 -m venv")


@pytest.mark.parametrize("name", [name for name, text in TEXTS.items() if "```python" in text])
def test_the_python_example_gives_its_comments(offline: None, name: str) -> None:
    for block in re.findall(r"```python\n(.*?)```", TEXTS[name], re.DOTALL):
        names: dict[str, Any] = {}
        for line in block.splitlines():
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
    assert f"hfkv {command}" in REFERENCE
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


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_point_to_files(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", TEXTS[path.name]):
        if "://" not in target:
            assert (path.parent / target).exists(), target
