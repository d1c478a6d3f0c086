"""Plans: small functions that read like the sentence they implement.

Each gives, for a :class:`~hfkv.facts.config.Config`, the :class:`~hfkv.cache.plan.Plan` of its
layers; the registry combines them, one row per architecture.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from hfkv.cache.geometry import Heads, LatentWidths
from hfkv.cache.kinds import Full, Kind, Latent, Shared, Sliding, Together
from hfkv.cache.layer_types import LayerTypes, inferred, inferred_without_window
from hfkv.cache.plan import Plan
from hfkv.cache.states import KindRule
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.config import Config, Derived, Place
from hfkv.reading import describe, printable

__all__ = [
    "LayerValues",
    "PlanFunction",
    "last_layers_share",
    "layered",
    "looped",
    "stated_per_layer",
    "with_attention",
]

PlanFunction = Callable[[Config], Plan]
#: What is read elsewhere than in the config's own keys, by layer.
LayerValues = Mapping[int, Mapping[str, Place | Derived]]

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
    geometry: Callable[[Config], Heads | LatentWidths],
    types: LayerTypes = inferred,
    *,
    explicit: bool = True,
    kinds: Mapping[str, KindRule] | None = None,
    window: Callable[[Config], int | None] | None = None,
    layers: str | Callable[[Config], int] = "num_hidden_layers",
    per_layer: Callable[[Config, Sequence[str]], LayerValues] | None = None,
    then: Callable[[Sequence[str]], Sequence[str]] | None = None,
) -> PlanFunction:
    """Attention layers of one geometry, each full, sliding or chunked by its type.

    Args:
        geometry: reads the heads from a config.
        types: names the kinds where ``layer_types`` is absent or null.
        explicit: whether the class lets the file's ``layer_types`` decide.
        kinds: rules for types of layers beyond full, sliding and chunked attention, or instead.
        window: reads the sliding window, where the class does more than take the key.
        layers: the key that counts the layers, or a rule where the class derives their number.
        per_layer: what is set otherwise for some layers, where the class reads it layer by layer.
        then: changes that the class makes to the kinds, whoever named them.
    """

    def plan(config: Config) -> Plan:
        count = config.layers(layers) if isinstance(layers, str) else layers(config)
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
        if then is not None:
            names = tuple(then(names))
        rules = kinds or {}
        made: dict[tuple[str, str], Kind] = {}
        found = []
        values = (per_layer or _of_one_configuration)(config, names)
        for index, name in enumerate(names):
            own = values.get(index, {})
            # Layers of the same values are one kind, wherever these stand.
            key = (name, repr(sorted((of, _peek(value)) for of, value in own.items())))
            if key not in made:
                view = config.overlaid(own) if own else config
                made[key] = (
                    rules[name](view)
                    if name in rules
                    else _kind(view, name, geometry(view), window, (*rules, "full_attention"))
                )
            found.append(made[key])
        return Plan(kinds=found)

    return plan


def _peek(value: Place | Derived) -> object:
    return value.value if isinstance(value, Derived) else value.config.peek(value.key)


def _of_one_configuration(config: Config, names: Sequence[str]) -> LayerValues:
    """For classes that read every layer's sizes from the one config."""
    if config.peek("per_layer_config") is not None:
        raise UnsupportedError(
            "layers are configured one by one (per_layer_config)",
            where=config.place("per_layer_config"),
            expected="layers of one configuration",
        )
    return {}


def looped(config: Config, made: Plan, start: int, stop: int, passes: int, key: str) -> Plan:
    """``made`` where the layers from ``start`` up to ``stop`` run ``passes`` times, each time with
    a cache of their own, which stands after all of the layers; ``key`` says how often."""
    again = [*made.kinds[start:stop]]
    config.check_layers(key, len(made.kinds) + len(again) * (passes - 1))
    return replace(made, kinds=[*made.kinds, *(again * (passes - 1))])


def stated_per_layer(*keys: str) -> Callable[[Config, Sequence[str]], LayerValues]:
    """What ``per_layer_config`` sets otherwise for some layers, of keys that the class so reads."""

    def values(config: Config, names: Sequence[str]) -> LayerValues:
        given = config.peek("per_layer_config")
        if given is None:
            return {}
        if not isinstance(given, Mapping):
            raise ConfigError(
                f"found {describe(given)}",
                where=config.place("per_layer_config"),
                expected="an object",
            )
        part = config.nested("per_layer_config")
        found: dict[int, Mapping[str, Place | Derived]] = {}
        for text in part.keys:
            index = int(text) if text.isdecimal() and len(text) < 7 else -1
            if not 0 <= index < len(names) or not isinstance(part.peek(text), Mapping):
                raise ConfigError(
                    f"found {printable(text)}: {describe(part.peek(text))}",
                    where=config.place("per_layer_config"),
                    expected="objects, by the numbers of layers",
                )
            layer = part.nested(text)
            for key in layer.keys:
                if key not in keys:
                    raise UnsupportedError(
                        f"{printable(key)} differs from layer to layer",
                        where=part.place(text),
                        expected="one of " + ", ".join(keys),
                    )
            found[index] = {key: Place(layer, key) for key in layer.keys}
        return found

    return values


def _kind(
    config: Config,
    name: str,
    shape: Heads | LatentWidths,
    window: Callable[[Config], int | None] | None,
    known: Sequence[str],
) -> Kind:
    if name == "full_attention":
        return shape.full()
    if name not in _WINDOWS:
        raise UnsupportedError(
            f"a layer of type '{printable(name)}'",
            where=config.place("layer_types"),
            expected="one of " + ", ".join((*known, *_WINDOWS)),
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
    return shape.within(size, chunked=name == "chunked_attention")


def last_layers_share(inner: PlanFunction, key: str = "num_kv_shared_layers") -> PlanFunction:
    """The last ``key`` layers reuse the caches of earlier ones of their kind and keep nothing."""

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
        own = made.kinds[: count - shared]
        # Each shares with the last layer of its kind that has a cache of its own.
        sources = {kind.name: index for index, kind in enumerate(own)}
        if shared and any(kind.name not in sources for kind in made.kinds):
            raise ConfigError(
                f"found {shared}, which leaves no layer of some kind to share with",
                where=config.place(key),
                expected="an earlier layer of every kind",
            )
        sharing = {name: Shared(layer=index) for name, index in sources.items()}
        rest = [sharing[kind.name] for kind in made.kinds[count - shared :]]
        return replace(made, kinds=[*own, *rest])

    return plan


def with_attention(inner: PlanFunction) -> PlanFunction:
    """The class asks its cache how long it is, which only attention layers can answer."""

    def plan(config: Config) -> Plan:
        made = inner(config)
        if not any(_attends(kind) for kind in {id(kind): kind for kind in made.kinds}.values()):
            raise ConfigError(
                "no layer has attention, without which its class cannot generate",
                where=config.place("layer_types"),
                expected="at least one attention layer",
            )
        return made

    return plan


def _attends(kind: Kind) -> bool:
    if isinstance(kind, Together):
        return any(map(_attends, kind.parts))
    return isinstance(kind, (Full, Sliding, Latent))
