"""Defaults of composite classes that are inconsistent, or want what is not installed.

None of it reaches the decoder, so the cache is the same; each is the smallest change that makes
the class run.
"""

from __future__ import annotations

from typing import Any

from tests.census.published import DECODERS

__all__ = ["COMPOSITES", "stand_in_for_timm"]

COMPOSITES: dict[str, dict[str, Any]] = {
    # SigLIP so400m has 16 heads; the default has 14, which do not divide its 1152 channels.
    "aya_vision": {"vision_config": {"model_type": "siglip_vision_model"}},
    "cohere_compass": {"text_config": DECODERS["cohere_compass_text"]},
    # GLM-4.6V has the decoder of GLM-4.5V, and the same rotary sections.
    "glm46v": DECODERS["glm4v"],
    "glmga": DECODERS["glm4v"],
    # Perception-LM 1B: the width of its tower, which the projector reads.
    "perception_lm": {
        "vision_config": {"model_type": "timm_wrapper", "model_args": {"embed_dim": 1024}}
    },
    # The default talker lacks keys that its class reads; without speech only the thinker is built.
    "qwen3_omni_moe": {
        "enable_audio_output": False,
        "thinker_config": DECODERS["qwen3_omni_moe_thinker"],
    },
}


def stand_in_for_timm() -> None:
    """Let an empty tower stand in for those of timm, which is not among the references."""
    from transformers import AutoModel, PreTrainedModel
    from transformers.models.gemma3n.configuration_gemma3n import Gemma3nVisionConfig
    from transformers.models.timm_wrapper.configuration_timm_wrapper import TimmWrapperConfig

    for config_class in (TimmWrapperConfig, Gemma3nVisionConfig):
        tower = type("Tower", (PreTrainedModel,), {"config_class": config_class})
        AutoModel.register(config_class, tower, exist_ok=True)
