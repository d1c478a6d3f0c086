"""The safetensors conversion that the Hub's bot offers for a repository of PyTorch files alone.

As transformers looks for it (``safetensors_conversion.py``): an open pull request with the bot's
title, by the bot itself, made from the commit at hand. Pure but for the callable that asks the
Hub's API.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

__all__ = ["Conversion", "find_conversion"]

_BOT = "SFconvertbot"
_TITLE = "Adding `safetensors` variant of this model"
_MOST_PAGES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """An offered conversion.

    Attributes:
        reference: the revision to read it at, such as ``refs/pr/3``.
        current: whether it was made from the commit that was asked about.
    """

    reference: str
    current: bool

    @property
    def note(self) -> str:
        """What a reader must be told."""
        return (
            "the weights are there only as pytorch_model.bin; their headers were read from the "
            f"safetensors conversion that the Hub's bot offers as {self.reference}"
        )


def find_conversion(ask: Callable[[str], Any], commit: str) -> Conversion | None:
    """The bot's open pull request, if there is one; the one made from ``commit`` first.

    Args:
        ask: the JSON that ``GET /api/models/{id}{path}`` answers for a path.
        commit: the commit whose weights are wanted.
    """
    older: Conversion | None = None
    for number in _offers(ask):
        reference = f"refs/pr/{number}"
        history = ask(f"/commits/{quote(reference, safe='')}")
        # Its newest commit is the bot's own; the one below is what the bot converted.
        below = history[1] if isinstance(history, list) and len(history) > 1 else None
        if isinstance(below, dict) and below.get("id") == commit:
            return Conversion(reference=reference, current=True)
        older = older or Conversion(reference=reference, current=False)
    return older


def _offers(ask: Callable[[str], Any]) -> list[int]:
    """Numbers of the bot's open pull requests, newest first."""
    numbers: list[int] = []
    for page in range(_MOST_PAGES):
        query = urlencode({"type": "pull_request", "status": "open", "author": _BOT, "p": page})
        answer = ask(f"/discussions?{query}")
        if not isinstance(answer, dict) or not isinstance(answer.get("discussions"), list):
            break
        items = answer["discussions"]
        numbers += [item["num"] for item in items if _is_offer(item)]
        start, count = answer.get("start"), answer.get("count")
        if not items or type(start) is not int or type(count) is not int:
            break
        if start + len(items) >= count:
            break
    return sorted(set(numbers), reverse=True)[:_MOST_PAGES]


def _is_offer(item: object) -> bool:
    if not isinstance(item, dict):
        return False
    author = item.get("author")
    # Anyone can open a pull request of that title: only the bot's own is trusted.
    return (
        item.get("title") == _TITLE
        and item.get("status") == "open"
        and item.get("isPullRequest") is True
        and isinstance(author, dict)
        and author.get("name") == _BOT
        and type(item.get("num")) is int
        and 0 < item["num"] < 10**9
    )
