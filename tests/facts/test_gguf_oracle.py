"""The rules for GGUF files beside those of the pinned transformers, where it has its own."""

from __future__ import annotations

import json

import pytest

from hfkv.ggml import TYPES
from tests.facts.test_gguf import CASES, _header, _model

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("case", ["lfm2", "qwen3_5_text", "qwen3_5_moe_text"])
def test_transformers_reads_the_same_config(case: str) -> None:
    from transformers.integrations.gguf import get_gguf_config

    metadata = json.loads(_header(case).to_json())
    metadata["tokenizer.ggml.tokens"] = metadata["tokenizer.ggml.tokens"]["entries"]
    names = tuple(tensor.name for tensor in _header(case).tensors)
    theirs = get_gguf_config(metadata, names)
    mine = _model(case).facts.config
    assert mine is not None
    shared = set(theirs) & set(mine)
    assert {"model_type", "num_hidden_layers", "num_key_value_heads"} <= shared
    assert {key: theirs[key] for key in shared} == {key: mine[key] for key in shared}


def test_transformers_counts_the_same_bytes_for_blocks() -> None:
    from transformers.integrations.gguf.dequant import GGML_BLOCK

    assert GGML_BLOCK
    for kind, block in GGML_BLOCK.items():
        assert TYPES[kind][1:] == tuple(block)


def test_transformers_loads_blocks_in_float32() -> None:
    import torch
    from transformers.integrations.gguf.reader import GgufHeader, TensorInfo

    def dtype(*kinds: int) -> object:
        infos = tuple(TensorInfo(str(kind), (1,), kind, 0, 1) for kind in kinds)
        return GgufHeader("x", "llama", infos, 0).dtype

    assert dtype(0, 12) is None
    assert dtype(0, 1) is torch.float16
    assert dtype(0, 30) is torch.bfloat16
    # None is what the quantizer turns into float32 (quantizer_gguf.py, update_dtype).
    assert _model("qwen3_moe-q8").kv_cache(tokens=1).dtype == "float32"
    assert "qwen3_moe-q8" in CASES
