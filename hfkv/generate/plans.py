"""Write ``hfkv/data/plans``: the modules of each class by its config alone, where that is proved.

A class is built under many random configs; a plan is learned from what it then has, and is proved
by further ones, which must come to the same modules, parameters and sizes through the code that
reads plans. One difference that no further learning removes, and the class has no plan.
"""

from __future__ import annotations

import copy
import json
import random
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hfkv.generate.plan_builds import Formulas, Sample, plain, sample, without_values
from hfkv.generate.plan_configs import Space, near, put, sorts_of, space_of, value_at
from hfkv.generate.plan_keys import weighty_activations
from hfkv.generate.plan_learn import Trees, learn
from hfkv.generate.plan_multiples import multiples
from hfkv.generate.plan_narrow import narrowed
from hfkv.generate.plan_proof import Memory, prove, pruned, seen_keys
from hfkv.generate.trials import VARIANTS, merge
from hfkv.live.build import pairs, transformers

__all__ = ["generate", "main", "plan_for", "smallest", "tally", "text", "with_multiples"]

TARGET = Path(__file__).parent.parent / "data" / "plans"
#: Configs to learn from, and to prove with; how often a refuted plan is learned anew.
LEARNED, PROVED, ROUNDS = 140, 80, 30
#: How often it may be refuted in the same nested model before what that is made of is held.
PATIENCE = 5
#: How often one that no learning mends is made to say less.
NARROWED = 20
#: How many sorts of value of its keys a plan may leave out, and of what it does not count by.
_LEFT_OUT = 20


def smallest(space: Space) -> list[dict[str, Any]]:
    """Configs that the class takes, of few layers where it can have few."""
    first = space.first()
    pool = [first] if plain(space, first) is not None else []
    many = [
        path
        for path, key in space.keys.items()
        if type(key.default) is int and key.default > 8 and _LAYERED.search(path)
    ]
    for count in (4, 6, 8, 2):
        values = copy.deepcopy(first)
        for path in many:
            values = put(values, path, count)
        if values != first and plain(space, values) is not None:
            pool.insert(0, values)
            break
    else:
        # Not all can be as few: of some layers there may be no more than of others.
        values = copy.deepcopy(first)
        for path in many:
            fewer = put(values, path, 4)
            values = fewer if plain(space, fewer) is not None else values
        pool[:0] = [values] if pool and values != first else []
    # What needs several keys at once chance may never come to.
    more = copy.deepcopy(pool[0]) if pool else {}
    merge(more, VARIANTS.get(space.model_type, {}))
    if pool and more != pool[0] and plain(space, more) is not None:
        pool.append(more)
    return pool


_LAYERED = re.compile(r"(num_.*layers|n_layers?|layers|depth|num_blocks|experts)$")


def plan_for(
    model_type: str, name: str, *, seed: int = 0, learned: int = LEARNED, proved: int = PROVED
) -> dict[str, Any]:
    """The plan of one class, or ``{"refused": why}``."""
    with without_values():
        content = _plan_for(space_of(model_type, name), seed, learned, proved)
        return with_multiples(model_type, name, content)


def with_multiples(model_type: str, name: str, content: dict[str, Any]) -> dict[str, Any]:
    """The plan with the divisions that must come out even."""
    if "refused" in content:
        return content
    space = space_of(model_type, name).hold_as(content["keys"])
    return {**content, "multiples": multiples(space, content, smallest(space))}


