"""Matching agrees with PEFT's own function on arbitrary names and configs."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from hfkv.errors import UnsupportedError
from hfkv.peft.matching import excluded, layer_chosen, matches, matches_list, rank_of

PARTS = st.sampled_from(["model", "layers", "0", "1", "12", "self_attn", "q_proj", "q", "mlp", "h"])
NAMES = st.lists(PARTS, min_size=1, max_size=6).map(".".join)
LISTS = st.lists(NAMES, min_size=1, max_size=4)
PATTERNS = st.sampled_from(
    [r".*q_proj", r".*\.[01]\..*", r"model\..*(q_proj|mlp)", r"q", r".*layers\.1\..*", r"[a-z.]+"]
)
LAYERS = st.one_of(st.none(), st.integers(0, 12), st.lists(st.sampled_from([0, 1, 12]), max_size=3))
LIST_NAMES = st.one_of(
    st.none(), st.sampled_from(["layers", "h", ""]), st.lists(st.sampled_from(["layers", "h"]))
)


def ours(config: Any, name: str) -> bool:
    if excluded(config.exclude_modules, config.modules_to_save, name):
        return False
    targets = config.target_modules
    if isinstance(targets, str):
        return matches(targets, name)
    return name in targets or (
        matches_list(targets, name)
        and layer_chosen(config.layers_to_transform, config.layers_pattern, name)
    )


@pytest.mark.oracle
@hypothesis.settings(max_examples=2000, deadline=None)
@hypothesis.given(
    name=NAMES,
    targets=st.one_of(LISTS, PATTERNS),
    exclude=st.one_of(st.none(), LISTS, PATTERNS),
    saved=st.one_of(st.none(), LISTS),
    layers=LAYERS,
    lists=LIST_NAMES,
)
def test_modules(
    name: str, targets: Any, exclude: Any, saved: Any, layers: Any, lists: Any
) -> None:
    peft = pytest.importorskip("peft")
    from peft.tuners.tuners_utils import check_target_module_exists

    string = isinstance(targets, str)
    config = peft.LoraConfig(
        target_modules=targets,
        exclude_modules=exclude,
        modules_to_save=saved,
        layers_to_transform=None if string else layers,
        layers_pattern=None if string or layers is None else lists,
    )
    assert ours(config, name) == bool(check_target_module_exists(config, name))


@pytest.mark.oracle
@hypothesis.settings(max_examples=1000, deadline=None)
@hypothesis.given(
    name=NAMES, ranks=st.dictionaries(st.one_of(NAMES, PATTERNS), st.integers(1, 64), max_size=4)
)
def test_ranks(name: str, ranks: dict[str, int]) -> None:
    pytest.importorskip("peft")
    from peft.utils.other import get_pattern_key

    assert rank_of(ranks, name, 8) == ranks.get(get_pattern_key(ranks.keys(), name), 8)


#: Expressions that adapters on the Hub have.
IN_USE = [
    r".*(q_proj|v_proj)$",
    r"(?:.*?(?:language|text).*?(?:self_attn|mlp).*?(?:q_proj|up_proj))",
    r"^model\.layers\.\d{1,2}\.self_attn\.[qkvo]_proj",
    r"(?!.*vision).*\.(q|k)_proj",
]


@pytest.mark.parametrize(
    ("name", "matched"),
    [
        ("model.layers.0.self_attn.q_proj", {0, 2, 3}),
        ("model.layers.123.self_attn.v_proj", {0}),
        ("model.language_model.layers.0.self_attn.q_proj", {0, 1, 3}),
        ("model.language_model.layers.0.mlp.up_proj", {1}),
        ("model.vision_tower.layers.0.self_attn.k_proj", set()),
    ],
)
def test_expressions_in_use_are_taken_for_the_whole_name(name: str, matched: set[int]) -> None:
    assert {number for number, item in enumerate(IN_USE) if matches(item, name)} == matched


def test_a_repeat_of_a_repeat_is_not() -> None:
    with pytest.raises(UnsupportedError):
        matches(r"([a-z_]+\.?)+x", "model.layers.0.self_attn.q_proj")
