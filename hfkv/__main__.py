"""The command: ``hfkv``, ``hf-kv`` and ``python -m hfkv``."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

__all__ = ["main"]

#: What a shell expects of a command that Ctrl-C ended.
INTERRUPTED = 130


def main() -> None:
    """Run the command; Ctrl-C ends it with 130, also while it is still being imported."""
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


def _leave() -> None:
    # At once: Python remembers an interrupt that came while a class was being made, though it was
    # handled, and would end by the signal after all.
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed: nobody reads it any more
            stream.flush()
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
