"""How many of the classes that generate text are exact, and the table of all known types.

``python -m tests.census.summary`` prints the count and what is left out; with ``--write`` it also
writes ``.github/ARCHITECTURES.md``. Neither needs torch or transformers: the classes are those of
the generated data, and the caches they fill are the recordings.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hfkv.cache import ROWS
from hfkv.cache.catalogue import architectures
from hfkv.errors import HfkvError
from hfkv.facts.classes import known_types, pinned_version
from hfkv.modules.documented import basis_of
from hfkv.modules.rules import rules
from hfkv.render.machine import to_markdown
from tests.cache.test_goldens import planned
from tests.census.goldens import load

TARGET = Path(__file__).parents[2] / ".github" / "ARCHITECTURES.md"

EXACT = "exact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A model type and one of its text-generating classes.

    Attributes:
        model_type, name: the pair.
        lengths: at how many lengths its cache was recorded.
        verdict: ``exact``, or why it is not.
    """

    model_type: str
    name: str
    lengths: int
    verdict: str


def pairs() -> list[Pair]:
    """Every pair of the pinned transformers, held against its recording."""
    recorded = {(golden["model_type"], golden["class"]): golden for golden in load()}
    found = []
    for model_type, names in known_types().items():
        for name in names:
            golden = recorded.get((model_type, name))
            found.append(
                Pair(
                    model_type=model_type,
                    name=name,
                    lengths=0 if golden is None else len(golden["runs"]),
                    verdict=_verdict(model_type, golden),
                )
            )
    return found


def _verdict(model_type: str, golden: dict[str, Any] | None) -> str:
    row = ROWS.get(model_type)
    if row is None:
        return "no row: refused by name"
    if row.basis != EXACT:
        return f"{row.basis}: {row.source}"
    if golden is None:
        return "planned, but the class is not recorded"
    for run in golden["runs"]:
        try:
            same = (
                planned(golden["config"], run["tokens"], run.get("encoder_tokens")) == run["layers"]
            )
        except HfkvError as error:
            return f"refused at {run['tokens']} tokens: {error}"
        if not same:
            return f"differs at {run['tokens']} tokens"
    return EXACT


def headline(found: Sequence[Pair]) -> str:
    """One sentence with the count."""
    exact = [pair for pair in found if pair.verdict == EXACT]
    return (
        f"{len(exact)} of the {len(found)} pairs of model type and class that transformers "
        f"{pinned_version()} generates text with are exact at every recorded length "
        f"({sum(pair.lengths for pair in exact):,} caches, every tensor of every layer)."
    )


def document() -> str:
    """The whole of ``ARCHITECTURES.md``."""
    found = pairs()
    known = architectures()
    counts = Counter(item.basis for item in known)
    left = [pair for pair in found if pair.verdict != EXACT]
    parts = [
        "# Architectures whose KV cache is known",
        "Written by `python -m tests.census.summary --write`; a test keeps it up to date.",
        headline(found),
        f"{len(known)} types have a row: "
        + ", ".join(f"{count} {basis}" for basis, count in sorted(counts.items()))
        + ". Kinds are those of the class's default config; a file can choose others. A nested "
        "type is listed by itself and by the types around it. LoRA: how the modules that it adapts "
        "are known; where they are documented, the code that they are read from stands below.",
        to_markdown(
            ("model_type", "kinds", "basis", "LoRA", "source"),
            [
                (
                    f"`{item.model_type}`",
                    ", ".join(item.kinds) or "by the file",
                    item.basis,
                    basis_of(item.model_type)[0],
                    item.source,
                )
                for item in known
            ],
        ).replace(" ---: |", " --- |"),
    ]
    parts += [
        "## LoRA's modules, documented",
        to_markdown(
            ("model_type", "source"),
            [
                (f"`{name}`", rule.source)
                for name, found in sorted(rules().items())
                for rule in found
            ],
        ).replace(" ---: |", " --- |"),
    ]
    if left:
        parts += [
            "## Left out",
            to_markdown(
                ("model_type", "class", "why"),
                [(f"`{pair.model_type}`", f"`{pair.name}`", pair.verdict) for pair in left],
            ).replace(" ---: |", " --- |"),
        ]
    return "\n\n".join(parts) + "\n"


def main(arguments: Sequence[str]) -> None:
    """Print the count and what is left out; write the table where asked to."""
    found = pairs()
    print(headline(found))
    for pair in found:
        if pair.verdict != EXACT:
            print(f"  {pair.model_type} {pair.name}: {pair.verdict}")
    if "--write" in arguments:
        TARGET.write_text(document(), encoding="utf-8")
        print(f"wrote {TARGET.relative_to(Path.cwd())}")


if __name__ == "__main__":
    main(sys.argv[1:])
