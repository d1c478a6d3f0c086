"""Keys that rows read in ways of their own: other names, lists that are cut, layers that differ."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.cache import plan
from hfkv.cache.conventions import Layer
from hfkv.cache.plan import Plan
from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts.config import Config
from tests.cache.stored import layers, size


def planned(model_type: str, **keys: Any) -> Plan:
    return plan(Config({"model_type": model_type, **keys}, where="test"))


def first(model_type: str, tokens: int = 20, **keys: Any) -> Layer:
    return layers(planned(model_type, **keys), tokens=tokens)[0]


def test_another_name_of_a_key_is_set_last() -> None:
    layer = first("step3p5", num_attention_groups=2, num_key_value_heads=4)
    assert layer.tensors[0].shape == (1, 2, 20, 128)
    layer = first("hunyuan_vl_text", attention_head_dim=24)
    assert layer.tensors[0].shape == (1, 32, 20, 24)


def test_layers_that_the_class_derives_or_cuts() -> None:
    assert len(planned("longcat_flash").kinds) == 56
    assert len(planned("longcat_flash", num_hidden_layers=5).kinds) == 4
    assert len(planned("hrm_text").kinds) == 128
    # Its class fills a place of the cache for each of 2 x 4 runs of 3 layers, and leaves the rest.
    made = planned("hrm_text", num_hidden_layers=30, num_layers_per_stack=3)
    assert [kind.name for kind in made.kinds] == ["full"] * 24 + ["nothing"] * 6
    with pytest.raises(ConfigError, match="num_hidden_layers"):
        planned("hrm_text", num_hidden_layers=6, num_layers_per_stack=3)
    names = ["full_attention", "sliding_attention", "full_attention"]
    made = planned(
        "step3p5",
        num_hidden_layers=2,
        num_nextn_predict_layers=1,
        layer_types=names,
        sliding_window=9,
    )
    assert [kind.name for kind in made.kinds] == ["full", "sliding"]
    made = planned("nemotron_h", hybrid_override_pattern="M-*E", num_hidden_layers=99)
    assert [kind.name for kind in made.kinds] == ["mamba2", "nothing", "full", "nothing"]


def test_gemma_4_has_other_heads_in_global_layers() -> None:
    keys = {"num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"]}
    last = layers(planned("gemma4_text", **keys), tokens=20)[1]
    assert last.tensors[0].shape == (1, 4, 20, 512)
    keys |= {"num_global_key_value_heads": 1, "global_head_dim": 96}
    assert layers(planned("gemma4_text", **keys), tokens=20)[1].tensors[0].shape == (1, 4, 20, 96)
    last = layers(planned("gemma4_text", **keys, attention_k_eq_v=True), tokens=20)[1]
    assert last.tensors[0].shape == (1, 1, 20, 96)
    # A file that states the layers one by one is asked for nothing else.
    keys["per_layer_config"] = {"1": {"head_dim": 64}}
    assert layers(planned("gemma4_text", **keys), tokens=20)[1].tensors[0].shape == (1, 4, 20, 64)
    keys["per_layer_config"] = {"1": {"sliding_window": 64}}
    with pytest.raises(UnsupportedError, match="sliding_window differs from layer to layer"):
        planned("gemma4_text", **keys)


def test_layers_can_only_share_with_a_layer_of_their_kind() -> None:
    assert planned("gemma4_text", num_kv_shared_layers=24).kinds[6].name == "nothing"
    with pytest.raises(ConfigError, match="no layer of some kind"):
        planned("gemma4_text", num_kv_shared_layers=26)


def test_indexers_that_are_shared_keep_nothing() -> None:
    made = planned("glm_moe_dsa", num_hidden_layers=3, indexer_types=["full", "shared", "full"])
    assert [len(layer.tensors) for layer in layers(made, tokens=5)] == [3, 2, 3]
    made = planned("glm_moe_dsa", num_hidden_layers=3, index_topk_pattern="FSF")
    assert [len(layer.tensors) for layer in layers(made, tokens=5)] == [3, 2, 3]
    with pytest.raises(ConfigError, match="indexers of 1 layers"):
        planned("glm_moe_dsa", num_hidden_layers=3, indexer_types=["full"])


def test_a_hybrid_without_attention_cannot_generate() -> None:
    with pytest.raises(ConfigError, match="no layer has attention"):
        planned("bamba")
    assert planned("bamba", attn_layer_indices=[9]).kinds[9].name == "full"


def test_classes_without_a_cache_say_so() -> None:
    made = planned("openai-gpt")
    assert size(made, tokens=1000) == 0
    assert "keeps no cache" in made.notes[0]


def test_xlm_keeps_the_mask_token_of_its_step() -> None:
    made = planned("xlm", n_layers=2, emb_dim=64, n_heads=4)
    assert size(made, tokens=9) == 2 * 2 * (9 + 1) * 64 * 2
    for wrong in ({"is_encoder": False}, {"emb_dim": 65, "n_heads": 4}):
        with pytest.raises(ConfigError):
            planned("xlm", **wrong)


def test_pix2structs_heads_are_those_of_its_hidden_size() -> None:
    # One bias is for all heads; of another number it fails to be added.
    text = {"hidden_size": 768, "d_kv": 64}
    layer = first("pix2struct", text_config={**text, "num_heads": 1})
    assert layer.tensors[0].shape == (1, 12, 20, 64)
    for wrong in ({"num_heads": 2}, {"num_heads": 1, "d_kv": 100}):
        with pytest.raises(UnsupportedError, match="its class then fails"):
            planned("pix2struct", text_config={**text, **wrong})


def test_gpt_sw3_attends_to_an_encoder_as_gpt_2_does() -> None:
    asked = {"add_cross_attention": True, "n_layer": 1}
    (sw3,), (gpt2,) = (planned(name, **asked).kinds for name in ("gpt-sw3", "gpt2"))
    assert sw3 == gpt2
    assert planned("gpt-sw3", **asked).crosses


def test_a_part_of_a_head_that_is_rotated_is_of_two_elements() -> None:
    # Phi turns half of each head: of three elements one, which its cosines make two in the key.
    assert first("phi", hidden_size=256).tensors[0].shape == (1, 32, 20, 8)
    for name in ("phi", "glm4", "gpt_neox"):
        with pytest.raises(ConfigError, match="at least 8 elements"):
            planned(name, hidden_size=120, num_attention_heads=30, head_dim=4)
    assert first("llama", hidden_size=120, num_attention_heads=30).tensors[0].shape[-1] == 4


def test_a_window_that_no_layer_is_said_to_have_is_none() -> None:
    assert first("cohere_compass_text", tokens=5000).tensors[0].shape[2] == 5000
    kinds = ["sliding_attention", "full_attention"]
    layer = first("cohere_compass_text", tokens=5000, num_hidden_layers=2, layer_types=kinds)
    assert layer.tensors[0].shape[2] == 4095


def test_deepseek_v4_reads_older_rates() -> None:
    made = planned("deepseek_v4", num_hidden_layers=2, compress_ratios=[4, 0])
    assert [layer.kind for layer in layers(made, tokens=10)] == [
        "compressed and indexed",
        "sliding",
    ]
    layer = first("deepseek_v4", compress_rate_hca=5, tokens=12)
    assert {t.name: t.shape for t in layer.tensors}["compressed_kv.compressor"] == (1, 2, 512)


def test_mistral_large_4_mixes_latents_with_and_without_a_rotary_key() -> None:
    made = planned(
        "mistral_large4_text",
        num_hidden_layers=4,
        no_rope_layers=[1, 0, 1, 1],
        kv_source_layers=[0, 1, 0, 0],
        indexer_types=["full", "full", "full", "shared"],
    )
    shapes = [[t.shape[-1] for t in layer.tensors] for layer in layers(made, tokens=5)]
    assert shapes == [[512, 64, 128], [512, 0, 128], [128], []]


def test_patterns_that_only_the_class_knows() -> None:
    names = [kind.name for kind in planned("recurrent_gemma", num_hidden_layers=3).kinds]
    assert names == ["recurrent", "recurrent", "sliding"]
    assert len(planned("reformer", is_decoder=True).kinds) == 6
    with pytest.raises(ConfigError, match="block_types"):
        planned("recurrent_gemma", block_types=None)


@pytest.mark.parametrize("model_type", ["llama", "gemma3_text", "mamba"])
def test_a_file_that_shares_layers_where_its_class_does_not_is_refused(model_type: str) -> None:
    """transformers' cache reads the key of any config; an empty list makes sliding layers full."""
    assert planned(model_type, kv_sharing_modes=None).kinds == planned(model_type).kinds
    with pytest.raises(UnsupportedError, match="kv_sharing_modes"):
        planned(model_type, kv_sharing_modes=[])
