"""The modules of a model built now, in place of a module table and a header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hfkv.live.build import config_of, transformers
from hfkv.live.kinds import kind_of
from hfkv.live.lora import build_for
from hfkv.lora.built import Built, Module

__all__ = ["live_built"]


def live_built(raw: Mapping[str, Any]) -> Built:
    """Build the class of a ``config.json`` on the meta device, and look at it as PEFT does.

    Raises:
        MissingDependencyError: the ``verify`` extra is not installed.
        UnsupportedError: the installed transformers has no class for it.
    """
    config = config_of(raw)
    model = build_for(config)
    first: dict[int, str] = {}
    tied: dict[str, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        kept = first.setdefault(id(parameter), name)
        if kept != name:
            tied[name] = kept
    input_name, raises = _input(model)
    cls = type(model).__name__
    packed = raw.get("quantization_config") is not None
    return Built(
        model_type=model.config.model_type,
        modules=tuple(
            Module(
                name=name,
                kind=kind_of(module),
                parameters=_shapes(module),
                transposed=bool(getattr(module, "is_transposed", False)),
                groups=getattr(module, "groups", 1) if kind_of(module).startswith("conv") else 1,
                stated=_stated(module),
            )
            for name, module in model.named_modules()
            if name
        ),
        output=_name(model, model.get_output_embeddings()),
        input=input_name,
        tied=tied,
        loose=_shapes(model),
        to_input=_to_input(model, input_name, tied),
        no_input=raises,
        may_tie=getattr(model.config, "tie_word_embeddings", None) is not False,
        ties_words=getattr(model.config, "tie_word_embeddings", None) is True,
        basis="live",
        reason=(
            f"counted on {cls}, built now by transformers {transformers().__version__} from "
            "config.json alone: no header was read"
            + ("; its weights are packed, and the class is built unpacked" if packed else "")
        ),
    )


def tie_keys(model: Any) -> dict[str, str]:
    """What the class and the models in it declare to tie, target to source, as PEFT gathers it:
    nothing where the class itself declares nothing."""
    if not isinstance(getattr(model, "_tied_weights_keys", None), dict):
        return {}
    found: dict[str, str] = {}
    for name, module in model.named_modules():
        start = f"{name}." if name else ""
        for target, source in (getattr(module, "_tied_weights_keys", None) or {}).items():
            found[start + target] = start + source
    return found


def _shapes(module: Any) -> dict[str, tuple[int, ...]]:
    held = module.named_parameters(recurse=False, remove_duplicate=False)
    return {name: tuple(parameter.shape) for name, parameter in held}


def _to_input(model: Any, name: str | None, tied: Mapping[str, str]) -> tuple[str, ...]:
    weight = f"{name}.weight"
    root = tied.get(weight, weight)
    same = {weight, root, *(target for target, source in tied.items() if source == root)}
    found = {k.rpartition(".")[0] for k, source in tie_keys(model).items() if source in same}
    return tuple(sorted(found))


def _stated(module: Any) -> frozenset[tuple[int, int]]:
    """The size that a linear layer was made with, where its weight is now another's."""
    if kind_of(module) != "linear":
        return frozenset()
    made = (module.out_features, module.in_features)
    return frozenset() if made == tuple(module.weight.shape) else frozenset([made])


def _name(model: Any, wanted: Any) -> str | None:
    if wanted is None:
        return None
    return next((name for name, module in model.named_modules() if module is wanted), None)


def _input(model: Any) -> tuple[str | None, bool]:
    """The input embedding's name, and whether the class cannot say it though PEFT asks."""
    try:
        return _name(model, model.get_input_embeddings()), False
    except Exception:
        return None, isinstance(getattr(model, "_tied_weights_keys", None), dict)
