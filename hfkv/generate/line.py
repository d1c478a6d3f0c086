"""The table of an older line of transformers: what of each type is as in the newest release there,
what differs by which rule, and what was not proved.

Three steps, each in the environment that it needs, with a folder between them::

    python -m hfkv.generate line_trials FOLDER --configs CONFIGS   # the newest release
    python -m hfkv.generate line_held FOLDER                       # a release of the line
    python -m hfkv.generate line FOLDER 4.57                       # any

This last one holds the caches and modules that hfkv gives for each config against what the line's
own classes made of it, by each rule there is, and writes ``hfkv/data/lines/4.57.json``. A rule
stands for a type where no config contradicts it and enough agree.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hfkv.cache.line_rules import RULES
from hfkv.cache.plan import Plan
from hfkv.cache.registry import plan
from hfkv.errors import HfkvError
from hfkv.facts.config import Config
from hfkv.generate.adopt_candidates import tensors_of
from hfkv.generate.line_held import ADAPTERS
from hfkv.generate.line_modules import alike, rule_of
from hfkv.model import load
from hfkv.modules.built import Built
from hfkv.modules.line_rules import changed
from hfkv.peft.base import Base
from hfkv.peft.lora import LoraOptions, count
from hfkv.release_lines import beyond, parts_of, stated_at

__all__ = ["Proof", "main", "proof_of"]

OUT = Path(__file__).parent.parent / "data" / "lines"
#: Fewer configs than these prove nothing.
_ENOUGH = 8
#: More keys than these that the two lines read differently make another class of it.
_MANY = 4


@dataclass(slots=True)
class Proof:
    """What the trials of one class come to.

    Attributes:
        cache: the rule of its cache; None where none holds.
        caches: configs that agreed with it.
        modules: the rule of its modules; None where none holds.
        builds, adapters: configs whose modules, and adapters whose counts, agreed with it.
        refused: configs that hfkv refuses.
        parts: types of nested configs, by their keys, in configs that agreed.
        apart: keys that the proof of ``cache`` and of ``modules`` leaves out.
        reads: keys that the plan of the cache reads.
        against: why a rule does not hold, for the reader.
    """

    line: str
    model_type: str
    name: str
    cache: str | None = None
    caches: int = 0
    modules: Mapping[str, Any] | None = None
    builds: int = 0
    adapters: int = 0
    refused: int = 0
    parts: dict[str, set[str]] = field(default_factory=dict)
    against: list[str] = field(default_factory=list)
    apart: dict[str, Apart] = field(default_factory=dict)
    reads: set[str] = field(default_factory=set)


def proof_of(line: str, model_type: str, name: str, trials: Sequence[Mapping[str, Any]]) -> Proof:
    """Hold what hfkv gives against the trials of one class, as ``line_held`` writes them."""
    proof = Proof(line=line, model_type=model_type, name=name)
    _prove_cache(proof, [trial for trial in trials if trial["held"] is not None])
    _prove_modules(proof, [trial for trial in trials if trial["built"] is not None])
    _share(proof)
    return proof


def _share(proof: Proof) -> None:
    """Leave out of the cache what modules were found to read otherwise, where it reads it too: a
    projection of another size makes another cache."""
    other = proof.apart.get("modules", Apart())
    if "cache" in proof.apart and not other.many:
        mine = Apart(
            without={path: value for path, value in other.without.items() if path in proof.reads},
            stated=[path for path in other.stated if path in proof.reads],
        )
        proof.apart["cache"].join(mine)


def _prove_cache(proof: Proof, trials: Sequence[Mapping[str, Any]]) -> None:
    plans: list[tuple[Mapping[str, Any], Any, Config]] = []
    for trial in trials:
        config = Config(trial["raw"], where="line", model_type=proof.model_type)
        try:
            plans.append((trial, plan(config), config.text()))
        except (HfkvError, RecursionError):
            proof.refused += 1
    proof.reads = {read.key for _, _, text in plans for read in text.reads}
    why = ""
    for rule in RULES:
        mine = {id(trial): _held(rule, made, text, trial) for trial, made, text in plans}
        own = [trial for trial, *_ in plans]
        apart = _apart(own, lambda trial: mine[id(trial)] == trial["held"])  # noqa: B023
        kept = [trial for trial in own if not apart.covers(trial["raw"])]
        against = [trial for trial in kept if mine[id(trial)] != trial["held"]]
        if not against and len(kept) >= _ENOUGH and not apart.many:
            proof.cache, proof.caches = rule, len(kept)
            proof.apart["cache"] = apart
            _note_parts(proof, kept)
            return
        if not rule and against:
            why = _why(against[0], mine[id(against[0])])
    proof.against.append(f"cache: {why or 'too few configs'}")


def _held(rule: str, made: Plan, text: Config, trial: Mapping[str, Any]) -> dict[str, Any]:
    """What hfkv gives by a rule; nothing where it refuses."""
    try:
        there = RULES[rule](made, text)
        return {n: _tensors(there, int(n), trial["encoder"]) for n in trial["held"]}
    except HfkvError:
        return {}


@dataclass(slots=True)
class Apart:
    """Keys that one of the two lines reads and the other does not, or fills in otherwise.

    Attributes:
        without: those that a file must not state, with the values that it must not have where these
            are words or flags.
        stated: those that it must state.
    """

    without: dict[str, list[Any]] = field(default_factory=dict)
    stated: list[str] = field(default_factory=list)

    @property
    def many(self) -> bool:
        """Whether they are so many that the classes are others."""
        return len({*self.without, *self.stated}) > _MANY

    def join(self, other: Apart) -> None:
        """Leave out what another leaves out as well."""
        for path, values in other.without.items():
            own = self.without.get(path, values)
            self.without[path] = list(dict.fromkeys([*own, *values])) if own and values else []
        self.stated += [path for path in other.stated if path not in self.stated]

    def covers(self, raw: Mapping[str, Any]) -> bool:
        """Whether a config is one that they leave out."""
        return bool(beyond(raw, self.without, self.stated))

    def to_json(self) -> dict[str, Any]:
        """As the table has it."""
        without = {"without": self.without} if self.without else {}
        return {**without, **({"stated": sorted(self.stated)} if self.stated else {})}


def _apart(
    trials: Sequence[Mapping[str, Any]], agrees: Callable[[Mapping[str, Any]], bool]
) -> Apart:
    """By the configs of one other key that do not agree."""
    found = Apart()
    for trial in trials:
        if len(trial["changed"]) == 1 and not agrees(trial):
            (path,) = trial["changed"]
            value = stated_at(trial["raw"], path)
            if value is None:
                found.stated += [path] if path not in found.stated else []
            elif isinstance(value, (bool, str)) and found.without.get(path) != []:
                known = found.without.get(path, [])
                found.without[path] = [*known, value] if value not in known else known
            else:
                found.without[path] = []
    return found


def _tensors(made: Plan, tokens: int, encoder: int | None) -> list[list[list[Any]]]:
    """As a file of trials has them."""
    return [
        [[name, list(shape), dtype] for name, shape, dtype in layer]
        for layer in tensors_of(made, tokens, encoder)
    ]


def _why(trial: Mapping[str, Any], mine: Mapping[str, Any]) -> str:
    for tokens, theirs in trial["held"].items():
        own = mine.get(tokens)
        if own is None:
            return f"{trial['origin']} {trial['changed']}: refused"
        for index, (a, b) in enumerate(zip(own, theirs, strict=False)):
            if a != b:
                return f"{trial['origin']} {trial['changed']}: layer {index}: {a} for {b}"
        if len(own) != len(theirs):
            return f"{trial['origin']} {trial['changed']}: {len(own)} layers for {len(theirs)}"
    return "nothing"


def _prove_modules(proof: Proof, trials: Sequence[Mapping[str, Any]]) -> None:
    every = list(_built(proof, trials))
    rule: Mapping[str, Any] = {}
    ruled: set[int] = set()
    # What differs may be seen of some configs alone.
    for mine, trial in every:
        found = rule_of(mine, trial["built"], rule)
        if found is not None:
            rule = found
            ruled.add(id(trial))
    apart = _apart([trial for _, trial in every], lambda trial: id(trial) in ruled)
    built = [(mine, trial) for mine, trial in every if not apart.covers(trial["raw"])]
    adapters = 0
    for mine, trial in built:
        there = changed(mine, rule)
        if differing := alike(there, trial["built"]):
            said = f"{trial['origin']} {trial['changed']}: {differing[0]}"
            proof.against.append(f"modules: {said}"[:400])
            return
        base = Base(replace(load(trial["raw"]).core, line=proof.line), known=there)
        for key, theirs in (trial["adapters"] or {}).items():
            ours = _counted(base, ADAPTERS[key])
            if not _same(ours, theirs):
                said = f"{trial['origin']}: {ours} for {_short(theirs)}"
                proof.against.append(f"adapter {key}: {said}"[:400])
                return
            adapters += 1
    proof.apart["modules"] = apart
    if len(built) < _ENOUGH or not adapters or apart.many:
        proof.against.append(f"modules: {len(built)} configs, {adapters} adapters, {apart}")
        return
    proof.modules, proof.builds, proof.adapters = rule, len(built), adapters
    _note_parts(proof, [trial for _, trial in built])


def _note_parts(proof: Proof, trials: Sequence[Mapping[str, Any]]) -> None:
    for trial in trials:
        for key, inner in parts_of(trial["raw"]).items():
            proof.parts.setdefault(key, set()).add(inner)


def _built(
    proof: Proof, trials: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Built, Mapping[str, Any]]]:
    for trial in trials:
        raw = {**trial["raw"], "architectures": [proof.name]}
        try:
            yield load(raw).built, trial
        except (HfkvError, RecursionError):
            # Where the config alone is not enough a checkpoint tells, under the line's own names.
            try:
                built = load(raw, header=_header(trial["built"])).built
            except (HfkvError, RecursionError):
                proof.refused += 1
                continue
            if built.agreement.differs:
                proof.refused += 1
            else:
                yield built, trial


def _header(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint of such a model holds."""
    shapes = dict(theirs["loose"])
    for item in theirs["modules"]:
        shapes |= {f"{item['name']}.{key}": shape for key, shape in item["parameters"].items()}
    return {
        name: {"dtype": "BF16", "shape": shape}
        for name, shape in shapes.items()
        if name not in theirs["tied"]
    }


