"""Which files hold the model, for layouts as they are on the Hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hfkv.errors import HeaderError
from hfkv.source import fetch
from hfkv.source.gguf_files import choose_gguf
from hfkv.source.weight_files import INDEX, choose_weights, needs_index, no_config, only_pytorch

SIDE = ["config.json", "README.md", "tokenizer.json", ".gitattributes"]


def _shards(total: int, first: int = 1, width: int = 5) -> list[str]:
    return [
        f"model-{number:0{width}d}-of-{total:0{width}d}.safetensors"
        for number in range(first, first + total)
    ]


ONE = ["model.safetensors"]
ADAPTER = ["adapter_model.safetensors"]
#: Layout, its files beside the usual ones, what is chosen.
CHOSEN = [
    ("single", ONE, ONE),
    ("sharded", [*_shards(3), INDEX], _shards(3)),
    ("one shard alone", _shards(1), _shards(1)),
    ("shards from 0", _shards(3, 0), _shards(3, 0)),
    ("six digits", _shards(2, width=6), _shards(2, width=6)),
    ("single comes before shards", [*_shards(2), INDEX, *ONE], ONE),
    ("a consolidated copy", [*_shards(2), INDEX, "consolidated.safetensors"], _shards(2)),
    ("a consolidated copy in parts", [*ONE, "consolidated-00001-of-00002.safetensors"], ONE),
    ("a half variant", [*ONE, "model.fp16.safetensors"], ONE),
    (
        "a sharded variant",
        [*_shards(2), "model.fp16-00001-of-00002.safetensors", "model.safetensors.index.fp16.json"],
        _shards(2),
    ),
    ("an original folder", [*ONE, "original/consolidated.00.pth", "original/params.json"], ONE),
    ("an original folder of safetensors", [*ONE, "original/model.safetensors"], ONE),
    ("PyTorch beside", [*ONE, "pytorch_model.bin", "tf_model.h5", "flax_model.msgpack"], ONE),
    ("GGUF beside", [*ONE, "model-Q4_K_M.gguf"], ONE),
    ("a projector beside", [*ONE, "mm_projector.safetensors"], ONE),
    ("components beside", [*ONE, "vision_tower/model.safetensors", "onnx/model.onnx"], ONE),
    (
        "sentence-transformers",
        [*ONE, "modules.json", "1_Pooling/config.json", "2_Dense/model.safetensors"],
        ONE,
    ),
    ("checkpoints in folders", [*ONE, "checkpoint-500/model.safetensors"], ONE),
    ("an adapter", ["adapter_config.json", *ADAPTER], ADAPTER),
    ("an adapter beside the model", [*ONE, *ADAPTER], ONE),
    ("an adapter in PyTorch too", [*ADAPTER, "adapter_model.bin"], ADAPTER),
]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "chosen"), [row[1:] for row in CHOSEN], ids=[r[0] for r in CHOSEN]
)
def test_the_models_own_files_are_chosen(files: list[str], chosen: list[str]) -> None:
    assert choose_weights([*SIDE, *files], where="x") == (chosen, "")


#: Layout, its files, words of the reason that there is nothing to read.
NOTHING = [
    ("nothing", [], "no safetensors files"),
    ("PyTorch", ["pytorch_model.bin"], "pytorch_model.bin"),
    ("PyTorch in shards", ["pytorch_model-00001-of-00002.bin"], "pytorch_model.bin"),
    ("PyTorch and TensorFlow", ["pytorch_model.bin", "tf_model.h5"], "pytorch_model.bin"),
    ("an adapter in PyTorch", ["adapter_config.json", "adapter_model.bin"], "adapter_model.bin"),
    ("GGUF", ["a-Q4_K_M.gguf", "a-Q8_0.gguf"], "GGUF"),
    ("an original checkpoint", ["consolidated.00.pth", "params.json"], "PyTorch files"),
    ("Flax", ["flax_model.msgpack"], "Flax"),
    ("TensorFlow", ["tf_model.h5"], "TensorFlow"),
    ("ONNX", ["onnx/model.onnx"], "ONNX"),
    ("NeMo", ["model.nemo"], "NeMo"),
    ("Mistral's own", ["consolidated.safetensors", "params.json"], "consolidated"),
    ("a variant alone", ["model.fp16.safetensors"], "variant of the weights (fp16)"),
    ("a variant in shards", ["model-00001-of-00002.bf16.safetensors"], "(bf16)"),
    ("another name", ["llava.safetensors"], "llava.safetensors"),
    ("PyTorch and another name", ["pytorch_model.bin", "vae.safetensors"], "pytorch_model.bin"),
    ("components", ["llm/model.safetensors", "vision/model.safetensors"], "(llm, vision)"),
    ("a copy in a folder", ["original/model.safetensors"], "(original)"),
    (
        "a diffusers pipeline",
        ["model_index.json", "unet/diffusion_pytorch_model.safetensors", "vae/config.json"],
        "diffusers",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("files", "words"), [row[1:] for row in NOTHING], ids=[r[0] for r in NOTHING]
)
def test_the_reason_names_what_is_there_instead(files: list[str], words: str) -> None:
    weights, reason = choose_weights([*SIDE, *files], where="x")
    assert weights == []
    assert words in reason


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["model_index.json", "unet/config.json"], "diffusers pipeline"),
        (["modules.json", "0_Transformer/config.json"], "sentence-transformers modules"),
        (["llm/config.json", "vision_tower/config.json"], "llm, vision_tower"),
        (["params.json", "consolidated.safetensors"], "params.json"),
        (["a\x1b[2J\u202e/config.json"], "a\\x1b[2J\\u202e"),
        ([], "there is no config.json"),
    ],
)
def test_why_there_is_no_config(files: list[str], words: str) -> None:
    assert words in no_config(files)
    assert no_config(files).isprintable()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (_shards(3)[:2], "shard 3 of 3 is missing"),
        (_shards(3)[1:], "shard 1 of 3 is missing"),
        ([*_shards(2), *_shards(3)], "shards of 2 and of 3 files"),
        (["model-00001-of-99999.safetensors"], "99999 shards"),
        (["model-00000-of-00000.safetensors"], "0 shards"),
    ],
)
def test_missing_shards_are_named(files: list[str], words: str) -> None:
    with pytest.raises(HeaderError, match=words):
        choose_weights(files, where="x")


# -- the index -----------------------------------------------------------------------------------


def _index(files: Any) -> bytes:
    return json.dumps({"weight_map": files}).encode()


def test_the_index_decides_which_files_are_shards() -> None:
    names = ["part-a.safetensors", "part-b.safetensors", *_shards(2), INDEX]
    index = _index(
        {"a": "part-b.safetensors", "b": "part-a.safetensors", "c": "part-a.safetensors"}
    )
    assert choose_weights(names, where="x", index=index) == (names[:2], "")
    assert needs_index(["part-a.safetensors", INDEX])
    assert needs_index([*_shards(2), *_shards(3), INDEX])
    assert not needs_index([*_shards(2), INDEX])
    assert not needs_index([*ONE, INDEX])


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (b"", "not valid JSON"),
        (b"[]", "a JSON object"),
        (b"{}", "weight_map: found null"),
        (_index({}), "weight_map"),
        (_index([]), "weight_map"),
        (_index({"a": None}), "found|is in null"),
        (_index({"a": ["x"]}), "a list of 1"),
        (_index({"a": ""}), "is in ''"),
        (_index({"a": "../../etc/passwd"}), "beside the index"),
        (_index({"a": "/etc/passwd"}), "beside the index"),
        (_index({"a": "..\\x"}), "beside the index"),
        (_index({"a": "C:x"}), "beside the index"),
        (_index({"a": ".."}), "beside the index"),
        (_index({"a": "sub/m.safetensors"}), "beside the index"),
        (_index({"a": "m\u202e.safetensors", "b": "other.safetensors"}), "m\\\\u202e.safetensors'"),
        (
            _index({"a": "m.safetensors", "b": "n.safetensors", "c": "other.safetensors"}),
            "m.safetensors' is not there, nor 1 more of 3",
        ),
        (_index({"a\x1b": None}), "a\\\\x1b"),
        (_index({"a": "config.json"}), "end in .safetensors"),
        (_index({str(n): f"{n}.safetensors" for n in range(10_001)}), "more than 10000"),
    ],
)
def test_an_index_that_leads_astray_is_refused(index: bytes, words: str) -> None:
    names = ["other.safetensors", "config.json", INDEX]
    with pytest.raises(HeaderError, match=words) as caught:
        choose_weights(names, where="x", index=index)
    assert str(caught.value).isprintable()


def test_an_index_alone_is_a_reason_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / INDEX).write_bytes(_index({"a": "model-00001-of-00001.safetensors"}))
    assert "none of the 1 files" in fetch(str(tmp_path)).missing["tensors"]


def test_a_directory_is_read_by_its_index(tmp_path: Path) -> None:
    def write(name: str, tensor: str) -> None:
        raw = json.dumps({tensor: {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
        (tmp_path / name).write_bytes(len(raw).to_bytes(8, "little") + raw + b"\0")

    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    write("one.safetensors", "a")
    write("two.safetensors", "b")
    (tmp_path / INDEX).write_bytes(_index({"a": "one.safetensors", "b": "two.safetensors"}))
    tensors = fetch(str(tmp_path)).tensors
    assert tensors is not None
    assert sorted(tensor.name for tensor in tensors) == ["a", "b"]
    write("two.safetensors", "a")
    with pytest.raises(HeaderError, match=r"'a' is in one\.safetensors and in two\.safetensors"):
        fetch(str(tmp_path))


# -- GGUF ----------------------------------------------------------------------------------------


def _parts(stem: str, total: int) -> list[str]:
    return [f"{stem}-{number:05d}-of-{total:05d}.gguf" for number in range(1, total + 1)]


@pytest.mark.parametrize(
    ("files", "chosen"),
    [
        (["m.gguf"], ["m.gguf"]),
        (["m-Q4_K_M.gguf", "m-BF16.gguf", "m-Q8_0.gguf"], ["m-BF16.gguf"]),
        (["m-F32.gguf", "m.f16.gguf"], ["m.f16.gguf"]),
        (["m-Q2_K.gguf", "m-Q4_K_S.gguf", "m-Q4_K_M.gguf"], ["m-Q4_K_M.gguf"]),
        (["m-Q5_K_M.gguf", "m-Q5_K_XL.gguf", "m-IQ4_XS.gguf"], ["m-Q5_K_XL.gguf"]),
        (["m-IQ1_M.gguf", "m-IQ2_XXS.gguf", "m-IQ2_S.gguf"], ["m-IQ2_S.gguf"]),
        (["Llama-3.2-1B-Q6_K.gguf", "Llama-3.2-1B-Q3_K_L.gguf"], ["Llama-3.2-1B-Q6_K.gguf"]),
        (["m-MXFP4.gguf", "m-Q3_K.gguf"], ["m-MXFP4.gguf"]),
        ([*_parts("m-Q8_0", 3), "m-Q4_0.gguf"], _parts("m-Q8_0", 3)),
        ([*_parts("BF16/m-BF16", 2), "Q4_K_M/m-Q4_K_M.gguf"], _parts("BF16/m-BF16", 2)),
        (["mmproj-F16.gguf", "m-Q4_0.gguf"], ["m-Q4_0.gguf"]),
        (["m.imatrix.gguf", "imatrix_unsloth.gguf", "m-Q4_0.gguf"], ["m-Q4_0.gguf"]),
        (["m-eagle3.gguf", "draft/m-F16.gguf", "m-Q4_0.gguf"], ["m-Q4_0.gguf"]),
        (["M-Q4_0.GGUF"], ["M-Q4_0.GGUF"]),
        ([], []),
        (["mmproj.gguf"], []),
        (["tiny-draft-Q4_0.gguf"], ["tiny-draft-Q4_0.gguf"]),
    ],
)
def test_one_rendering_is_chosen_by_rule(files: list[str], chosen: list[str]) -> None:
    found, note = choose_gguf([*SIDE, *reversed(files)], where="x")
    assert found == chosen
    assert ("renderings" in note) == (len(files) > len(chosen) > 0 and "m-Q4_0" not in chosen[0])


def test_parts_that_are_missing_are_named() -> None:
    with pytest.raises(HeaderError, match="part 2 of 3 of the GGUF is missing"):
        choose_gguf([name for name in _parts("m", 3) if "00002-of" not in name], where="x")


@pytest.mark.parametrize(
    ("files", "alone"),
    [
        (["pytorch_model.bin"], True),
        (["pytorch_model-00001-of-00002.bin", "vae/x.safetensors"], True),
        (["pytorch_model.bin", "model.safetensors"], False),
        (["model.gguf"], False),
    ],
)
def test_what_the_bot_converts(files: list[str], alone: bool) -> None:
    assert only_pytorch(files) is alone
