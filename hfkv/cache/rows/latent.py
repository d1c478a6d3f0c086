"""MLA decoders: one latent and one rotary key per token, whatever the heads."""

from __future__ import annotations

from collections.abc import Sequence

from hfkv.cache.geometry import latent
from hfkv.cache.kinds import Indexer, Kind, Together
from hfkv.cache.layered import LayerValues, layered, stated_per_layer
from hfkv.cache.plan import Plan
from hfkv.cache.row import Row, table
from hfkv.errors import ConfigError
from hfkv.facts.config import Config, Derived, Place

__all__ = ["ROWS"]


def _twice(config: Config) -> int:
    """LongCat: two attention blocks in each of ``num_layers``.

    A file's ``num_hidden_layers`` sets ``num_layers`` to half of it, rounded down.
    """
    if config.states("num_hidden_layers"):
        return config.layers("num_hidden_layers") // 2 * 2
    return 2 * config.layers("num_layers")


_SLIDING, _FULL, _INDEXED = "sliding_attention", "full_attention", "indexed_attention"
#: What dots.note sets otherwise for its sliding layers, as ``swa_...``.
_OWN_OF_SLIDING = (
    "num_attention_heads",
    "num_key_value_heads",
    "q_lora_rank",
    "kv_lora_rank",
    "head_dim",
    "qk_nope_head_dim",
    "v_head_dim",
)
_STATED = stated_per_layer(*_OWN_OF_SLIDING, "qk_rope_head_dim")


def _dots_note(config: Config) -> Plan:
    """dots.note: sliding layers with a latent of their own; the others are sparse by default."""
    stated = config.states("per_layer_config")
    # The class's default of use_dsa is for files that do not state the layers one by one.
    sparse = config.stated("use_dsa") if stated else config.get("use_dsa")
    sparse = sparse if sparse is None else config.bool("use_dsa")
    slides = config.bool("use_sliding_window")

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
    # Rotated by float32 angles, and never cast back.
    keys = Indexer(dim=config.int("index_head_dim"), dtype="F32")
    return Together((latent(config).full(), keys))


def _window_of_either_name(config: Config) -> int | None:
    value = config.optional_int("sliding_window")
    return config.int("sliding_window_size") if value is None else value


def _own_of_sliding(config: Config, names: Sequence[str]) -> LayerValues:
    own: dict[str, Place | Derived] = {key: Place(config, f"swa_{key}") for key in _OWN_OF_SLIDING}
    rest = config.int("swa_head_dim") - config.int("swa_qk_nope_head_dim")
    if config.states("swa_qk_rope_head_dim"):
        own["qk_rope_head_dim"] = Place(config, "swa_qk_rope_head_dim")
        stated = config.int("swa_qk_rope_head_dim")
    else:
        own["qk_rope_head_dim"] = Derived(rest, "swa_head_dim - swa_qk_nope_head_dim")
        stated = config.check_int("swa_qk_rope_head_dim", rest)
    if stated != rest and _SLIDING in names:
        raise ConfigError(
            f"found {stated}",
            where=config.place("swa_qk_rope_head_dim"),
            expected=f"swa_head_dim - swa_qk_nope_head_dim ({rest})",
        )
    return {index: own for index, name in enumerate(names) if name == _SLIDING}


ROWS: dict[str, Row] = table(
    ("deepseek_v3", Row(layered(latent))),
    ("dots3_note_text", Row(_dots_note)),
    ("longcat_flash", Row(layered(latent, layers=_twice))),
)
