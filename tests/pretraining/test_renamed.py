"""No rule names a model: a card reads the same when its models are called something else."""

from __future__ import annotations

import csv
import re
from hashlib import sha256
from pathlib import Path

import pytest

from hfkv.pretraining import read_card

CARDS = Path(__file__).parents[3] / "shared" / "data" / "cards"
#: Words of ids that mean something: a size, a kind, a stage.
PLAIN = frozenset(
    """base chat instruct code coder math series model large small mini nano medium flash moe max
    pro plus tiny world step token tokens intermediate gguf cased uncased vision omni redpajama sft
    text multi long lite bert finnish""".split()
)


def _renamed(word: str) -> str:
    letters = sha256(word.lower().encode()).digest()
    made = "".join(
        ("bdfgkmnprstvz", "aeiou")[at % 2][letters[at] % (13, 5)[at % 2]] for at in range(len(word))
    )
    return "".join(a.upper() if b.isupper() else a for a, b in zip(made, word, strict=True))


@pytest.mark.skipif(not (CARDS / "LABELS.tsv").exists(), reason="no labelled cards here")
@pytest.mark.parametrize("part", range(4))
def test_a_card_reads_the_same_under_other_names(part: int) -> None:
    with (CARDS / "LABELS.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    words = {
        word
        for row in rows
        for word in re.findall(r"[a-z]{4,}", row["hub_id"].split("/")[-1].lower())
    }
    names = re.compile(
        rf"(?<![A-Za-z])(?:{'|'.join(sorted(words - PLAIN, key=len, reverse=True))})", re.IGNORECASE
    )
    for row in rows[part::24]:
        card = (CARDS / row["card_file"]).read_text(encoding="utf-8", errors="replace")
        plain = read_card(card, model=row["hub_id"]).statement
        owner, name = row["hub_id"].split("/")
        other = read_card(
            names.sub(lambda found: _renamed(found[0]), card.replace("\n", "\r\n")),
            model=f"{owner}/{names.sub(lambda found: _renamed(found[0]), name)}",
        ).statement
        assert (other.tokens, other.qualifier) == (plain.tokens, plain.qualifier), row["hub_id"]
