"""From the tensor names of a GGUF file to those under which the model is published.

llama.cpp's converter renames tensors, stacks a layer's experts into one tensor, and for latent
attention splits one projection into two. Everything after this reads published names, so each is
turned back: names by ``data/gguf_names.json``, stacks into the experts' own matrices, shapes and
bytes with them. Values are never read, so their order within a tensor (rotary pairs) does not
matter.

Sources: ``tensor_mapping.py`` of the ``gguf`` package and llama.cpp's converter. The tests compare
the result with the published names of the very models that the converter was given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from hfkv.data import read_json
from hfkv.tensors import Tensor, TensorTable

__all__ = ["named", "published"]

_BLOCK = re.compile(r"blk\.(0|[1-9][0-9]{0,5})\.(.+)")


@lru_cache(maxsize=1)
def _tables() -> Mapping[str, Any]:
    tables: Mapping[str, Any] = read_json("gguf_names.json")
    return tables


def named() -> frozenset[str]:
    """The types whose published names are known here."""
    return frozenset(_tables()["types"])


def published(
    tensors: TensorTable, model_type: str, config: Mapping[str, Any]
) -> tuple[TensorTable, tuple[str, ...]]:
    """The tensors under the names that ``model_type`` is published with.

    Args:
        model_type: one of :func:`named`.
        config: the heads in it tell where a joined query, key and value are cut.

    Returns:
        The table, and the names of matrices in the model's layers for which no name is known.
    """
    renamer = _Renamer(tensors, model_type, config)
    made = TensorTable(renamer.run())
    return made, tuple(renamer.unknown)


class _Renamer:
    def __init__(self, tensors: TensorTable, model_type: str, config: Mapping[str, Any]) -> None:
        self.tensors = tensors
        self.config = config
        self.unknown: list[str] = []
        tables = _tables()
        own = tables["types"][model_type]
        base = {} if "start" in own else tables
        self.start: str = own.get("start", "model.layers")
        self.top: Mapping[str, str] = {**base.get("top", {}), **own.get("top", {})}
        self.layer: dict[str, str] = dict(base.get("layer", {}))
        for name in own.get("like", ()):
            self.layer |= tables["sets"][name]
        self.layer |= own.get("layer", {})
        if "blk.0.attn_norm_2.weight" in tensors:
            self.layer |= own.get("two_norms", {})
        self.joined: dict[str, tuple[list[str], str]] = {
            part: (joined["parts"], joined["target"])
            for joined in own.get("joined", ())
            for part in joined["parts"]
        }

    def run(self) -> Iterator[Tensor]:
        for tensor in self.tensors:
            found = _BLOCK.fullmatch(tensor.name)
            if found is None:
                target = _target(self.top, tensor.name)
                yield tensor if target is None else _named(tensor, target)
                continue
            yield from self.in_layer(tensor, int(found[1]), found[2])

    def in_layer(self, tensor: Tensor, number: int, part: str) -> Iterator[Tensor]:
        start = f"{self.start}.{number}."
        if part in self.joined:
            parts, target = self.joined[part]
            if part == parts[0]:
                pieces = [self.tensors.get(f"blk.{number}.{name}") for name in parts]
                yield _named(_join([piece for piece in pieces if piece]), target, start)
            return
        if part in ("attn_k_b.weight", "attn_v_b.weight") and len(tensor.shape) == 3:
            if part == "attn_k_b.weight":
                yield from self.latent(tensor, number, start)
            return
        # Files of 2023 hold each expert in a tensor of its own.
        single = re.fullmatch(r"ffn_(gate|up|down)\.([0-9]{1,5})\.weight", part)
        if single:
            target = self.layer.get(f"ffn_{single[1]}_exps", "")
            if "{}" in target:
                yield _named(tensor, f"{target.format(single[2])}.weight", start)
                return
        target_or_none = _target(self.layer, part)
        if target_or_none is not None:
            yield from _placed(tensor, target_or_none, start)
        elif part in ("attn_qkv.weight", "attn_qkv.bias"):
            yield from self.query_key_value(tensor, part, start)
        elif part == "ffn_gate_up_exps.weight" and len(tensor.shape) == 3:
            for name, piece in zip(
                ("ffn_gate_exps.weight", "ffn_up_exps.weight"),
                _cut(tensor, 1, [tensor.shape[1] // 2] * 2),
                strict=True,
            ):
                yield from self.in_layer(piece, number, name)
        else:
            layers = self.config.get("num_hidden_layers")
            # What lies beyond the model's layers predicts ahead, and no class loads it.
            if len(tensor.shape) > 1 and not (isinstance(layers, int) and number >= layers):
                self.unknown.append(tensor.name)
            yield tensor

    def query_key_value(self, tensor: Tensor, part: str, start: str) -> Iterator[Tensor]:
        """One projection that the converter joined on request, cut into its three."""
        values = [self.config.get(key) for key in ("num_attention_heads", "num_key_value_heads")]
        dim = self.config.get("head_dim")
        sizes = [
            count * dim
            for count in (values[0], values[1], values[1])
            if isinstance(count, int) and isinstance(dim, int)
        ]
        if len(sizes) != 3 or sum(sizes) != tensor.shape[0]:
            self.unknown.append(tensor.name)
            yield tensor
            return
        suffix = part.rpartition(".")[2]
        for name, piece in zip("qkv", _cut(tensor, 0, sizes), strict=True):
            yield _named(piece, f"self_attn.{name}_proj.{suffix}", start)

    def latent(self, tensor: Tensor, number: int, start: str) -> Iterator[Tensor]:
        """Keys and values from the latent: (heads, rank, key) and (heads, value, rank)."""
        other = self.tensors.get(f"blk.{number}.attn_v_b.weight")
        heads, rank, key = tensor.shape
        if other is None or len(other.shape) != 3 or other.shape[::2] != (heads, rank):
            self.unknown.append(tensor.name)
            yield tensor
            return
        yield Tensor(
            name=f"{start}{_tables()['layer']['attn_kv_b']}.weight",
            dtype=tensor.dtype,
            shape=(heads * (key + other.shape[1]), rank),
            size=_size([tensor, other]),
        )


def _target(names: Mapping[str, str], name: str) -> str | None:
    """The published name of a tensor: by its whole name, or with its ending carried over."""
    if name in names:
        return names[name]
    base, _, ending = name.rpartition(".")
    if ending in ("weight", "bias") and base in names:
        return f"{names[base]}.{ending}"
    return None


def _placed(tensor: Tensor, target: str, start: str) -> Iterator[Tensor]:
    """A tensor under its name; a stack of experts as the experts' own tensors."""
    if "{}" not in target:
        yield _named(tensor, target, start)
        return
    count = tensor.shape[0]
    for number in range(count):
        yield Tensor(
            name=start + target.format(number),
            dtype=tensor.dtype,
            shape=tensor.shape[1:],
            # Experts are whole rows of blocks, so the bytes divide evenly.
            size=None if tensor.size is None else tensor.size // count,
        )


