"""Decoders that attend to an encoder: keys and values of its output, beside those of the tokens.

A class that holds both halves cannot do without; a decoder alone can, and then keeps its own keys
and values only. How long the encoder's output is, few models fix (Whisper); it is asked for
otherwise, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hfkv.cache.geometry import Geometry
from hfkv.cache.kinds import Kind, Nothing, Together
from hfkv.cache.layered import PlanFunction
from hfkv.cache.plan import Plan
from hfkv.errors import ConfigError, InputError, UnsupportedError
from hfkv.facts.config import Config

__all__ = [
    "alone",
    "assumed_length",
    "attends",
    "attends_if",
    "encoder_length",
    "needing",
    "one_or_other",
    "whole",
]

#: Keys that would give a cache other layers than full ones, in classes that have no such key.
_OTHER_LAYERS = ("layer_types", "sliding_window", "attention_chunk_size", "per_layer_config")
#: The cache of an encoder-decoder takes these for the keys without the first word.
_RENAMED = (
    "decoder_layers",
    "decoder_num_hidden_layers",
    *(f"decoder_{key}" for key in _OTHER_LAYERS),
)


def encoder_length(plan: Plan, given: int | None, config: Config) -> int | None:
    """The length of the encoder's output: ``given``, or the plan's own; None without crossing.

    Raises:
        InputError: one is given, and there is no cross-attention.
        UnsupportedError: none is given, and the model has no length of its own.
    """
    if given is not None:
        if not plan.crosses:
            raise InputError(
                f"{config.model_type} has no cross-attention", where="`encoder_tokens`"
            )
        if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= 10**18:
            raise InputError(
                f"found {given!r}", where="`encoder_tokens`", expected="a whole number of tokens"
            )
    elif plan.crosses and plan.encoder_tokens is None:
        raise UnsupportedError(
            f"{config.model_type} also keeps its encoder's output, and nothing in its config fixes "
            "how long that is",
            where=config.where,
            hint="`encoder_tokens` says how many tokens the encoder gives",
        )
    return plan.encoder_tokens if given is None else given


def assumed_length(plan: Plan, given: int | None) -> tuple[str, ...]:
    """What a reader must be told where the length was not given."""
    if given is not None or plan.encoder_tokens is None:
        return ()
    return (
        f"the encoder's output is taken to be {plan.encoder_tokens} tokens long "
        f"({plan.encoder_source}); `encoder_tokens` says otherwise",
    )


def refuse_other_layers(config: Config) -> None:
    """Refuse keys of other architectures that the cache would follow nevertheless."""
    names: set[str] = set()
    if config.cls is not None:
        names = {*config.cls.defaults, *config.cls.attribute_map}
    for key in (*_OTHER_LAYERS, *_RENAMED):
        if key not in names and config.peek(key) is not None:
            raise UnsupportedError(
                "its class knows no such layers, but its cache would follow the key",
                where=config.place(key),
                expected="no such key",
            )


def refuse_unless_encoder_decoder(config: Config) -> None:
    """Refuse an encoder-decoder whose config says it is none: its class mixes both caches up."""
    if not config.bool("is_encoder_decoder"):
        raise ConfigError(
            "is not true, though its class is an encoder-decoder",
            where=config.place("is_encoder_decoder"),
            expected="true",
        )


def whole(
    own: Geometry,
    other: Geometry | None = None,
    *,
    layers: str | Callable[[Config], int] = "decoder_layers",
    slots: str | None = None,
    length: Callable[[Config], tuple[int, str]] | None = None,
    flagged: bool = True,
) -> PlanFunction:
    """An encoder-decoder: every decoder layer keeps the tokens' and the encoder's output.

    Args:
        own: the heads of self-attention.
        other: those of cross-attention, where they differ.
        layers: the key that counts the decoder's layers, or what reads it.
        slots: the key that counts the layers of the cache, where it is another one.
        length: reads the one length that the encoder's output has, and says where from.
        flagged: whether this config is the one that says ``is_encoder_decoder``.
    """

    def plan(config: Config) -> Plan:
        if flagged:
            refuse_unless_encoder_decoder(config)
        refuse_other_layers(config)
        count = config.layers(layers) if isinstance(layers, str) else layers(config)
        kind = Together((own(config).full(), (other or own)(config).cross()))
        tokens, source = (None, "") if length is None else length(config)
        return Plan(
            kinds=_in_slots(config, kind, count, slots),
            crosses=True,
            encoder_tokens=tokens,
            encoder_source=source,
        )

    return plan


def alone(
    own: Geometry, *, layers: str = "decoder_layers", slots: str | None = "num_hidden_layers"
) -> PlanFunction:
    """The decoder of an encoder-decoder by itself, which may be given an encoder's output.

    Its cache is made with ``slots`` layers, which in most such classes is the number of *encoder*
    layers: those beyond the decoder's stay empty, and too few are an error of the class.
    """

    def plan(config: Config) -> Plan:
        refuse_other_layers(config)
        shape = own(config)
        kind = Together((shape.full(), shape.cross()))
        return without_encoder(
            Plan(kinds=_in_slots(config, kind, config.layers(layers), slots)), "a decoder alone"
        )

    return plan


def _in_slots(config: Config, kind: Kind, count: int, slots: str | None) -> list[Kind]:
    room = count if slots is None else config.layers(slots)
    if room < count:
        raise UnsupportedError(
            f"the class makes a cache of {room} layers and then fills {count}, which fails",
            where=config.place(slots or ""),
            expected=f"at least {count}",
        )
    empty = Nothing()
    return [kind] * count + [empty] * (room - count)


def without_encoder(plan: Plan, why: str) -> Plan:
    """A plan that crosses, but only where it is told a length."""
    return replace(plan, crosses=True, encoder_tokens=0, encoder_source=why)


def needing(plan: Plan) -> Plan:
    """A plan that crosses and cannot do without its encoder."""
    return replace(plan, encoder_tokens=None, encoder_source="")


def one_or_other(whole: PlanFunction, alone: PlanFunction) -> PlanFunction:
    """By class: the decoder alone where ``architectures`` names a ``...ForCausalLM``, or where it
    names none and the config is no encoder-decoder's; else the whole."""

    def plan(config: Config) -> Plan:
        names = config.stated("architectures")
        known = () if config.cls is None else config.cls.architectures
        for name in names if isinstance(names, list) else ():
            if name in known:
                chosen = alone if name.endswith("ForCausalLM") else whole
                return chosen(config)
        return (whole if config.bool("is_encoder_decoder") else alone)(config)

    return plan


def attends(inner: PlanFunction, own: Geometry) -> PlanFunction:
    """Every layer of ``inner`` also attends to an encoder, which it cannot do without."""

    def plan(config: Config) -> Plan:
        made = inner(config)
        crossing = own(config).cross()
        both = {id(kind): Together((kind, crossing)) for kind in made.kinds}
        return replace(made, kinds=[both[id(kind)] for kind in made.kinds], crosses=True)

    return plan


def attends_if(flag: str, inner: PlanFunction, own: Geometry) -> PlanFunction:
    """A decoder whose layers can also attend to an encoder where ``flag`` is set."""

    def plan(config: Config) -> Plan:
        if not config.bool(flag):
            return inner(config)
        refuse_other_layers(config)
        return without_encoder(attends(inner, own)(config), "a decoder alone")

    return plan
