"""What a class does with an older file: keys at the top, keys under names it no longer states."""

from __future__ import annotations

import pytest

from hfkv.cache import plan
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.config import Config
from tests.cache.test_figure import size

#: The published Qwen2-VL-7B, whose file has no text_config.
FLAT = {
    "model_type": "qwen2_vl",
    "hidden_size": 3584,
    "num_attention_heads": 28,
    "num_hidden_layers": 28,
    "num_key_value_heads": 4,
    "torch_dtype": "bfloat16",
    "use_sliding_window": False,
    "sliding_window": 32768,
    "vision_config": {"depth": 32, "hidden_size": 3584},
}


def test_a_flat_file_is_taken_into_the_nested_config() -> None:
    assert size(FLAT, 100) == 100 * 28 * 2 * 4 * 128 * 2
    config = Config(FLAT, where="test")
    plan(config)
    explicit = {read.key for read in config.reads if read.origin == "explicit"}
    assert "num_key_value_heads" in explicit


def test_a_nested_config_hides_the_top() -> None:
    nested = {**FLAT, "text_config": {"num_hidden_layers": 2, "num_key_value_heads": 1}}
    # What stands at the top contradicts what the class takes: its own 64 heads of 8192 / 64.
    with pytest.raises(UnsupportedError, match="hidden_size is 3584"):
        size(nested, 100)
    assert size(nested, 100, crosscheck=False) == 100 * 2 * 2 * 1 * 128 * 2


def test_a_name_that_the_class_still_reads() -> None:
    bloom = {"model_type": "bloom", "n_layer": 2, "n_head": 4, "torch_dtype": "float16"}
    assert size({**bloom, "n_embed": 32}, 10) == size({**bloom, "hidden_size": 32}, 10)
    # Both: the old name wins there; null is no name.
    both = {**bloom, "n_embed": 32, "hidden_size": 64}
    assert size(both, 10) == size({**bloom, "hidden_size": 32}, 10)
    assert size({**both, "n_embed": None}, 10) == size({**bloom, "hidden_size": 64}, 10)


def test_infinity_may_be_written_as_an_object() -> None:
    config = {"model_type": "mamba2", "torch_dtype": "bfloat16"}
    odd = {**config, "time_step_limit": [0.0, {"__float__": "Infinity"}]}
    assert size(odd, 10) == size(config, 10)


def test_an_attention_that_the_class_does_not_know() -> None:
    mpt = {"model_type": "mpt", "torch_dtype": "bfloat16", "attn_config": {}}
    assert size({**mpt, "attn_config": {"attn_type": "multiquery_attention"}}, 9) == size(mpt, 9)
    with pytest.raises(ConfigError, match=r"attn_config\.attn_type"):
        size({**mpt, "attn_config": {"attn_type": "grouped_query_attention"}}, 9)
