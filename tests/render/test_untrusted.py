"""What a repository says, in every format: nothing in it steers a terminal or a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfkv.cli import COMMANDS
from tests.facts.test_gguf import CASES
from tests.hub.server import safetensors
from tests.source.test_other_formats import load_case

Run = Callable[..., tuple[int, str, str]]
#: Clears a screen, sets a title, turns the direction of text, ends a cell or a line.
EVIL = "\x1b[2J\x1b]0;x\x07\u202e\u2066\u200b\u07b6\x9b31m|\r"
FORMATS = ("human", "agent", "json", "quiet", "markdown", "latex", "csv")
CARD = (
    f"---\nlicense: mit\n---\n# Model{EVIL}\n\n"
    f"=HYPERLINK(0) {EVIL.replace(chr(13), '')} It was pretrained on 2 trillion tokens{EVIL}.\n"
)


def _assert_inert(text: str) -> None:
    for char in text:
        if char in "\n\t":
            continue
        assert unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp"), repr(char)


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """A model whose every name means harm."""
    folder = tmp_path / f"=cmd{EVIL}m"
    folder.mkdir()
    config = {**CASES["llama"]["config"], "dtype": "bfloat16", "architectures": [EVIL]}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "README.md").write_text(CARD)
    content = safetensors(load_case("llama").facts.tensors)
    (folder / "model.safetensors").write_bytes(content.read(0, content.size))
    return folder


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize(
    "command",
    [
        ("compare", "--rank", "4", "--explain"),
        ("kv", "--layers", "--explain"),
        ("lora", "--rank", "4", "--explain", "--layers"),
        ("rank", "--explain"),
        ("tokens", "--explain"),
    ],
    ids=lambda command: command[0],
)
def test_no_format_passes_it_on(
    hfkv: Run, evil: Path, command: tuple[str, ...], output: str
) -> None:
    name, *options = command
    code, out, err = hfkv(name, str(evil), *options, "--format", output)
    assert code == 0, err
    _assert_inert(out)
    _assert_inert(err)
    if output == "json":
        assert "\\u202e" in out or "quote" not in out
        json.loads(out)
    if output == "csv":
        for row in csv.reader(io.StringIO(out)):
            assert not any(cell.startswith(("=", "@", "\t", "\r")) for cell in row)


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize(
    "change",
    [
        {"model_type": EVIL},
        {"model_type": "mistral", "layer_types": [EVIL] * 3},
        {"dtype": EVIL},
        {"num_hidden_layers": EVIL},
        {"quantization_config": {"quant_method": EVIL}},
    ],
    ids=lambda change: next(reversed(change)),
)
def test_no_error_passes_it_on(hfkv: Run, evil: Path, change: dict[str, Any], output: str) -> None:
    config = json.loads((evil / "config.json").read_text())
    (evil / "config.json").write_text(json.dumps({**config, **change}))
    for name in ("compare", "kv", "lora"):
        _, out, err = hfkv(name, str(evil), "--format", output)
        _assert_inert(out)
        _assert_inert(err)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "architectures"])
def test_no_name_of_a_model_passes_it_on(hfkv: Run, offline: None, name: str) -> None:
    for model in (EVIL, f"./{EVIL}", f"acme/{EVIL}"):
        more = ["-o", "x.png"] if name == "plot" else []
        code, out, err = hfkv(name, model, *more)
        assert code in (1, 2)
        _assert_inert(out)
        _assert_inert(err)


@pytest.mark.parametrize(
    "arguments",
    [[EVIL], ["kv", "gpt2", f"--{EVIL}"], ["kv", "gpt2", "--tokens", EVIL], ["kv", "gpt2", EVIL]],
)
def test_no_misuse_passes_it_on(hfkv: Run, offline: None, arguments: list[str]) -> None:
    code, out, err = hfkv(*arguments)
    assert code == 2
    _assert_inert(out)
    _assert_inert(err)


def test_no_name_in_a_header_passes_it_on(hfkv: Run, tmp_path: Path) -> None:
    head = json.dumps({EVIL: {"dtype": EVIL, "shape": [1], "data_offsets": [0, 1]}}).encode()
    (tmp_path / "config.json").write_text(json.dumps(CASES["llama"]["config"]))
    (tmp_path / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + b"\0")
    for name in ("compare", "kv", "lora"):
        _, out, err = hfkv(name, str(tmp_path))
        _assert_inert(out)
        _assert_inert(err)
