"""A figure asked for in words: ``kv Qwen/Qwen3-8B --tokens 100k``, as the command line takes it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from hfkv.check.adapter_options import LORA_FLAGS, LORA_OPTIONS, lora_options
from hfkv.errors import InputError, UnsupportedError
from hfkv.model import Model
from hfkv.reading import describe, printable
from hfkv.source.reference import plainly
from hfkv.units import parse_count

if TYPE_CHECKING:
    from hfkv.cache import KVCache
    from hfkv.engines import Allocation, Engine
    from hfkv.peft.lora import Lora

__all__ = ["Answer", "Question", "parse_question"]

Unit = Literal["bytes", "count", "ratio", "percent", "text"]

#: Command to the field of its JSON that is the answer unless another is named.
_FIELDS = {
    "kv": "bytes",
    "lora": "bytes",
    "tokens": "tokens",
    "compare": "compression.kv_over_lora",
}
_KV = ("--tokens", "--batch", "--kv-dtype", "--encoder-tokens", "--engine")
_LORA = ("--rank", "--lora-dtype", *LORA_OPTIONS)
_OPTIONS = {"kv": _KV, "lora": _LORA, "tokens": (), "compare": (*_KV, *_LORA)}
_ALWAYS = ("--field", "--revision")
_SHORT = {"-r": "--rank"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A figure: its value, and what it counts."""

    value: Fraction | str
    unit: Unit
    qualifier: str = "exact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked.

    Attributes:
        command: ``kv``, ``lora``, ``tokens`` or ``compare``.
        model: a Hub id or path.
        options: option to its text.
    """

    command: str
    model: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def revision(self) -> str | None:
        """The revision that is asked for."""
        return self.options.get("--revision")

    def answer(self, model: Model) -> Answer:
        """The figure.

        Raises:
            HfkvError: it cannot be computed, or an option cannot be used.
        """
        name = self.options.get("--field", _FIELDS[self.command])
        found = self._json(model, name)
        value = _pick(found, name, self.command)
        if value is None:
            reasons = found.get("reasons") or {}
            reason = found.get("reason") or "; ".join(reasons.values()) or "nothing says it"
            raise UnsupportedError(f"there is no {printable(name)}: {printable(reason, 400)}")
        qualifier = "exact"
        if name in ("tokens", "pretraining.tokens") and self.command in ("tokens", "compare"):
            qualifier = model.pretraining.qualifier or "exact"
        if isinstance(value, Fraction):
            return Answer(value=value, unit=_unit(name), qualifier=qualifier)
        return Answer(value=value, unit="text")

    def _json(self, model: Model, name: str) -> dict[str, Any]:
        """The JSON of the command, with the ratios exact: JSON has them as floats."""
        if self.command == "tokens":
            return model.pretraining.to_json()
        if self.command == "kv":
            cache = self._cache(model)
            return {
                **cache.to_json(),
                "average_bytes_per_token": cache.average_bytes_per_token,
            }
        if self.command == "lora":
            return _exact(self._lora(model))
        if name == _FIELDS["compare"]:
            # The whole comparison searches for the rank at parity as well.
            ratio = Fraction(self._cache(model).bytes, self._lora(model).bytes)
            return {"compression": {"kv_over_lora": ratio}}
        return self._compare(model)

    def _count(self, option: str, default: int) -> int:
        return parse_count(self.options[option]) if option in self.options else default

    def _engine(self) -> Engine | None:
        from hfkv.engines.named import named_engine

        named = self.options.get("--engine", "transformers")
        return named_engine(named, dtype=self.options.get("--kv-dtype", "auto"))

    def _cache(self, model: Model) -> KVCache | Allocation:
        encoder = self.options.get("--encoder-tokens")
        engine = self._engine()
        return model.kv_cache(
            tokens=self._count("--tokens", 100_000),
            batch=self._count("--batch", 1),
            dtype=self.options.get("--kv-dtype", "auto") if engine is None else "auto",
            encoder_tokens=None if encoder is None else parse_count(encoder),
            engine=engine,
        )

    def _lora(self, model: Model) -> Lora:
        return model.lora(
            r=self._count("--rank", 32),
            dtype=self.options.get("--lora-dtype", "auto"),
            **lora_options(self.options),
        )

    def _compare(self, model: Model) -> dict[str, Any]:
        from hfkv.comparison import compare_model

        engine = self._engine()
        encoder = self.options.get("--encoder-tokens")
        found = compare_model(
            model,
            tokens=self._count("--tokens", 100_000),
            batch=self._count("--batch", 1),
            r=self._count("--rank", 32),
            kv_dtype=self.options.get("--kv-dtype", "auto") if engine is None else "auto",
            engine=engine,
            lora_dtype=self.options.get("--lora-dtype", "auto"),
            encoder_tokens=None if encoder is None else parse_count(encoder),
            **lora_options(self.options),
        )
        value = found.to_json()
        value["compression"] = dict(found.compression)
        value["lora_share_of_weights"] = found.lora_share_of_weights
        value["bytes_per_token"] = {
            "context": found.context_bytes_per_token,
            "lora": found.lora_bytes_per_token,
            "pretraining": found.pretraining_bytes_per_token,
        }
        per_token = found.pretraining_bytes_per_token
        value["pretraining"]["bytes_per_token"] = per_token
        value["pretraining"]["bits_per_token"] = None if per_token is None else 8 * per_token
        if found.kv_cache is not None:
            value["kv_cache"]["average_bytes_per_token"] = found.context_bytes_per_token
        if found.lora is not None:
            value["lora"] = _exact(found.lora)
        return value


def _exact(figure: Lora) -> dict[str, Any]:
    share = Fraction(100 * figure.parameters, figure.all_parameters)
    return {**figure.to_json(), "trainable_percent": share}


def _pick(value: Any, name: str, command: str) -> Fraction | str | None:
    for key in name.split("."):
        if not isinstance(value, Mapping) or key not in value:
            raise InputError(
                f"the JSON of `hfkv {command}` has no field '{printable(name, 80)}'",
                where="--field",
            )
        value = value[key]
    if value is None or isinstance(value, (Fraction, str)):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(
            f"'{printable(name, 80)}' is {describe(value)}, no figure", where="--field"
        )
    return Fraction(value)


def _unit(name: str) -> Unit:
    last = name.rpartition(".")[2]
    if name.startswith("compression."):
        return "ratio"
    if last.endswith("_percent"):
        return "percent"
    if last in ("bytes", "weight_bytes", "constant_bytes") or "bytes_per_token" in name:
        return "bytes"
    return "ratio" if last == "lora_share_of_weights" else "count"


def parse_question(text: str) -> Question:
    """Read a question.

    Raises:
        InputError: it is none.

    >>> parse_question("kv Qwen/Qwen3-8B --tokens 100k").options
    {'--tokens': '100k'}
    """
    try:
        # Most questions quote nothing, and then spaces alone part them.
        words = shlex.split(text) if any(mark in text for mark in "\"'\\") else text.split()
    except ValueError as error:
        raise InputError(f"{printable(text, 120)!r}: {error}") from None
    if words[:1] == ["hfkv"]:
        words = words[1:]
    if not words or words[0] not in _FIELDS:
        raise InputError(
            f"it asks for '{printable(words[0] if words else '', 40)}'",
            expected="one of " + ", ".join(_FIELDS),
        )
    command, *rest = words
    known = (*_OPTIONS[command], *_ALWAYS)
    models: list[str] = []
    options: dict[str, str] = {}
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            models.append(word)
            continue
        name, mark, value = word.partition("=")
        name = _SHORT.get(name, name)
        if name not in known:
            raise InputError(
                f"'{printable(name, 40)}' is no option here", expected=", ".join(known)
            )
        if name in LORA_FLAGS:
            options[name] = ""
            continue
        if not mark:
            if not rest:
                raise InputError(f"{name} has no value")
            value = rest.pop(0)
        options[name] = value
    if len(models) != 1:
        raise InputError(f"it names {len(models)} models", expected="one")
    model, revision = plainly(models[0], options.get("--revision"))
    if revision is not None:
        options["--revision"] = revision
    return Question(command=command, model=model, options=options)
