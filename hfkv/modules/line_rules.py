"""How the modules of an older line of transformers differ from those of the newest release.

What differs of a class is data, found and proved by :mod:`hfkv.generate.line`, by patterns of names
(``{}`` for each number):

- ``experts``: a module that holds projections of all experts as 3-D parameters is a list there,
  with linear layers of their own for each expert: parameter to the names of those it is made of, in
  the order in which they are joined;
- ``moved``: a parameter that a module of its own holds there: to that module, the parameter's name
  in it, and the module's kind;
- ``kinds``: modules that are of another kind, a router that is a linear layer;
- ``transposed``: modules that say otherwise of the order of their 3-D parameters;
- ``turned``: modules whose 3-D parameters have their last two axes the other way round;
- ``gone``: embeddings that are one module with another there, which has the name of the other;
- ``ties``, which is null: what the class says is tied to its input embedding is not known there;
- ``renamed``: modules, and all within them, that have another name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hfkv.errors import UnsupportedError
from hfkv.facts.config import Config
from hfkv.modules.built import Built, Module
from hfkv.modules.table import has_table, table_of
from hfkv.release_lines import module_rule
from hfkv.tensors import template

__all__ = ["changed", "in_line"]


def in_line(line: str, built: Built, config: Config) -> Built:
    """The modules as they are in an older line.

    Args:
        built: those of the newest release.
        config: of the model, outermost.

    Raises:
        UnsupportedError: its class was not proved there.
    """
    name = table_of(config).architecture if has_table(config) else ""
    rule = module_rule(line, config.raw, config.model_type, name, where=config.where)
    return changed(built, rule)


def changed(built: Built, rule: Mapping[str, Any]) -> Built:
    """The modules with what a rule says of them.

    Raises:
        UnsupportedError: experts are held in a way that the rule does not know.
    """
    # PEFT moves targets to fused experts in the newest line alone.
    built = replace(built, fuses=False)
    if not rule:
        return built
    names = _Names(rule.get("renamed", {}))
    gone = rule.get("gone", ())
    kept = [item for item in built.modules if not gone or template(item.name)[0] not in gone]
    modules = tuple(item for module in kept for item in _made(module, rule, names))
    return replace(
        built,
        modules=modules,
        input=names.of(built.input),
        output=names.of(built.output),
        to_input=None
        if built.to_input is None or "ties" in rule
        else tuple(map(names.known, built.to_input)),
        tied={names.known(name): names.known(source) for name, source in built.tied.items()},
    )


def _made(module: Module, rule: Mapping[str, Any], names: _Names) -> Iterator[Module]:
    pattern, _ = template(module.name)
    name = names.known(module.name)
    parts: Mapping[str, list[str]] | None = rule.get("experts", {}).get(pattern)
    if parts is None:
        yield from _with_moved(module, pattern, rule, names)
        return
    yield replace(module, name=name, parameters={})
    linear: dict[int, list[Module]] = {}
    for parameter, leaves in parts.items():
        experts, outputs, inputs = _sizes(module, parameter)
        if outputs % len(leaves):
            raise UnsupportedError(f"{module.name}.{parameter} is no whole number of projections")
        weight = {"weight": (outputs // len(leaves), inputs)}
        for number in range(experts):
            linear.setdefault(number, []).extend(
                Module(name=f"{name}.{number}.{leaf}", kind="linear", parameters=weight)
                for leaf in leaves
            )
    for number, projections in linear.items():
        yield Module(name=f"{name}.{number}", kind="other", parameters={})
        yield from projections


def _with_moved(
    module: Module, pattern: str, rule: Mapping[str, Any], names: _Names
) -> Iterator[Module]:
    """A module under its new name and kind, and those that hold parameters of its now."""
    moved: Mapping[str, tuple[str, str, str]] = rule.get("moved", {})
    if pattern in rule.get("turned", ()):
        module = replace(
            module,
            parameters={
                key: (shape[0], shape[2], shape[1]) if len(shape) == 3 else shape
                for key, shape in module.parameters.items()
            },
        )
    away = {
        key: moved[f"{pattern}.{key}"] for key in module.parameters if f"{pattern}.{key}" in moved
    }
    yield replace(
        module,
        name=names.known(module.name),
        kind=rule.get("kinds", {}).get(pattern, module.kind),
        transposed=rule.get("transposed", {}).get(pattern, module.transposed),
        parameters={key: shape for key, shape in module.parameters.items() if key not in away},
    )
    _, index = template(module.name)
    for key, (place, parameter, kind) in away.items():
        held = {parameter: module.parameters[key]}
        yield Module(name=place.format(*index), kind=kind, parameters=held)


def _sizes(module: Module, parameter: str) -> tuple[int, int, int]:
    shape = module.parameters.get(parameter, ())
    if len(shape) != 3:
        raise UnsupportedError(f"{module.name}.{parameter} is {list(shape)}, and not of experts")
    experts, first, second = shape
    return (experts, second, first) if module.transposed else (experts, first, second)


class _Names:
    """Names with the beginnings that a rule renames."""

    def __init__(self, renamed: Mapping[str, str]) -> None:
        self._renamed = renamed

    def known(self, name: str) -> str:
        """A name as it is there."""
        if not self._renamed:
            return name
        parts = name.split(".")
        for end in range(len(parts), 0, -1):
            pattern, index = template(".".join(parts[:end]))
            if pattern in self._renamed:
                return ".".join([self._renamed[pattern].format(*index), *parts[end:]])
        return name

    def of(self, name: str | None) -> str | None:
        """The same of what may have none."""
        return None if name is None else self.known(name)
