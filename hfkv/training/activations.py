"""What the forward pass leaves for the backward pass: estimates by a published rule.

Korthikanti and others, Reducing Activation Recomputation in Large Transformer Models (arXiv
2205.05198), for a layer of sequence s, batch b, hidden size h and a heads, in bytes of 16-bit
training: ``s b h (34 + 5 a s / h)``; ``34 s b h`` where attention is recomputed and not stored, as
fused kernels do; ``2 s b h`` where the whole layer is. The output layer and the loss take
``4 s b h (1 + v / h)``, v being the vocabulary. The rule is of a decoder with plain attention, an
MLP four times as wide and dropout; what an adapter adds is not in it. It gives no bounds: eager
attention of transformers keeps more than the upper estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

from hfkv.cache.kinds import Full, Sliding
from hfkv.cache.recognition import recognize
from hfkv.errors import HfkvError
from hfkv.modules.built import Built
from hfkv.peft.base import Base

__all__ = ["SOURCE", "Activations", "estimate"]

SOURCE = "Korthikanti and others 2022 (arXiv 2205.05198)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activations:
    """An estimate.

    Attributes:
        low, high: bytes; None where the rule does not speak of the model.
        batch, sequence: of one GPU.
        checkpointing: whether layers are recomputed.
        rule: the arithmetic in words, with its source.
        reason: why there is none, or "".
    """

    low: int | None
    high: int | None
    batch: int
    sequence: int
    checkpointing: bool
    rule: str = ""
    reason: str = ""


def estimate(
    base: Base, element: str, *, batch: int, sequence: int, checkpointing: bool
) -> Activations:
    """The lower and the upper estimate for one step on one GPU.

    Args:
        base: the model.
        element: the dtype it is trained in.
        batch, sequence: sequences at once, and tokens in each.
        checkpointing: gradient checkpointing of every layer.
    """
    reason = _reason(base, element)
    if not reason:
        try:
            config = base.config.text()
            hidden, heads = config.int("hidden_size"), config.int("num_attention_heads")
            words = config.int("vocab_size")
            layers = len(recognize(base.facts).plan.kinds)
        except HfkvError as error:
            reason = f"the sizes that it takes are not known: {error}"
    if reason:
        return Activations(
            low=None,
            high=None,
            batch=batch,
            sequence=sequence,
            checkpointing=checkpointing,
            reason=reason,
        )
    each = sequence * batch * hidden
    full = 34 * each + 5 * heads * sequence * sequence * batch
    loss = 4 * each + 4 * sequence * batch * words
    if checkpointing:
        low, high = 2 * each * layers, 2 * each * layers + full + loss
        rule = "2sbh a layer; above it one layer recomputed, sbh(34 + 5as/h), and 4sbh(1 + v/h)"
    else:
        low, high = 34 * each * layers, full * layers + loss
        rule = "34sbh a layer; above it sbh(34 + 5as/h) a layer, and 4sbh(1 + v/h)"
    return Activations(
        low=low,
        high=high,
        batch=batch,
        sequence=sequence,
        checkpointing=checkpointing,
        rule=f"{rule}, with s={sequence:,}, b={batch:,}, h={hidden:,}, a={heads:,}, v={words:,}, "
        f"{layers:,} layers: {SOURCE}; an estimate and no bound, of an MLP of width 4h and dropout",
    )


def _reason(base: Base, element: str) -> str:
    """Why the rule does not speak of a model, or ""."""
    if element not in ("BF16", "F16"):
        return "the rule is of training in 16 bits"
    try:
        found = recognize(base.facts)
    except HfkvError as error:
        return f"what its layers are is not known: {error}"
    if found.plan.crosses:
        return "the rule is of decoders alone"
    if not all(type(kind) in (Full, Sliding) for kind in found.plan.kinds):
        return "the rule is of plain attention in every layer"
    if _experts(base.built):
        return "the rule is of dense layers, and this model has experts"
    return ""


def _experts(built: Built) -> bool:
    return any(
        len(shape) == 3 or ".experts." in f".{module.name}."
        for module in built.modules
        for shape in module.parameters.values()
        if not module.kind.startswith("conv")
    )
