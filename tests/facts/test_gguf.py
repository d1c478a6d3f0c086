"""GGUF headers as llama.cpp's own converter wrote them, against the models it was given.

Each line of ``gguf.jsonl`` is a tiny model of the pinned transformers (random weights) saved, then
converted by ``convert_hf_to_gguf.py`` of llama.cpp 0.3.36's time: the header of the file as it was
written (compressed), the model's own ``config.json``, and the names and sizes that transformers
saved it under. What is read off the header must be the same in everything that decides a figure.
"""

from __future__ import annotations

import base64
import json
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from hfkv.cache.registry import ROWS
from hfkv.errors import HfkvError, UnsupportedError
from hfkv.facts import Facts, read
from hfkv.facts.gguf_config import RULES
from hfkv.facts.gguf_names import named
from hfkv.model import Model
from hfkv.source.files import Files
from hfkv.source.gguf import GGUF_FILE, GgufHeader, join_parts, read_gguf
from hfkv.tensors import Tensor, TensorTable

LINES = (Path(__file__).parent / "gguf.jsonl").read_text("utf-8").splitlines()
CASES: dict[str, dict[str, Any]] = {item["case"]: item for item in map(json.loads, LINES)}
#: The tokenizer that the converter was given had no entries, so it cut the embedding to none.
CUT = {"gemma3_text": "model.embed_tokens.weight"}
#: What the converter adds to a file beside the model's weights.
ADDED = {"rope_freqs.weight"}
#: Architectures of the cases that have no rule here, and types without published names here.
UNKNOWN = {"afmoe", "laguna", "mamba", "mellum"}
UNNAMED = {"apertus"}
WHOLE = [name for name in CASES if "-split-" not in name]
KNOWN = [name for name in WHOLE if name not in UNKNOWN]
#: Keys that a plan reads from the class's defaults: the class itself has no other value, or the
#: value is not used where the other keys are as these files have them.
DEFAULTS = {
    "layer_types",
    "no_rope_layer_interval",
    "no_rope_layers",
    "use_bidirectional_attention",
}


def _header(case: str) -> GgufHeader:
    raw = zlib.decompress(base64.b64decode(CASES[case]["header"]))
    return read_gguf(lambda begin, end: raw[begin:end], where=case, size=CASES[case]["size"])


@lru_cache
def _model(case: str, config: str = "") -> Model:
    header = _header(case)
    texts = {GGUF_FILE: header.to_json()}
    if config:
        texts["config.json"] = config.encode()
    files = Files(model=case, source="directory", texts=texts, tensors=TensorTable(header.tensors))
    return Model(read(files))


@lru_cache
def _original(case: str) -> Model:
    shapes = CASES[case]["published"]
    table = TensorTable(
        Tensor(name=name, dtype="BF16", shape=tuple(shape)) for name, shape in shapes.items()
    )
    return Model(Facts(model=case, source="directory", config=CASES[case]["config"], tensors=table))


@pytest.mark.parametrize("case", KNOWN)
def test_the_cache_is_the_original_models(case: str) -> None:
    mine = _model(case)
    if mine.model_type not in ROWS:
        with pytest.raises(UnsupportedError, match="not known here"):
            mine.kv_cache(tokens=1, dtype="bf16")
        return
    for tokens in (1, 63, 64, 65, 1000):
        found = mine.kv_cache(tokens=tokens, dtype="bf16")
        wanted = _original(case).kv_cache(tokens=tokens, dtype="bf16")
        assert found.layers == wanted.layers
        assert found.basis == "documented"
        read_from_defaults = {item.key for item in found.reads if item.origin == "class default"}
        assert read_from_defaults <= DEFAULTS
    assert any("no config.json" in note for note in found.notes)


@pytest.mark.parametrize("case", [case for case in KNOWN if case not in UNNAMED])
def test_the_names_and_sizes_are_the_published_ones(case: str) -> None:
    wanted = {name: tuple(shape) for name, shape in CASES[case]["published"].items()}
    tensors = _model(case).facts.tensors
    assert tensors is not None
    found = {tensor.name: tensor.shape for tensor in tensors if tensor.name not in ADDED}
    if case in CUT:
        wanted.pop(CUT[case])
        found.pop(CUT[case])
    assert found == wanted
    # No byte of the file is lost or counted twice.
    assert tensors.bytes == sum(tensor.bytes for tensor in _header(case).tensors)


@pytest.mark.parametrize("case", [case for case in KNOWN if case not in UNNAMED])
def test_the_adapter_is_the_original_models(case: str) -> None:
    found, wanted = (model.lora(r=4, dtype="bf16") for model in (_model(case), _original(case)))
    assert (found.parameters, found.modules) == (wanted.parameters, wanted.modules)
    # In which order a class has them, its plan knows and its table, of all layers together, not.
    by_name = {target.name: target for target in wanted.targets}
    assert {target.name: target for target in found.targets} == by_name
    assert case in CUT or found.all_parameters == wanted.all_parameters
    assert found.basis == "documented"


