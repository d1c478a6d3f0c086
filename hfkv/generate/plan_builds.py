"""What a class makes of one config: its modules, parameters and sizes, these as formulas."""

from __future__ import annotations

import contextlib
import copy
import json
import operator
import re
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hfkv.facts.config import Config
from hfkv.generate.module_rows import index_of, kind_and_marks, pattern_of
from hfkv.generate.plan_configs import Space, is_numbers, put, symbols_in, value_at, watched
from hfkv.generate.plan_keys import is_size
from hfkv.generate.symbols import Int, Items, expression, recorded, symbolic
from hfkv.live.build import config_of
from hfkv.live.embeddings import name_of
from hfkv.live.lora import build_for, own_config
from hfkv.modules.class_plan import size_of
from hfkv.modules.conversion import Index
from hfkv.modules.table import own_config as own_of

__all__ = ["Sample", "plain", "sample", "timed", "without_values"]

#: Patterns of parameters to the sizes that were found for them.
Formulas = dict[str, set[tuple[Any, ...]]]
#: A number in a name; experts may have a word before theirs.
_NUMBER = re.compile(r"(?:(?<![^.])|(?<=\bexpert_))\d+(?![^.])")
#: Keys of single tokens, which no module is made of.
_TOKEN = re.compile(r"_token_(id|index)$")
#: Seconds until a build is taken to be endless.
_PATIENCE = 3


@dataclass(slots=True)
class Sample:
    """One config and what the class makes of it.

    Attributes:
        values: of the class's own config.
        config: of them, as users' configs are read.
        read: of it, as plans read.
        filled: by path, what the class fills in where the config has none; ``...`` where that is
            neither a word nor a flag, nor a list of them.
        sizes: pattern to index to (shape, expressions or None).
        lengths: container to the indices before it to how many members it has.
        modules: pattern, in module order, to index to ``[kind, transposed, groups]`` and how many
            groups.
        tied: pattern of a parameter to index to the name that it shares storage with.
        embeddings: names of the input and the output embedding.
    """

    values: dict[str, Any]
    config: Config
    read: Any
    filled: dict[str, Any] = field(default_factory=dict)
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
    takes most of the time. Nor is a model moved that is on that device, told how to sample, or a
    config written out for a log that nobody reads."""
    from torch.nn import Module, init
    from transformers import GenerationConfig, PretrainedConfig  # so called in 4.x and in 5.x

    names = [name for name in vars(init) if name.endswith("_") and not name.startswith("_")]
    kept = {name: getattr(init, name) for name in names}
    moved, sampling = Module.to, vars(GenerationConfig)["from_model_config"]
    usual = GenerationConfig()
    shown = vars(PretrainedConfig)["__repr__"]

    def to(self: Any, *args: Any, **kwargs: Any) -> Any:
        there = args == ("meta",) and all(item.is_meta for item in self.parameters())
        return self if there else moved(self, *args, **kwargs)

    for name in names:
        setattr(init, name, lambda tensor, *_, **__: tensor)
    Module.to = to
    PretrainedConfig.__repr__ = lambda _: "config"
    GenerationConfig.from_model_config = classmethod(lambda *_: usual)
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(init, name, function)
        Module.to = moved
        PretrainedConfig.__repr__ = shown
        GenerationConfig.from_model_config = sampling


class _EndlessError(BaseException):
    pass


def _stop(*_: object) -> None:
    raise _EndlessError


def timed(call: Any, seconds: int = _PATIENCE) -> Any:
    """What ``call()`` gives, or None where it fails or does not end."""
    before = signal.signal(signal.SIGVTALRM, _stop)
    # Of the process's own time: what a busy machine takes must not decide.
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
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

    return timed(make)


def sample(space: Space, values: dict[str, Any], *, known: Formulas | None = None) -> Sample | None:
    """Build, with sizes as formulas where the class bears that.

    Args:
        known: formulas of other samples, which are added to; where they give all its sizes no
            others are looked for.
    """
    raw = space.wrap(values)
    marked = space.wrap(symbols_in(_filled(space, values), "", space.parts))

    def symbolically() -> Any:
        # A config computes some sizes itself.
        with symbolic(), recorded():
            config = config_of(marked)
            own, _ = own_config(config, space.name)
            _mark_defaults(own, values, "", space)
            return build_for(config, space.name)

    model = plain(space, values)
    if model is None:
        return None
    config = own_of(Config(json.loads(json.dumps(raw)), where=""))
    found = Sample(values=values, config=config, read=space.reader(config))
    found.filled = _filled_in(space, model.config, found)
    known = {} if known is None else known
    _look(found, model, None if _explained(model, found.read, known) else timed(symbolically))
    for pattern, indices in found.sizes.items():
        for _, texts in indices.values():
            known.setdefault(pattern, set()).update([texts] if texts and _is_general(texts) else [])
    return found


def _explained(model: Any, read: Any, known: Formulas) -> bool:
    """Whether known formulas give each parameter's sizes."""
    for name, parameter in _parameters(model):
        shape, index = tuple(parameter.shape), index_of(name, _NUMBER)
        for texts in known.get(pattern_of(name, _NUMBER), ()):
            if shape == tuple(size_of(text, read, index) for text in texts):
                break
        else:
            return False
    return True


