"""One rule: what the code of a repository makes of the weights in its checkpoint.

Below the two types stand the weights that many rules share: Llama's projections, and the heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "BLOCK",
    "HEAD",
    "HIDDEN",
    "LAYER",
    "MLP",
    "SELF",
    "Rule",
    "Size",
    "Weight",
    "attention",
    "gated",
    "head",
    "weights",
]

#: Whether a weight is in every layer, in some, or once outside them.
Often = Literal["each", "some", "once"]
#: A size as an expression over the config's keys; None where the config does not tell it.
Size = str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """The weights of one name.

    Attributes:
        name: of the module, ``{}`` for a number.
        kind: as in :class:`hfkv.modules.built.Module`: ``linear``, ``conv2d``, ``embedding``,
            ``other`` for a plain parameter in a module of its own, or one of
            :data:`hfkv.modules.built.UNCLEAR` where versions of the code differ.
        rows, columns: sizes of the weight's two dimensions, outputs first as a linear layer has
            them. Where the config lacks a key that they read, they are not checked.
        often: in every layer; in some; or once, outside the layers.
    """

    name: str
    kind: str = "linear"
    rows: Size = None
    columns: Size = None
    often: Often = "each"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What the class does with the names of its checkpoint.

    Attributes:
        source: the repository and file whose code it is, and the class.
        input: the input embedding's module; the rule is of the checkpoints that have it.
        output: the module that ``get_output_embeddings()`` returns, which ``all-linear`` leaves
            out; None where it returns none, so that the head is adapted as any other layer.
        weights: every weight of two dimensions or more.
        container: the list of layers.
        layers: the config keys that count them, the first that the file has.
        first: the number of the first of them in the list.
        experts: the config keys that count a mixture's experts.
        ties: whether the class can share the head's weight with the input embedding, and then
            needs none in its checkpoint.
        headless: the config key with which the class has no head at all, or "".
        beyond: what becomes of layers past the count: not built by the class; not known; or the
            list holds other things as well.
        buffers: an expression for names of tensors that are no parameters.
    """

    source: str
    input: str
    output: str | None = "lm_head"
    weights: tuple[Weight, ...]
    container: str = "model.layers"
    layers: tuple[str, ...] = ("num_hidden_layers",)
    first: int = 0
    experts: tuple[str, ...] = ()
    ties: bool = False
    headless: str = ""
    beyond: Literal["not built", "not known", "other"] = "not built"
    buffers: str = ""


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
