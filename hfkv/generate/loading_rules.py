"""What a built model says of the models inside it and of how published names reach it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hfkv.generate.module_rows import pattern_of

__all__ = ["conversions_of", "parts_of"]


def parts_of(model: Any, own: Any) -> list[list[str]]:
    """The models inside the model that a config may exchange."""
    from transformers import PreTrainedModel

    places = {id(part): path for path, part in _exchangeable(own)}
    return [
        [pattern_of(name), type(module).__name__, module.config.model_type, place]
        for name, module in model.named_modules()
        if name and isinstance(module, PreTrainedModel) and (place := places.get(id(module.config)))
    ]


def _exchangeable(config: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The nested configs that may be of another type: where the class names one, a file's own
    ``model_type`` there decides nothing (``qwen3_vl`` files call their vision part so as well)."""
    from transformers import AutoConfig

    for key, kind in (getattr(config, "sub_configs", {}) or {}).items():
        part = getattr(config, key, None)
        if part is not None and hasattr(part, "to_dict"):
            if kind is AutoConfig:
                yield f"{path}{key}", part
            yield from _exchangeable(part, f"{path}{key}.")


def conversions_of(model: Any) -> list[dict[str, Any]]:
    from transformers import conversion_mapping
    from transformers import core_model_loading as loading

    found = []
    for rule in conversion_mapping.get_model_conversion_mapping(model):
        kind = "rename"
        entry: dict[str, Any] = {}
        if isinstance(rule, loading.GroupWeightRename):
            kind = "group"
        elif isinstance(rule, loading.Inkling2IndexOffsetWeightRename):
            kind = "offset"
            entry["offset"] = rule.offset
        elif isinstance(rule, loading.WeightConverter):
            kind = "convert"
            entry["ops"] = [_operation(op) for op in rule.operations]
        entry = {
            "kind": kind,
            "regex": rule.compiled_sources.pattern,
            "sources": list(rule.source_patterns),
            "targets": list(rule.target_patterns),
            **entry,
        }
        if rule.scope_prefix is not None:
            entry["scope"] = rule.scope_prefix
            entry["prefix"] = rule.base_model_prefix
        found.append(entry)
    return found


def _operation(operation: Any) -> list[Any]:
    name = type(operation).__name__
    if name == "Transpose":
        marks = ["check"] if operation.check_dims else []
        return [name, operation.dim0, operation.dim1, *marks]
    if name == "ErnieFuseAndSplitTextVisionExperts":
        return [name, operation.stack_dim, operation.concat_dim]
    if hasattr(operation, "dim"):
        shards = getattr(operation, "num_shards_attribute", None)
        return [name, operation.dim, *([shards] if shards else [])]
    return [name]
