"""Bare models under the names of remote code, with PEFT itself as the reference."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.errors import HfkvError
from hfkv.model import Model
from hfkv.peft.lora import LoraOptions
from tests.modules.skeletons import CASES, Case

pytestmark = pytest.mark.oracle

FIELDS: list[dict[str, Any]] = [
    {"target_modules": "all-linear"},
    {"target_modules": None},
    {"target_modules": "all-linear", "use_dora": True},
    {"target_modules": r".*\.1\..*"},
    {"target_modules": "all-linear", "exclude_modules": ["o_proj", "dense", "c_proj"]},
]


def build(case: Case) -> Any:
    """The model of the case's modules, on the meta device."""
    import torch
    from torch import nn
    from transformers import PreTrainedConfig, PreTrainedModel

    made = {
        "linear": lambda shape: nn.Linear(shape[1], shape[0], bias=False),
        "embedding": lambda shape: nn.Embedding(*shape),
        "norm": lambda shape: nn.RMSNorm(shape[0]),
        "conv2d": lambda shape: nn.Conv2d(shape[1], shape[0], shape[2:], bias=False),
    }

    class BareConfig(PreTrainedConfig):
        model_type = case.config["model_type"]

    class Bare(PreTrainedModel):
        config_class = BareConfig

        def get_input_embeddings(self) -> Any:
            return self.get_submodule(case.input)

        def get_output_embeddings(self) -> Any:
            return None if case.output is None else self.get_submodule(case.output)

    config = BareConfig(tie_word_embeddings=case.config.get("tie_word_embeddings", False))
    with torch.device("meta"):
        model = Bare(config)
        for part in case.parts:
            place: Any = model
            *around, last = part.name.split(".")
            for name in around:
                if not hasattr(place, name):
                    place.add_module(name, nn.Module())
                place = getattr(place, name)
            if part.kind == "plain":
                module = nn.Module()
                module.weight = nn.Parameter(torch.empty(part.shape))
            else:
                module = made[part.kind](part.shape)
            place.add_module(last, module)
    if case.tied:
        model.get_output_embeddings().weight = model.get_input_embeddings().weight
    return model


def expected(case: Case, fields: dict[str, Any]) -> tuple[int, int] | None:
    """What PEFT counts; None where it refuses."""
    import peft

    try:
        model = peft.get_peft_model(
            build(case), peft.LoraConfig(r=4, **fields), low_cpu_mem_usage=True
        )
    except (ValueError, TypeError):
        return None
    return model.get_nb_trainable_parameters()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_peft_counts_the_same(case: Case) -> None:
    sets = [*FIELDS, {"target_modules": list(case.targets)}]
    saved = "lm_head" if case.output == "lm_head" else case.input
    sets.append({"target_modules": list(case.targets), "modules_to_save": [saved]})
    for fields in sets:
        found: tuple[int, int] | None
        try:
            figure = Model(case.facts()).lora(LoraOptions.from_options(r=4, **fields))
            found = figure.parameters, figure.all_parameters
        except HfkvError:
            found = None
        assert found == expected(case, fields), fields
