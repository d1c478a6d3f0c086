"""Configs with a value of the wrong type at a key that is read: a clear error or a right answer."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hfkv.cache.registry import ROWS
from hfkv.errors import HfkvError
from hfkv.facts import Facts
from hfkv.facts.classes import config_class
from hfkv.facts.config import Read
from hfkv.model import Model, load
from hfkv.peft.lora.options import LoraOptions
from tests.facts.test_gguf import _original

DEEP: list[Any] = []
for _ in range(60):
    DEEP = [DEEP]
#: Every JSON type, with the values that are easily taken for another.
WRONG: list[Any] = [
    None, True, False, 0, -1, 1, 3.5, math.inf, math.nan, 2**70, -(2**70), "x", "", "\x1b\u202e",
    [], [1], ["a"], [None], [[]], {}, {"a": 1}, DEEP,
]  # fmt: skip
#: Keys that are not among those a plan reads, and yet decide something.
MORE = (
    "architectures",
    "dtype",
    "layer_types",
    "model_type",
    "per_layer_config",
    "quantization",
    "quantization_config",
    "quantization_config.kv_cache_scheme",
    "text_config",
    "torch_dtype",
)
ADAPTER = {"peft_type": "LORA", "r": 8, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM"}
#: Fields of LoraConfig that change no size, or change it by a variant.
FIELDS = (
    "alora_invocation_tokens", "alpha_pattern", "auto_mapping", "corda_config", "eva_config",
    "inference_mode", "init_lora_weights", "layer_replication", "loftq_config", "lora_alpha",
    "megatron_config", "megatron_core", "peft_version", "qalora_group_size", "runtime_config",
    "use_qalora", "use_rslora",
)  # fmt: skip
QUANTIZATIONS: list[dict[str, Any]] = [
    {"quant_method": "gptq", "bits": 4, "group_size": 128},
    {"quant_method": "awq", "bits": 4, "version": "gemm"},
    {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "config_groups": {"group_0": {"weights": {"num_bits": 4}}},
    },
    {"quant_method": "bitsandbytes", "load_in_8bit": True},
    {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8"},
    {"bits": 4, "group_size": 32},
]


def _with(config: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    *outer, key = path.split(".")
    inside = changed
    for name in outer:
        if not isinstance(inside.get(name), dict):
            inside[name] = {}
        inside = inside[name]
    inside[key] = value
    return changed


def _paths(value: dict[str, Any], before: str = "") -> Iterator[str]:
    for key, item in value.items():
        yield before + key
        if isinstance(item, dict):
            yield from _paths(item, f"{before}{key}.")


def _answered(ask: Callable[[], Any]) -> Any:
    """The answer, or None where it is refused; nothing else may come of it."""
    try:
        return ask()
    except HfkvError as error:
        said = str(error)
    assert said.isprintable()
    assert len(said) < 1000
    return None


def _model(config: dict[str, Any], **more: Any) -> Model:
    return Model(Facts(model="m", source="directory", config=config, **more))


def _every_key(model_type: str) -> None:
    config = {"model_type": model_type, "dtype": "bfloat16"}
    base = _answered(lambda: _model(config).kv_cache(tokens=100))
    if base is None:
        # The class's defaults alone are no model: every key that it has is tried instead.
        cls = config_class(model_type)
        reads: dict[str, Read | None] = dict.fromkeys(() if cls is None else cls.defaults)
    else:
        reads = {read.key: read for read in base.reads if read.origin != "derived"}
    for key in (*reads, *MORE):
        for value in WRONG:
            figure = _answered(lambda: _model(_with(config, key, value)).kv_cache(tokens=100))  # noqa: B023
            if figure is None:
                continue
            assert json.loads(json.dumps(figure.to_json(layers=True)))["bytes"] >= 0
            assert all(isinstance(line, str) for line in figure.explain())
            _check_type(reads.get(key), value)


def _check_type(read: Read | None, value: Any) -> None:
    """A value of another type than the class's own default is never let through."""
    if read is None or read.value is None or value is None:
        return
    kinds = {bool: bool, int: int, float: (int, float), str: str, list: list, dict: dict}
    kind = next(kinds[name] for name in kinds if type(read.value) is name)
    assert isinstance(value, kind), (read.key, value)
    assert kind is bool or not isinstance(value, bool), (read.key, value)


TYPES = sorted(ROWS)
MORE_CASES = ("gpt2", "qwen3_moe", "deepseek_v3", "gpt_oss", "falcon-7b")


@pytest.mark.parametrize("model_type", TYPES[::9])
def test_every_key_that_a_plan_reads(model_type: str) -> None:
    _every_key(model_type)


@pytest.mark.oracle
@pytest.mark.parametrize("model_type", TYPES)
def test_every_key_of_every_row(model_type: str) -> None:
    _every_key(model_type)


@pytest.mark.parametrize(
    "case", ["llama", *(pytest.param(name, marks=pytest.mark.oracle) for name in MORE_CASES)]
)
def test_every_key_that_the_adapter_reads(case: str) -> None:
    original = _original(case).facts
    config = dict(original.config or {})
    for key in dict.fromkeys([*config, *MORE]):
        for value in WRONG:
            model = _model(_with(config, key, value), tensors=original.tensors)
            _answered(lambda: model.lora(r=4, dtype="bf16").to_json())  # noqa: B023


