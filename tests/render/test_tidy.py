"""CSV, Markdown and LaTeX are tidy: fixed columns, the same for every model, and documented."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hfkv.render import adapter, compare_columns, engines, kv, lora, rank, tokens
from hfkv.render.tidy import Column
from tests.conftest import LLAMA

Run = Callable[..., tuple[int, str, str]]
PAGE = (Path(__file__).parents[2] / ".github" / "OUTPUT.md").read_text(encoding="utf-8")
MODELS = (LLAMA, "deepseek-ai/DeepSeek-V3", "openai/gpt-oss-20b", "openai-community/gpt2")
#: Command to its columns.
TABLES: dict[str, tuple[tuple[str, ...], tuple[Column, ...]]] = {
    "compare": ((), compare_columns.COLUMNS),
    "kv": ((), kv.COLUMNS),
    "kv --layers": (("--layers",), kv.LAYER_COLUMNS),
    "kv --engine": (("--engine", "vllm"), engines.COLUMNS),
    "kv --engine --layers": (("--engine", "vllm", "--layers"), engines.BUFFER_COLUMNS),
    "lora": ((), lora.COLUMNS),
    "lora --layers": (("--layers",), lora.LAYER_COLUMNS),
    "rank": ((), rank.COLUMNS),
    "tokens": ((), tokens.COLUMNS),
    "tokens --explain": (("--explain",), tokens.CANDIDATE_COLUMNS),
}


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("model", MODELS)
def test_columns_are_fixed(hfkv: Run, offline: None, table: str, model: str) -> None:
    options, columns = TABLES[table]
    command = table.split()[0]
    code, out, err = hfkv(command, model, *options, "--format", "csv")
    assert code == 0, err
    names = [column.name for column in columns if column.name]
    assert out.splitlines()[0].split(",") == names
    assert len(set(names)) == len(names)
    for row in _rows(out):
        assert row["model"] == model
        assert row["source"] == "snapshot"
    headings = [column.heading for column in columns if column.heading]
    markdown = hfkv(command, model, *options, "--format", "markdown")[1]
    assert f"| {' | '.join(headings)} |" in markdown
    assert "read from a snapshot that ships with hfkv" in markdown
    latex = hfkv(command, model, *options, "--format", "latex")[1]
    body = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body} == {len(headings) - 1}
    assert latex.count(r"\midrule") == 1


@pytest.mark.parametrize("table", [*TABLES, "lora of another method"])
def test_columns_are_documented(table: str) -> None:
    columns = adapter.COLUMNS if table not in TABLES else TABLES[table][1]
    section = PAGE.split(f"### `hfkv {table}`" if table in TABLES else "### Other methods")[1]
    section = section.split("\n### ")[0].split("\n## ")[0]
    documented = re.findall(r"`([\w.]+)`", "".join(re.findall(r"^\| (.*?) \|", section, re.M)))
    assert documented == [column.name for column in columns if column.name]


def test_a_row_has_the_values_of_the_json(hfkv: Run, offline: None) -> None:
    (value,) = json.loads(hfkv("compare", LLAMA, "--json")[1])
    (row,) = _rows(hfkv("compare", LLAMA, "--format", "csv")[1])
    for path, cell in row.items():
        if path in ("tokens", "batch", "error"):
            continue
        item = value
        for key in path.split("."):
            item = item.get(key) if isinstance(item, dict) else None
        assert cell == ("" if item is None else str(item)), path


def test_a_model_that_failed_has_its_row(hfkv: Run, offline: None) -> None:
    code, out, _ = hfkv("compare", LLAMA, "nobody/nothing", "--format", "csv")
    assert code == 1
    first, failed = _rows(out)
    assert first["error"] == ""
    assert failed["model"] == "nobody/nothing"
    assert "offline mode" in failed["error"]
    assert set(failed.values()) == {"nobody/nothing", failed["error"], ""}


@pytest.mark.parametrize(
    "options", [(), ("--modules-to-save", "lm_head", "--bias", "all"), ("--dora",)]
)
@pytest.mark.parametrize("model", [LLAMA, "openai-community/gpt2"])
def test_the_rows_of_an_adapter_add_up(
    hfkv: Run, offline: None, model: str, options: tuple[str, ...]
) -> None:
    rows = _rows(hfkv("lora", model, *options, "--format", "csv")[1])
    whole = json.loads(hfkv("lora", model, *options, "--json")[1])
    assert sum(int(row["parameters"]) for row in rows) == whole["parameters"]
    assert abs(sum(float(row["share"]) for row in rows) - 1) < 1e-9


def test_the_rows_of_a_cache_add_up(hfkv: Run, offline: None) -> None:
    rows = _rows(hfkv("kv", "google/gemma-3-27b-it", "--layers", "--format", "csv")[1])
    (whole,) = _rows(hfkv("kv", "google/gemma-3-27b-it", "--format", "csv")[1])
    assert sum(int(row["bytes"]) for row in rows) == int(whole["bytes"])
    assert {row["dtype"] for row in rows} == {"bfloat16"}


@pytest.mark.parametrize("command", ["kv", "lora", "rank", "tokens"])
def test_every_json_says_where_its_facts_came_from(hfkv: Run, offline: None, command: str) -> None:
    value = json.loads(hfkv(command, LLAMA, "--json")[1])
    assert (value["model"], value["source"], value["commit"]) == (LLAMA, "snapshot", None)
    assert any("a snapshot that ships with hfkv" in note for note in value["notes"])


def test_an_agent_gets_what_documents_have_and_how_it_is_known(hfkv: Run, offline: None) -> None:
    header, *rows = hfkv("compare", *MODELS, "--format", "agent")[1].splitlines()
    names = header.split("\t")
    columns = [column for column in compare_columns.COLUMNS if column.name in names]
    assert [column.name for column in columns] == names
    assert {column.name for column in compare_columns.COLUMNS if column.heading} - {""} < {*names}
    for name in ("source", "commit", "kv_cache.basis", "lora.basis", "pretraining.qualifier"):
        assert name in names
    assert len(names) < 28
    assert [row.split("\t")[0] for row in rows] == list(MODELS)


def test_a_sum_of_an_adapter_and_its_base_says_both(hfkv: Run, tmp_path: Path) -> None:
    config = {
        "peft_type": "LORA",
        "r": 4,
        "target_modules": ["q_proj"],
        "base_model_name_or_path": LLAMA,
    }
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    code, out, err = hfkv("lora", str(tmp_path), "--json")
    if code:  # a directory's base is asked of the Hub, which is not there
        assert LLAMA in err
        return
    value = json.loads(out)
    assert value["model"] == LLAMA
    assert value["adapter"]["source"] == "directory"
