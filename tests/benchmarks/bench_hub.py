"""hfkv against hf-mem and huggingface_hub's get_safetensors_metadata, side by side.

All three read the same models off the same local Hub, 50 ms away, each run in a process of its
own from its start to its end, interleaved so that a busy machine hits all alike. Printed per
model: requests, sequential rounds, medians of wall time, processor time and peak memory, and the
ratios to the better peer. Run as `python -m tests.benchmarks.bench_hub [RUNS] [--tls]`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.hub_process import MODELS
from tests.hub.server import CERTIFICATE

_HFKV = """
import sys
from hfkv.model import load
load(sys.argv[1], revision=sys.argv[2] or None, source=sys.argv[3])
"""
_HUGGINGFACE_HUB = """
import sys
from huggingface_hub import get_safetensors_metadata
from huggingface_hub.utils import disable_progress_bars
disable_progress_bars()
get_safetensors_metadata(sys.argv[1])
"""
#: hf-mem knows one address only, so its client is pointed to the local Hub.
_HF_MEM = """
import asyncio, os, sys
import httpx2
real = httpx2.AsyncClient.get
local = os.environ["HF_ENDPOINT"]
async def get(self, url, **options):
    return await real(self, url.replace("https://huggingface.co", local), **options)
httpx2.AsyncClient.get = get
from hf_mem.run import arun
asyncio.run(arun(model_id=sys.argv[1], revision="main"))
"""
#: What is aimed at: wall time as a ratio to the better peer's.
AIMS = {"meta-llama/Meta-Llama-3-70B": 0.5, "deepseek-ai/DeepSeek-V3": 0.35}
#: Seconds in all, with the cache warm.
WARM = 0.25


@contextmanager
def local_hub(model: str, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """The server process."""
    command = [sys.executable, "-m", "tests.benchmarks.hub_process", model, *flags]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.stdin.close()


def told(process: subprocess.Popen[str], question: str = "") -> dict[str, Any]:
    """A line of the server, after asking for it."""
    if question:
        process.stdin.write(question + "\n")
        process.stdin.flush()
    return json.loads(process.stdout.readline())


def once(code: str, arguments: list[str], url: str, home: str) -> dict[str, float]:
    """One run: seconds from start to end, processor seconds, peak MB."""
    environment = {**os.environ, "HF_ENDPOINT": url, "HF_HOME": home, "HF_HUB_DISABLE_XET": "1"}
    # As installed packages are: compiled, for all contenders alike.
    environment["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "hfkv-bench-pycache")
    environment["SSL_CERT_FILE"] = str(CERTIFICATE)
    for name in ("HF_HUB_OFFLINE", "PYTHONDONTWRITEBYTECODE"):
        environment.pop(name, None)
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments], env=environment, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"failed: {arguments}\n{code}")
    return {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak MB": usage.ru_maxrss / 1024,
    }


def compare(model: str, runs: int, *flags: str) -> dict[str, dict[str, float]]:
    """Medians of each contender, and what the server saw of one run."""
    contenders = {
        "hfkv": (_HFKV, [model, "", "auto"]),
        "hf-mem": (_HF_MEM, [model]),
        "huggingface_hub": (_HUGGINGFACE_HUB, [model]),
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
    warm: dict[str, list[dict[str, float]]] = {"hfkv, warm": [], "hfkv, warm, pinned": []}
    with local_hub(model, *flags) as hub, tempfile.TemporaryDirectory() as kept:
        address = told(hub)
        for run in range(runs + 1):
            for name, (code, arguments) in contenders.items():
                with tempfile.TemporaryDirectory() as home:
                    value = once(code, arguments, address["url"], home)
                value.update(told(hub, "stats"))
                if run:  # the first run warms the machine's own caches
                    found[name].append(value)
            for name, revision in (("hfkv, warm", ""), ("hfkv, warm, pinned", address["commit"])):
                value = once(_HFKV, [model, revision, "auto"], address["url"], kept)
                value.update(told(hub, "stats"))
                if run:
                    warm[name].append(value)
    return {
        name: {key: statistics.median(run[key] for run in values) for key in values[0]}
        for name, values in {**found, **warm}.items()
    }


def report(title: str, medians: dict[str, dict[str, float]], aim: float) -> None:
    """Print one model's table and ratios."""
    print(f"\n{title}")
    columns = {"requests": 9, "TLS": 5, "rounds": 8, "MB": 7, "wall s": 8, "cpu s": 8, "peak MB": 9}
    print(" " * 20 + "".join(f"{name:>{width}}" for name, width in columns.items()))
    for name, value in medians.items():
        print(
            f"{name:20}{value['requests']:9.0f}{value['connections']:5.0f}{value['rounds']:8.0f}"
            f"{value['bytes'] / 1e6:7.1f}{value['wall']:8.3f}{value['cpu']:8.3f}"
            f"{value['peak MB']:9.1f}"
        )
    peers = [medians["hf-mem"], medians["huggingface_hub"]]
    for key, wanted in (("wall", aim), ("cpu", 1.0), ("peak MB", 1.0)):
        ratio = medians["hfkv"][key] / min(peer[key] for peer in peers)
        verdict = "met" if ratio <= wanted else "MISSED"
        print(f"{key}: {ratio:.2f}x the better peer (aim {wanted}x: {verdict})")
    slowest = max(medians[name]["wall"] for name in ("hfkv, warm", "hfkv, warm, pinned"))
    print(f"warm: {slowest:.3f} s (aim {WARM} s: {'met' if slowest <= WARM else 'MISSED'})")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", type=int, nargs="?", default=5)
    parser.add_argument("--tls", action="store_true", help="over TLS")
    options = parser.parse_args()
    secure = ("--tls",) if options.tls else ()
    os.chdir(Path(__file__).parents[2])
    for model, shards in MODELS.items():
        for flags, words in (((), "header by header"), (("--whole",), "all headers in one")):
            medians = compare(model, options.runs, *flags, *secure)
            report(f"{model}, {shards} shards, {words}", medians, AIMS[model])


if __name__ == "__main__":
    main()