def _counted(base: Base, options: Mapping[str, Any]) -> Any:
    try:
        figure = count(base, LoraOptions.from_config(options))
    except HfkvError as error:
        return str(error)
    return figure.trainable_parameters, figure.all_parameters, figure.per_target


def _same(ours: Any, theirs: Mapping[str, Any]) -> bool:
    if "error" in theirs or isinstance(ours, str):
        return "error" in theirs and isinstance(ours, str)
    return bool(ours == (theirs["trainable"], theirs["all"], theirs["per_target"]))


def _short(theirs: Mapping[str, Any]) -> Any:
    return theirs.get("error") or (theirs["trainable"], theirs["all"], theirs["per_target"])


def table_of(proofs: Sequence[Proof]) -> dict[str, Any]:
    """The types of the table: a cache that holds for all classes of a type, and the modules of
    each."""
    found: dict[str, Any] = {}
    for model_type in sorted({proof.model_type for proof in proofs}):
        own = [proof for proof in proofs if proof.model_type == model_type]
        entry: dict[str, Any] = {}
        rules = {proof.cache for proof in own}
        if len(rules) == 1 and None not in rules:
            entry["cache"] = own[0].cache
        modules = {proof.name: dict(proof.modules) for proof in own if proof.modules is not None}
        if modules:
            entry["modules"] = modules
        parts: dict[str, list[str]] = {}
        for proof in own:
            for key, inner in proof.parts.items():
                parts[key] = sorted({*parts.get(key, ()), *inner})
        if parts:
            entry["parts"] = parts
        apart: dict[str, Apart] = {}
        for proof in own:
            for part, found_there in proof.apart.items():
                if getattr(proof, part) is not None:
                    apart.setdefault(part, Apart()).join(found_there)
        if told := {part: item.to_json() for part, item in apart.items() if item.to_json()}:
            entry["apart"] = told
        if "cache" in entry or modules:
            configs = {"cache": min(proof.caches for proof in own)} if "cache" in entry else {}
            if modules:
                configs["modules"] = min(proof.builds for proof in own if proof.name in modules)
            found[model_type] = {**entry, "configs": configs}
    return found


