"""Text decoders that look at an image, a video or a protein through cross-attention or a prefix."""

from __future__ import annotations

from dataclasses import replace

from hfkv.cache.encoders import attends_if, refuse_other_layers, without_encoder
from hfkv.cache.geometry import Heads, grouped, grouped_split, heads, multi_head, split_head_dim
from hfkv.cache.layered import layered
from hfkv.cache.plan import Plan
from hfkv.cache.row import Row, table
from hfkv.errors import ConfigError
from hfkv.facts.config import Config

__all__ = ["ROWS"]


def _divided(config: Config) -> Heads:
    """Multi-head attention of a class that insists on heads that divide the hidden size."""
    dim, count = split_head_dim(config), heads(config)
    if dim * count != config.int("hidden_size"):
        raise ConfigError(
            f"found {count}",
            where=config.place("num_attention_heads"),
            expected=f"a divisor of the hidden size ({config.int('hidden_size')})",
        )
    return multi_head(config)


def _plain(config: Config) -> Plan:
    refuse_other_layers(config)
    return layered(_divided)(config)


def _evolla(config: Config) -> Plan:
    """A Llama whose class divides by ``num_key_value_heads`` as it stands in the file."""
    config.int("num_key_value_heads")
    return layered(grouped)(config)


def _mllama_text(config: Config) -> Plan:
    """Layers of tokens, and between them layers that keep an image and nothing else."""
    refuse_other_layers(config)
    count = config.layers()
    crossing = set(config.filled_ints("cross_attention_layers"))
    shape = grouped_split(config)
    own, image = shape.full(), shape.cross(alone=True)
    kinds = [image if layer in crossing else own for layer in range(count)]
    return without_encoder(Plan(kinds=kinds), "no image: one adds max_num_tiles times its patches")


def _mllama(config: Config) -> Plan:
    made = _mllama_text(config.nested("text_config"))
    vision = config.nested("vision_config")
    side = vision.int("image_size") // vision.int("patch_size")
    tiles = vision.int("max_num_tiles")
    return replace(
        made,
        encoder_source=f"no image: one adds {tiles * (side * side + 1)}, "
        f"{tiles} tiles of {side} x {side} patches and one",
    )


def _blip_text(config: Config) -> Plan:
    return attends_if("is_decoder", _plain, _divided)(config)


def _blip(config: Config) -> Plan:
    """The caption's decoder and the image's patches, which it always reads."""
    made = _blip_text(config.nested("text_config"))
    if not made.crosses:
        raise ConfigError(
            "is not true, so the text model does not read the image",
            where=config.place("text_config.is_decoder"),
            expected="true",
        )
    vision = config.nested("vision_config")
    side = vision.int("image_size") // vision.int("patch_size")
    return replace(
        made,
        encoder_tokens=side * side + 1,
        encoder_source=f"one image: {side} x {side} patches and one",
    )


def _git(config: Config) -> Plan:
    note = "an image's patches are read as tokens before the text's: `tokens` counts them too"
    return replace(_plain(config), notes=(note,))


def _idefics(config: Config) -> Plan:
    note = "what the layers between read of an image is not kept: it is computed at every step"
    return replace(_plain(config), notes=(note,))


def _kosmos2_text(config: Config) -> Plan:
    return attends_if("add_cross_attention", _plain, _divided)(config)


def _kosmos2(config: Config) -> Plan:
    return _kosmos2_text(config.nested("text_config"))


def _kosmos2_5(config: Config) -> Plan:
    return _plain(config.nested("text_config"))


ROWS: dict[str, Row] = table(
    ("blip", Row(_blip)),
    ("blip_text_model", Row(_blip_text)),
    ("evolla", Row(_evolla)),
    ("git", Row(_git)),
    ("idefics", Row(_idefics)),
    ("kosmos-2", Row(_kosmos2)),
    ("kosmos_2_text_model", Row(_kosmos2_text)),
    ("kosmos-2.5", Row(_kosmos2_5)),
    ("kosmos_2_5_text_model", Row(_plain)),
    ("mllama", Row(_mllama)),
    ("mllama_text_model", Row(_mllama_text)),
)
