"""Encoder-decoders and decoders alone: what they read, what they ask for, what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.cache import kv_cache, plan
from hfkv.errors import ConfigError, InputError, UnsupportedError
from hfkv.facts import Facts
from hfkv.facts.config import Config
from hfkv.tensors import Tensor, TensorTable
from tests.cache.stored import layers

BART = {"model_type": "bart", "d_model": 32, "decoder_layers": 2, "decoder_attention_heads": 4}
T5 = {"model_type": "t5", "d_model": 32, "num_heads": 4, "d_kv": 16, "num_layers": 3}
#: K and V of 32 elements, bfloat16.
LAYER = 2 * 32 * 2


def facts(config: dict[str, Any], shapes: dict[str, tuple[int, ...]] | None = None) -> Facts:
    tensors = None
    if shapes is not None:
        tensors = TensorTable(
            Tensor(name=name, dtype="BF16", shape=shape) for name, shape in shapes.items()
        )
    return Facts(
        model="test", source="directory", config={"dtype": "bfloat16", **config}, tensors=tensors
    )


def test_the_encoder_is_kept_once_beside_the_tokens() -> None:
    figure = kv_cache(facts(BART), tokens=5, encoder_tokens=7)
    assert figure.bytes == 2 * LAYER * (5 + 7)
    assert figure.bytes_per_token == 2 * LAYER
    assert figure.constant_bytes == 2 * LAYER * 7
    assert figure.to_json()["encoder_tokens"] == 7


def test_a_length_that_nothing_fixes_is_asked_for() -> None:
    with pytest.raises(UnsupportedError, match="`encoder_tokens`"):
        kv_cache(facts(BART), tokens=5)
    with pytest.raises(InputError, match="no cross-attention"):
        kv_cache(facts({"model_type": "llama"}), tokens=5, encoder_tokens=7)


def test_whisper_always_hears_thirty_seconds() -> None:
    figure = kv_cache(facts({"model_type": "whisper"}), tokens=5)
    assert figure.encoder_tokens == 1500
    assert any("1500 tokens long (max_source_positions" in note for note in figure.notes)
    given = kv_cache(facts({"model_type": "whisper"}), tokens=5, encoder_tokens=1500)
    assert given.bytes == figure.bytes
    assert not any("max_source_positions" in note for note in given.notes)


def test_the_class_decides_between_the_whole_and_the_decoder_alone() -> None:
    alone = {**BART, "architectures": ["BartForCausalLM"]}
    figure = kv_cache(facts(alone), tokens=5)
    assert (figure.bytes, figure.encoder_tokens) == (2 * LAYER * 5, 0)
    assert kv_cache(facts(alone), tokens=5, encoder_tokens=7).bytes == 2 * LAYER * 12
    for other in ({"architectures": ["BartModel"]}, {}):
        assert plan(Config({**BART, **other}, where="test")).encoder_tokens is None
    assert plan(Config({**BART, "is_encoder_decoder": False}, where="test")).encoder_tokens == 0


def test_a_decoder_alone_has_a_layer_for_each_of_the_encoders() -> None:
    alone = {**BART, "architectures": ["BartForCausalLM"]}
    kinds = plan(Config({**alone, "encoder_layers": 5}, where="test")).kinds
    assert [kind.name for kind in kinds] == ["full+cross"] * 2 + ["nothing"] * 3
    with pytest.raises(UnsupportedError, match="makes a cache of 1 layers and then fills 2"):
        plan(Config({**alone, "encoder_layers": 1}, where="test"))


def test_t5_counts_decoder_layers_before_it_applies_other_names() -> None:
    def layers(**keys: Any) -> int:
        return len(plan(Config({"model_type": "t5", **keys}, where="test")).kinds)

    assert layers() == 6
    assert layers(num_layers=3) == 3
    assert layers(num_layers=3, num_decoder_layers=2) == 2
    assert layers(num_layers=3, num_decoder_layers=None) == 3
    assert layers(num_hidden_layers=3) == 6


def test_moonshines_decoder_takes_the_encoders_heads() -> None:
    config = {"model_type": "moonshine", "hidden_size": 64, "encoder_num_attention_heads": 4}
    made = plan(Config({**config, "decoder_num_attention_heads": 2}, where="test"))
    assert layers(made, tokens=1)[0].tensors[0].shape == (1, 4, 1, 16)
    with pytest.raises(UnsupportedError, match="2 key/value heads for 4 heads"):
        plan(Config({**config, "encoder_num_key_value_heads": 2}, where="test"))


def test_bert_fills_the_cache_that_generate_hands_it() -> None:
    sizes = {"model_type": "bert", "num_hidden_layers": 1, "hidden_size": 24}
    figure = kv_cache(facts(sizes), tokens=5)
    assert figure.bytes == 2 * 24 * 2 * 5
    assert "is_decoder is false" in figure.notes[0]
    decoder = kv_cache(facts({**sizes, "is_decoder": True}), tokens=5)
    assert (decoder.bytes, decoder.notes) == (figure.bytes, ())
    with pytest.raises(ConfigError, match="is_decoder too"):
        plan(Config({"model_type": "bert", "add_cross_attention": True}, where="test"))


def test_mllama_keeps_an_image_in_layers_of_its_own() -> None:
    text = {"num_hidden_layers": 4, "cross_attention_layers": [1]}
    config = {"model_type": "mllama", "text_config": text}
    figure = kv_cache(facts(config), tokens=5, encoder_tokens=6404)
    assert [layer.kind for layer in figure.layers] == ["full", "cross", "full", "full"]
    assert figure.layers[1].tensors[0].shape == (1, 8, 6404, 128)
    bare = kv_cache(facts(config), tokens=5)
    assert bare.layers[1].tensors == ()
    assert "4 tiles of 32 x 32 patches" in bare.notes[0]


def test_a_pair_of_models_keeps_what_its_decoder_keeps() -> None:
    config: dict[str, Any] = {"model_type": "encoder-decoder"}
    kinds = plan(Config(config, where="test")).kinds
    assert [kind.name for kind in kinds] == ["full+cross"] * 12
    with pytest.raises(UnsupportedError, match="does not attend to its encoder"):
        plan(Config({**config, "decoder": {"model_type": "bert"}}, where="test"))
    for decoder in ("t5", "whisper", "llama"):
        with pytest.raises(UnsupportedError, match="does not attend to its encoder"):
            plan(Config({**config, "decoder": {"model_type": decoder}}, where="test"))


def test_a_part_of_a_fixed_type_is_of_that_type_whatever_the_file_calls_it() -> None:
    for model_type, key in (("mllama", "text_config"), ("canary", "decoder_config")):
        stated = {"model_type": model_type, key: {"model_type": "llama"}}
        plain = plan(Config({"model_type": model_type}, where="test"))
        assert plan(Config(stated, where="test")) == plain


def test_a_part_of_an_unknown_type_is_refused() -> None:
    for model_type in ("florence2", "blip-2"):
        config = {"model_type": model_type, "text_config": {"model_type": "florence2_language"}}
        with pytest.raises(UnsupportedError, match="florence2_language"):
            plan(Config(config, where="test"))


def test_keys_of_other_architectures_are_refused() -> None:
    for key, value in (("sliding_window", 9), ("layer_types", ["full_attention"] * 2)):
        with pytest.raises(UnsupportedError, match="its cache would follow the key"):
            plan(Config({**BART, key: value}, where="test"))
    with pytest.raises(UnsupportedError, match="its cache would follow the key"):
        plan(Config({**T5, "decoder_layers": 9}, where="test"))


def weights(layers: int, rows: int, ending: str = "self_attn.k_proj") -> dict[str, tuple[int, ...]]:
    return {f"model.decoder.layers.{at}.{ending}.weight": (rows, 32) for at in range(layers)}


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (weights(2, 24), "layer 0: model.decoder.layers.0.self_attn.k_proj.weight has 24 rows"),
        (weights(2, 48, "encoder_attn.v_proj"), "encoder_attn.v_proj.weight has 48 rows"),
        (weights(1, 32), "there is no decoder.layers.1.self_attn.k_proj.weight"),
        (weights(3, 32), "layer 2: model.decoder.layers.2.self_attn.k_proj.weight has 32 rows"),
    ],
)
def test_the_decoders_weights_bear_witness(
    shapes: dict[str, tuple[int, ...]], message: str
) -> None:
    figure = kv_cache(facts(BART, shapes), tokens=5, encoder_tokens=7)
    assert figure.agreement.differs
    assert message in figure.notes[0]
    kv_cache(facts(BART, shapes), tokens=5, encoder_tokens=7, crosscheck=False)


def test_the_encoders_weights_do_not() -> None:
    alone = kv_cache(facts(BART, weights(2, 32)), tokens=5, encoder_tokens=7)
    shapes = {
        **weights(2, 32),
        "model.encoder.layers.0.self_attn.k_proj.weight": (99, 32),
    }
    beside = kv_cache(facts(BART, shapes), tokens=5, encoder_tokens=7)
    assert (beside.bytes, beside.notes) == (alone.bytes, alone.notes) == (2 * LAYER * 12, ())


def test_t5_names_its_weights_by_block() -> None:
    name = "decoder.block.{}.layer.0.SelfAttention.k.weight"
    good = {name.format(at): (64, 32) for at in range(3)}
    kv_cache(facts(T5, good), tokens=5, encoder_tokens=7)
    other = kv_cache(facts(T5, {**good, name.format(1): (32, 32)}), tokens=5, encoder_tokens=7)
    assert "64 by config.json" in other.notes[0]


@pytest.mark.parametrize(("encoder", "tokens"), [("vit", 577), ("clip_vision_model", None)])
def test_an_encoder_of_pictures_of_one_size_has_one_length(
    encoder: str, tokens: int | None
) -> None:
    config = {
        "model_type": "vision-encoder-decoder",
        "is_encoder_decoder": True,
        "encoder": {"model_type": encoder, "image_size": 384, "patch_size": 16},
        "decoder": {"model_type": "trocr", "decoder_layers": 2},
        "dtype": "bfloat16",
    }
    if tokens is None:
        with pytest.raises(UnsupportedError, match="nothing in its config fixes"):
            kv_cache(facts(config), tokens=5)
    else:
        assert kv_cache(facts(config), tokens=5).encoder_tokens == tokens
