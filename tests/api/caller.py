"""What a caller writes, for ``mypy --strict``: a line whose comment is ``# error`` is one."""

# ruff: noqa: B018, F841
from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import hfkv


def caller() -> None:
    model: hfkv.Model = hfkv.load("gpt2", revision="main", source="snapshot", token=False)
    same: hfkv.Model = hfkv.load(Path("gpt2"))
    made: hfkv.Model = hfkv.load(
        {"model_type": "gpt2"}, header={"a": {"dtype": "F32", "shape": [1]}}
    )
    shards: hfkv.Model = hfkv.load({}, header=[{}, {}], card="# GPT-2", name="gpt2")
    hfkv.load("gpt2", sourc="hub")  # error
    hfkv.load("gpt2", source="hbu")  # error
    hfkv.load("gpt2", header={})  # error
    hfkv.load({}, revision="main")  # error
    hfkv.load(5)  # error

    cache: hfkv.KVCache = model.kv_cache(tokens=10, batch=2, dtype="bf16", crosscheck=False)
    size: int = cache.bytes
    model.kv_cache()  # error
    model.kv_cache(tokens=10, dtyp="bf16")  # error
    fits: int | None = model.fit("24GiB", batch=4)
    model.fit(24.5)  # error
    planned: hfkv.Fit = model.fit("2x80GB", engine=hfkv.Vllm(), tokens=8192)
    allocated: hfkv.Allocation = model.kv_cache(tokens=10, engine=hfkv.Mlx())
    model.fit("80GB", tokens=10)  # error

    lora: hfkv.Lora = model.lora(r=8, target_modules=["c_attn"], use_dora=True, bias="all")
    given: hfkv.Lora = model.lora({"r": 8, "target_modules": ["c_attn"]})
    model.lora(r=8, use_dorra=True)  # error
    model.lora(r=8, bias="some")  # error
    model.lora(rank=8)  # error
    cartridge: hfkv.Prompt = model.cartridge(tokens=512)
    model.cartridge(virtual_tokens=512)  # error

    ranks: hfkv.Ranks = model.rank(tokens=100_000, kv_dtype="fp8")
    model.rank(token=100_000)  # error

    said: hfkv.Pretraining = model.pretraining
    tokens: int | None = said.tokens

    for comparison in hfkv.compare("gpt2", model, tokens=1000, r=4, use_dora=True):
        ratio: Fraction | None = comparison.compression["kv_over_lora"]
    for kept in hfkv.compare(["gpt2", model], source="snapshot"):
        if not isinstance(kept, hfkv.HfkvError):
            crossing: int | None = kept.break_even_tokens
    hfkv.compare("gpt2", tokens="100k")  # error
    hfkv.compare("gpt2", ranks=4)  # error
    hfkv.compare(["gpt2"])[0].break_even_tokens  # error

    for found in hfkv.load_many(["gpt2", Path("gpt2")], source="snapshot"):
        if isinstance(found, hfkv.Model):
            name: str = found.model
    hfkv.load_many("gpt2", surce="snapshot")  # error
    value: dict[str, object] = cache.to_dict()
