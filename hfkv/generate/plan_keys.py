"""Random values of a config's keys, of every sort that a class may take."""

from __future__ import annotations

import contextlib
import copy
import random
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["OTHER_WORD", "Key", "is_size", "weighty_activations"]

#: Names of numbers that stand for sizes, whatever their defaults, and of those that count.
_SIZES = re.compile(r"dim|size|width|rank|vocab|embd|n_positions|ffn|inner|channels|max_|_len")
_HEADS = re.compile(r"head(s|)($|_)|_heads|n_head|num_head")
_NAMED = re.compile(r"_(id|idx|index)$")
_PAIRS = re.compile(r"(image|patch|kernel|window|pool|tile)\w*_size$|stride")
_COUNTED = re.compile(r"layer|depth|block|expert|group|stack|dense|period|offset|^num_|^n_")
#: Stands for every word that the code of a class does not name.
OTHER_WORD = "no-word-of-this-code"
#: Of keys that nothing declares: those that turn something on, those that are a part of something,
#: and those that name each layer.
_FLAGS = re.compile(r"^(use|is|has|tie|enable|no)_|_bias$|_norm$")
#: Words of annotations that are no values.
_TYPES = frozenset(
    "Literal None NoneType Optional Union typing str int float bool list dict".split()
)
_SHARES = re.compile(r"(_factor|_pct|_ratio)$")
_LISTS = re.compile(r"types?$|ratios$|freq$|pattern|indices|_ids$|_idx$|^layers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a class's config.

    Attributes:
        path: from the class's own config.
        default: the class's.
        types: names in its annotation; empty where the class does not declare it.
        words: strings that the class's code compares values with.
        part: whether it is a nested config.
        sealed: whether the class works it out, and takes no value.
        switch: whether the code asks if it is true, so that zero is none of it.
        letters: those that stand for kinds of layers in it; "" where it is no word of letters.
        numbers: those that stand for kinds of layers in the class's code, where the key may be a
            list of them.
    """

    path: str
    default: Any
    types: frozenset[str]
    words: tuple[str, ...]
    part: bool = False
    sealed: bool = False
    switch: bool = False
    letters: str = ""
    numbers: tuple[int, ...] = ()

    @property
    def nullable(self) -> bool:
        """Whether it may be null."""
        return not self.part and (self.default is None or "None" in self.types)

    def sample(self, chance: random.Random, layers: int) -> Any:
        """A value, ``...`` for none at all; one that the class may well refuse."""
        if self.part or self.sealed or chance.random() < 0.12:
            return ...
        if self.nullable and chance.random() < 0.3:
            return None
        sorts = [sort for sort in self._sorts() if sort]
        return self._of(chance.choice(sorts), chance, layers) if sorts else ...

    def spoken(self) -> list[Any]:
        """The words that it may be; none where it is no word."""
        if self.part or self.sealed or not {*self._sorts()} & {"str"}:
            return []
        words = [*self.words, *sorted(self.types - _TYPES if "Literal" in self.types else ())]
        if _is_activation(self.default):
            words = [*_activations(), *(word for word in words if _is_activation(word))]
            weighty = weighty_activations()
            if self.default.rpartition("-")[2] not in weighty:
                # What has parameters of its own is seldom meant, and is a branch in each tree.
                words = [word for word in words if word.rpartition("-")[2] not in weighty]
        return [*dict.fromkeys(words), OTHER_WORD]

    def alone(self, layers: int) -> list[Any]:
        """Values of sorts that chance may leave out: null, numbers that need not be whole, words
        of one letter, lists of nothing and of each kind of layer."""
        if self.part or self.sealed:
            return []
        found: list[Any] = [None] if self.nullable else []
        sorts = {*self._sorts()}
        if "float" in sorts:
            found += [0.25, 1, 0]
        if "letters" in sorts:
            found += [letter * layers for letter in self.letters]
        if sorts & {"list", "tuple"}:
            found += [[], *([number] * layers for number in self.numbers)]
        if sorts & {"list", "tuple"} and self._start_is_wordy():
            usual = [*(self.default or ()), "full_attention"]
            for word in (*dict.fromkeys((*usual, *_layer_kinds())), OTHER_WORD):
                found.append([word] * layers)
                found.append([(word, usual[at % len(usual)])[at % 2] for at in range(layers)])
            found += [[word] * layers for word in self.words]
        return found

    def _start_is_wordy(self) -> bool:
        start = self.default if isinstance(self.default, (list, tuple)) else ()
        return all(isinstance(item, str) for item in start) if start else "str" in self.types

    def _sorts(self) -> list[str]:
        name = self.path.rpartition(".")[2]
        if self.letters:
            return ["letters"]
        if (name.startswith("rope_") and "dict" in self.types) or name == "rope_scaling":
            return ["rope"]
        if "rope" in name and not self.types:
            return ["float", "int", *(["rope"] if name == "rope_parameters" else [])]
        found = [type(self.default).__name__] if self.default is not None else []
        found += [sort for sort in ("int", "float", "bool", "str", "list") if sort in self.types]
        found += ["str"] if "Literal" in self.types else []
        if not found and not self.types:
            found = _undeclared(name)
        return found

    def _of(self, sort: str, chance: random.Random, layers: int) -> Any:
        name = self.path.rpartition(".")[2]
        if sort == "bool":
            return chance.random() < 0.5
        if sort == "float":
            return chance.choice([0.25, 0.5, 1.0, 2.0, 0.0, 0, 1, self.default or 0.1])
        if sort == "int" and self.switch and chance.random() < 0.15:
            return 0
        if sort == "int":
            return _int(name, self.default, chance)
        if sort == "str":
            return chance.choice([*self.spoken(), *([self.default] * 3 if self.default else [])])
        if sort == "letters":
            few = chance.sample(self.letters, chance.randint(1, len(self.letters)))
            return "".join(chance.choice(few) for _ in range(layers))
        if sort == "rope":
            return copy.deepcopy(chance.choice(_ROPES))
        if sort in ("list", "tuple"):
            return self._list(chance, layers)
        return ...

    def _list(self, chance: random.Random, layers: int) -> Any:
        start = list(self.default) if isinstance(self.default, (list, tuple)) else []
        if any(isinstance(item, (dict, list)) for item in start):
            return _others(start, chance) if chance.random() < 0.6 else start
        name = self.path.rpartition(".")[2]
        if self.numbers and chance.random() < 0.7:
            return [chance.choice(self.numbers) for _ in range(layers)]
        if _PAIRS.search(name):
            # Height and width; of another number of them most classes make no sense.
            large = "image" in name or "tile" in name
            return [24 * chance.randint(1, 16) if large else chance.randint(1, 16) for _ in "hw"]
        ways = (
            ["words"] * 2 if self._start_is_wordy() else ["some", "each", "flags", "start", "sizes"]
        )
        way = chance.choice(ways)
        negative = any(
            type(item) is int and item < 0 for item in (*start, *([] if start else [self.default]))
        )
        if negative and chance.random() < 0.6:
            # Places counted from the end.
            return [chance.choice([-4, -3, -2, -1, 0, 1]) for _ in range(chance.randint(1, 4))]
        if way == "words":
            words = [*start, *_layer_kinds(), *self.words]
            few = [chance.choice(words) for _ in range(chance.choice((1, 2, 2, 3)))]
            return [chance.choice(few) for _ in range(layers)]
        if way == "some":
            return [number for number in range(layers) if chance.random() < 0.4]
        if way == "flags":
            return [chance.choice([0, 1]) for _ in range(layers)]
        length = len(start) if way == "start" else layers
        large = any(type(item) is int and item > 15 for item in start) or way == "sizes"
        return [
            24 * chance.randint(1, 12) if large else chance.randint(0, 4) for _ in range(length)
        ]


def _others(value: Any, chance: random.Random) -> Any:
    """A list of lists with other numbers in it; what holds more is left as it is."""
    if isinstance(value, (list, tuple)):
        return [_others(item, chance) for item in value]
    return chance.randint(1, 8) if type(value) is int else value


def is_size(path: str) -> bool:
    """Whether a key's name says that it is a width, a vocabulary or a number of heads."""
    name = path.rpartition(".")[2]
    return bool(_SIZES.search(name) or _HEADS.search(name)) and not name.startswith("num_hidden")


def _undeclared(name: str) -> list[str]:
    """Sorts of value of a key that no field declares; a file with any other is refused."""
    if _FLAGS.search(name):
        return ["bool"]
    if _LISTS.search(name):
        return ["list", "str", "int"]
    if _SHARES.search(name):
        return ["float", "int"]
    if is_size(name) or _COUNTED.search(name):
        return ["int"]
    return ["int", "int", "bool", "float", "list", "str"]


def _int(name: str, default: Any, chance: random.Random) -> int:
    small = chance.choice([0, 1, 1, 2, 2, 3, 4, 4, 5, 6, 8])
    if _NAMED.search(name):
        return chance.choice([-1, 0, 1, 5, 11])
    if name == "rope_theta":
        return chance.choice([10_000, 1_000_000])
    sized = bool(_SIZES.search(name)) and not name.startswith("num_")
    if sized and (not isinstance(default, int) or default >= 12):
        return 24 * chance.randint(1, 16) if chance.random() < 0.95 else small
    if _HEADS.search(name):
        return chance.choice([1, 2, 2, 4, 4, 8, 3, 6, 12])
    if _COUNTED.search(name) or (isinstance(default, int) and default < 12):
        return small
    return chance.choice([small, 24 * chance.randint(1, 16)])


_ROPES: tuple[Any, ...] = (
    ...,
    ...,
    {"rope_type": "default", "rope_theta": 10000.0},
    {"rope_type": "linear", "rope_theta": 5e5, "factor": 2.0},
    {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0},
    {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4096},
    {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
    {
        "rope_type": "llama3",
        "rope_theta": 10000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 512,
    },
)


@cache
def _activations() -> list[str]:
    from transformers.activations import ACT2FN

    return list(ACT2FN)


@cache
def weighty_activations() -> list[str]:
    """Names of activations that have parameters of their own."""
    from transformers.activations import ACT2FN

    def has_some(name: str) -> bool:
        with contextlib.suppress(Exception):
            return any(True for _ in ACT2FN[name].parameters())
        return False

    return [name for name in _activations() if has_some(name)]


def _is_activation(value: Any) -> bool:
    """Whether it names an activation, or one with a gate: ``gated-gelu``."""
    return isinstance(value, str) and value.rpartition("-")[2] in _activations()


def _layer_kinds() -> list[str]:
    """The kinds of layers that transformers knows, and what it called them before."""
    from transformers import configuration_utils as utils

    former = getattr(utils, "_LEGACY_LAYER_TYPE_REMAP", {})
    return [*dict.fromkeys(("conv", "sparse", "dense", *utils.ALLOWED_LAYER_TYPES, *former))]
