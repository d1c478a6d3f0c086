"""What is trained beside the low-rank part: modules copied whole, token rows, biases."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from hfkv.errors import TargetError, UnsupportedError
from hfkv.lora.built import Built, Module, leaf
from hfkv.lora.matching import compiled, matches_list
from hfkv.lora.tying import follows
from hfkv.lora.work import LINEAR, Adapted, Work
from hfkv.reading import printable

__all__ = ["Copy", "biases", "saved_embeddings", "saved_modules", "tied_copies", "token_rows"]

#: PEFT's ``EMBEDDING_LAYER_NAMES``.
_EMBEDDINGS = ("embed_tokens", "lm_head")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A module that is copied and trained whole.

    Attributes:
        trained: parameters of the copy that are trained.
        held: parameters of the copy in memory. What is copied once more inside it is frozen there.
        written: what ``save_pretrained`` writes of it: shared parameters under each of their
            names, and copies inside copies once for each copy around them as well.
    """

    trained: int
    held: int
    written: int


def saved_modules(built: Built, work: Work, adapted: set[str]) -> dict[str, Copy]:
    """Modules that are copied and trained whole, a tied one as a full copy of its own."""
    wanted = work.options.modules_to_save
    if not wanted:
        return {}
    chosen = [module.name for module in built.modules if module.name.endswith(wanted)]
    parameters: dict[str, dict[str, int]] = {}
    for name in chosen:
        inside = [
            module
            for module in built.modules
            if module.name == name or module.name.startswith(f"{name}.")
        ]
        if _is_list(name, inside):
            raise TargetError(
                f"PEFT cannot save {printable(name)}, which is a list of modules", where=work.where
            )
        if any(item == name or item.startswith(f"{name}.") for item in adapted):
            raise TargetError(
                f"PEFT cannot both adapt {printable(name)} and save it whole", where=work.where
            )
        parameters[name] = {
            f"{module.name}.{short}": math.prod(shape)
            for module in inside
            for short, shape in module.parameters.items()
        }
    return _copies(built, parameters, work.where)


def _copies(built: Built, chosen: dict[str, dict[str, int]], where: str) -> dict[str, Copy]:
    """The copies of modules, some of them inside others.

    PEFT wraps one module after the other, from the outside in. What lies inside a wrapped module
    is then found in its copy, and frozen there once it is copied itself.
    """
    found: dict[str, Copy] = {}
    frozen: dict[str, set[str]] = {}
    for name, held in chosen.items():
        around = [other for other in found if name.startswith(f"{other}.")]
        if len(around) > 1:
            raise UnsupportedError(
                f"modules_to_save matches {printable(name)} and two modules around it", where=where
            )
        parent = name.rpartition(".")[0]
        if around and around[0] == parent.rpartition(".")[0]:
            # PEFT takes it for wrapped already, and sets all of the copy free once more.
            frozen[around[0]].clear()
            continue
        # What is shared inside the module is shared inside its copy as well.
        unique = sum(held[full] for full in set(_own_names(built, held).values()))
        whole = sum(held.values())
        if not around:
            written = whole
        elif around[0] == parent:
            written = 0  # under the name that the module around it writes as well
        else:
            written = 2 * whole  # inside the other's copy, and by itself
        found[name] = Copy(trained=unique, held=unique, written=written)
        frozen[name] = set()
        if around:
            names = _own_names(built, chosen[around[0]])
            frozen[around[0]] |= {names[full] for full in held}
    return {
        name: replace(copy, trained=copy.trained - sum(chosen[name][full] for full in frozen[name]))
        for name, copy in found.items()
    }


def _own_names(built: Built, held: Mapping[str, int]) -> dict[str, str]:
    """Each parameter's name to the one of those that are the same and in the same module."""
    return {full: built.tied[full] if built.tied.get(full) in held else full for full in held}


def tied_copies(built: Built, work: Work, adapted: set[str]) -> list[Copy]:
    """Modules that are saved because the saved input embedding is tied to them: they train its
    weight, and write it once more."""
    found = []
    for module in built.modules:
        if not module.name.endswith(work.tied_saves or ("\0",)):
            continue
        if module.name in adapted:
            raise TargetError(
                f"PEFT cannot both adapt {printable(module.name)} and save it whole",
                where=work.where,
            )
        assert built.input is not None
        weight = work.modules[built.input].parameters["weight"]
        found.append(Copy(trained=0, held=0, written=math.prod(weight)))
    return found


def _is_list(name: str, inside: list[Module]) -> bool:
    children = {module.name[len(name) + 1 :].split(".")[0] for module in inside[1:]}
    own = inside[0]
    return bool(children) and not own.parameters and all(child.isdigit() for child in children)


def token_rows(built: Built, work: Work, saved: Collection[str]) -> dict[str, int]:
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
    saved: Collection[str],
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
    adapted += [m.name for m in built.modules if follows(work.tied_targets, m.name)]
    found = {}
    for name in (built.input, built.output):
        if targeted and name is not None and name in adapted:
            found[f"{name}.weight"] = math.prod(work.modules[name].parameters["weight"])
    return found
