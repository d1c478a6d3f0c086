"""Output formats and how the default one is chosen, as the ``hf`` command chooses it."""

from __future__ import annotations

from enum import Enum

__all__ = ["Format", "resolve"]


class Format(str, Enum):
    """How a command prints: the formats of ``hf``, and three for documents and spreadsheets."""

    auto = "auto"
    human = "human"
    agent = "agent"
    json = "json"
    quiet = "quiet"
    markdown = "markdown"
    latex = "latex"
    csv = "csv"


def resolve(chosen: Format) -> Format:
    """The format to print in: ``auto`` is ``agent`` for an AI agent and ``human`` otherwise.

    A pipe gets what a person gets, without colour and 80 columns wide, as with ``hf``.
    """
    if chosen is not Format.auto:
        return chosen
    return Format.agent if _is_agent() else Format.human


def _is_agent() -> bool:
    from hfkv.source.agents import is_agent

    return is_agent()
