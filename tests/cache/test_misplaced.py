"""Layers that a file states where its class does not look are not the class's default."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.cache import kv_cache
from hfkv.errors import UnsupportedError
from hfkv.tensors import Tensor, TensorTable
from tests.cache.test_figure import _header, facts

BASE = {"torch_dtype": "bfloat16", "architectures": None}


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"model_type": "mamba", "n_layer": 64}, "n_layer is 64"),
        ({"model_type": "llama", "n_layers": 4}, "n_layers is 4"),
        (
            {"model_type": "vibevoice", "decoder_config": {"num_hidden_layers": 28}},
            "decoder_config.num_hidden_layers is 28",
        ),
        (
            {
                "model_type": "llava",
                "thinker_config": {"text_config": {"num_hidden_layers": 7}},
            },
            "thinker_config.text_config.num_hidden_layers is 7",
        ),
        ({"model_type": "llava", "num_hidden_layers": 40}, "num_hidden_layers is 40"),
        ({"model_type": "llava", "num_key_value_heads": 8}, "num_key_value_heads is 8"),
        ({"model_type": "step3p7", "layer_types": ["sliding_attention"] * 45}, "layer_types is a"),
        ({"model_type": "llava", "sliding_window": 512}, "sliding_window is 512"),
    ],
)
def test_refused_without_a_witness(config: dict[str, Any], place: str) -> None:
    with pytest.raises(UnsupportedError, match=place):
        kv_cache(facts({**BASE, **config}), tokens=5)
    insisted = kv_cache(facts({**BASE, **config}), tokens=5, crosscheck=False)
    assert any(place in note for note in insisted.notes)


def test_the_weights_witness_the_default() -> None:
    config = {**BASE, "model_type": "mistral", "n_layers": 3, "hidden_size": 64}
    config |= {"num_attention_heads": 4, "num_key_value_heads": 2}
    figure = kv_cache(facts(config, _header(32, layers=32)), tokens=5)
    assert any("n_layers is 3" in note for note in figure.notes)


def test_weights_that_show_other_layers_do_not() -> None:
    tensors = TensorTable(
        Tensor(name=f"backbone.layers.{n}.mixer.D", dtype="BF16", shape=(5120,)) for n in range(64)
    )
    with pytest.raises(UnsupportedError, match="n_layer is 64"):
        kv_cache(facts({**BASE, "model_type": "mamba", "n_layer": 64}, tensors), tokens=5)


@pytest.mark.parametrize(
    "config",
    [
        # The same number elsewhere is no contradiction.
        {"model_type": "fuyu", "num_hidden_layers": 36, "text_config": {}},
        # Nothing is stated: older files leave to the class what is its default.
        {"model_type": "llava", "text_config": {"vocab_size": 32064}},
        # The tower's layers are not the decoder's.
        {"model_type": "llava", "vision_config": {"num_hidden_layers": 24}},
    ],
)
def test_what_contradicts_nothing_is_answered(config: dict[str, Any]) -> None:
    assert kv_cache(facts({**BASE, **config}), tokens=5).bytes
