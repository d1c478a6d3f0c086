"""Let torch's own compiled kernels say the shapes of tensors without values.

torch registers a rule in Python for some 1,300 operators on the ``meta`` device, also for those 600
whose compiled kernel says the same. A model of a few layers then spends nine tenths of its forward
pass in these rules, and the generator and the census run tens of thousands of such passes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

__all__ = ["compiled_shapes"]

_PLACE = "_meta_lib_dont_use_me_use_register_meta"


@cache
def compiled_shapes() -> int:
    """Take away the rules in Python of operators that have a compiled kernel; in this process.

    Not where sizes are numbers that know their names (:mod:`hfkv.generate.symbols`): the rules
    carry some of them on, and the kernels others.

    Returns:
        How many; 0 where this torch keeps its rules otherwise, and all stays as it is.
    """
    import torch
    from torch import _meta_registrations as rules
    from torch._decomp import global_decomposition_table as tables

    library: Any = getattr(rules, _PLACE, None)
    named: set[str] = getattr(library, "_op_impls", set())
    # ``aten/add.Tensor/Meta``
    names = {"aten::" + name.split("/")[1] for name in named if name.count("/") == 2}
    found: dict[str, tuple[Any, Any]] = {}
    for table in ("meta", "post_autograd", "pre_autograd"):  # torch's own order
        for operator, rule in tables.get(table, {}).items():
            if isinstance(operator, torch._ops.OpOverload) and operator.name() in names:
                found.setdefault(operator.name(), (operator, rule))
    if not names or set(found) != names:
        return 0
    library._destroy()
    has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key
    bare = [item for name, item in found.items() if not has_kernel(name, "Meta")]
    again = torch.library.Library("aten", "IMPL", "Meta")
    for operator, rule in bare:
        again.impl(operator, rule)
    setattr(rules, _PLACE, again)  # as long as torch itself
    return len(found) - len(bare)
