"""What an engine's start-up log says of its cache, held against what hfkv computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, cast

from hfkv.comparison.start_log.lines import LogLine
from hfkv.comparison.start_log.llamacpp import llamacpp_lines
from hfkv.comparison.start_log.sglang import sglang_lines
from hfkv.comparison.start_log.vllm import vllm_lines
from hfkv.engines import engine_class
from hfkv.engines.base import options_of
from hfkv.engines.start_log import EngineLog
from hfkv.errors import ConfigError, HfkvError
from hfkv.json_value import attributes
from hfkv.reading import describe

if TYPE_CHECKING:
    from hfkv.engines import Engine
    from hfkv.model import Model

__all__ = ["LogLine", "LogVerdict", "hold_against"]

_WAYS: dict[str, Callable[..., Iterator[LogLine]]] = {
    "llama.cpp": llamacpp_lines,
    "vllm": vllm_lines,
    "sglang": sglang_lines,
}
#: Options that name the model, or what has no part in the cache.
_NAMES = ("model", "model_tag", "served_model_name", "tokenizer", "host", "port", "api_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogVerdict:
    """A log and hfkv's figures side by side.

    Attributes:
        model: the model asked about.
        engine, version: hfkv's rules.
        log_version: the version that the log names; "" where it names none.
        options: the engine's options that the log states, or that were given.
        lines: every number.
        notes: what a reader must be told.
    """

    model: str
    engine: str
    version: str
    log_version: str
    options: Mapping[str, Any]
    lines: tuple[LogLine, ...]
    notes: tuple[str, ...] = ()

    @property
    def agree(self) -> bool:
        """Whether every number agrees."""
        return all(line.agree for line in self.lines)

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            **attributes(self, "model engine version log_version agree options"),
            "lines": [attributes(line, "what said computed agree line why") for line in self.lines],
            "notes": list(self.notes),
        }


def hold_against(model: Model, log: EngineLog, given: Engine | None = None) -> LogVerdict:
    """The numbers of a log and hfkv's, for the options that the log states.

    Args:
        given: the engine with the options that the log does not state; they stand before it.

    Raises:
        HfkvError: hfkv does not count this model for the engine, or an option is not usable.
    """
    kept, unknown = _known(log, given)
    engine = engine_class(log.engine)(**kept)
    way = _WAYS[log.engine]
    lines = tuple(way(model, log, engine))
    notes = list(log.notes)
    if not all(line.agree for line in lines):
        notes += _explained(model, log, engine, way)
    if log.model and log.model != model.model:
        notes.append(f"the log is of a model that it calls {log.model}")
    if unknown:
        notes.append("options of the log that hfkv has no rule for: " + ", ".join(unknown))
    if log.version and engine.version not in log.version:
        notes.append(f"the log is of version {log.version}, hfkv's rules of {engine.version}")
    return LogVerdict(
        model=model.model,
        engine=engine.name,
        version=engine.version,
        log_version=log.version,
        options=kept,
        lines=lines,
        notes=tuple(notes),
    )


#: What a log rarely states, and may explain a difference: one of these at a time is tried.
_TRIED: dict[str, tuple[tuple[str, tuple[Any, ...]], ...]] = {
    "vllm": (
        ("max_num_batched_tokens", (2048, 4096, 8192, 16384, 32768, 1024, 512)),
        ("gpu", ("h100", "b200", "l4")),
        ("disable_hybrid_kv_cache_manager", (True,)),
        ("enable_prefix_caching", (False, True)),
        ("async_scheduling", (False,)),
        ("kv_dtype", ("fp8", "auto")),
        ("num_speculative_tokens", (1, 2, 3, 4)),
        ("tp", (1, 2, 4, 8)),
    ),
    "sglang": (
        ("kv_dtype", ("fp8_e4m3", "auto")),
        ("tp", (1, 2, 4, 8)),
        ("speculative_eagle", (True,)),
        ("mamba_ssm_dtype", ("bfloat16",)),
    ),
    "llama.cpp": (
        ("ubatch", (128, 256, 512, 1024, 2048, 4096)),
        ("swa_full", (True, False)),
        ("unified", (True, False)),
        ("parallel", (1, 2, 4, 8)),
    ),
}


def _explained(
    model: Model, log: EngineLog, engine: Engine, way: Callable[..., Iterator[LogLine]]
) -> Iterator[str]:
    """The one option, if there is one, with which every number would agree."""
    for name, values in _TRIED.get(log.engine, ()):
        for value in values:
            if getattr(engine, name) == value:
                continue
            try:
                lines = list(way(model, log, replace(cast("Any", engine), **{name: value})))
            except HfkvError:
                continue
            if lines and all(line.agree for line in lines):
                yield f"every number would agree with {name}={value}"
                return


def _is_wild(value: object) -> bool:
    """Whether a number is one that no engine would print."""
    return isinstance(value, int | float) and not 0 <= value < 2**40


def _known(log: EngineLog, given: Engine | None) -> tuple[dict[str, Any], list[str]]:
    """The options that hfkv's engine has; what was given stands before what the log says."""
    cls = engine_class(log.engine)
    types = {item.name: str(item.type).split(" | ") for item in fields(cast("Any", cls))}
    names = list(types)
    kept = {}
    for name, value in log.options.items():
        if name not in types or value is None:
            continue
        if type(value).__name__ not in types[name] or _is_wild(value):
            raise ConfigError(
                f"the log says {describe(value)}",
                where=name,
                expected=f"a value of {log.engine}'s option",
            )
        kept[name] = value
    if given is not None:
        plain, mine = options_of(cls()), options_of(given)
        kept.update({name: mine[name] for name in names if mine[name] != plain[name]})
    return kept, sorted(set(log.options) - {*names, *_NAMES})
