"""``--engine`` and the flags of the engines; what a command makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hfkv.cli.engine_flags import FLAGS, OF_BUDGETS, Flag
from hfkv.cli.options import BYTES, TOKENS
from hfkv.errors import HfkvError, InputError, UnsupportedError

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
    "no_budget",
    "refusing",
    "without_kv_dtype",
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


@contextmanager
def refusing() -> Iterator[None]:
    """What an engine refuses is an answer, not a misuse of the command."""
    try:
        yield
    except InputError as error:
        raise UnsupportedError(
            error.what, where=error.where, expected=error.expected, hint=error.hint
        ) from None


def without_kv_dtype(name: str) -> str:
    """What to say where ``--kv-dtype`` does not set this engine's types; "" where it does."""
    if name in _KV_FIELDS:
        return ""
    own = " and ".join(_own_types(name))
    return f"{name} is not counted in that --kv-dtype: the types of its cache are set by {own}"


def _own_types(name: str) -> Iterator[str]:
    for flag in FLAGS[name]:
        if "type" in flag.names[0] or "bits" in flag.names[0]:
            yield flag.names[0]


def no_budget() -> None:
    """Refuse the flags that matter to budgets alone, for a question without one.

    Raises:
        UsageError: one was given.
    """
    given = click.get_current_context().meta.get(_SET, {})
    for spelling in OF_BUDGETS:
        if spelling in given:
            raise click.UsageError(f"{spelling} goes with kv --fit.")


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
            spelling = next(name for name in given if name != "--cache")
            others = "static, offloaded, offloaded_static or quantized"
            raise click.UsageError(f"{spelling} goes with --cache of another kind: {others}.")
        return None
    from hfkv.engines import engine_class

    made: Any = engine_class(chosen or "transformers")
    own = _KV_FIELDS.get(made.name)
    if kv_dtype != "auto" and own is not None:
        if fields.get(own, kv_dtype) != kv_dtype:
            raise click.UsageError("--kv-dtype and --kv-cache-dtype differ.")
        fields[own] = kv_dtype
    elif kv_dtype != "auto" and name is None:
        types = " and ".join(_own_types(made.name))
        raise click.UsageError(f"--kv-dtype is no flag of {made.name}; it has {types}.")
    with refusing():
        engine: Engine = made(**fields)
    return engine


def _refuse(spelling: str, engine: str | None) -> None:
    engines = _spelled()[spelling][1]
    those = " and ".join([", ".join(engines[:-1]), engines[-1]] if engines[1:] else engines)
    if engine is None:
        raise click.UsageError(f"{spelling} is a flag of {those}; say which with --engine.")
    raise click.UsageError(f"{engine} has no {spelling}; {those} has it.")
