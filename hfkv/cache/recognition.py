"""How the cache of a model is known: by a row of the registry, or from its header alone."""

from __future__ import annotations

from dataclasses import dataclass

from hfkv.cache.infer import infer
from hfkv.cache.plan import Plan
from hfkv.cache.registry import ROWS, plan, row_of
from hfkv.errors import UnsupportedError
from hfkv.facts import Facts
from hfkv.facts.classes import config_class, type_of_architecture
from hfkv.facts.config import Config
from hfkv.facts.identity import identified

__all__ = ["Recognized", "recognize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognized:
    """The plan of a model with how it is known.

    Attributes:
        config: the config that was read.
        plan: the kinds of all layers.
        basis: ``exact``, ``documented`` or ``inferred``.
        source: where the rule stands; "" for the class itself.
        claim: what the config contradicts itself in; "" where nothing.
    """

    config: Config
    plan: Plan
    basis: str
    source: str
    claim: str = ""


def recognize(facts: Facts) -> Recognized:
    """The plan of a model's cache.

    Raises:
        UnsupportedError: there is no config, or neither a row nor the header tells the cache.
        ConfigError: the config cannot be read.
    """
    if facts.config is None:
        raise UnsupportedError(
            facts.missing.get("config.json", "there is no config.json"),
            where=facts.model,
            hint="name a repository or directory that holds one",
        )
    named = facts.config.get("model_type")
    unknown = _nobody_knows(named, facts.config.get("architectures"))
    # A GGUF file's own names say nothing that the names of a checkpoint would.
    if unknown and facts.tensors is not None and not facts.unnamed and not facts.line:
        name = named if isinstance(named, str) else ""
        config = Config(facts.config, where=facts.model, model_type=name)
        read_off = infer(config, facts.tensors, where=facts.model)
        return Recognized(
            config=config, plan=read_off, basis="inferred", source="the checkpoint's shapes"
        )
    config, claimed = identified(facts.config, where=facts.model)
    row = row_of(config)
    made = plan(config)
    if facts.line:
        from hfkv.cache.line_rules import in_line

        made = in_line(facts.line, made, config, facts.config, where=facts.model)
    # A config that was not published but derived, or that is of two models, is not what the row was
    # checked with.
    basis = "documented" if facts.derived or claimed else row.basis
    return Recognized(
        config=config,
        plan=made,
        basis=basis,
        source=row.source,
        claim=claimed.told if claimed else "",
    )


def _nobody_knows(model_type: object, architectures: object) -> bool:
    """Whether a file's type, or in its absence its class, is one that nothing here knows.

    A type that the pinned transformers has but no row is for is known: its cache is refused, for
    its class may keep what no header shows.
    """
    if isinstance(model_type, str) and model_type:
        return model_type not in ROWS and config_class(model_type) is None
    if model_type is not None or not isinstance(architectures, list) or not architectures:
        return model_type is None
    first = architectures[0]
    return not isinstance(first, str) or type_of_architecture(first) is None
