"""Whole-process time of `hfkv --help` and of an offline `compare`, as a ratio to importing click.

Run as `python tests/benchmarks/bench_startup.py`; prints medians of interleaved runs.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

RUNS = 15
COMMANDS = {
    "import click": [sys.executable, "-c", "import click"],
    "hfkv --help": [sys.executable, "-m", "hfkv", "--help"],
    "offline compare": [sys.executable, "-m", "hfkv", "compare", "meta-llama/Meta-Llama-3-70B"],
}
#: What is aimed at, as a ratio to importing click.
AIMS = {"hfkv --help": 3, "offline compare": 5}


def measure() -> dict[str, float]:
    """Median seconds of each command, their runs interleaved so that drift hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    for run in range(RUNS + 1):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
            if run:  # the first run warms the file cache
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Print the medians and ratios."""
    medians = measure()
    base = medians["import click"]
    for name, seconds in medians.items():
        aim = f" (aim {AIMS[name]}x)" if name in AIMS else ""
        print(f"{name:16} {1000 * seconds:7.1f} ms  {seconds / base:5.2f}x{aim}")


if __name__ == "__main__":
    main()
