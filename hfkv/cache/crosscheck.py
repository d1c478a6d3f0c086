"""The checkpoint as an independent witness: its shapes against the plan."""

from __future__ import annotations

from collections.abc import Mapping

from hfkv.cache.kinds import Kind
from hfkv.cache.plan import Plan
from hfkv.facts.agreement import Agreement
from hfkv.ggml import BLOCK_NAMES
from hfkv.tensors import TensorTable

__all__ = ["crosscheck"]

#: Packed weights (integers, FP4) have other shapes than the layer; only these can testify. Blocks
#: of GGUF files have the layer's own.
_UNPACKED = {"BF16", "F16", "F32", "F64", "F8_E4M3", "F8_E5M2", *BLOCK_NAMES}
#: Parts of a name that mark a tower beside the text decoder.
_TOWERS = ("vision", "visual", "audio", "image", "speech", "encoder.", "mtp", "draft", "talker")
_OTHER = "config.json and the header do not agree: "
#: A part of the decoder with projections of its own, which no cache of keys and values shows.
_BESIDE = (".indexer.", ".compressor.")


def crosscheck(plan: Plan, tensors: TensorTable) -> tuple[Agreement, tuple[str, ...]]:
    """Compare each layer's projections with the rows that the plan expects.

    Returns:
        Whether they agree; and notes: layers that the checkpoint carries beyond the plan
        (multi-token prediction).
    """
    placed, differs = _placed(plan, tensors)
    rows = _rows(tensors)
    if not differs and rows:
        differs, notes = _in_layers(plan, rows)
    else:
        notes = ()
    if differs:
        return Agreement(verdict="differs", told=f"{_OTHER}{differs}"), ()
    compared = placed + len(rows)
    if not compared:
        told = "the header has no projection of keys or values under a name that is known here"
        return Agreement(verdict="nothing to compare", told=told), ()
    told = f"{compared:,} projections of keys and values have the sizes that config.json gives"
    return Agreement(verdict="agrees", told=told), notes


def _in_layers(
    plan: Plan, rows: Mapping[tuple[str, int], tuple[str, int]]
) -> tuple[str, tuple[str, ...]]:
    """What differs, "" for nothing; and notes."""
    count = len(plan.kinds)
    layers = {index for _, index in rows}
    first = min(layers)
    if first and layers == set(range(first, first + count)):
        # A list whose first members are others, such as the embedding, counts on from them.
        rows = {(ending, index - first): found for (ending, index), found in rows.items()}
        layers = set(range(count))
    for index, kind in enumerate(plan.kinds):
        # Names that place their layer ("{}") have been checked above.
        expected = {end: rows for end, rows in _expected(kind).items() if "{}" not in end}
        for ending, want in expected.items():
            found = rows.get((ending, index))
            if found is not None and found[1] != want:
                return f"layer {index}: {found[0]} has {found[1]} rows, {want} by config.json", ()
        if expected and index not in layers:
            return (
                f"config.json counts {count} layers, but the checkpoint has no attention weights "
                f"for layer {index}",
                (),
            )
    beyond = sorted(index for index in layers if index >= count)
    if not beyond:
        return "", ()
    note = (
        f"the checkpoint carries {len(beyond)} more layer(s) from number {beyond[0]} on "
        "(multi-token prediction); they are not part of the cache"
    )
    return "", (note,)


def _expected(kind: Kind) -> Mapping[str, int]:
    expected: Mapping[str, int] = getattr(kind, "rows", {})
    return expected


def _placed(plan: Plan, tensors: TensorTable) -> tuple[int, str]:
    """Compare what the plan expects under a name that says which stack of layers it is in: how many
    were, and what differs, "" for nothing.

    Of an encoder-decoder such as ``decoder.layers.{}.self_attn.k_proj.weight``; the first number
    is the layer.
    """
    endings = {end for kind in plan.kinds for end in _expected(kind) if "{}" in end}
    if not endings:
        return 0, ""
    found: dict[str, dict[str, dict[int, tuple[str, int]]]] = {}
    for pattern, dtype, shape, indices in tensors.patterns():
        if dtype not in _UNPACKED or len(shape) != 2:
            continue
        for ending in endings:
            if f".{pattern}".endswith(f".{ending}") and pattern.count("{}") == ending.count("{}"):
                layers = found.setdefault(ending, {}).setdefault(pattern, {})
                layers.update((at[0], (pattern.format(*at), shape[0])) for at in indices)
    compared = 0
    for ending, stacks in found.items():
        # The same name in two places: which of them is the decoder is not ours to guess.
        if len(stacks) == 1:
            layers = next(iter(stacks.values()))
            compared += len(layers)
            differs = _compare(plan, ending, layers)
            if differs:
                return compared, differs
    return compared, ""


def _compare(plan: Plan, ending: str, layers: dict[int, tuple[str, int]]) -> str:
    wanted = {
        index: _expected(kind)[ending]
        for index, kind in enumerate(plan.kinds)
        if ending in _expected(kind)
    }
    for index in sorted(wanted.keys() | layers.keys()):
        want, (name, rows) = wanted.get(index), layers.get(index, ("", 0))
        if want == rows:
            continue
        if not name:
            return f"there is no {ending.replace('{}', str(index), 1)}, {want} rows by config.json"
        expected = "no such layer" if want is None else f"{want}"
        return f"layer {index}: {name} has {rows} rows, {expected} by config.json"
    return ""


def _rows(tensors: TensorTable) -> dict[tuple[str, int], tuple[str, int]]:
    """(ending, layer) to (name, rows) of the projections of the text decoder."""
    endings = (
        ".k_proj.weight",
        ".v_proj.weight",
        ".qkv_proj.weight",
        ".query_key_value.weight",
        ".kv_a_proj_with_mqa.weight",
        ".kv_proj.weight",
        ".Wqkv.weight",
    )
    found: dict[tuple[str, int], tuple[str, int]] = {}
    prefixes: set[str] = set()
    for pattern, dtype, shape, indices in tensors.patterns():
        if pattern.count("{}") != 1 or not pattern.endswith(endings) or len(shape) != 2:
            continue
        if dtype not in _UNPACKED or any(part in pattern for part in (*_TOWERS, *_BESIDE)):
            continue
        prefixes.add(pattern.split("{}")[0])
        ending = "." + ".".join(pattern.split(".")[-2:])
        for (index,) in indices:
            found[(ending, index)] = (pattern.format(index), shape[0])
    # Two stacks of layers under different names: which one is the decoder is not ours to guess.
    return found if len(prefixes) == 1 else {}
