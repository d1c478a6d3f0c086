"""Fit the weights of the card reader, and measure it on cards of owners that the fit has not seen.

    python -m hfkv.generate reader

reads the labelled cards where they lie beside the checkout, writes the features of every possible
answer of each to ``tests/fixtures/reader_features.json.gz`` (facts; the cards are not ours to
pass on), and from that file alone fits ``hfkv/data/reader.json``. Rows are never split from their
family: cards of one owner, and owners whose cards share a sentence with a number, stand on one
side of every split.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize  # type: ignore[import-untyped]
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from hfkv.pretraining.candidates import candidates
from hfkv.pretraining.fitted import Fit
from hfkv.pretraining.identity import identity
from hfkv.pretraining.metadata import base_models
from hfkv.pretraining.options import options
from hfkv.pretraining.reading import said_how

ROOT = Path(__file__).parents[2]
LABELLED = ROOT.parent / "shared" / "data"
FEATURES = ROOT / "tests" / "fixtures" / "reader_features.json.gz"
WEIGHTS = ROOT / "hfkv" / "data" / "reader.json"

#: Folds of owners; the pull of every weight to nothing; how many cards a feature needs.
FOLDS, PULL, FEWEST = 8, 1.0, 6
#: What a row counts, by its set: the words were found in the sample 0, and invented the others.
WORTH = {"0": 0.5, "invented": 0.5}
#: The third of the owners, by a hash, whose cards were read last by who wrote features: nearest to
#: cards of other owners, though no longer blind.
LAST = 0
#: Right among the numbers given, and right given or shown among the cards that have one, on folds.
PRECISION, SHOWN = 0.988, 0.985
#: A number less likely than this is not given, however well the folds come out: of seven that were
#: likelier than .72 and not than .78, on cards that nobody had read, two were wrong.
LEAST = 0.78
#: That a card states nothing is said only where it is at least so likely; on cards of other owners
#: more counts are hidden behind it than on the folds, whose words the features know.
SILENT = 0.99

Row = dict[str, Any]


def main() -> None:
    """Write both files."""
    if (LABELLED / "cards_more" / "labels.tsv").exists():
        FEATURES.write_bytes(packed(labelled()))
    else:
        print("no labelled cards here: fitting from the recorded features")
    rows = recorded()
    held = crossfitted(rows)
    weights = fitted(rows)
    given, silent = thresholds(held)
    value = {
        "about": "Made by python -m hfkv.generate reader: log-odds of the features of "
        "hfkv/pretraining/features.py, and the thresholds of hfkv/pretraining/fitted.py.",
        "given": given,
        "silent": silent,
        "weights": {name: round(weight, 3) for name, weight in sorted(weights.items())},
    }
    WEIGHTS.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, part in (("all owners", held), ("owners read last", read_last(held))):
        print(name, figures(part, given, silent))


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


def packed(rows: Sequence[Row]) -> bytes:
    """The rows as they are recorded: each feature by its number in a list of names."""
    names = sorted({name for row in rows for *_, features in row["answers"] for name in features})
    number = {name: at for at, name in enumerate(names)}
    slim = [
        {**row, "answers": [[t, q, [number[name] for name in fs]] for t, q, fs in row["answers"]]}
        for row in rows
    ]
    text = json.dumps({"names": names, "rows": slim}, separators=(",", ":"))
    return gzip.compress(text.encode(), 9, mtime=0)


def recorded() -> list[Row]:
    """The rows as they were recorded."""
    value = json.loads(gzip.decompress(FEATURES.read_bytes()))
    names = value["names"]
    return [
        {**row, "answers": [[t, q, [names[at] for at in fs]] for t, q, fs in row["answers"]]}
        for row in value["rows"]
    ]


def fitted(rows: Sequence[Row]) -> dict[str, float]:
    """The weights that make the right answers of the rows likeliest, each pulled to nothing."""
    cards = Counter(
        name for row in rows for name in {name for *_, fs in row["answers"] for name in fs}
    )
    names = sorted(name for name, count in cards.items() if count >= FEWEST)
    column = {name: at for at, name in enumerate(names)}
    answers = [(row, answer) for row in rows for answer in row["answers"]]
    holds = np.zeros((len(answers), len(names)))
    for at, (_, answer) in enumerate(answers):
        holds[at, [column[name] for name in answer[2] if name in column]] = 1
    sizes = [len(row["answers"]) for row in rows]
    starts = np.cumsum([0, *sizes])[:-1]
    card = np.repeat(np.arange(len(rows)), sizes)
    right = np.array([_word(answer[0]) in row["right"] for row, answer in answers])
    # Where the right number is none of the candidates, the right answer is to give none.
    lost = ~np.logical_or.reduceat(right, starts)
    ends = np.append(starts[1:], len(answers)) - 1
    right[ends[lost]] = True
    worth = np.array([WORTH.get(row["set"], 1.0) for row in rows])[card]
    pull = PULL
    table = csr_array(holds)

    def cost(weights: Any) -> tuple[float, Any]:
        scores = table @ weights
        every, given = _shares(scores, starts, card)
        wished, wanted = _shares(np.where(right, scores, -50.0), starts, card)
        slope = table.T @ ((given - wanted * right) * worth) + pull * weights
        return float(worth[starts] @ (every - wished) + pull * weights @ weights / 2), slope

    least = minimize(cost, np.zeros(len(names)), jac=True, method="L-BFGS-B", tol=1e-10)
    return dict(zip(names, least.x.tolist(), strict=True))


def _shares(scores: Any, starts: Any, card: Any) -> tuple[Any, Any]:
    """The logarithm of each card's sum of odds, and the share of each answer."""
    top = np.maximum.reduceat(scores, starts)
    odds = np.exp(scores - top[card])
    total = np.add.reduceat(odds, starts)
    return top + np.log(total), odds / total[card]


