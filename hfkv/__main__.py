"""The command: ``hfkv``, ``hf-kv`` and ``python -m hfkv``."""

from __future__ import annotations

import _thread
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

__all__ = ["main"]

#: What a shell expects of a command that Ctrl-C ended.
INTERRUPTED = 130


def main() -> None:
    """Run the command; Ctrl-C ends it with 130, also while it is still being imported."""
    sys.unraisablehook = _not_lost
    try:
        from hfkv.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("Aborted.\n")
        _leave()
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            _leave()
        raise


def _not_lost(unraised: UnraisableHookArgs) -> None:
    """Interrupt again where Python drops a Ctrl-C: one that comes while it calls back, as it does
    after each import, it only prints."""
    if issubclass(unraised.exc_type, KeyboardInterrupt):
        # From a thread, once the callback has ended; a bare one, as this takes no lock that the
        # interrupted code may hold.
        _thread.start_new_thread(_interrupt_soon, ())
    else:
        sys.__unraisablehook__(unraised)


def _interrupt_soon() -> None:
    time.sleep(0.01)
    _thread.interrupt_main()


def _leave() -> None:
    # At once: Python remembers an interrupt that came while a class was being made, though it was
    # handled, and would end by the signal after all.
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed: nobody reads it any more
            stream.flush()
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
