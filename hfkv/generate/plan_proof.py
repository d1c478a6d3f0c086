"""Whether a plan comes to what the class really has, module by module."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

from hfkv.errors import HfkvError
from hfkv.facts.config import Config
from hfkv.generate.module_rows import kind_and_marks
from hfkv.generate.plan_builds import plain
from hfkv.generate.plan_configs import Space, near, put, value_at
from hfkv.live.embeddings import name_of
from hfkv.modules.class_plan import (
    UNPROVED,
    ClassPlan,
    Indices,
    UnprovedError,
    holds,
    kind_of,
    planned,
    reader,
)
from hfkv.modules.table import own_config

__all__ = ["Proof", "difference", "prove", "pruned", "seen_keys"]


def difference(raw: Mapping[str, Any], model: Any, plan: ClassPlan) -> str:
    """What of the model differs from what the plan says of its config file; "" where nothing."""
    config = own_config(Config(json.loads(json.dumps(raw)), where="config.json"))
    built = planned(plan, config, model_type=model.config.model_type)
    mine = {
        item.name: (item.kind, dict(item.parameters), item.transposed, item.groups)
        for item in built.modules
    }
    theirs: dict[str, Any] = {}
    loose: dict[str, Any] = {}
    tied: dict[str, str] = {}
    first: dict[int, str] = {}
    for name, module in model.named_modules():
        own = {key: tuple(p.shape) for key, p in module.named_parameters(recurse=False)}
        if not name:
            loose = own
            continue
        kind, marks = kind_and_marks(module)
        groups = int(module.groups) if "groups" in marks else 1
        theirs[name] = (kind, own, bool(marks.get("transposed")), groups)
    for name, parameter in model.named_parameters(remove_duplicate=False):
        kept = first.setdefault(id(parameter), name)
        if kept != name:
            tied[name] = kept
    for name in [*theirs, *mine]:
        if mine.get(name) != theirs.get(name):
            return f"{name} is {theirs.get(name)}, planned was {mine.get(name)}"
    if dict(built.loose) != loose:
        return f"the model itself holds {loose}, planned was {dict(built.loose)}"
    if dict(built.tied) != tied:
        return f"tied are {tied}, planned was {dict(built.tied)}"
    for said, getter in (
        (built.input, model.get_input_embeddings),
        (built.output, model.get_output_embeddings),
    ):
        if said != name_of(model, getter):
            return f"an embedding is {name_of(model, getter)}, planned was {said}"
    total = sum(math.prod(parameter.shape) for parameter in model.parameters())
    if sum(built.elements().values()) != total:
        return f"it has {total:,} parameters, planned were {sum(built.elements().values()):,}"
    return ""


def prove(
    space: Space, content: Mapping[str, Any], pool: list[Values], chance: random.Random, count: int
) -> Proof:
    """Try to refute a plan.

    Args:
        pool: configs that the class takes.
        count: how many random configs must bear the plan out, beside those that are aimed at it.
    """
    proof = Proof(space, ClassPlan.parse(space.name, {**content, "keys": {}, "parts": {}}))
    proof.show(space.first())
    proof.show(pool[0])
    for values in _singly(space, pool, chance):
        proof.show(values)
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


Values = dict[str, Any]
#: Counterexamples after which a plan need not be refuted further.
_ENOUGH = 40
#: How often each leaf of each tree must be borne out, and how many configs are tried for it.
_HITS, _TRIES = 5, 300
#: Tests of an index by the numbers of keys.
_PLACED = ("every", "phase", "below")
#: Before a key that the class fills in, where a tree is not about a module's name.
_FILLED = "filled "
#: How many of them are built.
_BUILT = 30


class Proof:
    """What came of showing configs to the class and to its plan.

    Attributes:
        wrong: configs that refute the plan.
        good: those that bear it out.
        reason: what is wrong with the first of them, or "".
        proved: groups of like trees, by their tests, to the leaves that were borne out.
    """

    def __init__(self, space: Space, plan: ClassPlan) -> None:
        self.space, self.plan = space, plan
        self.wrong: list[Values] = []
        self.good: list[Values] = []
        self.reason = ""
        self.proved: dict[str, dict[str, int]] = {}

    def show(self, values: Values) -> bool:
        """Whether the class takes it and the plan is right."""
        model = plain(self.space, values) if self.space.takes(values) else None
        if model is None:
            return False
        try:
            said = difference(self.space.wrap(values), model, self.plan)
        except UnprovedError:
            return False  # the plan claims nothing of it
        except HfkvError as error:
            said = str(error)
        self.reason = self.reason or said
        (self.wrong if said else self.good).append(values)
        return not said


def _singly(space: Space, pool: list[Values], chance: random.Random) -> Iterator[Values]:
    """Each key by itself, and each word that a key was seen with."""
    for path in list(space.keys):
        for start in (pool[0], chance.choice(pool)):
            yield space.change(start, [path], chance)
    for path in list(space.keys)[::4]:
        yield space.change(space.first(), [path], chance)
    for path, key in list(space.keys.items()):
        for word in key.spoken():
            if word is not ...:
                spoken = put(chance.choice(pool), path, word)
                yield spoken
                yield space.saved(spoken) or spoken


def _aim(
    proof: Proof, content: Mapping[str, Any], pool: list[Values], chance: random.Random
) -> None:
    """Bear out each leaf of each tree by configs made for it, with all that it reads at random."""
    space = proof.space
    groups: dict[str, tuple[Any, set[str], set[str]]] = {}
    for tree, pattern in _trees(content):
        if isinstance(tree, Mapping):
            key = json.dumps(list(_tests(tree)))
            _, patterns, words = groups.setdefault(key, (tree, set(), set()))
            patterns.add(pattern)
            # What depends on an index is to be seen with more and with fewer of them.
            lengths = [part for name, part in content["lengths"].items() if name in pattern]
            words.update(re.findall(r"[\w.]+", json.dumps([tree, lengths])))
    bases = [*pool, *proof.good]
    for key, (tree, patterns, words) in groups.items():
        paths = sorted(words & space.keys.keys())
        tests = json.loads(key)
        hits = proof.proved.setdefault(key, {})
        for leaf in _paths(tree):
            tries = built = 0
            while hits.get(leaf, 0) < _HITS and tries < _TRIES and built < _BUILT:
                if len(proof.wrong) >= _ENOUGH:
                    return
                tries += 1
                values = _aimed(space, tests, paths, chance.choice(bases), chance)
                reached = _reached(proof, tree, patterns, values)
                built += leaf in reached
                if leaf in reached and proof.show(values):
                    for other in reached:
                        hits[other] = hits.get(other, 0) + 1


def _aimed(
    space: Space, tests: list[Any], paths: list[str], start: Values, chance: random.Random
) -> Values:
    values = space.change(start, paths, chance)
    for test in tests:
        if test[0] in ("is", "over") and chance.random() < 0.5:
            value = test[2] + 1 if test[0] == "over" else test[2]
            values = put(values, test[1], value)
        elif test[0] in _PLACED and chance.random() < 0.5:
            # Only small numbers tell a period or a bound from a number that is just large.
            for key in test[2:]:
                if key in space.keys:
                    values = put(values, key, chance.randint(1, 3))
        elif test[0] == "same" and chance.random() < 0.5:
            same = value_at(values, test[2])
            values = values if same is ... else put(values, test[1], same)
    return values


def _reached(proof: Proof, tree: Any, patterns: set[str], values: Values) -> set[str]:
    raw = json.loads(json.dumps(proof.space.wrap(values)))
    try:
        config = own_config(Config(raw, where="config.json"))
        read = proof.plan.reader(config)
        given = reader(config, defaults=proof.plan.defaults)
        indices = Indices(proof.plan, read)
        reached = set()
        for pattern in patterns:
            if not pattern.startswith(_FILLED):
                reached |= {_path(tree, read, index) for index in indices.of(pattern)[:64]}
                continue
            what, key = pattern.removeprefix(_FILLED).split()
            if given(key) is None:
                count = len(read(key) or ()) if what == "item" else 0
                places = [(place,) for place in range(count)] if what == "item" else [()]
                reached |= {_path(tree, given, place) for place in places[:64]}
        return reached
    except HfkvError:
        return set()


def _trees(content: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    """Every tree of a plan with a pattern that has the indices it is asked for."""
    for key, made in content["filled"].items():
        for what, tree in made.items():
            yield tree, f"{_FILLED}{what} {key}"
    for container, tree in content["lengths"].items():
        yield tree, container
    for name, tree in content["tied"].items():
        yield tree, name
    yield content["input"], ""
    yield content["output"], ""
    for name, number, own in content["modules"]:
        yield content["trees"][number], name
        for short, place in own.items():
            yield content["trees"][place], f"{name}.{short}" if name else short


def _tests(tree: Any) -> Iterator[list[Any]]:
    if isinstance(tree, Mapping):
        yield tree["if"]
        yield from _tests(tree["then"])
        yield from _tests(tree["else"])


def _paths(tree: Any, before: str = "") -> Iterator[str]:
    if isinstance(tree, Mapping):
        yield from _paths(tree["then"], before + "t")
        yield from _paths(tree["else"], before + "e")
    elif tree != UNPROVED:
        yield before


def _path(tree: Any, read: Any, index: Any) -> str:
    path = ""
    while isinstance(tree, Mapping):
        passed = holds(tree["if"], read, index)
        path, tree = path + "et"[passed], tree["then" if passed else "else"]
    return path


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
        return mark(tree, proof.proved[json.dumps(list(_tests(tree)))])

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


def seen_keys(space: Space, found: list[dict[str, Any]]) -> dict[str, Any]:
    """What sorts of value each key had in these configs, and which words."""
    keys: dict[str, Any] = {}
    for path in sorted(space.keys):
        values = [value_at(item, path) for item in found]
        strings = {value for value in values if isinstance(value, str)}
        strings.update(*(value for value in values if kind_of(value) == "strs"))
        keys[path] = {"kinds": sorted({kind_of(value) for value in values})}
        if strings:
            keys[path]["strings"] = sorted(strings)
    return keys