@pytest.mark.parametrize(
    "quantization",
    [QUANTIZATIONS[0], *(pytest.param(q, marks=pytest.mark.oracle) for q in QUANTIZATIONS[1:])],
    ids=[str(next(iter(item.values()))) for item in QUANTIZATIONS],
)
def test_every_key_of_a_quantization(quantization: dict[str, Any]) -> None:
    original = _original("llama").facts
    config = {**(original.config or {}), "dtype": "bfloat16"}
    for key in (*_paths(quantization), "w_bit", "kv_cache_scheme.type"):
        for value in WRONG:
            wrong = _with(quantization, key, value)
            for model in (
                _model({**config, "quantization_config": wrong}, tensors=original.tensors),
                _model(config, tensors=original.tensors, extra={"hf_quant_config.json": wrong}),
                _model(
                    config,
                    tensors=original.tensors,
                    extra={"hf_quant_config.json": {"quantization": wrong}},
                ),
            ):
                _answered(lambda: model.kv_cache(tokens=4).to_json())  # noqa: B023
                _answered(lambda: model.lora(r=4).to_json())  # noqa: B023


def test_every_key_of_an_adapter_config() -> None:
    for key in sorted({*LoraOptions.__dataclass_fields__, *FIELDS, *ADAPTER}):
        for value in WRONG:
            _answered(lambda: LoraOptions.from_config({**ADAPTER, key: value}))  # noqa: B023


@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:12])
def test_what_an_adapter_says_of_its_base(tmp_path: Path, offline: None, value: Any) -> None:
    wrong = json.dumps({**ADAPTER, "base_model_name_or_path": value, "revision": value})
    (tmp_path / "adapter_config.json").write_text(wrong)
    with pytest.raises(HfkvError):
        load(str(tmp_path))


def test_an_adapter_of_itself_ends(tmp_path: Path) -> None:
    config = {**ADAPTER, "base_model_name_or_path": str(tmp_path)}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(HfkvError, match="is an adapter again"):
        load(str(tmp_path))


# -- the files themselves ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "not valid JSON"),
        (b"[]", "expected a JSON object"),
        (b"null", "found null"),
        (b'"x"', "expected a JSON object"),
        (b"{", "not valid JSON"),
        (b'{"a": 1,}', "not valid JSON"),
        (b'{"model_type": "llama"} x', "not valid JSON"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        (b'{"a": ' + b"[" * 65 + b"]" * 65 + b"}", "64 levels deep"),
        (b'{"a": ' + b"[" * 200_000, "nested too deeply|not valid JSON"),
        (b'{"a": ' + b'{"a": ' * 200_000, "nested too deeply|not valid JSON"),
        (b'{"num_hidden_layers": ' + b"9" * 5000 + b"}", "cannot be read"),
        (b'{"model_type": "llama", "num_hidden_layers": ' + b"9" * 400 + b"}", "an integer of"),
        (b'{"model_type": "llama", "num_hidden_layers": Infinity}', "found inf"),
        (b'{"model_type": "llama", "hidden_size": 1e400}', "found inf"),
        (b'{"model_type": "llama", "num_hidden_layers": NaN}', "found nan"),
        (b'{"model_type": "llama", "num_hidden_layers": 18446744073709551616}', "184467440737"),
        (b'{"model_type": "llama", "num_hidden_layers": 1000001}', "at most 100000 layers"),
        (b'{"model_type": "\\u001b[2J\\u202e"}', r"\\x1b\[2J\\u202e"),
        (b'{"model_type": "../../x"}', "is not known here"),
    ],
)
def test_a_config_that_cannot_be_read_is_one_error(
    tmp_path: Path, hfkv: Callable[..., tuple[int, str, str]], raw: bytes, words: str
) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(raw)
    with pytest.raises(HfkvError, match=words):
        load(str(path)).kv_cache(tokens=1, dtype="bf16")
    code, out, err = hfkv("kv", str(path), "--kv-dtype", "bf16")
    assert (code, out) == (1, "")
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert err.strip().isprintable()


def test_a_config_of_hundreds_of_megabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with path.open("wb") as file:
        file.truncate(300 * 2**20)
    with pytest.raises(HfkvError, match="has 314572800 bytes"):
        load(str(path))


def test_a_card_of_hundreds_of_megabytes_costs_itself_alone(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with (tmp_path / "README.md").open("wb") as file:
        file.truncate(300 * 2**20)
    model = load(str(tmp_path))
    assert model.kv_cache(tokens=1, dtype="bf16").bytes
    assert model.pretraining.tokens is None
    assert "has 314572800 bytes" in model.facts.missing["README.md"]


def test_a_byte_order_mark_and_repeated_keys_are_json(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b'\xef\xbb\xbf{"model_type": "gpt2", "n_layer": 3, "n_layer": 2}')
    # As Python's own reader does, and so transformers: the last one counts.
    assert len(load(str(path)).kv_cache(tokens=1, dtype="bf16").layers) == 2
