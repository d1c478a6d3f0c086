"""What is trained, or written, beside a method's own parameters: biases and embeddings."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from hfkv.modules.built import Built, leaf
from hfkv.peft.matching import compiled
from hfkv.peft.targets import EMBEDDINGS

__all__ = ["biases", "saved_embeddings", "written_biases"]


def biases(
    built: Built,
    bias: str,
    adapted: Collection[str],
    elements: Mapping[str, int],
    saved: Mapping[str, int],
) -> dict[str, int]:
    """Biases of the base model that ``bias`` sets free, by full name.

    Args:
        bias: ``none``, ``all``, or that of the adapted modules alone (``lora_only`` and its like).
        adapted: modules with an adapter.
        elements: of all parameters, tied ones once.
        saved: modules that are copied.
    """
    if bias == "none":
        return {}
    if bias == "all":
        chosen = [name for name in elements if name == "bias" or name.endswith(".bias")]
    else:
        names = _with_bias(built, adapted)
        chosen = list(dict.fromkeys(built.tied.get(name, name) for name in names))
    # What a copied module holds is frozen, and so is what is tied to it.
    kept = {
        built.tied.get(f"{module.name}.{short}", f"{module.name}.{short}")
        for module in built.modules
        for short in module.parameters
        if any(module.name == name or module.name.startswith(f"{name}.") for name in saved)
    }
    return {name: elements[name] for name in chosen if name not in kept}


def _with_bias(built: Built, adapted: Collection[str]) -> dict[str, int]:
    """Full names of the biases of adapted modules, with their elements."""
    modules = {module.name: module.parameters for module in built.modules}
    return {
        f"{name}.bias": math.prod(modules[name]["bias"])
        for name in adapted
        if "bias" in modules[name]
    }


def written_biases(
    built: Built,
    bias: str,
    adapted: Collection[str],
    trained: Mapping[str, int],
    saved: Mapping[str, int],
) -> int:
    """Biases that are written and not trained: each name's, tied or not, and with ``all`` those of
    a copied module once more."""
    if bias == "none":
        return 0
    if bias != "all":
        return sum(_with_bias(built, adapted).values()) - sum(trained.values())
    copied = [name for name, count in saved.items() if count]
    shapes = [
        module.parameters["bias"]
        for module in built.modules
        if "bias" in module.parameters
        for name in (module.name, *copied)
        if module.name == name or module.name.startswith(f"{name}.")
    ]
    shapes += [shape for name, shape in built.loose.items() if name == "bias"]
    return sum(math.prod(shape) for shape in shapes) - sum(trained.values())


def saved_embeddings(
    built: Built, targets: str | Collection[str] | None, adapted: Collection[str]
) -> dict[str, int]:
    """Base parameters that ``save_pretrained`` writes as well: those of the input and the output
    embedding, where one of PEFT's two names for them is a target and that layer is adapted."""
    if isinstance(targets, str):
        expression = compiled(targets)
        targeted = any(
            expression.fullmatch(module.name) is not None
            for module in built.modules
            if leaf(module.name) in EMBEDDINGS
        )
    else:
        # Only the bare names are looked for, not full ones.
        targeted = any(name in (targets or ()) for name in EMBEDDINGS)
    if not targeted:
        return {}
    wanted = {built.input, built.output} & set(adapted)
    return {
        f"{module.name}.{short}": math.prod(shape)
        for module in built.modules
        if module.name in wanted
        for short, shape in module.parameters.items()
    }