@pytest.mark.parametrize("case", sorted(UNKNOWN))
def test_an_architecture_without_a_rule_is_refused_by_name(case: str) -> None:
    model = _model(case)
    assert model.weight_bytes
    for ask in (lambda: model.kv_cache(tokens=1), lambda: model.lora(r=4)):
        with pytest.raises(UnsupportedError, match="GGUF architecture '") as caught:
            ask()
        assert "is not known here" in str(caught.value)


def test_matrices_without_published_names_keep_lora_out_alone() -> None:
    model = _model("apertus")
    assert model.kv_cache(tokens=1, dtype="bf16").bytes
    with pytest.raises(UnsupportedError, match="published names"):
        model.lora(r=4)


def test_a_split_file_is_its_parts() -> None:
    parts = [case for case in CASES if "-split-" in case]
    whole = join_parts([_header(case) for case in parts], where="x")
    assert {tensor.name: tensor for tensor in whole.tensors} == {
        tensor.name: tensor for tensor in _header("llama").tensors
    }
    for wrong in (parts[::-1], parts[:-1], [*parts, parts[0]], [parts[0]] * len(parts)):
        with pytest.raises(HfkvError, match="split"):
            join_parts([_header(case) for case in wrong], where="x")


def test_the_repositorys_own_config_comes_first() -> None:
    config = {**CASES["mistral"]["config"], "sliding_window": 32, "dtype": "bfloat16"}
    model = _model("mistral", json.dumps(config))
    figure = model.kv_cache(tokens=1000)
    assert (figure.basis, figure.dtype) == ("exact", "bfloat16")
    assert {layer.kind for layer in figure.layers} == {"sliding"}
    assert model.lora(r=4).basis == "documented"


def test_a_config_of_a_larger_class_has_its_cache_and_no_adapter() -> None:
    inner = {**CASES["gemma3_text"]["config"], "dtype": "bfloat16"}
    model = _model("gemma3_text", json.dumps({"model_type": "gemma3", "text_config": inner}))
    assert model.kv_cache(tokens=100).basis == "exact"
    with pytest.raises(UnsupportedError, match="describes 'gemma3'"):
        model.lora(r=4)
    inner["num_key_value_heads"] = 3
    other = _model("gemma3_text", json.dumps({"model_type": "gemma3", "text_config": inner}))
    figure = other.kv_cache(tokens=100)
    assert figure.basis == "contradicted"
    assert "k_proj" in figure.notes[0]


def test_a_record_keeps_a_gguf_file() -> None:
    from hfkv.source.record import dump_record, load_record

    for case in ("qwen3_moe-q8", "lfm2"):
        header = _header(case)
        files = Files(
            model="m",
            source="directory",
            texts={GGUF_FILE: header.to_json()},
            tensors=TensorTable(header.tensors),
        )
        record = json.loads(json.dumps(dump_record(files, provenance="a test", card=False)))
        again = Model(read(load_record(record, source="lock", where="m")))
        assert again.weight_bytes == _model(case).weight_bytes
        assert again.lora(r=4).to_json() | {"model": case} == _model(case).lora(r=4).to_json()


def test_a_config_of_another_model_is_caught_by_the_shapes() -> None:
    config = {**CASES["llama-fused"]["config"], "num_key_value_heads": 3, "dtype": "bfloat16"}
    figure = _model("llama-fused", json.dumps(config)).kv_cache(tokens=1)
    assert figure.basis == "contradicted"
    assert "k_proj.weight has 32 rows" in figure.notes[0]
    deeper = {**CASES["qwen3_moe-q8"]["config"], "num_hidden_layers": 4}
    figure = _model("qwen3_moe-q8", json.dumps(deeper)).kv_cache(tokens=1, dtype="bf16")
    assert "counts 4 layers" in figure.notes[0]


def test_the_dtype_of_blocks_is_the_one_they_are_loaded_in() -> None:
    figure = _model("qwen3_moe-q8").kv_cache(tokens=1)
    assert figure.dtype == "float32"
    assert any("`dtype='fp16'`" in note for note in figure.notes)
    assert _model("qwen3_moe-q8").lora(r=4).dtype == "float32"
    assert _model("llama").kv_cache(tokens=1).dtype == "float16"


def test_every_rule_leads_to_a_type_of_the_pinned_transformers() -> None:
    from hfkv.facts.classes import known_types

    types = {_model(case).model_type for case in KNOWN}
    assert types <= set(known_types())
    assert set(known_types()) >= named()
    # Each rule is met by a case, so that none is untested.
    met = {str(json.loads(_header(case).to_json())["general.architecture"]) for case in KNOWN}
    assert set(RULES) == met
