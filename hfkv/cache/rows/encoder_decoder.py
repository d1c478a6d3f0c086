"""Encoder-decoders and their decoders alone: BART's kin, T5's kin, speech and image readers."""

from __future__ import annotations

from dataclasses import replace

from hfkv.cache.encoders import (
    alone,
    attends,
    needing,
    one_or_other,
    refuse_other_layers,
    refuse_unless_encoder_decoder,
    whole,
)
from hfkv.cache.geometry import Geometry, Heads, grouped, head_dim, kv_heads
from hfkv.cache.kinds import Together
from hfkv.cache.layer_types import one_full_in
from hfkv.cache.layered import PlanFunction, layered
from hfkv.cache.plan import Plan
from hfkv.cache.row import Delegated, Row, table
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.config import Config
from hfkv.reading import describe, printable

__all__ = ["ROWS"]


def _stack(stack: str, names: tuple[str, ...], rows: int) -> dict[str, int]:
    return {
        f"{stack}.{name}.{part}.weight": rows
        for name in names
        for part in (("k", "v") if name[0].isupper() else ("k_proj", "v_proj"))
    }


def _split(
    key: str, names: tuple[str, ...] = ("self_attn", "encoder_attn"), stack: str = "decoder"
) -> Geometry:
    """BART: ``hidden_size`` split over the decoder's heads."""

    def geometry(config: Config) -> Heads:
        size, count = config.int("hidden_size"), config.int(key)
        if size % count:
            raise ConfigError(
                f"found {count}",
                where=config.place(key),
                expected=f"a divisor of the hidden size ({size}), as its class requires",
            )
        dim = size // count
        rows = _stack(f"{stack}.layers.{{}}", names, size)
        return Heads(count=count, k_dim=dim, v_dim=dim, rows=rows)

    return geometry


def _kv(dim: str, names: tuple[str, ...] = ("SelfAttention", "EncDecAttention")) -> Geometry:
    """T5: heads of a size of their own, whatever the hidden size."""

    def geometry(config: Config) -> Heads:
        count, size = config.int("num_heads"), config.int(dim)
        rows = _stack("decoder.block.{}.layer.{}", names, count * size)
        return Heads(count=count, k_dim=size, v_dim=size, rows=rows)

    return geometry


