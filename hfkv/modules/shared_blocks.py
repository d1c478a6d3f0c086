"""Blocks that several layers share: a checkpoint holds them under the first of those layers."""

from __future__ import annotations

from hfkv.errors import UnsupportedError
from hfkv.modules.conversion import Index, Shape
from hfkv.reading import printable

__all__ = ["repeat_shared"]


def repeat_shared(
    shapes: dict[str, dict[Index, Shape]], pattern: str, blocks: int, where: str
) -> dict[str, str]:
    """Give every layer that shares the block of ``pattern`` its parameters.

    Which layers do is seen by what else they alone have beside the block (Zamba's
    ``mamba_decoder``); they take the stored blocks in turn.

    Args:
        shapes: parameter pattern to index to shape; gains what the checkpoint holds once.
        pattern: a parameter of the block, such as ``model.layers.{}.shared.q_proj.weight``.
        blocks: how many different blocks there are.

    Returns:
        Full name to that of the parameter whose storage it shares.

    Raises:
        UnsupportedError: the checkpoint does not tell which layers share it.
    """
    container, _, rest = pattern.partition("{}.")
    root = f"{container}{{}}.{rest.split('.')[0]}."
    inside = {name: found for name, found in shapes.items() if name.startswith(root)}
    stored = sorted({index[0] for found in inside.values() for index in found})
    beside: dict[str, set[int]] = {}
    for name, found in shapes.items():
        if name.startswith(f"{container}{{}}.") and name not in inside:
            child = name[len(container) + 3 :].split(".")[0]
            beside.setdefault(child, set()).update(index[0] for index in found)
    wider = [layers for layers in beside.values() if layers >= set(stored)]
    narrowest: set[int] = min(wider, key=len) if wider else set()
    layers = sorted(narrowest) if stored else []
    kept = layers[:blocks]
    if not layers or set(kept) - set(stored):
        raise UnsupportedError(
            f"layers share {printable(pattern)}, and the checkpoint does not show which layers do",
            where=where,
        )
    shared: dict[str, str] = {}
    for name, found in inside.items():
        for number, layer in enumerate(layers[blocks:], blocks):
            source = kept[number % blocks]
            for index in [index for index in found if index[0] == source]:
                copy = (layer, *index[1:])
                found[copy] = found[index]
                shared[name.format(*copy)] = name.format(*index)
    return shared
