"""Static caches against the pinned transformers: every tensor of a real one, on the meta device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hfkv.engines import TransformersCache
from tests.engines.rows import SMALL, small_subject

pytestmark = pytest.mark.oracle
#: Not decoders with such a cache: Mamba 2 takes one of its own, T5 has an encoder.
OTHERS = {"bert", "mamba2", "minicpm3", "t5"}
LONGEST = 1000


def filled(folder: Path, config: dict[str, Any]) -> int:
    """Bytes of the tensors of a static cache after a forward of the model."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, StaticCache

    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    text = AutoConfig.from_pretrained(folder).get_text_config(decoder=True)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(text, dtype=torch.bfloat16)
        ids = torch.zeros((1, 8), dtype=torch.long)
    cache = StaticCache(config=text, max_cache_len=LONGEST)
    with torch.no_grad():
        model(input_ids=ids, past_key_values=cache, use_cache=True)
    size = 0
    for layer in cache.layers:
        for name, value in vars(layer).items():
            # The counter of every layer stands on the host until its first use.
            if name == "cumulative_length":
                continue
            values = list(value.values()) if isinstance(value, dict) else value
            for tensor in values if isinstance(values, list) else [values]:
                size += tensor.nbytes if isinstance(tensor, torch.Tensor) else 0
    return size


@pytest.mark.parametrize("name", sorted(set(SMALL["configs"]) - OTHERS))
def test_static(name: str, tmp_path: Path) -> None:
    found = TransformersCache(cache="static", max_cache_len=LONGEST).allocate(
        small_subject(name), tokens=8
    )
    assert found.bytes == filled(tmp_path, SMALL["configs"][name])
