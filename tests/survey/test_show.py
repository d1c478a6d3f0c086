"""A survey at a glance, its chart, and how far one that is under way is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from hfkv.cli.survey_progress import bar, sentence
from hfkv.surveys.budget import Budget
from hfkv.surveys.columns import NAMES
from hfkv.surveys.drive import Progress

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def survey(tmp_path: Path) -> Path:
    """Ten models of two types over two years; one could not be read, two refuse the adapter."""
    path = tmp_path / "survey.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(10):
            row = dict.fromkeys(NAMES) | {
                "model": f"org{number % 2}/m{number}",
                "author": f"org{number % 2}",
                "created_at": f"{2023 + number % 2}-01-01",
                "model_type": "llama" if number < 6 else "qwen3",
                "parameters": 10**9 * (number + 1),
                "context_bytes_per_token": 1000.0 * (number + 1),
                "pretraining_tokens": 10**12 if number % 3 == 0 else None,
                "tokens_per_parameter": 1000 / (number + 1) if number % 3 == 0 else None,
                "lora_error": "no" if number in (2, 7) else None,
            }
            if number == 9:
                row = dict.fromkeys(NAMES) | {"model": "org/gone", "error_type": "NotFoundError"}
            # A second option of the same model counts for nothing more.
            file.write(json.dumps(row) + "\n" + (json.dumps(row) + "\n") * (number == 0))
    return path


def test_groups(hfkv: Run, survey: Path) -> None:
    code, out, err = hfkv("survey", "show", str(survey), "--json")
    assert code == 0, err
    value = json.loads(out)
    assert (value["rows"], value["all"]["models"]) == (11, 10)
    assert [group["name"] for group in value["groups"]] == ["llama", "qwen3", "not known"]
    llama = value["groups"][0]
    assert (llama["models"], llama["refused"], llama["stated"]) == (6, 1, 2)
    assert llama["context_bytes_per_token"] == median(range(1000, 7000, 1000))
    assert value["errors"] == {"NotFoundError": 1}
    assert value["refusals"] == {"llama": 1, "qwen3": 1}


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("year", {"2023", "2024", "not known"}),
        ("size", {"1B to 3B", "3B to 10B", "not known"}),
        ("author", {"org0", "org1", "not known"}),
    ],
)
def test_other_groups(hfkv: Run, survey: Path, by: str, names: set[str]) -> None:
    value = json.loads(hfkv("survey", "show", str(survey), "--by", by, "--json")[1])
    assert {group["name"] for group in value["groups"]} == names


def test_the_order_and_the_table(hfkv: Run, survey: Path) -> None:
    out = hfkv("survey", "show", str(survey), "--sort", "context", "-q")[1]
    assert [line.split("\t")[0] for line in out.splitlines()] == ["qwen3", "llama", "not known"]
    code, out, err = hfkv("survey", "show", str(survey), "--most", "1")
    assert code == 0, err
    assert "2 more groups" in out
    assert "the first of each model counts" in out


def test_the_chart(hfkv: Run, survey: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="comes with hfkv[plot]")
    for style in ("light", "dark"):
        chart = tmp_path / f"{style}.svg"
        code, _, err = hfkv("survey", "show", str(survey), "--chart", str(chart), "--style", style)
        assert code == 0, err
        text = chart.read_text(encoding="utf-8")
        for said in ("Bytes per token in context", "tokens per parameter", "2023", "qwen3"):
            assert said in text
    (tmp_path / "none.jsonl").write_text(json.dumps(dict.fromkeys(NAMES) | {"model": "a/b"}))
    code, _, err = hfkv("survey", "show", str(tmp_path / "none.jsonl"), "--chart", str(chart))
    assert code == 0, err


def test_what_is_not_there(hfkv: Run, tmp_path: Path) -> None:
    (tmp_path / "begun.parquet.parts").mkdir()
    code, _, err = hfkv("survey", "show", str(tmp_path / "begun.parquet"))
    assert code == 1
    assert "it is not done" in err
    (tmp_path / "empty").mkdir()
    assert "holds no rows" in hfkv("survey", "show", str(tmp_path / "empty"))[2]


def test_how_far_it_is() -> None:
    progress = Progress(total=200, skipped=50, done=50, errors=Counter({"GatedError": 3}))
    progress.waiting = 30.0
    progress.begin -= 10
    assert bar(progress) == "[##########          ] "
    said = sentence(progress)
    assert said.startswith("100 of 200 models, 5.0/s, 20 s left")
    assert "alone for 30 s" in said
    assert said.endswith("not read: GatedError 3")
    assert "left" not in sentence(Progress(total=None, done=3))


def test_a_budget_is_never_promised_twice() -> None:
    def heard(remaining: int, seconds: float) -> dict[str, dict[str, object]]:
        reading = {"remaining": remaining, "seconds": seconds, "quota": 100, "window": 300}
        return {"api": {"requests": 20, **reading}}

    budget = Budget()
    assert budget.wait(10) == 0
    budget.sent("a", 10)
    assert budget.wait(10) > 0  # until the first is back nobody knows of a limit
    budget.back("a")
    budget.learn(10, heard(60, 100.0))
    assert budget.wait(10) == 0  # 20 requests and some
    budget.sent("b", 10)
    budget.sent("c", 10)
    assert 90 < budget.wait(10) <= 100  # two are out: 75 of 60 are spoken for
    budget.back("b")
    budget.learn(10, heard(0, 50.0))  # said before the last: no news
    assert budget.wait(10) == 0  # one is out: 50 of 60
    assert 90 < budget.wait(20) <= 100
    budget.back("c")
    budget.learn(10, heard(100, 400.0))  # a new window
    assert budget.wait(10) == 0
