"""Write ``hfkv/data/base_dimensions.json``: the bases of each set of dimensions.

    python -m hfkv.generate base_dimensions FOLDER

``FOLDER`` holds configs and an ``INDEX.tsv`` of their Hub ids; the bundled snapshots are taken as
well. Only hashes are kept, of those that :mod:`hfkv.pretraining.statements` has a count for.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hfkv.model import load
from hfkv.pretraining.dimensions import fingerprint
from hfkv.pretraining.statements import line_of
from hfkv.source.snapshot import snapshot_names

OUT = Path(__file__).parents[1] / "data" / "base_dimensions.json"
#: Models that were trained from a start of their own in the dimensions of a famous one; their
#: configs, read on the Hub, differ from it in no key that a dimension stands in.
_TWINS = {
    "meta-llama/Llama-2-7b-hf": (
        "huggyllama/llama-7b", "openlm-research/open_llama_7b", "LLM360/Amber",
    ),
    "meta-llama/Llama-2-13b-hf": ("huggyllama/llama-13b", "openlm-research/open_llama_13b"),
}  # fmt: skip
#: What an index says of configs that are not as they were published.
_CHANGED = ("edited", "resized", "reduced", "uncertain", "inferred", "finetune", "no LLM dims")


def _configs(folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in snapshot_names():
        yield name, load(name, source="snapshot").core.config or {}
    with (folder / "INDEX.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if not any(word in row["note"] for word in _CHANGED):
                yield row["hub_id"], json.loads((folder / row["file"]).read_text("utf-8"))


def made(folder: Path) -> dict[str, list[str]]:
    """Fingerprint to ids, sorted."""
    found: dict[str, set[str]] = {}
    for name, config in _configs(folder):
        mark = fingerprint(config)
        if mark is None:
            continue
        for known in (name, *_TWINS.get(name, ())):
            line = line_of(known)
            if line is not None and line.tokens is not None:
                found.setdefault(mark, set()).add(known)
    return {mark: sorted(found[mark]) for mark in sorted(found)}


def main() -> None:
    """Write the file; say how many sets of dimensions there are."""
    if len(sys.argv) != 3:
        sys.exit("usage: python -m hfkv.generate base_dimensions FOLDER")
    value = made(Path(sys.argv[2]))
    lines = ",\n".join(f" {json.dumps(mark)}: {json.dumps(ids)}" for mark, ids in value.items())
    OUT.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    print(f"{len(value)} sets of dimensions")
