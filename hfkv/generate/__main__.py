"""``python -m hfkv.generate NAME``: run one generator."""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = ("config_classes", "module_tables", "peft_facts", "snapshots")


def main() -> None:
    """Run the generators named on the command line."""
    names = sys.argv[1:]
    if not names or any(name not in NAMES for name in names):
        sys.exit(f"usage: python -m hfkv.generate {{{'|'.join(NAMES)}}} ...")
    for name in names:
        import_module(f"hfkv.generate.{name}").main()


if __name__ == "__main__":
    main()
