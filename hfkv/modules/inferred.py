"""The modules of an architecture that nobody knows here, read off its checkpoint.

A repository with code of its own keeps its own names, and a tensor ``X.weight`` of two dimensions
is the weight of a module ``X``. That is enough for what a LoRA adapter adds to it. What it does not
say is told, or refused where the answer would depend on it:

- which module is the output embedding, that ``all-linear`` leaves out: the one head by name;
- which are embeddings: those named after what they hold a row for (tokens, positions, types) and
  tables as long as the vocabulary; of others with such a name (a codebook, a projection of patches)
  that cannot be seen, so that ``all-linear`` is refused unless they are excluded. An embedding has
  no bias, and what has one of another size than a layer's is none;
- whether a mixture's router is a linear layer or a plain parameter: that cannot be seen, so that
  ``all-linear`` is refused unless it is excluded;
- whether what an attention has in one weight under a name of its own is taken apart on loading:
  likewise;
- whether a block in one of the layers that is called shared is run in others too: likewise;
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
from hfkv.versions import unknown

__all__ = ["guess", "inferred"]

_HEADS = frozenset(["lm_head", "embed_out", "output_layer"])
#: Names that many other layers have too: heads where they have a row for each token.
_MAYBE_HEADS = frozenset(["output", "head", "ff_out", "final_linear"])
#: Named after what they hold a row for: each class of transformers has an embedding there.
_EMBEDDING = re.compile(
    r"embed_(in|tokens|positions)|(^|_)(word|tok|token|input|lang|segment)s?_(emb|type)|position"
    r"|pos_emb|tokens_embed|relative_attention_bias|^wte$|^wpe$"
)
#: So named are linear layers, convolutions and embeddings.
_LOOKUP = re.compile(
    r"emb(ed\w*)?(_|$)|embed|codebook|bias|(^|_)pe(_|$)|tokens?$|table|lookup|^encoder$"
)
#: A projection of patches, or to or from embeddings, is one whatever else its name says.
_PROJECTION = re.compile(r"proj|patch|linear|^fc|dense")
#: What stands in a stack of layers, the number of its layer, and its name there.
_LAYER = re.compile(r"(.*?)\.([0-9]+)\.(.+)")
#: A block by the name of one that is there for several layers; experts have another meaning of it.
_SHARED = re.compile(r"(^|\.)shared_(?!expert|mlp|ffn|head)\w+(?=\.)")
#: Of an attention: its output, and what is its queries, keys and values in one.
_OUTPUT = re.compile(r"^(o|out|c|output)_?proj$|^(dense|wo|proj)$|_out$")
_PACKED = re.compile(
    r"^(to_)?(qkv|kv|kv_b|q)(_proj)?$|^query_key_value$|^wqkv$|^c_attn$|^in_proj$|^w_pack$",
    re.IGNORECASE,
)
_ROUTERS = ("gate", "router", "wg")
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
            f"model_type '{printable(model_type)}' has no module table "
            f"({unknown(model_type, raw.get('transformers_version'))})"
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
    shared, fused = _shared(header), _fused(header)
    vocabulary = _vocabulary(raw)
    found = {}
    for name, held in header.parameters.items():
        shape = held.get("weight", ())
        if len(shape) > 2:
            found[name] = "unknown"
        elif (
            not shape and leaf(name) not in _HEADS and _is_long(held.get("bias", (0,)), vocabulary)
        ):
            # Its weight is another's: a head that PEFT leaves out only where the class names it.
            found[name] = "head"
        elif len(shape) < 2 or not _fits(held.get("bias"), shape):
            continue
        elif "bias" not in held and _looks_up(name, shape, vocabulary):
            named = _EMBEDDING.search(leaf(name)) or _is_long(shape, vocabulary)
            found[name] = "embedding" if named else "lookup"
        elif name in routers:
            found[name] = "router"
        elif name in shared:
            found[name] = "shared"
        elif name in fused:
            found[name] = "fused"
        elif name not in heads and _is_long(shape, vocabulary):
            found[name] = "vocabulary"
        else:
            found[name] = "linear"
    return found


def _fits(bias: tuple[int, ...] | None, shape: tuple[int, ...]) -> bool:
    """Whether a bias is that of a layer with such a weight, of either order: a norm of each head
    has another, and an embedding none."""
    return bias is None or (len(bias) == 1 and bias[0] in shape)


def _looks_up(name: str, shape: tuple[int, ...], vocabulary: set[int]) -> bool:
    """Whether a weight may be a table that rows are taken from, by its name."""
    own = leaf(name)
    if own in _HEADS or (_PROJECTION.search(own) and not _is_long(shape, vocabulary)):
        return False
    return bool(_EMBEDDING.search(own) or _LOOKUP.search(own))


def _fused(header: Header) -> set[str]:
    """The one weight beside an attention's output, where its name is not one that classes keep
    such a weight under: what is packed otherwise may be taken apart on loading."""
    beside: dict[str, list[str]] = {}
    for name in header.flat:
        beside.setdefault(name.rpartition(".")[0], []).append(name)
    return {
        name
        for parent, names in beside.items()
        if "att" in leaf(parent) and len(names) == 2
        for name, other in (names, reversed(names))
        if _OUTPUT.search(leaf(other)) and not _OUTPUT.search(leaf(name))
        if not _PACKED.search(leaf(name)) and header.flat[name][0] > header.flat[other][1]
    }


def _shared(header: Header) -> set[str]:
    """Weights of a block that is called shared, in one alone of several layers."""
    layers: dict[str, set[str]] = {}
    held: dict[tuple[str, str], dict[str, list[str]]] = {}
    for name in header.parameters:
        found = _LAYER.match(name)
        if found is None:
            continue
        stack, number, inside = found.groups()
        layers.setdefault(stack, set()).add(number)
        block = _SHARED.search(inside)
        if block is not None and name in header.flat:
            held.setdefault((stack, block[0]), {}).setdefault(number, []).append(name)
    return {
        name
        for (stack, _), places in held.items()
        if len(places) == 1 < len(layers[stack])
        for names in places.values()
        for name in names
    }


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
        named = leaf(name) in _ROUTERS or "router" in parent
        if (
            any(shape[0] == len(beside.get(place, ())) for place in around)
            or (named and shape[0] in counts)
            # Some have a row more for each shared expert, or experts of several sorts.
            or (leaf(name) in _ROUTERS and parent in beside)
        ):
            found.add(name)
    return {name for name in found if ".experts." not in name}
