"""Prompt learning against PEFT: every text-generating type, four methods each."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest

from hfkv.errors import HfkvError
from hfkv.model import Model
from tests.census.lora_compare import facts_of, unpack
from tests.census.test_lora_census import _records

pytestmark = pytest.mark.oracle

#: Classes that PEFT fails on for reasons that no config shows: no method to prepare generation, a
#: parameter without dimensions before the embedding, a word embedding that it cannot find.
FAILS = {
    "diffusion_gemma-DiffusionGemmaForBlockDiffusion",
    "moonshine_streaming-MoonshineStreamingForConditionalGeneration",
    "speecht5-SpeechT5ForSpeechToText",
    "vibevoice-VibeVoiceForConditionalGeneration",
    "xlnet-XLNetLMHeadModel",
}


def made(model: Any, method: str, task: str) -> int | None:
    """What PEFT trains, or None where it refuses."""
    import peft
    import torch

    classes = {
        "CARTRIDGE": peft.CartridgeConfig,
        "PREFIX_TUNING": peft.PrefixTuningConfig,
        "P_TUNING": peft.PromptEncoderConfig,
        "PROMPT_TUNING": peft.PromptTuningConfig,
    }
    config = classes[method](num_virtual_tokens=8, task_type=task)
    with warnings.catch_warnings(), torch.device("meta"):
        warnings.simplefilter("ignore")
        try:
            adapted = peft.get_peft_model(copy.deepcopy(model), config, low_cpu_mem_usage=True)
        except Exception:
            return None
    trained: int = adapted.get_nb_trainable_parameters()[0]
    return trained


def revived(value: Any) -> Any:
    """The numbers that JSON has no name for, as transformers writes them."""
    if isinstance(value, dict):
        if set(value) == {"__float__"}:
            return float(value["__float__"])
        return {key: revived(item) for key, item in value.items()}
    return [revived(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("key", sorted(_records()))
def test_counts_are_pefts(key: str) -> None:
    pytest.importorskip("peft")
    from hfkv.live.build import config_of
    from hfkv.live.lora import build_for

    item = _records()[key]
    model = build_for(config_of(revived(item["config"])), item["class"])
    mine = Model(facts_of(item["config"], item["class"], unpack(item["header"])))
    for method in ("CARTRIDGE", "PREFIX_TUNING", "P_TUNING", "PROMPT_TUNING"):
        for task in ("CAUSAL_LM", "SEQ_2_SEQ_LM"):
            theirs = made(model, method, task)
            asked = {"peft_type": method, "num_virtual_tokens": 8, "task_type": task}
            try:
                counted = mine.prompt(asked, dtype="bf16").parameters
            except HfkvError:
                # Refused: PEFT does as well, or the keys and values would not fit the cache.
                assert theirs is None or method in ("CARTRIDGE", "PREFIX_TUNING"), (method, task)
                continue
            assert counted == theirs or (key in FAILS and theirs is None), (method, task)
