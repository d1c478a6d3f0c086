"""The report: what a small pair of tables differs in, as a human reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hfkv.generate", reason="not part of the wheel")
from hfkv.generate import report as reports
from hfkv.generate.report import Tables, compared
from hfkv.generate.work import Outcome

Value = dict[str, Any]


def _class(**defaults: Any) -> Value:
    return {"defaults": defaults, "attribute_map": {}, "text": ""}


def _table(*modules: list[Any], tied: Value | None = None) -> Value:
    return {"modules": list(modules), "tied": tied or {}}


_Q = ["layers.{}.q_proj", "linear", {"weight": [["a", "b"]]}]
_K = ["layers.{}.k_proj", "linear", {"weight": [["a", "b"]]}]
_K_OTHER = ["layers.{}.k_proj", "linear", {"weight": [["a", "c"]]}]
PLAN: Value = {"modules": [], "keys": {}}


def _run(tokens: int, width: int) -> Value:
    return {"tokens": tokens, "layers": [[2, [["keys", [1, tokens, width], "bfloat16"]]]]}


OLD: dict[str, Any] = {
    "data/classes/INDEX.json": {
        "transformers": "5.1.0",
        "types": {"same": ["A"], "moved": ["B"], "away": ["C"], "part": []},
    },
    "data/classes/same.json": _class(width=8),
    "data/classes/moved.json": _class(width=8, heads=4, old=1),
    "data/classes/away.json": _class(),
    "data/modules/INDEX.json": {"types": {}, "refused": {"away": "it cannot"}},
    "data/modules/same.json": {"classes": {"A": _table(_Q)}},
    "data/modules/moved.json": {"classes": {"B": _table(_Q, _K)}},
    "data/plans/same.json": {"classes": {"A": PLAN}},
    "data/plans/moved.json": {"classes": {"B": PLAN, "D": {"refused": "was not found"}}},
    "data/cache_rows.json": {"same": "full", "moved": "full", "away": "full"},
    "data/adopted.json": {},
    "data/adopted_proofs.json": {},
    "data/peft.json": {"peft": "0.2.0", "transformers": "5.1.0", "fields": {"r": 8}},
    "data/peft_methods.json": {"methods": {"X": {"fields": {"a": 1}}}},
    "fixtures/same-A.json": {"runs": [_run(2, 16)]},
    "fixtures/moved-B.json": {"runs": [_run(1, 16), _run(300, 16)]},
}
NEW: dict[str, Any] = {
    **OLD,
    "data/classes/INDEX.json": {
        "transformers": "5.2.0",
        "types": {"same": ["A"], "moved": ["B"], "fresh": ["F"], "other": ["G"], "part": []},
    },
    "data/classes/moved.json": _class(width=16, heads=4, late=None),
    "data/classes/fresh.json": _class(),
    "data/classes/other.json": _class(),
    "data/modules/INDEX.json": {"types": {}, "refused": {"other": "wants `timm`"}},
    "data/modules/moved.json": {"classes": {"B": _table(_Q, _K_OTHER, tied={"head": "embed"})}},
    "data/plans/moved.json": {"classes": {"B": {"refused": "k_proj is wrong"}, "D": PLAN}},
    "data/plans/fresh.json": {"classes": {"F": PLAN}},
    "data/adopted.json": {"fresh": "same"},
    "data/adopted_proofs.json": {"fresh": {"configs": 51}},
    "data/peft.json": {"peft": "0.3.0", "transformers": "5.2.0", "fields": {"r": 8, "new": False}},
    "data/peft_methods.json": {"methods": {"X": {"fields": {"a": 2}}, "Y": {"fields": {}}}},
    "fixtures/moved-B.json": {"runs": [_run(1, 16), _run(300, 32)]},
}
FIGURES = {
    "old": {
        "same A": {"kv": 4096, "lora": 100},
        "moved B": {"kv": 8192, "lora": 100},
        "away C": {"kv": 1, "lora": 1},
    },
    "new": {
        "same A": {"kv": 4096, "lora": 100},
        "moved B": {"kv": 16384, "lora": "refused: k_proj"},
        "fresh F": {"kv": 4096, "lora": 100},
        "other G": {"kv": "no row", "lora": "no table"},
    },
}


def _written(folder: Path, tables: dict[str, Any]) -> Tables:
    places = {"data": "hfkv/data", "fixtures": "tests/fixtures/cache_goldens"}
    for name, value in tables.items():
        first, _, rest = name.partition("/")
        if rest == "classes/away.json" and "fresh" in str(tables):
            continue
        path = folder / places[first] / rest
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")
    return Tables(folder)


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Tables, Tables]:
    monkeypatch.setattr(Tables, "figures", lambda tables: FIGURES[tables.root.name])
    return _written(tmp_path / "old", OLD), _written(tmp_path / "new", NEW)


def _sections(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    title = ""
    for line in text.splitlines():
        if line.startswith("#"):
            title = line.lstrip("# ")
            found[title] = []
        elif line:
            found[title].append(line.removeprefix("- "))
    return found


def test_it_says_what_is_new_changed_and_gone(pair: tuple[Tables, Tables]) -> None:
    outcomes = {
        "modules": Outcome(made=["same"], failed={"moved": "ValueError: `no`"}, left=["a", "b"]),
        "adopt": Outcome(notes={"other": ["other G: none fits; nearest same"]}),
        "caches": Outcome(notes={"other": ["other-G was not recorded: KeyError x"]}),
    }
    text = compared(*pair, {"transformers": "5.2.0"}, outcomes, tests=["tests: 3 passed"])
    found = _sections(text)
    made_by, *counts = found.pop("Tables of transformers 5.1.0 to 5.2.0, PEFT 0.2.0 to 0.3.0")
    assert "transformers 5.2.0" in made_by
    assert counts[:3] == ["New types: 2", "Types gone: 1", "Changed figures: 2"]
    found.pop("What was made")
    assert found == {
        "Tests": ["tests: 3 passed"],
        "New types": [
            "**fresh**: cache as same, which 51 configs bore out",
            "fresh F: cache at 4,096 tokens 4,096 B, LoRA r=8 all-linear 100 parameters; plan "
            "proved",
            "**other**: no cache row",
            "other G: cache at 4,096 tokens refused, LoRA r=8 all-linear refused; no plan: "
            "`none was made`",
            "other: `other G: none fits; nearest same`",
        ],
        "Types gone": ["away"],
        "Changed figures": [
            "moved B, cache at 4,096 tokens (an encoder's 1,024): 8,192 to 16,384 "
            "(2.0 to 4.0 B for each token)",
            "moved B, LoRA r=8 all-linear: 100 to `refused: k_proj`",
        ],
        "Changed recordings of caches": ["moved-B at 300 tokens: 19,200 to 38,400 B"],
        "Changed defaults": [
            "moved: `width` 8 to 16",
            "moved: `old` is gone (was 1)",
            "moved: `late` is new: `null`",
        ],
        "Changed module tables": ["moved B: 1 modules changed (layers.{}.k_proj); tied"],
        "Plans of modules": [
            "fresh F: newly proved",
            "moved B: **lost**, `k_proj is wrong`",
            "moved D: newly proved",
        ],
        "PEFT": [
            "LoRA, fields: `new` is new: `false`",
            "X: `a` 1 to 2",
            "the method Y is new",
        ],
        "Could not be made again": [
            "modules, moved: `ValueError: 'no'`",
            "modules: no time was left for a, b; begun again, it goes on there",
        ],
        "Not proved": [
            "other: no row of a cache",
            "other: no module table, `wants 'timm'`",
            "moved B: no plan, `k_proj is wrong`",
            "`other-G was not recorded: KeyError x`",
        ],
    }


def test_equal_tables_have_nothing_to_say(pair: tuple[Tables, Tables]) -> None:
    found = _sections(compared(pair[0], pair[0], {"transformers": "5.1.0"}, {}))
    (lines,) = (found.pop(title) for title in list(found) if title.startswith("Tables of"))
    assert all(line.endswith(": none") for line in lines[1:-1])
    assert set(found) == {"Not proved"}  # what was open is open still


def test_a_part_of_the_types_is_said(pair: tuple[Tables, Tables]) -> None:
    text = compared(*pair, {"transformers": "5.2.0"}, {}, types=("moved", "fresh"))
    assert "**Only of moved, fresh**" in text


def test_it_fits_a_pull_request(
    pair: tuple[Tables, Tables], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = Outcome(failed={f"type{number}": "x" * 5000 for number in range(500)})
    text = compared(*pair, {}, {"modules": many})
    assert "\n- and 440 more\n" in text
    assert len(text) < 65_536
    monkeypatch.setattr(reports, "_CHARACTERS", 900)
    text = compared(*pair, {}, {"modules": many})
    assert text.endswith("\n\n(cut here)\n")
    assert len(text) < 930
