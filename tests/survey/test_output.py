"""Nothing is lost and nothing is twice, whenever a survey is killed; and nothing is mixed."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfkv.errors import RecordError
from hfkv.source.snapshot import snapshot_names
from hfkv.surveys import run as run_module
from hfkv.surveys.asked import Columns, of_cards, of_ids
from hfkv.surveys.crews import Threads
from hfkv.surveys.drive import Progress
from hfkv.surveys.formats import Writer, read_rows
from hfkv.surveys.output import Output
from hfkv.surveys.question import Question

Run = Callable[..., tuple[int, str, str]]
ENCODINGS = ["jsonl", pytest.param("parquet", marks=pytest.mark.oracle)]
CARD = "# A model\n\nIt was pretrained on {} trillion tokens of text and code.\n"


def needs(encoding: str) -> str:
    if encoding == "parquet":
        pytest.importorskip("pyarrow", reason="comes with hfkv[survey]")
    return encoding


def cards(path: Path, count: int) -> Path:
    with path.open("w") as file:
        for number in range(count):
            card = CARD.format(number % 12 + 3)
            file.write(json.dumps({"id": f"org/model-{number}", "card": card}) + "\n")
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return list(read_rows(path))


class Killed(BaseException):
    """What ends a process in the midst, where a test can go on."""


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
def test_it_goes_on_wherever_it_was_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, folder: bool
) -> None:
    """Ended before every single step that changes the disk, it ends as if it never had been."""
    needs(encoding)
    if encoding == "jsonl":
        monkeypatch.setattr("hfkv.surveys.output.has_arrow", lambda: False)
    monkeypatch.setattr(run_module, "BATCH", {"hub": 2, "cards": 2, "configs": 2})
    table = cards(tmp_path / "cards.jsonl", 7)

    def survey(where: str) -> Path:
        out = Output.of(tmp_path / (where if folder else f"{where}.{encoding}"))
        asked = of_cards(table, Columns())
        run_module.write(asked, Question(), out, lambda: Threads())
        return out.path

    wanted = rows_of(survey("undisturbed"))
    assert [row["pretraining_tokens"] for row in wanted] == [n * 10**12 for n in range(3, 10)]
    steps = ("replace", "rename", "unlink", "rmdir", "fsync")
    real = {name: getattr(os, name) for name in steps}
    for ending in range(200):
        left = ending

        def step(name: str) -> Callable[..., Any]:
            def do(*arguments: Any, **options: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    raise Killed
                return real[name](*arguments, **options)

            return do

        with monkeypatch.context() as patch:
            for name in steps:
                patch.setattr(os, name, step(name))
            # pathlib keeps its own names of them.
            patch.setattr(Path, "replace", lambda path, to: os.replace(path, to))
            patch.setattr(Path, "rename", lambda path, to: os.rename(path, to))
            patch.setattr(
                Path, "unlink", lambda path, missing_ok=False: path.exists() and os.unlink(path)
            )
            try:
                survey(f"ended-{ending}")
            except Killed:
                pass
            else:
                break
        path = survey(f"ended-{ending}")
        assert rows_of(path) == wanted, ending
        assert not path.with_name(f"{path.name}.parts").exists()
    assert 10 < ending < 199


@pytest.mark.posix
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_killed_survey_goes_on(tmp_path: Path, hfkv: Run, workers: str) -> None:
    """SIGKILL to the command, again and again: what is written stays, and no worker is left."""
    # So many that a busy machine does not end the survey between two looks at it.
    count = 1600
    table = cards(tmp_path / "cards.jsonl", count)
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "hfkv", "survey", "--cards", str(table), "-o", str(out)]
    command += ["--workers", workers, "-q"]
    parts = out.with_name("out.jsonl.parts")
    for wanted in (1, 3):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 60
            while len(list(parts.glob("[0-9]*.jsonl"))) < wanted and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            children = _children(process.pid)
            process.kill()
        assert len(children) == (int(workers) if workers != "1" else 0)
        deadline = time.monotonic() + 10
        while any(map(_alive, children)):
            assert time.monotonic() < deadline, "a worker outlives the survey"
            time.sleep(0.05)
    before = {path.name: path.stat().st_mtime_ns for path in parts.glob("[0-9]*.jsonl")}
    assert before
    assert not out.exists()
    code, said, err = hfkv(*command[3:-1], "--json")
    assert code == 0, err
    value = json.loads(said)
    assert value["models"] == value["rows"] == count
    assert value["answered"] == count - 64 * len(before)
    rows = rows_of(out)
    assert [row["model"] for row in rows] == [f"org/model-{number}" for number in range(count)]


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    if not path.exists():
        pytest.skip("needs /proc")
    return [int(child) for child in path.read_text().split()]


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.posix
def test_a_killed_worker_costs_nothing_but_time(tmp_path: Path, hfkv: Run) -> None:
    table = cards(tmp_path / "cards.jsonl", 500)
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "hfkv", "survey", "--cards", str(table), "-o", str(out)]
    with subprocess.Popen(
        [*command, "--workers", "2", "--json"], stdout=subprocess.PIPE, text=True
    ) as process:
        parts = out.with_name("out.jsonl.parts")
        while not list(parts.glob("[0-9]*.jsonl")) and process.poll() is None:
            time.sleep(0.01)
        os.kill(_children(process.pid)[0], signal.SIGKILL)
        said = process.communicate(timeout=120)[0]
    assert process.returncode == 0
    assert json.loads(said)["rows"] == 500
    assert len({row["model"] for row in rows_of(out)}) == 500


@pytest.mark.posix
@pytest.mark.posix
def test_ctrl_c_ends_at_once_and_says_how_to_go_on(tmp_path: Path) -> None:
    table = cards(tmp_path / "cards.jsonl", 5000)
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "hfkv", "survey", "--cards", str(table), "-o", str(out)]
    with subprocess.Popen(
        [*command, "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job has it ignored, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        parts = out.with_name("out.jsonl.parts")
        while not list(parts.glob("[0-9]*.jsonl")) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "the same command goes on" in err
    assert "Traceback" not in err


class Deadly(Threads):
    """Workers that one model kills."""

    def submit(self, task: bytes) -> Any:
        from concurrent.futures import Future

        from hfkv.surveys.crews import LostError

        if b"org/model-3" not in task:
            return super().submit(task)
        future: Future[bytes] = Future()
        future.set_exception(LostError())
        return future


def test_a_model_that_kills_its_workers_is_a_row(tmp_path: Path) -> None:
    asked = of_cards(cards(tmp_path / "cards.jsonl", 9), Columns())
    out = Output.of(tmp_path / "out.jsonl")
    progress: list[Progress] = []
    done = run_module.write(asked, Question(), out, lambda: Deadly(), tell=progress.append)
    rows = rows_of(out.path)
    assert [row["error_type"] for row in rows] == [None] * 3 + ["SourceError"] + [None] * 5
    assert rows[3]["passing"] is True
    assert done.errors == {"SourceError": 1}
    assert done.progress is not None
    assert done.progress.lost == 6


# -- what is there already -----------------------------------------------------------------


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "ids.txt"
    path.write_text("\n".join(snapshot_names()[:3]))
    return path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-r", "8"), "another question"),
        (("--tokens", "10"), "another question"),
        (("--source", "cache"), "another source"),
    ],
)
def test_other_options_are_not_mixed_in(
    hfkv: Run, listed: Path, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    out = tmp_path / "out.jsonl"
    command = ("survey", str(listed), "-o", str(out), "--source", "snapshot")
    assert hfkv(*command)[0] == 0
    before = out.read_bytes()
    code, _, err = hfkv(*command, *options)
    assert code == 1
    assert said in err
    assert err.count("\n") == 1
    assert out.read_bytes() == before
    assert "done already" in hfkv(*command)[1]


def test_of_another_version(
    hfkv: Run, listed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.jsonl"
    command = ("survey", str(listed), "-o", str(out), "--source", "snapshot")
    assert hfkv(*command)[0] == 0
    monkeypatch.setattr(run_module, "__version__", "9.9.9")
    monkeypatch.setattr("hfkv.surveys.work.__version__", "9.9.9")
    code, _, err = hfkv(*command)
    assert code == 1
    assert "another version of hfkv" in err
    code, said, err = hfkv(*command, "--update", "--json")
    assert code == 0, err
    assert json.loads(said)["kept"] == 0
    manifest = json.loads((tmp_path / "out.jsonl.manifest.json").read_text())
    assert manifest["hfkv"] == "9.9.9"
    (tmp_path / "out.jsonl.manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    code, _, err = hfkv(*command)
    assert code == 1
    assert "newer hfkv" in err


def test_what_is_no_survey_is_left_alone(hfkv: Run, listed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("precious")
    code, _, err = hfkv("survey", str(listed), "-o", str(out), "--source", "snapshot")
    assert code == 1
    assert "is no survey" in err
    assert out.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hf-home", "ids.txt", "out.jsonl"]


@pytest.mark.posix
def test_two_at_once_are_refused(hfkv: Run, listed: Path, tmp_path: Path) -> None:
    out = Output.of(tmp_path / "out.jsonl")
    with out.writing():
        code, _, err = hfkv("survey", str(listed), "-o", str(out.path), "--source", "snapshot")
    assert code == 1
    assert "another survey is writing" in err


@pytest.mark.posix
def test_an_output_that_cannot_be_written(hfkv: Run, listed: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out.jsonl"
    code, _, err = hfkv("survey", str(listed), "-o", str(out), "--source", "snapshot")
    assert code == 1
    assert "cannot be written" in err
    assert err.count("\n") == 1


def test_a_full_disk_is_said_and_gone_on_from(
    hfkv: Run, listed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.jsonl"
    command = ("survey", str(listed), "-o", str(out), "--source", "snapshot")

    def full(self: Writer, body: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "body", full)
        code, _, err = hfkv(*command)
    assert code == 1
    assert "No space left on device" in err
    assert "run the same again" in err
    assert hfkv(*command)[0] == 0
    assert len(rows_of(out)) == 3


def test_without_pyarrow_it_is_said(
    hfkv: Run, listed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hfkv.surveys.output.has_arrow", lambda: False)
    monkeypatch.setattr("hfkv.surveys.formats.has_arrow", lambda: False)
    out = tmp_path / "out.parquet"
    code, _, err = hfkv("survey", str(listed), "-o", str(out), "--source", "snapshot")
    assert code == 0
    assert "written in lines of JSON" in err
    assert len(rows_of(tmp_path / "out.jsonl")) == 3
    code, _, err = hfkv("survey", "show", str(cards(tmp_path / "x.parquet", 1)))
    assert code == 1
    assert "hfkv[survey]" in err


def test_a_list_of_one_that_is_no_survey(tmp_path: Path) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text('{"id": "a"}\n')
    with pytest.raises(RecordError, match="no column model"):
        rows_of(path)


def test_ids_from_python_are_read_once(tmp_path: Path) -> None:
    asked = of_ids(iter(["a/b", "a/b@v1", "a/b"]), Columns())
    assert list(asked.items()) == [{"model": "a/b"}, {"model": "a/b", "revision": "v1"}]
    assert asked.duplicates == 1
    asked.close()
