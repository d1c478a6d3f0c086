"""The checkpoint as an independent witness: its shapes against the plan."""

from __future__ import annotations

from collections.abc import Mapping

from hfkv.cache.plan import Plan
from hfkv.errors import CrosscheckError
from hfkv.ggml import BLOCK_NAMES
from hfkv.tensors import TensorTable

__all__ = ["crosscheck"]

#: Packed weights (integers, FP4) have other shapes than the layer; only these can testify. Blocks
#: of GGUF files have the layer's own.
_UNPACKED = {"BF16", "F16", "F32", "F64", "F8_E4M3", "F8_E5M2", *BLOCK_NAMES}
#: Parts of a name that mark a tower beside the text decoder.
_TOWERS = ("vision", "visual", "audio", "image", "speech", "encoder.", "mtp", "draft", "talker")


def crosscheck(plan: Plan, tensors: TensorTable, *, where: str) -> tuple[str, ...]:
    """Compare each layer's projections with the rows that the plan expects.

    Returns:
        Notes: layers that the checkpoint carries beyond the plan (multi-token prediction).

    Raises:
        CrosscheckError: a projection has other rows, or the checkpoint has fewer layers.
    """
    rows = _rows(tensors)
    if not rows:
        return ()
    layers = {index for _, index in rows}
    count = len(plan.kinds)
    for index, kind in enumerate(plan.kinds):
        expected: Mapping[str, int] = getattr(kind, "rows", {})
        for ending, want in expected.items():
            found = rows.get((ending, index))
            if found is not None and found[1] != want:
                raise CrosscheckError(
                    f"layer {index}: {found[0]} has {found[1]} rows",
                    where=where,
                    expected=f"{want} by config.json",
                    hint="the config does not belong to these weights; --no-crosscheck insists",
                )
        if expected and index not in layers:
            raise CrosscheckError(
                f"config.json counts {count} layers, but the checkpoint has no attention "
                f"weights for layer {index}",
                where=where,
                expected=f"weights for layers 0 to {count - 1}",
                hint="the config does not belong to these weights; --no-crosscheck insists",
            )
    beyond = sorted(index for index in layers if index >= count)
    if beyond:
        return (
            (
                f"the checkpoint carries {len(beyond)} more layer(s) from number {beyond[0]} on "
                "(multi-token prediction); they are not part of the cache"
            ),
        )
    return ()


def _rows(tensors: TensorTable) -> dict[tuple[str, int], tuple[str, int]]:
    """(ending, layer) to (name, rows) of the projections of the text decoder."""
    endings = (
        ".k_proj.weight",
        ".v_proj.weight",
        ".qkv_proj.weight",
        ".query_key_value.weight",
        ".kv_a_proj_with_mqa.weight",
    )
    found: dict[tuple[str, int], tuple[str, int]] = {}
    prefixes: set[str] = set()
    for pattern, dtype, shape, indices in tensors.patterns():
        if pattern.count("{}") != 1 or not pattern.endswith(endings) or len(shape) != 2:
            continue
        if dtype not in _UNPACKED or any(part in pattern for part in _TOWERS):
            continue
        prefixes.add(pattern.split("{}")[0])
        ending = "." + ".".join(pattern.split(".")[-2:])
        for (index,) in indices:
            found[(ending, index)] = (pattern.format(index), shape[0])
    # Two stacks of layers under different names: which one is the decoder is not ours to guess.
    return found if len(prefixes) == 1 else {}
