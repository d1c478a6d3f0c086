"""The same survey on a real cluster of Dask, whose parts are killed as it works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hfkv.surveys.formats import read_rows
from tests.survey.dask_processes import DaskCluster
from tests.survey.zoo import ids, plain

pytest.importorskip("distributed", reason="comes with hfkv[cluster]")
pytestmark = [pytest.mark.oracle, pytest.mark.posix]

Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[2]
COUNT = 2000
SECRET = "hf_test"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A Hub of a few thousand repositories, in a process of its own."""
    command = [sys.executable, "-m", "tests.survey.zoo", str(COUNT)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


@pytest.fixture
def cluster(url: str, tmp_path: Path) -> Iterator[DaskCluster]:
    environment = {"HF_ENDPOINT": url, "HF_TOKEN": SECRET, "HF_HOME": str(tmp_path / "store")}
    with DaskCluster(tmp_path / "dask", {**environment, "PYTHONPATH": str(ROOT)}) as running:
        yield running


def _start(url: str, tmp_path: Path, *arguments: str, count: int) -> subprocess.Popen[str]:
    (tmp_path / "ids.txt").write_text("\n".join(ids(count)))
    command = [sys.executable, "-m", "hfkv", "survey", str(tmp_path / "ids.txt"), *arguments]
    environment = {**os.environ, "HF_ENDPOINT": url, "PYTHONPATH": str(ROOT)}
    environment |= {"HF_TOKEN": SECRET, "HF_HOME": str(tmp_path / "home")}
    return subprocess.Popen(
        [*command, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def _finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=500)
    assert process.returncode == 0, err
    value: dict[str, Any] = json.loads(out)
    return value


def _until(parts: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while len(list(parts.glob("[0-9]*.*"))) < count:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_thousands_of_models_with_kills_equal_one_machine(
    url: str, cluster: DaskCluster, tmp_path: Path
) -> None:
    """A worker, the client and then the scheduler are killed; the table is that of one machine."""
    alone = tmp_path / "alone.parquet"
    _finished(_start(url, tmp_path, "-o", str(alone), "--workers", "2", count=COUNT))
    out = tmp_path / "cluster.parquet"
    parts = out.with_name("cluster.parquet.parts")
    arguments = ("-o", str(out), "--on")
    first = cluster.add()
    cluster.add()
    with _start(url, tmp_path, *arguments, cluster.on, count=COUNT) as process:
        _until(parts, 5, process)
        first.kill()
        _until(parts, 12, process)
        process.kill()
    with _start(url, tmp_path, *arguments, cluster.on, count=COUNT) as process:
        _until(parts, 20, process)
        cluster.scheduler.kill()
        err = process.communicate(timeout=100)[1]
    assert process.returncode == 1
    assert "the scheduler was lost" in err
    assert "Traceback" not in err
    again = {"PYTHONPATH": str(ROOT), "HF_ENDPOINT": url, "HF_TOKEN": SECRET}
    again["HF_HOME"] = str(tmp_path / "store")
    before = len(list(parts.glob("[0-9]*.parquet")))
    with DaskCluster(tmp_path / "dask-2", again) as other:
        other.add()
        other.add()
        value = _finished(_start(url, tmp_path, *arguments, other.on, count=COUNT))
        said = other.said()
    assert value["answered"] == COUNT + 3 - 32 * before
    found = list(read_rows(out))
    assert plain(found) == plain(list(read_rows(alone)))
    assert len(found) == COUNT + 3
    # No token in what was written, nor in what anybody said of the tasks.
    for text in (cluster.said(), said, err, json.dumps(value)):
        assert SECRET not in text
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.suffix in (".parquet", ".json", ".log"):
            assert SECRET.encode() not in path.read_bytes(), path


def test_a_worker_of_another_version_is_refused(
    url: str, cluster: DaskCluster, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "hfkv"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("__version__ = '0.0.1'\n")
    cluster.add()
    cluster.add(PYTHONPATH=str(other.parent))
    _two_workers(cluster)
    out = tmp_path / "out.jsonl"
    process = _start(url, tmp_path, "-o", str(out), "--on", cluster.on, count=3)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    (line,) = err.splitlines()
    assert "has hfkv 0.0.1; expected hfkv 0.1.0, as here" in line
    assert not out.exists()


def test_a_worker_that_comes_later_without_hfkv_is_refused(
    url: str, cluster: DaskCluster, tmp_path: Path
) -> None:
    first = cluster.add()
    out = tmp_path / "out.jsonl"
    parts = out.with_name("out.jsonl.parts")
    with _start(url, tmp_path, "-o", str(out), "--on", cluster.on, count=COUNT) as process:
        _until(parts, 2, process)
        empty = tmp_path / "empty" / "hfkv"
        empty.mkdir(parents=True)
        (empty / "__init__.py").write_text("")
        cluster.add(PYTHONPATH=str(empty.parent))
        _two_workers(cluster)
        first.kill()
        err = process.communicate(timeout=100)[1]
    assert process.returncode == 1
    assert "a worker has no hfkv" in err
    assert "Traceback" not in err


def _two_workers(cluster: DaskCluster) -> None:
    deadline = time.monotonic() + 60
    while cluster.said().count("Registered to:") < 2:
        assert time.monotonic() < deadline, cluster.said()
        time.sleep(0.05)


def test_a_cluster_that_is_none(url: str, cluster: DaskCluster, tmp_path: Path) -> None:
    process = _start(
        url, tmp_path, "-o", str(tmp_path / "o.jsonl"), "--on", "dask://127.0.0.1:9", count=3
    )
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "no scheduler answers" in err
    assert "Traceback" not in err
