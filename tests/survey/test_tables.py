"""What one can ask about: lists and tables of every form, and each thing that can be wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hfkv as package
from hfkv.errors import HfkvError
from hfkv.source.snapshot import read_snapshot, snapshot_names
from hfkv.surveys.columns import COLUMNS
from hfkv.surveys.formats import read_rows

Run = Callable[..., tuple[int, str, str]]
LLAMA = "meta-llama/Llama-2-7b-hf"
ROOT = Path(__file__).parents[2]


def _survey(hfkv: Run, out: Path, *arguments: str) -> list[dict[str, Any]]:
    code, _, err = hfkv("survey", *arguments, "-o", str(out), "-q")
    assert code == 0, err
    return list(read_rows(out))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ids.txt", f"{LLAMA}\n# no\n\nQwen/Qwen3-8B\n"),
        ("ids.txt", f"\ufeff{LLAMA}\r\nQwen/Qwen3-8B\r\n"),
        ("ids.txt", f'"{LLAMA}",\n"Qwen/Qwen3-8B"\n'),
        ("ids.jsonl", json.dumps({"id": LLAMA}) + "\n" + json.dumps({"id": "Qwen/Qwen3-8B"})),
        ("ids.jsonl", json.dumps({"modelId": LLAMA}) + '\n{"modelId": "Qwen/Qwen3-8B"}'),
    ],
)
def test_lists_of_ids(hfkv: Run, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    rows = _survey(hfkv, tmp_path / "out.jsonl", str(tmp_path / name), "--source", "snapshot")
    assert [row["model"] for row in rows] == [LLAMA, "Qwen/Qwen3-8B"]
    assert rows[0]["kv_cache_bytes"] == 52_428_800_000
    assert rows[0]["source"] == "snapshot"


def test_a_list_from_stdin(hfkv: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    class Stdin:
        buffer = io.BytesIO(LLAMA.encode())

    monkeypatch.setattr("sys.stdin", Stdin)
    (row,) = _survey(hfkv, tmp_path / "out.jsonl", "-", "--source", "snapshot")
    assert row["model"] == LLAMA


def test_each_option_is_a_row(hfkv: Run, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text(LLAMA)
    options = "--source snapshot -r 8 -r 64 --kv-dtype bf16 --kv-dtype fp8 --engine vllm".split()
    rows = _survey(hfkv, tmp_path / "out.jsonl", str(tmp_path / "ids.txt"), *options)
    assert [(row["lora_r"], row["kv_cache_dtype"]) for row in rows] == [
        (8, "bfloat16"), (8, "fp8"), (64, "bfloat16"), (64, "fp8")
    ]  # fmt: skip
    assert {row["engine"] for row in rows} == {"vllm"}
    assert rows[0]["kv_cache_bytes"] == 2 * rows[1]["kv_cache_bytes"]


def test_cards_as_hfkv_tokens_reads_them(hfkv: Run, tmp_path: Path, offline: None) -> None:
    card = "# A model\n\nIt was pretrained on 2 trillion tokens of text and code.\n"
    table = tmp_path / "cards.jsonl"
    lines = [
        {"name": "a/one", "text": card, "createdAt": "2024-05-06T00:00:00Z", "sha": "a" * 40},
        {"name": "a/two", "text": None},
        {"name": "a/three", "text": "# Nothing\n\nIt is a model.\n"},
    ]
    table.write_text("\n".join(map(json.dumps, lines)))
    rows = _survey(
        hfkv, tmp_path / "o.jsonl", "--cards", str(table), "--id-column", "name",
        "--card-column", "text",
    )  # fmt: skip
    assert rows[0]["pretraining_tokens"] == 2 * 10**12
    assert rows[0]["pretraining_basis"] == "stated"
    assert rows[0]["pretraining_line"] == 3
    assert (rows[0]["created_at"], rows[0]["commit"]) == ("2024-05-06T00:00:00Z", "a" * 40)
    assert rows[1]["pretraining_reason"] == "the table has no card of it"
    assert rows[2]["pretraining_basis"] == "not stated"
    assert all(row["kv_cache_bytes"] is None for row in rows)


def test_configs_in_directories(hfkv: Run, tmp_path: Path) -> None:
    config = read_snapshot(LLAMA).texts["config.json"]
    for name in ("org/a", "org/b"):
        (tmp_path / "configs" / name).mkdir(parents=True)
        (tmp_path / "configs" / name / "config.json").write_bytes(config)
    (tmp_path / "configs" / "org/b/config.json").write_text("[")
    rows = _survey(hfkv, tmp_path / "o.jsonl", "--configs", str(tmp_path / "configs"))
    assert [row["model"] for row in rows] == ["org/a", "org/b"]
    assert rows[0]["kv_cache_bytes"] == 52_428_800_000
    assert rows[1]["error_type"] == "ConfigError"


def test_configs_in_a_table(hfkv: Run, tmp_path: Path) -> None:
    config = json.loads(read_snapshot(LLAMA).texts["config.json"])
    table = tmp_path / "configs.jsonl"
    lines = [
        {"id": "org/a", "config": config},
        {"id": "org/b", "config": json.dumps(config)},
        {"id": "org/c", "config": "{"},
        {"id": "org/d", "config": None},
    ]
    table.write_text("\n".join(map(json.dumps, lines)))
    rows = _survey(hfkv, tmp_path / "o.jsonl", "--configs", str(table))
    assert [row["kv_cache_bytes"] for row in rows] == [52_428_800_000] * 2 + [None] * 2
    assert "is not JSON" in rows[2]["error"]
    assert rows[3]["error"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "Missing option '-o'"),
        (("-o", "out.jsonl"), 2, "Give IDS"),
        (("ids.txt", "-o", "out.csv"), 2, "FILE.parquet, FILE.jsonl or a directory"),
        (("ids.txt", "--author", "a", "-o", "out.jsonl"), 2, "a list of their own"),
        (("ids.txt", "--cards", "ids.txt", "-o", "out.jsonl"), 2, "one of them"),
        (("ids.txt", "--limit", "3", "-o", "out.jsonl"), 2, "--limit goes with"),
        (("none.txt", "-o", "out.jsonl"), 1, "no such file"),
        ((".", "-o", "out.jsonl"), 1, "is a directory"),
        (("--cards", "bad.jsonl", "-o", "out.jsonl"), 1, "bad.jsonl:2: no JSON object"),
        (("--cards", "odd.jsonl", "-o", "out.jsonl"), 1, "has no column for the card"),
        (("odd.jsonl", "--id-column", "x", "-o", "out.jsonl"), 1, "has no column for the id"),
        (("--configs", "empty", "-o", "out.jsonl"), 1, "holds no config.json"),
        (("ids.txt", "-r", "8", "-r", "8", "-o", "out.jsonl"), 2, "--rank"),
        (("ids.txt", "--kv-dtype", "bf17", "-o", "out.jsonl"), 2, "unknown dtype"),
        (("ids.txt", "--on", "ray://head:10001", "-o", "out.jsonl"), 1, "dask://HOST:PORT"),
        (("ids.txt", "--on", "dask://a:1", "--token", "x", "-o", "out.jsonl"), 2, "HF_TOKEN"),
        (("ids.txt", "--on", "dask://a:1", "--workers", "2", "-o", "out.jsonl"), 2, "--workers"),
    ],
)
def test_what_is_wrong_is_one_clear_line(
    hfkv: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...], code: int, said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ids.txt").write_text(LLAMA)
    (tmp_path / "bad.jsonl").write_text('{"id": "a/b", "card": ""}\n[]\n')
    (tmp_path / "odd.jsonl").write_text('{"id": "a/b"}\n')
    (tmp_path / "empty").mkdir()
    got, _, err = hfkv("survey", *arguments, "--source", "snapshot")
    assert got == code, err
    assert said in err
    assert "Traceback" not in err


def test_a_bug_costs_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    import hfkv.comparison as comparison

    real = comparison.compare_model

    def broken(model: Any, **asked: Any) -> Any:
        if model.model == LLAMA:
            raise KeyError("surprise")
        return real(model, **asked)

    monkeypatch.setattr(comparison, "compare_model", broken)
    rows = list(package.survey([LLAMA, "Qwen/Qwen3-8B"], source="snapshot"))
    assert rows[0]["error"] == "a bug in hfkv: KeyError: 'surprise'"
    assert rows[1]["error"] is None


def test_python_refuses_what_it_cannot_take() -> None:
    for wrong in (
        lambda: package.survey(),
        lambda: package.survey(["a/b"], cards="x"),
        lambda: package.survey([1]),  # type: ignore[list-item]
        lambda: package.survey(["a/b"], r=0),
        lambda: package.survey(["a/b"], engine="nothing"),
    ):
        with pytest.raises(HfkvError):
            list(wrong())


def test_the_page_names_every_column_with_its_meaning() -> None:
    page = (ROOT / ".github" / "SURVEY.md").read_text(encoding="utf-8")
    for column in COLUMNS:
        assert f"| `{column.name}` |" in page, column.name
        assert column.meaning in page, column.name


def test_the_example_is_of_every_bundled_model() -> None:
    listed = (ROOT / "examples" / "survey" / "bundled.txt").read_text(encoding="utf-8")
    assert listed.split() == snapshot_names()


@pytest.mark.oracle
def test_the_example_is_what_a_survey_writes(hfkv: Run, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="comes with hfkv[survey]")
    folder = ROOT / "examples" / "survey"
    arguments = (str(folder / "bundled.txt"), "--source", "snapshot")
    rows = _survey(hfkv, tmp_path / "out.parquet", *arguments)
    assert rows == list(read_rows(folder / "bundled.parquet"))


@pytest.mark.oracle
def test_other_programs_read_it(hfkv: Run, tmp_path: Path) -> None:
    """The typed columns as Arrow has them, and the data set as the Hub would find it."""
    pq = pytest.importorskip("pyarrow.parquet", reason="comes with hfkv[survey]")
    (tmp_path / "ids.txt").write_text(f"{LLAMA}\nnobody/nothing")
    arguments = (str(tmp_path / "ids.txt"), "--source", "snapshot")
    _survey(hfkv, tmp_path / "out.parquet", *arguments)
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.column_names == [column.name for column in COLUMNS]
    kinds = {"text": "string", "whole": "int64", "number": "double", "flag": "bool"}
    for column in COLUMNS:
        assert str(table.schema.field(column.name).type) == kinds.get(
            column.kind, str(table.schema.field(column.name).type)
        )
    kept = json.loads(table.schema.metadata[b"hfkv"])
    assert kept["question"]["ranks"] == [32]
    _survey(hfkv, tmp_path / "data", *arguments)
    import yaml

    front = (tmp_path / "data" / "README.md").read_text().split("---")[1]
    (config,) = yaml.safe_load(front)["configs"]
    (files,) = config["data_files"]
    (file,) = (tmp_path / "data").glob(files["path"])
    assert pq.read_table(file).num_rows == 2
    # A survey is a list of ids, and a table of configs keeps null and absent apart.
    rows = _survey(hfkv, tmp_path / "again.parquet", str(tmp_path / "out.parquet"),
                   "--source", "snapshot")  # fmt: skip
    assert [row["model"] for row in rows] == [LLAMA, "nobody/nothing"]
    shutil.rmtree(tmp_path / "data")
