"""Sparse attention: layers that keep the keys of an indexer beside what they attend to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hfkv.cache.geometry import declared_head_dim, grouped_by, latent, stated_kv_heads
from hfkv.cache.kinds import Full, Indexed, Kind, Nothing, Together
from hfkv.cache.layer_types import every_layer
from hfkv.cache.plan import Plan
from hfkv.cache.plans import layered
from hfkv.cache.row import Row
from hfkv.cache.states import delta_attention
from hfkv.errors import ConfigError
from hfkv.facts.config import Config
from hfkv.reading import describe

__all__ = ["ROWS"]

_INDEXED, _LINEAR, _FULL = "indexed_attention", "linear_attention", "full_attention"
#: A rule that says of each layer whether it runs an indexer ("full") or reuses a choice ("shared").
IndexerTypes = Callable[[Config, int], Sequence[str]]


def _patterned(config: Config, layers: int) -> Sequence[str]:
    """The pattern of F and S in the file, else an indexer in one of ``index_topk_freq`` layers."""
    pattern = config.raw.get("index_topk_pattern")
    if pattern is None:
        every = config.check_int("index_topk_freq", config.raw.get("index_topk_freq", 1), least=0)
        offset = config.raw.get("index_skip_topk_offset", 2)
        offset = config.check_int("index_skip_topk_offset", offset, least=0)
        return [
            "shared" if max(layer - offset + 1, 0) % max(every, 1) else "full"
            for layer in range(layers)
        ]
    words = {"F": "full", "S": "shared"}
    if isinstance(pattern, str) and set(pattern) <= set(words):
        return [words[letter] for letter in pattern]
    if isinstance(pattern, list) and all(isinstance(item, str) for item in pattern):
        return list(pattern)
    raise ConfigError(
        f"found {describe(pattern)}",
        where=config.place("index_topk_pattern"),
        expected="letters F and S, or a list of 'full' and 'shared'",
    )


def _first_of_each_four(config: Config, layers: int) -> Sequence[str]:
    """An indexer in the first layer and in every fourth from the second on."""
    return ["full" if not layer or (layer - 1) % 4 == 0 else "shared" for layer in range(layers)]


def _indexers(config: Config, layers: int, rule: IndexerTypes) -> Sequence[bool]:
    """Whether each layer has an indexer: by the file's ``indexer_types``, else by the rule."""
    types = config.strings("indexer_types")
    types = tuple(rule(config, layers)) if types is None else types
    if len(types) < layers:
        raise ConfigError(
            f"names the indexers of {len(types)} layers",
            where=config.place("indexer_types"),
            expected=f"one entry for each of the {layers} layers",
        )
    return [kind != "shared" for kind in types[:layers]]


def _latent(config: Config, rotary: bool = True) -> Full:
    shape = latent(config)
    if rotary:
        return Full(heads=1, k_dim=shape.k_dim, v_dim=shape.v_dim, rows=shape.rows, name="latent")
    rows = dict.fromkeys(shape.rows, shape.k_dim)
    return Full(heads=1, k_dim=shape.k_dim, v_dim=0, rows=rows, name="latent without rotary key")


def _shared_indexers(rule: IndexerTypes) -> Callable[[Config], Plan]:
    """MLA; layers with an indexer keep its keys too, the others reuse the choice of one before."""

    def plan(config: Config) -> Plan:
        names = layered(latent, every_layer(_INDEXED), kinds={_INDEXED: _latent})(config)
        has = _indexers(config, len(names.kinds), rule)
        full = _latent(config)
        both = Together((full, Indexed(dim=config.int("index_head_dim"))))
        _starts_with_an_indexer(config, has)
        kinds = []
        for index, kind in enumerate(names.kinds):
            if kind.name != full.name and has[index]:
                raise ConfigError(
                    f"layer {index} has an indexer but its cache keeps no indexer keys",
                    where=config.place("layer_types"),
                    expected=_INDEXED,
                )
            kinds.append(both if has[index] else full if kind.name == full.name else kind)
        return Plan(kinds=kinds)

    return plan


def _starts_with_an_indexer(config: Config, has: Sequence[bool]) -> None:
    if has and not has[0]:
        raise ConfigError(
            "the first layer reuses the choice of a layer before it",
            where=config.place("indexer_types"),
            expected="an indexer in the first layer",
        )


