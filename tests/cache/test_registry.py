"""The registry: one row per type, each in the file of its family, which alone is imported."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from hfkv.cache import ROWS, plan
from hfkv.cache.registry import ADOPTED, FAMILIES
from hfkv.cache.row import Row, table
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.config import Config
from hfkv.generate.cache_rows import TARGET, generate


def test_the_index_is_what_the_files_hold() -> None:
    assert json.loads(TARGET.read_text("utf-8")) == generate() == dict(FAMILIES)
    assert len(ROWS) == len(list(ROWS)) == len(FAMILIES) + len(ADOPTED)
    assert "llama" in ROWS
    # Exactly: no prefix, no other case.
    assert not {"llam", "Llama", "llama ", ""} & set(ROWS)
    with pytest.raises(KeyError):
        ROWS["Llama"]


def test_two_rows_for_one_type_are_refused() -> None:
    with pytest.raises(ValueError, match="two rows for llama"):
        table(("llama mistral", Row()), ("gpt2 llama", Row()))


@pytest.mark.parametrize(
    ("config", "families"),
    [
        ({"model_type": "llama"}, {"full_attention"}),
        ({"model_type": "gemma3"}, {"composite", "gemma"}),
        ({"model_type": "qwen3_next"}, {"hybrid_linear"}),
    ],
)
def test_a_model_imports_its_own_family(config: dict[str, str], families: set[str]) -> None:
    code = (
        "import sys; from hfkv.cache import plan; from hfkv.facts.config import Config;"
        f"plan(Config({config!r}, where='m'));"
        "start = 'hfkv.cache.rows.';"
        "print(*(name[len(start):] for name in sys.modules if name.startswith(start)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(out.stdout.split()) == families


def test_every_row_has_one_rule() -> None:
    for model_type, row in ROWS.items():
        ways = [row.rule is not None, bool(row.inner), bool(row.as_type)]
        assert ways.count(True) == 1, model_type
        assert (row.basis == "documented") == bool(row.source), model_type


def test_a_row_that_delegates_reads_the_file_as_the_other_type() -> None:
    file = {
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "hidden_size": 64,
    }
    kinds = plan(Config({"model_type": "mimo", **file}, where="m")).kinds
    assert kinds == plan(Config({"model_type": "qwen2", **file}, where="m")).kinds
    with pytest.raises(ConfigError, match="hidden_size"):
        plan(
            Config(
                {"model_type": "mimo", "num_hidden_layers": 3, "num_attention_heads": 4}, where="m"
            )
        )
    note = plan(Config({"model_type": "kimi_k2"}, where="m")).notes[-1]
    assert note.startswith("counted as transformers holds it for deepseek_v3")
    inner = {"model_type": "internvl_chat", "llm_config": {"model_type": "unheard_of"}}
    with pytest.raises(UnsupportedError, match="unheard_of"):
        plan(Config(inner, where="m"))
