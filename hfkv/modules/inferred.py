"""The modules of an architecture that nobody knows here, read off its checkpoint.

A repository with code of its own keeps its own names, and a tensor ``X.weight`` of two dimensions
is the weight of a module ``X``. That is enough for what a LoRA adapter adds to it. What it does not
say is told, or refused where the answer would depend on it:

- which module is the output embedding, that ``all-linear`` leaves out: the one head by name;
- which are embeddings: those named so, and tables as long as the vocabulary;
- whether a mixture's router is a linear layer or a plain parameter: that cannot be seen, so that
  ``all-linear`` is refused unless it is excluded;
- the shape of convolutions: not used, and refused as a target.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from hfkv.errors import UnsupportedError
from hfkv.modules.built import Built, Module, leaf
from hfkv.modules.header import Header
from hfkv.reading import printable

__all__ = ["guess", "inferred"]

_HEADS = frozenset(["lm_head", "embed_out", "output_layer"])
#: Names that many other layers have too: heads where they have a row for each token.
_MAYBE_HEADS = frozenset(["output", "head", "ff_out", "final_linear"])
_EMBEDDING = re.compile(r"embed|position|token_type|relative_attention_bias|^wte$|^wpe$")
_EXPERTS = ("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts")
#: More rows than tokens, to round the number up.
_SPARE = 1024
_NUMBER = re.compile(r"[0-9]+")


def inferred(
    model_type: str, raw: Mapping[str, Any], header: Header, where: str, *, why: str = ""
) -> Built:
    """What the checkpoint shows of a model without a module table.

    Args:
        model_type, raw: the config's type, and the config.
        header: the checkpoint.
        where: the model, for errors.
        why: why no rule of the type was followed, or "".

    Raises:
        UnsupportedError: there is no layer in it, or more than one head.
    """
    flat = header.flat
    if not flat:
        raise UnsupportedError(
            f"model_type '{printable(model_type)}' is not known here, and its header has no weight "
            "of two dimensions",
            where=where,
        )
    # As many rows as there are tokens.
    vocabulary = _vocabulary(raw)
    long = {name for name, shape in flat.items() if _is_long(shape, vocabulary)}
    heads = [
        name
        for name in flat
        if leaf(name) in _HEADS or (leaf(name) in _MAYBE_HEADS and name in long)
    ]
    if len(heads) > 1:
        raise UnsupportedError(
            f"model_type '{printable(model_type)}' is not known here, and its header has "
            f"{len(heads)} output embeddings: {printable(', '.join(heads), 200)}",
            where=where,
        )
    kinds = guess(header, raw, heads)
    embeddings = sorted(name for name, kind in kinds.items() if kind == "embedding")
    words = [name for name in embeddings if name in long]
    return Built(
        model_type=model_type,
        modules=tuple(
            Module(name=name, kind=kinds.get(name, "other"), parameters=held)
            for name, held in header.parameters.items()
        ),
        output=heads[0] if heads else None,
        input=words[0] if len(words) == 1 else None,
        input_known=len(words) == 1,
        loose=header.loose,
        basis="inferred",
        reason=(
            f"model_type '{printable(model_type)}' has no module table"
            + (f" ({why})" if why else "")
            + ": the modules are read off "
            "the checkpoint's names and shapes, every weight of two dimensions as a linear layer "
            + (
                f"except the embeddings ({printable(', '.join(embeddings), 120)}) "
                if embeddings
                else ""
            )
            + (f"and the head {printable(heads[0])}" if heads else "and no separate head")
        ),
    )


def guess(header: Header, raw: Mapping[str, Any], heads: Collection[str] = ()) -> dict[str, str]:
    """The kinds of modules with a weight of two or more dimensions, by names and sizes alone:
    ``unknown``, or one of :data:`hfkv.modules.built.UNCLEAR`, where these do not tell."""
    routers = _routers(header, raw)
    vocabulary = _vocabulary(raw)
    found = {}
    for name, held in header.parameters.items():
        shape = held.get("weight", ())
        if len(shape) > 2:
            found[name] = "unknown"
        elif len(shape) < 2:
            continue
        elif _EMBEDDING.search(leaf(name)) and leaf(name) not in _HEADS:
            found[name] = "embedding"
        elif name in routers:
            found[name] = "router"
        elif name not in heads and _is_long(shape, vocabulary):
            found[name] = "vocabulary"
        else:
            found[name] = "linear"
    return found


def _numbers(raw: Mapping[str, Any], *keys: str) -> set[int]:
    """Whole numbers of the config, or one level inside it, under these keys."""
    parts = (raw, *(item for item in raw.values() if isinstance(item, Mapping)))
    return {
        value
        for part in parts
        for key, value in part.items()
        if key in keys and type(value) is int and value > 0
    }


def _vocabulary(raw: Mapping[str, Any]) -> set[int]:
    return _numbers(raw, "vocab_size", "padded_vocab_size")


def _is_long(shape: tuple[int, ...], vocabulary: set[int]) -> bool:
    """Whether a weight has as many rows as there are tokens."""
    return any(size <= shape[0] <= size + min(_SPARE, size // 8) for size in vocabulary)


def _routers(header: Header, raw: Mapping[str, Any]) -> set[str]:
    """Weights with a row for each of the experts that lie beside them, or that the config counts
    where a name says that it routes."""
    beside: dict[str, set[int]] = {}
    for item in header.tensors:
        parent, mark, rest = item.name.partition(".experts.")
        if not mark:
            continue
        number = rest.split(".")[0]
        if _NUMBER.fullmatch(number):
            beside.setdefault(parent, set()).add(int(number))
        elif len(item.shape) == 3:
            beside.setdefault(parent, set()).update(range(item.shape[0]))
    counts = _numbers(raw, *_EXPERTS)
    found = set()
    for name, shape in header.flat.items():
        parent = name.rpartition(".")[0]
        around = (parent, parent.rpartition(".")[0])
        named = leaf(name) in ("gate", "router", "wg") or "router" in parent
        if any(shape[0] == len(beside.get(place, ())) for place in around) or (
            named and shape[0] in counts
        ):
            found.add(name)
    return {name for name in found if ".experts." not in name}
