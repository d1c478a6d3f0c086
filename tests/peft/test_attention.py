"""``torch.nn.MultiheadAttention`` as a target, against PEFT."""

from __future__ import annotations

from typing import Any

import pytest

from tests.peft.against import both, check

pytestmark = pytest.mark.oracle


def _config() -> Any:
    transformers = pytest.importorskip("transformers")
    part = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    return transformers.Gemma3Config(
        text_config={**part, "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 300},
        vision_config={**part, "image_size": 28, "patch_size": 14, "vision_use_head": True},
        mm_tokens_per_image=4,
    )


_NAME = "Gemma3ForConditionalGeneration"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"target_modules": ["attention", "q_proj"], "lora_bias": True},
        {"bias": "lora_only"},
        {"bias": "all"},
        {"use_dora": True},
        {"rank_pattern": {"attention": 2}},
        {"rank_pattern": {"out_proj": 2}},
        {"init_lora_weights": "gaussian"},
        {"init_lora_weights": "olora"},
        {"init_lora_weights": "mica"},
        {"init_lora_weights": "nonsense"},
        {"target_parameters": ["probe"]},
        {"target_parameters": ["attention.in_proj_weight"]},
        {"target_modules": ["q_proj"], "target_parameters": ["attention.in_proj_weight"]},
        {"fan_in_fan_out": True},
        {"modules_to_save": ["head"]},
        {"modules_to_save": ["out_proj"]},
        {"kasa_config": {}},
        {"monteclora_config": {}},
    ],
    ids=str,
)
def test_both_projections(options: dict[str, Any]) -> None:
    check(_config(), _NAME, {"r": 4, "target_modules": ["attention"], **options})


def test_an_adapter_on_an_adapter_is_refused() -> None:
    mine, _ = both(_config(), _NAME, {"r": 4, "target_modules": r".*attention.*"})
    assert "an adapter on an adapter" in mine