def _plan_for(space: Space, seed: int, learned: int, proved: int) -> dict[str, Any]:
    name = space.name
    chance = random.Random(zlib.crc32(name.encode()) + seed)
    pool = smallest(space)
    if not pool:
        return {"refused": "its default config alone cannot be built"}
    space.look_inside(plain(space, pool[0]))
    known: Formulas = {}
    samples = [found for values in pool if (found := sample(space, values)) is not None]
    # The defaults have many layers, and would be the slowest to build with each change.
    pool = [found.values for found in samples[:1]]
    # Each key by itself first: what nothing else hides.
    for _ in range(2):
        for path in list(space.keys):
            found = sample(space, space.change(pool[0], [path], chance), known=known)
            if found is not None:
                samples.append(found)
    pool += [item.values for item in samples[2:]]
    samples += _sampled(space, samples, pool, chance, learned, known)
    samples += _nulls(space, samples, chance)
    samples += _activated(space, samples, chance)
    partly, memory = False, Memory()
    refuted: Counter[str] = Counter()
    trees: Trees = {}
    content: dict[str, Any] = {}
    wrong: list[dict[str, Any]] = []
    good: list[dict[str, Any]] = []
    reason = ""
    for turn in range(ROUNDS + NARROWED):
        read = set(space.keys)
        if turn >= ROUNDS:
            less = narrowed(space, content, wrong, good)
            if less is None:
                return {"refused": reason}
            content = less
        else:
            content = learn(space, samples, partly=partly, known=trees)
        while "refused" in content:
            if _leave_out(space, samples, *content["unexplained"]):
                samples = [item for item in samples if space.takes(item.values)]
            elif not partly:
                partly = True
            elif space.hold(content["part"]):
                samples = _held(space, samples, chance, learned, known)
            else:
                return {"refused": content["refused"]}
            content = learn(space, samples, partly=partly, known=trees)
        if _nonsense(space, content):
            samples = [item for item in samples if space.takes(item.values)]
        pool = [item.values for item in samples if item.values != space.first()] or pool
        proof = prove(space, content, pool, chance, proved, memory)
        wrong, good, reason = proof.wrong, proof.good, proof.reason
        part = space.kept_by(reason.partition(" ")[0])
        refuted[part] += bool(part)
        if refuted[part] == PATIENCE and space.hold(part):
            del refuted[part]
            samples = _held(space, samples, chance, learned, known)
        late = sorted(space.keys.keys() - read)
        if not reason and late:
            # The proof did not vary what it did not know of.
            reason = f"the class was seen to read {late[0]} only in the proof"
            bases = [chance.choice(proof.good) for _ in range(8)]
            wrong = [space.change(base, [path], chance) for path in late for base in bases]
        if not reason:
            content["keys"] = seen_keys(
                space, content, [*(item.values for item in samples), *proof.good]
            )
            return pruned(content, proof)
        wrong = [values for values in wrong if space.takes(values)]
        samples += [found for values in wrong if (found := sample(space, values)) is not None]
        # What is near a counterexample tells why it is one; the fewer there are, the rarer it is.
        for values in wrong[:12]:
            for _ in range(max(6, 36 // len(wrong))):
                other = near(space, chance, [values])
                found = sample(space, other) if space.takes(other) else None
                if found is not None:
                    samples.append(found)
    return {"refused": reason}


def _held(
    space: Space, samples: list[Sample], chance: random.Random, learned: int, known: Formulas
) -> list[Sample]:
    """The samples that have what is held now, and as many others as are missing."""
    kept = [item for item in samples if space.takes(item.values)]
    pool = [item.values for item in kept]
    return kept + _sampled(space, kept, pool, chance, learned, known)


def _sampled(
    space: Space,
    samples: list[Sample],
    pool: list[dict[str, Any]],
    chance: random.Random,
    learned: int,
    known: Formulas,
) -> list[Sample]:
    """Samples of random configs beside those there are, up to so many and two for each key; what
    they are of joins the pool that others are drawn from."""
    seen = _Seen(samples)
    found: list[Sample] = []
    for _ in range(12 * learned):
        count = len(samples) + len(found)
        # The class may be seen to read more keys meanwhile.
        if count >= learned + 2 * len(space.keys):
            break
        start = [seen.rare(chance)] if chance.random() < 0.4 else pool
        made = sample(space, near(space, chance, start), known=known)
        if made is not None and space.takes(made.values):
            found.append(made)
            pool.append(made.values)
            seen.add(made)
            # Most files are as a class saved them.
            saved = space.saved(made.values) if count % 4 == 3 else None
            if saved is not None:
                again = sample(space, saved, known=known)
                found += [again] if again is not None else []
                pool.append(saved if again is not None else made.values)
    return found


def _nonsense(space: Space, content: Mapping[str, Any]) -> bool:
    """Leave out true, false and fractions for whole numbers that the plan counts by: no file has
    them, and what a class makes of them is an accident. Whether any was left out."""
    before = len(space.left_out)
    text = json.dumps(content)
    for path, key in space.keys.items():
        name = re.escape(path)
        used = rf"(?<![\w.]){name}(?![\w.])"
        counted = rf'\["(?:every|phase|below|over|same)", [^]]*{used}'
        whole = type(key.default) is int
        if re.search(used if whole else counted, text) and (whole or not key.types):
            space.left_out |= {(path, "bool"), (path, "float")}
    return len(space.left_out) > before


def _nulls(space: Space, samples: list[Sample], chance: random.Random) -> list[Sample]:
    """Samples with null for each key that can be null and is in none of them."""
    found = []
    for path, key in list(space.keys.items()):
        if key.nullable and not any(value_at(item.values, path) is None for item in samples):
            for _ in range(8):
                other = sample(space, put(chance.choice(samples).values, path, None))
                if other is not None:
                    found.append(other)
                    break
    return found


def _activated(space: Space, samples: list[Sample], chance: random.Random) -> list[Sample]:
    """Samples with each activation that has parameters, which few of a kind do."""
    found = []
    for path, key in list(space.keys.items()):
        for word in weighty_activations() if weighty_activations()[0] in key.spoken() else ():
            for _ in range(3):
                other = sample(space, put(chance.choice(samples).values, path, word))
                found += [other] if other is not None else []
    return found


class _Seen:
    """Samples by the parameters that they have, so that what few have is not forgotten."""

    def __init__(self, samples: list[Sample]) -> None:
        self.having: dict[str, list[dict[str, Any]]] = {}
        for found in samples:
            self.add(found)

    def add(self, found: Sample) -> None:
        for pattern in found.sizes:
            self.having.setdefault(pattern, []).append(found.values)

    def rare(self, chance: random.Random) -> dict[str, Any]:
        """The config of a sample; one that has a rare parameter as likely as any."""
        return chance.choice(self.having[chance.choice(list(self.having))])


def _leave_out(
    space: Space, samples: list[Sample], unexplained: set[int], having: set[int]
) -> bool:
    """Give up a sort of value of one key, such as true for a number, or a word, where it and
    nothing else makes what was not understood; whether there is one.

    Args:
        unexplained: the samples that no formula, or no tree, is right about.
        having: those that have the parameter at all.
    """
    # What a file of the class's own has is to be answered.
    usual = [space.first(), space.saved(space.first()) or {}]
    rate = len(unexplained & having) / max(1, len(having))
    best: tuple[float, str, str] | None = None
    for path in space.keys:
        sorts: dict[str, set[int]] = {}
        for number in having:
            for sort in sorts_of(value_at(samples[number].values, path)):
                sorts.setdefault(sort, set()).add(number)
        kept = set().union(*(sorts_of(value_at(values, path)) for values in usual))
        for sort, numbers in sorts.items():
            if sort in ("absent", *kept) or 5 * len(numbers) >= 2 * len(having):
                continue
            hit = len(unexplained & numbers)
            # Many configs with it are beyond explanation, and few others are.
            if 4 * hit >= len(numbers):
                score = hit * (hit / len(numbers) - rate)
                best = max(best or (0.0, "", ""), (score, path, sort))
    words = sum(sort not in ("bool", "float") for _, sort in space.left_out)
    if best is None or best[0] <= 0 or words >= _LEFT_OUT:
        return False
    space.left_out.add(best[1:])
    return True


def generate(types: set[str] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each type with its classes' plans, or the reasons why they have none."""
    from hfkv.modules.table import tables_of

    classes: dict[str, list[str]] = {}
    for model_type, name in pairs():
        if types is None or model_type in types:
            classes.setdefault(model_type, []).append(name)
    for model_type, names in classes.items():
        known = {table.architecture for table in tables_of(model_type)}
        found: dict[str, Any] = {}
        for name in names:
            if name in known:
                try:
                    found[name] = plan_for(model_type, name)
                except Exception as error:
                    found[name] = {"refused": f"{type(error).__name__}: {error}"[:200]}
        if found:
            yield model_type, found


def text(found: Mapping[str, Any]) -> str:
    """JSON with a line for each entry, so that changes can be read."""
    blocks = []
    for name, content in found.items():
        lines = []
        for key, value in content.items():
            if isinstance(value, (list, dict)) and value:
                items = value.items() if isinstance(value, dict) else ((None, v) for v in value)
                rows = ",\n".join(
                    "   " + (f"{json.dumps(k)}: " if k is not None else "") + json.dumps(v)
                    for k, v in items
                )
                start, end = "{}" if isinstance(value, dict) else "[]"
                lines.append(f"  {json.dumps(key)}: {start}\n{rows}\n  {end}")
            else:
                lines.append(f"  {json.dumps(key)}: {json.dumps(value)}")
        blocks.append(f" {json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n }")
    return '{"classes": {\n' + ",\n".join(blocks) + "\n}}\n"


def tally() -> tuple[int, int]:
    """How many of the pairs that have a module table have a proved plan, and how many there are."""
    from hfkv.modules.table import tables_of

    proved = total = 0
    for model_type in dict.fromkeys(model_type for model_type, _ in pairs()):
        path = TARGET / f"{model_type}.json"
        found = json.loads(path.read_text("utf-8"))["classes"] if path.is_file() else {}
        names = {name for kind, name in pairs() if kind == model_type}
        tables = names & {table.architecture for table in tables_of(model_type)}
        total += len(tables)
        proved += sum("modules" in found.get(name, {}) for name in tables)
    return proved, total


def main() -> None:
    """Write the files of the types named on the command line, or of all; say how many are proved.

    ``plans none`` only says it.
    """
    import torch

    torch.set_num_threads(1)
    transformers()
    TARGET.mkdir(parents=True, exist_ok=True)
    for model_type, found in generate(set(sys.argv[2:]) or None):
        (TARGET / f"{model_type}.json").write_text(text(found), encoding="utf-8")
        for name, content in found.items():
            print(model_type, name, content.get("refused", "proved"), flush=True)
    print("proved are {} of {} classes".format(*tally()))
