"""What can be loaded, and what is refused in words: names, paths, configs, headers, wrong types."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import hfkv
from tests.conftest import LLAMA
from tests.peft.tiny import CONFIG, facts

Run = Callable[..., tuple[int, str, str]]
TABLE = facts().tensors
assert TABLE is not None
#: As ``json.loads`` gives a safetensors header.
HEADER: dict[str, Any] = {
    "__metadata__": {"format": "pt"},
    **{
        item.name: {"dtype": item.dtype, "shape": list(item.shape), "data_offsets": [0, item.bytes]}
        for item in TABLE
    },
}


@dataclass
class Weight:
    """A tensor of any library."""

    dtype: object
    shape: tuple[int, ...]


class BFloat16:
    """A dtype that is no text, as torch has them."""

    def __str__(self) -> str:
        return "torch.bfloat16"


class Open(Mapping[str, Any]):
    """A mapping that holds no dict, as an open file would be."""

    def __getitem__(self, name: str) -> Any:
        return HEADER[name]

    def __iter__(self) -> Iterator[str]:
        return iter(HEADER)

    def __len__(self) -> int:
        return len(HEADER)


HALVES = [dict(list(HEADER.items())[:9]), dict(list(HEADER.items())[9:])]
OBJECTS = {item.name: Weight(BFloat16(), item.shape) for item in TABLE}


@pytest.mark.parametrize("header", [HEADER, Open(), HALVES, iter(HALVES), OBJECTS])
def test_a_config_and_its_header_are_the_model(header: Any) -> None:
    model = hfkv.load(CONFIG, header=header, name="tiny/llama")
    plain = hfkv.Model(facts())
    assert (model.source, model.model, model.commit) == ("given", "tiny/llama", None)
    assert model.kv_cache(tokens=10).bytes == plain.kv_cache(tokens=10).bytes
    assert model.lora(r=4).parameters == plain.lora(r=4).parameters
    assert (model.parameters, model.weight_bytes) == (plain.parameters, plain.weight_bytes)


def test_a_config_alone_and_a_card_beside_it() -> None:
    model = hfkv.load(CONFIG, card="# Tiny\n\nTiny was pretrained on 2 trillion tokens.\n")
    assert model.kv_cache(tokens=10).basis == "exact"
    assert model.pretraining.tokens == 2_000_000_000_000
    assert (model.parameters, model.model) == (None, "config")
    assert "no safetensors headers" in model.facts.missing["tensors"]


def test_a_config_object_is_what_it_would_write() -> None:
    class Config:
        def to_json_string(self) -> str:
            return json.dumps(CONFIG)

    assert hfkv.load(Config()).kv_cache(tokens=10).bytes == 10 * 2 * 2 * 2 * 16 * 2


def test_a_dtype_in_a_config_may_be_an_object() -> None:
    model = hfkv.load({**CONFIG, "torch_dtype": BFloat16()})
    assert model.kv_cache(tokens=1).dtype == "bfloat16"
    assert model.kv_cache(tokens=1, dtype=BFloat16()).dtype == "bfloat16"  # type: ignore[arg-type]


def test_a_path_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: None) -> None:
    folder = tmp_path / "org" / "name"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    assert hfkv.load(folder).source == "directory"
    monkeypatch.chdir(tmp_path)
    assert hfkv.load(Path("org/name")).source == "directory"
    # It never means a repository: this one has a snapshot.
    with pytest.raises(hfkv.NotFoundError, match="no such file or directory"):
        hfkv.load(Path(LLAMA))
    with pytest.raises(hfkv.InputError, match="'directory' for a path"):
        hfkv.load(folder, source="hub")


@pytest.mark.parametrize(
    "call",
    [
        lambda: hfkv.load(5),
        lambda: hfkv.load(None),
        lambda: hfkv.load(b"gpt2"),
        lambda: hfkv.load(["gpt2"]),
        lambda: hfkv.load("gpt2", revision=5),
        lambda: hfkv.load("gpt2", token=5),
        lambda: hfkv.load("gpt2", source=None),
        lambda: hfkv.load(CONFIG, header="model.safetensors"),
        lambda: hfkv.load(CONFIG, header=5),
        lambda: hfkv.load(CONFIG, header=[5]),
        lambda: hfkv.load(CONFIG, header={5: {"dtype": "F32", "shape": []}}),
        lambda: hfkv.load(CONFIG, header={"a": 5}),
        lambda: hfkv.load(CONFIG, header={"a": {"dtype": "F32"}}),
        lambda: hfkv.load(CONFIG, header={"a": {"dtype": 5, "shape": []}}),
        lambda: hfkv.load(CONFIG, card=b"card"),
        lambda: hfkv.load(CONFIG, name=5),
        lambda: hfkv.load_many("gpt2"),
        lambda: hfkv.load_many(Path("gpt2")),
        lambda: hfkv.load_many({"model_type": "gpt2"}),
        lambda: hfkv.load_many(5),
        lambda: hfkv.Model(facts()).kv_cache(tokens=1, dtype=5),
        lambda: hfkv.Model(facts()).fit(1.5),
    ],
)
def test_a_wrong_type_is_a_type_error_too(call: Callable[[], Any], offline: None) -> None:
    with pytest.raises(hfkv.InputTypeError) as caught:
        call()
    assert isinstance(caught.value, (TypeError, hfkv.HfkvError))
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: hfkv.load("gpt2", header=HEADER), "`header`"),
        (lambda: hfkv.load(CONFIG, source="hub"), "`source`"),
        (lambda: hfkv.load(CONFIG, header={"a": {"dtype": "F32", "shape": [-1]}}), "a shape"),
        (lambda: hfkv.load(CONFIG, header={"a": {"dtype": "F99", "shape": [1]}}), "unknown dtype"),
        (lambda: hfkv.load({**CONFIG, "x": object()}), "what JSON can hold"),
        (lambda: hfkv.load("gpt2", source="hbu"), "`source`"),
        (lambda: hfkv.Model(facts()).lora({"r": 4}, r=8), "states every option"),
        (lambda: hfkv.Model(facts()).lora({"r": 4}, use_dora=True), "states every option"),
        (lambda: hfkv.Model(facts()).fit(-1), "`budget`"),
        (lambda: hfkv.Model(facts()).kv_cache(tokens=0), "`tokens`"),
        (lambda: hfkv.Model(facts()).kv_cache(tokens=1, dtype="bf17"), "`dtype`"),
        (lambda: hfkv.Model(facts()).lora(dtype="bf17"), "`dtype`"),
        (lambda: hfkv.Model(facts()).rank(kv_dtype="bf17"), "`kv_dtype`"),
        (lambda: hfkv.compare(hfkv.Model(facts()), lora_dtype="bf17"), "`lora_dtype`"),
        (lambda: hfkv.compare(hfkv.Model(facts()), kv_dtype="bf17"), "`kv_dtype`"),
        (lambda: hfkv.compare(hfkv.Model(facts()), tokens=0), "`tokens`"),
    ],
)
def test_what_is_not_usable_is_named_as_python_names_it(
    call: Callable[[], Any], said: str, offline: None
) -> None:
    with pytest.raises(hfkv.InputError) as caught:
        call()
    assert said in str(caught.value)
    assert "--" not in str(caught.value)


NAMES = ["a\0b", "./a\0b", "/tmp/\0.json", "a\ud800b", "./\ud800", "./" + "a" * 300, "~nobody-x/y"]


@pytest.mark.parametrize("name", [*NAMES, "", "a/b:\0"])
@pytest.mark.parametrize("source", ["auto", "hub", "cache", "directory", "snapshot"])
def test_a_name_that_no_file_system_takes_is_not_found(
    name: str, source: Any, offline: None
) -> None:
    for revision in (None, "main\0"):
        with pytest.raises(hfkv.SourceError):
            hfkv.load(name, source=source, revision=revision)


@pytest.mark.parametrize("name", NAMES)
def test_such_a_name_in_a_repository_is_not_found_either(
    hfkv: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: None, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    adapter = {"peft_type": "LORA", "r": 8, "base_model_name_or_path": name}
    (tmp_path / "adapter_config.json").write_text(json.dumps(adapter))
    for arguments in (("check",), ("check", "--online"), ("lora", str(tmp_path)), ("lock",)):
        code, _, err = hfkv(*arguments)
        assert code in (0, 1), err
        assert "Traceback" not in err


@pytest.mark.parametrize("key", ["lock", "baseline"])
def test_such_a_name_in_the_settings_is_refused(
    hfkv: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hfkv.toml").write_text(f'{key} = "a\\u0000b"\n')
    code, _, err = hfkv("check")
    assert code == 2
    assert key in err


def test_several_keep_the_good_ones_beside_the_errors(offline: None) -> None:
    found = hfkv.compare([LLAMA, "nobody/nothing", hfkv.Model(facts())], tokens=1000)
    assert isinstance(found[0], hfkv.Comparison)
    assert isinstance(found[1], hfkv.NetworkError)
    assert isinstance(found[2], hfkv.Comparison)
    assert found[2].model.model == "tiny/llama"
    with pytest.raises(hfkv.NetworkError):
        hfkv.compare(LLAMA, "nobody/nothing")
    assert hfkv.compare([]) == []
    # Of an argument that is wrong for every model nothing is kept.
    with pytest.raises(hfkv.InputError):
        hfkv.compare([LLAMA], kv_dtype="bf17")


def test_fit_is_the_curve_and_rank_the_rules() -> None:
    model = hfkv.load(LLAMA, source="snapshot")
    assert model.fit("24GiB") == model.fit(24 * 2**30) == 24 * 2**30 // 327_680
    assert model.fit("24GiB", batch=4) == 24 * 2**30 // (4 * 327_680)
    assert model.fit("2x12GiB") == model.fit("24GiB")
    assert model.fit(1) == 0
    planned = model.fit("8x80GB", engine=hfkv.Vllm(tp=8), tokens=8192)
    assert planned.allocation.engine == "vllm"
    with pytest.raises(hfkv.InputError, match="`tokens`"):
        model.fit("80GB", engine=hfkv.Vllm())  # type: ignore[call-overload]
    with pytest.raises(hfkv.InputError, match="`tokens`"):
        model.fit("80GB", tokens=10)  # type: ignore[call-overload]
    assert model.rank(tokens=100_000).to_json() == hfkv.ranks(model, tokens=100_000).to_json()
