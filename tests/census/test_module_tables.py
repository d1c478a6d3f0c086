"""The generated tables: what the pinned libraries say now is what the files say."""

from __future__ import annotations

import json

import pytest

from hfkv.generate import module_tables, peft_facts

#: Types of every make: plain, swapped axes, experts of several kinds, towers, encoder-decoder,
#: layers that differ, a text part of a composite type.
SAMPLE = [
    "llama", "gpt2", "falcon", "mixtral", "qwen3_moe", "deepseek_v3", "gpt_oss", "gemma3",
    "gemma4_text", "t5", "mamba2", "granitemoehybrid", "llava", "phi3",
]  # fmt: skip


@pytest.mark.oracle
@pytest.mark.parametrize("model_type", SAMPLE)
def test_tables_are_what_the_generator_writes(model_type: str) -> None:
    pytest.importorskip("torch")
    ((name, content),) = module_tables.generate({model_type})
    assert name == model_type
    assert not isinstance(content, str), content
    stored = (module_tables.TARGET / f"{model_type}.json").read_text(encoding="utf-8")
    assert module_tables.text(content) == stored


@pytest.mark.oracle
def test_every_type_has_a_table_or_a_reason() -> None:
    pytest.importorskip("torch")
    from hfkv.live.build import pairs, transformers

    index = json.loads((module_tables.TARGET / "INDEX.json").read_text(encoding="utf-8"))
    assert index["transformers"] == transformers().__version__
    known = {(key, name) for key, names in index["types"].items() for name in names}
    assert {key for key, _ in pairs()} == {*index["types"], *index["refused"]}
    assert known <= set(pairs())


@pytest.mark.oracle
def test_peft_facts_are_what_the_generator_writes() -> None:
    pytest.importorskip("peft")
    stored = json.loads(peft_facts.TARGET.read_text(encoding="utf-8"))
    assert json.loads(json.dumps(peft_facts.generate())) == stored
