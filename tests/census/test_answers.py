"""Classes that ask meta tensors for values: the same cache as a small real model on the CPU."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.live.build import build, config_of
from hfkv.live.filled_cache import read_cache, run

pytestmark = pytest.mark.oracle

_BERT = {
    "hidden_size": 32,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "intermediate_size": 32,
    "vocab_size": 64,
    "is_decoder": True,
}
_T5 = {"d_model": 32, "num_heads": 4, "d_kv": 8, "d_ff": 32, "num_layers": 2, "vocab_size": 64}
_BART = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "vocab_size": 64,
}
_PROPHET = {
    "hidden_size": 32,
    "num_encoder_layers": 2,
    "num_decoder_layers": 2,
    "num_encoder_attention_heads": 4,
    "num_decoder_attention_heads": 4,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "vocab_size": 64,
}
CONFIGS: list[dict[str, Any]] = [
    {"model_type": "big_bird", **_BERT},
    {"model_type": "megatron-bert", **_BERT},
    {"model_type": "rembert", "input_embedding_size": 32, "output_embedding_size": 32, **_BERT},
    {"model_type": "roformer", **_BERT},
    {"model_type": "xmod", **_BERT},
    {"model_type": "prophetnet", **_PROPHET},
    {"model_type": "prophetnet", "architectures": ["ProphetNetForCausalLM"], **_PROPHET},
    {"model_type": "nllb-moe", "num_experts": 4, **_BART},
    {"model_type": "switch_transformers", "num_experts": 4, "num_decoder_layers": 2, **_T5},
]


@pytest.mark.parametrize("raw", CONFIGS, ids=lambda raw: str(raw["model_type"]))
def test_the_same_cache_as_on_the_cpu(raw: dict[str, Any]) -> None:
    held = [
        read_cache(run(build(config_of(raw), device=device), 9, encoder_tokens=5))
        for device in ("meta", "cpu")
    ]
    assert held[0] == held[1]
    assert held[0][0]
