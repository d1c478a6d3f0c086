"""The plan of a model's cache: what each of its layers is, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hfkv.cache.kinds import Kind

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The kinds of all layers, in order.

    Attributes:
        kinds: one per layer; equal layers may share one object.
        crosses: whether layers may keep an encoder's output, or an image's, beside the tokens.
        encoder_tokens: its length where nobody says another: the one length that the model has,
            or 0 where the class does without; None where there is no such length, or no crossing.
        encoder_source: where that length comes from, for the reader.
        notes: what a reader must be told, one sentence each.
    """

    kinds: Sequence[Kind]
    crosses: bool = False
    encoder_tokens: int | None = None
    encoder_source: str = ""
    notes: tuple[str, ...] = ()
