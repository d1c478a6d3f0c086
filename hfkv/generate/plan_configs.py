"""Random configs of a class: every key that it reads, with values of every sort that it takes."""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib
import inspect
import json
import random
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from hfkv.facts.config import Config
from hfkv.generate.config_classes import LEFT_OUT
from hfkv.generate.plan_keys import Key, is_size
from hfkv.generate.symbols import Int, Real
from hfkv.generate.trials import OVERRIDES, default_config, merge, nested
from hfkv.live.build import config_of
from hfkv.live.lora import own_config
from hfkv.modules.class_plan import kind_of, reader, words_of
from hfkv.modules.table import tables_of

__all__ = [
    "Space",
    "is_numbers",
    "near",
    "put",
    "sorts_of",
    "space_of",
    "symbols_in",
    "value_at",
    "watched",
]

#: What every config has and no constructor takes a size or a layer from.
_GENERAL = frozenset(
    "model_type attribute_map sub_configs keys_to_ignore_at_inference base_config_key"
    " architectures transformers_version torch_dtype dtype has_no_defaults_at_init"
    " quantization_config name_or_path id2label label2id num_labels problem_type"
    " output_attentions output_hidden_states return_dict use_return_dict gradient_checkpointing"
    " base_model_tp_plan base_model_pp_plan base_model_ep_plan ignore_keys_at_rope_validation"
    " use_cache attn_implementation experts_implementation is_composition auto_map".split()
)
_MODELS = "transformers.models."
#: How many words of a class's code are tried.
_WORDS = 60
#: How many numbers by name an object of them has at most.
_NUMBERS = 8
#: A letter that stands for a kind of layer.
_LETTER = re.compile(r"[\"']([^\w\s]|\w)[\"']\s*:")
#: A number that stands for one.
_NUMBERED = re.compile(r"\b(\d+)\s*:\s*[\"']\w")
#: Code that reads keys in bulk, and takes no layer from them.
_ASIDE = ("transformers.configuration_utils", "transformers.generation", "transformers.utils")
#: How many layers there are.
_DEPTH = re.compile(r"(?:layers?|depth|num_blocks)$")
_QUOTED = re.compile(r"[\"']([\w\-]{2,40})[\"']")
#: What may be the name of a nested config's type, among all words of the code.
_TYPE = re.compile(r"^[a-z0-9]+([_-][a-z0-9]+)*$")
_COMPARED = re.compile(r"==|!=|\bin [\[({]|Literal")
_POPPED = re.compile(r"kwargs\.(?:pop|get)\(\s*\"(\w+)\"|\"(\w+)\" (?:not )?in kwargs")
#: What an absent key that only a constructor takes counts as.
_TAKEN_AS = re.compile(
    r"kwargs\.(?:pop|get)\(\s*\"(\w+)\",\s*(-?[\d_]+(?:\.\d+)?|True|False|\"[^\"]*\")\s*\)"
)
#: A key that no field need declare.
_ASKED = re.compile(r"getattr\((?:self\.)?config,\s*\"(\w+)\"")
#: A name whose truth is asked, and not what it compares or comes to.
_IF = re.compile(
    r"\b(?:if|and|or|not)\s+(?:not\s+)?(?:self\.)?(?:config\.)?([a-z]\w+)\b"
    r"(?!\s*(?:[=<>!.(\[+\-*/%]|in\b|is\b))"
)
_NAMED = re.compile(r"(?:\.|[\"'])([a-z]\w+)\b")


