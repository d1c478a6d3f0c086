"""Who wants to hear how far the network is: the command's line on stderr, if anybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["listening", "say"]

_LISTENER: ContextVar[Callable[[str], None] | None] = ContextVar("hfkv_progress", default=None)


@contextmanager
def listening(listener: Callable[[str], None]) -> Iterator[None]:
    """Have ``listener`` called, from any thread of this call, with a short text at each step."""
    reset = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(reset)


def say(text: str) -> None:
    """Tell the listener, if there is one."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(text)
