"""Parts of a step: what was made is not made again, and what fails costs no other."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("hfkv.generate", reason="not part of the wheel")
from hfkv.generate.all import Asked, one_step
from hfkv.generate.step import Step
from hfkv.generate.work import Made, Outcome, Shelf, applied, mark_of, run, sources

pytestmark = pytest.mark.posix  # a part is made in a process that is forked

VERSIONS = {"transformers": "9.0.0"}


class Maker:
    """Makes parts, and writes down which."""

    def __init__(self, folder: Path) -> None:
        self.events = folder / "events"
        self.shelf = Shelf(folder / "made")

    def __call__(self, name: str) -> Made:
        with self.events.open("a") as file:
            file.write(f"{name}\n")
        if name == "raises":
            raise ValueError("a class\nof two lines")
        if name == "ends":
            os._exit(3)
        if name == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "endless":
            time.sleep(60)
        return Made(files={f"{name}.json": f"{name}\n"}, piece={"of": name})

    @property
    def made(self) -> list[str]:
        return self.events.read_text().split() if self.events.exists() else []

    def run(
        self,
        *parts: str,
        mark: str = "one",
        limit: float = 30.0,
        jobs: int = 2,
        until: float = float("inf"),
        say: Callable[[str, str], None] = lambda *_: None,
    ) -> tuple[Outcome, dict[str, Made]]:
        found: dict[str, Made] = {}
        outcome = run(
            parts,
            self,
            shelf=self.shelf,
            mark=lambda name: mark_of(mark, name),
            jobs=jobs,
            limit=limit,
            until=until,
            found=found,
            say=say,
        )
        return outcome, found


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


def test_what_was_made_is_not_made_again(maker: Maker) -> None:
    first, found = maker.run("a", "b", "c")
    assert (sorted(first.made), first.kept) == (["a", "b", "c"], [])
    again, same = maker.run("a", "b", "c", "d")
    assert (again.made, again.kept) == (["d"], ["a", "b", "c"])
    assert sorted(maker.made) == ["a", "b", "c", "d"]
    assert {name: same[name] for name in found} == found


def test_another_mark_makes_it_again(maker: Maker) -> None:
    maker.run("a", "b")
    outcome, _ = maker.run("a", "b", mark="other")
    assert sorted(outcome.made) == ["a", "b"]
    assert len(maker.made) == 4


def test_an_interrupted_run_goes_on_where_it_was(maker: Maker) -> None:
    told: list[str] = []

    def say(name: str, said: str) -> None:
        told.append(f"{name} {said}")
        if len(told) == 3:
            raise KeyboardInterrupt

    parts = [f"part{number}" for number in range(8)]
    with pytest.raises(KeyboardInterrupt):
        maker.run(*parts, jobs=1, say=say)
    assert maker.made == parts[:3]
    outcome, found = maker.run(*parts, jobs=1)
    assert (outcome.kept, outcome.made) == (parts[:3], parts[3:])
    assert maker.made == parts
    assert list(found) == parts


def test_what_fails_costs_no_other(maker: Maker) -> None:
    outcome, found = maker.run("a", "raises", "ends", "dies", "endless", "b", limit=1.0)
    assert sorted(found) == sorted(outcome.made) == ["a", "b"]
    assert outcome.failed == {
        "raises": "ValueError: a class",
        "ends": "ended with 3",
        "dies": f"ended by signal {signal.SIGKILL}",
        "endless": "not done in 1 s",
    }
    # What failed is tried again; the rest is there.
    again, _ = maker.run("a", "raises", "b")
    assert (again.kept, list(again.failed)) == (["a", "b"], ["raises"])


def test_nothing_is_begun_when_time_is_over(maker: Maker) -> None:
    maker.run("b")
    outcome, found = maker.run("a", "b", "c", until=time.monotonic() - 1)
    assert (outcome.made, outcome.kept, outcome.left) == ([], ["b"], ["a", "c"])
    assert list(found) == ["b"]


def test_a_damaged_file_is_as_none(maker: Maker) -> None:
    maker.run("a")
    (path,) = maker.shelf.folder.glob("*.json")
    path.write_text(path.read_text()[:40])
    outcome, _ = maker.run("a")
    assert outcome.made == ["a"]


def _step(maker: Maker, parts: list[str]) -> Step:
    def finish(pieces: dict[str, dict[str, str]], complete: bool) -> dict[str, str | None]:
        return {"INDEX.json": json.dumps({"parts": sorted(pieces), "complete": complete})}

    return Step(
        name="letters",
        source=("hfkv.lines",),
        make=maker,
        parts=lambda wanted: [name for name in parts if name in wanted],
        finish=finish,
        then=lambda piece: ["inner"] if piece["of"] == "outer" else [],
    )


def test_a_step_keeps_the_old_table_of_what_failed(maker: Maker, tmp_path: Path) -> None:
    root = tmp_path / "root"
    applied(root, {"raises.json": "old\n", "a.json": "a\n"})
    before = (root / "a.json").stat()
    asked = Asked(versions=VERSIONS, state=tmp_path / "state")
    outcome = one_step(_step(maker, ["a", "raises", "outer"]), asked, root)
    assert sorted(outcome.made) == ["a", "inner", "outer"]  # a part that a part names is made too
    assert list(outcome.failed) == ["raises"]
    texts = {path.name: path.read_text() for path in root.iterdir()}
    index = json.loads(texts.pop("INDEX.json"))
    assert index == {"parts": ["a", "inner", "outer"], "complete": False}
    assert texts == {
        "raises.json": "old\n",
        "a.json": "a\n",
        "outer.json": "outer\n",
        "inner.json": "inner\n",
    }
    # What is equal is not written again.
    assert (root / "a.json").stat().st_mtime_ns == before.st_mtime_ns


def test_a_step_of_all_types_is_complete(maker: Maker, tmp_path: Path) -> None:
    step = _step(maker, ["a", "b"])
    for types, complete in (((), True), (("a",), False)):
        asked = Asked(versions=VERSIONS, types=types, state=tmp_path / "state")
        one_step(step, asked, tmp_path / "root")
        index = json.loads((tmp_path / "root" / "INDEX.json").read_text())
        assert index["complete"] is complete
    assert sorted(maker.made) == ["a", "b"]


def test_files_are_written_and_taken_away(tmp_path: Path) -> None:
    assert applied(tmp_path, {"x/a": "1", "b": "2"}) == ["x/a", "b"]
    assert applied(tmp_path, {"x/a": "1", "b": None, "c": None}) == ["b"]
    assert not (tmp_path / "b").exists()


def test_the_source_of_a_step_is_all_that_it_imports() -> None:
    assert sources("hfkv.versions") != sources("hfkv.lines")
    assert sources("hfkv.versions") == sources("hfkv.versions", "hfkv.reading")
    assert sources("hfkv.no_such_module") == sources()
