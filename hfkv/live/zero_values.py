"""Tensors on the meta device have shapes but no values; some classes ask for values all the same.

They ask to choose a path (is every entry of this mask set?), to check their input, or to send
tokens to experts. What a cache holds does not depend on it, so they get an answer instead of an
error; ``tests/census`` compares these classes with small real ones on the CPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

__all__ = ["as_if_zero"]


@contextlib.contextmanager
def as_if_zero() -> Iterator[None]:
    """Within it, meta tensors answer: yes to a condition, zero for a number, no index to nonzero.

    A selection by a mask takes all.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Answers(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            tensor = args[0] if args else None
            if isinstance(tensor, torch.Tensor) and tensor.is_meta:
                if func is torch.ops.aten._local_scalar_dense.default:
                    if tensor.dtype is torch.bool:
                        return True
                    return torch.zeros((), dtype=tensor.dtype, device="cpu").item()
                if func is torch.ops.aten.nonzero.default:
                    shape = (0, tensor.dim())
                    return torch.empty(shape, dtype=torch.long, device="meta")
                if func in _selecting(torch) and _by_mask(args[1]):
                    if func is not torch.ops.aten.index.Tensor:
                        return tensor
                    (mask,) = args[1]
                    return tensor.reshape(mask.numel(), *tensor.shape[mask.dim() :])
            return func(*args, **(kwargs or {}))

    with Answers():
        yield


def _selecting(torch: Any) -> tuple[Any, ...]:
    aten = torch.ops.aten
    return (aten.index.Tensor, aten.index_put.default, aten.index_put_.default)


def _by_mask(indices: Any) -> bool:
    return len(indices) == 1 and indices[0] is not None and str(indices[0].dtype) == "torch.bool"
