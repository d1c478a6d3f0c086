"""``python -m hfkv.generate NAME``: run one generator."""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = ("config_classes", "module_tables", "peft_facts", "plans", "snapshots")


def main() -> None:
    """Run the generator named on the command line; what follows is its own."""
    names = sys.argv[1:]
    if not names or names[0] not in NAMES:
        sys.exit(f"usage: python -m hfkv.generate {{{'|'.join(NAMES)}}} [TYPE...]")
    import_module(f"hfkv.generate.{names[0]}").main()


if __name__ == "__main__":
    main()
