"""One model's comparison: bytes in context, in an adapter, in the weights, and their ratios."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

from hfkv.comparison.breakeven import break_even
from hfkv.errors import HfkvError, InputError, TargetError
from hfkv.json_value import attributes, json_number
from hfkv.model import Model, load_many

if TYPE_CHECKING:
    from hfkv.cache import KVCache
    from hfkv.peft.lora import Lora
    from hfkv.peft.prompts import Prompt
    from hfkv.pretraining import Pretraining

__all__ = ["Comparison", "compare", "compare_model"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What ``tokens`` tokens leave behind in one model, by each way of learning.

    A figure that cannot be had is None and ``reasons`` says why.

    Attributes:
        model: the model that was asked.
        tokens: tokens in each sequence; batch: sequences.
        kv_cache: the cache those tokens fill.
        lora: the adapter.
        cartridge: a trained cache of virtual tokens, where one was asked for.
        pretraining: what the card says; its ``tokens`` is None where it states nothing.
        break_even_tokens: the smallest number of tokens (per sequence, at this batch) whose cache
            is at least as large as the adapter; None where it never is, or a figure is missing.
        rank_at_parity: the largest rank whose adapter is no larger than the cache; None where
            even the smallest is larger, or a figure is missing.
        reasons: figure name to why it is missing.
    """

    model: Model
    tokens: int
    batch: int
    kv_cache: KVCache | None
    lora: Lora | None
    pretraining: Pretraining
    break_even_tokens: int | None
    rank_at_parity: int | None
    cartridge: Prompt | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def context_bytes_per_token(self) -> Fraction | None:
        """Average bytes of cache per token read, at this length."""
        return self._per_token(self.kv_cache)

    @property
    def lora_bytes_per_token(self) -> Fraction | None:
        """Bytes of adapter per token, were it trained on these tokens."""
        return self._per_token(self.lora)

    @property
    def cartridge_bytes_per_token(self) -> Fraction | None:
        """Bytes of cartridge per token, were it trained on these tokens."""
        return self._per_token(self.cartridge)

    def _per_token(self, figure: KVCache | Lora | Prompt | None) -> Fraction | None:
        return None if figure is None else Fraction(figure.bytes, self.tokens * self.batch)

    @property
    def pretraining_bytes_per_token(self) -> Fraction | None:
        """Bytes of weights per pretraining token; a bound where the count is one."""
        if self.pretraining.tokens is None or self.model.weight_bytes is None:
            return None
        return Fraction(self.model.weight_bytes, self.pretraining.tokens)

    @property
    def compression(self) -> dict[str, Fraction | None]:
        """How many times smaller the second leaves the same token than the first."""
        context = self.context_bytes_per_token
        lora = self.lora_bytes_per_token
        weights = self.pretraining_bytes_per_token
        return {
            "kv_over_lora": _ratio(context, lora),
            "kv_over_cartridge": _ratio(context, self.cartridge_bytes_per_token),
            "kv_over_pretraining": _ratio(context, weights),
            "lora_over_pretraining": _ratio(lora, weights),
        }

    @property
    def lora_share_of_weights(self) -> Fraction | None:
        """Bytes of the adapter over bytes of the weights."""
        if self.lora is None or not self.model.weight_bytes:
            return None
        return Fraction(self.lora.bytes, self.model.weight_bytes)

    def explain(self) -> list[str]:
        """The arithmetic with the model's own numbers, and where each of them came from."""
        from hfkv.comparison.explain import explain

        return explain(
            self.model,
            tokens=self.tokens,
            batch=self.batch,
            cache=self.kv_cache,
            adapter=self.lora,
            cartridge=self.cartridge,
            compression=self.compression,
            break_even=self.break_even_tokens,
            parity=self.rank_at_parity,
            reasons=self.reasons,
        )

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value: bytes and counts as integers, ratios as numbers."""
        pretraining = self.pretraining.to_json()
        pretraining["bytes_per_token"] = json_number(self.pretraining_bytes_per_token)
        pretraining["bits_per_token"] = json_number(_times(self.pretraining_bytes_per_token, 8))
        kv_cache = None if self.kv_cache is None else self.kv_cache.to_json()
        lora = None if self.lora is None else self.lora.to_json()
        cartridge = None if self.cartridge is None else self.cartridge.to_json()
        for value in (kv_cache, lora, cartridge, pretraining):
            if value is not None:
                value.pop("model", None)
        names = "model source revision commit model_type parameters weight_bytes"
        return attributes(self.model, names) | {
            "kv_cache": kv_cache,
            "lora": lora,
            "cartridge": cartridge,
            "pretraining": pretraining,
            "bytes_per_token": {
                "context": json_number(self.context_bytes_per_token),
                "lora": json_number(self.lora_bytes_per_token),
                "cartridge": json_number(self.cartridge_bytes_per_token),
                "pretraining": json_number(self.pretraining_bytes_per_token),
            },
            "compression": {name: json_number(value) for name, value in self.compression.items()},
            "break_even_tokens": self.break_even_tokens,
            "lora_share_of_weights": json_number(self.lora_share_of_weights),
            "rank_at_parity": self.rank_at_parity,
            "reasons": dict(self.reasons),
            "notes": list(self.model.facts.notes),
        }


def _ratio(first: Fraction | None, second: Fraction | None) -> Fraction | None:
    return None if first is None or second is None or second == 0 else first / second


def _times(value: Fraction | None, factor: int) -> Fraction | None:
    return None if value is None else value * factor


def compare(
    *models: str | Model,
    tokens: int = 100_000,
    batch: int = 1,
    r: int = 32,
    target_modules: str | Iterable[str] | None = "all-linear",
    kv_dtype: str = "auto",
    lora_dtype: str = "auto",
    revision: str | None = None,
    source: str = "auto",
    cartridge: int | None = None,
    pretraining_tokens: int | None = None,
    **options: Any,
) -> list[Comparison]:
    """Compare the ways of learning, for each model.

    Args:
        models: Hub ids, paths, or models already loaded.
        tokens: tokens in each sequence; batch: sequences.
        r, target_modules: the adapter, as in :meth:`hfkv.Model.lora`.
        kv_dtype, lora_dtype: element types; ``auto`` is the model's own.
        cartridge: compare with a PEFT cartridge of so many virtual tokens as well.
        pretraining_tokens: a count of your own for every model, in place of what is known.
        revision, source: as in :func:`hfkv.load`, for models given by name.
        options: further fields of ``LoraConfig``.

    Raises:
        HfkvError: a model could not be loaded, or an argument is not usable. A figure that one
            model cannot give is None in its comparison, with the reason.

    >>> comparison, = compare("meta-llama/Meta-Llama-3-70B", source="snapshot")
    >>> round(float(comparison.compression["kv_over_lora"]), 2), comparison.break_even_tokens
    (39.56, 2528)
    """
    names = [model for model in models if not isinstance(model, Model)]
    read = iter(load_many(names, revision=revision, source=source) if names else ())
    loaded = [model if isinstance(model, Model) else next(read) for model in models]
    for item in loaded:
        if isinstance(item, HfkvError):
            raise item
    return [
        compare_model(
            model if pretraining_tokens is None else model.with_pretraining(pretraining_tokens),
            tokens=tokens,
            batch=batch,
            r=r,
            target_modules=target_modules,
            kv_dtype=kv_dtype,
            lora_dtype=lora_dtype,
            cartridge=cartridge,
            **options,
        )
        for model in loaded
        if isinstance(model, Model)
    ]


def compare_model(
    model: Model,
    *,
    tokens: int = 100_000,
    batch: int = 1,
    r: int = 32,
    target_modules: str | Iterable[str] | None = "all-linear",
    kv_dtype: str = "auto",
    lora_dtype: str = "auto",
    crosscheck: bool = True,
    encoder_tokens: int | None = None,
    cartridge: int | None = None,
    **options: Any,
) -> Comparison:
    """:func:`compare` for one model that is already loaded."""
    if tokens < 1 or batch < 1:
        raise InputError(
            f"tokens={tokens}, batch={batch}", where="compare", expected="both at least 1"
        )
    reasons: dict[str, str] = {}

    def attempt(name: str, figure: Callable[[], _T]) -> _T | None:
        try:
            return figure()
        except HfkvError as error:
            # An argument that is wrong for every model is the caller's to mend; what this model
            # cannot answer, or a target that it alone lacks, is a reason beside the figures.
            if isinstance(error, InputError) and not isinstance(error, TargetError):
                raise
            reasons[name] = str(error)
            return None

    cache = attempt(
        "kv_cache",
        lambda: model.kv_cache(
            tokens=tokens,
            batch=batch,
            dtype=kv_dtype,
            encoder_tokens=encoder_tokens,
            crosscheck=crosscheck,
        ),
    )
    adapter = attempt(
        "lora",
        lambda: model.lora(r=r, target_modules=target_modules, dtype=lora_dtype, **options),
    )
    trained = None
    if cartridge is not None:
        trained = attempt("cartridge", lambda: model.cartridge(tokens=cartridge, dtype=kv_dtype))
    pretraining = model.pretraining
    if pretraining.tokens is None:
        reasons["pretraining"] = pretraining.reason or "not stated"
    elif model.weight_bytes is None:
        reasons["pretraining"] = model.facts.missing.get("tensors", "no safetensors header")
    crossing: int | None = None
    parity: int | None = None
    if cache is not None and adapter is not None:
        crossing = break_even(cache, adapter.bytes)
        if crossing is None:
            reasons["break_even_tokens"] = "the cache never grows to the size of the adapter"
        parity = adapter.largest_rank(cache.bytes)
        if parity is None:
            reasons["rank_at_parity"] = (
                f"even the adapter of rank {adapter.line.step} is larger than the cache"
                if adapter.line.slope
                else "the size of the adapter does not depend on r"
            )
    return Comparison(
        model=model,
        tokens=tokens,
        batch=batch,
        kv_cache=cache,
        lora=adapter,
        pretraining=pretraining,
        break_even_tokens=crossing,
        rank_at_parity=parity,
        cartridge=trained,
        reasons=reasons,
    )
