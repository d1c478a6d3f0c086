"""Budgets: limits that the configuration sets, held against exact figures.

    [[tool.hfkv.budget]]
    model = "Qwen/Qwen3-8B"
    tokens = "128Ki"
    batch = 4
    kv-cache = "24GiB"          # at most

A budget is of one ``model``, or of the adapters that the ``files`` configure; without either, of
every adapter that a run checks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hfkv.check.finding import At, Finding, said
from hfkv.check.models import Models, Unavailable
from hfkv.check.settings import BudgetTable, Settings
from hfkv.check.walk import fits
from hfkv.errors import HfkvError, InputError, UnsupportedError
from hfkv.reading import describe, printable
from hfkv.source.reference import plainly
from hfkv.units import format_bytes, parse_bytes, parse_count

if TYPE_CHECKING:
    from hfkv.check.adapters import Checked
    from hfkv.model import Model
    from hfkv.peft.lora import Lora

__all__ = ["Budget", "check_budgets", "read_budgets"]

#: Limits, each with whether the figure may be at most or must be at least that.
LIMITS = ("kv-cache", "adapter", "adapter-parameters", "compression")
_KEYS = frozenset(
    """model revision files tokens batch dtype engine engine-options encoder-tokens rank
    target-modules lora-dtype""".split()
) | frozenset(LIMITS)
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%")
_RATIO = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*[x\u00d7]?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One budget.

    Attributes:
        line: its line in the configuration.
        model, revision: whose figures; None for those of adapter configs.
        files: globs of the adapter configs it is for.
        tokens, batch, dtype, engine, encoder_tokens: the cache.
        engine_options: options of that engine, by its fields.
        rank, target_modules, lora_dtype: the adapter, where a model is named.
        kv_cache: bytes at most.
        adapter: bytes at most.
        share: adapter bytes over bytes of the weights, at most.
        parameters: of the adapter, at most.
        compression: bytes of cache over bytes of adapter, at least.
    """

    line: int
    model: str | None = None
    revision: str | None = None
    files: tuple[str, ...] = ()
    tokens: int = 100_000
    batch: int = 1
    dtype: str = "auto"
    engine: str = "transformers"
    engine_options: Mapping[str, Any] = field(default_factory=dict)
    encoder_tokens: int | None = None
    rank: int = 32
    target_modules: Any = "all-linear"
    lora_dtype: str = "auto"
    kv_cache: int | None = None
    adapter: int | None = None
    share: Fraction | None = None
    parameters: int | None = None
    compression: Fraction | None = None
    written: Mapping[str, Any] = field(default_factory=dict, repr=False)


def read_budgets(settings: Settings) -> list[Budget]:
    """The configured budgets.

    Raises:
        InputError: one cannot be read.
    """
    return [
        _budget(table, f"{settings.path}: budget {number}")
        for number, table in enumerate(settings.budgets, 1)
    ]


