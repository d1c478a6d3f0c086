"""What a class makes of one config: its modules, parameters and sizes, these as formulas."""

from __future__ import annotations

import contextlib
import copy
import json
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hfkv.facts.config import Config
from hfkv.generate.module_rows import NUMBER, index_of, kind_and_marks, pattern_of
from hfkv.generate.plan_configs import Space, put, symbols_in, value_at, watched
from hfkv.generate.symbols import Int, expression, recorded, symbolic
from hfkv.live.build import config_of
from hfkv.live.embeddings import name_of
from hfkv.live.lora import build_for, own_config
from hfkv.modules.class_plan import reader
from hfkv.modules.conversion import Index
from hfkv.modules.table import own_config as own_of

__all__ = ["Sample", "plain", "sample", "without_values"]

#: Seconds until a build is taken to be endless.
_PATIENCE = 3


@dataclass(slots=True)
class Sample:
    """One config and what the class makes of it.

    Attributes:
        values: of the class's own config.
        read: of them, as plans read them.
        sizes: pattern to index to (shape, expressions or None).
        lengths: container to the indices before it to how many members it has.
        modules: pattern, in module order, to index to ``[kind, transposed, groups]``.
        tied: pattern of a parameter to index to the name that it shares storage with.
        embeddings: names of the input and the output embedding.
    """

    values: dict[str, Any]
    read: Any
    sizes: dict[str, dict[Index, tuple[tuple[int, ...], tuple[Any, ...] | None]]] = field(
        default_factory=dict
    )
    lengths: dict[str, dict[Index, int]] = field(default_factory=dict)
    modules: dict[str, dict[Index, Any]] = field(default_factory=dict)
    tied: dict[str, dict[Index, str]] = field(default_factory=dict)
    embeddings: tuple[str | None, str | None] = (None, None)


@contextlib.contextmanager
def without_values() -> Iterator[None]:
    """Within it, new parameters are given no values: the meta device has none, and drawing them
    takes most of the time."""
    from torch.nn import init

    names = [name for name in vars(init) if name.endswith("_") and not name.startswith("_")]
    kept = {name: getattr(init, name) for name in names}
    for name in names:
        setattr(init, name, lambda tensor, *_, **__: tensor)
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(init, name, function)


class _EndlessError(BaseException):
    pass


def _stop(*_: object) -> None:
    raise _EndlessError


def _timed(call: Any) -> Any:
    """What ``call()`` gives, or None where it fails or does not end."""
    before = signal.signal(signal.SIGVTALRM, _stop)
    # Of the process's own time: what a busy machine takes must not decide.
    signal.setitimer(signal.ITIMER_VIRTUAL, _PATIENCE)
    try:
        return call()
    except (Exception, _EndlessError):
        return None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def plain(space: Space, values: Mapping[str, Any]) -> Any:
    """The model of a config, as it is built from a file; None where the class refuses it."""
    raw = space.wrap(values)

    def make() -> Any:
        with watched(space):
            return build_for(config_of(raw), space.name)

    return _timed(make)


def sample(space: Space, values: dict[str, Any]) -> Sample | None:
    """Build, with sizes as formulas where the class bears that."""
    raw = space.wrap(values)
    marked = space.wrap(symbols_in(_filled(space, values), "", space.parts))

    def symbolically() -> Any:
        config = config_of(marked)
        own, _ = own_config(config, space.name)
        _mark_defaults(own, values, "", space)
        with symbolic(), recorded():
            return build_for(config, space.name)

    model = plain(space, values)
    if model is None:
        return None
    found = Sample(
        values=values, read=reader(own_of(Config(json.loads(json.dumps(raw)), where="")))
    )
    _look(found, model, _timed(symbolically))
    return found


def _filled(space: Space, values: dict[str, Any]) -> dict[str, Any]:
    """The values with numbers that are the class's defaults, so that they carry their key too."""
    made = copy.deepcopy(values)
    for path, key in space.keys.items():
        outer = path.rpartition(".")[0]
        inside = not outer or isinstance(value_at(made, outer), dict)
        if inside and type(key.default) is int and value_at(made, path) is ...:
            made = put(made, path, key.default)
    return made


def _mark_defaults(config: Any, values: Any, path: str, space: Space) -> None:
    """Numbers that the class filled in as its defaults carry their key as well."""
    fields = getattr(type(config), "__dataclass_fields__", {})
    for key, value in list(vars(config).items()):
        where = f"{path}.{key}" if path else key
        if where in space.parts and hasattr(value, "to_dict"):
            given = values.get(key) if isinstance(values, dict) else None
            _mark_defaults(value, given or {}, where, space)
        elif type(value) is int and key not in values and not key.startswith("_"):
            default = fields[key].default if key in fields else None
            if type(default) is int and default == value:
                vars(config)[key] = Int(value, where)


def _look(found: Sample, model: Any, marked: Any) -> None:
    texts: dict[str, tuple[Any, ...]] = {}
    groups: dict[str, Any] = {}
    if marked is not None:
        for name, parameter in _parameters(marked):
            sizes = getattr(parameter, "_sizes", None)
            if sizes is not None and tuple(int(s) for s in sizes) == tuple(parameter.shape):
                texts[name] = tuple(expression(size) for size in sizes)
        for name, module in marked.named_modules():
            groups[name] = kind_and_marks(module)[1].get("groups", 1)
    first: dict[int, str] = {}
    for name, parameter in _parameters(model):
        pattern, index = pattern_of(name), index_of(name)
        found.sizes.setdefault(pattern, {})[index] = (tuple(parameter.shape), texts.get(name))
        kept = first.setdefault(id(parameter), name)
        if kept != name:
            found.tied.setdefault(pattern, {})[index] = kept
        _count(found.lengths, name)
    for name, module in model.named_modules():
        if not name:
            continue
        kind, marks = kind_and_marks(module)
        group = groups.get(name, 1) if "groups" in marks else 1
        found.modules.setdefault(pattern_of(name), {})[index_of(name)] = [
            kind,
            bool(marks.get("transposed")),
            group,
        ]
        _count(found.lengths, name)
    found.embeddings = (
        name_of(model, model.get_input_embeddings),
        name_of(model, model.get_output_embeddings),
    )


def _parameters(model: Any) -> Iterator[tuple[str, Any]]:
    for name, module in model.named_modules():
        for short, parameter in module.named_parameters(recurse=False):
            yield f"{name}.{short}" if name else short, parameter


def _count(lengths: dict[str, dict[Index, int]], name: str) -> None:
    for place in NUMBER.finditer(name):
        container = name[: place.start()].removesuffix(".")
        own = lengths.setdefault(pattern_of(container), {})
        index = index_of(container)
        own[index] = max(own.get(index, 0), int(place.group()) + 1)
