"""What a live class keeps under many configs: the witnesses that a cache plan is tried against.

The first are the class's defaults, made small, bare and spelled out; then real configs of the type,
where there are any; then random ones, in which each key that the class was seen to read is varied
with others and alone. Each runs for lengths below, at and above its windows, which are made so
short that few tokens fill them.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hfkv.generate.meta_kernels import compiled_shapes
from hfkv.generate.plan_builds import timed, without_values
from hfkv.generate.plan_configs import Space, near, put, space_of, value_at, watched
from hfkv.generate.plan_keys import Key
from tests.census.runnable import RUNNABLE, stand_in_for_timm

__all__ = ["ENCODER", "FEW_LENGTHS", "Class", "Held", "Trial"]

#: What each layer holds: (tensor name, shape, dtype's name of torch) in order.
Held = list[list[tuple[str, tuple[int, ...], str]]]

#: Layers of a small model, for a pattern of period four, or else of eight.
_FEW = (4, 8)
_COUNTS = (
    "num_hidden_layers n_layer n_layers num_layers num_blocks decoder_layers encoder_layers "
    "num_decoder_layers num_encoder_layers depth"
).split()
#: Parts of names of windows, and what they are made.
_WINDOWS = ("window", "chunk_size", "local_attention")
_WINDOW = 9
#: Lengths that every config is run for: short of the windows, at them and beyond.
_LENGTHS = (3, _WINDOW, 24)
#: Of random configs only these.
FEW_LENGTHS = (_WINDOW, 24)
#: And of models with all of their layers this one, and how many seconds they may take: what begins
#: at a layer that a small model does not have is seen only there (a loop from the sixth to the
#: eighteenth).
_ONE_LENGTH = (3,)
_LONG = 120
_LENGTHS_OF = {
    "alone": FEW_LENGTHS,
    "together": FEW_LENGTHS,
    "whole": _ONE_LENGTH,
    "real whole": _ONE_LENGTH,
}
#: How often another value of a key is tried.
_WAYS = 4
#: Every class's cache reads which layers slide, also where the class knows of none.
_LAYER_TYPES = (("sliding_attention",), ("full_attention", "sliding_attention"))
#: The length of an encoder's output.
ENCODER = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One config that the class took, and what it then kept.

    Attributes:
        raw: the whole file.
        origin: ``whole`` (the default with all of its layers), ``default`` (made small), ``bare``,
            ``real`` (the same of it), ``real whole``, ``alone`` or ``together``.
        changed: paths of the keys that are not as in the small default.
        held: tokens to what every layer kept.
        encoder: the length of the encoder's output that it attends to; None where to none.
    """

    raw: Mapping[str, Any]
    origin: str
    changed: tuple[str, ...]
    held: Mapping[int, Held]
    encoder: int | None


