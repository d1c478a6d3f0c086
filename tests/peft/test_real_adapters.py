"""Real ``adapter_config.json`` files of all types: each is counted as PEFT does, or refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from hfkv.errors import HfkvError, TargetError, UnsupportedError
from hfkv.facts import Facts
from hfkv.model import Model
from hfkv.peft.lora import LoraOptions
from hfkv.tensors import Tensor, TensorTable

DATA = Path(__file__).parents[3] / "shared" / "data"
FILES = sorted((DATA / "adapters").glob("*.json"))
IDS = [path.stem for path in FILES]

pytestmark = pytest.mark.skipif(not FILES, reason="no shared data beside the checkout")

#: Base models by a part of their name: a config file beside the adapters, or the defaults of a
#: type. An adapter that names no base is tried on the last.
BASES: list[tuple[str, str]] = [
    ("Llama-3.2-11B-Vision", "meta-llama__Llama-3.2-11B-Vision-Instruct.json"),
    ("Llama-3.1-8B", "meta-llama__Meta-Llama-3.1-8B-Instruct.json"),
    ("falcon-7b", "falcon"),
    ("Llamion", "meta-llama__Meta-Llama-3.1-8B-Instruct.json"),
    ("whisper-large", "whisper"),
    ("bert-base", "bert"),
    ("phi-2", "phi"),
    ("HY-MT", "hunyuan_v1_dense"),
    ("llama7b", "decapoda-research__llama-7b-hf.json"),
    ("Qwen2-VL-7B", "Qwen__Qwen2-VL-7B-Instruct.json"),
    ("wen2-VL", "Qwen__Qwen2-VL-2B-Instruct.json"),
    ("qwen2_vl", "Qwen__Qwen2-VL-2B-Instruct.json"),
    ("Qwen2-7B", "Qwen__Qwen2-7B-Instruct.json"),
    ("paligemma", "paligemma"),
    ("bloom", "bigscience__bloom-1b1.json"),
    ("glm-4-9b", "THUDM__glm-4-9b-chat--hf.json"),
    ("None", "meta-llama__Llama-3.2-3B-Instruct.json"),
]


def config_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_each_is_read_or_refused_by_its_type(path: Path) -> None:
    raw = config_of(path)
    if raw.get("enable_lora"):
        # Of PEFT before 0.3, which adapted parts of a layer: the pinned one would ignore it.
        with pytest.raises(UnsupportedError, match="enable_lora"):
            LoraOptions.from_config(raw)
        return
    if raw["peft_type"] == "LORA":
        assert LoraOptions.from_config(raw).r == raw["r"]
        return
    with pytest.raises(UnsupportedError, match=raw["peft_type"]):
        LoraOptions.from_config(raw)


def on_llama() -> Model:
    """The 3B Llama that most of them were trained on, by its config alone."""
    path = DATA / "configs" / "meta-llama__Llama-3.2-3B-Instruct.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    return Model(Facts(model="llama", source="directory", config=values))


OTHERS = [path for path in FILES if config_of(path)["peft_type"] != "LORA"]


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_each_of_another_type_is_counted_or_its_targets_are_not_there(path: Path) -> None:
    raw = config_of(path)
    if "flux2" in path.stem:
        # Of a model that makes pictures: a language model has none of its layers.
        with pytest.raises((TargetError, UnsupportedError), match=r"match nothing|CUDA kernel"):
            on_llama().adapter(raw)
        return
    figure = on_llama().adapter(raw)
    assert figure.method == raw["peft_type"]
    assert figure.parameters > 0
    assert figure.basis == "exact"


@pytest.mark.oracle
@pytest.mark.parametrize(
    "path", [path for path in OTHERS if "llama" in path.stem], ids=lambda path: path.stem
)
@pytest.mark.filterwarnings("ignore")
def test_each_of_another_type_is_counted_as_peft_does(path: Path) -> None:
    """On a Llama of one width as small as the config allows, with weights, as some methods need."""
    peft = pytest.importorskip("peft")
    import torch
    import transformers
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    raw = config_of(path)
    config = transformers.LlamaConfig(
        hidden_size=512,
        intermediate_size=512,
        num_hidden_layers=raw.get("adapter_layers") or 2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=64,
    )
    values = {**json.loads(config.to_json_string(use_diff=False)), "dtype": "float32"}
    mine = Model(
        Facts(
            model="small",
            source="directory",
            config={**values, "architectures": ["LlamaForCausalLM"]},
        )
    )
    raw = {**raw, "task_type": "CAUSAL_LM"}
    fields = {f.name for f in dataclasses.fields(PEFT_TYPE_TO_CONFIG_MAPPING[raw["peft_type"]])}
    known = {key: value for key, value in raw.items() if key in fields}
    if raw["peft_type"] == "PREFIX_TUNING":
        known |= {"token_dim": 512, "num_attention_heads": 4, "encoder_hidden_size": 512}
        known |= {"num_layers": 2}
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(config)
    try:
        made = peft.get_peft_model(model, PEFT_TYPE_TO_CONFIG_MAPPING[raw["peft_type"]](**known))
    except ValueError:
        with pytest.raises(HfkvError):
            mine.adapter(known)
        return
    trained = made.get_nb_trainable_parameters()[0]
    assert mine.adapter({**known, "inference_mode": False}).parameters == trained


@pytest.mark.oracle
@pytest.mark.parametrize(
    "path", [path for path in FILES if config_of(path)["peft_type"] == "LORA"], ids=lambda p: p.stem
)
@pytest.mark.filterwarnings("ignore")
def test_each_is_counted_as_peft_does(path: Path) -> None:
    pytest.importorskip("peft")
    from hfkv.generate import module_tables
    from hfkv.live.build import class_of
    from hfkv.live.build import config_of as live_config
    from hfkv.live.lora import build_for
    from tests.census.lora_cases import published

    raw = config_of(path)
    name = str(raw.get("base_model_name_or_path"))
    base = next((file for part, file in BASES if part in name), None)
    if base is None:
        pytest.skip(f"the pinned transformers has no class for {name}")
    values = (
        json.loads((DATA / "configs" / base).read_text(encoding="utf-8"))
        if base.endswith(".json")
        else {"model_type": base, "dtype": "bfloat16", **module_tables.OVERRIDES.get(base, {})}
    )
    config = live_config(values)
    model = build_for(config, class_of(config).__name__)
    header = TensorTable(Tensor(name=n, dtype=d, shape=s) for n, d, s in published(model))
    facts = Facts(model=name, source="directory", config=values, tensors=header)
    theirs = made(model, raw)
    if theirs is None:
        with pytest.raises(Exception, match=r".") as refused:
            Model(facts).lora(LoraOptions.from_config(raw))
        assert type(refused.value).__name__ == "TargetError"
        return
    figure = Model(facts).lora(LoraOptions.from_config(raw))
    assert (figure.trainable_parameters, figure.all_parameters) == theirs


def made(model: Any, raw: dict[str, Any]) -> tuple[int, int] | None:
    """What PEFT trains and all there is; None where it refuses."""
    import peft
    import torch

    kwargs = dict(raw)
    with torch.device("meta"):
        try:
            config = peft.PeftConfig.from_peft_type(**kwargs)
            config.inference_mode = False
            adapted = peft.get_peft_model(model, config, low_cpu_mem_usage=True)
        except ValueError:
            return None
    trained, everything = adapted.get_nb_trainable_parameters()
    return trained, everything
