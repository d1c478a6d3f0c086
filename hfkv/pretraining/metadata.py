"""The front matter of a card: what it names as its base. Bounded against hostile YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["base_models", "front_matter", "split"]

#: Real front matter is a few kB; a licence text pasted into it makes some tens of kB.
_LARGEST = 65_536
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


def front_matter(card: str) -> Mapping[str, Any]:
    """The card's metadata; empty where there is none or it is not plain YAML.

    Aliases, which can make a small text as large as memory, are refused, and with them the whole.
    """
    text, _ = split(card)
    if not text or len(text) > _LARGEST:
        return {}
    # The C scanner and the Python one both recurse on nesting; real metadata nests a few levels.
    if max(text.count("["), text.count("{")) > 400:
        return {}
    import yaml

    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.events.AliasEvent):
                return {}
        value = yaml.load(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError, OverflowError):
        return {}
    return value if isinstance(value, dict) else {}


def base_models(card: str) -> tuple[tuple[str, str], ...]:
    """The models that the card's metadata names as its bases, each with the relation.

    Returns:
        ``(model id, relation)`` in the card's order; the relation is the metadata's
        ``base_model_relation`` where it is one that the Hub knows, else ``"base_model"``.

    >>> base_models("---\\nbase_model: a/b\\nbase_model_relation: finetune\\n---\\n")
    (('a/b', 'finetune'),)
    """
    meta = front_matter(card)
    named = meta.get("base_model")
    relation = meta.get("base_model_relation")
    kind = relation if isinstance(relation, str) and relation in _RELATIONS else "base_model"
    names = named if isinstance(named, list) else [named]
    found: dict[str, str] = {}
    for name in names[:100]:
        if isinstance(name, str) and _REPOSITORY.fullmatch(name.strip()):
            found.setdefault(name.strip(), kind)
    return tuple(found.items())
