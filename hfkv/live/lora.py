"""What the installed PEFT really makes of a live model on the meta device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hfkv.live.build import build, class_of, config_of, installed, made_on, transformers
from hfkv.modules.built import target_name

__all__ = ["build_for", "live_lora", "measure", "own_config"]


def own_config(config: Any, name: str | None = None) -> tuple[Any, str]:
    """The config that the class takes, and its path: a causal-LM class of a composite type takes
    the text part, as ``AutoModelForCausalLM`` gives it."""
    cls = getattr(transformers(), name) if name else class_of(config)
    wanted = getattr(cls, "config_class", None)
    if wanted is None or isinstance(config, wanted):
        return config, ""
    for key in getattr(config, "sub_configs", {}) or {}:
        if isinstance(getattr(config, key, None), wanted):
            return getattr(config, key), key
    return config, ""


def build_for(config: Any, name: str | None = None) -> Any:
    """The model of class ``name`` (or the preferred one) on the meta device."""
    cls = getattr(transformers(), name) if name else class_of(config)
    own, path = own_config(config, cls.__name__)
    if not path:
        return build(config, name=cls.__name__, whole=True)
    for part in (own, *[getattr(own, k, None) for k in getattr(own, "sub_configs", {}) or {}]):
        if part is not None:
            part._attn_implementation = "eager"
    with made_on("meta"):
        return cls(own).eval()


def live_lora(
    raw: Mapping[str, Any], options: Mapping[str, Any], *, name: str | None = None
) -> dict[str, Any]:
    """Build the model of a ``config.json`` and the adapter of ``LoraConfig(**options)`` on it.

    Returns:
        As :func:`measure`.
    """
    return measure(build_for(config_of(raw), name), options)


def measure(model: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Adapt ``model`` (which is used up) and count.

    Returns:
        ``{"error": [class name, message]}`` where PEFT refuses, or ``trainable`` and ``all``, the
        numbers that ``print_trainable_parameters`` prints; ``lora``, the parameters of the
        low-rank part; ``per_target``, those by leaf name of the adapted module (parameters of an
        experts module as ``experts.gate_up_proj``); ``modules``, by full name of the adapted
        module or parameter; ``saved``, the copies of ``modules_to_save`` and trained token rows;
        ``rest``, whatever else is trained.
    """
    library = installed("peft")
    with made_on("meta", "float32"):
        try:
            adapted = library.get_peft_model(model, library.LoraConfig(**options))
        except Exception as error:
            return {"error": [type(error).__name__, str(error)]}
    return _count(adapted)


def _count(adapted: Any) -> dict[str, Any]:
    from peft.tuners.lora.layer import LoraLayer, ParamWrapper
    from peft.utils.other import AuxiliaryTrainingWrapper

    trainable, everything = adapted.get_nb_trainable_parameters()
    base = adapted.base_model.model
    owner: dict[int, tuple[str, str]] = {}
    for path, module in base.named_modules():
        if isinstance(module, LoraLayer):
            name = path
            if isinstance(module, ParamWrapper):
                while name.endswith(".base_layer"):
                    name = name.removesuffix(".base_layer")
                name = f"{name}.{module.parameter_name}"
            for part in module.adapter_layer_names:
                held = getattr(module, part, None)
                if held is not None:
                    for parameter in held.parameters():
                        owner[id(parameter)] = ("lora", name)
        elif isinstance(module, AuxiliaryTrainingWrapper):
            for key, parameter in module.named_parameters():
                if key.startswith(("modules_to_save.", "trainable_tokens_", "token_adapter.")):
                    owner.setdefault(id(parameter), ("saved", path))
    modules: dict[str, int] = {}
    saved: dict[str, int] = {}
    rest: dict[str, int] = {}
    for path, parameter in base.named_parameters():
        if not parameter.requires_grad:
            continue
        kind, name = owner.get(id(parameter), ("rest", path))
        table = {"lora": modules, "saved": saved, "rest": rest}[kind]
        table[name] = table.get(name, 0) + parameter.numel()
    per_target: dict[str, int] = {}
    for name, count in modules.items():
        leaf = target_name(name)
        per_target[leaf] = per_target.get(leaf, 0) + count
    return {
        "trainable": trainable,
        "all": everything,
        "lora": sum(modules.values()),
        "per_target": per_target,
        "modules": modules,
        "saved": saved,
        "rest": rest,
    }
