"""The names that a base model's modules have, and what somebody may have meant by others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property

from hfkv.errors import HfkvError
from hfkv.modules.built import CONVOLUTIONS, LINEAR, Built, leaf, target_name
from hfkv.modules.table import experts_moved, peft_facts
from hfkv.peft.matching import compiled, matches_list
from hfkv.reading import printable

__all__ = ["MOVED", "Names", "moved", "newer_name"]

_ADAPTABLE = (*LINEAR, *CONVOLUTIONS, "embedding")
#: Last parts of the names of experts' projections, as lists of targets have them.
_EXPERTS = frozenset("gate_up_proj down_proj gate_proj up_proj w1 w2 w3 experts".split())

#: Beginnings of names in transformers 4, and what they are in 5.
MOVED = (
    ("language_model.model.", "model.language_model."),
    ("language_model.lm_head", "lm_head"),
    ("model.language_model.model.", "model.language_model."),
    ("model.layers.", "model.language_model.layers."),
    ("model.embed_tokens", "model.language_model.embed_tokens"),
    ("model.text_model.", "model.language_model."),
    ("vision_tower.", "model.vision_tower."),
    ("visual.", "model.visual."),
    ("vision_model.", "model.vision_model."),
    ("multi_modal_projector.", "model.multi_modal_projector."),
    ("", "model."),
)


def newer_name(name: str, known: frozenset[str]) -> str:
    """The name that a module has in transformers 5, where a file calls it as transformers 4 did:
    parts at the beginning were moved. "" where nothing is known of it.

    >>> newer_name("language_model.model.norm", frozenset(["model.language_model.norm"]))
    'model.language_model.norm'
    """
    for old, new in MOVED:
        if name.startswith(old) and new + name[len(old) :] in known:
            return new + name[len(old) :]
    return ""


def moved(old: str, new: str) -> tuple[str, str]:
    """The beginnings in which an old name and its newer one differ."""
    for before, after in MOVED:
        if before and old.startswith(before) and new == after + old[len(before) :]:
            return before, after
    return old, new


class Names:
    """The names of a base model, each kind of them made when it is first asked for.

    Args:
        built: the modules that transformers would build.
        where: the model's name.
    """

    def __init__(self, built: Built, where: str) -> None:
        self.built = built
        self.where = where

    @cached_property
    def leaves(self) -> frozenset[str]:
        """Last parts of all modules' names."""
        return frozenset(leaf(module.name) for module in self.built.modules)

    @cached_property
    def adaptable(self) -> list[str]:
        """Last parts of the names of what may be adapted, sorted."""
        return sorted(
            {target_name(item.name) for item in self.built.modules if item.kind in _ADAPTABLE}
        )

    @cached_property
    def full(self) -> frozenset[str]:
        """Full names of all modules."""
        return frozenset(module.name for module in self.built.modules)

    @cached_property
    def fused(self) -> list[str]:
        """Parameters that hold a projection of all experts, by the ends of their names."""
        found = {
            f"{target_name(module.name)}.{name}": None
            for module in self.built.modules
            for name, shape in module.parameters.items()
            if len(shape) == 3 and "bias" not in name
        }
        return list(found)

    @cached_property
    def parameters(self) -> list[str]:
        """Full names of all parameters."""
        found = list(self.built.loose)
        for module in self.built.modules:
            found += [f"{module.name}.{name}" for name in module.parameters]
        return found

    @cached_property
    def converted(self) -> frozenset[str]:
        """Names of expert projections that PEFT looks for in the fused parameter instead."""
        base = experts_moved(self.built)
        return frozenset(() if base is None else peft_facts()["expert_targets"][base])

    def has(self, name: str) -> bool:
        """Whether a name in a list matches any module."""
        if name in self.leaves or self.is_converted(name):
            return True
        return any(matches_list((name,), module.name) for module in self.built.modules)

    def is_converted(self, name: str) -> bool:
        """Whether a target is one that PEFT moves to a fused parameter."""
        return any(name == key or name.endswith(f".{key}") for key in self.converted)

    def like(self, name: str, among: Iterable[str]) -> str:
        """``; did you mean ...?`` with near names, or nothing."""
        import difflib

        wanted = leaf(name)
        known = sorted(set(among) - {wanted, name})
        near = [item for item in known if wanted in item.split("_")][:3]
        near = near or difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
        return f"; did you mean {printable(' or '.join(near), 120)}?" if near else ""

    def experts(self, name: str) -> str:
        """What to write where fused experts were meant."""
        if leaf(name) not in _EXPERTS:
            return ""
        like = [item for item in self.fused if leaf(name) in item or leaf(name)[0] in ("w", "e")]
        like = like or [item for item in self.fused if leaf(name) in ("gate_proj", "up_proj")]
        if not like:
            return ""
        return (
            "; its experts are fused: name their parameters, "
            f"target_parameters: [{printable(', '.join(like[:3]), 160)}]"
        )

    def older(self, names: list[str], newer: dict[str, str]) -> str:
        """That names begin as another version of transformers gave them."""
        first, now = names[0], newer[names[0]]
        pairs = (pair for pair in MOVED if pair[0] and first.startswith(pair[0]))
        old, new = next(pairs, (first, now))
        many = f"{len(names):,} names" if len(names) > 1 else f"'{printable(first, 80)}'"
        return (
            f"{many} begin{'' if len(names) > 1 else 's'} as transformers 4 had it and match "
            f"nothing in {self.where}: '{printable(old, 80)}' is '{printable(new, 80)}' in "
            "transformers 5"
        )

    def whole_name(self, pattern: str) -> str:
        """What may be wrong with an expression that matches nothing; "" where nothing is known.

        A name alone is a common slip: PEFT takes a text as an expression for the whole name."""
        if self.has(pattern):
            return f"a text is an expression for the whole name: write ['{printable(pattern, 60)}']"
        for old, new in MOVED:
            for before, after in ((old, new), (old.replace(".", "\\."), new.replace(".", "\\."))):
                if not old or not pattern.removeprefix("^").startswith(before):
                    continue
                other = pattern.removeprefix("^").replace(before, after, 1)
                try:
                    expression = compiled(other)
                except HfkvError:
                    continue
                if any(expression.fullmatch(name) for name in self.full):
                    place = self._layers(new)
                    return (
                        f"'{old}' is '{place}' in transformers 5: write '{printable(other, 200)}'"
                    )
        if len(re.findall(r"[A-Za-z_]+", pattern)) > 3:
            return ""
        return self.like(pattern, self.adaptable).removeprefix("; ")

    def _layers(self, start: str) -> str:
        """A beginning of names, up to the list of layers where it leads to one."""
        full = f"{start.rstrip('.')}.layers"
        return full if any(name.startswith(f"{full}.") for name in self.full) else start
