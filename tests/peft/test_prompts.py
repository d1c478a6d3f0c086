"""Cartridges, prefixes and soft prompts: counted as PEFT does, refused where they would not fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import hfkv
from hfkv.errors import CrosscheckError, HfkvError, InputError, TargetError, UnsupportedError
from hfkv.model import Model
from hfkv.peft.base import Base
from hfkv.peft.prompts import Prompt, PromptOptions
from hfkv.peft.prompts.adapter import agree
from hfkv.peft.prompts.options import METHODS
from hfkv.tensors import Tensor, TensorTable
from tests.peft.tiny import CONFIG, facts

#: Of the tiny Llama: 2 layers, 2 key/value heads of 16, a hidden size of 64.
CACHE = 2 * 2 * 32


def count(method: str, **fields: Any) -> Prompt:
    return Model(facts()).prompt({"peft_type": method, "num_virtual_tokens": 8, **fields})


@pytest.mark.parametrize(
    ("method", "fields", "trained", "saved"),
    [
        ("CARTRIDGE", {}, 7 * CACHE, 8 * CACHE),
        ("CARTRIDGE", {"num_frozen_tokens": 0}, 8 * CACHE, 8 * CACHE),
        ("CARTRIDGE", {"num_frozen_tokens": 8}, 0, 8 * CACHE),
        ("PREFIX_TUNING", {}, 8 * CACHE, 8 * CACHE),
        (
            "PREFIX_TUNING",
            {"prefix_projection": True, "encoder_hidden_size": 16},
            8 * 32 + 33 * 16 + 17 * CACHE,
            8 * CACHE,
        ),
        # The sizes that a saved config states are those of its base; PEFT reads the heads again.
        (
            "PREFIX_TUNING",
            {"token_dim": 64, "num_layers": 2, "num_attention_heads": 4},
            *[1024] * 2,
        ),
        ("PROMPT_TUNING", {}, 8 * 64, 8 * 64),
        ("PROMPT_TUNING", {"task_type": "SEQ_2_SEQ_LM"}, 16 * 64, 16 * 64),
        ("P_TUNING", {"encoder_hidden_size": 16}, 8 * 64 + 65 * 16 + 17 * 16 + 17 * 64, 8 * 64),
    ],
)
def test_counts(method: str, fields: dict[str, Any], trained: int, saved: int) -> None:
    figure = count(method, **fields)
    assert (figure.parameters, figure.saved_parameters) == (trained, saved)
    assert (figure.bytes, figure.basis) == (2 * saved, "exact")


def test_a_cartridge_is_the_caches_own_bytes() -> None:
    model = hfkv.load("meta-llama/Meta-Llama-3-70B", source="snapshot")
    figure = model.cartridge(tokens=2048)
    assert figure.bytes == model.kv_cache(tokens=2048).bytes == 2048 * 327_680
    assert figure.snippet() == (
        "CartridgeConfig(num_virtual_tokens=2048, num_frozen_tokens=1, task_type='CAUSAL_LM')"
    )
    (item,) = hfkv.compare(model, cartridge=2048)
    assert item.cartridge == figure
    assert item.to_json()["cartridge"]["bytes"] == figure.bytes
    assert item.compression["kv_over_cartridge"] == 100_000 / 2048


def test_what_the_models_cache_does_not_hold_is_refused() -> None:
    latent = hfkv.load("deepseek-ai/DeepSeek-V3", source="snapshot")
    with pytest.raises(UnsupportedError, match="would not fit"):
        latent.cartridge(tokens=8)
    (item,) = hfkv.compare(latent, cartridge=8)
    assert item.cartridge is None
    assert "would not fit" in item.reasons["cartridge"]
    assert latent.prompt({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 8}).parameters == (
        8 * 7168
    )


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"peft_type": "LORA"}, UnsupportedError),
        (
            {
                "peft_type": "P_TUNING",
                "num_virtual_tokens": 2,
                "encoder_reparameterization_type": "GRU",
            },
            InputError,
        ),
        (
            {"peft_type": "CARTRIDGE", "num_virtual_tokens": 2, "encoder_num_layers": 3},
            UnsupportedError,
        ),
        ({"peft_type": "CARTRIDGE"}, InputError),
        ({"peft_type": "CARTRIDGE", "num_virtual_tokens": 0}, InputError),
        ({"peft_type": "CARTRIDGE", "num_virtual_tokens": True}, InputError),
        ({"peft_type": "CARTRIDGE", "num_virtual_tokens": 2.5}, InputError),
        ({"peft_type": "CARTRIDGE", "num_virtual_tokens": 2, "num_frozen_tokens": 3}, TargetError),
        ({"peft_type": "CARTRIDGE", "num_virtual_tokens": 2, "num_frozen_tokens": -1}, InputError),
        ({"peft_type": "CARTRIDGE", "num_virtual_tokens": 2, "modules_to_save": ["a"]}, HfkvError),
        ({"peft_type": "CARTRIDGE", "num_virtual_tokens": 2, "task_type": "X"}, InputError),
        (
            {"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 2, "prefix_projection": 1},
            InputError,
        ),
    ],
)
def test_refusals(fields: dict[str, Any], error: type[HfkvError]) -> None:
    with pytest.raises(error):
        PromptOptions.from_config(fields)


def test_sizes_that_do_not_fit_the_base_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="would not fit"):
        count("PREFIX_TUNING", num_layers=3)


def test_an_adapters_own_header_is_a_witness() -> None:
    figure = count("PREFIX_TUNING")
    header = TensorTable([Tensor(name="prompt_embeddings", dtype="F32", shape=(8, CACHE))])
    assert any("agrees" in note for note in agree(Base(facts()), figure, header).notes)
    with pytest.raises(CrosscheckError):
        agree(Base(facts()), replace(figure, saved_parameters=1), header)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("CARTRIDGE", {}),
        ("CARTRIDGE", {"num_frozen_tokens": 3}),
        ("PREFIX_TUNING", {}),
        ("PREFIX_TUNING", {"prefix_projection": True}),
        ("PREFIX_TUNING", {"prefix_projection": True, "encoder_hidden_size": 48}),
        ("PROMPT_TUNING", {}),
        ("PROMPT_TUNING", {"num_transformer_submodules": 2}),
        ("P_TUNING", {}),
        ("P_TUNING", {"encoder_hidden_size": 48, "num_transformer_submodules": 2}),
        ("P_TUNING", {"encoder_reparameterization_type": "LSTM"}),
        (
            "P_TUNING",
            {
                "encoder_reparameterization_type": "LSTM",
                "encoder_num_layers": 3,
                "encoder_hidden_size": 24,
            },
        ),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_the_snippet_makes_what_was_counted(
    method: str, fields: dict[str, Any], tmp_path: Any
) -> None:
    peft = pytest.importorskip("peft")
    import transformers
    from safetensors import safe_open

    figure = count(method, **fields)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**(facts().config or {})))
    adapted = peft.get_peft_model(model, eval(figure.snippet(), vars(peft)))
    assert adapted.get_nb_trainable_parameters()[0] == figure.parameters
    adapted.save_pretrained(tmp_path)
    with safe_open(tmp_path / "adapter_model.safetensors", "pt") as file:
        sizes = [file.get_tensor(name).numel() for name in file.keys()]  # noqa: SIM118
    assert sum(sizes) == figure.saved_parameters


def test_every_method_has_a_snippet() -> None:
    for method in set(METHODS) - {"CPT"}:
        assert "Config(num_virtual_tokens=8" in count(method).snippet()


#: Configs of the two methods whose sizes no number of tokens alone sets.
OTHERS: list[dict[str, Any]] = [
    {"peft_type": "CPT", "cpt_token_ids": [1, 2, 3], "task_type": "CAUSAL_LM"},
    {"peft_type": "CPT", "task_type": "CAUSAL_LM"},
    {"peft_type": "CPT", "cpt_token_ids": [1, 2], "cpt_mask": [1], "task_type": "CAUSAL_LM"},
    {"peft_type": "CPT", "cpt_token_ids": [1, 2]},
    {"peft_type": "CPT", "cpt_token_ids": [1], "token_dim": 3, "task_type": "CAUSAL_LM"},
    {"peft_type": "MULTITASK_PROMPT_TUNING", "num_virtual_tokens": 7, "num_tasks": 3},
    {
        "peft_type": "MULTITASK_PROMPT_TUNING",
        "num_virtual_tokens": 7,
        "num_tasks": 3,
        "num_ranks": 2,
        "task_type": "SEQ_2_SEQ_LM",
    },
]


@pytest.mark.oracle
@pytest.mark.parametrize("fields", OTHERS, ids=str)
@pytest.mark.filterwarnings("ignore")
def test_cpt_and_multitask_tuning_are_as_in_peft(fields: dict[str, Any]) -> None:
    peft = pytest.importorskip("peft")
    import transformers
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**CONFIG))
    given = {"task_type": "CAUSAL_LM" if fields["peft_type"] != "CPT" else None, **fields}
    kwargs = {key: value for key, value in given.items() if key != "peft_type"}
    theirs = None
    try:
        config = PEFT_TYPE_TO_CONFIG_MAPPING[peft.PeftType(fields["peft_type"])](**kwargs)
        made = peft.get_peft_model(model, config)
    except ValueError:
        pass
    else:
        state = peft.get_peft_model_state_dict(made)
        saved = sum(tensor.numel() for tensor in state.values())
        theirs = (made.get_nb_trainable_parameters()[0], saved)
    try:
        figure = Model(facts()).prompt(given)
    except TargetError:
        assert theirs is None
        return
    assert (figure.parameters, figure.saved_parameters) == theirs
    text = figure.snippet()
    again = peft.get_peft_model(
        transformers.LlamaForCausalLM(transformers.LlamaConfig(**CONFIG)), eval(text, vars(peft))
    )
    assert again.get_nb_trainable_parameters()[0] == figure.parameters
