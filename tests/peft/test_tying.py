"""``ensure_weight_tying`` and trained token rows on tied embeddings, against PEFT."""

from __future__ import annotations

from typing import Any

import pytest

from tests.peft.against import both, check

pytestmark = pytest.mark.oracle

_SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 50,
}


def _config(kind: str, **keys: Any) -> tuple[Any, str]:
    transformers = pytest.importorskip("transformers")
    if kind == "llama":
        return transformers.LlamaConfig(**_SIZES, **keys), "LlamaForCausalLM"
    if kind == "bart":
        config = transformers.BartConfig(
            vocab_size=50,
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=24,
            decoder_ffn_dim=24,
            max_position_embeddings=20,
            **keys,
        )
        return config, "BartForConditionalGeneration"
    if kind == "seamless":
        layers = dict.fromkeys(("encoder_layers", "decoder_layers", "speech_encoder_layers"), 1)
        config = transformers.SeamlessM4TConfig(vocab_size=50, hidden_size=16, **layers, **keys)
        return config, "SeamlessM4TForTextToText"
    config = transformers.BertConfig(
        **{k: v for k, v in _SIZES.items() if k != "num_key_value_heads"}, is_decoder=True, **keys
    )
    return config, "BertLMHeadModel"


_TIES = [{"tie_word_embeddings": True}, {"tie_word_embeddings": False}]


@pytest.mark.parametrize("keys", _TIES, ids=["tied", "free"])
@pytest.mark.parametrize("kind", ["llama", "bart", "bert"])
@pytest.mark.parametrize(
    "options",
    [
        {"target_modules": ["q_proj", "query"], "modules_to_save": ["embed_tokens"]},
        {"target_modules": ["q_proj", "query"], "modules_to_save": ["lm_head"]},
        {"target_modules": ["q_proj", "query"], "modules_to_save": ["embed_tokens", "lm_head"]},
        {"target_modules": ["q_proj", "query", "embed_tokens"]},
        {"target_modules": ["q_proj", "query", "lm_head"]},
        {"target_modules": ["embed_tokens", "lm_head"], "rank_pattern": {"embed_tokens": 3}},
        {"target_modules": ["embed_tokens", "lm_head"], "rank_pattern": {"lm_head": 3}},
        {"target_modules": r".*(q_proj|query)|.*lm_head|lm_head"},
        {"target_modules": r"embed_tokens|.*\.query"},
        {"target_modules": ["lm_head"], "modules_to_save": ["embed_tokens"]},
        {"target_modules": "all-linear", "modules_to_save": ["lm_head"]},
        {"target_modules": "all-linear", "bias": "all", "modules_to_save": ["lm_head"]},
        {"target_modules": "all-linear"},
        {"target_modules": ["embed_tokens", "query"], "exclude_modules": ["lm_head"]},
    ],
    ids=str,
)
def test_weights_stay_tied(kind: str, keys: dict[str, Any], options: dict[str, Any]) -> None:
    config, name = _config(kind, **keys)
    check(config, name, {"r": 4, "ensure_weight_tying": True, **options})


def test_what_hangs_on_the_order_of_a_set_is_refused() -> None:
    config, name = _config("bart")
    options = {
        "r": 4,
        "ensure_weight_tying": True,
        "target_modules": ["q_proj"],
        "modules_to_save": ["embed_tokens", "decoder.embed_tokens"],
    }
    mine, _ = both(config, name, options)
    assert "changes from run to run" in mine


def test_an_embedding_that_is_tied_itself_has_no_copy_to_tie_to() -> None:
    config, name = _config("seamless")
    options = {
        "r": 4,
        "ensure_weight_tying": True,
        "target_modules": ["q_proj"],
        "modules_to_save": ["text_decoder.embed_tokens"],
    }
    mine, theirs = both(config, name, options)
    assert mine.startswith("TargetError")
    assert "leaves it out" in mine
    assert theirs.startswith("AttributeError")


@pytest.mark.parametrize("keys", _TIES, ids=["tied", "free"])
@pytest.mark.parametrize("kind", ["llama", "bart"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    "rows",
    [
        [1, 2],
        {"embed_tokens": [1, 2]},
        {"lm_head": [1, 2, 3]},
        {"embed_tokens": [1, 2], "lm_head": [1, 2]},
        {"embed_tokens": [1, 2], "lm_head": [3]},
        {"shared": [1, 2], "lm_head": [3]},
        {"q_proj": [1, 2, 3]},
        {"nowhere": [1]},
    ],
    ids=str,
)
def test_trained_token_rows(kind: str, keys: dict[str, Any], tied: bool, rows: Any) -> None:
    config, name = _config(kind, **keys)
    options = {"r": 4, "target_modules": ["v_proj"], "trainable_token_indices": rows}
    check(config, name, {"ensure_weight_tying": tied, **options})


@pytest.mark.parametrize("bias", ["all", "lora_only"])
@pytest.mark.parametrize("saved", [None, ["predictions"], ["output"], ["decoder"], ["lm_head"]])
def test_biases_beside_copies(bias: str, saved: list[str] | None) -> None:
    config, name = _config("bert")
    options = {"r": 4, "target_modules": ["query"], "bias": bias, "modules_to_save": saved}
    check(config, name, options)


@pytest.mark.parametrize("keys", _TIES, ids=["tied", "free"])
@pytest.mark.parametrize("targets", [["embed_tokens"], ["lm_head"], "all-linear"])
def test_trained_token_rows_of_what_is_adapted(keys: dict[str, Any], targets: Any) -> None:
    config, name = _config("llama", **keys)
    check(config, name, {"r": 4, "target_modules": targets, "trainable_token_indices": [1, 2]})


@pytest.mark.parametrize("bias", ["all", "lora_only"])
@pytest.mark.parametrize("targets", [["decoder"], ["decoder", "query"], ["predictions.decoder"]])
def test_biases_that_are_tied(bias: str, targets: list[str]) -> None:
    config, name = _config("bert")
    check(config, name, {"r": 4, "target_modules": targets, "bias": bias})