@dataclass(slots=True)
class Class:
    """A text-generating class, with the configs it was tried with.

    Attributes:
        space: its configs.
        base: of the small default, spelled out.
        bare: of the same, as far as a file must say it.
        refused: how many configs it could not be built or run with.
        varied: paths of keys that were another value in some config that it took.
        alone: those of them of which that was so with no other key.
        pool: configs that it took, from which others are made.
    """

    model_type: str
    name: str
    seed: int = 1
    space: Space = field(init=False)
    base: dict[str, Any] = field(init=False)
    bare: dict[str, Any] = field(init=False)
    refused: int = 0
    varied: set[str] = field(default_factory=set)
    alone: set[str] = field(default_factory=set)
    pool: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        compiled_shapes()
        stand_in_for_timm()
        self.space = space_of(self.model_type, self.name)
        self.base = {}
        self.bare = {}

    @property
    def unvaried(self) -> list[str]:
        """Keys that the class reads and that no config varied: it takes no other value, or none
        was tried."""
        return sorted(self._own - self.varied)

    @property
    def _own(self) -> set[str]:
        """Paths of keys that a file may say something of."""
        keys = self.space.keys.items()
        return {path for path, key in keys if not key.part and not key.sealed}

    def trials(
        self, *, count: int, real: Sequence[Mapping[str, Any]] = (), alone: Iterable[str] = ()
    ) -> Iterator[Trial]:
        """The defaults, the real configs, and ``count`` random ones, as far as it takes them.

        Args:
            alone: keys that plans read, also if the class does not.
        """
        # A few classes run under no default of theirs; what was published stands in for it.
        runs = [RUNNABLE[key] for key in (self.name, self.model_type) if key in RUNNABLE]
        for start in (self.space.first(), *map(self.space.inside, (*runs, *real))):
            yield from self._defaults(start)
            if self.base:
                break
        else:
            return
        for raw in real:
            yield from self._tried(_small(raw, _FEW[-1]), "real", ())
            yield from self._tried(raw, "real whole", ())
        words = self.space.words
        for path in alone:
            inside = path.rpartition(".")[0]
            if path not in self.space.keys and (not inside or inside in self.space.parts):
                self.space.keys[path] = Key(path=path, default=None, types=frozenset(), words=words)
        chance = random.Random(f"{self.model_type} {self.name} {self.seed}")
        self.pool = [self.base]
        # What a spelled out list settles, a plan may read another key for where there is none.
        for start in (self.base, self.bare):
            for path in (path for path in alone if path in self.space.keys):
                yield from self._alone(path, chance, start)
        yield from self._beside_null(chance)
        for _ in range(count):
            values = self.guess(chance)
            found = list(self.tried(values, "together"))
            if found and len(self.pool) < 40:
                self.pool.append(values)
            yield from found
        # What many other changes go with may hide what this one does.
        for path in sorted(self._own - self.alone):
            yield from self._alone(path, chance, self.base)

    def _beside_null(self, chance: random.Random) -> Iterator[Trial]:
        """Each key varied where a file leaves null what it may: that a class takes from other keys,
        of which it read nothing before (Moonshine's heads are its encoder's)."""
        start = self.base
        for path in sorted(self._own):
            if self.space.keys[path].nullable and value_at(self.base, path) not in (..., None):
                # Null is not the only other value that each is to have alone.
                raw = self.space.wrap(put(self.base, path, None))
                found = list(self._tried(raw, "together", ()))
                start = put(start, path, None) if found else start
                yield from found
        if start is self.base or not (found := list(self.tried(start, "together"))):
            return
        yield from found
        self.pool.append(start)
        for path in sorted(self._own):
            values = _short(self.space.change(start, [path], chance), self.space)
            yield from self.tried(values, "together")

    def guess(self, chance: random.Random) -> dict[str, Any]:
        """A random config near one that the class took, which it need not take."""
        return _short(near(self.space, chance, self.pool), self.space)

    def tried(self, values: Mapping[str, Any], origin: str) -> Iterator[Trial]:
        """Values of the class's own config, if it takes them."""
        yield from self._tried(self.space.wrap(values), origin, self._changed(values))

    def _alone(self, path: str, chance: random.Random, start: Mapping[str, Any]) -> Iterator[Trial]:
        """One key left out, made null, and varied: in a few ways if the class takes the first ones
        not."""
        if value_at(start, path) not in (..., None):
            left_out = _without(start, path)
            yield from self._tried(self.space.wrap(left_out), "alone", (path,))
            if self.space.keys[path].nullable:
                yield from self._tried(self.space.wrap(put(left_out, path, None)), "alone", (path,))
        yield from self._by_layer(path, start)
        is_set = value_at(start, path)
        for way in range(_WAYS):
            if way == 0 and type(is_set) is bool:
                values = put(dict(start), path, not is_set)
            else:
                values = _short(self.space.change(start, [path], chance), self.space)
            changed = self._changed(values)
            if not changed or value_at(values, path) in (..., None):
                continue
            found = list(self._tried(self.space.wrap(values), "alone", changed))
            yield from found
            if found:
                return

    def _by_layer(self, path: str, start: Mapping[str, Any]) -> Iterator[Trial]:
        """Every word of the class in a list of words by layer, for all layers and for some; and
        layers that slide, of which it may know nothing, over a length that few tokens exceed."""
        inside, _, name = path.rpartition(".")
        part = value_at(start, inside) if inside else start
        if not isinstance(part, Mapping):
            return
        count = next((part[key] for key in _COUNTS if type(part.get(key)) is int), 0)
        known = part.get(name)
        tried: list[tuple[str, ...]] = []
        if isinstance(known, list) and known and all(type(word) is str for word in known):
            count = len(known)
            tried += [pair for word in self.space.words for pair in ((word,), (known[0], word))]
        if name == "layer_types":
            tried += _LAYER_TYPES
        for words in dict.fromkeys(tried):
            kinds = [words[number % len(words)] for number in range(count)]
            values = put(dict(start), path, kinds)
            if words in _LAYER_TYPES:
                values = put(values, f"{inside}.sliding_window".strip("."), _WINDOW)
            yield from self._tried(self.space.wrap(values), "alone", self._changed(values))

    def _defaults(self, start: Mapping[str, Any]) -> Iterator[Trial]:
        whole = self.space.saved(start)
        if whole is None:
            return
        yield from self._tried(self.space.wrap(whole), "whole", ())
        for layers in (*_FEW, None):
            base = whole if layers is None else _few(whole, layers)
            spelled = self.space.saved(_short(base, self.space)) or base
            found = list(self._tried(self.space.wrap(spelled), "default", ()))
            if found:
                self.base = spelled
                yield from found
                # What the file does not say takes the class's defaults, of many layers and wide.
                bare = dict(start)
                for path, key in self.space.keys.items():
                    value, name = value_at(spelled, path), path.rpartition(".")[2]
                    if name in _COUNTS and value == layers:
                        bare = put(bare, path, value)
                    # A window of the class that a switch takes away is short where it is not.
                    elif _is_window(name) and (
                        value == _WINDOW or (type(key.default) is int and key.default > _WINDOW)
                    ):
                        bare = put(bare, path, _WINDOW)
                self.bare = bare
                yield from self._tried(self.space.wrap(bare), "bare", ())
                return

    def _changed(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(
            path
            for path, key in self.space.keys.items()
            if not key.part and value_at(values, path) != value_at(self.base, path)
        )

    def _tried(
        self, raw: Mapping[str, Any], origin: str, changed: tuple[str, ...]
    ) -> Iterator[Trial]:
        lengths = _LENGTHS_OF.get(origin, _LENGTHS)
        seconds = {"seconds": _LONG} if lengths is _ONE_LENGTH else {}
        made = timed(lambda: self.kept(raw, lengths), **seconds)
        if made is None:
            self.refused += 1
            return
        held, encoder = made
        self.varied.update(changed)
        if len(changed) == 1:
            self.alone.update(changed)
        yield Trial(raw=raw, origin=origin, changed=changed, held=held, encoder=encoder)

    def kept(
        self, raw: Mapping[str, Any], lengths: Iterable[int]
    ) -> tuple[dict[int, Held], int | None]:
        """What the class keeps under a config, at every length.

        Raises:
            Exception: whatever the class raises.
        """
        from hfkv.live.build import build, config_of
        from hfkv.live.filled_cache import read_cache, run
        from hfkv.live.inputs import attends_to_an_encoder

        with watched(self.space), without_values():
            model = build(config_of(copy.deepcopy(dict(raw))), name=self.name)
            encoder = ENCODER if attends_to_an_encoder(model) else None
            held = {
                tokens: read_cache(run(model, tokens, encoder_tokens=encoder)) for tokens in lengths
            }
        return held, encoder


def _few(values: dict[str, Any], layers: int) -> dict[str, Any]:
    """The values with so many layers at most in every part, and lists by layer cut alike."""
    made: dict[str, Any] = {}
    counts = [value for key, value in values.items() if key in _COUNTS and type(value) is int]
    for key, value in values.items():
        if key in _COUNTS and type(value) is int:
            made[key] = min(value, layers)
        elif isinstance(value, dict) and value and all(name.isdigit() for name in value):
            made[key] = {name: item for name, item in value.items() if int(name) < layers}
        elif isinstance(value, dict):
            made[key] = _few(value, layers)
        elif isinstance(value, list) and len(value) in counts and len(value) > layers:
            made[key] = value[:layers]
        elif isinstance(value, list) and "layer" in key and all(type(i) is int for i in value):
            made[key] = [item for item in value if item < layers]
        else:
            made[key] = value
    shared = made.get("num_kv_shared_layers")
    if isinstance(shared, int) and shared >= layers:
        made["num_kv_shared_layers"] = layers // 4 + 1
    return made


def _without(values: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The values without a key."""
    made = copy.deepcopy(dict(values))
    *outer, last = path.split(".")
    at: Any = made
    for key in outer:
        at = at[key]
    at.pop(last)
    return made


def _small(raw: Mapping[str, Any], layers: int) -> dict[str, Any]:
    """A real config as small as its class bears: few layers, short windows."""
    copied: dict[str, Any] = json.loads(json.dumps(dict(raw)))
    return _narrow(_few(copied, layers))


def _narrow(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _narrow(value)
        if isinstance(value, dict)
        else _WINDOW
        if type(value) is int and value > _WINDOW and _is_window(key)
        else value
        for key, value in values.items()
    }


def _is_window(name: str) -> bool:
    """Whether a key is a window, by its name."""
    return any(part in name for part in _WINDOWS)


def _short(values: dict[str, Any], space: Space) -> dict[str, Any]:
    """The values with windows that few tokens fill."""
    made = values
    for path in space.keys:
        name, value = path.rpartition(".")[2], value_at(values, path)
        if type(value) is int and value > 24 and _is_window(name):
            made = put(made, path, _WINDOW)
    return made
