"""The modules of a model by its config alone, where its class has a plan: no weights are seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hfkv.errors import UnsupportedError
from hfkv.facts import Facts
from hfkv.facts.config import Config
from hfkv.modules.built import Built
from hfkv.modules.class_plan import plan_of, planned
from hfkv.modules.table import has_table, table_of
from hfkv.modules.ties import with_ties
from hfkv.reading import printable

__all__ = ["by_plan", "sizes_by_plan"]

_QUANTIZED = "; the adapter is the one of the unquantized class"


def by_plan(facts: Facts, config: Config) -> Built:
    """What transformers would build for this config.

    Raises:
        UnsupportedError: the class has no plan, or the config goes beyond it.
    """
    absent = facts.missing.get("tensors", "there are none")
    try:
        built = _built(config)
    except UnsupportedError as error:
        raise UnsupportedError(
            f"LoRA's layers are counted from the safetensors headers: {absent}; and config.json "
            f"alone is not enough: {error.what}",
            where=facts.model,
            hint="use the repository or a directory with the weights; with the verify extra "
            "hfkv lora --basis live builds the class instead",
        ) from None
    quantized = _QUANTIZED if isinstance(config.raw.get("quantization_config"), Mapping) else ""
    return replace(
        built,
        basis="documented" if facts.derived else built.basis,
        reason=f"{built.reason} ({absent}){quantized}",
    )


def sizes_by_plan(config: Config) -> Mapping[str, tuple[int, ...]] | None:
    """Each parameter's shape by the config; None where the config does not tell."""
    try:
        built = _built(config)
    except UnsupportedError:
        return None
    return {
        f"{module.name}.{short}": shape
        for module in built.modules
        for short, shape in module.parameters.items()
    }


def _built(config: Config) -> Built:
    if not has_table(config):
        raise UnsupportedError(
            f"the modules of model_type '{printable(config.model_type)}' are not known here"
        )
    table = table_of(config)
    plan = plan_of(config.model_type, table.architecture)
    own = config
    for key in filter(None, table.config_path.split(".")):
        if not isinstance(own.raw.get(key), Mapping):
            raise UnsupportedError(f"there is no {key}, which {table.architecture} is built from")
        own = own.nested(key)
    if table.config_path and own.model_type != table.config_type:
        raise UnsupportedError(
            f"{table.config_path} is a {printable(own.model_type)}, and {table.architecture} takes "
            f"a {table.config_type}"
        )
    built = planned(plan, own, model_type=table.config_type)
    return with_ties(built, table, own)
