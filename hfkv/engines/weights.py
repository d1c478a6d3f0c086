"""The weights on one GPU: the checkpoint's tensors, dealt as tensor-parallel layers deal them.

Matrices are divided, vectors and the few matrices that every GPU needs whole are copied. What an
engine packs, pads or merges as it loads is not in it, so the figure is *estimated*, and stands in
a row of its own.
"""

from __future__ import annotations

from math import prod

from hfkv.dtypes import nbytes
from hfkv.engines.arithmetic import ceil_div
from hfkv.engines.subject import Subject

__all__ = ["weights_per_gpu"]

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


def weights_per_gpu(subject: Subject, *, tp: int, pp: int = 1) -> int | None:
    """Bytes of weights on a GPU of one of ``pp`` equal stages of ``tp`` GPUs.

    None where the checkpoint's header could not be read.
    """
    tensors = subject.facts.tensors
    if tensors is None:
        return None
    heads = subject.text.peek("num_key_value_heads")
    heads = heads if isinstance(heads, int) and heads > 0 else tp
    total = 0
    for pattern, dtype, shape, size, boxes in tensors.groups():
        count = sum(prod(sum(b - a + 1 for a, b in place) for place in box) for box in boxes)
        one = nbytes(prod(shape), dtype) if size is None else size
        if tp == 1 or len(shape) < 2 or any(part in pattern for part in _WHOLE):
            share = one
        elif any(part in pattern for part in _HEADS):
            share = ceil_div(one, min(tp, heads))
        else:
            share = ceil_div(one, tp)
        total += count * share
    return ceil_div(total, pp)
