"""The plans against caches built now, beyond the defaults: keys dropped, nulled and changed."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from hfkv.cache import ROWS, plan
from hfkv.errors import HfkvError
from hfkv.facts.classes import config_class
from hfkv.facts.config import Config
from tests.cache.test_goldens import planned
from tests.census.goldens import load, title
from tests.census.mutations import changes
from tests.census.runnable import RUNNABLE
from tests.census.small import Live, running

pytestmark = pytest.mark.oracle

GOLDENS = load()
#: Beyond every window that the changes set.
TOKENS = 20
#: What attends to an encoder is given an output of so many tokens.
ENCODER = 11
_TOWERS = ("vision_config",)
_OWN = {golden["model_type"] for golden in GOLDENS}


def _planned(raw: dict[str, Any]) -> list[list[Any]]:
    crosses = plan(Config(raw, where="test")).crosses
    return planned(raw, TOKENS, ENCODER if crosses else None)


def disagreements(golden: dict[str, Any]) -> tuple[list[str], Counter[str]]:
    """Changes that hfkv answers otherwise than the class, and how many came out how."""
    kind = golden["model_type"]
    found = config_class(kind)
    assert found is not None
    # Recordings leave out the towers; some only run with another than the default.
    towers = {key: RUNNABLE[kind][key] for key in _TOWERS if key in RUNNABLE.get(kind, {})}
    whole = {**towers, **golden["config"], "architectures": [golden["class"]]}
    seen = Config(whole, where="test")
    plan(seen)
    live = Live(found.text, {read.key.split(".")[0] for read in seen.reads if "." in read.key})
    raw = running(whole, live, TOKENS)
    config = Config(raw, where="test")
    plan(config)
    wrong, counts = [], Counter[str]()
    if _planned(raw) != live(raw, TOKENS, ENCODER):
        wrong.append(f"unchanged: {_planned(raw)} is not {live(raw, TOKENS, ENCODER)}")
    brief = bool(found.text) and config.text().model_type in _OWN
    for change, changed in changes(raw, config.reads, found.text, brief=brief):
        try:
            mine = _planned(changed)
        except HfkvError:
            counts["refused"] += 1
            continue
        try:
            theirs = live(changed, TOKENS, ENCODER)
        except Exception as error:
            # The class itself cannot be built or run so: any plan of it is of no model.
            counts["the class raises"] += 1
            counts[f"{change}: {type(error).__name__}: {error}"[:120]] += 1
            continue
        counts["equal" if mine == theirs else "other"] += 1
        if mine != theirs:
            wrong.append(f"{change}: {mine[:3]} is not {theirs[:3]}")
    return wrong, counts


@pytest.mark.parametrize("golden", GOLDENS, ids=title)
def test_one_key_changed(golden: dict[str, Any]) -> None:
    """Equal to the reference, or refused; never silently different."""
    wrong, counts = disagreements(golden)
    print(counts)
    assert not wrong


def test_the_recordings_are_those_of_the_pinned_version() -> None:
    from hfkv.live.build import transformers
    from tests.census.goldens import record

    assert {golden["transformers"] for golden in GOLDENS} == {transformers().__version__}
    for golden in GOLDENS[::9]:
        asked = [{key: run[key] for key in run if key != "layers"} for run in golden["runs"]]
        variant = golden.get("variant", "")
        again = json.loads(
            json.dumps(record(golden["model_type"], golden["class"], variant, asked))
        )
        assert again["runs"] == golden["runs"]


def test_the_class_defaults_are_those_of_the_pinned_version() -> None:
    from hfkv.generate.config_classes import TARGET, generate

    for name, content in generate().items():
        # JSON has no tuples.
        assert json.loads((TARGET / name).read_text()) == json.loads(json.dumps(content)), name


def test_every_row_is_exact_or_documented() -> None:
    assert {row.basis for row in ROWS.values()} <= {"exact", "documented"}
