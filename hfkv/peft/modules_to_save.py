"""Modules that are trained and saved whole (``modules_to_save``): copies, and copies inside them.

PEFT takes the modules in their order. It keeps the module, frozen, and trains a copy beside it.
A module inside one that was copied before is looked up in that copy: there it is frozen, and a copy
of its own is trained. One that lies two steps below a copied module is not copied again; instead
PEFT treats that copied module once more, and all of its copy is trained.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hfkv.errors import TargetError
from hfkv.modules.built import Built, Module
from hfkv.peft.targets import Targeting
from hfkv.reading import printable

__all__ = ["Saved", "saved_modules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What is trained beside the method's own parameters.

    Attributes:
        trained: parameters that are trained, by module.
        idle: parameters of copies that are not trained: another copy takes their place.
        written: what of the copies is written to disk.
    """

    trained: dict[str, int]
    idle: int = 0
    written: int = 0


@dataclass(slots=True, kw_only=True)
class _Copy:
    """A copy of the module ``name``, in the copy ``within`` where it lies in one.

    ``held`` are its parameters, tied ones once, and ``frozen`` those that are not trained.
    ``aside`` is set where the copy is held by the wrapper of ``within`` and not in its copy.
    """

    name: str
    held: dict[str, int]
    within: _Copy | None
    aside: bool
    whole: int
    frozen: set[str] = field(default_factory=set)
    inside: list[_Copy] = field(default_factory=list)

    def train(self) -> None:
        """Train all of it, and of what was copied inside it."""
        self.frozen.clear()
        for copy in self.inside:
            if not copy.aside:
                copy.train()

    def take(self) -> None:
        """What PEFT does each time it comes to this module."""
        if self.within is not None:
            self.within.frozen.update(self.held.keys() & self.within.held.keys())
        self.train()

    def written(self) -> int:
        """Elements of its state, in which tied parameters are listed under each name."""
        return self.whole + sum(copy.written() for copy in self.inside if not copy.aside)


def saved_modules(built: Built, targeting: Targeting, adapted: set[str]) -> Saved:
    """The copies that are made.

    Args:
        adapted: names of the modules that the method adapts.

    Raises:
        TargetError: PEFT refuses to copy one of them.
    """
    wanted = targeting.saved
    copies: dict[str, _Copy] = {}
    chosen = [m.name for m in built.modules if m.name.endswith(wanted)] if wanted else []
    for name in chosen:
        parent = name.rpartition(".")[0]
        above = copies.get(parent.rpartition(".")[0])
        if above is not None:
            above.take()
            continue
        copies[name] = copy = _copy(built, targeting, name, adapted, copies)
        if copy.within is not None:
            copy.within.inside.append(copy)
        copy.take()
    return Saved(
        trained={
            copy.name: sum(size for root, size in copy.held.items() if root not in copy.frozen)
            for copy in copies.values()
        },
        idle=sum(copy.held[root] for copy in copies.values() for root in copy.frozen),
        # One that a wrapper holds is written under the names of the copy around it.
        written=sum(copy.written() for copy in copies.values() if not copy.aside),
    )


def _copy(
    built: Built, targeting: Targeting, name: str, adapted: set[str], copies: dict[str, _Copy]
) -> _Copy:
    inside = [m for m in built.modules if m.name == name or m.name.startswith(f"{name}.")]
    if _is_list(name, inside):
        raise TargetError(
            f"PEFT cannot save {printable(name)}, which is a list of modules", where=targeting.where
        )
    if any(item == name or item.startswith(f"{name}.") for item in adapted):
        raise TargetError(
            f"PEFT cannot both adapt {printable(name)} and save it whole", where=targeting.where
        )
    held: dict[str, int] = {}
    whole = 0
    for module in inside:
        for short, shape in module.parameters.items():
            full = f"{module.name}.{short}"
            held[built.tied.get(full, full)] = math.prod(shape)
            whole += math.prod(shape)
    around = [copy for copy in copies.values() if name.startswith(f"{copy.name}.")]
    within = max(around, key=lambda copy: len(copy.name)) if around else None
    return _Copy(
        name=name,
        held=held,
        within=within,
        aside=within is not None and name.rpartition(".")[0] == within.name,
        whole=whole,
    )


def _is_list(name: str, inside: list[Module]) -> bool:
    children = {module.name[len(name) + 1 :].split(".")[0] for module in inside[1:]}
    own = inside[0]
    return bool(children) and not own.parameters and all(child.isdigit() for child in children)
