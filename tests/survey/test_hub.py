"""Surveys of the local Hub: its rows, its faults, its list, its budget, and what has changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hfkv as package
from hfkv.surveys.columns import NAMES
from hfkv.surveys.formats import read_rows
from tests.hub.server import Hub, serve
from tests.survey.zoo import commit, ids, name, plain, repo, tokens, zoo

Run = Callable[..., tuple[int, str, str]]
COUNT = 48


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    with serve(zoo(COUNT)) as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "ids.txt"
    path.write_text("# a comment\n\n" + "\n".join([*ids(COUNT), name(0)]) + "\n")
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return list(read_rows(path))


def test_every_model_is_a_row_in_order(hfkv: Run, hub: Hub, listed: Path, tmp_path: Path) -> None:
    out = tmp_path / "survey.jsonl"
    code, said, err = hfkv("survey", str(listed), "-o", str(out), "--json", "--workers", "1")
    assert code == 0, err
    assert said.count("\n") == 1
    value = json.loads(said)
    rows = rows_of(out)
    assert [row["model"] for row in rows] == ids(COUNT)
    assert all(tuple(row) == NAMES for row in rows)
    assert value["models"] == value["rows"] == COUNT + 3
    assert value["notes"] == ["1 were named again, and asked about once"]
    found = {row["model"]: row for row in rows}
    for number in range(COUNT):
        row = found[name(number)]
        if number % 23 == 11:
            assert (row["error_type"], row["passing"]) == ("GatedError", True)
        elif number % 17 == 5:
            assert (row["error_type"], row["passing"]) == ("ConfigError", False)
        else:
            assert row["error"] is None
            assert row["commit"] == commit(number)
            assert row["created_at"] == f"{2019 + number % 7}-03-01T00:00:00.000Z"
            assert row["pretraining_tokens"] == tokens(number)
            assert row["tokens_per_parameter"] == row["pretraining_tokens"] / row["parameters"]
    assert found["org0/old-name"]["notes"] == ["the repository was renamed: it is org0/model-0 now"]
    assert found["org0/deleted"]["error_type"] == "NotFoundError"
    assert found["not an id!"]["error_type"] == "NotFoundError"
    assert value["errors"] == {"GatedError": 2, "ConfigError": 3, "NotFoundError": 2}
    assert not list(tmp_path.glob("*.parts"))


def test_the_figures_are_those_of_compare(hub: Hub) -> None:
    asked = [name(number) for number in (0, 1, 2, 3, 4)]
    rows = list(package.survey(asked, r=(8, 64)))
    for row, each in zip(rows, [m for m in asked for _ in range(2)], strict=True):
        (single,) = package.compare([each], r=row["lora_r"])
        assert isinstance(single, package.Comparison)
        assert single.kv_cache is not None
        assert single.lora is not None
        assert row["model"] == each
        assert row["kv_cache_bytes"] == single.kv_cache.bytes
        assert row["lora_bytes"] == single.lora.bytes
        assert row["break_even_tokens"] == single.break_even_tokens
        assert row["kv_cache_basis"] == single.kv_cache.basis


def test_processes_give_what_threads_give(
    hfkv: Run, hub: Hub, listed: Path, tmp_path: Path
) -> None:
    for workers in ("1", "2"):
        out = tmp_path / f"{workers}.jsonl"
        code, _, err = hfkv("survey", str(listed), "-o", str(out), "-q", "--workers", workers)
        assert code == 0, err
    assert plain(rows_of(tmp_path / "1.jsonl")) == plain(rows_of(tmp_path / "2.jsonl"))


def test_the_hubs_own_list(hfkv: Run, hub: Hub, tmp_path: Path) -> None:
    hub.page = 5
    out = tmp_path / "listed.jsonl"
    code, _, err = hfkv(
        "survey", "--author", "org1", "--author", "org2", "--limit", "20", "-o", str(out), "-q"
    )
    assert code == 0, err
    rows = rows_of(out)
    wanted = [n for o in (1, 2) for n in map(name, range(COUNT)) if n.startswith(f"org{o}/")]
    assert [row["model"] for row in rows] == wanted[:20]
    assert rows[0]["created_at"] == "2020-03-01T00:00:00.000Z"
    assert {row["author"] for row in rows} == {"org1", "org2"}


def test_a_list_leads_to_no_other_server(hfkv: Run, hub: Hub, tmp_path: Path) -> None:
    def hook(handler: Any) -> bool:
        if not handler.path.startswith("/api/models?"):
            return False
        link = '<https://elsewhere.example/api/models?cursor=1>; rel="next"'
        handler.answer(200, b"[]", {"Link": link})
        return True

    hub.hook = hook
    code, _, err = hfkv("survey", "--author", "org1", "-o", str(tmp_path / "x.jsonl"))
    assert code == 1
    assert "is not the Hub" in err
    assert err.count("\n") == 1


def test_one_budget_for_all_workers(
    hfkv: Run, hub: Hub, listed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quota that is spent twice over is waited for, and never overdrawn."""
    monkeypatch.setattr("hfkv.surveys.run.BATCH", {"hub": 4, "cards": 4, "configs": 4})
    hub.quotas = {"api": (60, 1.0), "resolvers": (160, 1.0)}
    out = tmp_path / "survey.jsonl"
    code, said, err = hfkv("survey", str(listed), "-o", str(out), "--workers", "2", "--json")
    assert code == 0, err
    assert hub.refused == 0
    assert json.loads(said)["requests"]["resolvers"] > 160
    assert sum(row["error_type"] == "NetworkError" for row in rows_of(out)) == 0


