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

from collections.abc import Callable, Mapping
from typing import Any

from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.gguf_metadata import Metadata
from hfkv.reading import printable

__all__ = ["RULES", "config_of"]

_MOST_LAYERS = 100_000

Config = dict[str, Any]
_Rule = Callable[[Metadata], Config]


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


# -- what most share -----------------------------------------------------------------------------


def _decoder(metadata: Metadata, model_type: str) -> Config:
    """The keys of every decoder: layers, sizes, heads."""
    layers = metadata.number("block_count") - (metadata.maybe("nextn_predict_layers", least=0) or 0)
    if not 1 <= layers <= _MOST_LAYERS:
        raise ConfigError(
            f"leaves {layers} layers",
            where=metadata.place("block_count"),
            expected=f"1 to {_MOST_LAYERS}",
        )
    hidden, heads = metadata.number("embedding_length"), metadata.number("attention.head_count")
    config: Config = {
        "model_type": model_type,
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        # docs/gguf.md: where the key is absent, attention is not grouped.
        "num_key_value_heads": metadata.maybe("attention.head_count_kv") or heads,
        "tie_word_embeddings": "output.weight" not in metadata.names,
    }
    width = metadata.maybe("feed_forward_length")
    if width is not None:
        config["intermediate_size"] = width
    vocabulary = metadata.maybe("vocab_size")
    tokens = metadata.raw.get("tokenizer.ggml.tokens")
    if vocabulary is None and isinstance(tokens, Mapping):
        vocabulary = tokens.get("entries")
    elif vocabulary is None and isinstance(tokens, list):
        vocabulary = len(tokens)
    if vocabulary is not None:
        config["vocab_size"] = vocabulary
    return config


