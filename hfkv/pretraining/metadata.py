"""The front matter of a card: what it names as its base. Bounded against hostile YAML."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

from hfkv.source.old_names import name_now

__all__ = ["base_models", "split"]

#: A hundred names of bases are more than any merge has.
_LARGEST = 12_000
#: A key of the bases with the lines that go on with it: indented, or items of its list.
_KEYS = re.compile(
    r"^[\"']?base_model(?:_relation)?[\"']?[ \t]*:[^\n]*"
    r"(?:\n(?:[ \t][^\n]*|-[ \t][^\n]*|[ \t]*(?=\n)))*",
    re.MULTILINE,
)
_RELATIONS = ("finetune", "adapter", "quantized", "merge")
_REPOSITORY = re.compile(r"[\w][\w.\-]{0,95}/[\w][\w.\-]{0,95}", re.ASCII)


def split(card: str) -> tuple[str, int]:
    """The front matter of a card ("" for none) and the offset at which the body begins."""
    start = 1 if card.startswith("\ufeff") else 0
    first = card.find("\n", start)
    if first < 0 or card[start:first].strip() != "---":
        return "", start
    position = first + 1
    while position < len(card):
        end = card.find("\n", position)
        stop = len(card) if end < 0 else end
        if card[position:stop].rstrip() in ("---", "..."):
            return card[first + 1 : position], min(stop + 1, len(card))
        position = stop + 1
    return "", start


def _named(text: str) -> Mapping[str, Any]:
    """What the front matter says of its bases; empty where that part is not plain YAML.

    Only the lines of the two keys are parsed: the rest may be long, or broken, or mean harm.
    Aliases, which can make a small text as large as memory, name nothing here.
    """
    part = "".join(match[0] + "\n" for match in itertools.islice(_KEYS.finditer(text), 4))
    # The parser recurses on nesting; real metadata nests a level or two.
    if not part or len(part) > _LARGEST or len(re.findall(r"[\[{]|- +-", part)) > 50:
        return {}
    import yaml

    try:
        value = yaml.load(part, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, OverflowError):
        return {}
    return value if isinstance(value, dict) else {}


def base_models(card: str) -> tuple[tuple[str, str], ...]:
    """The models that the card's metadata names as its bases, each with the relation.

    Returns:
        ``(model id, relation)`` in the card's order, an old id as the Hub has it today; the
        relation is the metadata's ``base_model_relation`` where it is one that the Hub knows, else
        ``"base_model"``.

    >>> base_models("---\\nbase_model: a/b\\nbase_model_relation: finetune\\n---\\n")
    (('a/b', 'finetune'),)
    """
    meta = _named(split(card)[0])
    named = meta.get("base_model")
    relation = meta.get("base_model_relation")
    kind = relation if isinstance(relation, str) and relation in _RELATIONS else "base_model"
    names = named if isinstance(named, list) else [named]
    found: dict[str, str] = {}
    for name in names[:100]:
        now = name_now(name.strip()) if isinstance(name, str) else ""
        if _REPOSITORY.fullmatch(now):
            found.setdefault(now, kind)
    return tuple(found.items())
