"""How the modules of a class differ in another line: a rule found by comparing both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hfkv.modules.built import Built
from hfkv.modules.line_rules import changed
from hfkv.modules.table import tables_of
from hfkv.tensors import template

__all__ = ["alike", "rule_of"]

#: Where more rules than these could be tried, no two of them are tried together.
_MOST = 30
#: What PEFT sees of a module.
_Seen = tuple[str, dict[str, list[int]], bool, int]


def alike(mine: Built, theirs: Mapping[str, Any]) -> list[str]:
    """In what they differ, as far as PEFT looks at modules; nothing where in nothing.

    Args:
        mine: as hfkv has them.
        theirs: as :func:`hfkv.generate.line_held.modules_of` gives them.
    """
    ours, others = _seen(mine), _read(theirs)
    found = [
        f"{name}: {ours.get(name)} for {others.get(name)}"
        for name in dict.fromkeys([*ours, *others])
        if ours.get(name) != others.get(name)
    ]
    said: dict[str, Any] = {"input": mine.input, "output": mine.output, "tied": dict(mine.tied)}
    said["loose"] = {name: list(shape) for name, shape in mine.loose.items()}
    # Where the config forbids ties PEFT does not ask for them.
    if mine.to_input is not None and theirs.get("may_tie"):
        said["to_input"] = list(mine.to_input)
    return found + [
        f"{key}: {value} for {theirs[key]}" for key, value in said.items() if value != theirs[key]
    ]


def _seen(built: Built) -> dict[str, _Seen]:
    return {
        module.name: (
            module.kind,
            {name: list(shape) for name, shape in module.parameters.items()},
            module.transposed,
            module.groups,
        )
        for module in built.modules
        if module.kind != "other" or module.parameters
    }


def _read(theirs: Mapping[str, Any]) -> dict[str, _Seen]:
    return {
        item["name"]: (item["kind"], item["parameters"], item["transposed"], item["groups"])
        for item in theirs["modules"]
        if item["kind"] != "other" or item["parameters"]
    }


def rule_of(
    mine: Built, theirs: Mapping[str, Any], known: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """The rule that makes one of the other, with what is known of other configs; None where there
    is none."""
    rule: Mapping[str, Any] = known
    left = _left(mine, theirs, rule)
    while left:
        better = _better(mine, theirs, rule, len(left), steps=2)
        if better is None:
            return None
        rule, left = better, _left(mine, theirs, better)
    return rule


def _better(
    mine: Built, theirs: Mapping[str, Any], rule: Mapping[str, Any], most: int, *, steps: int
) -> Mapping[str, Any] | None:
    """A rule under which less is left: a name may have to change before more can be seen."""
    tried = list(_candidates(mine, theirs, rule))
    left = [len(_left(mine, theirs, candidate)) for candidate in tried]
    if left and min(left) < most:
        return tried[left.index(min(left))]
    for candidate in tried if steps > 1 and len(tried) < _MOST else ():
        found = _better(mine, theirs, candidate, most, steps=steps - 1)
        if found is not None:
            return found
    return None


def _left(mine: Built, theirs: Mapping[str, Any], rule: Mapping[str, Any]) -> set[str]:
    """Patterns of names in which they still differ."""
    return {template(text.partition(": ")[0])[0] for text in alike(changed(mine, rule), theirs)}


def _candidates(
    mine: Built, theirs: Mapping[str, Any], rule: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    there = changed(mine, rule)
    ours, others = _patterns(_seen(there)), _patterns(_read(theirs))
    yield {**rule, "ties": None}
    # Rules are by the newest release's own names.
    of = {
        template(there.name)[0]: template(here.name)[0]
        for here, there in zip(mine.modules, _paired(mine, rule), strict=True)
    }
    # Of another kind: a router that is a linear layer.
    for pattern, seen in ours.items():
        other = others.get(pattern)
        if other and other[0] != seen[0] and other[1] == seen[1] and pattern in of:
            yield _with(rule, "kinds", of[pattern], other[0])
        if other and other[2] != seen[2] and other[1] == seen[1] and pattern in of:
            yield _with(rule, "transposed", of[pattern], other[2])
        if other and pattern in of and _turned(seen[1]) == other[1] != seen[1]:
            yield {**rule, "turned": [*rule.get("turned", ()), of[pattern]]}
        if other is None and seen[0] == "embedding" and f"{pattern}.weight" in mine.tied:
            yield {**rule, "gone": [*rule.get("gone", ()), pattern]}
    # A list of experts.
    for pattern, seen in ours.items():
        if pattern not in of or not any(len(shape) == 3 for shape in seen[1].values()):
            continue
        start = f"{pattern}.{{}}."
        leaves = [name.removeprefix(start) for name in others if name.startswith(start)]
        parts = _parts(mine.model_type, list(seen[1]), leaves)
        if parts:
            yield _with(rule, "experts", of[pattern], parts)
    # A parameter in a module of its own, beside the one that had it or in it.
    for pattern, seen in ours.items():
        gone = seen[1] if pattern not in others else {}
        for place, other in others.items():
            if place in ours or len(other[1]) != 1 or pattern not in of:
                continue
            ((parameter, size),) = other[1].items()
            beside = pattern.rpartition(".")[0]
            if place.rpartition(".")[0] not in (pattern, beside):
                continue
            for key, shape in gone.items():
                if shape == size:
                    value = [place, parameter, other[0]]
                    yield _with(rule, "moved", f"{of[pattern]}.{key}", value)
    # Another name: of what is beside it, or of the same thing in another place.
    lost = [name for name in _containers(ours) if name not in _containers(others)]
    new = [name for name in _containers(others) if name not in _containers(ours)]
    for old in lost:
        for name in new:
            ends = [(old.rpartition(".")[end], name.rpartition(".")[end]) for end in (0, 2)]
            if any(a == b for a, b in ends) and old.count("{}") == name.count("{}") and old in of:
                yield _with(rule, "renamed", of[old], name)


def _turned(shapes: Mapping[str, list[int]]) -> dict[str, list[int]]:
    return {
        key: [shape[0], shape[2], shape[1]] if len(shape) == 3 else shape
        for key, shape in shapes.items()
    }


def _paired(mine: Built, rule: Mapping[str, Any]) -> list[Any]:
    """The modules under their new names, one for one."""
    renamed = {"renamed": rule.get("renamed", {})}
    return list(changed(mine, renamed).modules)  # as many as before


def _patterns(seen: Mapping[str, _Seen]) -> dict[str, _Seen]:
    found: dict[str, _Seen] = {}
    for name, item in seen.items():
        found.setdefault(template(name)[0], item)
    return found


def _containers(seen: Mapping[str, _Seen]) -> list[str]:
    """Patterns and all that they are in, the outermost first."""
    found: dict[str, None] = {}
    for name in seen:
        parts = name.split(".")
        found.update(dict.fromkeys(".".join(parts[:end]) for end in range(1, len(parts) + 1)))
    return sorted(found, key=lambda name: name.count("."))


def _parts(model_type: str, parameters: list[str], leaves: list[str]) -> dict[str, list[str]]:
    """Of which projections each parameter of fused experts is made, by the type's own rules for
    loading; nothing where they do not say it."""
    found: dict[str, list[str]] = {}
    for table in tables_of(model_type):
        for rule in table.conversions:
            if rule["kind"] != "convert":
                continue
            for parameter in parameters:
                if rule["targets"][0].rpartition(".")[2] == parameter:
                    names = [source.split(".")[-2] for source in rule["sources"]]
                    if set(names) <= set(leaves):
                        found.setdefault(parameter, names)
    return found if set(found) == set(parameters) else {}


def _with(rule: Mapping[str, Any], part: str, pattern: str, value: Any) -> dict[str, Any]:
    return {**rule, part: {**rule.get(part, {}), pattern: value}}
