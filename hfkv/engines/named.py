"""An engine by its name and its options as a configuration has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from hfkv.engines import engine_class
from hfkv.errors import InputError
from hfkv.reading import describe, printable
from hfkv.units import parse_count

if TYPE_CHECKING:
    from hfkv.engines.base import Engine

__all__ = ["named_engine"]

#: What the types of options are called, to what a value must be.
_KINDS: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
}
#: The option that an engine's own type of the cache is.
_DTYPES = {"vllm": "kv_dtype", "sglang": "kv_dtype"}


def named_engine(
    name: str, options: Mapping[str, Any] | None = None, *, dtype: str = "auto"
) -> Engine | None:
    """The engine of that name; None for transformers' cache object.

    Args:
        name: as ``--engine`` takes it.
        options: fields of its class; dashes stand for underscores, and a text such as ``128k``
            for a number.
        dtype: the element type that was asked for beside them.

    Raises:
        InputError: there is no such engine, or it has no such option.

    >>> named_engine("vllm", {"tp": 2, "max-model-len": "128k"}).max_model_len
    128000
    """
    made: Any = engine_class(name)
    known = {item.name: str(item.type) for item in fields(made)}
    given: dict[str, Any] = {}
    for key, value in (options or {}).items():
        own = str(key).replace("-", "_")
        if own not in known:
            raise InputError(
                f"{name} has no option {printable(str(key), 60)}",
                where="engine-options",
                expected="one of " + ", ".join(sorted(known)),
            )
        given[own] = _value(value, known[own], str(key))
    if dtype != "auto":
        if name in _DTYPES:
            given.setdefault(_DTYPES[name], dtype)
        elif name != "transformers":
            raise InputError(
                f"dtype is {dtype!r}",
                expected="auto",
                hint=f"{name} has options of its own for the types of its cache",
            )
        elif given:
            given.setdefault("dtype", dtype)
    if name == "transformers" and not given:
        return None
    engine: Engine = made(**given)
    return engine


def _value(value: object, kind: str, key: str) -> object:
    """A value of one of the types that ``kind`` names."""
    wanted = [part.strip() for part in kind.split("|") if part.strip() != "None"]
    if isinstance(value, str) and "int" in wanted:
        return parse_count(value)
    for part in wanted:
        if isinstance(value, bool) != (part == "bool"):
            continue
        if isinstance(value, _KINDS.get(part, ())):
            return value
    raise InputError(
        f"found {describe(value)}",
        where=f"engine-options: {printable(key, 60)}",
        expected=" or ".join(wanted),
    )
