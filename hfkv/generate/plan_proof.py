"""Trying to refute a plan: configs that are made so that each of its leaves is borne out."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hfkv.errors import HfkvError, UnsupportedError
from hfkv.generate.plan_builds import plain
from hfkv.generate.plan_configs import Space, near, put, value_at
from hfkv.generate.plan_held import Held, differs, held_by
from hfkv.generate.plan_keys import OTHER_WORD
from hfkv.generate.plan_views import View, leaves_of, shape_of, tests_of, trees_of
from hfkv.modules.class_plan import (
    ANY_WORD,
    UNPROVED,
    ClassPlan,
    UnprovedError,
    kind_of,
    seen_as,
    words_of,
)

__all__ = ["Memory", "Proof", "prove", "pruned", "seen_keys"]

Values = dict[str, Any]


@dataclass(slots=True)
class Memory:
    """What was shown to the class in earlier proofs of its plans.

    Attributes:
        shown: configs that no plan was learned from, with what the class made of them.
        aimed: those of them that were made for a leaf of a tree.
        alone: keys, and keys with a word, that were shown by themselves.
    """

    shown: list[tuple[Values, Held]] = field(default_factory=list)
    aimed: list[Values] = field(default_factory=list)
    alone: set[Any] = field(default_factory=set)


def prove(
    space: Space,
    content: Mapping[str, Any],
    pool: list[Values],
    chance: random.Random,
    count: int,
    memory: Memory,
    *,
    stored: bool = False,
) -> Proof:
    """Try to refute a plan.

    Args:
        pool: configs that the class takes.
        count: how many random configs must bear the plan out, beside those that are aimed at it.
        memory: of earlier proofs, which is added to. What refutes this plan is forgotten: the next
            one is learned from it.
        stored: whether it was proved before, of another release, and so says for which values;
            then each thing is shown once, where a plan that was just learned is shown it beside
            several configs.
    """
    said = content if stored else {**content, "keys": {}, "parts": {}}
    plan = ClassPlan.parse(space.name, said)
    proof = Proof(space, plan, memory, stored=stored)
    proof.recall()
    if proof.wrong:
        return proof
    proof.show(space.first())
    proof.show(pool[0])
    _singly(proof, pool, chance)
    known = len(proof.good)
    for _ in range(12 * count):
        if len(proof.good) >= known + count or len(proof.wrong) >= _ENOUGH:
            break
        values = near(space, chance, [*pool, *proof.good[-40:]])
        if proof.show(values) and chance.random() < 0.3:
            proof.show(space.saved(values) or values)
    if not proof.wrong and len(proof.good) < known + count:
        proof.reason = "too few of the configs that were tried can be built"
    if not proof.wrong:
        _aim(proof, content, pool, chance)
    return proof


#: Counterexamples after which a plan need not be refuted further.
_ENOUGH = 40
#: How often each leaf of each tree must be borne out, and how many configs are tried for it.
_HITS, _TRIES = 5, 300
#: How many configs of many layers are shown for each key that says how many.
_DEEP = 7
#: How often, and how many, of a plan that was proved before.
_HITS_AGAIN, _DEEP_AGAIN = 2, 2
#: Tests of an index by the numbers of keys.
_PLACED = ("every", "phase", "after", "below")
#: Tests of what a list has.
_OF_ITEMS = ("item", "turn", "has")
#: How often a word is shown beside all else that a tree reads.
_BESIDE = 4
#: How many of them are built.
_BUILT = 30


class Proof:
    """What came of showing configs to the class and to its plan.

    Attributes:
        wrong: configs that refute the plan.
        good: those that bear it out.
        reason: what is wrong with the first of them, or "".
        built: how many models were built.
        proved: groups of like trees, by their shape, to the leaves that were borne out.
        silent: the error by which the plan claims nothing of a config.
        stored: whether it was proved before.
    """

    def __init__(self, space: Space, plan: ClassPlan, memory: Memory, *, stored: bool) -> None:
        self.space, self.plan, self.memory, self.stored = space, plan, memory, stored
        # Of values that a proved plan was not proved with it says so; one being learned takes all.
        self.silent: type[HfkvError] = UnsupportedError if stored else UnprovedError
        self.wrong: list[Values] = []
        self.good: list[Values] = []
        self.reason = ""
        self.proved: dict[str, Counter[str]] = {}
        self.built = 0

    def recall(self) -> None:
        """Judge the plan by all that was shown before."""
        shown, self.memory.shown = self.memory.shown, []
        for values, held in shown:
            if self.space.takes(values):
                self._judge(values, held)

    def show(self, values: Values) -> bool:
        """Whether the class takes it and the plan is right."""
        model = plain(self.space, values) if self.space.takes(values) else None
        if model is None:
            return False
        self.built += 1
        return self._judge(values, held_by(model))

    def _judge(self, values: Values, held: Held) -> bool:
        try:
            said = differs(self.space.wrap(values), held, self.plan)
        except self.silent:
            self.memory.shown.append((values, held))
            return False  # the plan claims nothing of it
        except HfkvError as error:
            said = str(error)
        if said:
            self.reason = self.reason or said
            self.wrong.append(values)
        else:
            self.memory.shown.append((values, held))
            self.good.append(values)
        return not said


def _singly(proof: Proof, pool: list[Values], chance: random.Random) -> None:
    """Show each key by itself, and each word that a key was seen with, once over all proofs."""
    space, alone = proof.space, proof.memory.alone
    for place, path in enumerate(list(space.keys)):
        if path in alone:
            continue
        alone.add(path)
        usual = [space.first()] if place % 4 == 0 else []
        for start in _of(proof, chance, pool[0], chance.choice(pool), *usual):
            proof.show(space.change(start, [path], chance))
    for path, key in list(space.keys.items()):
        for word in key.spoken():
            if word is ... or (path, word) in alone:
                continue
            alone.add((path, word))
            # By itself, where the class fills in all that hangs on it, and beside other values.
            first, other = (put(start, path, word) for start in (pool[0], chance.choice(pool)))
            for values in _of(proof, chance, first, other, space.saved(first) or first):
                proof.show(values)
    for path in list(space.keys):
        if (path, "alone") not in alone:
            alone.add((path, "alone"))
            for start in _of(proof, chance, pool[0], chance.choice(pool)):
                for value in space.alone(start, path):
                    proof.show(put(start, path, value))
    # A pattern over the layers of random configs, which have few, may be of these alone.
    for path in space.depths():
        if (path, "deep") not in alone:
            alone.add((path, "deep"))
            for start in (pool[0], *chance.choices(pool, k=_DEEP_AGAIN if proof.stored else _DEEP)):
                values = space.deeper(start, path, chance.randint(17, 40), chance)
                proof.show(values)
                if chance.random() < 0.3:
                    proof.show(space.saved(values) or values)


def _of(proof: Proof, chance: random.Random, *every: Values) -> Sequence[Values]:
    """What something is shown beside: all of these, or, to a plan that was proved before, one."""
    return [chance.choice(every)] if proof.stored else every


def _aim(
    proof: Proof, content: Mapping[str, Any], pool: list[Values], chance: random.Random
) -> None:
    """Bear out each leaf of each tree by configs made for it, with all that it reads at random."""
    space = proof.space
    groups: dict[str, tuple[Any, set[str], set[str]]] = {}
    for tree, pattern in trees_of(content):
        if isinstance(tree, Mapping):
            key = shape_of(tree)
            _, patterns, words = groups.setdefault(key, (tree, set(), set()))
            patterns.add(pattern)
            # What depends on an index is to be seen with more and with fewer of them.
            lengths = [part for name, part in content["lengths"].items() if name in pattern]
            words.update(re.findall(r"[\w.]+", json.dumps([tree, lengths])))
    bases = [*pool, *proof.good]
    # What was aimed at earlier plans, and bears this one out, need not be built again.
    kept = [values for values in proof.memory.aimed if values in proof.good]
    proof.memory.aimed = kept
    aimed = [view for values in kept if (view := View.of(space, proof.plan, values))]
    others: list[View] = []
    for key, (tree, patterns, words) in groups.items():
        paths = sorted(words & space.keys.keys())
        tests = list(tests_of(tree))
        _worded(proof, tests, paths, bases, chance)
        hits = proof.proved.setdefault(key, Counter())

        for view in aimed:
            hits.update(view.leaves(tree, patterns))
        for leaf in leaves_of(tree):
            tries = built = 0
            while (
                hits[leaf] < (_HITS_AGAIN if proof.stored else _HITS)
                and tries < _TRIES
                and built < _BUILT
            ):
                if len(proof.wrong) >= _ENOUGH:
                    return
                tries += 1
                values = _aimed(space, tests, paths, chance.choice(bases), chance)
                view = View.of(space, proof.plan, values)
                if view is None or leaf not in view.leaves(tree, patterns):
                    continue
                before = proof.built
                if proof.show(values):
                    proof.memory.aimed.append(values)
                    hits.update(view.leaves(tree, patterns))
                built += proof.built - before
            if not hits[leaf]:
                # The class takes few such configs; those that it took by chance bear it out too.
                others = others or [
                    v for item in proof.good if (v := View.of(space, proof.plan, item))
                ]
                borne = (leaf in view.leaves(tree, patterns) for view in others)
                hits[leaf] = sum(itertools.islice(filter(None, borne), _HITS))


def _worded(
    proof: Proof, tests: list[Any], paths: list[str], bases: list[Values], chance: random.Random
) -> None:
    """Show each word, and each number, that a list may have for every place with all that a tree
    reads beside it at random: a class may take what it does not name for what it does."""
    space, alone = proof.space, proof.memory.alone
    asked = {test[1 if test[0] == "has" else 2] for test in tests if test[0] in _OF_ITEMS}
    for path in sorted(asked & {*paths}):
        others = [other for other in paths if other != path]
        for value in space.alone(bases[0], path):
            said = _said(value)
            if len(said) != 1 or (path, *others, *said) in alone:
                continue
            alone.add((path, *others, *said))
            for _ in range(_BESIDE):
                values = space.change(chance.choice(bases), others, chance)
                fitting = (item for item in space.alone(values, path) if _said(item) == said)
                proof.show(put(values, path, next(fitting, value)))


def _said(value: Any) -> set[Any]:
    """The words, or the numbers, that a list has."""
    numbers = value if isinstance(value, list) and kind_of(value) == "ints" else ()
    return {*words_of(value), *numbers}


def _aimed(
    space: Space, tests: list[Any], paths: list[str], start: Values, chance: random.Random
) -> Values:
    # With every key at random a class with many demands takes hardly any config.
    share = chance.choice((0.3, 0.6, 1.0, 1.0))
    values = space.change(start, [path for path in paths if chance.random() < share], chance)
    for test in tests:
        if test[0] in ("is", "over") and chance.random() < 0.5:
            value = test[2] + 1 if test[0] == "over" else test[2]
            values = put(values, test[1], value)
        elif test[0] in _PLACED and chance.random() < 0.5:
            # Only small numbers tell a period or a bound from a number that is just large.
            for key in re.findall(r"[\w.]+", json.dumps(test[2:])):
                if key in space.keys:
                    values = put(values, key, chance.randint(1, 3))
        elif test[0] == "same" and chance.random() < 0.5:
            same = value_at(values, test[2])
            values = values if same is ... else put(values, test[1], same)
    return values


def pruned(content: Mapping[str, Any], proof: Proof) -> dict[str, Any]:
    """The plan with the leaves that nothing bore out marked as such."""

    def mark(tree: Any, hits: Mapping[str, int], path: str = "") -> Any:
        if not isinstance(tree, Mapping):
            return tree if hits.get(path) else UNPROVED
        return {
            "if": tree["if"],
            "then": mark(tree["then"], hits, path + "t"),
            "else": mark(tree["else"], hits, path + "e"),
        }

    def done(tree: Any) -> Any:
        if not isinstance(tree, Mapping):
            return tree
        return mark(tree, proof.proved[shape_of(tree)])

    return {
        **content,
        "filled": {
            key: {what: done(tree) for what, tree in made.items()}
            for key, made in content["filled"].items()
        },
        "lengths": {name: done(tree) for name, tree in content["lengths"].items()},
        "tied": {name: done(tree) for name, tree in content["tied"].items()},
        "input": done(content["input"]),
        "output": done(content["output"]),
        "trees": [done(tree) for tree in content["trees"]],
    }


def seen_keys(
    space: Space, content: Mapping[str, Any], found: list[dict[str, Any]]
) -> dict[str, Any]:
    """What sorts of value each key had in these configs, and which words."""
    keys: dict[str, Any] = {}
    asked = OTHER_WORD in json.dumps(content)
    for path in sorted(space.keys):
        values = [value_at(item, path) for item in found]
        if path in space.letters:
            values = [list(value) if isinstance(value, str) else value for value in values]
        strings = {value for value in values if isinstance(value, str)}
        strings.update(*(value for value in values if kind_of(value) == "strs"))
        kinds = {seen_as(value) for value in values}
        # Of a word that the code asks for, and that was not tried, it would be a guess.
        if OTHER_WORD in strings and space.all_words and not asked:
            kinds.add(ANY_WORD)
        keys[path] = {"kinds": sorted(kinds)}
        if path in space.held:
            keys[path]["only"] = space.held[path]
        if strings := strings - {OTHER_WORD}:
            keys[path]["strings"] = sorted(strings)
    return keys
