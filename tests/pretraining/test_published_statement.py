"""Statements as values: JSON, the turned qualifier, bases, the published table."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from hfkv.errors import RecordError
from hfkv.facts import BaseCard, Facts
from hfkv.pretraining import Pretraining, base_models, explain, pretraining, read_card
from hfkv.pretraining.statement import TURNED


def test_json_round_trip() -> None:
    read = read_card("Pretrained on over 15 trillion tokens.", model="a/b").statement
    assert Pretraining.from_json(json.loads(json.dumps(read.to_json()))) == read
    assert TURNED[str(read.qualifier)] == "up_to"
    assert read.bytes_per_token(30 * 10**12) == Fraction(2)
    assert read.bytes_per_token(None) is None


@pytest.mark.parametrize(
    "change",
    [
        {"tokens": "15"},
        {"tokens": True},
        {"tokens": -1},
        {"tokens": None},
        {"qualifier": None},
        {"qualifier": "roughly"},
        {"qualifier": []},
        {"basis": "not stated"},
        {"basis": {}},
        {"evidence": "text"},
        {"evidence": [{"quote": 1}]},
        {"evidence": [{"quote": "x", "line": 0}]},
        {"notes": [1]},
        {"alternatives": [{"tokens": 0}]},
        {"reason": 3},
    ],
)
def test_a_damaged_record_is_one_clear_error(change: dict[str, object]) -> None:
    good = {"tokens": 15, "qualifier": "exact", "basis": "stated", "evidence": []}
    Pretraining.from_json(good)
    with pytest.raises(RecordError, match="m: pretraining statement"):
        Pretraining.from_json({**good, **change}, where="m")


def test_the_card_comes_first_then_bases_then_what_was_published() -> None:
    silent = "# A chat model\n"
    base = BaseCard(model="org/base-7B", card="Trained on 2T tokens.", commit="c" * 40)
    own = Facts(model="a/b", source="hub", card="Pretrained on 3T tokens.", lineage=(base,))
    assert pretraining(own).tokens == 3 * 10**12
    follows = pretraining(Facts(model="a/b", source="hub", card=silent, lineage=(base,)))
    assert follows.tokens == 2 * 10**12
    assert follows.evidence[0].model == "org/base-7B"
    assert follows.evidence[0].commit == "c" * 40
    assert "org/base-7B" in follows.notes[0]
    known = pretraining(Facts(model="huggyllama/llama-7b", source="hub", card=silent))
    assert (known.basis, known.tokens) == ("published", 10**12)
    nothing = pretraining(Facts(model="a/b", source="hub", card=silent))
    assert (nothing.tokens, nothing.qualifier, nothing.basis) == (None, None, "not stated")
    assert nothing.reason
    assert explain(Facts(model="a/b", source="hub")) == ()


def test_a_recorded_statement_is_returned_as_it_is() -> None:
    recorded = read_card("Pretrained on ~3T tokens.", model="a/b").statement
    facts = Facts(model="a/b", source="snapshot", statement=recorded.to_json())
    assert pretraining(facts) == recorded


@pytest.mark.parametrize(
    ("front", "bases"),
    [
        ("base_model: a/b", (("a/b", "base_model"),)),
        (
            "base_model: [a/b, c/d]\nbase_model_relation: merge",
            (("a/b", "merge"), ("c/d", "merge")),
        ),
        ("base_model:\n- a/b\n- a/b", (("a/b", "base_model"),)),
        ("base_model: ../../etc", ()),
        ("base_model: {a: b}", ()),
        ("base_model: 7", ()),
        ("x: &x [a/b]\nbase_model: *x", ()),
        ("base_model: !!python/object/apply:os.system [ls]", ()),
        ("base_model: [", ()),
        ("- a\n- b", ()),
        ("a: " + "[" * 5_000, ()),
        ("a: " + "- " * 5_000, ()),
        ("base_model: " + "- " * 5_000, ()),
        ("base_model: " + "[" * 5_000, ()),
        ("base_model:\n" + "- a/b\n" * 50_000, ()),
        ("base_model: &a [x]\nbase_model_relation: [*a, *a, *a]", ()),
        # What stands beside the key may be broken, or long, or no plain YAML.
        ("d: 2024-99-99\nbase_model: a/b", (("a/b", "base_model"),)),
        ("x: " + "a" * 70_000 + "\nbase_model: a/b", (("a/b", "base_model"),)),
        (
            "x: [\n'base_model':\n  - a/b\n\n  - c/d\ny: }",
            (("a/b", "base_model"), ("c/d", "base_model")),
        ),
        ("text: |\n  base_model: a/b", ()),
    ],
)
def test_bases_of_the_front_matter(front: str, bases: tuple[tuple[str, str], ...]) -> None:
    assert base_models(f"---\n{front}\n---\n# Model\n") == bases
