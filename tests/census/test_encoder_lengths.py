"""The lengths that plans assume are those that the encoders of the default configs give."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.cache import plan
from hfkv.facts.config import Config
from hfkv.live.build import build, config_of
from hfkv.live.zero_values import as_if_zero

pytestmark = pytest.mark.oracle


def zeros(*shape: int) -> Any:
    import torch

    return torch.zeros(shape, dtype=torch.bfloat16, device="meta")


def planned(model_type: str) -> int | None:
    return plan(Config({"model_type": model_type}, where="test")).encoder_tokens


def test_whisper() -> None:
    import torch

    model = build(config_of({"model_type": "whisper"}))
    with torch.no_grad():
        out = model.get_encoder()(zeros(1, 80, 3000))
    assert out.last_hidden_state.shape[1] == planned("whisper") == 1500


def test_blip() -> None:
    import torch

    model = build(config_of({"model_type": "blip"}))
    size = model.config.vision_config.image_size
    with torch.no_grad():
        out = model.vision_model(zeros(1, 3, size, size))
    assert out.last_hidden_state.shape[1] == planned("blip") == 577


def test_an_image_of_mllama() -> None:
    import torch

    """What the note says that one image adds."""
    made = plan(Config({"model_type": "mllama"}, where="test"))
    model = build(config_of({"model_type": "mllama"}), name="MllamaForConditionalGeneration")
    vision = model.config.vision_config
    pixels = zeros(1, 1, vision.max_num_tiles, 3, vision.image_size, vision.image_size)
    one = torch.ones((1, 1), dtype=torch.long, device="meta")
    mask = torch.ones((1, 1, vision.max_num_tiles), dtype=torch.long, device="meta")
    with torch.no_grad(), as_if_zero():
        states = model.model.vision_model(pixels, one, mask).last_hidden_state
    length = states.numel() // states.shape[-1]
    assert f"one adds {length}, " in made.encoder_source
