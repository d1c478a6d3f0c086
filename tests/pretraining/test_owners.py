"""What the reader does on cards of owners whose cards it was not fitted on.

They may only rise. The features were written by who had read these cards, so that cards of owners
that nobody read are answered less well.
"""

from __future__ import annotations

import json

import pytest

from hfkv.pretraining.fitted import fit

pytest.importorskip("scipy")

from hfkv.generate import reader

#: Reached on cards of other owners, and on those of the owners whose cards were read last:
#: precision of the numbers given, firm counts given, given or shown, qualifiers.
REACHED = {
    "all owners": (0.985, 0.83, 0.99, 0.99),
    "owners read last": (0.97, 0.8, 0.985, 0.99),
}


@pytest.fixture(scope="module")
def rows() -> list[reader.Row]:
    return reader.recorded()


def test_figures_on_cards_of_other_owners(rows: list[reader.Row]) -> None:
    held = reader.crossfitted(rows)
    for name, part in (("all owners", held), ("owners read last", reader.read_last(held))):
        found = reader.figures(part, fit().given, fit().silent)
        print(f"\n{name}: {found}")
        names = ("precision", "recall", "given or shown", "qualifier")
        for key, reached in zip(names, REACHED[name], strict=True):
            assert found[key] >= reached, (name, key)


def test_the_weights_are_what_the_generator_makes(rows: list[reader.Row]) -> None:
    made = reader.fitted(rows)
    kept = json.loads(reader.WEIGHTS.read_text("utf-8"))["weights"]
    assert kept.keys() == made.keys()
    for name, weight in made.items():
        assert kept[name] == pytest.approx(weight, abs=0.01), name


@pytest.mark.skipif(
    not (reader.LABELLED / "cards_more" / "labels.tsv").exists(), reason="no labelled cards here"
)
def test_the_recorded_features_are_those_of_the_cards(rows: list[reader.Row]) -> None:
    assert reader.labelled() == rows
