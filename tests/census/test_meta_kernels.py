"""torch's compiled kernels say of tensors without values what its rules in Python say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.oracle

ROOT = Path(__file__).parents[2]
#: One of each kind of layer, with the ways to run what asks for values.
TYPES = "bert deepseek_v3 gemma3_text gpt_oss lfm2 mamba2 qwen3_next t5 whisper zamba2".split()
SCRIPT = """
import json, sys
from hfkv.generate.meta_kernels import compiled_shapes
from hfkv.generate.trials import default_config
from hfkv.live.build import build, pairs
from hfkv.live.filled_cache import read_cache, run
taken = compiled_shapes() if sys.argv[1] == "compiled" else 0
found = {}
for model_type, name in pairs():
    if model_type in sys.argv[2:]:
        found[name] = read_cache(run(build(default_config(model_type), name=name), 5))
print(json.dumps([taken, found]))
"""


def test_compiled_kernels_keep_the_same() -> None:
    def kept(how: str) -> list[object]:
        command = [sys.executable, "-c", SCRIPT, how, *TYPES]
        told = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        found: list[object] = json.loads(told.stdout.splitlines()[-1])
        return found

    (none, by_rules), (taken, by_kernels) = kept("rules"), kept("compiled")
    assert none == 0
    assert taken, "this torch keeps its rules otherwise: the census is slower, not wrong"
    assert by_rules == by_kernels
    assert isinstance(by_rules, dict)
    assert len(by_rules) >= len(TYPES)
