"""The nightly workflow: its rights, and its pull request as it is made of one branch."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW: dict[str, Any] = yaml.safe_load(
    (ROOT / ".github" / "workflows" / "fresh.yml").read_text(encoding="utf-8")
)
#: A gh that writes down how it was called, and knows a pull request once one was created.
GH = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$1 $2" in
  "pr list") grep -c "^pr create" "$CALLS" || true ;;
esac
"""
TABLE = Path("hfkv", "data", "peft.json")


def test_what_runs_other_code_may_only_read() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    tables, propose = WORKFLOW["jobs"]["tables"], WORKFLOW["jobs"]["propose"]
    assert "permissions" not in tables
    assert set(propose["permissions"]) == {"contents", "pull-requests", "actions"}
    runs = [step["run"] for step in propose["steps"] if "run" in step]
    assert [run.split()[:2] for run in runs] == [["bash", ".github/propose.sh"]]
    assert WORKFLOW["concurrency"]["group"] == "fresh"


def test_nothing_that_was_typed_stands_in_a_script() -> None:
    for job in WORKFLOW["jobs"].values():
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")


def test_the_command_is_there_and_the_actions_are_those_of_the_others() -> None:
    pytest.importorskip("hfkv.generate", reason="not part of the wheel")
    from hfkv.generate.__main__ import NAMES

    text = (ROOT / ".github" / "workflows" / "fresh.yml").read_text(encoding="utf-8")
    assert set(re.findall(r"-m hfkv\.generate (\w+)", text)) <= set(NAMES)
    others = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / ".github" / "workflows").glob("*.yml")
        if path.name != "fresh.yml"
    )
    used = set(re.findall(r"uses: (\S+)", text)) - {"actions/cache@v4"}
    assert used <= set(re.findall(r"uses: (\S+)", others))
    # A pull request of that token starts no workflow, so this one starts it.
    assert "workflow_dispatch" in (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")


class Place:
    """A repository with a remote, as the job has it, each night anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        program = folder / "bin" / "gh"
        program.parent.mkdir()
        program.write_text(GH)
        program.chmod(0o755)
        self.git(folder, "init", "-q", "--bare", "-b", "main", "remote")
        first = self.clone("first")
        (first / TABLE).parent.mkdir(parents=True)
        (first / TABLE).write_text("old\n")
        (first / "setup").write_text("as it was\n")
        self.commit(first, "start")
        self.git(first, "push", "-q", "origin", "HEAD:main")
        self.nights = 0

    def git(self, where: Path, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=where, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def clone(self, name: str) -> Path:
        self.git(self.folder, "clone", "-q", str(self.folder / "remote"), name)
        return self.folder / name

    def commit(self, where: Path, message: str) -> None:
        self.git(where, "add", "-A")
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        self.git(where, *who, "commit", "-q", "-m", message)

    def night(self, text: str, **others: str) -> list[str]:
        """Propose a table of this text, and other files; how gh was called."""
        self.nights += 1
        work = self.clone(f"night{self.nights}")
        for name, changed in {TABLE.as_posix(): text, **others}.items():
            (work / name).write_text(changed)
        patch, report = self.folder / "tables.patch", self.folder / "report.md"
        patch.write_text(self.git(work, "diff", "--binary") + "\n")
        self.git(work, "checkout", "-q", ".")
        report.write_text("# Tables of transformers 1 to 2\n\nchanged\n")
        before = len(self.called())
        subprocess.run(
            ["bash", str(ROOT / ".github" / "propose.sh"), str(patch), str(report)],
            cwd=work,
            check=True,
            env={
                **os.environ,
                "CALLS": str(self.calls),
                "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            },
        )
        return [call.split(" --")[0] for call in self.called()[before:]]

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def proposed(self, path: str) -> str:
        return self.git(self.folder / "remote", "show", f"fresh:{path}")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.posix
def test_one_pull_request_is_made_and_then_brought_up_to_date(place: Place) -> None:
    assert place.night("new\n") == ["pr list", "pr create", "workflow run ci.yml"]
    assert place.proposed(TABLE.as_posix()) == "new"
    # The same tables the next night: the text is of that night, and nothing is pushed.
    tip = place.git(place.folder / "remote", "rev-parse", "fresh")
    assert place.night("new\n") == ["pr list", "pr edit fresh"]
    assert place.git(place.folder / "remote", "rev-parse", "fresh") == tip
    assert place.night("newer\n") == ["pr list", "pr edit fresh", "workflow run ci.yml"]
    assert place.proposed(TABLE.as_posix()) == "newer"
    assert place.git(place.folder / "remote", "rev-list", "--count", "main..fresh") == "1"
    title = place.git(place.folder / "remote", "log", "-1", "--format=%s", "fresh")
    assert title == "Tables of transformers 1 to 2"
    assert place.git(place.folder / "remote", "show", f"main:{TABLE.as_posix()}") == "old"


@pytest.mark.posix
def test_only_what_is_generated_is_proposed(place: Place) -> None:
    place.night("new\n", setup="run this\n")
    assert place.proposed("setup") == "as it was"
    assert place.proposed(TABLE.as_posix()) == "new"


@pytest.mark.posix
def test_what_somebody_works_on_is_left_to_them(place: Place) -> None:
    place.night("new\n")
    work = place.clone("somebody")
    place.git(work, "checkout", "-q", "fresh")
    (work / TABLE).write_text("by hand\n")
    place.commit(work, "Mend it")
    place.git(work, "push", "-q", "origin", "fresh")
    assert place.night("newer\n") == []
    assert place.proposed(TABLE.as_posix()) == "by hand"
