"""The plans against caches built now, beyond the defaults: keys dropped, nulled and changed."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("torch")

from hfkv.cache import ROWS, plan
from hfkv.dtypes import torch_name
from hfkv.errors import HfkvError
from hfkv.facts.config import Config
from tests.census.goldens import compact, load, title

pytestmark = pytest.mark.oracle

GOLDENS = load()
ABSENT = object()

#: Changes to the keys that plans read; each alone, on the text config of every type.
CHANGES: list[tuple[str, Any]] = [
    ("num_hidden_layers", 5),
    ("num_key_value_heads", ABSENT),
    ("num_key_value_heads", None),
    ("num_key_value_heads", 1),
    ("head_dim", ABSENT),
    ("head_dim", None),
    ("sliding_window", ABSENT),
    ("sliding_window", None),
    ("sliding_window", 9),
    ("use_sliding_window", True),
    ("use_bidirectional_attention", True),
    ("per_layer_config", {"0": {"num_key_value_heads": 1}}),
    ("sliding_window_pattern", 3),
    ("max_window_layers", 2),
    ("layer_types", ABSENT),
    ("layer_types", None),
    ("attention_chunk_size", 7),
    ("kv_lora_rank", 24),
    ("multi_query", False),
    ("new_decoder_architecture", True),
    ("decoder_layers", 3),
    ("decoder_layers", ABSENT),
    ("encoder_layers", 2),
    ("decoder_attention_heads", 2),
    ("decoder_attention_heads", ABSENT),
    ("encoder_attention_heads", 2),
    ("num_layers", 3),
    ("num_decoder_layers", 2),
    ("num_decoder_layers", None),
    ("num_decoder_layers", ABSENT),
    ("num_heads", 2),
    ("d_kv", 24),
    ("is_decoder", True),
    ("add_cross_attention", True),
    ("is_encoder_decoder", False),
    ("cross_attention_layers", [1]),
    ("cross_num_key_value_heads", 2),
]
TOKENS = 20
#: An encoder's output, for classes that attend to one.
ENCODER_TOKENS = 5
#: Small enough to be quick; what the cache does not depend on stays as it is.
SMALL = {"vocab_size": 64, "num_hidden_layers": 4}


def live(raw: dict[str, Any]) -> list[list[Any]]:
    from hfkv.live.build import build, config_of
    from hfkv.live.cache import read_cache, run

    model = build(config_of(raw))
    return compact(read_cache(run(model, TOKENS, encoder_tokens=ENCODER_TOKENS)))


def planned(raw: dict[str, Any]) -> list[list[Any]]:
    made = plan(Config(raw, where="test"))
    encoder_tokens = ENCODER_TOKENS if made.crosses else None
    layers = made.layers(tokens=TOKENS, encoder_tokens=encoder_tokens)
    return compact(
        [(t.name, t.shape, torch_name(t.dtype)) for t in layer.tensors] for layer in layers
    )


def changed(raw: dict[str, Any], key: str, value: Any) -> dict[str, Any] | None:
    """The config with one change in its text part; None where the change is none."""
    copy = json.loads(json.dumps(raw))
    parts = [copy.get(key) for key in ("text_config", "decoder_config", "decoder")]
    text = next((part for part in parts if isinstance(part, dict)), copy)
    types = text.get("layer_types")
    if key == "num_hidden_layers" and types is not None:
        text["layer_types"] = (types * 2)[:value]
    if value is ABSENT:
        if key not in text:
            return None
        del text[key]
    else:
        text[key] = value
    return copy


@pytest.mark.parametrize("golden", GOLDENS, ids=title)
def test_one_key_changed(golden: dict[str, Any]) -> None:
    """Equal to the reference, or refused; never silently different."""
    wrong = []
    for key, value in CHANGES:
        raw = changed(golden["config"], key, value)
        if raw is None:
            continue
        raw["architectures"] = [golden["class"]]
        try:
            mine = planned(raw)
        except HfkvError:
            continue
        try:
            theirs = live(raw)
        except Exception:
            # The class itself cannot be built or run so: any plan of it is of no model.
            continue
        if mine != theirs:
            wrong.append((key, "absent" if value is ABSENT else value, mine[:2], theirs[:2]))
    assert not wrong


def test_the_recordings_are_those_of_the_pinned_version() -> None:
    from hfkv.live.build import transformers
    from tests.census.goldens import record

    assert {golden["transformers"] for golden in GOLDENS} == {transformers().__version__}
    for golden in GOLDENS[::9]:
        again = json.loads(
            json.dumps(record(golden["model_type"], golden["class"], golden.get("variant", "")))
        )
        assert json.loads(json.dumps(again["runs"])) == golden["runs"]


def test_the_class_defaults_are_those_of_the_pinned_version() -> None:
    from hfkv.generate.config_classes import TARGET, generate

    for name, content in generate().items():
        assert json.loads((TARGET / name).read_text()) == content, name


def test_every_row_is_exact_or_documented() -> None:
    assert {row.basis for row in ROWS.values()} <= {"exact", "documented"}
