"""Geometry of classes that are not transformers' own: every number must stand in the file.

Such a class's defaults are not generated from a library, so a key that is absent is refused
unless the class derives it from others by a published rule. And what a file says beyond what the
row reads must not change the cache: :func:`nothing_else` refuses what might.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hfkv.cache.kinds import Full, Kind, Nothing, Together
from hfkv.cache.layered import PlanFunction
from hfkv.cache.plan import Plan
from hfkv.cache.states import KindRule
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.config import Config
from hfkv.reading import describe, printable

__all__ = ["attention", "blocks", "first", "nothing_else", "per_layer"]

#: Keys that make a cache other than keys and values of every token, and the values that do not.
_HARMLESS: Mapping[str, tuple[object, ...]] = {
    "attention_chunk_size": (None,),
    "compress_ratios": (None,),
    "cross_layer_attention": (None, False),
    "full_attention_interval": (None,),
    "hybrid_override_pattern": (None,),
    "index_head_dim": (None,),
    "is_encoder_decoder": (None, False),
    "kv_lora_rank": (None,),
    "layers_block_type": (None,),
    "linear_attn_config": (None,),
    "num_kv_shared_layers": (None, 0),
    "per_layer_config": (None,),
    "pre_allocate_kv_cache": (None, False),
    "sparse_attention_config": (None,),
    "sparse_config": (None,),
    "sparse_mode": (None, "none"),
    "ssm_cfg": (None,),
    "use_cache_quantization": (None, False),
    "use_cla": (None, False),
    "use_mla": (None, False),
    "window_size": (None,),
}


def nothing_else(config: Config, *, known: Sequence[str] = ()) -> None:
    """Refuse a file that asks for a cache of another form.

    Args:
        known: keys among them that the caller takes into account.

    Raises:
        UnsupportedError: a key says so; the message names it.
    """
    for key, harmless in _HARMLESS.items():
        value = config.peek(key)
        if key not in known and not any(value is item or value == item for item in harmless):
            raise _unread(config, key, value)
    window = config.peek("sliding_window")
    if window is not None and config.peek("use_sliding_window") is not False:
        raise _unread(config, "sliding_window", window)
    types = config.peek("layer_types")
    full = isinstance(types, list) and all(item == "full_attention" for item in types)
    if types is not None and not full:
        raise _unread(config, "layer_types", types)


def _unread(config: Config, key: str, value: object) -> UnsupportedError:
    return UnsupportedError(
        f"found {describe(value)}, and what this class then caches is not known here",
        where=config.place(key),
    )


def first(config: Config, keys: Sequence[str]) -> int:
    """A whole number under the one of several names that the file has.

    Raises:
        ConfigError: it has none of them, or they disagree.
    """
    found = {key: config.int(key) for key in keys if config.peek(key) is not None}
    if not found:
        raise ConfigError(
            "is missing", where=config.place(" or ".join(keys)), expected="a whole number"
        )
    if len(set(found.values())) > 1:
        said = ", ".join(f"{key} {value}" for key, value in found.items())
        raise ConfigError(f"disagree: {said}", where=config.place(keys[0]), expected="one number")
    return next(iter(found.values()))


def attention(
    *,
    layers: Sequence[str] = ("num_hidden_layers",),
    heads: Sequence[str] = ("num_attention_heads",),
    hidden: Sequence[str] = ("hidden_size",),
    groups: Sequence[str] = (),
    dim: Sequence[str] = (),
    absent_groups_are_heads: bool = False,
    rows: Mapping[str, str] | None = None,
    beside: KindRule | None = None,
    known: Sequence[str] = (),
) -> PlanFunction:
    """Keys and values of every token in every layer.

    Args:
        layers, heads, hidden: names of the keys that count them; the file has one of each.
        groups: names for key/value heads; none where the class has as many as heads. A null one
            stands for as many as heads, as ``PretrainedConfig`` classes have it.
        dim: names for the elements of a head; ``hidden // heads`` where the file has none.
        absent_groups_are_heads: whether the class takes as many as heads where no key is there.
        rows: what the checkpoint must show: ending of a weight's name to ``k``, ``kv``, ``qkv``.
        beside: what a layer keeps beside its keys and values.
        known: keys of :func:`nothing_else` that this class does not read.
    """

    def plan(config: Config) -> Plan:
        nothing_else(config, known=known)
        count = first(config, heads)
        width = _head_dim(config, count, hidden, dim)
        kept = count if not groups else _groups(config, groups, count, absent_groups_are_heads)
        sizes = {
            "k": kept * width,
            "kv": 2 * kept * width,
            "qkv": (count + 2 * kept) * width,
        }
        witness = {ending: sizes[what] for ending, what in (rows or _SEPARATE).items()}
        kind: Kind = Full(heads=kept, k_dim=width, v_dim=width, rows=witness)
        if beside is not None:
            kind = Together((kind, beside(config)))
        number = config.layers(next((key for key in layers if config.states(key)), layers[0]))
        first(config, layers)
        return Plan(kinds=[kind] * number)

    return plan


_SEPARATE = {".k_proj.weight": "k", ".v_proj.weight": "k"}


def _head_dim(config: Config, heads: int, hidden: Sequence[str], dim: Sequence[str]) -> int:
    if any(config.peek(key) is not None for key in dim):
        return first(config, dim)
    size = first(config, hidden)
    if size % heads:
        raise ConfigError(
            f"found {size}",
            where=config.place(hidden[0]),
            expected=f"a multiple of the {heads} attention heads",
        )
    return size // heads


def _groups(config: Config, keys: Sequence[str], heads: int, absent_are_heads: bool) -> int:
    if any(config.peek(key) is not None for key in keys):
        found = first(config, keys)
        if heads % found:
            raise ConfigError(
                f"found {found}",
                where=config.place(keys[0]),
                expected=f"a divisor of the {heads} attention heads",
            )
        return found
    if absent_are_heads or any(map(config.states, keys)):
        return heads
    raise ConfigError(
        "is missing, and the class's default is not known here",
        where=config.place(keys[0]),
        expected="the number of key/value heads",
    )


def per_layer(heads: str, *, layers: str, dim: str = "") -> PlanFunction:
    """As many key/value heads in each layer as a list says.

    ``dim`` is the key for the elements of a head; ``hidden_size // num_attention_heads`` without.
    """

    def plan(config: Config) -> Plan:
        nothing_else(config)
        count = config.layers(layers)
        if dim:
            width = config.int(dim)
        else:
            width = _head_dim(config, config.int("num_attention_heads"), ("hidden_size",), ())
        given = config.ints(heads, least=1)
        if given is None or len(given) != count:
            raise ConfigError(
                "is missing" if given is None else f"has {len(given)} entries",
                where=config.place(heads),
                expected=f"one number for each of the {count} layers",
            )
        made: dict[int, Kind] = {
            number: Full(heads=number, k_dim=width, v_dim=width) for number in set(given)
        }
        return Plan(kinds=[made[number] for number in given])

    return plan


def blocks(config: Config) -> Plan:
    """DeciLM: each of ``block_configs`` has attention of its own groups, or none."""
    nothing_else(config)
    count, heads = config.layers(), config.int("num_attention_heads")
    size = config.int("hidden_size")
    found = config.items("block_configs")
    if found is None or len(found) != count or size % heads:
        raise ConfigError(
            f"found {describe(config.peek('block_configs'))}",
            where=config.place("block_configs"),
            expected=f"one block for each of the {count} layers",
        )
    made: dict[int, Kind] = {0: Nothing()}
    kinds = []
    for block in found:
        groups = _block_groups(block, heads)
        if groups not in made:
            width = size // heads
            rows = {".k_proj.weight": groups * width, ".v_proj.weight": groups * width}
            made[groups] = Full(heads=groups, k_dim=width, v_dim=width, rows=rows)
        kinds.append(made[groups])
    return Plan(kinds=kinds)


def _block_groups(block: Config, heads: int) -> int:
    """Key/value heads of one block; 0 where it has no attention."""
    attention = block.nested("attention")
    if attention.stated("no_op") is True or attention.stated("replace_with_linear") is True:
        return 0
    for key in ("window_length", "num_sink_tokens", "sparsify"):
        if attention.peek(key) is not None:
            raise UnsupportedError(
                f"{printable(key)} is {describe(attention.peek(key))}",
                where=block.place("attention"),
                expected="attention to every token",
            )
    group = attention.int("n_heads_in_group")
    if heads % group:
        raise ConfigError(
            f"found {group}",
            where=attention.place("n_heads_in_group"),
            expected=f"a divisor of the {heads} attention heads",
        )
    return heads // group
