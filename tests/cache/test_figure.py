"""The figure: refusals, the three cases of a key, the crosscheck, the curve's inverses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hfkv.cache import Curve, kv_cache
from hfkv.errors import ConfigError, InputError, UnsupportedError
from hfkv.facts import Facts
from hfkv.tensors import Tensor, TensorTable

MISTRAL: dict[str, Any] = {
    "model_type": "mistral",
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "sliding_window": 8,
    "torch_dtype": "bfloat16",
}


def facts(config: dict[str, Any] | None, tensors: TensorTable | None = None) -> Facts:
    return Facts(model="test/model", source="directory", config=config, tensors=tensors)


def size(config: dict[str, Any], tokens: int, **options: Any) -> int:
    return kv_cache(facts(config), tokens=tokens, **options).bytes


def test_a_key_absent_null_and_explicit_are_three_cases() -> None:
    token = 2 * 2 * 2 * 16 * 2  # layers x (K and V) x heads x head_dim x 2 B
    assert size(MISTRAL, 100) == 7 * token  # explicit: a window of 8 keeps 7
    absent = {key: value for key, value in MISTRAL.items() if key != "sliding_window"}
    assert size(absent, 5000) == 4095 * token  # absent: the class's own 4096
    assert size({**MISTRAL, "sliding_window": None}, 5000) == 5000 * token  # null: none


@pytest.mark.parametrize("key", ["num_hidden_layers", "num_attention_heads", "hidden_size"])
@pytest.mark.parametrize(
    "value", ["32", 1.5, True, -1, 0, 2**70, float("inf"), float("nan"), [], {}, None]
)
def test_wrong_values_are_refused_with_their_place(key: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        size({**MISTRAL, key: value}, 100)
    assert f"test/model: config.json: {key}" in str(caught.value)


def test_unknown_architectures_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="brand_new"):
        size({**MISTRAL, "model_type": "brand_new"}, 1)


def test_no_config_says_so() -> None:
    with pytest.raises(UnsupportedError, match=r"no config\.json"):
        kv_cache(facts(None), tokens=1)


def test_no_dtype_is_refused_unless_given() -> None:
    bare = {key: value for key, value in MISTRAL.items() if key != "torch_dtype"}
    with pytest.raises(UnsupportedError, match="dtype"):
        size(bare, 1)
    assert size(bare, 1, dtype="fp8") * 2 == size(MISTRAL, 1)
    assert size(bare, 1, dtype="int4") * 4 == size(MISTRAL, 1)


@pytest.mark.parametrize("options", [{"tokens": 0}, {"tokens": True}, {"tokens": 1, "batch": 0}])
def test_bad_arguments(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        kv_cache(facts(MISTRAL), **options)


def _header(rows: int, layers: int = 2) -> TensorTable:
    return TensorTable(
        Tensor(name=f"model.layers.{n}.self_attn.{p}_proj.weight", dtype="BF16", shape=(rows, 64))
        for n in range(layers)
        for p in "kv"
    )


def test_the_checkpoint_is_a_witness() -> None:
    assert kv_cache(facts(MISTRAL, _header(32)), tokens=5).basis == "exact"
    differs = kv_cache(facts(MISTRAL, _header(64)), tokens=5)
    assert (differs.basis, differs.agreement.verdict) == ("contradicted", "differs")
    assert differs.bytes == kv_cache(facts(MISTRAL), tokens=5).bytes
    for part in ("layer 0", "model.layers.0.self_attn.k_proj.weight", "64", "32"):
        assert part in differs.notes[0]
    insisted = kv_cache(facts(MISTRAL, _header(64)), tokens=5, crosscheck=False)
    assert (insisted.bytes, insisted.basis) == (differs.bytes, "exact")
    assert "layer 1" in kv_cache(facts(MISTRAL, _header(32, layers=1)), tokens=5).notes[0]


def test_layers_beyond_the_plan_are_named_apart() -> None:
    figure = kv_cache(facts(MISTRAL, _header(32, layers=3)), tokens=5)
    assert figure.bytes == size(MISTRAL, 5)
    assert any("multi-token prediction" in note for note in figure.notes)


def test_the_total_is_the_sum_of_the_layers() -> None:
    figure = kv_cache(facts(MISTRAL), tokens=100, batch=3)
    assert figure.bytes == sum(layer.bytes for layer in figure.layers)
    assert figure.to_json(layers=True)["layers"][0]["tensors"][0]["shape"] == [3, 2, 7, 16]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(2, 60), st.integers(1, 9)), max_size=4),
    st.integers(0, 5),
    st.integers(0, 3000),
)
def test_the_inverses_of_the_curve_are_exact(
    windows: list[tuple[int, int]], full: int, wanted: int
) -> None:
    def at(tokens: int) -> int:
        return full * tokens + sum(w * min(tokens, window) for window, w in windows)

    curve = Curve(at=at, bends=sorted({window for window, _ in windows}))
    found = curve.first_at_least(wanted)
    reached = [n for n in range(1, 3100) if at(n) >= wanted]
    assert found == (reached[0] if reached else None)
    fits = curve.fit(wanted)
    fitting = [n for n in range(3100) if at(n) <= wanted]
    assert fits == (None if len(fitting) == 3100 else fitting[-1])


def test_a_part_of_one_type_stays_that_type_whatever_the_file_calls_it() -> None:
    text = {"num_hidden_layers": 1, "hidden_size": 64, "num_attention_heads": 4}
    text |= {"num_key_value_heads": 4, "n_layer": 1}
    # Gemma 3's class has a text config of its own, whose head_dim is 256; LLaVA's takes any.
    for named, elements in (("gemma3_text", 4 * 256), ("llama", 4 * 256)):
        own = {"model_type": "gemma3", "text_config": {**text, "model_type": named}}
        assert size(own, 1, dtype="bf16") == 2 * elements * 2
    for named, elements in (("llama", 64), ("gemma", 4 * 256)):
        any_type = {"model_type": "llava", "text_config": {**text, "model_type": named}}
        assert size(any_type, 1, dtype="bf16") == 2 * elements * 2


def test_a_class_that_keeps_each_shared_head_many_times_is_named() -> None:
    falcon = {
        "model_type": "falcon",
        "num_hidden_layers": 1,
        "hidden_size": 64,
        "num_attention_heads": 8,
        "num_kv_heads": 2,
        "new_decoder_architecture": True,
    }
    figure = kv_cache(facts(falcon), tokens=1, dtype="bf16")
    assert figure.bytes == 2 * 64 * 2
    assert "repeats its 2 key/value heads to 8" in figure.notes[0]
