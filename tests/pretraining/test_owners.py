"""What the reader does on cards of owners whose cards it was not fitted on.

``unread`` are cards that nobody had read who wrote features, with the features of the day that the
reader first saw them; these figures are the ones to expect of a new card. The others are of cards
that the features were written from.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hfkv.pretraining.fitted import fit

pytest.importorskip("scipy")

from hfkv.generate import reader, reader_rows

#: Reached: precision of the numbers given, firm counts given, given or shown, qualifiers.
REACHED = {
    "unread": (0.945, 0.73, 0.945, 0.99),
    "all owners": (0.975, 0.78, 0.985, 0.99),
    "owners read last": (0.97, 0.69, 0.98, 0.99),
}


@pytest.fixture(scope="module")
def rows() -> list[reader_rows.Row]:
    return reader.recorded()


def test_figures_on_cards_of_other_owners(rows: list[reader_rows.Row]) -> None:
    for name, part in reader.parts(reader.crossfitted(rows)).items():
        found = reader.figures(part, fit().given, fit().silent)
        print(f"\n{name}: {found}")
        names = ("precision", "recall", "given or shown", "qualifier")
        for key, reached in zip(names, REACHED[name], strict=True):
            assert found[key] >= reached, (name, key)


def test_the_weights_are_what_the_generator_makes(rows: list[reader_rows.Row]) -> None:
    made = reader.fitted(rows)
    kept = json.loads(reader.WEIGHTS.read_text("utf-8"))["weights"]
    assert kept.keys() == made.keys()
    for name, weight in made.items():
        assert kept[name] == pytest.approx(weight, abs=0.01), name


@pytest.mark.skipif(
    not (reader_rows.LABELLED / "cards_more" / "labels.tsv").exists(),
    reason="no labelled cards here",
)
def test_the_recorded_features_are_those_of_the_cards() -> None:
    assert reader_rows.packed(reader_rows.labelled()) == reader_rows.FEATURES.read_bytes()


def test_cards_that_nobody_has_read_are_taken_up_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.gz"
    log.write_bytes(reader_rows.packed([]))
    monkeypatch.setattr(reader, "UNREAD", log)
    card = {
        "id": "Org/Foo-7B",
        "card": "Foo-7B was pretrained on about 2T tokens.",
        "tokens": 2 * 10**12,
        "qualifier": "approximate",
        "accept": [],
        "accept_q": ["exact"],
        "firm": True,
    }
    empty = {**card, "card": "Foo.", "tokens": None, "qualifier": None, "accept_q": []}
    file = tmp_path / "A.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in (card, empty)), "utf-8")
    reader.take_up(file)
    assert "'cards': 2" in capsys.readouterr().out
    first, second = reader_rows.read(log)
    assert (first["set"], first["family"], first["right"]) == ("A", "org", ["2000000000000"])
    assert (first["firm"], first["qualifiers"]) == (True, ["about", "exact"])
    assert (second["right"], second["firm"]) == (["none"], False)
    with pytest.raises(SystemExit, match="unread only once"):
        reader.take_up(file)


def test_words_that_few_cards_have_are_not_recorded() -> None:
    row = {
        "set": "A",
        "answers": [[1, "exact", ["what:rare", "word:ahead rare"]], [None, None, []]],
    }
    [same] = reader_rows.unpacked(reader_rows.packed([row]))
    assert same["answers"][0] == [1, "exact", ["what:rare"]]
