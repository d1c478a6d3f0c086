"""What a class must be given beside its tokens, and the part of it that generates."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

from hfkv.live.state_formats import CACHE

__all__ = ["Inputs", "attends_to_an_encoder", "inputs_of"]

#: Parts of composite classes that generate in their stead, through a ``generate`` of their own.
_GENERATORS = ("text_decoder", "language_model", "text_model")
#: Classes that fail on what their own part gives them: in transformers 5.24.0 Llama 4 asks its
#: decoder's output for ``image_outputs``.
_FAILING = ("llama4",)
#: Decoders that take the codebooks of one sequence as rows of a batch.
_CODEBOOKS = ("musicgen_decoder", "musicgen_melody_decoder")
#: How the modules that keep an encoder's output end, in classes that can also do without one.
_CROSS = (".crossattention", ".encoder_attn", ".cross_attn")
#: And how its output is given to them.
_GIVEN = {"encoder_hidden_states", "encoder_outputs", "cross_attention_states"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """How to run a model for its cache.

    Attributes:
        model: the module to call: the model itself, or the part that generates in its stead.
        ids: the name of its token ids.
        shape: sizes of the token ids after batch and tokens (Dia: one id per channel).
        rows: rows of token ids for each sequence (MusicGen: one per codebook).
        extra: what each step is given beside the tokens.
        first: what the first step alone is given.
        per_token: inputs as long as the tokens of a step: name to the sizes after them.
    """

    model: Any
    ids: str = "input_ids"
    shape: tuple[int, ...] = ()
    rows: int = 1
    extra: dict[str, Any] = field(default_factory=dict)
    first: dict[str, Any] = field(default_factory=dict)
    per_token: dict[str, tuple[int, ...]] = field(default_factory=dict)


def attends_to_an_encoder(model: Any) -> bool:
    """Whether the cache may hold what an encoder gave."""
    part = _generator(model)
    given = not _GIVEN.isdisjoint(inspect.signature(part.forward).parameters)
    return bool(
        part.config.is_encoder_decoder
        or (given and any(name.endswith(_CROSS) for name, _ in part.named_modules()))
    )


def inputs_of(model: Any, *, batch: int, encoder_tokens: int | None) -> Inputs:
    """The inputs for ``batch`` sequences and an encoder's output of ``encoder_tokens``.

    Without ``encoder_tokens``, what can do without an encoder's output is given none.
    """
    import torch

    part = _generator(model)
    names = inspect.signature(part.forward).parameters

    device = next(model.parameters()).device

    def zeros(*shape: int) -> Any:
        return torch.zeros(shape, dtype=torch.bfloat16, device=device)

    if part.config.is_encoder_decoder and "decoder_input_ids" in names:
        states = zeros(batch, encoder_tokens or 8, _encoder_width(part.config))
        channels = getattr(getattr(part.config, "decoder_config", None), "num_channels", None)
        return Inputs(
            model=part,
            ids="decoder_input_ids",
            shape=() if channels is None else (channels,),
            extra={"encoder_outputs": _encoded(states)},
        )
    if "image_encoder_embeddings" in names:
        # Idefics: images come at every step, and are not kept.
        states = zeros(batch, 1, 5, part.config.vision_config.embed_dim)
        return Inputs(
            model=part,
            extra={"image_encoder_embeddings": states},
            per_token={"image_attention_mask": (1,)},
        )
    extra: dict[str, Any] = {}
    first: dict[str, Any] = {}
    if "lang_ids" in names:
        # X-MOD: the language chooses an adapter, nothing of the cache.
        extra["lang_ids"] = torch.zeros(batch, dtype=torch.long, device=device)
    if encoder_tokens and attends_to_an_encoder(model):
        if "cross_attention_states" in names:
            width = part.config.get_text_config().hidden_size
            first["cross_attention_states"] = zeros(batch, encoder_tokens, width)
        elif "encoder_hidden_states" in names:
            width = getattr(part.config, "encoder_hidden_size", None) or part.config.hidden_size
            extra["encoder_hidden_states"] = zeros(batch, encoder_tokens, width)
        elif "encoder_outputs" in names:
            states = zeros(batch, encoder_tokens, part.config.hidden_size)
            extra["encoder_outputs"] = (states,)
    rows = part.config.num_codebooks if type(part.config).model_type in _CODEBOOKS else 1
    return Inputs(model=part, rows=rows, extra=extra, first=first)


def _generator(model: Any) -> Any:
    """The module whose forward fills the cache."""
    keeps = {*CACHE}.intersection
    names = inspect.signature(model.forward).parameters
    pixels = names.get("pixel_values")
    required = pixels is not None and pixels.default is inspect.Parameter.empty
    whole = keeps(names) and model.config.model_type not in _FAILING
    if whole and not required and "image_embeds_position_mask" not in names:
        return model
    for name in _GENERATORS:
        part = getattr(model, name, None)
        if part is not None and keeps(inspect.signature(part.forward).parameters):
            return part
    return model


def _encoder_width(config: Any) -> int:
    """The width of what the encoder of a model gives its decoder."""
    for key in ("encoder", "encoder_config"):
        part = getattr(config, key, None)
        if part is None or isinstance(part, dict):
            continue
        text = getattr(part, "text_config", None)
        part = part if text is None else text
        size = getattr(part, "output_hidden_size", None) or part.hidden_size
        return int(size)
    part = getattr(config, "text_config", None)
    part = config if part is None else part
    return int(getattr(part, "d_model", None) or part.hidden_size)


def _encoded(states: Any) -> Any:
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    out = BaseModelOutputWithPooling(last_hidden_state=states, pooler_output=states)
    # Some classes read it off their encoder's own output type.
    out.attention_mask = None
    out.router_logits = None
    return out
