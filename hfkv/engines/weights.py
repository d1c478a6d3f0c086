"""The weights on one GPU: the checkpoint's tensors, dealt as tensor-parallel layers deal them.

Matrices are divided, vectors and the few matrices that every GPU needs whole are copied. What an
engine packs, pads or merges as it loads is not in it, so the figure is *estimated*, and stands in
a row of its own.
"""

from __future__ import annotations

from math import prod

from hfkv.dtypes import COMPUTE, nbytes
from hfkv.engines.arithmetic import ceil_div
from hfkv.engines.budget import Budget
from hfkv.engines.subject import Subject
from hfkv.errors import InputError

__all__ = ["beside_weights", "weights_per_gpu"]

#: Endings of the names of matrices that every GPU holds whole.
_WHOLE = (
    ".kv_a_proj_with_mqa.",
    ".q_a_proj.",
    ".fused_qkv_a_proj_with_mqa.",
    ".gate.weight",
    ".router.weight",
    ".shared_expert_gate.",
    ".indexer.",
)
#: Matrices with the rows of key/value heads, which are copied where there are fewer than GPUs.
_HEADS = (".k_proj.", ".v_proj.")


def weights_per_gpu(subject: Subject, *, load: str, tp: int, pp: int = 1) -> int | None:
    """Bytes of weights on a GPU of one of ``pp`` equal stages of ``tp`` GPUs.

    Args:
        load: the dtype that the model is loaded in. Floating-point tensors follow it, but for
            those of a quantized checkpoint, whose scales do not.

    None where the checkpoint's header could not be read.
    """
    tensors = subject.facts.tensors
    if tensors is None:
        return None
    heads = subject.text.peek("num_key_value_heads")
    heads = heads if isinstance(heads, int) and heads > 0 else tp
    quantized = any(
        part.peek("quantization_config") is not None for part in (subject.config, subject.text)
    )
    total = 0
    for pattern, dtype, shape, size, boxes in tensors.groups():
        count = sum(prod(sum(b - a + 1 for a, b in place) for place in box) for box in boxes)
        if dtype in COMPUTE and not quantized:
            one = nbytes(prod(shape), load)
        else:
            one = nbytes(prod(shape), dtype) if size is None else size
        if tp == 1 or len(shape) < 2 or any(part in pattern for part in _WHOLE):
            share = one
        elif any(part in pattern for part in _HEADS):
            share = ceil_div(one, min(tp, heads))
        else:
            share = ceil_div(one, tp)
        total += count * share
    return ceil_div(total, pp)


def beside_weights(cache: int, weights: int, budget: Budget, option: str) -> tuple[str, ...]:
    """What to say of a cache whose size was given, not planned.

    Raises:
        InputError: a GPU has less memory than the cache alone.
    """
    if cache > budget.per_gpu:
        raise InputError(
            f"a cache of {cache:,} B on each GPU",
            where=option,
            expected=f"at most the {budget.per_gpu:,} B of {budget.text}",
        )
    if cache + weights > budget.per_gpu:
        return (
            f"the cache that {option} asks for and the weights, estimated at {weights:,} B, take "
            f"more than the {budget.per_gpu:,} B of a GPU",
        )
    return ()