def test_a_dry_run_says_what_it_costs(hfkv: Run, hub: Hub, listed: Path) -> None:
    hub.quotas = {"api": (50, 300.0), "resolvers": (1000, 300.0)}
    code, said, err = hfkv("survey", str(listed), "--dry-run", "--json")
    assert code == 0, err
    value = json.loads(said)
    assert value["models"] == COUNT + 4
    assert value["requests"] == {"api": 2 * (COUNT + 4), "resolvers": 5 * (COUNT + 4)}
    assert value["quotas"] == {"api": [50, 300]}
    assert value["seconds"] == 600
    assert value["basis"] == "estimated"
    assert len(hub.requests) == 1


def test_an_update_asks_only_for_what_changed(
    hfkv: Run, hub: Hub, listed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "survey.jsonl"
    command = ("survey", str(listed), "-o", str(out), "--json", "--workers", "1")
    assert hfkv(*command)[0] == 0
    before = rows_of(out)
    moved = 3
    hub.repos[name(moved)] = repo(moved, moved=True)
    hub.repos[name(11)].gated = False  # access was granted
    hub.forget()
    code, said, err = hfkv(*command, "--update")
    assert code == 0, err
    value = json.loads(said)
    rows = {row["model"]: row for row in rows_of(out)}
    assert rows[name(moved)]["commit"] == commit(moved, True)
    assert rows[name(moved)]["pretraining_tokens"] == tokens(moved, True)
    assert rows[name(11)]["error"] is None
    changed = {name(moved), name(11)}
    assert [row for row in rows.values() if row["model"] not in changed] == [
        row for row in before if row["model"] not in changed
    ]
    # What stayed, and what is not there, is not read again.
    asked_again = 2 + 3 + 1  # moved, granted; malformed configs; the one still gated
    assert value["kept"] == COUNT + 3 - asked_again
    assert not any("deleted" in path for _, path, _ in hub.requests)
    assert len(hub.requests) < 2 * COUNT


def test_an_update_takes_a_new_list(hfkv: Run, hub: Hub, listed: Path, tmp_path: Path) -> None:
    out = tmp_path / "survey.jsonl"
    command = ("survey", str(listed), "-o", str(out), "-q", "--workers", "1")
    assert hfkv(*command)[0] == 0
    listed.write_text("\n".join(map(name, range(4, 9))))
    code, _, err = hfkv(*command)
    assert code == 1
    assert "another list of models" in err
    assert hfkv(*command, "--update")[0] == 0
    assert [row["model"] for row in rows_of(out)] == [name(number) for number in range(4, 9)]


def test_no_token_is_written_or_sent_to_workers_by_argument(
    hfkv: Run, hub: Hub, listed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "data"
    arguments = ("-o", str(out), "--token", hub.token, "--workers", "2", "--json")
    code, said, err = hfkv("survey", str(listed), *arguments)
    assert code == 0, err
    rows = rows_of(out)
    assert {row["error_type"] for row in rows} == {None, "ConfigError", "NotFoundError"}
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written
    for text in (said.encode(), err.encode(), *(path.read_bytes() for path in written)):
        assert hub.token.encode() not in text


def test_an_outage_is_waited_for_and_no_row(
    hfkv: Run, hub: Hub, listed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hfkv.surveys.drive._PAUSE", 0.01)
    out = tmp_path / "out.jsonl"
    command = ("survey", str(listed), "-o", str(out), "--workers", "1", "-q")
    answered = 0

    def hook(handler: Any) -> bool:
        nonlocal answered
        answered += 1
        if answered < 120:
            return False
        handler.answer(503)
        return True

    hub.hook = hook
    code, _, err = hfkv(*command)
    assert code == 1
    assert "cannot be reached" in err
    assert "goes on" in err
    hub.hook = None
    assert hfkv(*command)[0] == 0
    rows = rows_of(out)
    assert len(rows) == COUNT + 3


def test_an_update_that_is_ended_goes_on(
    hfkv: Run, hub: Hub, listed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hfkv.surveys.run.BATCH", {"hub": 8, "cards": 8, "configs": 8})
    out = tmp_path / "out.jsonl"
    command = ("survey", str(listed), "-o", str(out), "--workers", "1", "-q")
    assert hfkv(*command)[0] == 0
    before = rows_of(out)
    hub.repos[name(40)] = repo(40, moved=True)
    from hfkv.surveys.output import Output

    real = Output.part

    def part(self: Output, number: int, bodies: list[bytes]) -> None:
        if number == 3:
            raise KeyboardInterrupt
        real(self, number, bodies)

    with monkeypatch.context() as patch:
        patch.setattr(Output, "part", part)
        code, _, err = hfkv(*command, "--update")
    assert code == 130
    assert "the same command goes on" in err
    assert rows_of(out) == before  # until all is there, the table is what it was
    assert hfkv(*command)[0] == 0
    rows = {row["model"]: row for row in rows_of(out)}
    assert rows[name(40)]["commit"] == commit(40, True)
    assert list(rows) == [row["model"] for row in before]
