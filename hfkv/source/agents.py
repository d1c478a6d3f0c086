"""Whether an AI agent runs the command, as far as the installed huggingface_hub knows agents."""

from __future__ import annotations

import os

__all__ = ["is_agent"]

#: What every agent is asked to set.
_ASKED = ("AI_AGENT", "AGENT")


def is_agent() -> bool:
    """Whether the environment is that of an AI agent; never asks the network.

    huggingface_hub (from 1.21) knows agents by a registry that it fetches and keeps. A command
    that works offline must not start with a request, so the registry is consulted once it is
    there; else the two variables that every agent is asked to set decide.
    """
    if any(os.environ.get(name, "").strip() for name in _ASKED):
        return True
    if not os.path.exists(registry()):
        return False
    try:
        from huggingface_hub.utils import _detect_agent
    except ImportError:
        return False
    return bool(_detect_agent.is_agent())


def registry() -> str:
    """Where huggingface_hub keeps its registry of agents.

    Built here, as importing its constants takes as long as a whole answer from a snapshot.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    home = os.environ.get("HF_HOME") or os.path.join(cache, "huggingface")
    return os.path.join(os.path.expandvars(os.path.expanduser(home)), ".agent_harnesses.json")