def _named(tensor: Tensor, target: str, start: str = "") -> Tensor:
    """A tensor under a published name, its axes as its class has them."""
    action, _, name = target.rpartition(" ")
    shape = tensor.shape
    if action == "T" and len(shape) == 2:
        shape = (shape[1], shape[0])
    elif action == "EE" and len(shape) == 3:
        shape = (shape[0], shape[2], shape[1])
    elif action == "1" and len(shape) == 2:
        shape = (shape[0], 1, shape[1])
    return Tensor(name=start + name, dtype=tensor.dtype, shape=shape, size=tensor.size)


def _join(pieces: list[Tensor]) -> Tensor:
    """Tensors as one, one after the other along the axis of outputs."""
    first = pieces[0]
    axis = 0 if len(first.shape) == 2 and not first.name.endswith("bias") else 1
    axis = min(axis, len(first.shape) - 1)
    rows = sum(piece.shape[axis] for piece in pieces)
    return Tensor(
        name=first.name,
        dtype=first.dtype,
        shape=(*first.shape[:axis], rows, *first.shape[axis + 1 :]),
        size=_size(pieces),
    )


def _size(pieces: list[Tensor]) -> int | None:
    """Bytes of pieces together, as :class:`Tensor` holds them: None where its dtype tells."""
    if all(piece.size is None and piece.dtype == pieces[0].dtype for piece in pieces):
        return None
    return sum(piece.bytes for piece in pieces)


def _cut(tensor: Tensor, axis: int, sizes: list[int]) -> Iterator[Tensor]:
    """A tensor cut along an axis that is not the innermost, so between rows of blocks."""
    for size in sizes:
        yield Tensor(
            name=tensor.name,
            dtype=tensor.dtype,
            shape=(*tensor.shape[:axis], size, *tensor.shape[axis + 1 :]),
            size=None if tensor.size is None else tensor.size * size // tensor.shape[axis],
        )