def _pix2struct(config: Config) -> Heads:
    """The class splits its hidden size by ``d_kv``, and adds a bias of ``num_heads`` to what comes
    out, which must be as many, or one for all of them."""
    shape = _kv("d_kv", ())(config)
    size = config.int("hidden_size")
    if size % shape.k_dim or shape.count not in (1, size // shape.k_dim):
        raise UnsupportedError(
            f"{shape.count} heads of {shape.k_dim} do not make up its hidden size, and its class "
            "then fails",
            where=config.place("hidden_size"),
            expected=f"{shape.count * shape.k_dim}, found {size}",
        )
    return replace(shape, count=size // shape.k_dim)


def _t5_layers(config: Config) -> int:
    """``num_decoder_layers``, or as many as the encoder has where it is null or unset.

    The class copies ``num_layers`` before it applies other names for it (``num_hidden_layers``).
    """
    key = "num_layers" if config.by_name("num_decoder_layers") is None else "num_decoder_layers"
    return config.check_layers(key, config.check_int(key, config.by_name(key), least=0))


def _whisper_length(config: Config) -> tuple[int, str]:
    count = config.int("max_source_positions")
    return count, "max_source_positions: every input is padded to 30 seconds"


def _moonshine(config: Config) -> Heads:
    """The decoder takes the *encoder's* heads, and they have to have keys of their own.

    Each layer writes its heads into the shared config under a name that stands for the decoder's,
    and the encoder is built first (``modeling_moonshine.py``, ``MoonshineAttention``).
    """
    config.int("encoder_num_hidden_layers")
    count = config.int("encoder_num_attention_heads")
    _all_alike(config, "encoder_num_key_value_heads", count)
    dim = config.int("head_dim") if config.has("head_dim") else config.int("hidden_size") // count
    return _moonshine_heads(count, dim)


def _moonshine_streaming(config: Config) -> Heads:
    count = config.int("num_attention_heads")
    config.int("num_key_value_heads")
    _all_alike(config, "num_key_value_heads", count)
    return _moonshine_heads(count, head_dim(config))


def _all_alike(config: Config, key: str, count: int) -> None:
    found = config.optional_int(key)
    if found not in (None, count):
        raise UnsupportedError(
            f"its class cannot run with {found} key/value heads for {count} heads",
            where=config.place(key),
            expected=str(count),
        )


def _moonshine_heads(count: int, dim: int) -> Heads:
    rows = _stack("decoder.layers.{}", ("self_attn", "encoder_attn"), count * dim)
    return Heads(count=count, k_dim=dim, v_dim=dim, rows=rows)


def _grouped(names: tuple[str, ...]) -> Geometry:
    """Grouped-query attention under the names of a decoder beside an encoder."""

    def geometry(config: Config) -> Heads:
        # Rotary embeddings are at least two wide, and would widen narrower keys.
        count, dim = kv_heads(config), config.check_int("head_dim", head_dim(config), least=2)
        rows = _stack("decoder.layers.{}", names, count * dim)
        return Heads(count=count, k_dim=dim, v_dim=dim, rows=rows)

    return geometry


def _dia_cross(config: Config) -> Heads:
    count, dim = config.int("cross_num_key_value_heads"), config.int("cross_head_dim")
    rows = _stack("decoder.layers.{}", ("cross_attention",), count * dim)
    return Heads(count=count, k_dim=dim, v_dim=dim, rows=rows)


def _in(key: str, inner: PlanFunction) -> PlanFunction:
    """The plan of the decoder's own config, which stands under ``key``."""

    def plan(config: Config) -> Plan:
        refuse_unless_encoder_decoder(config)
        return inner(config.nested(key))

    return plan


def _musicgen(config: Config) -> Plan:
    """The decoder alone, or all of it: only the former is a text-generating class of its own."""
    decoder = config.nested("decoder")
    plan = alone(_split("num_attention_heads", ()), layers="num_hidden_layers")(decoder)
    names = config.stated("architectures")
    return needing(plan) if names == ["MusicgenForConditionalGeneration"] else plan


def _musicgen_melody(config: Config) -> Plan:
    decoder = config.nested("decoder")
    refuse_other_layers(decoder)
    note = "text and melody are read as tokens before the music's: `tokens` counts them too"
    return replace(layered(_split("num_attention_heads", ()))(decoder), notes=(note,))


_BART = _split("decoder_attention_heads")
_T5 = Row(whole(_kv("d_kv"), layers=_t5_layers))
_T5_ALIASED = Row(whole(_kv("head_dim"), layers=_t5_layers))
_SEAMLESS = _split("decoder_attention_heads", ("self_attn", "cross_attention"), "text_decoder")
_PROPHET = _split("num_decoder_attention_heads", ())


def _prophetnet_alone(config: Config) -> Plan:
    """ProphetNet's decoder: the one of its kind that can be built without cross-attention."""
    made = alone(_PROPHET, layers="num_decoder_layers", slots="num_encoder_layers")(config)
    if config.bool("add_cross_attention"):
        return made
    kinds = [kind.parts[0] if isinstance(kind, Together) else kind for kind in made.kinds]
    return Plan(kinds=kinds)


#: Types with two classes: encoder and decoder, and the decoder alone.
_WHOLE: dict[str, PlanFunction] = {
    **dict.fromkeys(
        "bart bigbird_pegasus blenderbot blenderbot-small marian mbart mvp pegasus plbart".split(),
        whole(_BART),
    ),
    "prophetnet": whole(_PROPHET, layers="num_decoder_layers", slots="num_encoder_layers"),
    "whisper": whole(_BART, length=_whisper_length),
}
_ALONE: dict[str, PlanFunction] = {
    **dict.fromkeys(_WHOLE, alone(_BART)),
    "prophetnet": _prophetnet_alone,
    "whisper": alone(_BART, slots=None),
    "trocr": alone(_BART),
}


def _part(config: Config, key: str) -> Config:
    """A nested config of any type, as long as the library knows the type that it names."""
    part = config.nested(key)
    named = part.stated("model_type")
    if named is not None and named != part.model_type:
        raise UnsupportedError(
            f"a model of type {describe(named)}, for which the library has no class",
            where=part.place("model_type"),
            expected="a known type",
        )
    return part


def _florence2(config: Config) -> Plan:
    refuse_unless_encoder_decoder(config)
    text = _part(config, "text_config")
    if text.model_type not in _WHOLE:
        raise UnsupportedError(
            f"a text model of type '{printable(text.model_type)}'",
            where=config.place("text_config.model_type"),
            expected="an encoder-decoder such as bart",
        )
    return _WHOLE[text.model_type](text)


def _causal(config: Config) -> Plan | Delegated:
    """The plan of the causal LM that the library makes of a config."""
    alone = _ALONE.get(config.model_type)
    return Delegated(config) if alone is None else alone(config)


def _pair(config: Config) -> Plan | Delegated:
    """An encoder and a decoder of any two types."""
    refuse_unless_encoder_decoder(config)
    decoder, encoder = _part(config, "decoder"), _part(config, "encoder")
    plan = _causal(decoder)
    if isinstance(plan, Delegated):
        return Delegated(decoder, lambda plan: _paired(config, decoder, encoder, plan))
    return _paired(config, decoder, encoder, plan)


def _paired(config: Config, decoder: Config, encoder: Config, plan: Plan) -> Plan:
    """The plan of the decoder, where the two belong together.

    Raises:
        UnsupportedError, ConfigError: they do not.
    """
    # A type that needs an encoder of its own is no decoder, and Whisper's takes no other's.
    if plan.encoder_tokens is None or decoder.model_type == "whisper":
        raise UnsupportedError(
            "its decoder does not attend to its encoder",
            where=config.place("decoder"),
            expected="a decoder with is_decoder and add_cross_attention",
        )
    width = decoder.optional_int("cross_attention_hidden_size")
    if width is not None and width != encoder.get("hidden_size"):
        raise ConfigError(
            f"found {width}",
            where=decoder.place("cross_attention_hidden_size"),
            expected="the encoder's hidden_size, as its class requires",
        )
    tokens, source = _picture(encoder)
    return replace(plan, encoder_tokens=tokens, encoder_source=source)


#: Tokens that encoders of pictures put before the patches. These take pictures of one size alone:
#: that of their config (``ViTEmbeddings`` of ``modeling_vit.py``).
_BEFORE_PATCHES = {"vit": 1}


def _picture(encoder: Config) -> tuple[int | None, str]:
    """How long the output of an encoder of pictures is, and why; None where it is not fixed."""
    before = _BEFORE_PATCHES.get(encoder.model_type)
    size, patch = encoder.get("image_size"), encoder.get("patch_size")
    if before is None or type(size) is not int or type(patch) is not int or not 1 <= patch <= size:
        return None, ""
    return (size // patch) ** 2 + before, f"pictures of {size} in patches of {patch}, and {before}"


def _bridged(config: Config) -> Plan | Delegated:
    """A language model behind a Q-Former: a causal LM, or else an encoder-decoder."""
    return _causal(_part(config, "text_config"))


ROWS: dict[str, Row] = table(
    *(
        (name, Row(one_or_other(_WHOLE[name], _ALONE[name])))
        for name in ("bart", "prophetnet", "whisper")
    ),
    ("trocr", Row(_ALONE["trocr"])),
    ("led m2m_100", Row(whole(_BART))),
    ("seamless_m4t", Row(whole(_SEAMLESS))),
    ("t5", _T5_ALIASED),
    ("switch_transformers", _T5),
    ("pix2struct", Row(_in("text_config", whole(_pix2struct, layers="num_layers", flagged=False)))),
    ("pp_formulanet", Row(_in("text_config", whole(_BART, flagged=False)))),
    ("florence2", Row(_florence2)),
    ("t5gemma", Row(_in("decoder", attends(layered(grouped, one_full_in(2)), grouped)))),
    (
        "t5gemma2",
        Row(
            _in(
                "decoder",
                attends(layered(grouped, one_full_in("sliding_window_pattern")), grouped),
            )
        ),
    ),
    (
        "canary",
        Row(
            _in(
                "decoder_config",
                whole(
                    _grouped(("self_attn", "encoder_attn")),
                    layers="num_hidden_layers",
                    flagged=False,
                ),
            )
        ),
    ),
    ("cohere_asr", Row(whole(_grouped(("self_attn", "encoder_attn")), layers="num_hidden_layers"))),
    (
        "dia",
        Row(
            _in(
                "decoder_config",
                whole(
                    _grouped(("self_attention",)),
                    _dia_cross,
                    layers="num_hidden_layers",
                    flagged=False,
                ),
            )
        ),
    ),
    ("moonshine", Row(whole(_moonshine, layers="num_hidden_layers"))),
    ("moonshine_streaming", Row(whole(_moonshine_streaming, layers="num_hidden_layers"))),
    ("musicgen", Row(_musicgen)),
    ("musicgen_melody", Row(_musicgen_melody)),
    ("encoder-decoder", Row(_pair)),
    ("blip-2", Row(_bridged)),
)
