"""What a built model holds, and whether a plan says the same of its config."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hfkv.errors import HfkvError
from hfkv.facts.config import Config
from hfkv.generate.module_rows import kind_and_marks
from hfkv.generate.plan_configs import Space
from hfkv.live.embeddings import name_of
from hfkv.modules.class_plan import ClassPlan, UnprovedError, planned
from hfkv.modules.table import own_config

__all__ = ["Held", "as_read", "difference", "differs", "held_by", "says_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a built model holds, as far as a plan speaks of it.

    Attributes:
        model_type: of its config.
        modules: name to kind, own parameters' shapes, whether transposed, and groups.
        loose: its own parameters.
        tied: parameter to the one whose storage it shares.
        embeddings: names of the input and the output embedding.
        total: elements of all parameters.
    """

    model_type: str
    modules: Mapping[str, Any]
    loose: Mapping[str, Any]
    tied: Mapping[str, str]
    embeddings: tuple[str | None, str | None]
    total: int


def held_by(model: Any) -> Held:
    """What a model holds."""
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
    return Held(
        model_type=model.config.model_type,
        modules=theirs,
        loose=loose,
        tied=tied,
        embeddings=(
            name_of(model, model.get_input_embeddings),
            name_of(model, model.get_output_embeddings),
        ),
        total=sum(math.prod(parameter.shape) for parameter in model.parameters()),
    )


def difference(raw: Mapping[str, Any], model: Any, plan: ClassPlan) -> str:
    """What of the model differs from what the plan says of its config file; "" where nothing."""
    return differs(raw, held_by(model), plan)


def differs(raw: Mapping[str, Any], held: Held, plan: ClassPlan) -> str:
    """The same of what a model was seen to hold."""
    config = as_read(raw)
    built = planned(plan, config, model_type=held.model_type)
    mine = {
        item.name: (item.kind, dict(item.parameters), item.transposed, item.groups)
        for item in built.modules
    }
    for name in [*held.modules, *mine]:
        if mine.get(name) != held.modules.get(name):
            return f"{name} is {held.modules.get(name)}, planned was {mine.get(name)}"
    if dict(built.loose) != held.loose:
        return f"the model itself holds {held.loose}, planned was {dict(built.loose)}"
    if dict(built.tied) != held.tied:
        return f"tied are {held.tied}, planned was {dict(built.tied)}"
    for said, known in zip((built.input, built.output), held.embeddings, strict=True):
        if said != known:
            return f"an embedding is {known}, planned was {said}"
    if sum(built.elements().values()) != held.total:
        return f"it has {held.total:,} parameters, planned were {sum(built.elements().values()):,}"
    return ""


def as_read(raw: Mapping[str, Any]) -> Config:
    """The class's own config, as it is read from a file."""
    return own_config(Config(json.loads(json.dumps(raw)), where="config.json"))


def says_of(space: Space, plan: ClassPlan, values: dict[str, Any]) -> bool:
    """Whether a plan says anything of a config."""
    try:
        planned(plan, as_read(space.wrap(values)), model_type="")
    except UnprovedError:
        return False
    except HfkvError:
        return True
    return True
