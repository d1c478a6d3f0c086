"""What is trained beside the low-rank part: modules copied whole, token rows, biases."""

from __future__ import annotations

import math

from hfkv.errors import TargetError, UnsupportedError
from hfkv.lora.built import Built, Module, leaf
from hfkv.lora.matching import compiled, matches_list
from hfkv.lora.work import LINEAR, Adapted, Work
from hfkv.reading import printable

__all__ = ["biases", "saved_embeddings", "saved_modules", "token_rows"]

#: PEFT's ``EMBEDDING_LAYER_NAMES``.
_EMBEDDINGS = ("embed_tokens", "lm_head")


def saved_modules(built: Built, work: Work, adapted: set[str]) -> dict[str, int]:
    """Modules that are copied and trained whole, a tied one as a full copy of its own."""
    wanted = work.options.modules_to_save
    if not wanted:
        return {}
    chosen = [module.name for module in built.modules if module.name.endswith(wanted)]
    found: dict[str, int] = {}
    for name in chosen:
        inside = [
            module
            for module in built.modules
            if module.name == name or module.name.startswith(f"{name}.")
        ]
        if any(name.startswith(f"{other}.") for other in chosen):
            raise UnsupportedError(
                f"modules_to_save matches {printable(name)} and a module around it",
                where=work.where,
            )
        if _is_list(name, inside):
            raise TargetError(
                f"PEFT cannot save {printable(name)}, which is a list of modules", where=work.where
            )
        if any(item == name or item.startswith(f"{name}.") for item in adapted):
            raise TargetError(
                f"PEFT cannot both adapt {printable(name)} and save it whole", where=work.where
            )
        found[name] = sum(
            math.prod(shape) for module in inside for shape in module.parameters.values()
        )
    return found


def _is_list(name: str, inside: list[Module]) -> bool:
    children = {module.name[len(name) + 1 :].split(".")[0] for module in inside[1:]}
    own = inside[0]
    return bool(children) and not own.parameters and all(child.isdigit() for child in children)


def token_rows(built: Built, work: Work, saved: dict[str, int]) -> dict[str, int]:
    """Token rows that are trained beside a frozen embedding."""
    wanted = work.options.trainable_token_indices
    if wanted is None:
        return {}
    found: dict[str, int] = {}
    for asked, indices in wanted:
        name = asked
        if not name:
            if not built.input_known or built.input is None:
                raise UnsupportedError(
                    "the input embedding of this class is not known here",
                    where=work.where,
                    hint="name it in trainable_token_indices",
                )
            name = built.input
        if name in (work.options.modules_to_save or ()):
            raise TargetError(
                f"PEFT cannot train {printable(name)} whole and token rows of it", where=work.where
            )
        modules = [module for module in built.modules if module.name.endswith(name)]
        if not modules:
            raise TargetError(f"no module is named {printable(name)}", where=work.where)
        for module in modules:
            shape = module.parameters.get("weight")
            if shape is None or module.kind not in (*LINEAR, "embedding") or module.name in saved:
                raise UnsupportedError(
                    f"trained token rows of {printable(module.name)} are not counted",
                    where=work.where,
                )
            if f"{module.name}.weight" in built.tied and len(wanted) > 1:
                raise UnsupportedError(
                    "trained token rows of several tied layers are not counted", where=work.where
                )
            found[module.name] = len(indices) * shape[1]
    return found


def biases(
    built: Built,
    work: Work,
    adapted: list[Adapted],
    elements: dict[str, int],
    saved: dict[str, int],
) -> dict[str, int]:
    """Biases of the base model that ``bias`` sets free."""
    if work.options.bias == "none":
        return {}
    if work.options.bias == "all":
        chosen = [name for name in elements if name == "bias" or name.endswith(".bias")]
    else:
        names = {item.name for item in adapted} | {
            item.name.rpartition(".")[0] for item in adapted if item.name not in work.modules
        }
        chosen = [f"{name}.bias" for name in names if f"{name}.bias" in elements]
    kept = tuple(f"{name}." for name in saved)
    return {name: elements[name] for name in chosen if not name.startswith(kept or ("\0",))}


def saved_embeddings(built: Built, work: Work) -> dict[str, int]:
    """Base weights that ``save_pretrained`` writes as well: those of the input and the output
    embedding, where one of PEFT's two names for them is a target and that layer is adapted."""
    targets = work.targets
    if work.options.trainable_token_indices is not None or targets is None:
        return {}
    if isinstance(targets, str):
        expression = compiled(targets)
        targeted = any(
            expression.fullmatch(module.name) is not None
            for module in built.modules
            if leaf(module.name) in _EMBEDDINGS
        )
        adapted = [m.name for m in built.modules if expression.fullmatch(m.name) is not None]
    else:
        # Only the bare names are looked for, not full ones.
        targeted = any(name in targets for name in _EMBEDDINGS)
        adapted = [m.name for m in built.modules if matches_list(targets, m.name)]
    found = {}
    for name in (built.input, built.output):
        if targeted and name is not None and name in adapted:
            found[f"{name}.weight"] = math.prod(work.modules[name].parameters["weight"])
    return found
