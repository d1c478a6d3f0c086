"""What reading headers costs: ``python -m tests.benchmarks.bench_header``.

The header of a DeepSeek-V3 in one file (92,000 tensors, 12 MB) beside Python's own JSON reader,
and a GGUF header with a vocabulary of 260,000 entries and 580,000 merges. Best of five in
processor time, and peak memory.
"""

from __future__ import annotations

import json
import struct
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from hfkv.source.gguf import read_gguf
from hfkv.source.safetensors_header import parse_header
from hfkv.source.snapshot import read_snapshot
from tests.fuzz.gguf_bytes import gguf, text
from tests.hub.server import safetensors


def _best(run: Callable[[], Any]) -> float:
    times = []
    for _ in range(5):
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return min(times)


def _peak(run: Callable[[], Any]) -> float:
    tracemalloc.start()
    kept = run()
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    del kept
    return peak


def _vocabulary() -> bytes:
    texts = [struct.pack("<IIQ", 9, 8, 262_144), *(text(f"tok{n}") for n in range(262_144))]
    merges = [struct.pack("<IIQ", 9, 8, 580_000), *(text(f"mer{n} ge") for n in range(580_000))]
    keys = {"general.architecture": "llama", "t": b"".join(texts), "m": b"".join(merges)}
    return gguf(keys)


def main() -> None:
    """Print a line for each."""
    table = read_snapshot("deepseek-ai/DeepSeek-V3").tensors
    assert table is not None
    raw = safetensors(table).head[8:]
    words = _vocabulary()
    runs: list[tuple[str, Callable[[], Any]]] = [
        (f"json.loads, {len(raw):,} B", lambda: json.loads(raw)),
        (f"parse_header, {len(table):,} tensors", lambda: parse_header(raw, where="m")),
        (
            f"read_gguf, {len(words):,} B",
            lambda: read_gguf(lambda begin, end: words[begin:end], where="m"),
        ),
    ]
    for name, run in runs:
        print(f"{name:40} {1000 * _best(run):7.0f} ms {_peak(run):7.1f} MB peak")


if __name__ == "__main__":
    main()
