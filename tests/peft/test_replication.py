"""``layer_replication``, against PEFT."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.errors import InputError
from hfkv.peft.lora import LoraOptions
from tests.peft.against import check

_SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "vocab_size": 50,
}


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["Llama", "Bert", "GPT2"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layer_replication": [[0, 4], [0, 4]]},
        {"layer_replication": [[3, 4], [0, 1]]},
        {"layer_replication": [[-1, 2]]},
        {"layer_replication": [[0, 5]]},
        {"layer_replication": [[2, 2]]},
        {"layer_replication": []},
        {"layers_to_transform": [2]},
        {"rank_pattern": {r".*\.2\..*": 2}},
        {"bias": "all"},
        {"bias": "lora_only"},
        {"modules_to_save": ["mlp", "attention", "ln_1"]},
        {"target_parameters": ["v_proj.weight", "value.weight", "mlp.c_proj.weight"]},
        {"target_modules": "all-linear", "use_dora": True},
        {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
    ],
    ids=str,
)
def test_layers_come_again(kind: str, options: dict[str, Any]) -> None:
    transformers = pytest.importorskip("transformers")
    if kind == "GPT2":
        config = transformers.GPT2Config(n_embd=16, n_layer=4, n_head=2, vocab_size=50)
        name = "GPT2LMHeadModel"
    else:
        config = getattr(transformers, f"{kind}Config")(**_SIZES)
        name = {"Llama": "LlamaForCausalLM", "Bert": "BertLMHeadModel"}[kind]
    targets = ["q_proj", "query", "c_attn"]
    check(
        config,
        name,
        {"r": 4, "target_modules": targets, "layer_replication": [[0, 3], [1, 4]], **options},
    )


@pytest.mark.parametrize("value", [3, "0-4", [3], [[0]], [[0, 1, 2]], [[0, "2"]], [[0, True]]])
def test_what_is_no_list_of_ranges(value: object) -> None:
    with pytest.raises(InputError, match="ranges of layers"):
        LoraOptions.from_options(r=4, layer_replication=value)
