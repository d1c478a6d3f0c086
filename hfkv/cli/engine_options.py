"""``--engine`` and the flags of the engines; what a command makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hfkv.cli.engine_flags import FLAGS, Flag
from hfkv.cli.options import BYTES, TOKENS
from hfkv.errors import HfkvError

if TYPE_CHECKING:
    from hfkv.engines import Budget, Engine

    _Text = click.ParamType[Any]
else:
    _Text = click.ParamType

__all__ = [
    "ALL",
    "BUDGET",
    "budget_of",
    "chosen_engine",
    "engine_name",
    "engine_options",
    "length_of",
]

_F = TypeVar("_F", bound=Callable[..., Any])
#: What ``--engine`` takes for a table of all.
ALL = "all"
#: The field that ``--kv-dtype`` sets, for the engines that have one type for all of the cache.
_KV_FIELDS = {"vllm": "kv_dtype", "sglang": "kv_dtype", "transformers": "dtype"}
_NAME, _SET = "hfkv.engine", "hfkv.engine.flags"


class _Budget(_Text):
    """Memory of one or several GPUs; a wrong one is a usage error."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from hfkv.engines.budget import Budget

        if not isinstance(value, str):
            return value
        try:
            return Budget.parse(value)
        except HfkvError as error:
            self.fail(str(error), param, ctx)


BUDGET = _Budget()


def budget_of(fit: Budget | None, gpus: int | None) -> Budget | None:
    """``--fit`` with the number of GPUs that ``--gpus`` says.

    Raises:
        UsageError: there is no budget to share, or it says another number itself.
    """
    if gpus is None:
        return fit
    if fit is None:
        raise click.UsageError("--gpus goes with --fit.")
    try:
        return fit.shared_by(gpus)
    except HfkvError as error:
        raise click.UsageError(str(error)) from None


def _remember(spelled: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        # click says in a list of declarations which one is the name; a flag that was not given
        # must not count as set to its default.
        if value is not None and value is not False:
            ctx.meta.setdefault(_SET, {})[spelled] = value
        elif value is False and ctx.get_parameter_source(str(param.name)) is not None:
            source = ctx.get_parameter_source(str(param.name))
            if source is not click.core.ParameterSource.DEFAULT:
                ctx.meta.setdefault(_SET, {})[spelled] = value
        return value

    return callback


def _spelled() -> dict[str, tuple[Flag, list[str]]]:
    """The flags by their first spelling, each with the engines that have it."""
    found: dict[str, tuple[Flag, list[str]]] = {}
    for engine, flags in FLAGS.items():
        for flag in flags:
            found.setdefault(flag.names[0], (flag, []))[1].append(engine)
    return found


class _EngineOption(click.Option):
    """A flag of engines, which ``--help`` lists with ``--engine NAME`` alone."""

    engines: tuple[str, ...] = ()

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        chosen = ctx.meta.get(_NAME)
        if chosen is None or (chosen != ALL and chosen not in self.engines):
            return None
        return super().get_help_record(ctx)


def _option(flag: Flag, engines: list[str]) -> Callable[[_F], _F]:
    kinds: Mapping[str, Any] = {
        "int": click.INT,
        "tokens": TOKENS,
        "number": click.FLOAT,
        "text": click.Choice(flag.choices) if flag.choices else click.STRING,
        "bytes": BYTES,
    }
    shared: dict[str, Any] = {
        "cls": type("_Of", (_EngineOption,), {"engines": tuple(engines)}),
        "expose_value": False,
        "default": None,
        "callback": _remember(flag.names[0]),
        "help": f"{flag.help}  [{', '.join(engines)}]",
    }
    if flag.takes == "on":
        return click.option(*flag.names, is_flag=True, **{**shared, "default": False})
    if flag.takes == "on/off":
        first, *rest = flag.names
        return click.option(f"{first}/--no-{first.removeprefix('--')}", *rest, **shared)
    return click.option(*flag.names, type=kinds[flag.takes], **shared)


def _engine(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    ctx.meta[_NAME] = value
    return value


def engine_options(*, every: bool = False) -> Callable[[_F], _F]:
    """``--engine``, and the flags of all engines; ``every`` allows ``--engine all``."""
    names = [*FLAGS, ALL] if every else list(FLAGS)

    def add(command: _F) -> _F:
        for flag, engines in reversed(_spelled().values()):
            command = _option(flag, engines)(command)
        return click.option(
            "--engine",
            type=click.Choice(names),
            default=None,
            expose_value=False,
            is_eager=True,
            callback=_engine,
            help="Who stores the cache; with --help also its own flags.  [default: transformers]",
        )(command)

    return add


def engine_name() -> str | None:
    """What ``--engine`` said; None where it was not given."""
    found: str | None = click.get_current_context().meta.get(_NAME)
    return found


def chosen_engine(kv_dtype: str = "auto", *, name: str | None = None) -> Engine | None:
    """The engine that was asked for, with its flags; None for transformers' cache object.

    Args:
        kv_dtype: ``--kv-dtype``, which is the engine's own type where it has one.
        name: of an engine, where the command asks for several.

    Raises:
        UsageError: a flag is one that this engine does not have.
    """
    meta = click.get_current_context().meta
    chosen = name or meta.get(_NAME)
    given: dict[str, Any] = dict(meta.get(_SET, {}))
    mine = {flag.names[0]: flag for flag in FLAGS.get(chosen or "transformers", ())}
    if name is None:
        for spelling in given:
            if spelling not in mine:
                _refuse(spelling, chosen)
    fields = {mine[spelling].field: value for spelling, value in given.items() if spelling in mine}
    if chosen in (None, "transformers") and fields.get("cache", "dynamic") == "dynamic":
        if set(fields) - {"cache"}:
            raise click.UsageError(f"{next(iter(given))} goes with --cache.")
        return None
    from hfkv.engines import engine_class

    made: Any = engine_class(chosen or "transformers")
    own = _KV_FIELDS.get(made.name)
    if kv_dtype != "auto" and own is not None:
        if fields.get(own, kv_dtype) != kv_dtype:
            raise click.UsageError("--kv-dtype and --kv-cache-dtype differ.")
        fields[own] = kv_dtype
    elif kv_dtype != "auto" and name is None:
        types = " and ".join(name for name in mine if "type" in name or "bits" in name)
        raise click.UsageError(f"--kv-dtype is no flag of {made.name}; it has {types}.")
    engine: Engine = made(**fields)
    return engine


def length_of(engine: Engine) -> int | None:
    """The tokens of one sequence that its own flags set it up for, where one of them does."""
    context = getattr(engine, "ctx", None)
    if context is not None:
        unified = getattr(engine, "unified", False)
        sequences = 1 if unified else getattr(engine, "parallel", None) or 1
        return max(int(context) // sequences, 1)
    for name in ("max_model_len", "context_length", "max_cache_len"):
        found: int | None = getattr(engine, name, None)
        if found is not None:
            return found
    return None


def _refuse(spelling: str, engine: str | None) -> None:
    engines = _spelled()[spelling][1]
    those = " and ".join([", ".join(engines[:-1]), engines[-1]] if engines[1:] else engines)
    if engine is None:
        raise click.UsageError(f"{spelling} is a flag of {those}; say which with --engine.")
    raise click.UsageError(f"{engine} has no {spelling}; {those} has it.")
