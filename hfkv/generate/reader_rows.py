"""The rows that the card reader is fitted on: a card's possible answers and its label."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hfkv.errors import RecordError
from hfkv.pretraining.candidates import candidates
from hfkv.pretraining.fitted import WORD
from hfkv.pretraining.identity import identity
from hfkv.pretraining.metadata import base_models
from hfkv.pretraining.options import options

ROOT = Path(__file__).parents[2]
LABELLED = ROOT.parent / "shared" / "data"
FEATURES = ROOT / "tests" / "fixtures" / "reader_features.json.gz"
UNREAD = ROOT / "tests" / "fixtures" / "reader_unread.json.gz"

#: A word is recorded that so many cards of a file have; of rarer ones nothing could be learned,
#: and they would give their sentences away.
COMMON = 4

Row = dict[str, Any]


def labelled() -> list[Row]:
    """The features of every labelled card, from the cards."""
    cards = []
    for name in ("cards/LABELS.tsv", "cards_more/labels.tsv"):
        folder = (LABELLED / name).parent
        with (LABELLED / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                place = folder / row.get("set", "") / row["card_file"]
                cards.append((row, place.read_text(encoding="utf-8", errors="replace")))
    families = _families(cards)
    return [_row(row, card, families[_owner(row)]) for row, card in cards] + invented()


def invented() -> list[Row]:
    """The features of the invented cards of the tests: every kind of statement, a little."""
    from tests.pretraining.test_statements import NOT_STATED, STATED, WHICH

    asked = "org/Foo-7B"
    cards: list[tuple[str, str, int | None, int | None, str | None]] = [
        *(
            (card, asked, None, tokens, how)
            for rows in STATED.values()
            for card, tokens, how in rows
        ),
        *((card, asked, None, None, None) for rows in NOT_STATED.values() for card in rows),
        *WHICH,
    ]
    from tests.pretraining.paraphrases import cards as paraphrases

    cards += paraphrases()
    return [
        _row(
            {
                "hub_id": model,
                "set": "invented",
                "expected_tokens": str(tokens or ""),
                "qualifier": how or "",
                "difficulty_note": "",
            },
            card,
            f"invented {number}",
            parameters,
        )
        for number, (card, model, parameters, tokens, how) in enumerate(cards)
    ]


def _owner(row: dict[str, str]) -> str:
    return row["hub_id"].split("/")[0].lower()


def _families(cards: Sequence[tuple[dict[str, str], str]]) -> dict[str, str]:
    """Each owner's family: owners whose cards share a sentence with a number are one."""
    parent = {_owner(row): _owner(row) for row, _ in cards}

    def top(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    said: dict[str, str] = {}
    for row, card in cards:
        for found in candidates(card):
            if found.form == "prose" and len(found.text) > 50:
                words = " ".join(re.findall(r"\w+", found.text.lower()))
                one, other = top(_owner(row)), top(said.setdefault(words, _owner(row)))
                parent[max(one, other)] = min(one, other)
    return {name: top(name) for name in parent}


def _notes(row: dict[str, str], key: str) -> set[str]:
    found = re.findall(rf"\b{key}=([\w|]+)", row["difficulty_note"] or "")
    return {value for part in found for value in part.split("|")}


def _row(row: dict[str, str], card: str, family: str, parameters: int | None = None) -> Row:
    bases = [name for name, _ in base_models(card)]
    answers = options(card, identity(row["hub_id"], parameters, None, bases))
    right = {row["expected_tokens"] or "none"} | _notes(row, "accept")
    return {
        "model": row["hub_id"],
        "set": row.get("set", "0"),
        "family": family,
        "right": sorted(right),
        "firm": bool(row["expected_tokens"]) and "none" not in right,
        "qualifiers": sorted({row["qualifier"]} | _notes(row, "accept_qualifier")),
        "answers": [
            [option.tokens, option.qualifier, sorted(option.features)] for option in answers
        ],
    }


def drawn(file: Path) -> list[Row]:
    """The rows of cards that were drawn and labelled before any reader saw them.

    Raises:
        RecordError: the file cannot be read, or a line of it is no labelled card.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RecordError(f"{file}: cannot be read ({error})") from error
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(_drawn(json.loads(line), file.stem))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            wanted = "id, card, tokens, qualifier, accept, accept_q and firm"
            raise RecordError(
                f"{file}:{number}: expected a JSON object with {wanted} ({error!r})"
            ) from error
    return rows


def _drawn(card: dict[str, Any], name: str) -> Row:
    accepted = "|".join(map(str, card["accept"]))
    hows = "|".join(map(_how, card["accept_q"]))
    row = {
        "hub_id": card["id"],
        "set": name,
        "expected_tokens": str(card["tokens"] or ""),
        "qualifier": _how(card["qualifier"]),
        "difficulty_note": f"accept={accepted} accept_qualifier={hows}",
    }
    made = _row(row, card["card"], _owner(row))
    return {**made, "firm": bool(card["firm"] and card["tokens"])}


def _how(word: str | None) -> str:
    return "about" if word == "approximate" else word or ""


def packed(rows: Sequence[Row]) -> bytes:
    """The rows as they are recorded: each feature by its number in a list of names, without words
    that few cards have."""
    cards = Counter(
        name for row in rows for name in {name for *_, names in row["answers"] for name in names}
    )
    names = sorted(
        name for name, count in cards.items() if count >= COMMON or not name.startswith(WORD)
    )
    number = {name: at for at, name in enumerate(names)}
    slim = [
        {
            **row,
            "answers": [
                [tokens, how, [number[name] for name in features if name in number]]
                for tokens, how, features in row["answers"]
            ],
        }
        for row in rows
    ]
    text = json.dumps({"names": names, "rows": slim}, separators=(",", ":"))
    return gzip.compress(text.encode(), 9, mtime=0)


def read(file: Path) -> list[Row]:
    """The rows of a file."""
    return unpacked(file.read_bytes())


def unpacked(data: bytes) -> list[Row]:
    """The rows as they were packed."""
    value = json.loads(gzip.decompress(data))
    names = value["names"]
    return [
        {**row, "answers": [[t, q, [names[at] for at in fs]] for t, q, fs in row["answers"]]}
        for row in value["rows"]
    ]
