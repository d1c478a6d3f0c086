"""Every field of the pinned ``LoraConfig`` is read, changes nothing, or is refused by name."""

from __future__ import annotations

import json
from dataclasses import fields
from importlib import resources
from typing import Any

import pytest

from hfkv.errors import InputError, UnsupportedError
from hfkv.peft.lora import LoraOptions
from hfkv.peft.lora.fields import IRRELEVANT, KNOWN, READERS, REFUSED
from hfkv.peft.lora.variants import VARIANTS

#: The class's fields with their defaults, as generated from the pinned PEFT.
PINNED: dict[str, Any] = json.loads(
    (resources.files("hfkv.data") / "peft.json").read_text("utf-8")
)["fields"]


def test_the_groups_cover_the_class_and_nothing_else() -> None:
    assert set(PINNED) == KNOWN
    groups = [IRRELEVANT, REFUSED, frozenset(READERS), frozenset(["r", "target_modules"])]
    assert sum(len(group) for group in groups) == len(KNOWN)


def test_what_is_read_is_kept() -> None:
    kept = {field.name for field in fields(LoraOptions)} - {"ignored"}
    assert kept == {*READERS, "r", "target_modules"}
    assert set(VARIANTS) - {"mica"} <= kept


def test_the_classs_defaults_are_taken() -> None:
    options = LoraOptions.from_config({**PINNED, "peft_type": "LORA", "target_modules": ["q_proj"]})
    assert options == LoraOptions(r=PINNED["r"], target_modules=("q_proj",))


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_not_counted_is_refused_by_name(name: str) -> None:
    value = {"use_qalora": True}.get(name, {"x": 1})
    with pytest.raises(UnsupportedError, match=name):
        LoraOptions.from_options(r=4, target_modules=["q_proj"], **{name: value})


@pytest.mark.parametrize("name", sorted({*READERS} - {"init_lora_weights"}))
@pytest.mark.parametrize("value", [object(), float("nan"), b"x", 1.5])
def test_damage_is_an_error(name: str, value: object) -> None:
    with pytest.raises(InputError, match=name):
        LoraOptions.from_options(r=4, target_modules=["q_proj"], **{name: value})


def test_fields_of_other_versions() -> None:
    config = {"peft_type": "LORA", "r": 4, "target_modules": ["q_proj"]}
    # What old versions wrote, switched off, means nothing.
    LoraOptions.from_config({**config, "enable_lora": None, "merge_weights": False})
    with pytest.raises(UnsupportedError, match="use_novel"):
        LoraOptions.from_config({**config, "use_novel": True})


@pytest.mark.oracle
def test_the_groups_cover_the_real_class() -> None:
    peft = pytest.importorskip("peft")
    assert {field.name for field in fields(peft.LoraConfig)} == KNOWN


@pytest.mark.oracle
def test_the_real_classs_variants_are_known() -> None:
    peft = pytest.importorskip("peft")
    real = {f.name for f in fields(peft.LoraConfig) if f.metadata.get("is_lora_variant")}
    assert real - REFUSED == set(VARIANTS) - {"mica"}
