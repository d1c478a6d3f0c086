"""The sizes that PEFT reads from a model's config for prompt learning
(``_prepare_prompt_learning_config``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hfkv.errors import TargetError
from hfkv.facts.config import Config
from hfkv.modules.expressions import evaluate
from hfkv.modules.table import has_table, tables_of
from hfkv.peft.prompts.options import IN_EVERY_LAYER, PromptOptions

__all__ = ["Sizes", "sizes_of"]

_LAYERS = ("num_hidden_layers", "num_layers", "n_layer")
_WIDTH = ("hidden_size", "n_embd", "d_model")
_HEADS = ("num_attention_heads", "n_head", "num_heads", "encoder_attention_heads")

#: Classes of transformers 5.24.0 that work out ``num_hidden_layers`` from other keys; None where
#: it is the length of a list, and prompt tuning, which needs no number, goes on without it.
_COMPUTED = {
    "longcat_flash": "2 * num_layers",
    "nemotron_h": None,
    "prophetnet": "num_encoder_layers",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What a virtual token is made of.

    Attributes:
        layers: layers that get it.
        width: elements of its embedding, or of its keys in one layer.
        inner: width of the network that the tokens of prefix tuning and p-tuning can pass through.
    """

    layers: int
    width: int
    inner: int


def sizes_of(config: Config, options: PromptOptions) -> Sizes:
    """The sizes of ``options``, and where it leaves them open those of the config.

    Args:
        config: what the model class is built from; PEFT looks at its ``text_config`` where it
            has one.

    Raises:
        TargetError: PEFT finds no such key, and refuses.
    """
    text = config
    if "text_config" in config.raw or (
        config.cls is not None and "text_config" in config.cls.sub_configs
    ):
        text = config.nested("text_config")
    layers = options.num_layers
    if layers is None:
        # The whole config is asked first and as an object, which knows the standard name.
        layers = _number(config, "num_hidden_layers")
        if config.model_type in _COMPUTED:
            layers = evaluate(_COMPUTED[config.model_type], config.get)
            if layers is None and options.method not in IN_EVERY_LAYER:
                layers = 0
        if layers is None:
            layers = _first(text, _LAYERS, "num_layers", config)
    width = options.token_dim
    if width is None:
        width = _first(text, _WIDTH, "token_dim", config)
    heads = options.num_attention_heads
    if heads is None:
        heads = _first(text, _HEADS, "num_attention_heads", config)
    grouped = _number(text, "num_key_value_heads") if _has(text, "num_key_value_heads") else None
    if options.method in IN_EVERY_LAYER and grouped is not None:
        head = _number(text, "head_dim") if _has(text, "head_dim") else None
        width = (head if head is not None else width // heads) * grouped
    inner = options.encoder_hidden_size
    return Sizes(layers=layers, width=width, inner=width if inner is None else inner)


def _has(config: Config, key: str) -> bool:
    """Whether the class writes the key by this very name."""
    if config.cls is None:
        return key in config.raw
    return key in config.cls.defaults or (key in config.raw and key not in config.cls.attribute_map)


def _first(config: Config, keys: tuple[str, ...], name: str, whole: Config) -> int:
    for key in keys:
        found = _number(config, key) if _has(config, key) else None
        if found is not None:
            return found
    raise TargetError(
        f"PEFT finds none of {', '.join(keys)} in the model's config",
        where=whole.where,
        hint=f"give {name} in the adapter's config",
    )


def _number(config: Config, key: str) -> int | None:
    """A key's whole number, or what the class puts where it is null."""
    value = config.get(key)
    if value is None:
        value = _derived(config, key)
    return None if value is None else config.check_int(key, value)


def _derived(config: Config, key: str) -> Any:
    if not has_table(config):
        return None
    for table in tables_of(config.model_type):
        text = table.derived.get(key)
        if text is not None and not table.config_path:
            return evaluate(text, config.get)
    return None
