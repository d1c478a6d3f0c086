"""LoRA against PEFT: every text-generating type, three dozen option sets each.

The quick run compares hfkv with the recorded census, some of the option sets for each type, and
needs neither torch nor PEFT; the oracle run compares all of them, and the record with PEFT itself.
"""

from __future__ import annotations

import json
import zlib
from functools import lru_cache
from typing import Any

import pytest

from tests.census.lora_compare import counted, disagreement, facts_of, unpack
from tests.census.lora_goldens import records

#: Option sets that hfkv may still refuse, by name; where it counts them, it counts as PEFT does.
REFUSED = {
    "tie_saved": "ensure_weight_tying",
    "tie_targets": "ensure_weight_tying",
}


#: How many of the option sets beside ``all_linear`` the quick run tries for each type.
SOME = 2
#: The types in so many tests, which the workers share.
PARTS = 16


@lru_cache(maxsize=1)
def _records() -> dict[str, dict[str, Any]]:
    return {f"{item['model_type']}-{item['class']}": item for item in records()}


def _wrong(item: dict[str, Any], names: list[str]) -> dict[str, str]:
    facts = facts_of(item["config"], item["class"], unpack(item["header"]))
    found = {}
    for name in names:
        options, theirs = item["cases"][name]
        mine = counted(facts, options)
        if "error" in mine and REFUSED.get(name, "?") in mine["reason"]:
            continue
        difference = disagreement(mine, theirs)
        if difference is not None:
            found[name] = f"{difference} with {options}"
    return found


@pytest.mark.parametrize("part", range(PARTS))
def test_counts_are_pefts_for_every_type(part: int) -> None:
    wrong = {}
    for key, item in sorted(_records().items())[part::PARTS]:
        # Another few for each type, always the same ones.
        others = sorted(item["cases"], key=lambda name: zlib.crc32(f"{key} {name}".encode()))
        wrong.update(
            {f"{key} {k}": v for k, v in _wrong(item, ["all_linear", *others[:SOME]]).items()}
        )
    assert not wrong, "\n".join(f"{key}: {value}" for key, value in wrong.items())


@pytest.mark.oracle
@pytest.mark.parametrize("key", sorted(_records()))
def test_counts_are_pefts_for_every_option_set(key: str) -> None:
    item = _records()[key]
    wrong = _wrong(item, list(item["cases"]))
    assert not wrong, "\n".join(f"{case}: {value}" for case, value in wrong.items())


@pytest.mark.oracle
@pytest.mark.parametrize("key", sorted(_records()))
def test_the_record_is_what_peft_makes(key: str) -> None:
    pytest.importorskip("torch")
    from tests.census.lora_goldens import record

    item = _records()[key]
    again = json.loads(json.dumps(record(item["model_type"], item["class"])))
    assert again["config"] == item["config"]
    # A table keeps like tensors together, in whatever order they come.
    assert sorted(map(repr, again["header"])) == sorted(map(repr, item["header"]))
    assert determined(again["cases"]) == determined(item["cases"])


def determined(cases: dict[str, Any]) -> dict[str, Any]:
    """The cases whose outcome does not hang on the hash seed of the process: with
    ``ensure_weight_tying`` PEFT walks a set of names and either counts or fails."""
    return {k: v for k, v in cases.items() if not v[0].get("ensure_weight_tying")}
