"""The command: ``hfkv``, ``hf-kv`` and ``python -m hfkv``."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command; Ctrl-C ends it with 130, also while it is still being imported."""
    try:
        from hfkv.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("Aborted.\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
