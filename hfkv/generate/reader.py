"""Fit the weights of the card reader, and measure it on cards of owners that the fit has not seen.

    python -m hfkv.generate reader
    python -m hfkv.generate reader --drawn SET.jsonl

The first reads the labelled cards where they lie beside the checkout, writes the features of every
possible answer of each to ``tests/fixtures/reader_features.json.gz`` (facts; the cards are not ours
to pass on), and from the recorded features alone fits ``hfkv/data/reader.json``. Rows are never
split from their family: cards of one owner, and owners whose cards share a sentence with a number,
stand on one side of every split.

Features are right more often on the cards that they were written from than on others, and weights
that are fitted on those cards believe them too much. So what most of the weights' worth comes from
is another file, ``tests/fixtures/reader_unread.json.gz``: the features of cards that nobody had
read who writes features, as the reader of that day found them. It is a log and is never made again
(a feature that gets another name gets it there too). The second command adds a set to it: cards
that were drawn and labelled before the reader saw them, one JSON object a line (``id``, ``card``,
``tokens`` or null, ``qualifier``, the other defensible answers in ``accept`` and ``accept_q``, and
whether the label is ``firm``). It prints what the reader does on them. Only then may their faults
be looked at and mended.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize  # type: ignore[import-untyped]
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from hfkv.check.rewrite import replace_file
from hfkv.generate.reader_rows import FEATURES, LABELLED, UNREAD, Row, drawn, labelled, packed, read
from hfkv.pretraining.features import GENERAL
from hfkv.pretraining.fitted import WORD, Fit, fit
from hfkv.pretraining.reading import said_how

WEIGHTS = Path(__file__).parents[1] / "data" / "reader.json"

#: Folds of owners; the pull of every weight to nothing, and of a word's; how many cards a feature
#: needs, and a word.
FOLDS, PULL, WORD_PULL, FEWEST, FEWEST_WORDS = 8, 1.0, 8.0, 6, 8
#: What a row counts, by its set: less where features were written from the cards (1 to 3), least
#: where the words were found in them (0) or they were invented for the features.
WORTH = {"0": 0.1, "1": 0.6, "2": 0.6, "3": 0.6, "invented": 0.3}
#: What can only speak for a count, and what only against it: the rows alone would not tell it of
#: what is rare, and of features that come together they would set one against the other.
FOR = frozenset(
    ("among:clean", "part:a printed sum", "part:total", "part:whole", "sum:numbered",
     "what:counts training", "what:field of tokens", "what:field of training", "what:label tokens",
     "what:label trains", "what:pretrained on it", "what:the steps come to it",
     "what:tokens right behind", "who:its name counts it", "who:its size", "who:its version",
     "who:names it", "who:names it whole", "who:this model")
)  # fmt: skip
AGAINST = frozenset(GENERAL).union(
    *GENERAL.values(),
    ("part:stage", "what:another thing", "what:no tokens beside",
     "what:nothing says that a model was trained on it", "what:the size of a corpus",
     "what:the size of a corpus, and nothing was trained on it",
     "what:training is spoken of, but not on this number", "who:its name counts another",
     "who:names another", "who:names another model", "who:names another nearer",
     "who:names another only", "who:nearest name is another", "who:prose worse +",
     "who:prose worse -", "who:prose worse 0", "who:several sizes", "who:table worse +",
     "who:table worse -", "who:table worse 0", "who:under a sibling"),
)  # fmt: skip
#: The sets that nothing is measured on.
UNMEASURED = ("0", "invented")
#: The third of the owners, by a hash, whose cards of sets 1 to 3 were read last by who wrote
#: features.
LAST = 0
#: A number is given from so probable on, and "the card does not state it" said. Of the unread
#: cards, by weights of other owners, .95 of what is given is right then and .75 of the firm counts
#: are given; from .96 on .97 would be right and .58 given.
GIVEN, SILENT = 0.78, 0.95


def main() -> None:
    """Fit and measure, or take up a set of cards that nobody has read."""
    parser = argparse.ArgumentParser(prog="python -m hfkv.generate reader")
    parser.add_argument("--drawn", type=Path, metavar="SET.jsonl", help="labelled cards, unread")
    file = parser.parse_args(sys.argv[2:]).drawn
    if file:
        take_up(file)
        return
    if (LABELLED / "cards_more" / "labels.tsv").exists():
        FEATURES.write_bytes(packed(labelled()))
    else:
        print("no labelled cards here: fitting from the recorded features")
    rows = recorded()
    held = crossfitted(rows)
    weights = fitted(rows)
    value = {
        "about": "Made by python -m hfkv.generate reader: log-odds of the features of "
        "hfkv/pretraining/features.py and around.py, and the thresholds of "
        "hfkv/pretraining/fitted.py.",
        "given": GIVEN,
        "silent": SILENT,
        "weights": {name: round(weight, 3) for name, weight in sorted(weights.items())},
    }
    WEIGHTS.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, part in parts(held).items():
        print(name, figures(part, GIVEN, SILENT))


def take_up(file: Path) -> None:
    """Record what the reader of today sees in cards that nobody has read, and say how it does."""
    log = read(UNREAD)
    if any(row["set"] == file.stem for row in log):
        sys.exit(f"Error: set {file.stem} is recorded already; a set is unread only once.")
    rows = drawn(file)
    seen = {row["model"] for row in [*read(FEATURES), *log]}
    again = seen.intersection(row["model"] for row in rows)
    if again:
        sys.exit(f"Error: {min(again)} has been read already, so that {file.stem} is not unread.")
    replace_file(UNREAD, packed([*log, *rows]))
    print(file.stem, figures([_weighed(row, fit()) for row in rows], fit().given, fit().silent))


def recorded() -> list[Row]:
    """Every row that the fit is made from."""
    return [*read(FEATURES), *read(UNREAD)]


def parts(held: Sequence[Any]) -> dict[str, list[Any]]:
    """The measured rows by what was known of their cards when the features were written."""
    known = [item for item in held if item[0]["set"] in WORTH]
    return {
        "unread": [item for item in held if item[0]["set"] not in WORTH],
        "all owners": known,
        "owners read last": [
            item for item in known if _hash(f"hfkv:{item[0]['family']}") % 3 == LAST
        ],
    }


def fitted(rows: Sequence[Row]) -> dict[str, float]:
    """The weights that make the right answers of the rows likeliest, each pulled to nothing."""
    cards = Counter(
        name for row in rows for name in {name for *_, fs in row["answers"] for name in fs}
    )
    names = sorted(
        name
        for name, count in cards.items()
        if count >= (FEWEST_WORDS if name.startswith(WORD) else FEWEST) or name in AGAINST
    )
    column = {name: at for at, name in enumerate(names)}
    answers = [(row, answer) for row in rows for answer in row["answers"]]
    places = [
        (at, column[name])
        for at, (_, answer) in enumerate(answers)
        for name in answer[2]
        if name in column
    ]
    table = csr_array((np.ones(len(places)), np.array(places).T), shape=(len(answers), len(names)))
    sizes = [len(row["answers"]) for row in rows]
    starts = np.cumsum([0, *sizes])[:-1]
    card = np.repeat(np.arange(len(rows)), sizes)
    right = np.array([_word(answer[0]) in row["right"] for row, answer in answers])
    # Where the right number is none of the candidates, the right answer is to give none.
    lost = ~np.logical_or.reduceat(right, starts)
    ends = np.append(starts[1:], len(answers)) - 1
    right[ends[lost]] = True
    worth = np.array([WORTH.get(row["set"], 1.0) for row in rows])[card]
    pull = np.array([WORD_PULL if name.startswith(WORD) else PULL for name in names])

    def cost(weights: Any) -> tuple[float, Any]:
        scores = table @ weights
        every, given = _shares(scores, starts, card)
        wished, wanted = _shares(np.where(right, scores, -50.0), starts, card)
        slope = table.T @ ((given - wanted * right) * worth) + pull * weights
        return float(worth[starts] @ (every - wished) + (pull * weights) @ weights / 2), slope

    bounds = [(0 if name in FOR else None, 0 if name in AGAINST else None) for name in names]
    least = minimize(
        cost, np.zeros(len(names)), jac=True, method="L-BFGS-B", bounds=bounds, tol=1e-10
    )
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
    """Each measured row with the probability of each answer by weights of other owners, and the
    qualifier of its likeliest count."""
    held = []
    folds = [_hash(f"fold:{row['family']}") % FOLDS for row in rows]
    for fold in range(FOLDS):
        weights = fitted([row for row, at in zip(rows, folds, strict=True) if at != fold])
        other = Fit(weights=weights, given=1, silent=1)
        held += [
            _weighed(row, other)
            for row, at in zip(rows, folds, strict=True)
            if at == fold and row["set"] not in UNMEASURED
        ]
    return held


def _weighed(row: Row, fit: Fit) -> tuple[Row, dict[str, float], str | None]:
    """A row with the probability of each of its answers, and the qualifier of the likeliest."""
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
    return row, dict(chances), how


def _likeliest(chances: dict[str, float]) -> list[tuple[float, str]]:
    return sorted(
        ((share, word) for word, share in chances.items() if word != "none"), reverse=True
    )


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
