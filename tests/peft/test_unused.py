"""What is asked for and PEFT does nothing with is said, and what it refuses by its cause."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hfkv.errors import HeaderError, TargetError, UnsupportedError
from hfkv.model import Model, load
from hfkv.source.safetensors_header import parse_header
from hfkv.tensors import Tensor, TensorTable
from tests.peft.tiny import CONFIG, facts

Run = Callable[..., tuple[int, str, str]]


def warned(**options: Any) -> tuple[str, ...]:
    return Model(facts()).lora(r=4, **{"target_modules": ["q_proj"], **options}).warnings


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target_modules": ["q_proj", "v_projj"]}, ["target_modules", "v_projj", "v_proj"]),
        ({"target_parameters": ["nothing.weight"]}, ["target_parameters", "nothing.weight"]),
        ({"exclude_modules": ["vision"]}, ["exclude_modules", "vision"]),
        ({"exclude_modules": ".*vision.*"}, ["exclude_modules", ".*vision.*"]),
        ({"exclude_modules": [".*0.*"]}, ["exclude_modules", "in a list it is a name"]),
        ({"rank_pattern": {"k_proj": 2}}, ["rank_pattern", "k_proj"]),
        ({"alpha_pattern": {"k_proj": 2}}, ["alpha_pattern", "k_proj"]),
        ({"modules_to_save": ["score"]}, ["modules_to_save", "score"]),
        ({"layers_to_transform": [1, 7]}, ["layers_to_transform", "layer 7"]),
        (
            {"layers_to_transform": [1], "layers_pattern": ["layers", "blocks"]},
            ["layers_pattern", "blocks"],
        ),
        (
            {"target_modules": ["q_proj", "v_proj"], "exclude_modules": ["v_proj"]},
            ["target_modules", "v_proj", "excluded"],
        ),
    ],
    ids=str,
)
def test_what_does_nothing_is_said_once(options: dict[str, Any], words: list[str]) -> None:
    (text,) = warned(**options)
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"target_modules": "all-linear"},
        {"target_modules": r".*\.q_proj"},
        {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"q_proj": 2}},
        {"exclude_modules": ["v_proj"]},
        {"layers_to_transform": [0], "modules_to_save": ["lm_head"]},
        {"task_type": "SEQ_CLS"},
    ],
    ids=str,
)
def test_what_does_something_is_not(options: dict[str, Any]) -> None:
    assert not warned(**options)


def refused(**options: Any) -> str:
    with pytest.raises(TargetError) as error:
        Model(facts()).lora(r=4, **options)
    return str(error.value)


def test_a_layer_beyond_the_depth_is_the_cause() -> None:
    text = refused(target_modules=["q_proj"], layers_to_transform=[7])
    assert "layer 7" in text
    assert "layers 0 to 1" in text
    assert "did you mean" not in text


def test_an_exclusion_of_everything_is_the_cause() -> None:
    text = refused(target_modules=["q_proj"], exclude_modules=["q_proj"])
    assert "excluded" in text
    assert "did you mean" not in text


def test_token_rows_that_are_not_there() -> None:
    text = refused(target_modules=["q_proj"], trainable_token_indices=[1, 128])
    assert "token 128" in text
    assert "128 rows" in text
    assert Model(facts()).lora(r=4, trainable_token_indices=[-1, 127]).parameters


def test_experts_one_by_one_of_a_file_are_not_passed_over() -> None:
    """A quantizer's own layout: the class that is pinned does not load it."""
    base = facts()
    assert base.tensors is not None
    more = [
        Tensor(name=f"model.layers.{n}.mlp.experts.ups.0.weight", dtype="BF16", shape=(64, 64))
        for n in range(2)
    ]
    other = replace(base, tensors=TensorTable([*base.tensors, *more]))
    assert Model(other).lora(r=4, target_modules=["q_proj"]).basis == "contradicted"
    with pytest.raises(UnsupportedError, match=r"experts\.ups\.0 is a weight of the file"):
        Model(other).lora(r=4, target_modules=["q_proj", "ups.0"])


def test_an_adapter_of_mlx_is_named(hfkv: Run, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text(json.dumps(CONFIG))
    config = {"fine_tune_type": "lora", "lora_parameters": {"rank": 8}, "num_layers": 8}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    for arguments in (
        [str(base), "--adapter-config", str(tmp_path / "adapter_config.json")],
        [str(tmp_path)],
    ):
        code, _, err = hfkv("lora", *arguments)
        assert code == 1
        assert "mlx-lm" in err


def test_older_names_in_an_expression_are_written_anew() -> None:
    found = load("google/gemma-3-4b-it", source="snapshot")
    pattern = r"language_model\.model\.layers\.\d+\.self_attn\.q_proj"
    with pytest.raises(TargetError) as error:
        found.lora(r=4, target_modules=pattern)
    assert "'model.language_model.layers' in transformers 5" in error.value.hint
    other = r"model\.language_model\.layers\.\d+\.self_attn\.q_proj"
    assert found.lora(r=4, target_modules=other).modules == 34


def test_the_command_says_it_on_stderr_and_in_json(hfkv: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    for command in ("lora", "compare", "rank"):
        code, out, err = hfkv(
            command, str(tmp_path), "--target-modules", "q_proj,v_projj", "--json"
        )
        value = json.loads(out)
        figure = value[0]["lora"] if command == "compare" else value
        assert code == 0
        assert "v_projj" in figure["warnings"][0]
        assert f"Warning: {figure['warnings'][0]}" in err


def test_an_exclusion_on_the_command_line_can_be_an_expression(hfkv: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))

    def count(text: str) -> int:
        code, out, err = hfkv("lora", str(tmp_path), "-q", "-r", "1", "--exclude-modules", text)
        assert (code, err) == (0, "")
        return int(out)

    assert count(".*mlp.*") == count("regex:.*mlp.*") == count("gate_proj,up_proj,down_proj")
    assert count(r".*\.[0]\..*") * 2 == count("lm_head")


def test_metadata_of_null_is_as_none() -> None:
    raw = b'{"__metadata__":null,"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    tensors, metadata = parse_header(raw, where="x", data_size=4)
    assert ([tensor.name for tensor in tensors], metadata) == (["a"], {})
    with pytest.raises(HeaderError):
        parse_header(raw.replace(b"null", b"[]"), where="x", data_size=4)


def test_bytes_while_training_and_on_disk() -> None:
    figure = Model(facts()).lora(r=8, target_modules=["q_proj"], modules_to_save=["lm_head"])
    low_rank, whole = 2 * 8 * 128, 128 * 64
    assert figure.parameters == low_rank + whole
    assert figure.training_bytes == {"float32": 4 * low_rank, "bfloat16": 2 * whole}
    assert figure.saved_bytes == 4 * low_rank + 2 * whole
    assert any(f"{2 * whole:,} bytes in bfloat16" in note for note in figure.notes)
