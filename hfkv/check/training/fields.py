"""What the readers of training configs share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hfkv.check.asked import Asked, Slip
from hfkv.check.text.placeholder import is_placeholder
from hfkv.check.text.places import KeyPath
from hfkv.reading import printable

__all__ = [
    "Fields",
    "Section",
    "context",
    "integer",
    "model_name",
    "names",
    "near_key",
    "of_diffusers",
]

_PATTERN = set("*\\^$()[]|+?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A mapping in a file.

    Attributes:
        value: the mapping.
        path: its place.
        text: the file's text, whose comments can matter.
        around: the mappings around it, the nearest first.
    """

    value: Mapping[str, Any]
    path: KeyPath
    text: str = ""
    around: tuple[Section, ...] = ()

    def below(self, key: str) -> Section | None:
        """The mapping under a key; None where there is none."""
        value = self.value.get(key)
        if not isinstance(value, Mapping):
            return None
        return Section(
            value=value, path=(*self.path, key), text=self.text, around=(self, *self.around)
        )

    def first(self, *keys: str) -> tuple[Any, KeyPath] | None:
        """The first of some keys that is there and not null, with its place."""
        for key in keys:
            if self.value.get(key) is not None:
                return self.value[key], (*self.path, key)
        return None


@dataclass(slots=True)
class Fields:
    """The fields of ``LoraConfig`` that a file sets by names of its own.

    Attributes:
        section: the mapping that holds them.
        converts: the trainer turns ``"16"`` into a number.
    """

    section: Section
    converts: bool = True
    fields: dict[str, Any] = field(default_factory=dict)
    places: dict[str, KeyPath] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    slips: list[Slip] = field(default_factory=list)

    def take(self, key: str, name: str, default: Any = None) -> Any:
        """Read ``key`` as the field ``name``; what is absent or null takes the trainer's default,
        and where there is none either, PEFT's."""
        value = self.section.value
        found = value.get(key)
        if key in value:
            self.places[name] = (*self.section.path, key)
            self.names[name] = key
        found = self.put(name, found)
        if name in self.unknown:
            return None
        if found is None and default is not None:
            self.fields[name] = default
            return default
        return found

    def put(self, name: str, value: Any) -> Any:
        """Set a field, unless its value is filled in later."""
        if isinstance(value, (list, tuple)) and any(is_placeholder(item) for item in value):
            # What is written out is checked all the same; it is not all there will be.
            value = [item for item in value if not is_placeholder(item)]
            if not value:
                self.unknown.add(name)
                return None
        elif is_placeholder(value):
            self.unknown.add(name)
            return None
        if self.converts and name in ("r", "lora_alpha") and isinstance(value, str):
            value = int(value) if value.strip().isdigit() else value
        if value is not None:
            self.fields[name] = value
        return value

    def targets(
        self, key: str, *, every: Sequence[str] = (), default: Any = None, listed: bool = False
    ) -> Any:
        """Read the names of modules: a list, one line with commas, or one of the words for every
        linear layer, which become ``all-linear``. What is empty is no answer. A trainer that makes
        a list of whatever stands there has its lone name ``listed``, and reads no expression."""
        found = self.take(key, "target_modules", default)
        if isinstance(found, str) and not found.strip():
            found = []
        if found == [] or found == "":
            self.fields.pop("target_modules", None)
            return None
        found = names(found)
        if isinstance(found, list) and len(found) == 1 and found[0] in every:
            found = found[0]
        if isinstance(found, str) and found in every:
            found = "all-linear"
        elif listed and isinstance(found, str):
            found = [found]
        if found is not None:
            self.fields["target_modules"] = found
        return found

    def misspelt(self, known: Iterable[str]) -> None:
        """Find keys that are nearly one that the trainer knows."""
        known = frozenset(known)
        for key in self.section.value:
            if not isinstance(key, str) or key in known:
                continue
            near = near_key(key, known)
            if near and near not in self.section.value:
                self.slips.append(
                    Slip(
                        code="HFKV111",
                        path=(*self.section.path, key),
                        message=f"'{printable(key, 60)}' is no key that is known here; "
                        f"did you mean {near}?",
                    )
                )

    def asked(self, kind: str, base: tuple[Any, KeyPath] | None, **more: Any) -> Asked:
        """What the file asks, with the base that it names."""
        uncounted = more.pop("uncounted", "")
        rank = self.fields.get("r")
        if rank is None:
            uncounted = uncounted or "the file does not say the rank"
            self.fields["r"] = 1
        if self.unknown:
            uncounted = uncounted or "some of it is filled in when the trainer runs"
        if of_diffusers(self.fields.get("target_modules")):
            more["foreign"] = "diffusers"
        if base and is_placeholder(base[0]):
            more["needs_base"] = False
        return Asked(
            kind=kind,
            base=model_name(base[0]) if base else None,
            base_path=base[1] if base else self.section.path,
            fields=self.fields,
            places=self.places,
            names=self.names,
            slips=(*self.slips, *more.pop("slips", ())),
            unknown=frozenset(self.unknown),
            uncounted=uncounted,
            **more,
        )


