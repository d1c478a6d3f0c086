"""Plans that are found by the proof: a type whose row is taken away gets a plan that is right."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from hfkv.cache import registry
from hfkv.cache.explain import row_place
from hfkv.cache.registry import ROWS, plan
from hfkv.facts.config import Config
from tests.cache.test_goldens import planned
from tests.census.goldens import load, title

pytest.importorskip("hfkv.generate", reason="not part of the wheel")
GOLDENS = load()
#: One of a kind each: dense, sliding, latent, a state, a composite.
CHOSEN = ("llama", "gemma2", "deepseek_v3", "falcon_h1", "llava")


def _trial(golden: dict[str, Any]) -> Any:
    """A recording as a config that a class took."""
    from hfkv.generate.adopt_trials import Trial

    held = {
        run["tokens"]: [
            [(name, tuple(shape), dtype) for name, shape, dtype in layer]
            for count, layer in run["layers"]
            for _ in range(count)
        ]
        for run in golden["runs"]
        if "encoder_tokens" not in run
    }
    return Trial(raw=golden["config"], origin="default", changed=(), held=held, encoder=None)


@pytest.mark.parametrize(
    "golden", [item for item in GOLDENS if item["model_type"] in CHOSEN], ids=title
)
def test_a_plan_is_held_against_what_the_class_keeps(golden: dict[str, Any]) -> None:
    from hfkv.generate.adopt_candidates import candidates

    model_type, trial = golden["model_type"], _trial(golden)
    every = candidates()
    for item in every:
        item.hold(trial, model_type)
    agreeing = {name for item in every if item.agreed for name in item.types}
    contradicted = {name for item in every if item.against for name in item.types}
    row = ROWS[model_type]
    if row.inner:
        # A composite's plan is its part's, whoever else has it so; its own decoder's is another.
        assert model_type in agreeing
    else:
        assert model_type in agreeing
        assert not {name for item in every if item.row.inner and item.agreed for name in item.types}
    assert contradicted
    assert not agreeing & contradicted


def test_a_type_without_its_row_is_tried_with_those_of_others() -> None:
    from hfkv.generate.adopt_candidates import candidates

    every, without = candidates(), candidates("llama")
    assert any("llama" in item.types for item in every)
    assert not any("llama" in item.types for item in without)
    assert [len(item.types) for item in every] == sorted(
        (len(item.types) for item in every), reverse=True
    )


def test_too_few_configs_prove_nothing() -> None:
    from hfkv.generate.adopt_candidates import candidates

    (golden,) = [item for item in GOLDENS if title(item) == "llama-LlamaForCausalLM"]
    trial = _trial(golden)
    (mine,) = [item for item in candidates() if "llama" in item.types]
    mine.hold(replace(trial, origin="whole"), "llama")
    for number in range(11):
        assert not mine.proved, number
        mine.hold(trial, "llama")
    assert mine.proved
    # Without one of all layers too: a pattern may begin beyond those of a small model.
    mine.origins.remove("whole")
    assert not mine.proved
    mine.origins.add("whole")
    other = {tokens: layers[1:] for tokens, layers in trial.held.items()}
    mine.hold(replace(trial, held=other, changed=("a", "b")), "llama")
    assert not mine.proved
    # The config that differs least from the default is what is told.
    mine.hold(replace(trial, held=other, changed=("a",)), "llama")
    assert mine.against is not None
    assert mine.against.changed == ("a",)


def test_plans_are_told_apart_by_a_config_under_which_they_differ() -> None:
    from hfkv.generate.adopt import tell_apart
    from hfkv.generate.adopt_candidates import Candidate, planned
    from hfkv.generate.adopt_trials import Trial

    plain = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4}
    plain |= {"hidden_size": 64, "head_dim": 16}
    asked: list[dict[str, Any]] = []

    class Llama:
        """A class whose heads are seldom of another size than the hidden one shared out."""

        model_type, name, seed = "llama", "LlamaForCausalLM", 1

        def __init__(self) -> None:
            self.space = SimpleNamespace(wrap=lambda values: {"model_type": "llama", **values})
            self.told = 0

        def guess(self, chance: random.Random) -> dict[str, Any]:
            self.told += 1
            return {**plain, "head_dim": 32} if self.told % 50 == 0 else plain

        def tried(self, values: dict[str, Any], origin: str) -> Iterator[Trial]:
            asked.append(values)
            trial = Trial(
                raw=self.space.wrap(values), origin=origin, changed=(), held={}, encoder=7
            )
            held = {tokens: planned(ROWS["llama"], trial, "llama", tokens) for tokens in (9, 24)}
            yield replace(trial, held=held)

    right, wrong = (Candidate(row=ROWS[name], types=(name,)) for name in ("llama", "gpt_neox"))
    for item in (right, wrong):
        item.agreed, item.origins = 20, {"default", "whole"}
    cls: Any = Llama()
    assert tell_apart([right, wrong], cls) == 1
    assert [item["head_dim"] for item in asked] == [32]
    assert (right.proved, wrong.proved) == (True, False)
    # One alone is told from nothing, and asks nothing.
    assert tell_apart([right, wrong], cls) == 0


def test_a_row_is_that_of_all_classes_or_none() -> None:
    from hfkv.generate.adopt import Verdict, row_of_all
    from hfkv.generate.adopt_candidates import candidates

    one, two = candidates()[:2]
    one.agreed, two.agreed = 50, 60
    base: dict[str, Any] = {
        "model_type": "new",
        "name": "A",
        "nearest": None,
        "configs": 60,
        "refused": 0,
        "unvaried": ("c",),
        "seconds": 1.0,
    }
    first = Verdict(**base, candidate=one, others=(two,), varied=("a",))
    second = Verdict(**base, candidate=two, others=(), varied=("b",))
    found = row_of_all([first, second], "9.9.9")
    assert found == {
        "like": two.types[0],
        "transformers": "9.9.9",
        "configs": 120,
        "varied": ["a", "b"],
        "fixed": ["c"],
    }
    two.agreed = 30
    assert row_of_all([first, second], "9.9.9") is None
    assert json.loads(json.dumps(found)) == found


def test_rows_are_those_that_were_found_and_the_old_ones_of_what_was_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from hfkv.generate import adopt

    old = {name: {"like": "llama", "configs": 40} for name in ("kept", "lost", "gone")}
    monkeypatch.setattr(adopt, "stored_rows", lambda: old)
    monkeypatch.setattr(adopt, "generating_types", lambda: ["kept", "lost", "new"])
    found = {"lost": None, "new": {"like": "gemma2", "configs": 50}}
    files = adopt.rows_with(found)
    assert json.loads(files["adopted.json"]) == {"kept": "llama", "new": "gemma2"}
    assert json.loads(files["adopted_proofs.json"])["new"] == {"configs": 50}


def test_an_adopted_type_has_the_plan_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "ADOPTED", {"brand_new": "llama"})
    monkeypatch.setattr("hfkv.cache.explain.ADOPTED", registry.ADOPTED)
    assert "brand_new" in ROWS
    assert ROWS["brand_new"] is ROWS["llama"]
    assert list(ROWS) == sorted({*registry.FAMILIES, "brand_new"})
    assert len(ROWS) == len(registry.FAMILIES) + 1
    raw = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    raw |= {"hidden_size": 64, "head_dim": 16}
    made = plan(Config({"model_type": "brand_new", **raw}, where="test"))
    assert made.kinds == plan(Config({"model_type": "llama", **raw}, where="test")).kinds
    assert row_place("brand_new") == row_place("llama") != ""


def test_what_was_adopted_was_proved() -> None:
    from hfkv.generate.adopted import stored_rows

    rows = stored_rows()
    assert {name: row["like"] for name, row in rows.items()} == registry.ADOPTED
    for name, row in rows.items():
        assert name not in registry.FAMILIES
        assert row["like"] in registry.FAMILIES
        assert row["configs"] >= 40
        assert not {"head_dim", "hidden_size"} <= set(row["fixed"]), name


@pytest.mark.oracle
def test_a_class_finds_its_plan_without_its_row() -> None:
    pytest.importorskip("torch", reason="needs the pinned transformers")
    from hfkv.generate.adopt import adopt, contradiction

    verdict = adopt("olmo2", "Olmo2ForCausalLM", count=10, without="olmo2")
    assert verdict.candidate is not None
    assert "\n".join(verdict.lines()).startswith("olmo2 Olmo2ForCausalLM: the plan of ")
    assert contradiction(verdict, count=10) is None
    raw = {"model_type": "olmo2", "num_hidden_layers": 2}
    assert planned(raw, 5)


@pytest.mark.oracle
def test_each_key_is_varied_alone() -> None:
    """What halves Gemma 3's windows did so in no config of many changes, and other windowed plans
    agreed with them all."""
    pytest.importorskip("torch", reason="needs the pinned transformers")
    from hfkv.generate.adopt import adopt

    verdict = adopt("gemma3_text", "Gemma3ForCausalLM", count=2, without="gemma3_text")
    assert verdict.candidate is None
    assert verdict.nearest is not None
    assert verdict.nearest.against is not None
    assert verdict.nearest.against.changed == ("use_bidirectional_attention",)


@pytest.mark.oracle
def test_a_loop_that_a_small_model_does_not_have_is_seen() -> None:
    """Layers 6 to 17 of 24 run three times: the plan without loops agreed with every small config,
    and was adopted."""
    pytest.importorskip("torch", reason="needs the pinned transformers")
    from hfkv.generate.adopt import adopt

    kind = "inkling2_loop_text"
    verdict = adopt(kind, "Inkling2LoopForCausalLM", count=2, without=kind)
    assert verdict.candidate is None
