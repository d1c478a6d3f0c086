"""What a method's config takes of the model as a whole, beside its own fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hfkv.errors import TargetError, UnsupportedError
from hfkv.modules.built import LINEAR, Built
from hfkv.peft.targets import Targeting
from hfkv.peft.tuners.options import TunerOptions, facts
from hfkv.peft.tuners.rule import Config, Site
from hfkv.reading import printable

__all__ = ["with_model"]

#: PEFT shortens longer lists of names, and Lily shares by the names.
_SHORTENED = 20


def with_model(
    built: Built, options: TunerOptions, targeting: Targeting, sites: Sequence[Site], half: bool
) -> Config:
    """The method's fields, with what it takes of the model as a whole."""
    config: dict[str, Any] = {**options.values, "half": half}
    if options.method == "IA3":
        config["feedforward_modules"] = _forward(built, options, targeting.where)
    elif options.method == "WAVEFT":
        config["proportional"] = _proportional(options, sites)
    elif options.method == "LILY":
        config["places"] = _places(targeting, sites)
    elif options.method == "LN_TUNING":
        config["inside"] = {site.name: _inside(built, site.name) for site in sites}
    elif options.method == "TRAINABLE_TOKENS":
        tied = built.to_input if built.ties_words else ()
        names = {site.name for site in sites}
        config["tied"] = (
            {built.input, *(name for name in names if name.endswith(tied))}
            if tied and built.input in names
            else ()
        )
    elif options.method == "ADAPTION_PROMPT":
        config["width"] = _width(built, sites[0], targeting.where)
    return config


def _forward(built: Built, options: TunerOptions, where: str) -> str | tuple[str, ...]:
    if options.feedforward_modules is not None:
        return options.feedforward_modules
    table = facts()["feedforward"]
    if built.model_type not in table:
        raise TargetError(
            "PEFT has no default feedforward_modules for model_type "
            f"'{printable(built.model_type)}'",
            where=where,
            hint="name them",
        )
    found = table[built.model_type]
    return found if isinstance(found, str) else tuple(found)


def _proportional(options: TunerOptions, sites: Sequence[Site]) -> dict[str, int]:
    """WaveFT: the frequencies of all layers together, by the sizes of their weights."""
    if not options.values["proportional_parameters"]:
        return {}
    total = sum(site.inputs * site.outputs for site in sites)
    budget = int(options.values["n_frequency"]) * len(sites)
    # In floats, as PEFT rounds.
    return {site.name: max(1, round(site.inputs * site.outputs / total * budget)) for site in sites}


def _places(targeting: Targeting, sites: Sequence[Site]) -> dict[str, tuple[object, int]]:
    """Lily: layers of one target and size stand in one line, and share."""
    targets = targeting.targets
    if not isinstance(targets, str) and len(targets or ()) >= _SHORTENED:
        raise UnsupportedError(
            "PEFT shortens long lists of names, and Lily shares its matrices by the names",
            where=targeting.where,
            hint="give short names",
        )
    lines: dict[object, int] = {}
    found: dict[str, tuple[object, int]] = {}
    for site in sites:
        fitting = (
            [targets]
            if isinstance(targets, str)
            else [name for name in targets or () if site.name.endswith(name)]
        )
        if len(fitting) != 1:
            raise UnsupportedError(
                f"several targets fit {printable(site.name)}, and by which of them Lily shares "
                "changes from run to run",
                where=targeting.where,
            )
        group = (fitting[0], site.inputs, site.outputs)
        at = lines.get(group, 0)
        lines[group] = at + 1
        found[site.name] = (group, at)
    return found


def _inside(built: Built, name: str) -> dict[str, tuple[int, ...]]:
    """The parameters of a module and of what lies in it, tied ones once."""
    found: dict[str, tuple[int, ...]] = {}
    seen = set()
    for module in built.modules:
        if module.name != name and not module.name.startswith(f"{name}."):
            continue
        for short, shape in module.parameters.items():
            full = f"{module.name}.{short}"
            root = built.tied.get(full, full)
            if root not in seen:
                seen.add(root)
                found[full[len(name) + 1 :]] = shape
    return found


def _width(built: Built, site: Site, where: str) -> int:
    """The hidden size: the inputs of the attention's first projection."""
    for module in built.modules:
        if module.name.startswith(f"{site.name}.") and module.kind in LINEAR:
            return module.features[0]
    raise UnsupportedError("the attention's projections are not known", where=where)
