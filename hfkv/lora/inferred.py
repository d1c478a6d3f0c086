"""The modules of an architecture that nobody knows here, read off its checkpoint.

A repository with code of its own keeps its own names, and a tensor ``X.weight`` of two dimensions
is the weight of a module ``X``. That is enough for what a LoRA adapter adds to it. What it does not
say is told, or refused where the answer would hang on it:

- which module is the output embedding, that ``all-linear`` leaves out: the one head by name;
- which are embeddings: those named so, and tables as long as the vocabulary;
- whether a mixture's router is a linear layer or a plain parameter: not to be told, so that
  ``all-linear`` is refused unless it is excluded;
- the shape of convolutions: not used, and refused as a target.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hfkv.errors import UnsupportedError
from hfkv.lora.built import Built, Module, leaf
from hfkv.reading import printable
from hfkv.tensors import Tensor, TensorTable

__all__ = ["inferred"]

_FLOATS = frozenset(["F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "I8"])
_HEADS = frozenset(["lm_head", "embed_out", "output_layer"])
#: Names that many other layers have too: heads where they have a row for each token.
_MAYBE_HEADS = frozenset(["output", "head", "ff_out", "final_linear"])
_EMBEDDING = re.compile(r"embed|position|token_type|relative_attention_bias|^wte$|^wpe$")
_EXPERTS = ("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts")
#: More rows than tokens, to round the number up.
_SPARE = 1024
#: Saved beside parameters by old classes: rotary frequencies, causal masks.
_BUFFERS = re.compile(r"(^|\.)(inv_freq|masked_bias|rotary_emb\..*|attn\.bias)$")
_NUMBER = re.compile(r"[0-9]+")


def inferred(model_type: str, raw: Mapping[str, Any], tensors: TensorTable, where: str) -> Built:
    """What the checkpoint shows of a model without a module table.

    Raises:
        UnsupportedError: there is no layer in it, or more than one head.
    """
    kept = [item for item in tensors if item.dtype in _FLOATS and not _BUFFERS.search(item.name)]
    parameters: dict[str, dict[str, tuple[int, ...]]] = {}
    loose: dict[str, tuple[int, ...]] = {}
    for item in sorted(kept, key=lambda item: _order(item.name)):
        name, _, short = item.name.rpartition(".")
        if name:
            parameters.setdefault(name, {})[short] = item.shape
        else:
            loose[short] = item.shape
    flat = {
        name: shape
        for name, held in parameters.items()
        if len(shape := held.get("weight", ())) == 2
    }
    if not flat:
        raise UnsupportedError(
            f"model_type '{printable(model_type)}' is not known here, and its header has no weight "
            "of two dimensions",
            where=where,
        )
    embeddings = {
        name for name in flat if _EMBEDDING.search(leaf(name)) and leaf(name) not in _HEADS
    }
    # As many rows as there are tokens.
    long = {name for name, shape in flat.items() if _is_vocabulary(shape[0], raw)}
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
    unclear = dict.fromkeys(long - embeddings - set(heads), "vocabulary")
    unclear.update(dict.fromkeys(_routers(flat, kept, raw), "router"))
    modules = [
        Module(
            name=name,
            kind=_kind(name, held, embeddings, unclear),
            parameters=held,
        )
        for name, held in _with_containers(parameters).items()
    ]
    words = [name for name in embeddings if name in long]
    return Built(
        model_type=model_type,
        modules=tuple(modules),
        output=heads[0] if heads else None,
        input=words[0] if len(words) == 1 else None,
        input_known=len(words) == 1,
        loose=loose,
        basis="inferred",
        reason=(
            f"model_type '{printable(model_type)}' has no module table: the modules are read off "
            "the checkpoint's names and shapes, every weight of two dimensions as a linear layer "
            + (
                f"but the embeddings ({printable(', '.join(sorted(embeddings)), 120)}) "
                if embeddings
                else ""
            )
            + (f"and the head {printable(heads[0])}" if heads else "and no separate head")
        ),
    )


def _order(name: str) -> tuple[tuple[int, int, str], ...]:
    return tuple(
        (0, int(part), "") if _NUMBER.fullmatch(part) else (1, 0, part) for part in name.split(".")
    )


def _numbers(raw: Mapping[str, Any], *keys: str) -> set[int]:
    """Whole numbers of the config, or one level inside it, under these keys."""
    parts = (raw, *(item for item in raw.values() if isinstance(item, Mapping)))
    return {
        value
        for part in parts
        for key, value in part.items()
        if key in keys and type(value) is int and value > 0
    }


def _is_vocabulary(rows: int, raw: Mapping[str, Any]) -> bool:
    sizes = _numbers(raw, "vocab_size", "padded_vocab_size")
    return any(size <= rows <= size + min(_SPARE, size // 8) for size in sizes)


def _routers(
    flat: Mapping[str, tuple[int, ...]], tensors: list[Tensor], raw: Mapping[str, Any]
) -> set[str]:
    """Weights with a row for each of the experts that lie beside them, or that the config counts
    where a name says that it routes."""
    beside: dict[str, set[int]] = {}
    for item in tensors:
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
    for name, shape in flat.items():
        parent = name.rpartition(".")[0]
        around = (parent, parent.rpartition(".")[0])
        named = leaf(name) in ("gate", "router", "wg") or "router" in parent
        if any(shape[0] == len(beside.get(place, ())) for place in around) or (
            named and shape[0] in counts
        ):
            found.add(name)
    return {name for name in found if ".experts." not in name}


def _kind(
    name: str,
    held: Mapping[str, tuple[int, ...]],
    embeddings: set[str],
    unclear: Mapping[str, str],
) -> str:
    dimensions = len(held.get("weight", ()))
    if name in embeddings:
        return "embedding"
    if name in unclear:
        return unclear[name]
    if dimensions == 2:
        return "linear"
    return "unknown" if dimensions > 2 else "other"


def _with_containers(
    parameters: Mapping[str, dict[str, tuple[int, ...]]],
) -> dict[str, dict[str, tuple[int, ...]]]:
    """Every module with parameters, each after the modules around it."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, held in parameters.items():
        parts = name.split(".")
        for end in range(1, len(parts)):
            found.setdefault(".".join(parts[:end]), {})
        found[name] = held
    return found
