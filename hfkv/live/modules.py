"""The modules of a model built now, in place of a module table and a header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hfkv.live.build import config_of, transformers
from hfkv.live.embeddings import input_raises, listed_ties, name_of, tie_keys, tied_names
from hfkv.live.lora import build_for
from hfkv.live.module_kind import kind_of
from hfkv.modules.built import Built, Module
from hfkv.modules.ties import tied_to

__all__ = ["live_built"]


def live_built(raw: Mapping[str, Any]) -> Built:
    """Build the class of a ``config.json`` on the meta device, and look at it as PEFT does.

    Raises:
        MissingDependencyError: the ``verify`` extra is not installed.
        UnsupportedError: the installed transformers has no class for it.
    """
    config = config_of(raw)
    model = build_for(config)
    tied = tied_names(model)
    embedding = name_of(model, model.get_input_embeddings)
    cls = type(model).__name__
    listed = listed_ties(model)
    if listed is None:
        listed = tied_to(embedding, tied, tie_keys(model)) if embedding else ()
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
        output=name_of(model, model.get_output_embeddings),
        input=embedding,
        tied=tied,
        loose=_shapes(model),
        to_input=listed,
        no_input=input_raises(model),
        may_tie=getattr(model.config, "tie_word_embeddings", None) is not False,
        ties_words=getattr(model.config, "tie_word_embeddings", None) is True,
        basis="live",
        reason=(
            f"counted on {cls}, built now by transformers {transformers().__version__} from "
            "config.json alone: no header was read"
            + ("; its weights are packed, and the class is built unpacked" if packed else "")
        ),
    )


def _shapes(module: Any) -> dict[str, tuple[int, ...]]:
    held = module.named_parameters(recurse=False, remove_duplicate=False)
    return {name: tuple(parameter.shape) for name, parameter in held}


def _stated(module: Any) -> frozenset[tuple[int, int]]:
    """The size that a linear layer was made with, where its weight is now another's."""
    if kind_of(module) != "linear":
        return frozenset()
    made = (module.out_features, module.in_features)
    return frozenset() if made == tuple(module.weight.shape) else frozenset([made])
