"""Models of a class under its default config, and under the changes to it that are worth trying."""

from __future__ import annotations

import copy
import signal
import warnings
from collections.abc import Iterator
from typing import Any

from hfkv.generate.symbols import Int, Real, recorded, symbolic
from hfkv.live.build import transformers
from hfkv.live.lora import build_for, own_config

__all__ = [
    "FEW",
    "OVERRIDES",
    "VARIANTS",
    "at",
    "changes",
    "default_config",
    "merge",
    "model_of",
    "nested",
    "value_of",
    "variant_of",
]

_ROPE = {
    kind: {"rope_theta": 10000.0, "rope_type": "default"}
    for kind in ("full_attention", "sliding_attention")
}
_INDEXER = {
    "indexer_n_heads": 4,
    "indexer_kv_heads": 1,
    "indexer_head_dim": 256,
    "indexer_budget": 64,
    "indexer_compress_ratio": 4,
}
#: Layers of each container in the variants: what they add are names and sizes, not layers.
FEW = 6
#: Seconds until a variant is taken to be endless; the largest takes a fraction of it.
_PATIENCE = 15

#: What has to be said for types whose defaults alone cannot be built.
OVERRIDES: dict[str, dict[str, Any]] = {
    "aya_vision": {"vision_config": {"num_attention_heads": 16}},
    "chameleon": {"vocabulary_map": {"<image>": 4}},
    "cohere_compass": {"text_config": {"rope_parameters": _ROPE}},
    "cohere_compass_text": {"rope_parameters": _ROPE},
    "dbrx": {"attn_config": {"rope_theta": 10000.0}},
    "deepseek_ocr2": {"text_config": {"mlp_layer_types": ["dense", *["sparse"] * 31]}},
    "diffusion_gemma": {
        "text_config": {"num_experts": 8, "top_k_experts": 2, "moe_intermediate_size": 704}
    },
    "dots1": {"n_routed_experts": 8, "n_shared_experts": 2},
    "emu3": {"vocabulary_map": {"<image>": 4, "<|extra_200|>": 5}},
    "granite4_vision": {"deepstack_layer_map": [[3, 0], [6, 1]], "downsample_rate": "1/2"},
    "hunyuan_v1_dense": {"head_dim": 128},
    "hunyuan_v1_moe": {"head_dim": 128},
    "hunyuan_vl": {"text_config": {"head_dim": 128}},
    "lfm2_moe": {"layer_types": ["conv", "conv", "full_attention", "conv"] * 8},
    "ministral": {"head_dim": 128},
    "moonshine_streaming": {"num_key_value_heads": 8},
    "nemotron": {"num_key_value_heads": 8},
    "qwen3_omni_moe": {
        "talker_config": {
            "spatial_merge_size": 2,
            "text_config": {"shared_expert_intermediate_size": 768},
        }
    },
    "qwen4_exp": {"text_config": _INDEXER},
    "qwen4_exp_text": _INDEXER,
    "reformer": {"is_decoder": True},
}

#: Variants of several keys at once, which changing one at a time does not reach.
_EXPERTS = {
    "enable_moe_block": True,
    "num_experts": 8,
    "top_k_experts": 2,
    "moe_intermediate_size": 64,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "gemma4": {"text_config": _EXPERTS},
    "gemma4_text": _EXPERTS,
}


def default_config(model_type: str, changes: dict[str, Any] | None = None) -> Any:
    """The class's defaults, with what they cannot do without, and with ``changes``."""
    values = copy.deepcopy(OVERRIDES.get(model_type, {}))
    merge(values, changes or {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return transformers().CONFIG_MAPPING[model_type](**values)


def merge(values: dict[str, Any], changes: dict[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            merge(values[key], value)
        else:
            values[key] = copy.deepcopy(value)


def _symbolize(config: Any, path: str = "") -> None:
    """Replace a config's numbers by ones that carry their key."""
    subs = getattr(config, "sub_configs", {}) or {}
    for key, value in list(vars(config).items()):
        if key.startswith("_") or isinstance(value, bool):
            continue
        if key in subs:
            if hasattr(value, "to_dict"):
                _symbolize(value, f"{path}{key}.")
        elif isinstance(value, int):
            vars(config)[key] = Int(value, path + key)
        elif isinstance(value, float):
            vars(config)[key] = Real(value, path + key)
        elif isinstance(value, (list, tuple)) and value and all(type(v) is int for v in value):
            vars(config)[key] = type(value)(
                Int(v, f"{path}{key}[{i}]") for i, v in enumerate(value)
            )


def model_of(config: Any, name: str) -> Any:
    """Built with sizes as formulas, or plainly where a class does not bear that."""
    plain = copy.deepcopy(config)
    _symbolize(own_config(config, name)[0])
    try:
        with symbolic(), recorded():
            return build_for(config, name)
    except Exception:
        return build_for(plain, name)


def changes(
    config: Any, counts: set[int], prefix: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Configs worth trying: flags turned over, options given and taken away, counts changed."""
    subs = getattr(config, "sub_configs", {}) or {}
    for key, value in list(vars(config).items()):
        if key.startswith("_") or key in _SKIPPED:
            continue
        if key in subs:
            if hasattr(value, "to_dict"):
                for where, change in changes(value, counts, f"{prefix}{key}."):
                    yield where, {key: change}
            continue
        tries: list[Any] = []
        if isinstance(value, bool):
            tries = [not value]
        elif value is None:
            tries = [8, True]
        elif isinstance(value, int):
            tries = [value - 1] if value in counts and value > 1 else []
            tries += [None, 0] if value else [1, 2]
            if value == 1:
                tries.append(2)
        elif isinstance(value, list) and not value:
            tries = [[0], [1]]
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            tries = [[kind, *value[1:]] for kind in _layer_kinds() if kind not in value]
        for attempt in tries:
            yield f"{prefix}{key}", {key: attempt}


_SKIPPED = frozenset(
    "vocab_size pad_token_id bos_token_id eos_token_id sep_token_id decoder_start_token_id"
    " output_hidden_states output_attentions return_dict use_cache dtype torch_dtype"
    " chunk_size_feed_forward problem_type id2label label2id architectures initializer_range"
    " transformers_version name_or_path max_position_embeddings is_encoder_decoder".split()
)


def variant_of(model_type: str, name: str, path: str, change: dict[str, Any]) -> Any:
    """The model under a change of its own config; None where the class cannot make sense of it."""

    def stop(*_: object) -> None:
        raise _EndlessError

    # A zero where a class counts down to it never ends.
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_PATIENCE)
    try:
        return model_of(default_config(model_type, nested(path, change)), name)
    except (Exception, _EndlessError):
        return None
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class _EndlessError(BaseException):
    pass


def _layer_kinds() -> tuple[str, ...]:
    from transformers.configuration_utils import ALLOWED_LAYER_TYPES

    return tuple(dict.fromkeys(("conv", *ALLOWED_LAYER_TYPES)))


def nested(path: str, change: Any) -> dict[str, Any]:
    for key in reversed(path.split(".") if path else []):
        change = {key: change}
    return change


def value_of(change: Any) -> Any:
    while isinstance(change, dict):
        change = next(iter(change.values()))
    return change


def at(config: Any, where: str) -> Any:
    for key in where.split("."):
        # Not getattr: some classes refuse to name a value that differs from layer to layer.
        config = vars(config).get(key) if hasattr(config, "__dict__") else None
    return config
