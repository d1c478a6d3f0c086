"""From the metadata of a GGUF file to the config of the class whose weights it holds.

A GGUF file has no ``config.json``; its keys say the same under llama.cpp's names. One rule for each
architecture below says which ``model_type`` it is and which keys it takes. A rule writes every key
that decides sizes, so that no default of a class, which is one checkpoint's value, is taken for
another's. What the file does not say is not filled in: the architecture is then refused.

Sources: ``docs/gguf.md`` of the ggml project (the standard keys), llama.cpp's converter (what it
writes for each class), and for qwen35, qwen35moe and lfm2 ``gguf_config_mapping.py`` of the pinned
transformers. The tests compare each rule with files that the converter wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.gguf_metadata import Metadata
from hfkv.facts.gguf_rules import (
    Config,
    Rule,
    decoder,
    experts,
    moe,
    multi_head,
    plain,
    sliding,
    split,
)
from hfkv.reading import printable

__all__ = ["RULES", "config_of"]


def config_of(raw: Mapping[str, Any], names: frozenset[str], *, where: str) -> Config:
    """The config of the class whose weights the file holds, with every key that decides sizes.

    Raises:
        UnsupportedError: the architecture has no rule here, or the file leaves something open.
        ConfigError: a key is missing or malformed.
    """
    metadata = Metadata(raw, names, where)
    rule = RULES.get(metadata.architecture)
    if rule is None:
        raise UnsupportedError(
            f"the GGUF architecture '{printable(metadata.architecture)}' is not known here",
            where=where,
            hint="ask of the repository that the file was made from",
        )
    return rule(metadata)


# -- architectures that need a word of their own -------------------------------------------------


def _llama(metadata: Metadata) -> Config:
    """Llama, and Mistral and Mixtral, which the converter writes as Llama too."""
    if metadata.maybe("expert_count", least=0):
        return plain("mixtral")(metadata) | experts(metadata, "num_local_experts")
    return plain("llama")(metadata)


def _mistral3(metadata: Metadata) -> Config:
    """Ministral 3, which scales attention's temperature, or the text model of Mistral 3."""
    scaled = metadata.get("attention.temperature_scale") is not None
    return plain("ministral3" if scaled else "mistral")(metadata)


def _granite_moe(metadata: Metadata) -> Config:
    shared = metadata.has("ffn_up_shexp")
    return plain("granitemoeshared" if shared else "granitemoe")(metadata) | experts(
        metadata, "num_local_experts"
    )


def _phi3(metadata: Metadata) -> Config:
    """All layers slide over the window; 0 is how the converter writes that there is none."""
    config = split("phi3")(metadata)
    return {
        **config,
        "sliding_window": metadata.number("attention.sliding_window", least=0) or None,
    }


def _falcon(metadata: Metadata) -> Config:
    """7B's one key/value head, or the grouped heads of the newer decoder."""
    config = split("falcon")(metadata)
    grouped = metadata.has("attn_norm_2")
    kv = config.pop("num_key_value_heads")
    if not grouped and kv != 1:
        raise UnsupportedError(
            f"{kv} key/value heads with one norm",
            where=metadata.place("attention.head_count_kv"),
            expected="1, or the decoder of Falcon 40B",
        )
    return {
        **config,
        "num_kv_heads": kv,
        "multi_query": not grouped,
        "new_decoder_architecture": grouped,
        # The converter leaves the output embedding out: all published Falcons tie it.
        "tie_word_embeddings": True,
    }


def _olmo2(metadata: Metadata) -> Config:
    """OLMo 3 is written as OLMo 2 with a window."""
    if metadata.get("attention.sliding_window") is None:
        return plain("olmo2")(metadata)
    if metadata.get("attention.sliding_window_pattern") is None:
        raise UnsupportedError(
            "there is a window, and no key says which layers slide",
            where=metadata.place("attention.sliding_window_pattern"),
            expected="one value for each layer",
        )
    return sliding("olmo3", 4)(metadata)


def _exaone4(metadata: Metadata) -> Config:
    """The larger model slides; the smaller has no window, and then the file has no such key."""
    if metadata.get("attention.sliding_window") is None:
        if metadata.number("block_count") == 64:
            # llama.cpp takes a window for this size even where the file has none.
            raise UnsupportedError(
                "is missing, and the published models of 64 layers have sliding layers",
                where=metadata.place("attention.sliding_window"),
                expected="the window of the sliding layers",
            )
        config = plain("exaone4", sliding_window_pattern=4)(metadata)
        return {**config, "layer_types": ["full_attention"] * config["num_hidden_layers"]}
    return sliding("exaone4", 4)(metadata)


def _deepseek2(metadata: Metadata) -> Config:
    """Multi-head latent attention of DeepSeek V2 and V3: V3 has a bias for choosing experts."""
    newer = metadata.has("exp_probs_b")
    config = decoder(metadata, "deepseek_v3" if newer else "deepseek_v2")
    heads, rope = config["num_attention_heads"], metadata.number("rope.dimension_count")
    # Newer files hold the latent as one key/value head, and the heads' sizes under names with mla.
    key = metadata.maybe("attention.key_length_mla")
    value = metadata.maybe("attention.value_length_mla")
    if key is None or value is None:
        key, value = (
            metadata.number("attention.key_length"),
            metadata.number("attention.value_length"),
        )
    if key <= rope:
        raise ConfigError(
            f"found {key}",
            where=metadata.place("attention.key_length"),
            expected=f"more than the rotary part, {rope}",
        )
    config |= {
        "num_key_value_heads": heads,
        "kv_lora_rank": metadata.number("attention.kv_lora_rank"),
        "q_lora_rank": metadata.maybe("attention.q_lora_rank"),
        "qk_rope_head_dim": rope,
        "qk_nope_head_dim": key - rope,
        "v_head_dim": value,
        "first_k_dense_replace": metadata.number("leading_dense_block_count", least=0),
        "n_routed_experts": metadata.number("expert_count"),
        "n_shared_experts": metadata.maybe("expert_shared_count", least=0),
        "moe_intermediate_size": metadata.number("expert_feed_forward_length"),
    }
    grouping = {"n_group": "expert_group_count", "topk_group": "expert_group_used_count"}
    for name, place in grouping.items():
        if (groups := metadata.maybe(place)) is not None:
            config[name] = groups
    return config


