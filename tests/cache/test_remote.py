"""Architectures of remote code: figures worked out by hand from what their code keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hfkv.cache import ROWS, kv_cache
from hfkv.cache.catalogue import architectures
from hfkv.errors import ConfigError, HfkvError, UnsupportedError
from hfkv.facts import Facts
from hfkv.facts.classes import known_types
from hfkv.tensors import Tensor, TensorTable

QWEN2 = {
    "model_type": "qwen2",
    "num_hidden_layers": 3,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
GPT = {"n_layer": 3, "n_head": 4, "n_embd": 64}
LONG = {"num_hidden_layers": 3, "num_attention_heads": 4, "hidden_size": 64}
GROUPED = {**LONG, "num_key_value_heads": 2}
#: model_type, config, elements that a token leaves in all layers together.
CASES: list[tuple[str, dict[str, Any], int]] = [
    # ChatGLM 2 and later: two groups of 128; the first one: all heads of 64 / 4.
    (
        "chatglm",
        {
            "num_layers": 3,
            "num_attention_heads": 4,
            "hidden_size": 64,
            "multi_query_attention": True,
            "multi_query_group_num": 2,
            "kv_channels": 128,
        },
        3 * 2 * 2 * 128,
    ),
    ("chatglm", {"num_layers": 3, "num_attention_heads": 4, "hidden_size": 64}, 3 * 2 * 64),
    ("qwen", {**GPT, "kv_channels": 16}, 3 * 2 * 64),
    ("qwen", {**LONG, "kv_channels": 16}, 3 * 2 * 64),
    ("baichuan", LONG, 3 * 2 * 64),
    ("internlm", LONG, 3 * 2 * 64),
    ("internlm2", GROUPED, 3 * 2 * 32),
    ("internlm2", {**LONG, "num_key_value_heads": None}, 3 * 2 * 64),
    ("aquila", GROUPED, 3 * 2 * 32),
    ("minicpm", GROUPED, 3 * 2 * 32),
    ("minicpmv", {**GROUPED, "head_dim": 8}, 3 * 2 * 2 * 8),
    ("stablelm_epoch", GROUPED, 3 * 2 * 32),
    ("hunyuan", {**GROUPED, "attention_head_dim": 32, "use_cla": False}, 3 * 2 * 2 * 32),
    ("bailing_moe", GROUPED, 3 * 2 * 32),
    ("molmo", GROUPED, 3 * 2 * 32),
    ("telechat", {"n_layer": 3, "n_head": 4, "hidden_size": 64}, 3 * 2 * 64),
    (
        "telechat",
        {"n_layer": 3, "n_head": 4, "hidden_size": 64, "num_key_value_heads": 2},
        3 * 2 * 32,
    ),
    ("mixformer-sequential", {**GPT, "n_head_kv": None}, 3 * 2 * 64),
    ("codeshell", {**GPT, "group_query_attention": True, "num_query_groups": 2}, 3 * 2 * 32),
    ("codeshell", {**GPT, "group_query_attention": False}, 3 * 2 * 64),
    ("moss", GPT, 3 * 2 * 64),
    # Falcon 40B's first code repeats its heads before it keeps them; 7B has one.
    ("RefinedWeb", {"n_layer": 3, "n_head": 4, "n_head_kv": 2, "hidden_size": 64}, 3 * 2 * 64),
    (
        "RefinedWebModel",
        {"n_layer": 3, "n_head": 4, "multi_query": True, "hidden_size": 64},
        3 * 2 * 16,
    ),
    (
        "openelm",
        {"num_transformer_layers": 3, "num_kv_heads": [1, 2, 3], "head_dim": 16},
        2 * (1 + 2 + 3) * 16,
    ),
    (
        "step3_text",
        {**LONG, "num_attention_groups": 1, "head_dim": 32, "use_mfa": True},
        3 * 2 * 32,
    ),
    (
        "nemotron-nas",
        {
            **LONG,
            "block_configs": [
                {"attention": {"n_heads_in_group": 2, "no_op": False}},
                {"attention": {"n_heads_in_group": None, "no_op": True}},
                {"attention": {"n_heads_in_group": 4, "replace_with_linear": False}},
            ],
        },
        2 * 2 * 16 + 2 * 1 * 16,
    ),
    ("kimi_k2", {"num_hidden_layers": 3, "kv_lora_rank": 24, "qk_rope_head_dim": 8}, 3 * 32),
    ("deepseek_vl_v2", {"language_config": {**LONG, "use_mla": False}}, 3 * 2 * 64),
    ("internvl_chat", {"llm_config": QWEN2}, 3 * 2 * 32),
    ("internvl_chat", {"llm_config": {**GROUPED, "model_type": "internlm2"}}, 3 * 2 * 32),
    ("eagle_3_vl", {"text_config": QWEN2}, 3 * 2 * 32),
    ("infimm-zephyr", {"language": {**QWEN2, "model_type": "mistral"}}, 3 * 2 * 32),
    ("llava_llama", {"llm_cfg": {**QWEN2, "model_type": "llama"}}, 3 * 2 * 32),
    ("llava_llama", {**GROUPED, "mm_hidden_size": 8}, 3 * 2 * 32),
    ("deci", {**LONG, "num_key_value_heads_per_layer": [1, 2, 4]}, 2 * 7 * 16),
    ("phi3_v", GROUPED, 3 * 2 * 32),
    ("minicpmo", GROUPED, 3 * 2 * 32),
    ("bailing_moe_v2", {**GROUPED, "head_dim": 8}, 3 * 2 * 2 * 8),
    ("xverse", LONG, 3 * 2 * 64),
    ("jais", GPT, 3 * 2 * 64),
    ("mimo", {**QWEN2, "use_sliding_window": False}, 3 * 2 * 32),
]


def figure(config: dict[str, Any], tensors: TensorTable | None = None, **options: Any) -> Any:
    facts = Facts(model="some/model", source="directory", config=config, tensors=tensors)
    return kv_cache(facts, tokens=10, dtype="bf16", **options)


@pytest.mark.parametrize(("model_type", "config", "elements"), CASES)
def test_what_a_token_leaves(model_type: str, config: dict[str, Any], elements: int) -> None:
    found = figure({**config, "model_type": model_type})
    assert found.basis == "documented"
    assert found.source
    assert (found.bytes_per_token, found.constant_bytes) == (2 * elements, 0)
    assert found.bytes == 20 * elements


def test_yuan_keeps_two_hidden_states_beside_its_keys() -> None:
    found = figure({**LONG, "model_type": "yuan"})
    assert found.constant_bytes == 3 * 2 * 64 * 2
    assert found.bytes_per_token == 3 * 2 * 64 * 2


@pytest.mark.parametrize(
    ("model_type", "config", "key"),
    [
        ("chatglm", {**LONG, "num_layers": 3, "multi_query_attention": True}, "multi_query_group"),
        ("qwen", {**LONG, "kv_channels": 17}, "kv_channels"),
        ("qwen", {**LONG, "use_cache_quantization": True}, "use_cache_quantization"),
        ("qwen", {**LONG, "n_layer": 4}, "num_hidden_layers"),
        ("baichuan", {"num_hidden_layers": 3, "hidden_size": 64}, "num_attention_heads"),
        ("molmo", LONG, "num_key_value_heads"),
        ("hunyuan", {**GROUPED, "use_cla": True, "cla_share_factor": 2}, "use_cla"),
        ("minicpm", {**GROUPED, "sparse_config": {"block_size": 64}}, "sparse_config"),
        ("minicpmv", {**GROUPED, "sliding_window": 128}, "sliding_window"),
        ("openelm", {"num_transformer_layers": 3, "num_kv_heads": [1], "head_dim": 8}, "num_kv"),
        ("nemotron-nas", {**LONG, "block_configs": None}, "block_configs"),
        ("nemotron-nas", {**LONG, "block_configs": [{"attention": {}}] * 3}, "n_heads_in_group"),
        (
            "nemotron-nas",
            {
                **LONG,
                "block_configs": [{"attention": {"n_heads_in_group": 2, "window_length": 8}}] * 3,
            },
            "window_length",
        ),
        ("internvl_chat", {}, "llm_config"),
        ("internvl_chat", {"llm_config": {**QWEN2, "model_type": None}}, "model_type"),
        ("internvl_chat", {"llm_config": {**QWEN2, "model_type": "brand_new"}}, "brand_new"),
        ("llava_llama", {"llm_cfg": "llm"}, "llm_cfg"),
        ("llava_llama", {"num_hidden_layers": 3}, "num_attention_heads"),
        ("mimo", {"text": QWEN2}, "num_hidden_layers"),
        ("yuan", {**LONG, "attention_projection_size": 128}, "attention_projection_size"),
    ],
)
def test_what_a_file_leaves_open_is_refused(
    model_type: str, config: dict[str, Any], key: str
) -> None:
    with pytest.raises((ConfigError, UnsupportedError), match=key):
        figure({**config, "model_type": model_type})


def test_the_checkpoint_is_a_witness() -> None:
    config = {**GROUPED, "model_type": "aquila"}

    def header(rows: int) -> TensorTable:
        return TensorTable(
            Tensor(
                name=f"model.layers.{layer}.self_attn.{name}.weight", dtype="BF16", shape=(rows, 64)
            )
            for layer in range(3)
            for name in ("k_proj", "v_proj")
        )

    assert figure(config, header(32)).bytes == 20 * 3 * 2 * 32
    assert "layer 0: model.layers.0.self_attn.k_proj" in figure(config, header(64)).notes[0]
    assert figure(config, header(64), crosscheck=False).bytes == 20 * 3 * 2 * 32


def test_documented_rows_are_of_types_that_transformers_lacks_and_say_their_source() -> None:
    documented = {key: row for key, row in ROWS.items() if row.basis == "documented"}
    # Classes of transformers that cannot be run alone name it as their source.
    lacking = {key for key, row in documented.items() if "of transformers" not in row.source}
    assert not lacking & set(known_types())
    assert all(row.source for row in documented.values())
    assert all(documented[key].kinds for key in lacking)
    assert {item.model_type for item in architectures() if item.basis == "documented"} == set(
        documented
    )


CONFIGS = Path(__file__).parents[3] / "shared" / "data" / "configs"


@pytest.mark.skipif(not CONFIGS.exists(), reason="the sample of real configs is not here")
def test_real_files_of_remote_code_are_documented_or_refused_with_a_reason() -> None:
    answered, refused = 0, []
    for path in sorted(CONFIGS.glob("*.json")):
        config = json.loads(path.read_text())
        if config.get("model_type") in known_types() or "model_type" not in config:
            continue
        try:
            found = figure(config)
        except HfkvError as error:
            refused.append((config["model_type"], str(error)))
        else:
            assert found.basis == "documented", path.name
            answered += 1
    assert all(message for _, message in refused)
    assert answered >= 60, refused