def _word(tokens: int | None) -> str:
    return "none" if tokens is None else str(tokens)


def _hash(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def crossfitted(rows: Sequence[Row]) -> list[tuple[Row, dict[str, float], str | None]]:
    """Each row that the words were not found in, with the probability of each answer by weights
    of other owners, and the qualifier of its likeliest count."""
    held = []
    for fold in range(FOLDS):
        inside = [row for row in rows if _hash(f"fold:{row['family']}") % FOLDS == fold]
        weights = fitted([row for row in rows if row not in inside])
        fit = Fit(weights=weights, given=1, silent=1)
        for row in inside:
            if row["set"] in WORTH:
                continue
            shares = fit.probabilities([features for *_, features in row["answers"]])
            chances: dict[str, float] = defaultdict(float)
            for answer, share in zip(row["answers"], shares, strict=True):
                chances[_word(answer[0])] += share
            ranked = _likeliest(chances)
            support = [
                (share, how, features)
                for (tokens, how, features), share in zip(row["answers"], shares, strict=True)
                if ranked and _word(tokens) == ranked[0][1]
            ]
            support.sort(key=lambda item: -item[0])
            how = said_how([item[1:] for item in support]) if support else None
            held.append((row, dict(chances), how))
    return held


def read_last(held: Iterable[Any]) -> list[Any]:
    """The rows whose cards were read last by who wrote features."""
    return [item for item in held if _hash(f"hfkv:{item[0]['family']}") % 3 == LAST]


def _likeliest(chances: dict[str, float]) -> list[tuple[float, str]]:
    return sorted(
        ((share, word) for word, share in chances.items() if word != "none"), reverse=True
    )


def thresholds(held: Sequence[Any]) -> tuple[float, float]:
    """The least probability at which enough of the numbers given are right, and the least of "not
    stated" that hides few enough of those that are stated: the first rounded up to a thousandth."""
    given, right, least = 0, 0, 1.0
    best = [(_likeliest(chances)[0], row) for row, chances, _ in held if len(chances) > 1]
    for (share, word), row in sorted(best, key=lambda item: item[0], reverse=True):
        given, right = given + 1, right + (word in row["right"])
        if right / given >= PRECISION:
            least = share
    least = max(LEAST, math.ceil(1000 * least) / 1000)
    for silent in (at / 1000 for at in range(int(1000 * SILENT), 1000, 5)):
        if figures(held, least, silent)["given or shown"] >= SHOWN:
            break
    return least, silent


def figures(held: Sequence[Any], given: float, silent: float) -> dict[str, Any]:
    """What a reader with these thresholds does on cards of other owners."""
    counts: Counter[str] = Counter()
    for row, chances, qualifier in held:
        ranked = _likeliest(chances)
        firm = row["firm"]
        counts["cards"] += 1
        counts["firm"] += firm
        if ranked and ranked[0][0] >= given:
            right = ranked[0][1] in row["right"]
            counts["given"] += 1
            counts["right"] += right
            counts["firm right"] += firm and right
            counts["seen"] += firm and right
            if right and firm:
                counts["qualified"] += qualifier in row["qualifiers"]
        elif ranked and chances["none"] < silent:
            counts["unclear"] += 1
            counts["seen"] += firm and any(word in row["right"] for _, word in ranked[:3])
    return {
        "cards": counts["cards"],
        "given": counts["given"],
        "wrong": counts["given"] - counts["right"],
        "precision": round(counts["right"] / max(1, counts["given"]), 3),
        "recall": round(counts["firm right"] / max(1, counts["firm"]), 3),
        "given or shown": round(counts["seen"] / max(1, counts["firm"]), 3),
        "qualifier": round(counts["qualified"] / max(1, counts["firm right"]), 3),
        "unclear": counts["unclear"],
    }


if __name__ == "__main__":
    main()