def _head_dim(metadata: Metadata, config: Config) -> int:
    """Elements of a head: ``key_length``, or the width over the heads where it is absent."""
    key = metadata.maybe("attention.key_length")
    value = metadata.maybe("attention.value_length")
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    if key is None and hidden % heads:
        raise ConfigError(
            f"{hidden} does not divide by {heads} heads",
            where=metadata.place("embedding_length"),
            expected="attention.key_length, or a multiple of the heads",
        )
    dim: int = key if key is not None else hidden // heads
    if (value if value is not None else hidden // heads) != dim:
        raise UnsupportedError(
            f"heads of {dim} in keys and {value} in values",
            where=metadata.place("attention.value_length"),
            expected=f"{dim} for both in this architecture",
        )
    return dim


def _plain(model_type: str, **fixed: Any) -> _Rule:
    """Full attention in all layers, heads of one size."""

    def rule(metadata: Metadata) -> Config:
        config = _decoder(metadata, model_type)
        # Null, not absent: the class's own default could be another model's window.
        return {
            **config,
            "head_dim": _head_dim(metadata, config),
            "sliding_window": None,
            **fixed,
        }

    return rule


def _split(model_type: str, names: Mapping[str, str] | None = None, **fixed: Any) -> _Rule:
    """Heads of the width over their number, for classes that know no other size.

    ``names`` are the class's own names of keys; a key named "" is left out.
    """

    def rule(metadata: Metadata) -> Config:
        config = _decoder(metadata, model_type)
        if _head_dim(metadata, config) * config["num_attention_heads"] != config["hidden_size"]:
            raise UnsupportedError(
                "heads that are not the width over their number",
                where=metadata.place("attention.key_length"),
                expected=f"heads as {model_type} has them",
            )
        renamed = {(names or {}).get(key, key): value for key, value in config.items()}
        renamed.pop("", None)
        return renamed | fixed

    return rule


def _multi_head(model_type: str, names: Mapping[str, str] | None = None, **fixed: Any) -> _Rule:
    """As many key/value heads as attention heads, for classes that know no other number."""
    inner = _split(model_type, names, **fixed)

    def rule(metadata: Metadata) -> Config:
        kv = metadata.maybe("attention.head_count_kv")
        if kv not in (None, metadata.number("attention.head_count")):
            raise UnsupportedError(
                f"{kv} key/value heads",
                where=metadata.place("attention.head_count_kv"),
                expected=f"as many as attention heads in {model_type}",
            )
        return inner(metadata)

    return rule


def _sliding(
    model_type: str, period: int, *, full: int = -1, absent: int | None = None, **fixed: Any
) -> _Rule:
    """Layers that slide but for one in every ``period``, or as the file's own pattern says.

    Args:
        period: llama.cpp's and the class's own pattern, where the file has none.
        full: which of each ``period`` layers is the full one.
        absent: the window that llama.cpp takes where the file has none; 0 is no window at all.
    """

    def rule(metadata: Metadata) -> Config:
        config = _plain(model_type, **fixed)(metadata)
        layers = config["num_hidden_layers"]
        window = metadata.maybe("attention.sliding_window", least=0)
        if window is None and absent is None:
            raise ConfigError(
                "is missing",
                where=metadata.place("attention.sliding_window"),
                expected="the window of the layers that slide",
            )
        window = absent if window is None else window
        pattern = metadata.get("attention.sliding_window_pattern")
        if isinstance(pattern, list):
            slides = metadata.per_layer("attention.sliding_window_pattern", bool, layers)
        else:
            every = (
                period if pattern is None else metadata.number("attention.sliding_window_pattern")
            )
            slides = [layer % every != full % every for layer in range(layers)]
        if not window:
            slides = [False] * layers
        return {
            **config,
            "sliding_window": window or None,
            "layer_types": ["sliding_attention" if slide else "full_attention" for slide in slides],
        }

    return rule


# -- architectures that need a word of their own -------------------------------------------------


def _llama(metadata: Metadata) -> Config:
    """Llama, and Mistral and Mixtral, which the converter writes as Llama too."""
    if metadata.maybe("expert_count", least=0):
        return _plain("mixtral")(metadata) | _experts(metadata, "num_local_experts")
    return _plain("llama")(metadata)


def _mistral3(metadata: Metadata) -> Config:
    """Ministral 3, which scales attention's temperature, or the text model of Mistral 3."""
    scaled = metadata.get("attention.temperature_scale") is not None
    return _plain("ministral3" if scaled else "mistral")(metadata)


def _experts(metadata: Metadata, count: str = "num_experts") -> Config:
    config = {count: metadata.number("expert_count")}
    used = metadata.maybe("expert_used_count")
    return config if used is None else config | {"num_experts_per_tok": used}


def _moe(model_type: str, count: str = "num_experts", **fixed: Any) -> _Rule:
    """Full attention in all layers, and experts."""

    def rule(metadata: Metadata) -> Config:
        config = _plain(model_type, **fixed)(metadata) | _experts(metadata, count)
        width = metadata.maybe("expert_feed_forward_length")
        if width is not None:
            config["moe_intermediate_size"] = width
        dense = metadata.maybe("leading_dense_block_count", least=0)
        if dense is not None:
            config["first_k_dense_replace"] = dense
        return config

    return rule


def _granite_moe(metadata: Metadata) -> Config:
    shared = metadata.has("ffn_up_shexp")
    return _plain("granitemoeshared" if shared else "granitemoe")(metadata) | _experts(
        metadata, "num_local_experts"
    )


def _phi3(metadata: Metadata) -> Config:
    """All layers slide over the window; 0 is how the converter writes that there is none."""
    config = _split("phi3")(metadata)
    return {
        **config,
        "sliding_window": metadata.number("attention.sliding_window", least=0) or None,
    }


def _falcon(metadata: Metadata) -> Config:
    """7B's one key/value head, or the grouped heads of the newer decoder."""
    config = _split("falcon")(metadata)
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
        return _plain("olmo2")(metadata)
    if metadata.get("attention.sliding_window_pattern") is None:
        raise UnsupportedError(
            "a window, and no key that says which layers slide",
            where=metadata.place("attention.sliding_window_pattern"),
            expected="one value for each layer",
        )
    return _sliding("olmo3", 4)(metadata)


def _exaone4(metadata: Metadata) -> Config:
    """The larger model slides; the smaller has no window, and then the file has no such key."""
    if metadata.get("attention.sliding_window") is None:
        if metadata.number("block_count") == 64:
            # llama.cpp takes a window for this size even where the file has none.
            raise UnsupportedError(
                "is missing in a model of 64 layers, of which the published ones slide",
                where=metadata.place("attention.sliding_window"),
                expected="the window of the layers that slide",
            )
        config = _plain("exaone4", sliding_window_pattern=4)(metadata)
        return {**config, "layer_types": ["full_attention"] * config["num_hidden_layers"]}
    return _sliding("exaone4", 4)(metadata)


def _deepseek2(metadata: Metadata) -> Config:
    """Multi-head latent attention of DeepSeek V2 and V3: V3 has a bias for choosing experts."""
    newer = metadata.has("exp_probs_b")
    config = _decoder(metadata, "deepseek_v3" if newer else "deepseek_v2")
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
    config = _decoder(metadata, "minicpm3")
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
        **_split("lfm2")(one),
        "layer_types": ["full_attention" if heads else "conv" for heads in kv],
        "conv_L_cache": metadata.number("shortconv.l_cache"),
        "block_auto_adjust_ff_dim": False,
    }


