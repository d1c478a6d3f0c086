"""Names that many rules share: the projections of Llama, and the heads."""

from __future__ import annotations

from typing import Literal

from hfkv.modules.rule import Size, Weight

__all__ = [
    "BLOCK",
    "HEAD",
    "HIDDEN",
    "LAYER",
    "MLP",
    "SELF",
    "attention",
    "gated",
    "head",
    "weights",
]

Often = Literal["each", "some", "once"]

HIDDEN = "hidden_size"
#: Elements of a head where no key of its own says it.
HEAD = "(hidden_size // num_attention_heads)"
LAYER = "model.layers.{}."
SELF = f"{LAYER}self_attn."
MLP = f"{LAYER}mlp."
BLOCK = "transformer.h.{}."


def weights(
    start: str, names: str, rows: Size, columns: Size, often: Often = "each", kind: str = "linear"
) -> tuple[Weight, ...]:
    """Several of one size: ``names`` stand apart by spaces, below ``start``."""
    return tuple(
        Weight(name=f"{start}{name}", kind=kind, rows=rows, columns=columns, often=often)
        for name in names.split()
    )


def attention(start: str, width: str = HEAD, often: Often = "each") -> tuple[Weight, ...]:
    """Four projections as Llama names them, with heads of ``width`` elements."""
    heads, groups = f"num_attention_heads * {width}", f"num_key_value_heads * {width}"
    return (
        *weights(start, "q_proj", heads, HIDDEN, often),
        *weights(start, "k_proj v_proj", groups, HIDDEN, often),
        *weights(start, "o_proj", HIDDEN, heads, often),
    )


def gated(start: str, size: Size, often: Often = "each") -> tuple[Weight, ...]:
    """A gated MLP as Llama names it."""
    return (
        *weights(start, "gate_proj up_proj", size, HIDDEN, often),
        *weights(start, "down_proj", HIDDEN, size, often),
    )


def head(kind: str = "linear", size: Size = HIDDEN) -> Weight:
    """The output embedding that most classes have."""
    return Weight(name="lm_head", kind=kind, columns=size, often="once")
