"""The model's dtype: one answer and one refusal, as ``from_pretrained(dtype="auto")`` has it."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hfkv.errors import ConfigError, UnsupportedError
from hfkv.facts import Facts
from hfkv.facts.config import Config
from hfkv.facts.dtype import model_dtype
from hfkv.model import Model, load
from hfkv.source.record import dump_tensors, load_tensors
from hfkv.tensors import TableBuilder, Tensor, TensorTable

CASES = Path(__file__).parents[3] / "shared" / "data" / "cases" / "models"
LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 16,
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "num_key_value_heads": 1,
}
#: Names and shapes of such a model, as its file has them.
SHAPES = {
    "model.embed_tokens.weight": (16, 8),
    "lm_head.weight": (16, 8),
    "model.norm.weight": (8,),
    **{f"model.layers.0.{name}_layernorm.weight": (8,) for name in ("input", "post_attention")},
    **{f"model.layers.0.self_attn.{name}_proj.weight": (8, 8) for name in "qkvo"},
    **{f"model.layers.0.mlp.{name}_proj.weight": (8, 8) for name in ("gate", "up", "down")},
}


def facts(
    config: dict[str, Any], files: list[dict[str, str]] | None = None, extra: Any = None
) -> Facts:
    """A model whose files hold tensors of these dtypes, named ``1.safetensors`` and on."""
    table = None
    if files is not None:
        builder = TableBuilder(where="m")
        # However the files arrive, they are read by name.
        for number, tensors in reversed(list(enumerate(files, 1))):
            builder.begin(f"{number}.safetensors")
            for name, dtype in tensors.items():
                builder.add(name, dtype, SHAPES.get(name, (8,)))
        table = builder.table()
    return Facts(
        model="m",
        source="directory",
        config={**LLAMA, **config},
        tensors=table,
        extra=extra or {},
    )


def dtype(given: Facts) -> str:
    assert given.config is not None
    return model_dtype(given, Config(given.config, where="m")).name


ONE = {"b.weight": "F32", "a.10.weight": "BF16", "a.2.weight": "F16", "B.weight": "F64"}

WITHOUT_ENTRY = [
    ([dict.fromkeys(SHAPES, "BF16")], "BF16"),
    # By name, capitals first and digit by digit, however the header has them.
    ([ONE], "F64"),
    ([{name: kind for name, kind in ONE.items() if name != "B.weight"}], "BF16"),
    # The first file alone, although the other has a name that comes earlier, and more weights.
    ([{"model.norm.weight": "F16"}, {"lm_head.weight": "F32", "a.weight": "F32"}], "F16"),
    # Eight bits and integers are passed over.
    ([{"a.weight": "F8_E4M3", "b.weight": "I32", "c.weight": "F16", "d.weight": "F32"}], "F16"),
]


@pytest.mark.parametrize(("files", "expected"), WITHOUT_ENTRY)
def test_the_first_floating_tensor_of_the_first_file(
    files: list[dict[str, str]], expected: str
) -> None:
    for config in ({}, {"torch_dtype": None}, {"dtype": None, "torch_dtype": None}):
        given = facts(config, files)
        assert dtype(given) == expected
        # A record of the table keeps what it was.
        assert given.tensors is not None
        again = load_tensors(json.loads(json.dumps(dump_tensors(given.tensors))), where="m")
        assert again.first_compute_dtype == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"torch_dtype": "float16"}, "F16"),
        ({"dtype": "float32", "torch_dtype": "float16"}, "F32"),
        ({"dtype": None, "torch_dtype": "float16"}, "F16"),
        ({"torch_dtype": "half"}, "F16"),
        ({"torch_dtype": {"": "float16", "text_config": "float32"}}, "F16"),
        ({"torch_dtype": {"text_config": "bfloat16"}}, "F32"),
        ({"torch_dtype": "float64"}, "F64"),
    ],
)
def test_the_configs_own_entry_stands_first(config: dict[str, Any], expected: str) -> None:
    assert dtype(facts(config, [{"a": "BF16"}])) == expected


@pytest.mark.parametrize("value", ["nonsense", "int8", "float8_e4m3fn", "", 16, ["bfloat16"], True])
def test_an_entry_that_is_no_dtype_is_one_refusal_everywhere(value: Any) -> None:
    said = set()
    given = facts({"torch_dtype": value}, [dict.fromkeys(SHAPES, "BF16")])
    model = Model(facts=given)
    for ask in (
        lambda: model.kv_cache(tokens=5),
        lambda: model.lora(r=2),
        lambda: model.prompt({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 2}),
        lambda: model.prompt({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 2}),
    ):
        with pytest.raises(ConfigError, match="torch_dtype") as caught:
            ask()
        said.add(str(caught.value))
    assert len(said) == 1
    assert model.kv_cache(tokens=5, dtype="bf16").dtype == "bfloat16"
    assert model.lora(r=2, dtype="bf16").dtype == "bfloat16"


def test_what_nothing_says_is_refused_where_bytes_depend_on_it() -> None:
    model = Model(facts=facts({"torch_dtype": None}, [dict.fromkeys(SHAPES, "I32")]))
    with pytest.raises(UnsupportedError, match="says the model's dtype"):
        model.kv_cache(tokens=5, crosscheck=False)
    figure = model.lora(r=2)
    assert (figure.dtype, figure.bytes) == ("float32", 4 * figure.parameters)
    assert "says the model's dtype" in figure.notes[-1]


def test_a_text_part_alone_decides_nothing() -> None:
    config = {"model_type": "llava", "text_config": {**LLAMA, "dtype": "float32"}}
    with pytest.raises(UnsupportedError, match="says the model's dtype"):
        Model(facts=Facts(model="m", source="directory", config=config)).kv_cache(tokens=5)
    both = {**config, "torch_dtype": "float16"}
    figure = Model(facts=Facts(model="m", source="directory", config=both)).kv_cache(tokens=5)
    assert figure.dtype == "float16"


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (("F32", "Q4_K"), "F32"),
        (("F32", "F16"), "F16"),
        (("F32", "BF16", "F16"), "BF16"),
        (("F32",), "F32"),
    ],
)
def test_a_gguf_file_is_of_its_half_type(types: tuple[str, ...], expected: str) -> None:
    from hfkv.source.gguf import GGUF_FILE

    table = TensorTable(
        Tensor(name=f"{n}.weight", dtype=kind, shape=(256,), size=512)
        for n, kind in enumerate(types)
    )
    given = Facts(model="m", source="directory", config=LLAMA, tensors=table, extra={GGUF_FILE: {}})
    assert dtype(given) == expected


def unpacked(case: str, folder: Path) -> Path:
    """A case of the shared data as a directory that can be loaded."""
    target = folder / case
    shutil.copytree(CASES / case, target)
    target.chmod(0o755)
    header = gzip.decompress((target / "model.safetensors.header.gz").read_bytes())
    size = int((target / "model.safetensors.size").read_text())
    with (target / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(size)
    return target


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("dtype-top-bf16-text-fp32", "bfloat16"),
        ("dtype-text-fp32-only", "bfloat16"),
        ("dtype-top-fp16-text-bf16", "float16"),
    ],
)
def test_cases_of_composites(case: str, expected: str, tmp_path: Path) -> None:
    model = load(str(unpacked(case, tmp_path)))
    assert model.kv_cache(tokens=100).dtype == expected
    assert model.lora(r=8).dtype == expected


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
def test_what_a_class_keeps_in_float32_is_so_in_the_cache(tmp_path: Path) -> None:
    figure = load(str(unpacked("deepseek-v4-tiny", tmp_path))).kv_cache(tokens=100)
    assert (figure.bytes, figure.dtype) == (1_071_360, "bfloat16")


@pytest.mark.oracle
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"torch_dtype": None},
        {"torch_dtype": "float16"},
        {"dtype": "float32", "torch_dtype": "float16"},
        {"torch_dtype": "half"},
        {"torch_dtype": {"": "float16"}},
        {"torch_dtype": {"text_config": "float16"}},
        {"torch_dtype": "nonsense"},
        {"torch_dtype": "int8"},
    ],
)
@pytest.mark.parametrize("wide", ["lm_head.weight", "model.norm.weight", ""])
@pytest.mark.parametrize("sharded", [False, True])
def test_against_from_pretrained(
    config: dict[str, Any], wide: str, sharded: bool, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM

    weights = {
        name: torch.zeros(shape, dtype=torch.float32 if name == wide else torch.bfloat16)
        for name, shape in SHAPES.items()
    }
    files = {"model.safetensors": weights}
    if sharded:
        head = {"lm_head.weight"}
        files = {
            "model-00001-of-00002.safetensors": {n: w for n, w in weights.items() if n not in head},
            "model-00002-of-00002.safetensors": {n: w for n, w in weights.items() if n in head},
        }
        index = {name: file for file, held in files.items() for name in held}
        (tmp_path / "model.safetensors.index.json").write_text(
            json.dumps({"metadata": {"total_size": 1}, "weight_map": index})
        )
    for file, held in files.items():
        save_file(held, tmp_path / file, metadata={"format": "pt"})
    (tmp_path / "config.json").write_text(json.dumps({**LLAMA, **config}))
    try:
        theirs = str(AutoModelForCausalLM.from_pretrained(tmp_path, dtype="auto").dtype)
    except (AttributeError, ValueError):
        with pytest.raises(ConfigError, match="torch_dtype"):
            load(str(tmp_path)).kv_cache(tokens=5)
        return
    model = load(str(tmp_path))
    assert f"torch.{model.kv_cache(tokens=5).dtype}" == theirs
    assert f"torch.{model.lora(r=2).dtype}" == theirs
