"""Stored plans are let to answer for more where the class bears it out, and nowhere else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hfkv.data import read_json

pytestmark = pytest.mark.oracle


def _narrowed(**keys: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    stored: dict[str, Any] = read_json("plans", "gpt2.json")["classes"]["GPT2LMHeadModel"]
    content = json.loads(json.dumps(stored))
    content["keys"].update(keys)
    return stored, content


def test_what_the_class_bears_out_is_taken() -> None:
    pytest.importorskip("torch")
    from hfkv.generate.plan_builds import without_values
    from hfkv.generate.plan_configs import space_of
    from hfkv.generate.plan_widen import widened

    stored, content = _narrowed(
        attn_pdrop={"kinds": ["absent"]},
        scale_attn_weights={"kinds": ["absent"]},
        activation_function={"kinds": ["absent", "str"], "strings": ["gelu"]},
        n_embd={"kinds": ["absent"]},
        add_cross_attention={"kinds": ["absent", "false"]},
    )
    with without_values():
        made = widened(space_of("gpt2", "GPT2LMHeadModel"), content)
    assert {"float", "int", "zero"} <= set(made["keys"]["attn_pdrop"]["kinds"])
    assert made["keys"]["scale_attn_weights"]["kinds"] == ["absent", "false", "true"]
    # What the plan's own sizes and modules hang on is left as it was proved: some activations
    # have parameters.
    for key in ("n_embd", "add_cross_attention", "activation_function"):
        assert made["keys"][key] == content["keys"][key]
    assert {key: made[key] for key in made if key != "keys"} == {
        key: stored[key] for key in stored if key != "keys"
    }
    assert content["keys"]["attn_pdrop"] == {"kinds": ["absent"]}


def test_a_value_under_which_the_class_is_another_is_not_taken() -> None:
    """A plan that knows nothing of cross-attention must not come to answer for it."""
    pytest.importorskip("torch")
    from hfkv.generate.plan_builds import without_values
    from hfkv.generate.plan_configs import space_of
    from hfkv.generate.plan_widen import widened

    _, content = _narrowed(add_cross_attention={"kinds": ["absent", "false"]})

    def blind(tree: Any) -> Any:
        if isinstance(tree, dict):
            return (
                blind(tree["else"])
                if "add_cross_attention" in tree["if"]
                else {"if": tree["if"], "then": blind(tree["then"]), "else": blind(tree["else"])}
            )
        return tree

    content["trees"] = [blind(tree) for tree in content["trees"]]
    with without_values():
        made = widened(space_of("gpt2", "GPT2LMHeadModel"), content)
    assert made["keys"]["add_cross_attention"] == {"kinds": ["absent", "false"]}