def _mistral_large(config: Config) -> Plan:
    """Mistral Large 4: some layers without rotary key, some with the latents of a layer before."""
    names = layered(latent, every_layer(_INDEXED), kinds={_INDEXED: _latent})(config)
    layers = len(names.kinds)
    if any(kind.name != "latent" for kind in names.kinds):
        raise ConfigError(
            "layers of other types", where=config.place("layer_types"), expected=_INDEXED
        )
    has = _indexers(config, layers, _patterned)
    _starts_with_an_indexer(config, has)
    rotary = _rotary(config, layers)
    sources = _sources(config, layers)
    keys = Indexed(dim=config.int("index_head_dim"))
    latents = {flag: _latent(config, rotary=flag) for flag in (True, False)}
    whole = {flag: Together((full, keys)) for flag, full in latents.items()}
    nothing = Nothing()
    kinds: list[Kind] = []
    for index in range(layers):
        if sources[index] != index:
            kinds.append(keys if has[index] else nothing)
        else:
            kinds.append((whole if has[index] else latents)[rotary[index]])
    return Plan(kinds=kinds)


def _rotary(config: Config, layers: int) -> list[bool]:
    given = config.ints("no_rope_layers")
    if given is not None:
        return [bool(item) for item in _for_each(config, "no_rope_layers", given, layers)]
    every = config.check_int("no_rope_layer_interval", config.raw.get("no_rope_layer_interval", 4))
    return [(layer + 1) % every != 0 for layer in range(layers)]


def _sources(config: Config, layers: int) -> Sequence[int]:
    """Whose latents each layer attends to: its own, or those of an earlier layer that has some."""
    given = config.ints("kv_source_layers")
    if given is None:
        return range(layers)
    if len(given) != layers:
        _for_each(config, "kv_source_layers", given[:layers], layers + len(given))
    for layer, source in enumerate(given):
        if source > layer or given[source] != source:
            raise ConfigError(
                f"layer {layer} takes the latents of layer {source}",
                where=config.place("kv_source_layers"),
                expected="itself, or an earlier layer that has its own",
            )
    return given


def _for_each(config: Config, key: str, given: Sequence[int], layers: int) -> Sequence[int]:
    if len(given) < layers:
        raise ConfigError(
            f"has {len(given)} entries",
            where=config.place(key),
            expected="one for each layer",
        )
    return given[:layers]


def _glm_next(config: Config) -> Plan:
    """GLM-5-next: three linear layers, then a sparse one that indexes pools of tokens.

    What an indexer keeps per token is its key, a gate per channel and whether the token counts.
    """
    layers = config.layers()
    has = _indexers(config, layers, _patterned)
    full = Full(
        heads=1,
        k_dim=config.int("kv_lora_rank"),
        v_dim=config.int("qk_rope_head_dim", least=0),
        name="latent",
    )
    both = Together((full, Indexed(dim=2 * config.int("index_head_dim") + 1)))
    made = layered(
        latent,
        lambda config, layers: [_LINEAR if layer % 4 != 3 else _INDEXED for layer in range(layers)],
        kinds={_LINEAR: delta_attention, _INDEXED: lambda config: both, _FULL: lambda config: both},
    )(config)
    kinds = [
        full if kind is both and not has[index] else kind for index, kind in enumerate(made.kinds)
    ]
    return Plan(kinds=kinds)


def _minimax_m3(config: Config) -> Plan:
    """MiniMax-M3: layers with a lightning indexer keep one more key per token, of one head."""
    older: Any = config.raw.get("sparse_attention_config") or {}
    flags = older.get("sparse_attention_freq", []) if isinstance(older, Mapping) else None
    if not isinstance(flags, list):
        raise ConfigError(
            f"found {describe(older)}",
            where=config.place("sparse_attention_config"),
            expected="an object, whose sparse_attention_freq is a list",
        )
    shape = _HEADS(config)
    full = Full(heads=shape.count, k_dim=shape.k_dim, v_dim=shape.v_dim, rows=shape.rows)
    dim = config.int("index_head_dim")
    if "sparse_index_dim" in older:
        dim = config.check_int(
            "sparse_attention_config.sparse_index_dim", older["sparse_index_dim"]
        )

    def types(config: Config, layers: int) -> Sequence[str]:
        if "sparse_attention_freq" not in older:
            return [_FULL] * layers
        if len(flags) != layers:
            raise ConfigError(
                f"has {len(flags)} entries",
                where=config.place("sparse_attention_config.sparse_attention_freq"),
                expected=f"one for each of the {layers} layers",
            )
        return [_LIGHTNING if flag else _FULL for flag in flags]

    lightning = Together((full, Indexed(dim=dim, tensor="idx_keys", head=True)))
    return layered(_HEADS, types, kinds={_LIGHTNING: lambda config: lightning})(config)


_HEADS = grouped_by(stated_kv_heads, declared_head_dim)
_LIGHTNING = "minimax_m3_sparse"

ROWS: dict[str, Row] = {
    "glm5_next_text": Row(_glm_next),
    "glm_moe_dsa": Row(_shared_indexers(_patterned)),
    "hy_v4": Row(_shared_indexers(_first_of_each_four)),
    "minimax_m3_vl_text": Row(_minimax_m3),
    "mistral_large4_text": Row(_mistral_large),
}
