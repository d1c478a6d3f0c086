"""What PEFT's dispatch sees in a live module."""

from __future__ import annotations

from typing import Any

__all__ = ["kind_of"]


def kind_of(module: Any) -> str:
    """Its kind, as in :class:`hfkv.modules.built.Module`."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    for cls, kind in (
        (nn.Embedding, "embedding"),
        (nn.Conv2d, "conv2d"),
        (nn.Conv3d, "conv3d"),
        (nn.Conv1d, "conv1d"),
        (nn.MultiheadAttention, "attention"),
        (nn.Linear, "linear"),
        (Conv1D, "Conv1D"),
    ):
        if isinstance(module, cls):
            return kind
    return "other"