def _budget(table: BudgetTable, where: str) -> Budget:
    fields = table.fields
    for key in fields:
        if key not in _KEYS:
            raise InputError(
                f"'{printable(str(key), 60)}' is no key of a budget",
                where=where,
                expected=", ".join(sorted(_KEYS)),
            )
    if not any(key in fields for key in LIMITS):
        raise InputError("it sets no limit", where=where, expected="one of " + ", ".join(LIMITS))
    if "model" in fields and "files" in fields:
        raise InputError("it is of a model and of files", where=where, expected="one of the two")
    if "model" not in fields:
        wrong = [key for key in ("rank", "target-modules", "revision") if key in fields]
        if wrong:
            raise InputError(
                f"{wrong[0]} is for a budget of a model",
                where=where,
                hint="without `model` the adapters of the config files are meant",
            )

    def read(key: str, reader: Any, default: Any) -> Any:
        if key not in fields:
            return default
        try:
            return reader(fields[key])
        except InputError as error:
            raise InputError(error.what, where=f"{where}: {key}", expected=error.expected) from None

    model, revision = read("model", _text, None), read("revision", _text, None)
    if model is not None:
        model, revision = plainly(model, revision)
    files = read("files", _texts, ())
    adapter = fields.get("adapter")
    percent = isinstance(adapter, str) and "%" in adapter
    return Budget(
        line=table.line,
        model=model,
        revision=revision,
        files=files,
        tokens=read("tokens", _count, 100_000),
        batch=read("batch", _count, 1),
        dtype=read("dtype", _text, "auto"),
        engine=read("engine", _text, "transformers"),
        engine_options=read("engine-options", _table, {}),
        encoder_tokens=read("encoder-tokens", _count, None),
        rank=read("rank", _count, 32),
        target_modules=read("target-modules", _targets, "all-linear"),
        lora_dtype=read("lora-dtype", _text, "auto"),
        kv_cache=read("kv-cache", _size, None),
        adapter=None if percent else read("adapter", _size, None),
        share=read("adapter", _percent, None) if percent else None,
        parameters=read("adapter-parameters", _count, None),
        compression=read("compression", _ratio, None),
        written=fields,
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise InputError(f"found {describe(value)}", expected="a text")
    return value


def _table(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"found {describe(value)}", expected="a table")
    return value


def _texts(value: object) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items:
        raise InputError(f"found {describe(value)}", expected="a glob, or a list of them")
    return tuple(_text(item) for item in items)


def _targets(value: object) -> Any:
    from hfkv.peft.lora import LoraOptions

    if isinstance(value, list):
        return tuple(_text(item) for item in value)
    return LoraOptions.parse_targets(_text(value))


def _count(value: object) -> int:
    found = parse_count(value) if isinstance(value, str) else value
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise InputError(f"found {describe(value)}", expected='a number such as 100000 or "128Ki"')
    return found


def _size(value: object) -> int:
    found = parse_bytes(value) if isinstance(value, str) else value
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise InputError(f"found {describe(value)}", expected='a size such as "24GiB"')
    return found


def _percent(value: object) -> Fraction:
    match = _PERCENT.fullmatch(str(value).strip())
    if match is None:
        raise InputError(f"found {describe(value)}", expected='a size, or a share such as "1%"')
    return Fraction(match[1]) / 100


def _ratio(value: object) -> Fraction:
    # TOML's floats are binary: what was written is what their shortest text says.
    match = None if isinstance(value, bool) else _RATIO.fullmatch(str(value).strip())
    if match is None:
        raise InputError(f"found {describe(value)}", expected="a ratio such as 20")
    return Fraction(match[1])


def check_budgets(
    settings: Settings, budgets: Sequence[Budget], models: Models, adapters: Sequence[Checked]
) -> Iterator[Finding]:
    """The budgets that are exceeded, or that cannot be computed."""
    for budget in budgets:
        if budget.model is not None:
            yield from _of_model(settings, budget, models)
            continue
        for checked in adapters:
            if not budget.files or fits(checked.document.path, budget.files):
                yield from _of_adapter(budget, checked)


def _of_model(settings: Settings, budget: Budget, models: Models) -> Iterator[Finding]:
    def at(code: str, message: str) -> Finding:
        return Finding(path=settings.path, line=budget.line, code=code, message=message)

    name = printable(budget.model or "")
    try:
        model = models.get(budget.model or "", budget.revision)
    except Unavailable as reason:
        if reason.code:
            yield at(reason.code, reason.message)
        return
    try:
        # Each figure is asked for only where a limit is set for it.
        adapter = None
        if _needs_adapter(budget):
            adapter = model.lora(
                r=budget.rank, target_modules=budget.target_modules, dtype=budget.lora_dtype
            )
        for message in _exceeded(budget, model, adapter):
            yield at("HFKV201", f"{name}: {message}")
    except HfkvError as error:
        yield at("HFKV202", f"{name}: {said(error)}")


def _of_adapter(budget: Budget, checked: Checked) -> Iterator[Finding]:
    asked = checked.asked
    make = At(checked.document)
    own = asked.tokens_path if "tokens" not in budget.written and budget.kv_cache else ()

    def at(code: str, message: str) -> Finding:
        return make(own or asked.place("r") or asked.place("target_modules"), code, message)

    # What the config itself says of its sequences comes before what is usual.
    if "tokens" not in budget.written and asked.tokens is not None:
        budget = replace(budget, tokens=asked.tokens)
    if "batch" not in budget.written and asked.batch is not None:
        budget = replace(budget, batch=asked.batch)
    try:
        figure = checked.figure() if _needs_adapter(budget) else None
        for message in _exceeded(budget, checked.base, figure):
            yield at("HFKV201", message)
    except HfkvError as error:
        yield at("HFKV202", said(error))


def _needs_adapter(budget: Budget) -> bool:
    limits = (budget.adapter, budget.share, budget.parameters, budget.compression)
    return any(limit is not None for limit in limits)


def _exceeded(budget: Budget, model: Model, adapter: Lora | None) -> Iterator[str]:
    cache = None
    if budget.kv_cache is not None or budget.compression is not None:
        from hfkv.engines.named import named_engine

        engine = named_engine(budget.engine, budget.engine_options, dtype=budget.dtype)
        cache = model.kv_cache(
            tokens=budget.tokens,
            batch=budget.batch,
            dtype=budget.dtype if engine is None else "auto",
            encoder_tokens=budget.encoder_tokens,
            engine=engine,
        ).bytes
    written = budget.written
    of = f"at {budget.tokens:,} tokens" + (f" x {budget.batch:,}" if budget.batch > 1 else "")
    if cache is not None and budget.kv_cache is not None and cache > budget.kv_cache:
        yield (
            f"the KV cache {of} is {format_bytes(cache)} ({cache:,} B), and the budget is "
            f"{_limit(written['kv-cache'])} ({budget.kv_cache:,} B)"
        )
    if adapter is None:
        return
    size = adapter.bytes
    if budget.adapter is not None and size > budget.adapter:
        yield (
            f"the adapter is {format_bytes(size)} ({size:,} B), and the budget is "
            f"{_limit(written['adapter'])} ({budget.adapter:,} B)"
        )
    if budget.share is not None:
        weights = model.weight_bytes
        if not weights:
            raise UnsupportedError(model.core.missing.get("tensors", "the weights are not known"))
        if size > budget.share * weights:
            yield (
                f"the adapter is {float(Fraction(100 * size, weights)):.3g}% of the weights "
                f"({size:,} of {weights:,} B), and the budget is {_limit(written['adapter'])}"
            )
    if budget.parameters is not None and adapter.parameters > budget.parameters:
        yield (
            f"the adapter has {adapter.parameters:,} parameters, and the budget is "
            f"{budget.parameters:,}"
        )
    if cache is not None and budget.compression is not None and cache < budget.compression * size:
        yield (
            f"the compression {of} is {float(Fraction(cache, size)):.4g}x ({cache:,} B of cache "
            f"over {size:,} B of adapter), and the budget is at least "
            f"{_limit(written['compression'])}"
        )


def _limit(value: object) -> str:
    return printable(str(value), 40)
