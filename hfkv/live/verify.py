"""hfkv's figure and the live one side by side, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

from hfkv.cache import CacheTensor, KVCache, kv_cache
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts import Facts
from hfkv.json_value import attributes
from hfkv.live.kv_cache import LiveModel, live_kv_cache
from hfkv.live.versions import Versions, installed_line, versions

__all__ = ["LayerPair", "Verification", "verify"]

#: Long enough to fill most windows, short enough for models that are read token by token.
_TOKENS = 1000
#: Windows beyond this would take long to fill on a recurrent hybrid.
_LONGEST = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPair:
    """One layer as hfkv plans it and as it was filled.

    Attributes:
        index: its number.
        kind: hfkv's word for it; "" where hfkv has no such layer.
        planned, live: the tensors; empty where that side has no such layer.
    """

    index: int
    kind: str
    planned: tuple[CacheTensor, ...]
    live: tuple[CacheTensor, ...]

    @property
    def agree(self) -> bool:
        """Whether names, shapes and dtypes are the same, in the same order."""
        return self.planned == self.live

    @property
    def difference_bytes(self) -> int:
        """Bytes that hfkv plans beyond the live ones; negative where it plans fewer."""
        return sum(t.bytes for t in self.planned) - sum(t.bytes for t in self.live)

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            **attributes(self, "index kind agree difference_bytes"),
            "hfkv": [tensor.to_json() for tensor in self.planned],
            "live": [tensor.to_json() for tensor in self.live],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Both figures of one model at one length.

    Attributes:
        live: what the installed transformers fills.
        versions: the libraries that filled it.
        planned: hfkv's figure; None where it refuses.
        reason: why it refuses; "" where it does not.
    """

    live: KVCache
    versions: Versions
    planned: KVCache | None = field(default=None)
    reason: str = ""

    @property
    def agree(self) -> bool | None:
        """Whether every tensor of every layer is the same; None where hfkv gives no figure."""
        return None if self.planned is None else all(pair.agree for pair in self.layers)

    @property
    def layers(self) -> tuple[LayerPair, ...]:
        """The layers of both; none where hfkv gives no figure."""
        if self.planned is None:
            return ()
        return tuple(
            LayerPair(
                index=index,
                kind="" if mine is None else mine.kind,
                planned=() if mine is None else mine.tensors,
                live=() if theirs is None else theirs.tensors,
            )
            for index, (mine, theirs) in enumerate(
                zip_longest(self.planned.layers, self.live.layers)
            )
        )

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        mine = self.planned
        return {
            **attributes(self.live, "model model_type"),
            "reference": self.live.source,
            "versions": dict(self.versions.ran),
            "tables": dict(self.versions.tables),
            **attributes(self.live, "tokens batch dtype"),
            "agree": self.agree,
            "hfkv": None if mine is None else {"bytes": mine.bytes, "basis": mine.basis},
            "live": {"bytes": self.live.bytes, "basis": self.live.basis},
            "difference_bytes": None if mine is None else mine.bytes - self.live.bytes,
            "reasons": {"hfkv": self.reason} if self.reason else {},
            "notes": self.versions.notes,
            "layers": [pair.to_json() for pair in self.layers],
        }


def verify(
    facts: Facts,
    *,
    tokens: int | None = None,
    batch: int = 1,
    dtype: str = "auto",
    encoder_tokens: int | None = None,
    crosscheck: bool = True,
) -> Verification:
    """Compute the cache by hfkv's row and fill it by the installed transformers.

    Args:
        facts, batch, dtype, encoder_tokens, crosscheck: as in :func:`hfkv.cache.kv_cache`.
        tokens: the length; by default beyond the longest window, and at least 1000 where the
            class has positions for so many.

    Raises:
        MissingDependencyError: the ``verify`` extra is not installed.
        UnsupportedError: the installed transformers cannot build or run the model.
    """
    model = LiveModel(facts)
    planned: KVCache | None = None
    reason = ""
    # Learned positions end somewhere, and some classes need a few beyond the last token.
    usual = min(_TOKENS, (model.positions or _TOKENS * 2) * 3 // 4)
    try:
        planned = kv_cache(
            replace(facts, line=installed_line()),
            tokens=usual if tokens is None else tokens,
            batch=batch,
            dtype=dtype,
            encoder_tokens=encoder_tokens,
            crosscheck=crosscheck,
        )
    except (UnsupportedError, ConfigError) as error:
        reason = str(error)
    if planned is not None and tokens is None:
        longest = max([usual, *(b + 2 for b in planned.curve.bends if b < _LONGEST)])
        planned = _at(planned, longest)
    length = planned.tokens if planned is not None else tokens or usual
    live = live_kv_cache(
        facts,
        tokens=length,
        batch=batch,
        dtype=dtype,
        encoder_tokens=encoder_tokens
        if planned is None or not model.has_encoder
        else planned.encoder_tokens,
        model=model,
    )
    ran = versions("transformers", "torch")
    return Verification(live=live, versions=ran, planned=planned, reason=reason)


def _at(figure: KVCache, tokens: int) -> KVCache:
    """The same figure at another length."""
    curve = figure.curve
    size = curve.bytes(tokens)
    return replace(
        figure, tokens=tokens, bytes=size, bytes_per_token=curve.bytes(tokens + 1) - size
    )
