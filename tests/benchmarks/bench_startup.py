"""CPU time of a start: `hfkv --help` and an offline `compare` against `hf-mem --help`, and where it
goes.

Run as `python -m tests.benchmarks.bench_startup`. What is measured is a copy of the package with
compiled bytecode, as an installation has it. Prints medians of interleaved runs, then the shares:
imports by package (those of hfkv one by one), and what runs after them by package and function.
"""

from __future__ import annotations

import compileall
import os
import pstats
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

RUNS = 15
PACKAGE = Path(__file__).parents[2] / "hfkv"
COMPARE = ["compare", "meta-llama/Meta-Llama-3-70B"]
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import click": [sys.executable, "-c", "import click"],
    "hf-mem --help": ["hf-mem", "--help"],
    "hfkv --help": [sys.executable, "-m", "hfkv", "--help"],
    "compare": [sys.executable, "-m", "hfkv", *COMPARE],
}
PEER = "hf-mem --help"
#: What is aimed at, as a ratio to the peer.
AIMS = {"compare": 1.25}
_LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \| +([\w.]+)")


def _cpu(command: list[str], environment: dict[str, str]) -> float:
    """Seconds of processor time, of the process and of those that it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd=environment["PYTHONPATH"],
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(environment: dict[str, str]) -> dict[str, float]:
    """Median seconds of each command, their runs interleaved so that drift hits all alike."""
    commands = {name: command for name, command in COMMANDS.items() if shutil.which(command[0])}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for run in range(RUNS + 1):
        for name, command in commands.items():
            seconds = _cpu(command, environment)
            if run:  # the first run warms the file cache
                times[name].append(seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def _package(module: str) -> str:
    """``hfkv.cache``, ``click``; of the standard library the module."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "hfkv" else parts[0]


def imports(environment: dict[str, str], runs: int = 5) -> Counter[str]:
    """Seconds that the modules of each package take to import in a compare, without those that
    they import; the least of some runs for each module."""
    least: dict[str, float] = {}
    for _ in range(runs):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "hfkv", *COMPARE],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
            cwd=environment["PYTHONPATH"],
        )
        for match in _LINE.finditer(done.stderr):
            seconds = int(match[1]) / 1e6
            least[match[2]] = min(seconds, least.get(match[2], seconds))
    found: Counter[str] = Counter()
    for module, seconds in least.items():
        found[_package(module)] += seconds
    return found


def running(environment: dict[str, str]) -> tuple[Counter[str], Counter[str]]:
    """Profiled seconds of a compare in the functions of each package of hfkv, with the builtins
    that they call, and by function with the number of its calls. Imports are left out."""
    path = os.path.join(environment["PYTHONPATH"], "profile")
    subprocess.run(
        [sys.executable, "-m", "cProfile", "-o", path, "-m", "hfkv", *COMPARE],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd=environment["PYTHONPATH"],
    )
    stats = pstats.Stats(path).stats  # type: ignore[attr-defined]
    home = os.path.join(environment["PYTHONPATH"], "")
    packages: Counter[str] = Counter()
    functions: Counter[str] = Counter()

    def place(function: tuple[str, int, str]) -> str:
        file, _, name = function
        if not file.startswith(home) or name == "<module>":
            return ""
        return file.removeprefix(home).removesuffix(".py").replace(os.sep, ".") + f".{name}"

    calls: Counter[str] = Counter()
    for function, (_, number, own, _, callers) in stats.items():
        mine = place(function)
        if mine:
            calls[mine] += number
            functions[mine] += own
            packages[_package(mine)] += own
            continue
        for caller, (_, _, spent, _) in callers.items():
            if name := place(caller):
                functions[name] += spent
                packages[_package(name)] += spent
    named = Counter({f"{name}, {calls[name]:,} calls": spent for name, spent in functions.items()})
    return packages, named


def _print(title: str, found: Counter[str], most: int) -> None:
    print(f"\n{title}: {1000 * sum(found.values()):.0f} ms")
    for name, seconds in found.most_common(most):
        print(f"  {1000 * seconds:6.1f}  {name}")


def main() -> None:
    """Print the medians with their ratios, and the shares."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(PACKAGE, Path(folder) / "hfkv", ignore=shutil.ignore_patterns("generate"))
        compileall.compile_dir(folder, quiet=1)
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        medians = measure(environment)
        base = medians.get(PEER)
        for name, seconds in medians.items():
            ratio = "" if base is None else f"  {seconds / base:5.2f}x"
            aim = f" (at most {AIMS[name]}x)" if name in AIMS else ""
            print(f"{name:16} {1000 * seconds:7.1f} ms{ratio}{aim}")
        if base is None:
            print("hf-mem is not installed, so there are no ratios")
        found = imports(environment)
        ours = Counter({k: v for k, v in found.items() if k.split(".")[0] == "hfkv"})
        library = Counter({k: v for k, v in found.items() if k in sys.stdlib_module_names})
        others = found - ours - library
        _print("imports of hfkv, by package", ours, 20)
        _print("imports of other packages", others, 10)
        _print("imports of the standard library", library, 10)
        packages, functions = running(environment)
        _print("running (under the profiler), by package of hfkv", packages, 20)
        _print("running, by function", functions, 12)


if __name__ == "__main__":
    main()