def _minicpm3(metadata: Metadata) -> Config:
    config = decoder(metadata, "minicpm3")
    rope, key = metadata.number("rope.dimension_count"), metadata.number("attention.key_length")
    return {
        **config,
        "kv_lora_rank": metadata.number("attention.kv_lora_rank"),
        "q_lora_rank": metadata.number("attention.q_lora_rank"),
        "qk_rope_head_dim": rope,
        "qk_nope_head_dim": key - rope,
    }


def _lfm2(metadata: Metadata) -> Config:
    """Short convolutions, with attention where the layer has key/value heads."""
    layers = metadata.number("block_count")
    kv = metadata.per_layer("attention.head_count_kv", int, layers)
    if len({heads for heads in kv if heads}) != 1:
        raise UnsupportedError(
            "attention layers with different numbers of heads",
            where=metadata.place("attention.head_count_kv"),
            expected="one number in all of them",
        )
    one = Metadata(
        {**metadata.raw, "lfm2.attention.head_count_kv": max(kv)}, metadata.names, metadata.where
    )
    return {
        **split("lfm2")(one),
        "layer_types": ["full_attention" if heads else "conv" for heads in kv],
        "conv_L_cache": metadata.number("shortconv.l_cache"),
        "block_auto_adjust_ff_dim": False,
    }


def _qwen35(model_type: str) -> Rule:
    """Gated delta layers with full attention every so many; the last blocks may predict ahead."""

    def rule(metadata: Metadata) -> Config:
        config = plain(model_type)(metadata)
        heads, inner = metadata.number("ssm.time_step_rank"), metadata.number("ssm.inner_size")
        every = metadata.number("full_attention_interval")
        layers = range(config["num_hidden_layers"])
        config |= {
            "full_attention_interval": every,
            "layer_types": [
                "linear_attention" if (layer + 1) % every else "full_attention" for layer in layers
            ],
            "linear_conv_kernel_dim": metadata.number("ssm.conv_kernel"),
            "linear_key_head_dim": metadata.number("ssm.state_size"),
            "linear_num_key_heads": metadata.number("ssm.group_count"),
            "linear_num_value_heads": heads,
            "linear_value_head_dim": inner // heads,
        }
        if metadata.maybe("expert_count", least=0):
            config |= experts(metadata)
            config["moe_intermediate_size"] = metadata.number("expert_feed_forward_length")
            config["shared_expert_intermediate_size"] = metadata.number(
                "expert_shared_feed_forward_length"
            )
        return config

    return rule


#: Architectures with the name of their ``model_type``, and full attention in all layers.
_PLAIN = "apertus arcee ernie4_5 gemma glm4 granite jais2 nemotron olmo seed_oss starcoder2"

#: ``general.architecture`` to its rule. Keyed exactly: a like name is another architecture.
RULES: dict[str, Rule] = {
    **{name: plain(name) for name in _PLAIN.split()},
    "bloom": multi_head("bloom", {"num_hidden_layers": "n_layer", "num_attention_heads": "n_head"}),
    "cohere2": sliding("cohere2", 4),
    "command-r": split("cohere"),
    "deepseek2": _deepseek2,
    "dots1": moe("dots1", "n_routed_experts"),
    "ernie4_5-moe": moe("ernie4_5_moe", "moe_num_experts"),
    "exaone4": _exaone4,
    "falcon": _falcon,
    "gemma2": sliding("gemma2", 2, absent=4096),
    "gemma3": sliding("gemma3_text", 6, absent=0),
    "glm4moe": moe("glm4_moe", "n_routed_experts"),
    "gpt-oss": sliding("gpt_oss", 2),
    "gpt2": multi_head(
        "gpt2",
        {
            "num_hidden_layers": "n_layer",
            "num_attention_heads": "n_head",
            "hidden_size": "n_embd",
            "intermediate_size": "n_inner",
        },
        # llama.cpp builds this architecture without.
        add_cross_attention=False,
    ),
    "gptneox": multi_head("gpt_neox"),
    "granite_swa": sliding("granite_swa", 4, full=0),
    "granitemoe": _granite_moe,
    "hunyuan-dense": plain("hunyuan_v1_dense"),
    "lfm2": _lfm2,
    "llama": _llama,
    "minicpm3": _minicpm3,
    "minimax-m2": moe("minimax_m2", "num_local_experts"),
    "mistral3": _mistral3,
    "olmo2": _olmo2,
    "olmoe": moe("olmoe"),
    # The converter writes four times the width here, whatever the layers have.
    "phi2": multi_head("phi", {"intermediate_size": ""}),
    "phi3": _phi3,
    "qwen2": plain("qwen2", use_sliding_window=False),
    "qwen2moe": moe("qwen2_moe", use_sliding_window=False),
    "qwen3": plain("qwen3", use_sliding_window=False),
    "qwen35": _qwen35("qwen3_5_text"),
    "qwen35moe": _qwen35("qwen3_5_moe_text"),
    "qwen3moe": moe("qwen3_moe", use_sliding_window=False),
    "smollm3": plain("smollm3", use_sliding_window=False),
    "stablelm": split("stablelm"),
}
