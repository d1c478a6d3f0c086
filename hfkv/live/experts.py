"""Tokens sent to experts on the meta device, where nobody knows how many each one gets.

Some classes sort tokens by expert and split them by counts, which they read off a tensor. Without
values all tokens go to the first expert: what a cache holds does not depend on it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

__all__ = ["all_to_the_first"]


@contextlib.contextmanager
def all_to_the_first() -> Iterator[None]:
    """Within it, counts of meta tensors are zeros, and splits by them fill the first part."""
    from unittest.mock import patch

    import torch
    from torch.fx.experimental import _config
    from torch.utils._python_dispatch import TorchDispatchMode

    class First(TorchDispatchMode):  # type: ignore[misc]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = kwargs or {}
            tensor = args[0] if args else None
            if isinstance(tensor, torch.Tensor) and tensor.is_meta:
                aten = torch.ops.aten
                if func is aten._to_copy.default and str(kwargs.get("device")) == "cpu":
                    return torch.zeros(tensor.shape, dtype=kwargs.get("dtype") or tensor.dtype)
                if func is aten.split_with_sizes.default and not any(args[1]):
                    sizes = [tensor.shape[args[2] if len(args) > 2 else 0]]
                    sizes += [0] * (len(args[1]) - 1)
                    return func(tensor, sizes, *args[2:], **kwargs)
            return func(*args, **kwargs)

    # Choosing by a mask (x[mask]) asks inside torch how many are set: all of them, says this.
    with First(), patch.object(_config, "meta_nonzero_assume_all_nonzero", True):
        yield