def main() -> None:
    """Write the table, and say of each class what came of it."""
    parser = argparse.ArgumentParser(prog="python -m hfkv.generate line")
    parser.add_argument("folder", type=Path)
    parser.add_argument("line")
    asked = parser.parse_args(sys.argv[2:])
    proofs = []
    for place in sorted(asked.folder.glob("*.held")):
        model_type, _, name = place.stem.rpartition(".")
        trials = json.loads(place.read_text(encoding="utf-8"))
        proof = proof_of(asked.line, model_type, name, trials)
        proofs.append(proof)
        cache = "unproved" if proof.cache is None else proof.cache or "the same"
        modules = "unproved" if proof.modules is None else "others" if proof.modules else "the same"
        print(
            f"{model_type} {name}: cache {cache} ({proof.caches}), modules {modules} "
            f"({proof.builds}, {proof.adapters} adapters), {proof.refused} refused",
            flush=True,
        )
        for text in proof.against:
            print(f"  {text}")
        for part, apart in proof.apart.items():
            if apart.to_json():
                print(f"  {part} apart from {apart.to_json()}")
    made = json.loads((asked.folder / "versions").read_text(encoding="utf-8"))
    OUT.mkdir(exist_ok=True)
    rows = ",\n ".join(
        f"{json.dumps(model_type)}: {json.dumps(entry, sort_keys=True)}"
        for model_type, entry in table_of(proofs).items()
    )
    head = "".join(f'"{name}": "{version}", ' for name, version in sorted(made.items()))
    text = f'{{{head}"types": {{\n {rows}\n}}}}\n'
    (OUT / f"{asked.line}.json").write_text(text, encoding="utf-8")
