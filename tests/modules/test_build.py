"""The one way from facts to modules, and what it leaves alone."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from hfkv.errors import UnsupportedError
from hfkv.facts.config import Config
from hfkv.modules.build import build
from hfkv.modules.by_plan import by_plan
from hfkv.modules.checkpoint import by_table
from tests.peft.tiny import facts

#: What a model with a table, a plan and a plain header has no use for.
UNUSED = (
    "modules.composites",
    "modules.documented",
    "modules.inferred",
    "modules.rules",
    "modules.shared_blocks",
    "peft.lora.replication",
    "peft.modules_to_save",
    "peft.prompts",
    "peft.tying",
)
SCRIPT = (
    "import hfkv, sys\n"
    "(item,) = hfkv.compare('meta-llama/Meta-Llama-3-70B', source='snapshot')\n"
    "assert item.lora is not None\n"
    f"print([name for name in {UNUSED!r} if f'hfkv.{{name}}' in sys.modules])\n"
)


def test_a_comparison_imports_one_of_the_ways_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_plan_and_the_table_give_the_same_modules() -> None:
    known = facts()
    assert known.config is not None
    assert known.tensors is not None
    config = Config(known.config, where="tiny")
    planned = by_plan(config)
    joined = by_table(config, known.tensors, where="tiny")
    assert planned.shapes() == joined.shapes()
    assert [module.name for module in planned.modules] == [m.name for m in joined.modules]
    assert build(known) == joined
    assert build(replace(known, tensors=None)).modules == planned.modules


def test_a_model_without_a_config_is_refused_with_the_reason() -> None:
    bare = replace(facts(), config=None, missing={"config.json": "it is gated"})
    with pytest.raises(UnsupportedError, match="it is gated"):
        build(bare)