def near_key(key: str, known: Iterable[str]) -> str:
    """The known key that another one nearly is, or ""; only of one or two letters' difference.

    >>> near_key("lora_target_module", ["lora_target_modules", "lora_r"])
    'lora_target_modules'
    """
    if len(key) < 5:
        return ""
    shape = key.lower().replace("-", "_")
    for item in known:
        if item != key and item == shape:
            return item
    # Most keys are nowhere near, which is told without comparing letter by letter.
    like = [
        item
        for item in known
        if len(item) > 5
        and abs(len(item) - len(key)) < 3
        and (item[:3] == key[:3] or item[-3:] == key[-3:])
    ]
    found = difflib.get_close_matches(key, like, 1, 0.88) if like else []
    return found[0] if found else ""


def integer(value: object) -> int | None:
    """A positive number as a trainer reads it; None for what is none."""
    if isinstance(value, str) and value.strip().isdigit():
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and value > 0 else None  # type: ignore[return-value, operator]


def model_name(value: object) -> str | None:
    """A model's name; None for what is none, or is filled in when the trainer runs."""
    if not isinstance(value, str) or not value.strip() or is_placeholder(value):
        return None
    return value.strip()


def names(value: object) -> object:
    """Names as trainers take them on one line, ``q_proj,v_proj``; other values as they are."""
    if isinstance(value, str) and not _PATTERN & set(value):
        found = [name.strip() for name in value.replace(" ", ",").split(",") if name.strip()]
        return found if len(found) > 1 or "," in value else value
    return value


#: Modules of diffusers' transformers and U-Nets.
_DIFFUSERS = frozenset(
    """to_q to_k to_v to_out to_out.0 add_k_proj add_q_proj add_v_proj to_add_out proj_mlp
    ff.net.0.proj ff.net.2 ff_context.net.0.proj ff_context.net.2 conv_in conv_out""".split()
)


def of_diffusers(targets: object) -> bool:
    """Whether names of modules are those of a diffusion model's classes, which are not
    transformers'."""
    if not isinstance(targets, (list, tuple)):
        return False
    return sum(isinstance(item, str) and item in _DIFFUSERS for item in targets) > 1


def context(
    section: Section | None, tokens: Sequence[str], batch: Sequence[str] = (), *, packed: object = 0
) -> dict[str, Any]:
    """The length of a sequence and the batch, as fields of :class:`Asked`."""
    found: dict[str, Any] = {}
    length = section.first(*tokens) if section is not None else None
    if length is not None and integer(length[0]) is not None:
        found["tokens"], found["tokens_path"] = integer(length[0]), length[1]
    size = section.first(*batch) if section is not None else None
    if size is not None and integer(size[0]) is not None:
        found["batch"] = integer(size[0])
    found["packed"] = packed is True
    return found
