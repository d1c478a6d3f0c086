"""Convolutions in groups as targets, against PEFT: their number follows from the config."""

from __future__ import annotations

from typing import Any

import pytest

from tests.peft.against import both, check

pytestmark = pytest.mark.oracle


def _config() -> Any:
    transformers = pytest.importorskip("transformers")
    return transformers.Qwen3NextConfig(
        vocab_size=96,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        layer_types=["linear_attention", "full_attention"],
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        linear_num_key_heads=1,
        linear_num_value_heads=2,
        linear_key_head_dim=4,
        linear_value_head_dim=4,
        num_experts=2,
        num_experts_per_tok=1,
        moe_intermediate_size=16,
        shared_expert_intermediate_size=16,
    )


_NAME = "Qwen3NextForCausalLM"
#: 2 x 1 x 4 for keys and queries, 2 x 4 for values.
_GROUPS = 16


@pytest.mark.parametrize(
    "options",
    [
        {"r": _GROUPS, "target_modules": ["conv1d"]},
        {"r": 3 * _GROUPS, "target_modules": ["conv1d", "q_proj"]},
        {"r": 8, "target_modules": ["conv1d", "q_proj"], "rank_pattern": {"conv1d": _GROUPS}},
    ],
)
def test_grouped(options: dict[str, Any]) -> None:
    check(_config(), _NAME, options)


def test_a_rank_that_the_groups_do_not_divide_is_refused_by_both() -> None:
    mine, theirs = both(_config(), _NAME, {"r": 8, "target_modules": ["conv1d"]})
    assert isinstance(mine, str)
    assert f"divisible by the {_GROUPS} groups" in mine
    assert isinstance(theirs, str)
