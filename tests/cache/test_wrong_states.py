"""Sizes of recurrent states that the classes of transformers 5.24.0 refuse are refused here."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.errors import ConfigError
from hfkv.facts import Facts
from hfkv.model import Model

REFUSED: list[dict[str, Any]] = [
    {"model_type": "mamba", "expand": 1.5},
    {"model_type": "mamba", "expand": 2.0},
    {"model_type": "mamba2", "expand": 1.5},
    {"model_type": "falcon_mamba", "expand": 1.5},
    {"model_type": "jamba", "mamba_expand": 1.5},
    {"model_type": "falcon_h1", "mamba_d_head": 1},
    {"model_type": "falcon_h1", "mamba_d_head": 16},
    {"model_type": "xlstm", "qk_dim_factor": -1},
    {"model_type": "xlstm", "qk_dim_factor": 1},
    {"model_type": "xlstm", "v_dim_factor": True},
    {"model_type": "gemma4_unified_assistant", "text_config": 1},
    {"model_type": "gemma4_unified_assistant", "text_config": "x"},
]


def _cache(config: dict[str, Any]) -> Any:
    facts = Facts(model="m", source="directory", config={"dtype": "bfloat16", **config})
    return Model(facts).kv_cache(tokens=10)


@pytest.mark.parametrize("config", REFUSED, ids=str)
def test_what_the_class_refuses_is_refused(config: dict[str, Any]) -> None:
    key = list(config)[1]
    with pytest.raises(ConfigError, match=rf"config\.json: (?:{key}|mamba_n_heads)"):
        _cache(config)


@pytest.mark.oracle
@pytest.mark.parametrize("config", REFUSED, ids=str)
def test_the_class_refuses_it(config: dict[str, Any]) -> None:
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    with pytest.raises(StrictDataclassError):
        AutoConfig.for_model(**config)


def test_heads_that_make_up_the_inner_size_are_taken() -> None:
    stated = _cache({"model_type": "falcon_h1", "mamba_d_head": 8})
    assert stated.bytes == _cache({"model_type": "falcon_h1"}).bytes


@pytest.mark.parametrize("model_type", ["olmo_hybrid", "bailing_hybrid"])
def test_sizes_worked_out_are_not_said_to_stand_in_the_file(model_type: str) -> None:
    reads = _cache({"model_type": model_type}).reads
    assert {read.key for read in reads if read.origin == "explicit"} <= {"model_type", "dtype"}
