"""The model in memory, as far as PEFT looks at it: modules by name, their kinds and parameters."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hfkv.facts.agreement import NOTHING, Agreement

__all__ = [
    "CONVOLUTIONS",
    "LINEAR",
    "UNCLEAR",
    "Built",
    "Module",
    "leaf",
    "target_name",
    "walk_key",
]

#: Kinds of modules as PEFT's dispatch sees them.
LINEAR = ("linear", "Conv1D")
CONVOLUTIONS = ("conv1d", "conv2d", "conv3d")

#: Kinds of modules without a module table, where what is known leaves two open.
UNCLEAR = {
    "router": "a linear layer or a plain parameter",
    "vocabulary": "a linear layer or an embedding",
    "lookup": "a linear layer or an embedding",
    "fused": "one linear layer or several that the file has as one",
    "shared": "of one layer, or shared by several that each get an adapter,",
    "head": "a linear layer or of a class of its own",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One module of ``named_modules()``.

    Attributes:
        name: its full name; never "".
        kind: as PEFT's dispatch sees it: ``linear``, ``Conv1D`` (swapped axes), ``embedding``,
            ``conv1d``, ``conv2d``, ``conv3d``, ``attention`` or ``other``; of remote code also
            one of :data:`UNCLEAR`, and ``unknown``.
        parameters: the shapes of the parameters that it holds itself.
        transposed: 3-D parameters are (experts, in, out) instead of (experts, out, in).
        groups: of a convolution.
        stated: the sizes of its weight that a tied layer states, where they are not those that the
            weight has; several where they depend on what is not known here. PEFT goes by them.
    """

    name: str
    kind: str
    parameters: Mapping[str, tuple[int, ...]]
    transposed: bool = False
    groups: int = 1
    stated: frozenset[tuple[int, int]] = frozenset()

    @property
    def features(self) -> tuple[int, int]:
        """Inputs and outputs of a linear layer, rows and width of an embedding."""
        first, second = self.parameters["weight"][:2]
        if len(self.stated) == 1:
            ((first, second),) = self.stated
        return (first, second) if self.kind in ("embedding", "Conv1D") else (second, first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What transformers would build.

    Attributes:
        model_type: ``config.model_type`` of the built model, PEFT's key to its mappings.
        modules: in order, without the model itself.
        output, input: names of the output and the input embedding; None where there is none.
        input_known: whether ``input`` is known at all.
        to_input: the modules that PEFT takes for tied to the input embedding, by what the class
            declares; None where they are not known.
        ties_words: the class's config says that embeddings are tied.
        no_input: the class can tie weights and cannot say which its input embedding is.
        may_tie: whether PEFT may take embeddings for tied: the class's config does not say no.
        tied: full name of a parameter to that of the one whose storage it shares.
        loose: parameters of the model itself, outside all modules.
        basis: how this is known.
        reason: why it is not ``exact``, or "".
        agreement: what came of holding the header against the class.
        fuses: PEFT moves the targets of some types to their fused experts.
        claim: what the config contradicts itself in, as to whose model it is; "" where nothing.
    """

    model_type: str
    modules: tuple[Module, ...]
    output: str | None
    input: str | None
    input_known: bool = True
    to_input: tuple[str, ...] | None = None
    ties_words: bool = False
    no_input: bool = False
    may_tie: bool = False
    tied: Mapping[str, str] = field(default_factory=dict)
    loose: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    basis: str = "exact"
    reason: str = ""
    agreement: Agreement = NOTHING
    fuses: bool = True
    claim: str = ""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all parameters by full name."""
        found = dict(self.loose)
        for module in self.modules:
            for name, shape in module.parameters.items():
                found[f"{module.name}.{name}"] = shape
        return found

    def elements(self) -> dict[str, int]:
        """Elements of all parameters by full name, tied ones once."""
        shapes, tied = self.shapes(), self.tied
        return {
            name: math.prod(shape) for name, shape in shapes.items() if tied.get(name) not in shapes
        }


def leaf(name: str) -> str:
    """The last part of a module's name.

    >>> leaf("model.layers.0.self_attn.q_proj")
    'q_proj'
    """
    return name.rpartition(".")[2]


_NUMBER = re.compile(r"[0-9]+")


def target_name(name: str) -> str:
    """The name under which an adapted module or parameter is summed: its last part that is no
    number; of a parameter, with its module's name before it.

    >>> target_name("visual.blocks.0.mlp.2"), target_name("m.0.mlp.experts.gate_up_proj")
    ('mlp', 'experts.gate_up_proj')
    """
    parts = [part for part in name.split(".") if not _NUMBER.fullmatch(part)]
    if len(parts) > 1 and (parts[-2] == "experts" or parts[-1] == "weight"):
        return parts[-2] if parts[-1] == "weight" else ".".join(parts[-2:])
    return parts[-1] if parts else name


def walk_key(name: str, order: Mapping[str, int]) -> Callable[[Sequence[int]], tuple[int, ...]]:
    """What to sort the modules of a pattern by, for the order of a walk through the model.

    Args:
        name: the pattern, with ``{}`` for each number in it.
        order: where each pattern stands in the class.

    Returns:
        A function of the numbers of one module.

    >>> key = walk_key("layers.{}.mlp", {"layers": 1, "layers.{}": 2, "layers.{}.mlp": 5})
    >>> key((7,))
    (1, 0, 2, 7, 5, 0)
    """
    parts = name.split(".")
    places = [order.get(".".join(parts[:end]), 0) for end in range(1, len(parts) + 1)]

    def key(index: Sequence[int]) -> tuple[int, ...]:
        numbers = iter(index)
        found: list[int] = []
        for place, part in zip(places, parts, strict=True):
            found += (place, next(numbers, 0) if part.endswith("{}") else 0)
        return tuple(found)

    return key
