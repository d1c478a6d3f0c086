"""What is trained beside the low-rank part and the copied modules: token rows and biases."""

from __future__ import annotations

import math

from hfkv.errors import TargetError, UnsupportedError
from hfkv.modules.built import LINEAR, Built, Module, leaf
from hfkv.peft.lora.draft import Adapted, Draft
from hfkv.peft.matching import compiled
from hfkv.peft.targets import EMBEDDINGS
from hfkv.reading import printable

__all__ = ["biases", "saved_embeddings", "token_rows", "written_biases"]


def token_rows(
    built: Built, draft: Draft, saved: dict[str, int], adapted: set[str]
) -> dict[str, int]:
    """Token rows that are trained beside a frozen embedding. Layers that are tied to an input
    embedding with such rows share them."""
    wanted = draft.options.trainable_token_indices
    if wanted is None:
        return {}
    asked = {name or _input(built, draft): indices for name, indices in wanted}
    for name in asked:
        if name in (draft.saved or ()):
            raise TargetError(
                f"PEFT cannot train {printable(name)} whole and token rows of it", where=draft.where
            )
    tied = _tied_to_input(built, draft)
    skipped, apart = _together(asked, tied, built, draft)
    found: dict[str, int] = {}
    for name, indices in asked.items():
        if name in skipped:
            continue
        modules = [module for module in built.modules if module.name.endswith(name)]
        if not modules:
            raise TargetError(f"no module is named {printable(name)}", where=draft.where)
        for module in modules:
            if module.name in found:
                continue  # PEFT comes to it again and leaves it as it is
            _refuse_rows(module, draft, saved, adapted)
            rows = module.parameters["weight"][0]
            beyond = [index for index in indices if not -rows <= index < rows]
            if beyond:
                raise TargetError(
                    f"token {beyond[0]} is outside the {rows:,} rows of {printable(module.name)}, "
                    "and PEFT fails",
                    where=draft.where,
                )
            found[module.name] = len(indices) * module.parameters["weight"][1]
    if built.ties_words and built.input in found and not apart:
        for module in built.modules:
            if module.name.endswith(tied) and module.name not in found:
                # Of one that is adapted, PEFT takes the layer under the adapter.
                _refuse_rows(module, draft, saved, set())
    return found


def _input(built: Built, draft: Draft) -> str:
    if not built.input_known or built.input is None:
        raise UnsupportedError(
            "the input embedding of this class is not known here",
            where=draft.where,
            hint="name it in trainable_token_indices",
        )
    return built.input


def _tied_to_input(built: Built, draft: Draft) -> tuple[str, ...]:
    if not built.ties_words:
        return ()
    if built.to_input is None:
        raise UnsupportedError(
            "trained token rows: what is tied to the input embedding is not known here",
            where=draft.where,
        )
    return built.to_input


def _together(
    asked: dict[str, tuple[int, ...]], tied: tuple[str, ...], built: Built, draft: Draft
) -> tuple[set[str], bool]:
    """Names whose rows are those of the embedding that they are tied to, and whether tied layers
    have rows of their own instead."""
    if len(asked) < 2 or not built.ties_words or built.input is None:
        return set(), False
    embedding = built.input
    named = [
        name
        for name in asked
        if embedding.endswith(name)
        or any(other.endswith(name) or name in other.split(".") for other in tied)
    ]
    if len({asked[name] for name in named}) < 2:
        return (set(named) & set(tied) if len(named) > 1 else set()), False
    if draft.options.ensure_weight_tying:
        raise TargetError(
            "PEFT cannot tie trained token rows that are not the same: "
            + printable(", ".join(named), 200),
            where=draft.where,
            hint="give the same token indices for all of them",
        )
    return set(), True


def _refuse_rows(module: Module, draft: Draft, saved: dict[str, int], adapted: set[str]) -> None:
    if module.name in adapted:
        raise TargetError(
            f"PEFT cannot both adapt {printable(module.name)} and train token rows of it",
            where=draft.where,
        )
    shape = module.parameters.get("weight")
    if shape is None or module.kind not in (*LINEAR, "embedding") or module.name in saved:
        raise UnsupportedError(
            f"trained token rows of {printable(module.name)} are not counted",
            where=draft.where,
        )


def biases(
    built: Built,
    draft: Draft,
    adapted: list[Adapted],
    elements: dict[str, int],
    saved: dict[str, int],
) -> dict[str, int]:
    """Biases of the base model that ``bias`` sets free."""
    if draft.options.bias == "none":
        return {}
    if draft.options.bias == "all":
        chosen = [name for name in elements if name == "bias" or name.endswith(".bias")]
    else:
        names = _with_bias(draft, adapted)
        chosen = list(dict.fromkeys(built.tied.get(name, name) for name in names))
    # What a copied module holds is frozen, and so is what is tied to it.
    kept = {
        built.tied.get(f"{module.name}.{short}", f"{module.name}.{short}")
        for module in built.modules
        for short in module.parameters
        if any(module.name == name or module.name.startswith(f"{name}.") for name in saved)
    }
    return {name: elements[name] for name in chosen if name not in kept}


def _with_bias(draft: Draft, adapted: list[Adapted]) -> list[str]:
    """Full names of the biases of adapted modules, and of modules with an adapted parameter."""
    names = [
        item.name if item.name in draft.modules else item.name.rpartition(".")[0]
        for item in adapted
    ]
    return [
        f"{name}.bias" for name in dict.fromkeys(names) if "bias" in draft.modules[name].parameters
    ]


def written_biases(
    built: Built,
    draft: Draft,
    adapted: list[Adapted],
    trained: dict[str, int],
    saved: dict[str, int],
) -> int:
    """Biases that are written and not trained: each name's, tied or not, and with ``all`` those of
    a copied module once more."""
    if draft.options.bias == "none":
        return 0
    if draft.options.bias == "lora_only":
        held = [draft.modules[name.rpartition(".")[0]] for name in _with_bias(draft, adapted)]
        return sum(math.prod(module.parameters["bias"]) for module in held) - sum(trained.values())
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


def saved_embeddings(built: Built, draft: Draft, adapted: set[str]) -> dict[str, int]:
    """Base parameters that ``save_pretrained`` writes as well: those of the input and the output
    embedding, where one of PEFT's two names for them is a target and that layer is adapted."""
    targets = draft.targets
    if draft.options.trainable_token_indices is not None or targets is None:
        return {}
    if isinstance(targets, str):
        expression = compiled(targets)
        targeted = any(
            expression.fullmatch(module.name) is not None
            for module in built.modules
            if leaf(module.name) in EMBEDDINGS
        )
    else:
        # Only the bare names are looked for, not full ones.
        targeted = any(name in targets for name in EMBEDDINGS)
    return {
        f"{name}.{short}": math.prod(shape)
        for name in (built.input, built.output)
        if targeted and name is not None and name in adapted
        for short, shape in draft.modules[name].parameters.items()
    }
