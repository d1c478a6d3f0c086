"""``--format agent``: small and flat, for every command that takes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import LLAMA

Run = Callable[..., tuple[int, str, str]]
COMMANDS = {
    f"compare {LLAMA} Qwen/Qwen3-8B nobody/nothing": 3,
    f"compare {LLAMA}": 1,
    f"kv {LLAMA}": 1,
    f"kv {LLAMA} --fit 80GiB": 1,
    f"kv {LLAMA} --explain": 1,
    f"lora {LLAMA}": 1,
    f"rank {LLAMA}": 11,
    f"tokens {LLAMA}": 1,
    "architectures --basis documented": None,
}


@pytest.mark.parametrize(("line", "rows"), COMMANDS.items())
def test_an_agent_gets_one_small_flat_table(
    hfkv: Run, offline: None, line: str, rows: int | None
) -> None:
    code, out, _ = hfkv(*line.split(), "--format", "agent")
    assert code in (0, 1)
    header, *body = out.rstrip("\n").split("\n")
    names = header.split("\t")
    assert len(set(names)) == len(names) <= 24
    assert rows is None or len(body) == rows
    for row in body:
        assert len(row.split("\t")) == len(names)
        assert "{" not in row
        assert "[" not in row
    if not line.startswith("architectures"):
        # How each figure is known is never left out.
        assert any(name.endswith("basis") for name in names)
        assert len(out) < 2000


def test_the_figures_are_those_of_the_json(hfkv: Run, offline: None) -> None:
    header, row = hfkv("lora", LLAMA, "--format", "agent")[1].splitlines()
    told = dict(zip(header.split("\t"), row.split("\t"), strict=True))
    value = json.loads(hfkv("lora", LLAMA, "--json")[1])
    assert (told["parameters"], told["bytes"]) == ("414187520", "828375040")
    assert {name: str(value[name]) for name in ("r", "modules", "basis")} == {
        name: told[name] for name in ("r", "modules", "basis")
    }


def test_an_empty_store_is_an_empty_table(hfkv: Run, home: Path) -> None:
    assert hfkv("cache", "--format", "agent")[:2] == (0, "\n")
