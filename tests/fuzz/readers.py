"""The readers of untrusted bytes, each as one function that may fail only as documented.

Called by the hypothesis tests beside this file, and by ``harness.py`` under atheris.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable

from hfkv.comparison.start_log import hold_against
from hfkv.engines.start_log import parse_log
from hfkv.errors import HfkvError
from hfkv.facts import Facts, read
from hfkv.model import Model
from hfkv.pretraining import base_models, read_card
from hfkv.reading import parse_json_object
from hfkv.source.files import Files
from hfkv.source.gguf import GGUF_FILE, read_gguf
from hfkv.source.safetensors_header import header_length, parse_header
from hfkv.source.safetensors_quick import add_header
from hfkv.source.weight_files import choose_weights
from hfkv.tensors import TableBuilder, TensorTable

__all__ = ["READERS"]


def _inert(error: HfkvError) -> None:
    steering = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert not steering & {unicodedata.category(char) for char in str(error)}, repr(str(error))
    assert len(str(error)) < 4000, len(str(error))


def header(raw: bytes) -> None:
    """A whole safetensors file."""
    try:
        length = header_length(raw, where="m", file_size=len(raw))
    except HfkvError as error:
        _inert(error)
        return
    text, size = raw[8 : 8 + length], len(raw) - 8 - length
    strict, tensors = "", None
    try:
        tensors, _ = parse_header(text, where="m", data_size=size)
    except HfkvError as error:
        _inert(error)
        strict = str(error)
    # The quick reader lets through what the strict one does, and says the same of the rest.
    quick, builder = "", TableBuilder()
    try:
        add_header(text, builder, where="m", data_size=size)
    except HfkvError as error:
        quick = str(error)
    assert quick == strict
    if tensors is None:
        return
    assert builder.table() == TensorTable(tensors)
    table = TensorTable(tensors)
    assert len(table) == len(tensors)
    assert table.bytes <= len(raw)
    assert {item.name: item for item in table} == {item.name: item for item in tensors}


def gguf(raw: bytes) -> None:
    """A whole GGUF file, and what its keys come to."""
    try:
        found = read_gguf(lambda begin, end: raw[begin:end], where="m", size=len(raw))
    except HfkvError as error:
        _inert(error)
        return
    assert sum(tensor.bytes for tensor in found.tensors) <= len(raw)
    _figures({GGUF_FILE: found.to_json()}, TensorTable(found.tensors))


def config(raw: bytes) -> None:
    """A ``config.json``."""
    _figures({"config.json": raw}, None)


def card(raw: bytes) -> None:
    """A ``README.md``."""
    text = raw.decode("utf-8", "replace")
    reading = read_card(text, model="org/Foo-7B")
    for candidate in reading.candidates:
        assert all(found.quote in " ".join(text.split()) for found in candidate.support)
    for name, relation in base_models(text):
        assert name
        assert relation


def index(raw: bytes) -> None:
    """An index of shards."""
    try:
        names, _ = choose_weights(["a.safetensors", "b.safetensors"], where="m", index=raw)
    except HfkvError as error:
        _inert(error)
        return
    assert set(names) <= {"a.safetensors", "b.safetensors"}


def adapter(raw: bytes) -> None:
    """An ``adapter_config.json``."""
    from hfkv.peft.lora.options import LoraOptions

    try:
        LoraOptions.from_config(parse_json_object(raw, where="m"))
    except HfkvError as error:
        _inert(error)


def _figures(texts: dict[str, bytes], tensors: TensorTable | None) -> None:
    files = Files(model="m", source="directory", texts=texts, tensors=tensors)
    try:
        facts: Facts = read(files)
    except HfkvError as error:
        _inert(error)
        return
    model = Model(facts)
    for ask in (
        lambda: model.kv_cache(tokens=100, dtype="bf16").to_json(layers=False),
        lambda: model.lora(r=2, dtype="bf16").to_json(),
    ):
        try:
            json.dumps(ask())
        except HfkvError as error:
            _inert(error)


def start_log(raw: bytes) -> None:
    """An engine's start-up log, and what it is held against a model for."""
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "head_dim": 32}
    small = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 128}
    model = Model(Facts(model="m", source="directory", config={**config, **small}))
    try:
        log = parse_log(raw, where="m")
    except HfkvError as error:
        _inert(error)
        return
    json.dumps(dict(log.options))
    try:
        json.dumps(hold_against(model, log).to_json())
    except HfkvError as error:
        _inert(error)


READERS: dict[str, Callable[[bytes], None]] = {
    "header": header,
    "gguf": gguf,
    "config": config,
    "card": card,
    "index": index,
    "adapter": adapter,
    "start_log": start_log,
}
