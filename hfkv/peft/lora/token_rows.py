"""Token rows that are trained beside a frozen embedding (``trainable_token_indices``)."""

from __future__ import annotations

from hfkv.errors import TargetError, UnsupportedError
from hfkv.modules.built import LINEAR, Built, Module
from hfkv.peft.lora.draft import Draft
from hfkv.reading import printable

__all__ = ["token_rows"]


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
