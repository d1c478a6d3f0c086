"""A tiny model and its checkpoint's header, to compare what is counted with what PEFT makes. Needs
torch; only oracle tests import it."""

from __future__ import annotations

import copy
import json
import warnings
from typing import Any

from hfkv.facts import Facts
from hfkv.model import Model
from hfkv.peft.lora import LoraOptions
from hfkv.tensors import Tensor, TensorTable


def facts_and_config(config: Any, name: str) -> Facts:
    """The model by its config and header."""
    from hfkv.live.lora import build_for
    from tests.census.lora_cases import published
    from tests.census.lora_compare import facts_of

    tensors = published(build_for(copy.deepcopy(config), name))
    table = TensorTable(Tensor(name=n, dtype=dtype, shape=shape) for n, dtype, shape in tensors)
    return facts_of(json.loads(config.to_json_string(use_diff=False)), name, table)


def both(config: Any, name: str, options: dict[str, Any]) -> tuple[Any, Any]:
    """(hfkv's, PEFT's): trained, all, written and per target, or the error."""
    from hfkv.errors import HfkvError
    from hfkv.live.lora import build_for, measure

    facts = facts_and_config(config, name)
    given = {"r": 8, "target_modules": None, **options}
    mine: Any
    try:
        figure = Model(facts).lora(LoraOptions.from_options(**given), dtype="bf16")
    except HfkvError as error:
        mine = f"{type(error).__name__}: {error}"
    else:
        mine = (
            figure.trainable_parameters,
            figure.all_parameters,
            figure.saved_parameters,
            {name: count for name, count in figure.per_target.items() if count},
        )
    written = _written(build_for(copy.deepcopy(config), name), copy.deepcopy(options))
    theirs = measure(build_for(copy.deepcopy(config), name), copy.deepcopy(options))
    if "error" in theirs:
        return mine, ": ".join(theirs["error"])
    return mine, (theirs["trainable"], theirs["all"], written, theirs["per_target"])


def _written(model: Any, options: dict[str, Any]) -> int | None:
    import peft
    import torch

    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")
        try:
            made = peft.get_peft_model(model, peft.LoraConfig(**options), low_cpu_mem_usage=True)
            state = peft.get_peft_model_state_dict(made)
        except Exception:
            return None
    return sum(tensor.numel() for tensor in state.values())


def check(config: Any, name: str, options: dict[str, Any]) -> None:
    """The same numbers, or a refusal on both sides."""
    mine, theirs = both(config, name, options)
    if isinstance(theirs, str):
        assert isinstance(mine, str), f"PEFT refuses ({theirs}), hfkv counts {mine}"
    else:
        assert mine == theirs
