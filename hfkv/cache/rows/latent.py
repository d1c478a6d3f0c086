"""MLA decoders: one latent and one rotary key per token, whatever the heads."""

from __future__ import annotations

from collections.abc import Sequence

from hfkv.cache.geometry import latent
from hfkv.cache.kinds import Full, Indexed, Kind, Together
from hfkv.cache.plan import Plan
from hfkv.cache.plans import LayerValues, layered, stated_per_layer
from hfkv.cache.row import Row
from hfkv.errors import ConfigError
from hfkv.facts.config import Config

__all__ = ["ROWS"]


def _twice(config: Config) -> int:
    """LongCat: two attention blocks in each of ``num_layers``.

    A file's ``num_hidden_layers`` sets ``num_layers`` to half of it, rounded down.
    """
    if "num_hidden_layers" in config.raw:
        return config.layers("num_hidden_layers") // 2 * 2
    return 2 * config.layers("num_layers")


_SLIDING, _FULL, _INDEXED = "sliding_attention", "full_attention", "indexed_attention"
#: What dots.note sets otherwise for its sliding layers, and its defaults.
_OWN_OF_SLIDING = {
    "num_attention_heads": 64,
    "num_key_value_heads": 64,
    "q_lora_rank": 1024,
    "kv_lora_rank": 1024,
    "head_dim": 256,
    "qk_nope_head_dim": 192,
    "v_head_dim": 128,
}
_STATED = stated_per_layer(*_OWN_OF_SLIDING, "qk_rope_head_dim")


def _dots_note(config: Config) -> Plan:
    """dots.note: sliding layers with a latent of their own; the others are sparse by default."""
    stated = "per_layer_config" in config.raw
    sparse = config.raw.get("use_dsa", None if stated else True)
    slides = config.raw.get("use_sliding_window", True)

    def types(config: Config, layers: int) -> Sequence[str]:
        full = _FULL if sparse is False else _INDEXED
        return [
            full if not slides or layer < 2 or layer % 4 == 1 else _SLIDING
            for layer in range(layers)
        ]

    def as_sparse(names: Sequence[str]) -> Sequence[str]:
        if sparse is None:
            return names
        old, new = (_FULL, _INDEXED) if sparse else (_INDEXED, _FULL)
        return [new if name == old else name for name in names]

    return layered(
        latent,
        types,
        kinds={_INDEXED: _indexed_in_float32},
        window=_window_of_either_name,
        per_layer=_STATED if stated else _own_of_sliding,
        then=as_sparse,
    )(config)


def _indexed_in_float32(config: Config) -> Kind:
    shape = latent(config)
    full = Full(heads=1, k_dim=shape.k_dim, v_dim=shape.v_dim, rows=shape.rows, name="latent")
    # Rotated by float32 angles, and never cast back.
    return Together((full, Indexed(dim=config.int("index_head_dim"), dtype="F32")))


def _window_of_either_name(config: Config) -> int | None:
    value = config.optional_int("sliding_window")
    if value is not None:
        return value
    return config.check_int("sliding_window_size", config.raw.get("sliding_window_size", 512))


def _own_of_sliding(config: Config, names: Sequence[str]) -> LayerValues:
    own = {
        key: config.check_int(f"swa_{key}", config.raw.get(f"swa_{key}", default))
        for key, default in _OWN_OF_SLIDING.items()
    }
    rest = own["head_dim"] - own["qk_nope_head_dim"]
    own["qk_rope_head_dim"] = config.check_int(
        "swa_qk_rope_head_dim", config.raw.get("swa_qk_rope_head_dim", rest)
    )
    if own["qk_rope_head_dim"] != rest and _SLIDING in names:
        raise ConfigError(
            f"found {own['qk_rope_head_dim']}",
            where=config.place("swa_qk_rope_head_dim"),
            expected=f"swa_head_dim - swa_qk_nope_head_dim ({rest})",
        )
    return {index: own for index, name in enumerate(names) if name == _SLIDING}


ROWS: dict[str, Row] = {
    "deepseek_v2": Row(layered(latent)),
    "dots3_note_text": Row(_dots_note),
    "longcat_flash": Row(layered(latent, layers=_twice)),
    "mistral4": Row(layered(latent)),
}
