"""Tensors on the meta device have shapes but no values; some classes ask for values all the same.

They ask to choose a faster path (is every entry of this mask set?) or to send tokens to experts.
What a cache holds does not depend on either, so the question is answered as for zeros instead of
failing; ``tests/census`` compares these classes with small real ones on the CPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

__all__ = ["as_if_zero"]


@contextlib.contextmanager
def as_if_zero() -> Iterator[None]:
    """Within it, meta tensors answer ``.item()`` and ``.nonzero()`` as if full of zeros."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Zeros(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            tensor = args[0] if args else None
            if isinstance(tensor, torch.Tensor) and tensor.is_meta:
                if func is torch.ops.aten._local_scalar_dense.default:
                    return torch.zeros((), dtype=tensor.dtype, device="cpu").item()
                if func is torch.ops.aten.nonzero.default:
                    shape = (0, tensor.dim())
                    return torch.empty(shape, dtype=torch.long, device="meta")
            return func(*args, **(kwargs or {}))

    with Zeros():
        yield