class Space:
    """The configs of one class.

    Attributes:
        keys: by path; grows as the class is seen to read more.
        parts: paths of nested configs to their types.
        optional: those of them that the class has none of where a file has none.
        defaults: what an absent key that no field declares counts as, where the code says it.
        letters: keys that are a word with a letter for each layer.
        left_out: sorts of value of a key, or ``=word``, under which what the class makes was not
            understood.
        held: keys with the one value that each has, since what a part makes of others was not
            understood.
        fixed: parts of which all keys are held.
        places: names of nested models, with the paths of their configs.
        inner: the same of all modules that keep such a config.
        typed: whether the class takes its parts only with their types, as files name them.
    """

    def __init__(self, model_type: str, name: str) -> None:
        self.model_type, self.name = model_type, name
        self.whole = default_config(model_type)
        self.own, self.path = own_config(self.whole, name)
        self.classes: dict[type, list[str]] = {}
        self.objects: dict[str, Any] = {}
        self.parts: dict[str, str] = {}
        self.optional: set[str] = set()
        self.keys: dict[str, Key] = {}
        self.sources: dict[type, str] = {}
        self.left_out: set[tuple[str, str]] = set()
        self.held: dict[str, Any] = {}
        self.fixed: set[str] = set()
        self.letters: set[str] = set()
        self.defaults: dict[str, Any] = {}
        self.switches: frozenset[str] = frozenset()
        self._walk(self.own, "")
        for path in self.parts:
            self.keys[path] = Key(path=path, default=None, types=frozenset(), words=(), part=True)
        for path, config in self.objects.items():
            for cls in type(config).__mro__:
                source = self._source(cls)
                for found in _POPPED.finditer(source):
                    self.add(type(config), found[1] or found[2])
                for key, value in _taken_as(source).items():
                    self.defaults.setdefault(f"{path}.{key}" if path else key, value)
        self._add_named()
        self.words = self._words()
        self.typed = False
        saved = self.saved(self.first()) if self.parts else None
        if saved is not None and self.saved(saved) is None:
            self.typed = True
            self.typed = self.saved(saved) is not None
        tables = [table for table in tables_of(model_type) if table.architecture == name]
        self.inner: list[tuple[str, str]] = []
        self.places = [
            (name, path)
            for table in tables
            for name, _, _, path in table.parts
            if path in self.parts
        ]

    def _walk(self, config: Any, path: str) -> None:
        self.classes.setdefault(type(config), []).append(path)
        self.objects[path] = config
        for key in getattr(config, "sub_configs", {}) or {}:
            part = vars(config).get(key)
            inner = f"{path}.{key}" if path else key
            known = getattr(config.sub_configs[key], "model_type", None)
            if part is None and known:
                # One that the class can do without, such as a tower for sound.
                with contextlib.suppress(Exception):
                    part = config.sub_configs[key]()
                    self.optional.add(inner)
            if hasattr(part, "to_dict"):
                self.parts[inner] = part.model_type
                self._walk(part, inner)

    def _source(self, cls: type) -> str:
        if cls not in self.sources:
            module = sys.modules.get(cls.__module__)
            ours = cls.__module__.startswith(_MODELS)
            self.sources[cls] = inspect.getsource(module) if module and ours else ""
        return self.sources[cls]

    def _add_named(self) -> None:
        """Add what the code names, so that what is seldom read is known from the start."""
        import transformers

        texts = {self._source(cls) for cls in getattr(transformers, self.name).__mro__}
        for cls in self.classes:
            place = cls.__module__.replace("configuration_", "modeling_")
            if place.startswith(_MODELS) and place != cls.__module__:
                with contextlib.suppress(ImportError):
                    texts.add(text := inspect.getsource(importlib.import_module(place)))
                    for key in _ASKED.findall(text):
                        self.add(cls, key)
        self.switches = frozenset(name for text in texts for name in _IF.findall(text))
        models = {name for text in texts for name in _NAMED.findall(text)}
        for cls in self.classes:
            source = self._source(cls)
            named = models | set(re.findall(r"self\.([a-z]\w+)\b", source))
            for key in getattr(cls, "__dataclass_fields__", {}):
                renamed = getattr(cls, "attribute_map", {})
                names = {key, *(name for name, own in renamed.items() if own == key)}
                if names & named or renamed.get(key) in named:
                    self.add(cls, key)

    def _words(self) -> tuple[str, ...]:
        import transformers

        model = getattr(transformers, self.name)
        texts = {self._source(cls) for cls in (*model.__mro__, *self.classes)}
        found: dict[str, None] = {}
        for text in sorted(texts):
            for line in text.splitlines():
                if _COMPARED.search(line):
                    found.update(dict.fromkeys(_QUOTED.findall(line)))
        self.all_words = len(found) <= _WORDS
        return tuple(found)[:_WORDS]

    def add(self, cls: type, key: str) -> None:
        """A key that the class was seen to read."""
        if key in _GENERAL or key.startswith("_") or cls not in self.classes:
            return
        key = getattr(cls, "attribute_map", {}).get(key, key)
        declared = inspect.getattr_static(cls, key, None)
        ours = any(key in vars(base) for base in cls.__mro__ if base.__module__.startswith(_MODELS))
        if inspect.isroutine(declared) or (isinstance(declared, property) and not ours):
            return
        # What a file says there either goes another way or is refused.
        sealed = isinstance(declared, property) and declared.fset is None
        source = "".join(self._source(base) for base in cls.__mro__)
        letters = ""
        if key.endswith("_pattern") and f'kwargs.pop("{key}"' in source:
            sealed, letters = False, "".join(dict.fromkeys(_LETTER.findall(source)))
        fields = getattr(cls, "__dataclass_fields__", {})
        for prefix in self.classes[cls]:
            path = f"{prefix}.{key}" if prefix else key
            if path in self.keys:
                continue
            # A field can go by another name than the one that the class keeps it under.
            renamed = getattr(cls, "attribute_map", {}).items()
            names = [key, *(name for name, own in renamed if own == key)]
            field = next((fields[name] for name in names if name in fields), None)
            annotation = "" if field is None else str(field.type)
            default = None if field is None else field.default
            if type(default).__name__ == "_MISSING_TYPE":
                default = None
            if field is None and type(declared) is int:
                # What every config of the class has where a file says nothing else.
                default = self.defaults[path] = declared
            made = vars(self.objects[prefix]).get(key)
            listed = made if default is None else default
            if isinstance(listed, (list, tuple)):
                default = list(listed)
            self.keys[path] = Key(
                path=path,
                default=default,
                types=frozenset(re.findall(r"\w+", annotation)),
                words=getattr(self, "words", ()) or (),
                sealed=sealed,
                switch=key in self.switches,
                letters=letters,
                numbers=()
                if annotation
                else tuple(dict.fromkeys(map(int, _NUMBERED.findall(source)))),
            )
            if prefix in self.fixed:
                self.held[path] = default
            if letters:
                self.letters.add(path)
            # Each of a few numbers by name can be one that something is measured by.
            for inner, number in made.items() if is_named_numbers(made) else ():
                self.keys[f"{path}.{inner}"] = Key(
                    path=f"{path}.{inner}", default=number, types=frozenset({"int"}), words=()
                )
            # What the classes' tables leave out, a table of positions may need: a token's number.
            if key in LEFT_OUT and type(default) is int:
                self.defaults.setdefault(path, default)

    def learn_words(self) -> None:
        """Give keys found before the code was read its words, and what it asks of them."""
        self.keys = {
            path: replace(key, words=self.words, switch=path.rpartition(".")[2] in self.switches)
            for path, key in self.keys.items()
        }

    def wrap(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The whole file for the values of the class's own config."""
        raw: dict[str, Any] = copy.deepcopy(OVERRIDES.get(self.model_type, {})) if self.path else {}
        if self.path:
            at = raw
            for key in self.path.split("."):
                at = at.setdefault(key, {})
            at.clear()
        merge(raw, nested(self.path, dict(values)))
        for path, model_type in self.parts.items() if self.typed else ():
            part = value_at(raw, f"{self.path}.{path}".lstrip("."))
            if isinstance(part, dict):
                part.setdefault("model_type", model_type)
        return {"model_type": self.model_type, "architectures": [self.name], **raw}

    def first(self) -> dict[str, Any]:
        """The least that makes a model."""
        values: Any = copy.deepcopy(OVERRIDES.get(self.model_type, {}))
        for key in filter(None, self.path.split(".")):
            values = values.get(key, {})
        return dict(values)

    def inside(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the class's own config in a whole file."""
        values = value_at(raw, self.path) if self.path else raw
        return self._known(values, "") if isinstance(values, Mapping) else {}

    def saved(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """The values as the class saves them, with what it filled in; None where it takes them
        not."""
        with contextlib.suppress(Exception):
            own, _ = own_config(config_of(self.wrap(values)), self.name)
            return self._known(json.loads(own.to_json_string()), "")
        return None

    def _known(self, raw: Mapping[str, Any], path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in raw.items():
            where = f"{path}.{key}" if path else key
            if where in self.parts and isinstance(value, Mapping):
                found[key] = self._known(value, where)
            elif where in self.keys and not self.keys[where].part:
                found[key] = value
        return found

    @cached_property
    def types_of_parts(self) -> dict[str, list[str]]:
        """For each nested config the names of types under which the class makes the same of it;
        ``"*"`` where any name is one."""
        found = {}
        for path, model_type in self.parts.items():
            kept = type(self.objects[path])
            tried = [model_type, *_QUOTED.findall("".join(self.sources.values())), self.model_type]
            if self._makes(path, "no-type-of-this-name", kept):
                found[path] = [model_type, "*"]
            else:
                named = [name for name in dict.fromkeys(tried) if _TYPE.search(name)]
                found[path] = [name for name in named if self._makes(path, name, kept)]
        return found

    def _makes(self, path: str, name: str, kept: type) -> bool:
        # Some a class takes only whole, as it saves them.
        for values in (self.first(), self.saved(self.first())):
            with contextlib.suppress(Exception):
                made, _ = own_config(
                    config_of(self.wrap(put(values or {}, f"{path}.model_type", name))), self.name
                )
                for key in path.split("."):
                    made = getattr(made, key)
                return type(made) is kept
        return False

    def reader(self, config: Config, *, filled: Any = None) -> Any:
        """Reads of a config as a plan of the class reads it."""
        return reader(config, defaults=self.defaults, filled=filled, letters=sorted(self.letters))

    def alone(self, values: Mapping[str, Any], path: str) -> list[Any]:
        """Values of a key that each are to be tried beside these."""
        outer = path.rpartition(".")[0]
        at = value_at(values, outer) if outer else values
        return self.keys[path].alone(_layers(at if isinstance(at, dict) else {}, 4))

    def depths(self) -> list[str]:
        """Keys that say how many layers there are."""
        return [
            path
            for path, key in self.keys.items()
            if type(key.default) is int and _DEPTH.search(path)
        ]

    def deeper(
        self, values: Mapping[str, Any], path: str, count: int, chance: random.Random
    ) -> dict[str, Any]:
        """The values with so many layers, and with lists that have an item for each."""
        before, outer = value_at(values, path), path.rpartition(".")[0]
        made = put(dict(values), path, count)
        at = value_at(made, outer) if outer else made
        for key, value in at.items():
            if isinstance(value, list) and value and len(value) == before:
                at[key] = [chance.choice(value) for _ in range(count)]
        return made

    def takes(self, values: Mapping[str, Any]) -> bool:
        """Whether no key has a value of a sort, or a word, that is left out, nor another than the
        one that it is held at."""
        return not any(
            sort in sorts_of(value_at(values, path)) for path, sort in self.left_out
        ) and all(value_at(values, path) in (..., value) for path, value in self.held.items())

    def hold(self, part: str) -> bool:
        """Hold keys of a nested config at what the class has by default: those that its loops may
        go over, and if they are held, all; whether there were any."""
        if not part or part in self.fixed or f"{part}.vocab_size" in self.keys:
            return False  # of the language model itself no size may be held
        ours = [
            path
            for path, key in self.keys.items()
            if path.startswith(f"{part}.") and not (key.part or key.sealed)
        ]
        looped = {path for path in ours if _is_looped(self.keys[path])} - self.held.keys()
        if not looped:
            self.fixed.add(part)
        first = self.first()
        self.held |= {
            path: self.keys[path].default
            for path in looped or ours
            if value_at(first, path) in (..., self.keys[path].default)
        }
        self.left_out = {item for item in self.left_out if item[0] not in ours}
        return True

    def hold_as(self, keys: Mapping[str, Mapping[str, Any]]) -> Space:
        """The space, with the keys held that a plan was proved with one value of."""
        self.held |= {path: proved["only"] for path, proved in keys.items() if "only" in proved}
        return self

    def part_of(self, stem: str) -> str:
        """The path of the nested config that a module is made of; "" is the class's own."""
        return _nearest(self.places, stem)

    def kept_by(self, stem: str) -> str:
        """The path of the nested config that is kept by a module, or by one that it is in."""
        return self.part_of(stem) or _nearest(self.inner, stem)

    def is_fixed(self, stem: str) -> bool:
        """Whether all keys of that nested config are held."""
        return self.kept_by(stem) in self.fixed

    def look_inside(self, model: Any) -> None:
        """Find which modules of a model of the class keep which nested config."""
        for name, module in model.named_modules():
            kept = type(getattr(module, "config", None))
            paths = self.classes.get(kept, [])
            # What its parent keeps as well tells nothing more.
            if name and len(paths) == 1 and paths[0] not in ("", self.kept_by(name)):
                self.inner.append((name, paths[0]))

    def _is_absent(self, values: Mapping[str, Any], names: Sequence[str]) -> bool:
        """Whether a place is in a part that the class can do without, and does."""
        places = (".".join(names[: count + 1]) for count in range(len(names)))
        return any(
            place in self.optional and not isinstance(value_at(values, place), dict)
            for place in places
        )

    def change(
        self, values: Mapping[str, Any], paths: list[str], chance: random.Random
    ) -> dict[str, Any]:
        """The values with other ones at these paths."""
        made: dict[str, Any] = copy.deepcopy(dict(values))
        layers = chance.choice([2, 3, 4, 5, 6, 7])
        for path in paths:
            if path in self.held:
                continue
            key = self.keys[path]
            *outer, last = path.split(".")
            # Among many keys one of it would else be enough to make a part that is not there.
            if len(paths) > 1 and self._is_absent(made, outer):
                continue
            at = made
            for part in outer:
                if not isinstance(at.get(part), dict):
                    at[part] = {}
                at = at[part]
            if key.part:
                if path in self.optional and chance.random() < 0.7:
                    at[last] = chance.choice([None, None, {}, at.get(last) or {}])
                elif chance.random() < 0.1:
                    at.pop(last, None)
                continue
            value = key.sample(chance, _layers(at, layers))
            if value is ...:
                at.pop(last, None)
            else:
                at[last] = value
        return made


def _nearest(places: Sequence[tuple[str, str]], stem: str) -> str:
    inner = [(name, path) for name, path in places if f"{stem}.".startswith(f"{name}.")]
    return max(inner, key=lambda item: len(item[0]), default=("", ""))[1]


def _is_looped(key: Key) -> bool:
    """Whether a key may be what a loop goes over."""
    counts = type(key.default) is int and not is_size(key.path)
    return counts or isinstance(key.default, list)


def sorts_of(value: Any) -> set[str]:
    """What sort of value it is, and ``=word`` for each word in it."""
    return {kind_of(value), *(f"={word}" for word in words_of(value))}


def _taken_as(source: str) -> dict[str, Any]:
    found: dict[str, set[str]] = {}
    for key, value in _TAKEN_AS.findall(source):
        found.setdefault(key, set()).add(value)
    return {key: ast.literal_eval(*values) for key, values in found.items() if len(values) == 1}


def value_at(values: Mapping[str, Any], path: str) -> Any:
    """The value at a path, ``...`` where there is none."""
    found: Any = values
    for key in path.split("."):
        if not isinstance(found, dict) or key not in found:
            return ...
        found = found[key]
    return found


def _layers(values: Mapping[str, Any], default: int) -> int:
    """How long a list with an item for each layer is."""
    for key in ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers"):
        if type(values.get(key)) is int:
            return int(values[key])
    return default


def near(space: Space, chance: random.Random, pool: list[dict[str, Any]]) -> dict[str, Any]:
    """A config near one that the class took, or far from it."""
    start = pool[0] if chance.random() < 0.1 else chance.choice(pool)
    paths = list(space.keys)
    share = chance.choice([0.0, 0.05, 0.1, 0.2, 0.4, 0.8])
    chosen = [path for path in paths if chance.random() < share]
    chosen = chosen or [chance.choice(paths) for _ in range(chance.choice((1, 1, 2, 3)))]
    chance.shuffle(chosen)
    return space.change(start, chosen, chance)


def put(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The values with another one at a path."""
    made = copy.deepcopy(values)
    merge(made, nested(path, value))
    return made


def space_of(model_type: str, name: str) -> Space:
    """The space with its keys' words known."""
    space = Space(model_type, name)
    space.learn_words()
    return space


@contextlib.contextmanager
def watched(space: Space) -> Iterator[None]:
    """Within it, what the code of models reads of configs is added to the space's keys."""
    from transformers import PreTrainedConfig

    original = PreTrainedConfig.__getattribute__
    seen: set[tuple[type, str]] = set()

    def read(self: Any, key: str) -> Any:
        if key[0] != "_" and (type(self), key) not in seen:
            caller = sys._getframe(1).f_globals.get("__name__", "")
            if caller.startswith("transformers.") and not caller.startswith(_ASIDE):
                seen.add((type(self), key))
        return original(self, key)

    PreTrainedConfig.__getattribute__ = read
    try:
        yield
    finally:
        PreTrainedConfig.__getattribute__ = original
        for cls, key in sorted(seen, key=lambda item: (item[0].__name__, item[1])):
            space.add(cls, key)


def is_numbers(value: Sequence[Any]) -> bool:
    """Whether it has whole numbers alone, and some."""
    return bool(value) and all(type(item) is int for item in value)


def is_named_numbers(value: Any) -> bool:
    """Whether it is a few whole numbers by name, and no vocabulary."""
    named = isinstance(value, dict) and len(value) <= _NUMBERS
    return (
        named
        and is_numbers([*value.values()])
        and all(isinstance(key, str) and key.isidentifier() for key in value)
    )


def symbols_in(value: Any, path: str, parts: Mapping[str, str]) -> Any:
    """A config's values with numbers that carry their path."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return Int(value, path)
    if isinstance(value, float):
        return Real(value, path)
    if isinstance(value, list) and is_numbers(value):
        return [Int(item, f"{path}[{place}]") for place, item in enumerate(value)]
    if isinstance(value, dict) and (not path or path in parts or is_named_numbers(value)):
        return {
            key: symbols_in(item, f"{path}.{key}" if path else key, parts)
            for key, item in value.items()
        }
    return value
