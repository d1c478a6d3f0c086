"""Sparse attention: layers that choose tokens by an indexer, or compress what they attend to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hfkv.cache.geometry import Heads, latent, unfilled
from hfkv.cache.kinds import Compressed, Indexer, Kind, Latent, Shared, Together
from hfkv.cache.layer_types import every_layer
from hfkv.cache.layered import layered
from hfkv.cache.plan import Plan
from hfkv.cache.row import Row, table
from hfkv.cache.states import delta_attention, indexed_latent
from hfkv.errors import ConfigError
from hfkv.facts.config import Config, Derived
from hfkv.reading import describe

__all__ = ["ROWS"]

_INDEXED, _LINEAR, _FULL = "indexed_attention", "linear_attention", "full_attention"
_HEAVY, _SPARSE = "heavily_compressed_attention", "compressed_sparse_attention"
_SLIDING, _LIGHTNING = "sliding_attention", "minimax_m3_sparse"
#: A rule that says of each layer whether it runs an indexer ("full") or reuses a choice ("shared").
IndexerTypes = Callable[[Config, int], Sequence[str]]


def _patterned(config: Config, layers: int) -> Sequence[str]:
    """The pattern of F and S in the file, else an indexer in one of ``index_topk_freq`` layers."""
    pattern = config.stated("index_topk_pattern")
    if pattern is None:
        every = config.int("index_topk_freq", least=0)
        offset = config.int("index_skip_topk_offset", least=0)
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


def _latent(config: Config) -> Latent:
    return latent(config).full()


def _shared_indexers(rule: IndexerTypes) -> Callable[[Config], Plan]:
    """MLA; layers with an indexer keep its keys too, the others reuse the choice of one before."""

    def plan(config: Config) -> Plan:
        names = layered(latent, every_layer(_INDEXED), kinds={_INDEXED: _latent})(config)
        has = _indexers(config, len(names.kinds), rule)
        full = _latent(config)
        both = Together((full, Indexer(dim=config.int("index_head_dim"))))
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
    keys = Indexer(dim=config.int("index_head_dim"))
    full = _latent(config)
    rows = dict.fromkeys(full.rows, full.rank)
    bare = Latent(rank=full.rank, rotary=0, rows=rows, word="latent without rotary key")
    latents = {True: full, False: bare}
    whole = {flag: Together((kept, keys)) for flag, kept in latents.items()}
    kinds: list[Kind] = []
    for index in range(layers):
        if sources[index] != index:
            shared = Shared(layer=sources[index])
            kinds.append(keys if has[index] else shared)
        else:
            kinds.append((whole if has[index] else latents)[rotary[index]])
    return Plan(kinds=kinds)


def _rotary(config: Config, layers: int) -> list[bool]:
    given = config.ints("no_rope_layers")
    if given is not None:
        return [bool(item) for item in _for_each(config, "no_rope_layers", given, layers)]
    every = config.int("no_rope_layer_interval")
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
    full = Latent(rank=config.int("kv_lora_rank"), rotary=config.int("qk_rope_head_dim", least=0))
    both = Together((full, Indexer(dim=config.int("index_head_dim"), gated=True)))
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
    older = config.nested("sparse_attention_config")
    flags = older.stated("sparse_attention_freq")
    if older.states("sparse_attention_freq") and not isinstance(flags, list):
        raise ConfigError(
            f"found {describe(flags)}",
            where=older.place("sparse_attention_freq"),
            expected="a list with an entry for each layer",
        )
    full = unfilled(config).full()
    states = older.states("sparse_index_dim")
    dim = older.int("sparse_index_dim") if states else config.int("index_head_dim")

    def types(config: Config, layers: int) -> Sequence[str]:
        if flags is None:
            return [_FULL] * layers
        if len(flags) != layers:
            raise ConfigError(
                f"has {len(flags)} entries",
                where=older.place("sparse_attention_freq"),
                expected=f"one for each of the {layers} layers",
            )
        return [_LIGHTNING if flag else _FULL for flag in flags]

    lightning = Together((full, Indexer(dim=dim, lightning=True)))
    return layered(unfilled, types, kinds={_LIGHTNING: lambda config: lightning})(config)


def _deepseek_v4(config: Config) -> Plan:
    """DeepSeek-V4: windows, most of them with compressed entries at one of two rates."""
    rates = _rates(config)
    window, dim = config.int("sliding_window"), config.int("head_dim")

    def types(config: Config, layers: int) -> Sequence[str]:
        older = config.stated("compress_ratios")
        if older is None:
            rest = [_SPARSE if layer % 2 else _HEAVY for layer in range(max(layers - 2, 0))]
            return [*[_HEAVY] * min(layers, 2), *rest]
        words = {0: _SLIDING, 4: _SPARSE, 128: _HEAVY}
        if not isinstance(older, list) or len(older) < layers or not set(older) <= set(words):
            raise ConfigError(
                f"found {describe(older)}",
                where=config.place("compress_ratios"),
                expected="0, 4 or 128 for each layer",
            )
        return [words[ratio] for ratio in older[:layers]]

    heavy = Compressed(window=window, rate=rates[_HEAVY], dim=dim)
    sparse = Compressed(
        window=window,
        rate=rates[_SPARSE],
        dim=dim,
        indexer=config.int("index_head_dim"),
    )
    kinds = {_HEAVY: lambda config: heavy, _SPARSE: lambda config: sparse}
    view, count = config, config.layers()
    names = config.strings("layer_types")
    if names is not None and len(names) > count:
        # The list may go on with drafting layers, which the class cuts.
        cut = Derived(list(names[:count]), "layer_types without the drafting layers")
        view = config.overlaid({"layer_types": cut})
    made = layered(_one_head, types, kinds=kinds)(view)
    for index, kind in enumerate(made.kinds):
        if kind.name not in ("sliding", heavy.name, sparse.name):
            raise ConfigError(
                f"layer {index} is {kind.name}",
                where=config.place("layer_types"),
                expected=f"{_SLIDING}, {_HEAVY} or {_SPARSE}",
            )
    return made


def _one_head(config: Config) -> Heads:
    dim = config.int("head_dim")
    return Heads(count=1, k_dim=dim, v_dim=dim)


def _rates(config: Config) -> dict[str, int]:
    """Tokens in an entry, by the type of layer; older files state them in keys of their own."""
    given = config.filled("compress_rates")
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"found {describe(given)}", where=config.place("compress_rates"), expected="an object"
        )
    found = {}
    for name, older in ((_SPARSE, "compress_rate_csa"), (_HEAVY, "compress_rate_hca")):
        value = config.stated(older)
        key = f"compress_rates.{name}" if value is None else older
        found[name] = config.check_int(key, given.get(name) if value is None else value)
    return found


ROWS: dict[str, Row] = table(
    (
        "deepseek_v32",
        Row(layered(latent, every_layer(_INDEXED), kinds={_INDEXED: indexed_latent})),
    ),
    ("deepseek_v4", Row(_deepseek_v4)),
    ("glm5_next_text", Row(_glm_next)),
    ("glm_moe_dsa", Row(_shared_indexers(_patterned))),
    ("hy_v4 hy_v4_vl_text", Row(_shared_indexers(_first_of_each_four))),
    ("minimax_m3_vl_text", Row(_minimax_m3)),
    ("mistral_large4_text", Row(_mistral_large)),
)
