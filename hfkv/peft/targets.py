"""Which modules a config of PEFT chooses, whatever the method then does with them.

Follows ``inject_adapter`` of the pinned PEFT: the default mapping, ``all-linear``, the matching,
``exclude_modules``, the layers chosen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from hfkv.errors import TargetError, UnsupportedError
from hfkv.modules.built import LINEAR, UNCLEAR, Built, Module, target_name
from hfkv.peft.matching import compiled, excluded, layer_chosen, matches_list
from hfkv.reading import printable

__all__ = [
    "EMBEDDINGS",
    "TASKS",
    "TASK_HEADS",
    "Targeting",
    "default_targets",
    "linear_names",
    "matched",
    "near_names",
    "resolve",
]

#: PEFT's ``EMBEDDING_LAYER_NAMES``.
EMBEDDINGS = ("embed_tokens", "lm_head")
_HEADS = ("score", "classifier")
#: PEFT's ``TaskType``.
TASKS = tuple("SEQ_CLS SEQ_2_SEQ_LM CAUSAL_LM TOKEN_CLS QUESTION_ANS FEATURE_EXTRACTION".split())
#: PEFT's classes for these tasks train the heads of these names whole.
TASK_HEADS = {
    "SEQ_CLS": ("classifier", "score"),
    "TOKEN_CLS": ("classifier", "score"),
    "QUESTION_ANS": ("qa_outputs",),
}
#: From this many names on, PEFT shortens the list, which changes what "named in full" means.
_SHORTENED = 20


@dataclass(slots=True, kw_only=True)
class Targeting:
    """What a config says of modules, as PEFT rewrites it on the way.

    Attributes:
        where: the base model, for errors.
        targets: ``target_modules``.
        exclude: ``exclude_modules``.
        saved: ``modules_to_save``, with the heads of the task.
        layers, layers_pattern: ``layers_to_transform`` and its pattern.
        tying: ``ensure_weight_tying``.
        task: ``task_type``.
        tied: layers whose adapter is the input embedding's.
        copied: layers whose copy is the input embedding's.
    """

    where: str
    targets: str | Collection[str] | None
    exclude: str | Collection[str] | None = None
    saved: tuple[str, ...] | None = None
    layers: int | Collection[int] | None = None
    layers_pattern: str | Collection[str] | None = None
    tying: bool = False
    task: str | None = None
    tied: tuple[str, ...] = field(default=(), init=False)
    copied: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        if self.exclude is not None and not isinstance(self.exclude, str):
            self.exclude = frozenset(self.exclude)
        heads = TASK_HEADS.get(self.task or "", ())
        if heads:
            self.saved = (*(self.saved or ()), *heads)

    def excludes(self, name: str) -> bool:
        """Whether a module is excluded, or trained whole."""
        return excluded(self.exclude, self.saved, name)


def default_targets(
    built: Built, mapping: Mapping[str, str | list[str]], where: str
) -> str | list[str]:
    """A method's default targets for the type.

    Raises:
        TargetError: it has none.
    """
    if built.model_type not in mapping:
        raise TargetError(
            f"PEFT has no default target_modules for model_type '{printable(built.model_type)}'",
            where=where,
            hint="name them, or use all-linear",
        )
    return mapping[built.model_type]


def resolve(built: Built, targeting: Targeting) -> None:
    """Put names in the place of ``all-linear``."""
    targets = targeting.targets
    if isinstance(targets, str) and targets.lower() == "all-linear":
        targets = _all_linear(built, targeting.task)
    targeting.targets = targets if isinstance(targets, str) else frozenset(targets or ())


def _all_linear(built: Built, task: str | None) -> frozenset[str]:
    # What may be a linear layer is matched as well, so that it is refused and not left out.
    names = {module.name for module in built.modules if module.kind in (*LINEAR, *UNCLEAR)}
    if built.output is not None:
        names.discard(built.output)
    elif task == "SEQ_CLS":
        names.discard(next((name for name in _HEADS if name in names), ""))
    return frozenset(names)


def matched(built: Built, targeting: Targeting) -> Iterator[Module]:
    """The modules that are chosen, in the model's order; those that are tied to the input embedding
    come after all others, and are left out here.

    Raises:
        UnsupportedError: PEFT would shorten the list of names, and take it otherwise.
    """
    targets, layers = targeting.targets or (), targeting.layers
    if (
        not isinstance(targets, str)
        and layers is not None
        and len(targets) >= _SHORTENED
        and any("." in name for name in targets)
    ):
        raise UnsupportedError(
            "PEFT shortens long lists of full names, and layers_to_transform then means something "
            "else",
            where=targeting.where,
            hint="give short names",
        )
    expression = compiled(targets) if isinstance(targets, str) else None
    for module in built.modules:
        name = module.name
        if expression is not None:
            chosen = expression.fullmatch(name) is not None
        else:
            chosen = name in targets or (
                matches_list(targets, name) and layer_chosen(layers, targeting.layers_pattern, name)
            )
        if chosen and targeting.tied and matches_list(targeting.tied, name):
            continue
        if chosen and not targeting.excludes(name):
            yield module


def near_names(built: Built, names: Collection[str]) -> list[str]:
    """Names of linear layers that are spelled much as these."""
    import difflib

    have = linear_names(built)
    found = [match for name in names for match in difflib.get_close_matches(name, have, n=2)]
    return list(dict.fromkeys(found))


def linear_names(built: Built) -> list[str]:
    """The short names of all linear layers, sorted."""
    return sorted({target_name(module.name) for module in built.modules if module.kind in LINEAR})
