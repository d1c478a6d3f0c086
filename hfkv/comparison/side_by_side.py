"""One model's comparison: bytes in context, in an adapter, in the weights, and their ratios."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar, overload

from hfkv.comparison.breakeven import break_even
from hfkv.errors import HfkvError, InputError, InputTypeError, TargetError, spelling
from hfkv.json_value import json_number
from hfkv.model import Model, ModelLike, load_many
from hfkv.reading import describe, whole_number
from hfkv.shown import Shown, Table, cell, size

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from hfkv.cache import KVCache
    from hfkv.engines import Allocation, Engine
    from hfkv.peft.lora import Lora
    from hfkv.peft.lora.keywords import LoraFields
    from hfkv.peft.prompts import Prompt
    from hfkv.pretraining import Pretraining
    from hfkv.source import Source

__all__ = ["Comparison", "compare", "compare_model"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Comparison(Shown):
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

    _brief = "model tokens batch context_bytes_per_token lora_bytes_per_token break_even_tokens"

    model: Model
    tokens: int
    batch: int
    kv_cache: KVCache | Allocation | None
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

    def _per_token(self, figure: KVCache | Allocation | Lora | Prompt | None) -> Fraction | None:
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

    def _table(self) -> Table:
        of = f" x {self.batch:,} sequences" if self.batch > 1 else ""
        bound = {"at_least": "at most ", "about": "about ", "up_to": "at least "}
        sign = bound.get(self.pretraining.qualifier or "", "")

        def row(
            name: str, bytes_: int | None, each: Fraction | None, basis: str, sign: str = ""
        ) -> tuple[str, ...]:
            return name, size(bytes_), "-" if each is None else sign + cell(each), basis

        cache, lora, cartridge = self.kv_cache, self.lora, self.cartridge
        rows = [
            row(
                "in context: KV cache",
                None if cache is None else cache.bytes,
                self.context_bytes_per_token,
                cache.basis if cache else "refused",
            ),
            row(
                f"fine-tuned: LoRA r={lora.r}" if lora else "fine-tuned: LoRA",
                None if lora is None else lora.bytes,
                self.lora_bytes_per_token,
                lora.basis if lora else "refused",
            ),
        ]
        if cartridge is not None:
            name = f"cartridge: {cartridge.virtual_tokens:,} tokens"
            each = self.cartridge_bytes_per_token
            rows.append(row(name, cartridge.bytes, each, cartridge.basis))
        each = self.pretraining_bytes_per_token
        weights = self.model.weight_bytes
        rows.append(row("pretrained: weights", weights, each, self.pretraining.basis, sign))
        said = {"kv": "context", "lora": "LoRA"}
        ratios = []
        for name, value in self.compression.items():
            if value is not None:
                first, second = (said.get(part, part) for part in name.split("_over_"))
                ratios.append(f"{first} / {second}: {cell(value)}x")
        if self.break_even_tokens is not None:
            ratios.append(f"break-even: {self.break_even_tokens:,} tokens")
        return Table(
            title=f"{self.model.model}: {self.tokens:,} tokens{of}, from {self.model.source}",
            columns=("", "bytes", "bytes per token", "basis"),
            rows=tuple(rows),
            notes=(
                "; ".join(ratios),
                *(f"no {name}: {reason}" for name, reason in self.reasons.items()),
                *self.model.facts.notes,
            ),
            texts=(3,),
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
        return self.model.to_json() | {
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
        }


def _ratio(first: Fraction | None, second: Fraction | None) -> Fraction | None:
    return None if first is None or second is None or second == 0 else first / second


def _times(value: Fraction | None, factor: int) -> Fraction | None:
    return None if value is None else value * factor


@overload
def compare(
    *models: ModelLike | Model,
    tokens: int = 100_000,
    batch: int = 1,
    r: int = 32,
    target_modules: str | Iterable[str] | None = "all-linear",
    kv_dtype: str = "auto",
    lora_dtype: str = "auto",
    encoder_tokens: int | None = None,
    crosscheck: bool = True,
    cartridge: int | None = None,
    engine: Engine | None = None,
    pretraining_tokens: int | None = None,
    revision: str | None = None,
    source: Source = "auto",
    token: str | bool | None = None,
    transformers: str | None = None,
    **options: Unpack[LoraFields],
) -> list[Comparison]: ...


@overload
def compare(
    models: Sequence[ModelLike | Model],
    /,
    *,
    tokens: int = 100_000,
    batch: int = 1,
    r: int = 32,
    target_modules: str | Iterable[str] | None = "all-linear",
    kv_dtype: str = "auto",
    lora_dtype: str = "auto",
    encoder_tokens: int | None = None,
    crosscheck: bool = True,
    cartridge: int | None = None,
    engine: Engine | None = None,
    pretraining_tokens: int | None = None,
    revision: str | None = None,
    source: Source = "auto",
    token: str | bool | None = None,
    transformers: str | None = None,
    **options: Unpack[LoraFields],
) -> list[Comparison | HfkvError]: ...


def compare(
    *models: Any,
    revision: str | None = None,
    source: Source = "auto",
    token: str | bool | None = None,
    transformers: str | None = None,
    pretraining_tokens: int | None = None,
    **asked: Any,
) -> list[Any]:
    """Compare what tokens leave behind in context, in an adapter and in the weights.

    ``compare("a", "b")`` gives two comparisons, or raises the first error that kept a model from
    being read. ``compare(["a", "b"])`` keeps the others' answers: an error stands in the place of
    its model.

    Args:
        models: Hub ids, paths, configs or models already loaded; each by itself, or all in a list.
        tokens: tokens in each sequence; batch: sequences.
        r, target_modules: the adapter, as in :meth:`hfkv.Model.lora`.
        kv_dtype, lora_dtype: element types; ``auto`` is the model's own.
        encoder_tokens, crosscheck: as in :meth:`hfkv.Model.kv_cache`.
        cartridge: compare with a PEFT cartridge of so many virtual tokens as well.
        engine: who stores the cache (:mod:`hfkv.engines`); what is compared is then what it
            allocates on each GPU.
        pretraining_tokens: a count of your own for every model, in place of what is known.
        revision, source, token, transformers: as in :func:`hfkv.load`, for models given by name.
        options: further fields of ``LoraConfig``.

    Raises:
        HfkvError: a model that stands by itself could not be read, or an argument is not usable.
            A figure that one model cannot give is None in its comparison, with the reason.

    >>> comparison, = compare("meta-llama/Meta-Llama-3-70B", source="snapshot")
    >>> round(float(comparison.compression["kv_over_lora"]), 2), comparison.break_even_tokens
    (39.56, 2528)
    """
    listed = len(models) == 1 and isinstance(models[0], Iterable) and not _is_one(models[0])
    items = list(models[0]) if listed else list(models)
    found: list[Comparison | HfkvError] = []
    for item in loaded(
        items, revision=revision, source=source, token=token, transformers=transformers
    ):
        if isinstance(item, HfkvError):
            if not listed:
                raise item
            found.append(item)
            continue
        if pretraining_tokens is not None:
            item = item.with_pretraining(pretraining_tokens)
        found.append(compare_model(item, **asked))
    return found


def _is_one(value: object) -> bool:
    """Whether a value stands for one model, though it can be gone through."""
    return isinstance(value, (str, bytes, os.PathLike, Mapping, Model))


def loaded(
    models: Iterable[ModelLike | Model],
    *,
    revision: str | None = None,
    source: Source = "auto",
    token: str | bool | None = None,
    transformers: str | None = None,
) -> list[Model | HfkvError]:
    """:func:`hfkv.load_many`, which leaves alone what is loaded already."""
    if _is_one(models):
        raise InputTypeError(
            f"found {describe(models)}", where="`models`", expected="a list of models"
        )
    items = list(models)
    names = [item for item in items if not isinstance(item, Model)]
    read = iter(
        load_many(names, revision=revision, source=source, token=token, transformers=transformers)
        if names
        else ()
    )
    return [item if isinstance(item, Model) else next(read) for item in items]


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
    engine: Engine | None = None,
    **options: Unpack[LoraFields],
) -> Comparison:
    """:func:`compare` for one model that is already loaded."""
    for name, value in (("tokens", tokens), ("batch", batch)):
        whole_number(value, f"`{name}`")
    if engine is not None:
        from hfkv.engines.option_types import check_engine

        check_engine(engine)
    reasons: dict[str, str] = {}

    def attempt(name: str, figure: Callable[[], _T], **names: str) -> _T | None:
        try:
            with spelling(**names):
                return figure()
        except HfkvError as error:
            # An argument that is wrong for every model is the caller's to mend; what this model
            # cannot answer, a target that it alone lacks, or what an engine refuses of it (heads
            # that so many GPUs cannot share), is a reason beside the figures.
            of_the_model = isinstance(error, TargetError) or (engine and name == "kv_cache")
            of_a_type = isinstance(error, InputTypeError)
            if of_a_type or (isinstance(error, InputError) and not of_the_model):
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
            engine=engine,
        ),
        dtype="kv_dtype",
    )
    adapter = attempt(
        "lora",
        lambda: model.lora(r=r, target_modules=target_modules, dtype=lora_dtype, **options),
        dtype="lora_dtype",
    )
    trained = None
    if cartridge is not None:
        trained = attempt(
            "cartridge",
            lambda: model.cartridge(tokens=cartridge, dtype=kv_dtype),
            dtype="kv_dtype",
            tokens="cartridge",
        )
    if model.parameters is None and model.core.tensors is not None:
        reasons["parameters"] = "how the weights are packed is not known here"
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
