"""A hundred thousand models take no more memory than a thousand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: The rows are made up, as their figures take time and not memory; all else is as it is.
CODE = """
import sys
from pathlib import Path
import hfkv.surveys.work as work
from hfkv.surveys.asked import Columns, of_ids
from hfkv.surveys.crews import Threads
from hfkv.surveys.columns import NAMES
from hfkv.surveys.output import Output
from hfkv.surveys.question import Question
from hfkv.surveys.run import write

def answer(item, kind, question, place):
    return [dict.fromkeys(NAMES) | {"model": item["model"], "pretraining_quote": "q" * 200,
                                    "kv_cache_bytes": 2**40, "notes": ["n" * 100]}]

work.answer = answer
work.overlap = lambda one, items: [one(item) for item in items]
asked = of_ids((f"organization/model-{number}" for number in range(int(sys.argv[1]))), Columns())
done = write(asked, Question(), Output.of(sys.argv[2]), lambda: Threads())
asked.close()
(peak,) = [l for l in Path("/proc/self/status").read_text().splitlines() if l[:6] == "VmHWM:"]
print(done.manifest["rows"], int(peak.split()[1]) // 1024)
"""
MOST_MB = 500


@pytest.mark.oracle
@pytest.mark.posix
@pytest.mark.parametrize("encoding", ["jsonl", "parquet"])
def test_a_hundred_thousand(tmp_path: Path, encoding: str) -> None:
    if encoding == "parquet":
        pytest.importorskip("pyarrow", reason="comes with hfkv[survey]")
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc: what a process inherits counts in getrusage")
    sizes = {}
    for count in (2_000, 100_000):
        out = str(tmp_path / f"{count}.{encoding}")
        command = [sys.executable, "-c", CODE, str(count), out]
        done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
        assert done.returncode == 0, done.stderr
        rows, sizes[count] = map(int, done.stdout.split())
        assert rows == count
    print(sizes)
    assert sizes[100_000] < MOST_MB
    assert sizes[100_000] - sizes[2_000] < 100