def _is_general(texts: tuple[Any, ...]) -> bool:
    """Whether sizes are about no one place, and have no number that may fit by chance."""
    return not any("[" in text if isinstance(text, str) else (text or 9) > 4 for text in texts)


def _filled_in(space: Space, config: Any, made: Sample) -> dict[str, Any]:
    """The words, the flags and the lists of them that the class fills in; ``...`` for others."""
    found = {}
    for path, key in space.keys.items():
        stated = not key.types and value_at(made.values, path) is not ...
        if key.part or stated or made.read(path) is not None or _TOKEN.search(path):
            continue
        if path in space.letters:
            continue
        try:
            value = operator.attrgetter(path)(config)
        except Exception:  # some classes work values out, and cannot of every config
            continue
        items = list(value) if isinstance(value, (list, tuple)) else [value]
        # A width is no flag, also where it comes to 1.
        plain = (str, bool) if is_size(path) else (str, bool, int)
        if items and all(
            isinstance(item, plain) and (isinstance(item, str) or item in (0, 1)) for item in items
        ):
            found[path] = items if isinstance(value, (list, tuple)) else value
        elif value is not None and items:
            # Numbers of layers, say, which now and then are 0 and 1 as flags are.
            found[path] = ...
    return found


def _filled(space: Space, values: dict[str, Any]) -> dict[str, Any]:
    """The values with numbers, and lists of them, that are the class's defaults, so that they
    carry their key too."""
    made = copy.deepcopy(values)
    for path, key in space.keys.items():
        outer = path.rpartition(".")[0]
        inside = not outer or isinstance(value_at(made, outer), dict)
        if not inside or value_at(made, path) is not ...:
            continue
        if type(key.default) is int:
            made = put(made, path, key.default)
        elif isinstance(key.default, (list, tuple)) and is_numbers(key.default):
            made = put(made, path, list(key.default))
    return made


def _mark_defaults(config: Any, values: Any, path: str, space: Space) -> None:
    """Numbers that the class filled in as its defaults carry their key as well, and lists theirs,
    which reading a config copies."""
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
        elif where in space.keys and isinstance(value, (list, tuple)) and value:
            vars(config)[key] = Items.of(value, where)


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
        pattern, index = pattern_of(name, _NUMBER), index_of(name, _NUMBER)
        found.sizes.setdefault(pattern, {})[index] = (tuple(parameter.shape), texts.get(name))
        kept = first.setdefault(id(parameter), name)
        if kept != name:
            found.tied.setdefault(pattern, {})[index] = kept
        _count(found.lengths, name)
    for name, module in model.named_modules():
        if not name:
            continue
        kind, marks = kind_and_marks(module)
        held = int(module.groups) if "groups" in marks else 1
        group = groups.get(name, held) if "groups" in marks else 1
        found.modules.setdefault(pattern_of(name, _NUMBER), {})[index_of(name, _NUMBER)] = [
            kind,
            bool(marks.get("transposed")),
            group,
            held,
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
    for place in _NUMBER.finditer(name):
        container = name[: place.start()].removesuffix(".")
        own = lengths.setdefault(pattern_of(container, _NUMBER), {})
        index = index_of(container, _NUMBER)
        own[index] = max(own.get(index, 0), int(place.group()) + 1)
