"""Counts that others' training logs print, on headers of the published sizes."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.facts import Facts
from hfkv.model import Model
from hfkv.peft.lora import LoraOptions
from hfkv.tensors import Tensor, TensorTable

GLM2: dict[str, Any] = {
    "model_type": "chatglm",
    "hidden_size": 4096,
    "ffn_hidden_size": 13696,
    "kv_channels": 128,
    "multi_query_group_num": 2,
    "num_attention_heads": 32,
    "num_layers": 28,
    "padded_vocab_size": 65024,
    "tie_word_embeddings": False,
}
GLM2_LAYER = {
    "self_attention.query_key_value.weight": (4608, 4096),
    "self_attention.query_key_value.bias": (4608,),
    "self_attention.dense.weight": (4096, 4096),
    "mlp.dense_h_to_4h.weight": (27392, 4096),
    "mlp.dense_4h_to_h.weight": (4096, 13696),
    "input_layernorm.weight": (4096,),
    "post_attention_layernorm.weight": (4096,),
}
QWEN: dict[str, Any] = {
    "model_type": "qwen",
    "hidden_size": 4096,
    "intermediate_size": 22016,
    "kv_channels": 128,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "vocab_size": 151936,
    "tie_word_embeddings": False,
}
QWEN_LAYER = {
    "attn.c_attn.weight": (12288, 4096),
    "attn.c_attn.bias": (12288,),
    "attn.c_proj.weight": (4096, 4096),
    "mlp.w1.weight": (11008, 4096),
    "mlp.w2.weight": (11008, 4096),
    "mlp.c_proj.weight": (4096, 11008),
    "ln_1.weight": (4096,),
    "ln_2.weight": (4096,),
}


def header(
    outside: dict[str, tuple[int, ...]], layer: dict[str, tuple[int, ...]], start: str, count: int
) -> TensorTable:
    names = {
        **outside,
        **{f"{start}.{n}.{name}": shape for n in range(count) for name, shape in layer.items()},
    }
    return TensorTable(Tensor(name=name, dtype="F16", shape=shape) for name, shape in names.items())


@pytest.mark.parametrize(
    ("config", "tensors", "targets", "printed"),
    [
        (
            GLM2,
            header(
                {
                    "transformer.embedding.word_embeddings.weight": (65024, 4096),
                    "transformer.encoder.final_layernorm.weight": (4096,),
                    "transformer.output_layer.weight": (65024, 4096),
                    "transformer.rotary_pos_emb.inv_freq": (32,),
                },
                GLM2_LAYER,
                "transformer.encoder.layers",
                28,
            ),
            # PEFT's default for the type.
            None,
            (1_949_696, 6_245_533_696),
        ),
        (
            QWEN,
            header(
                {
                    "transformer.wte.weight": (151936, 4096),
                    "transformer.ln_f.weight": (4096,),
                    "lm_head.weight": (151936, 4096),
                },
                QWEN_LAYER,
                "transformer.h",
                32,
            ),
            ["c_attn", "c_proj", "w1", "w2"],
            (17_891_328, 7_739_215_872),
        ),
    ],
    ids=["chatglm2-6b", "Qwen-7B"],
)
def test_what_print_trainable_parameters_printed(
    config: dict[str, Any],
    tensors: TensorTable,
    targets: list[str] | None,
    printed: tuple[int, int],
) -> None:
    facts = Facts(
        model="tiny/logs",
        source="directory",
        config={**config, "torch_dtype": "float16"},
        tensors=tensors,
    )
    figure = Model(facts).lora(LoraOptions.from_options(r=8, target_modules=targets))
    assert (figure.parameters, figure.all_parameters) == printed
    assert figure.basis == "documented"
