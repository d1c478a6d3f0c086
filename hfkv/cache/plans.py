"""Plans: small functions that read like the sentence they implement.

Each gives, for a :class:`~hfkv.facts.config.Config`, the :class:`~hfkv.cache.plan.Plan` of its
layers; the registry combines them, one row per architecture.
"""

from __future__ import annotations

from collections.abc import Callable

from hfkv.cache.geometry import Geometry, Heads
from hfkv.cache.kinds import Full, Kind, Nothing, Sliding
from hfkv.cache.layer_types import LayerTypes, inferred, inferred_without_window
from hfkv.cache.plan import Plan
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.config import Config
from hfkv.reading import printable

__all__ = ["PlanFunction", "last_layers_share", "layered"]

PlanFunction = Callable[[Config], Plan]

#: What older files call the kinds of layers (``configuration_utils.py``).
_LEGACY = {
    "mamba": "linear_attention",
    "attention": "full_attention",
    "deepseek_sparse_attention": "indexed_attention",
    "qwen_sparse_attention": "indexed_attention",
}
#: Where each kind that forgets finds its window.
_WINDOWS = {"sliding_attention": "sliding_window", "chunked_attention": "attention_chunk_size"}


def layered(
    geometry: Geometry,
    types: LayerTypes = inferred,
    *,
    explicit: bool = True,
    window: Callable[[Config], int | None] | None = None,
    layers: str = "num_hidden_layers",
) -> PlanFunction:
    """Attention layers of one geometry, each full, sliding or chunked by its type.

    Args:
        geometry: reads the heads from a config.
        types: names the kinds where ``layer_types`` is absent or null.
        explicit: whether the class lets the file's ``layer_types`` decide.
        window: reads the sliding window, where the class does more than take the key.
        layers: the key that counts the layers.
    """

    def plan(config: Config) -> Plan:
        if config.raw.get("per_layer_config") is not None:
            raise UnsupportedError(
                "layers are configured one by one (per_layer_config)",
                where=config.place("per_layer_config"),
                expected="layers of one configuration",
            )
        count = config.layers(layers)
        names = config.strings("layer_types") if explicit else None
        if names is None:
            # A class that reads its window by a rule empties it where the rule gives none.
            unused = types is inferred and window is not None and window(config) is None
            names = tuple((inferred_without_window if unused else types)(config, count))
        elif len(names) != count:
            raise ConfigError(
                f"has {len(names)} entries",
                where=config.place("layer_types"),
                expected=f"one for each of the {count} layers",
            )
        names = tuple(_LEGACY.get(name, name) for name in names)
        shape = geometry(config)
        made = {name: _kind(config, name, shape, window) for name in dict.fromkeys(names)}
        return Plan(kinds=[made[name] for name in names])

    return plan


def _kind(
    config: Config, name: str, shape: Heads, window: Callable[[Config], int | None] | None
) -> Kind:
    if name == "full_attention":
        return Full(
            heads=shape.count,
            k_dim=shape.k_dim,
            v_dim=shape.v_dim,
            rows=shape.rows,
            name=shape.name,
        )
    if name not in _WINDOWS:
        raise UnsupportedError(
            f"a layer of type '{printable(name)}'",
            where=config.place("layer_types"),
            expected="one of full_attention, " + ", ".join(_WINDOWS),
        )
    key = _WINDOWS[name]
    if name == "sliding_attention" and window is not None:
        size = window(config)
        if size is None:
            raise ConfigError(
                "layers slide but there is no window", where=config.place(key), expected="a window"
            )
    else:
        size = config.int(key)
    return Sliding(
        window=size,
        heads=shape.count,
        k_dim=shape.k_dim,
        v_dim=shape.v_dim,
        rows=shape.rows,
        name="sliding" if name == "sliding_attention" else "chunked",
    )


def last_layers_share(inner: PlanFunction, key: str = "num_kv_shared_layers") -> PlanFunction:
    """The last ``key`` layers reuse the caches of earlier ones and keep nothing."""

    def plan(config: Config) -> Plan:
        made = inner(config)
        shared = config.optional_int(key, least=0) or 0
        count = len(made.kinds)
        if shared > count:
            raise ConfigError(
                f"found {shared}",
                where=config.place(key),
                expected=f"at most the {count} layers there are",
            )
        nothing = Nothing()
        kinds = [*made.kinds[: count - shared], *([nothing] * shared)]
        return Plan(kinds=kinds, encoder_tokens=made.encoder_tokens, notes=made.notes)

    return plan
