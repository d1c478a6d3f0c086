"""What starting costs: `hfkv --help` and an offline `compare` import nothing heavy."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "transformers", "peft", "matplotlib", "numpy")
REPORT = (
    "import sys, runpy\n"
    "sys.argv = ['hfkv', *{arguments!r}]\n"
    "try:\n"
    "    runpy.run_module('hfkv', run_name='__main__')\n"
    "except SystemExit as stop:\n"
    "    assert not stop.code, stop.code\n"
    "loaded = [name for name in {heavy!r} if name in sys.modules]\n"
    "print('LOADED', loaded)\n"
)


def _loaded(*arguments: str, heavy: tuple[str, ...] = HEAVY) -> str:
    done = subprocess.run(
        [sys.executable, "-c", REPORT.format(arguments=list(arguments), heavy=list(heavy))],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.rsplit("LOADED", 1)[1].strip()


def test_help_imports_nothing_heavy() -> None:
    heavy = (*HEAVY, "rich", "huggingface_hub", "markdown_it", "yaml", "httpx", "httpx2")
    assert _loaded("--help", heavy=heavy) == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare", "meta-llama/Meta-Llama-3-70B", "--source", "snapshot"),
        ("compare", "meta-llama/Meta-Llama-3-70B"),
        ("kv", "meta-llama/Meta-Llama-3-70B", "--source", "snapshot"),
        ("lora", "meta-llama/Meta-Llama-3-70B", "--source", "snapshot"),
        ("tokens", "meta-llama/Meta-Llama-3-70B", "--source", "snapshot"),
    ],
)
def test_offline_commands_import_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert _loaded(*arguments) == "[]"


def test_a_compare_imports_only_what_it_uses() -> None:
    """A table needs no library, safetensors no reader of GGUF keys, a comparison no chart."""
    unused: tuple[str, ...] = ("rich", "csv", "hfkv.facts.gguf", "hfkv.facts.gguf_config")
    unused += ("hfkv.comparison.series", "hfkv.comparison.rank", "hfkv.live.build")
    compare = ("compare", "meta-llama/Meta-Llama-3-70B", "--source", "snapshot")
    assert _loaded(*compare, heavy=unused) == "[]"


def test_a_check_imports_nothing_heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(Path(__file__).parents[1] / "examples" / "checked", tmp_path / "checked")
    monkeypatch.chdir(tmp_path / "checked")
    unwanted = (*HEAVY, "rich", "huggingface_hub", "httpx", "httpx2", "hfkv.source.hub")
    assert _loaded("check", heavy=unwanted) == "[]"
    assert _loaded("lock", "--check", heavy=unwanted) == "[]"


def test_import_of_the_package_imports_nothing_but_its_errors() -> None:
    code = "import sys, hfkv; print(sorted(m for m in sys.modules if m.startswith('hfkv')))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "['hfkv', 'hfkv.errors']"


def test_every_text_names_its_encoding() -> None:
    """A file would else be read as Windows or an old locale reads it."""
    for path in (Path(__file__).parents[1] / "hfkv").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            method = getattr(node.func, "attr", "")
            opened = getattr(node.func, "id", method) == "open"
            if getattr(getattr(node.func, "value", None), "id", "") == "os":
                continue
            if not opened and method not in ("read_text", "write_text"):
                continue
            mode = [item.value for item in node.args if isinstance(item, ast.Constant)]
            binary = any(isinstance(item, str) and "b" in item for item in mode)
            given = any(item.arg == "encoding" for item in node.keywords)
            assert binary or given or {"ascii", "utf-8"} & set(mode), f"{path.name}:{node.lineno}"


def test_no_test_imports_what_is_slow_before_it_runs() -> None:
    """The default run collects the oracle tests too; importing torch takes seconds a worker."""
    slow = ("torch", "transformers", "peft")
    for path in Path(__file__).parent.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            text = ast.unparse(node)
            if not isinstance(node, (ast.Import, ast.ImportFrom, ast.Expr, ast.Assign)):
                continue
            for name in slow:
                said = (f"import {name}", f"from {name}", f"importorskip('{name}')")
                assert not text.startswith(said[:2]), f"{path.name}: {text}"
                assert said[2] not in text, f"{path.name}: {text}"
