"""How many models a second a survey answers, on one process and on two, and in what memory.

    python -m tests.benchmarks.bench_survey [MODELS] [--cards N] [--many N] [--dask]

The Hub is the local one, 50 ms away and without a limit, in a process of its own; models are small
variations of bundled ones, read for the first time. Cards are of 6 KB, as the median card is, each
read by the reader. ``--many`` asks about so many cards of one line, for the memory that a long list
takes. ``--dask`` has a scheduler and one or two workers do the same.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.survey.zoo import ids

#: What is aimed at on two cores, a second.
AIMS = {"hub": 60, "cards": 300}
_WORDS = "the model was evaluated on several benchmarks and its weights are released for research "


def card(number: int) -> str:
    """A card of 6 KB with a table, a link, code, and a sentence on training."""
    filler = "\n\n".join(f"## Section {part}\n\n" + _WORDS * 5 for part in range(11))
    return (
        "---\nlicense: apache-2.0\nlanguage: en\n---\n"
        f"# Model {number}\n\nIt was pretrained on {number % 12 + 3} trillion tokens of text.\n\n"
        "| benchmark | score |\n|---|---|\n| MMLU | 61.2 |\n\n```python\nprint(1)\n```\n\n" + filler
    )


@contextmanager
def zoo(count: int) -> Iterator[str]:
    """The local Hub's address."""
    command = [sys.executable, "-m", "tests.survey.zoo", str(count), "--latency", "0.05"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


@contextmanager
def dask(workers: int, environment: dict[str, str]) -> Iterator[str]:
    """A scheduler and its workers, as processes of their own; its address for ``--on``."""
    run = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "scheduler.json"
        quiet: dict[str, Any] = {"stderr": subprocess.DEVNULL, "env": environment}
        started = [subprocess.Popen([*run, "--scheduler-file", str(place)], **quiet)]
        work = [sys.executable, "-m", "distributed.cli.dask_worker", "--no-nanny", "--no-dashboard"]
        work += ["--nthreads", "2", "--scheduler-file", str(place), "--local-directory", folder]
        try:
            while not place.exists():
                time.sleep(0.1)
            started += [subprocess.Popen(work, **quiet) for _ in range(workers)]
            address = json.loads(place.read_text(encoding="utf-8"))["address"]
            yield "dask://" + address.partition("://")[2]
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait()


def survey(arguments: list[str], environment: dict[str, str]) -> dict[str, float]:
    """One run: seconds, models a second, the largest process in MB, processor ms a model."""
    command = [sys.executable, "-m", "hfkv", "survey", *arguments, "--json"]
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = [0.0]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
        watcher.start()
        said = process.communicate()[0]
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"failed: {command}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    value = json.loads(said)
    rate = value["models_per_second"]
    asked = sum(value["requests"].values()) / value["models"]
    cpu = 1000 * spent / value["models"]
    return {"seconds": seconds, "rate": rate, "MB": peak[0], "requests": asked, "cpu": cpu}


def _watch(process: subprocess.Popen[str], peak: list[float]) -> None:
    """The largest resident size of the process and of its workers, where the system says."""
    while process.poll() is None:
        pids = [str(process.pid)]
        try:
            pids += Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            for pid in pids:
                for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith("VmHWM:"):
                        peak[0] = max(peak[0], int(line.split()[1]) / 1024)
        except OSError:
            pass
        time.sleep(0.05)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("models", type=int, nargs="?", default=600)
    parser.add_argument("--cards", type=int, default=3000)
    parser.add_argument("--many", type=int, default=0)
    parser.add_argument("--dask", action="store_true")
    options = parser.parse_args()
    os.chdir(Path(__file__).parents[2])
    plain = {**os.environ, "PYTHONPATH": os.getcwd()}
    plain.pop("HF_HUB_OFFLINE", None)
    print(f"{'':34}{'models/s':>10}{'seconds':>9}{'peak MB':>9}{'requests':>10}{'cpu ms':>8}")
    with tempfile.TemporaryDirectory() as folder, zoo(options.models) as url:
        place = Path(folder)
        (place / "ids.txt").write_text("\n".join(ids(options.models)), encoding="utf-8")
        for name, count in (("cards", options.cards), ("many", options.many)):
            with (place / f"{name}.jsonl").open("w", encoding="utf-8") as file:
                for number in range(count):
                    text = card(number) if name == "cards" else "It saw 2T tokens."
                    file.write(json.dumps({"id": f"org/model-{number}", "card": text}) + "\n")
        runs = [("hub", [str(place / "ids.txt")], 1), ("hub", [str(place / "ids.txt")], 2)]
        runs += [("cards", ["--cards", str(place / "cards.jsonl")], 1) for _ in (1,)]
        runs += [("cards", ["--cards", str(place / "cards.jsonl")], 2)]
        runs += [("many", ["--cards", str(place / "many.jsonl")], 2)] if options.many else []
        for number, (kind, arguments, workers) in enumerate(runs):
            home = {**plain, "HF_ENDPOINT": url, "HF_HOME": str(place / f"home-{number}")}
            out = ["-o", str(place / f"out-{number}.jsonl")]
            found = survey([*arguments, *out, "--workers", str(workers)], home)
            _print(f"{kind}, {workers} of this machine", kind, workers, found)
            if options.dask and kind != "many":
                home["HF_HOME"] += "-dask"
                with dask(workers, home) as address:
                    out = ["-o", str(place / f"dask-{number}.jsonl"), "--on", address]
                    found = survey([*arguments, *out], home)
                _print(f"{kind}, {workers} of Dask", kind, workers, found)


def _print(what: str, kind: str, workers: int, found: dict[str, float]) -> None:
    verdict = ""
    if workers == 2 and kind in AIMS:
        met = "met" if found["rate"] >= AIMS[kind] else "MISSED"
        verdict = f"  aim {AIMS[kind]}/s: {met}"
    print(
        f"{what:34}{found['rate']:10.1f}{found['seconds']:9.1f}{found['MB']:9.0f}"
        f"{found['requests']:10.1f}{found['cpu']:8.1f}{verdict}",
        flush=True,
    )


if __name__ == "__main__":
    main()
