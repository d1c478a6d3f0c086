"""The pieces that bare models are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hfkv.facts import Facts
from hfkv.tensors import Tensor, TensorTable

__all__ = ["LAYERS", "SIZES", "Case", "Part", "decoder", "heads", "linear", "mlp", "one"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One module: ``linear`` and ``embedding`` (rows, columns), ``plain`` (a parameter ``weight``
    of its own), ``norm``, ``conv2d`` (out, in, height, width)."""

    name: str
    kind: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A type's tiny model.

    Attributes:
        name, config: the case, and its config.json.
        parts: every module with parameters, in order.
        input, output: what get_input_embeddings() and get_output_embeddings() return.
        tied: whether the head shares the input embedding's weight, and is not saved.
        buffers: tensors of the checkpoint that are no parameters.
        beyond: tensors of the checkpoint that the class does not load.
        targets: a list of names to adapt.
    """

    name: str
    config: dict[str, Any]
    parts: tuple[Part, ...]
    input: str
    output: str | None
    tied: bool = False
    buffers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    beyond: dict[str, tuple[int, ...]] = field(default_factory=dict)
    targets: tuple[str, ...]

    @property
    def linear(self) -> dict[str, tuple[int, ...]]:
        """The linear layers that ``all-linear`` adapts."""
        return {
            part.name: part.shape
            for part in self.parts
            if part.kind == "linear" and part.name != self.output
        }

    def facts(self, **changes: tuple[int, ...] | None) -> Facts:
        """The checkpoint; ``changes`` gives modules other shapes, or takes them away."""
        tensors = {
            f"{part.name}.weight": part.shape
            for part in self.parts
            if not (self.tied and part.name == self.output)
        }
        tensors |= self.buffers | self.beyond
        for name, shape in changes.items():
            if shape is None:
                del tensors[name]
            else:
                tensors[name] = shape
        return Facts(
            model=f"tiny/{self.name}",
            source="directory",
            config={"torch_dtype": "float32", **self.config},
            tensors=TensorTable(
                Tensor(name=name, dtype="F32", shape=shape) for name, shape in tensors.items()
            ),
        )


def linear(start: str, **sizes: tuple[int, int]) -> list[Part]:
    """(out, in) by name; ``__`` stands for a dot."""
    return [
        Part(name=f"{start}{name.replace('__', '.')}", kind="linear", shape=shape)
        for name, shape in sizes.items()
    ]


def one(name: str, kind: str, *shape: int) -> Part:
    return Part(name=name, kind=kind, shape=shape)


def mlp(start: str, size: int) -> list[Part]:
    return linear(start, gate_proj=(size, 32), up_proj=(size, 32), down_proj=(32, size))


def heads(start: str, groups: int = 16) -> list[Part]:
    return linear(start, q_proj=(32, 32), k_proj=(groups, 32), v_proj=(groups, 32), o_proj=(32, 32))


def decoder(
    layers: Iterable[list[Part]],
    *,
    embedding: str = "model.embed_tokens",
    norm: str = "model.norm",
    head: str | None = "lm_head",
    head_kind: str = "linear",
) -> tuple[Part, ...]:
    parts = [one(embedding, "embedding", 128, 32)]
    for layer in layers:
        parts += layer
    parts.append(one(norm, "norm", 32))
    if head is not None:
        parts.append(one(head, head_kind, 128, 32))
    return tuple(parts)


SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "vocab_size": 128,
    "tie_word_embeddings": False,
}
LAYERS = range(2)
