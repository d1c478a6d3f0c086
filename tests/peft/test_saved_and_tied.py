"""Copies inside copies, and ties that differ by the config, against PEFT."""

from __future__ import annotations

from typing import Any

import pytest

from tests.peft.against import both, check

pytestmark = pytest.mark.oracle


def _encoder_decoder() -> Any:
    from transformers import BertConfig, EncoderDecoderConfig

    part: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "vocab_size": 50,
    }
    config = EncoderDecoderConfig.from_encoder_decoder_configs(
        BertConfig(**part), BertConfig(**part)
    )
    config.decoder.is_decoder = True
    return config


@pytest.mark.parametrize(
    "saved",
    [
        ["decoder"],
        ["word_embeddings", "decoder"],
        ["decoder", "cls"],
        ["decoder", "embeddings"],
        ["decoder", "cls", "predictions"],
        ["decoder", "bert"],
        ["decoder", "cls", "transform"],
        ["decoder", "attention"],
        ["decoder", "word_embeddings", "embeddings"],
        ["decoder", "bert", "cls", "attention", "output"],
        ["encoder", "decoder"],
        ["layer"],
    ],
)
def test_modules_saved_inside_each_other(saved: list[str]) -> None:
    pytest.importorskip("torch")
    options = {"r": 4, "target_modules": ["query"], "modules_to_save": saved}
    check(_encoder_decoder(), "EncoderDecoderModel", options)


def _marian(**keys: Any) -> Any:
    from transformers import MarianConfig

    return MarianConfig(
        vocab_size=60,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_position_embeddings=20,
        pad_token_id=1,
        decoder_start_token_id=1,
        eos_token_id=0,
        **keys,
    )


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"decoder_vocab_size": 50},
        {"share_encoder_decoder_embeddings": False, "decoder_vocab_size": 50},
        {"share_encoder_decoder_embeddings": False},
        {
            "share_encoder_decoder_embeddings": False,
            "decoder_vocab_size": 50,
            "tie_word_embeddings": False,
        },
    ],
    ids=str,
)
@pytest.mark.parametrize("targets", [["embed_tokens"], ["lm_head", "q_proj"], "all-linear"])
def test_embeddings_that_are_shared_or_not(keys: dict[str, Any], targets: Any) -> None:
    pytest.importorskip("torch")
    check(_marian(**keys), "MarianMTModel", {"r": 4, "target_modules": targets})


@pytest.mark.parametrize("targets", [["q_proj"], "all-linear"])
def test_a_class_without_an_input_embedding(targets: Any) -> None:
    pytest.importorskip("torch")
    from tests.census.lora_cases import small_config

    name = "PPFormulaNetForConditionalGeneration"
    config = small_config("pp_formulanet", name)
    mine, theirs = both(config, name, {"r": 4, "target_modules": targets})
    assert "get_input_embeddings" in theirs
    assert "input embedding" in mine
    config.tie_word_embeddings = False
    check(config, name, {"r": 4, "target_modules": targets})