def _qwen35(model_type: str) -> _Rule:
    """Gated delta layers with full attention every so many; the last blocks may predict ahead."""

    def rule(metadata: Metadata) -> Config:
        config = _plain(model_type)(metadata)
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
            config |= _experts(metadata)
            config["moe_intermediate_size"] = metadata.number("expert_feed_forward_length")
            config["shared_expert_intermediate_size"] = metadata.number(
                "expert_shared_feed_forward_length"
            )
        return config

    return rule


#: ``general.architecture`` to its rule. Keyed exactly: a like name is another architecture.
RULES: dict[str, _Rule] = {
    "apertus": _plain("apertus"),
    "arcee": _plain("arcee"),
    "bloom": _multi_head(
        "bloom", {"num_hidden_layers": "n_layer", "num_attention_heads": "n_head"}
    ),
    "cohere2": _sliding("cohere2", 4),
    "command-r": _split("cohere"),
    "deepseek2": _deepseek2,
    "dots1": _moe("dots1", "n_routed_experts"),
    "ernie4_5": _plain("ernie4_5"),
    "ernie4_5-moe": _moe("ernie4_5_moe", "moe_num_experts"),
    "exaone4": _exaone4,
    "falcon": _falcon,
    "gemma": _plain("gemma"),
    "gemma2": _sliding("gemma2", 2, absent=4096),
    "gemma3": _sliding("gemma3_text", 6, absent=0),
    "glm4": _plain("glm4"),
    "glm4moe": _moe("glm4_moe", "n_routed_experts"),
    "gpt-oss": _sliding("gpt_oss", 2),
    "gpt2": _multi_head(
        "gpt2",
        {
            "num_hidden_layers": "n_layer",
            "num_attention_heads": "n_head",
            "hidden_size": "n_embd",
            "intermediate_size": "n_inner",
        },
    ),
    "gptneox": _multi_head("gpt_neox"),
    "granite": _plain("granite"),
    "granite_swa": _sliding("granite_swa", 4, full=0),
    "granitemoe": _granite_moe,
    "hunyuan-dense": _plain("hunyuan_v1_dense"),
    "jais2": _plain("jais2"),
    "lfm2": _lfm2,
    "llama": _llama,
    "minicpm3": _minicpm3,
    "minimax-m2": _moe("minimax_m2", "num_local_experts"),
    "mistral3": _mistral3,
    "nemotron": _plain("nemotron"),
    "olmo": _plain("olmo"),
    "olmo2": _olmo2,
    "olmoe": _moe("olmoe"),
    # The converter writes four times the width here, whatever the layers have.
    "phi2": _multi_head("phi", {"intermediate_size": ""}),
    "phi3": _phi3,
    "qwen2": _plain("qwen2", use_sliding_window=False),
    "qwen2moe": _moe("qwen2_moe", use_sliding_window=False),
    "qwen3": _plain("qwen3", use_sliding_window=False),
    "qwen35": _qwen35("qwen3_5_text"),
    "qwen35moe": _qwen35("qwen3_5_moe_text"),
    "qwen3moe": _moe("qwen3_moe", use_sliding_window=False),
    "seed_oss": _plain("seed_oss"),
    "smollm3": _plain("smollm3", use_sliding_window=False),
    "stablelm": _split("stablelm"),
    "starcoder2": _plain("starcoder2"),
}
