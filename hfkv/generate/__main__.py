"""``python -m hfkv.generate NAME...``: run generators, or one of them for a few model types."""

from __future__ import annotations

import sys
from importlib import import_module
from itertools import takewhile

from hfkv.errors import HfkvError

NAMES = (
    "adopt",
    "all",
    "base_dimensions",
    "cache_rows",
    "config_classes",
    "fresh",
    "ignored_weights",
    "line",
    "line_held",
    "line_trials",
    "loaded_otherwise",
    "module_tables",
    "peft_facts",
    "peft_methods",
    "plan_parts",
    "plan_widen",
    "plans",
    "reader",
    "releases",
    "snapshots",
    "statements",
)


def main() -> None:
    """Run the generators named on the command line; those that take types read them there."""
    names = list(takewhile(NAMES.__contains__, sys.argv[1:]))
    takers = (
        ["adopt"],
        ["all"],
        ["base_dimensions"],
        ["fresh"],
        ["line"],
        ["line_held"],
        ["line_trials"],
        ["module_tables"],
        ["plan_parts"],
        ["plan_widen"],
        ["plans"],
        ["reader"],
        ["releases"],
        ["statements"],
    )
    if not names or (sys.argv[len(names) + 1 :] and names not in takers):
        sys.exit(
            f"usage: python -m hfkv.generate {{{'|'.join(NAMES)}}} ...\n"
            "       python -m hfkv.generate {adopt|all|fresh|plan_parts|reader} --help\n"
            "       python -m hfkv.generate {module_tables|plan_widen|plans} MODEL_TYPE...\n"
            "       python -m hfkv.generate statements FILE.jsonl...\n"
            "       python -m hfkv.generate base_dimensions FOLDER\n"
            "       python -m hfkv.generate releases FOLDER\n"
            "       python -m hfkv.generate line_trials --help, line_held --help, line --help"
        )
    try:
        for name in names:
            import_module(f"hfkv.generate.{name}").main()
    except HfkvError as error:
        sys.exit(f"Error: {error}")
    except KeyboardInterrupt:
        sys.stderr.write("Aborted.\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
