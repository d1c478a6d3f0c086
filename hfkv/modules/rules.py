"""What the code of a repository makes of the weights in its checkpoint, rule by rule.

The rules are data, ``data/remote_code.json``, kept by hand: no code from a repository is ever run.
Each was read off the modeling code that its source names, or a public copy of it: which modules
are ``nn.Linear`` (or of a class derived from it) and which hold a plain parameter, and what
``get_output_embeddings()`` returns. A class that does not override it has transformers' own answer,
``lm_head`` where there is one. Types whose code was not read have no rule, and stay ``inferred``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from hfkv.data import read_json

__all__ = ["Rule", "Weight", "rules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """The weights of one name. The file gives several alike in one line: ``names`` of modules,
    apart by spaces, ``in`` a module.

    Attributes:
        name: of the module, ``{}`` for a number.
        kind: as in :class:`hfkv.modules.built.Module`: ``linear``, ``conv2d``, ``embedding``,
            ``other`` for a plain parameter in a module of its own, or one of
            :data:`hfkv.modules.built.UNCLEAR` where versions of the code differ.
        rows, columns: sizes of the weight's two dimensions, outputs first as a linear layer has
            them: expressions over the config's keys, None where the config does not tell. Where it
            lacks a key that they read, they are not checked.
        often: in every layer; in some; or once, outside the layers.
    """

    name: str
    kind: str = "linear"
    rows: str | None = None
    columns: str | None = None
    often: Literal["each", "some", "once"] = "each"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What the class does with the names of its checkpoint.

    Attributes:
        source: the repository and file whose code it is, and the class.
        note: what else was found there.
        input: the input embedding's module; the rule is of the checkpoints that have it.
        output: the module that ``get_output_embeddings()`` returns, which ``all-linear`` leaves
            out; None where it returns none, so that the head is adapted as any other layer.
        weights: every weight of two dimensions or more.
        container: the list of layers.
        layers: the config keys that count them, the first that the file has.
        first: the number of the first of them in the list.
        experts: the config keys that count a mixture's experts.
        ties: whether the class can share the head's weight with the input embedding, and then
            needs none in its checkpoint.
        headless: the config key with which the class has no head at all, or "".
        beyond: what becomes of layers past the count: not built by the class; not known; or the
            list holds other things as well.
        buffers: an expression for names of tensors that are no parameters.
    """

    source: str
    note: str = ""
    input: str
    output: str | None = "lm_head"
    weights: tuple[Weight, ...]
    container: str = "model.layers"
    layers: tuple[str, ...] = ("num_hidden_layers",)
    first: int = 0
    experts: tuple[str, ...] = ()
    ties: bool = False
    headless: str = ""
    beyond: Literal["not built", "not known", "other"] = "not built"
    buffers: str = ""


@lru_cache(maxsize=1)
def rules() -> Mapping[str, tuple[Rule, ...]]:
    """The rules by ``model_type``; a type whose names have changed has one for each."""
    listed = read_json("remote_code.json")["rules"]
    return {model_type: tuple(map(_rule, found)) for model_type, found in listed.items()}


def _rule(found: Mapping[str, Any]) -> Rule:
    values: dict[str, Any] = {
        key: tuple(item) if isinstance(item, list) else item for key, item in found.items()
    }
    values["weights"] = tuple(weight for line in found["weights"] for weight in _weights(**line))
    return Rule(**values)


def _weights(names: str, **line: Any) -> Iterator[Weight]:
    start = f"{line.pop('in')}." if "in" in line else ""
    for name in names.split():
        yield Weight(name=start + name, **line)
