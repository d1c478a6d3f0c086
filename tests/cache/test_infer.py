"""Architectures that nobody knows: read off the shapes, or refused with the doubt."""

from __future__ import annotations

from typing import Any

import pytest

from hfkv.cache import ROWS, kv_cache
from hfkv.errors import HfkvError, UnsupportedError
from hfkv.facts import Facts
from hfkv.facts.classes import known_types
from hfkv.tensors import Tensor, TensorTable

HIDDEN, LAYERS = 64, 3
CONFIG: dict[str, Any] = {"model_type": "brand_new", "torch_dtype": "bfloat16"}
SEPARATE = {"q_proj": (64, 64), "k_proj": (16, 64), "v_proj": (24, 64), "o_proj": (64, 64)}


def table(
    shapes: dict[str, tuple[int, ...]], *more: str, dtype: str = "BF16", layers: int = LAYERS
) -> TensorTable:
    names = {
        f"model.layers.{layer}.self_attn.{name}.weight": shape
        for layer in range(layers)
        for name, shape in shapes.items()
    }
    names |= dict.fromkeys(more, (16, 64))
    return TensorTable(Tensor(name=n, dtype=dtype, shape=s) for n, s in names.items())


def figure(tensors: TensorTable | None, config: dict[str, Any] = CONFIG) -> Any:
    facts = Facts(model="some/model", source="directory", config=config, tensors=tensors)
    return kv_cache(facts, tokens=10)


@pytest.mark.parametrize(
    ("shapes", "per_token"),
    [
        (SEPARATE, 16 + 24),
        ({"qkv_proj": (96, 64), "o_proj": (64, 64)}, 32),
        ({"q_proj": (64, 64), "kv_a_proj_with_mqa": (20, 64), "o_proj": (64, 64)}, 20),
        ({"Wqkv": (192, 64), "out_proj": (64, 64), "q_norm": (8,)}, 128),
    ],
)
def test_shapes_that_leave_no_doubt(shapes: dict[str, tuple[int, ...]], per_token: int) -> None:
    found = figure(table(shapes, "vision_tower.layers.0.self_attn.k_proj.weight", "lm_head.weight"))
    assert found.basis == "inferred"
    assert found.bytes == LAYERS * per_token * 2 * 10
    assert "read off the checkpoint" in " ".join(found.notes)


def test_layers_that_only_draft_are_left_out() -> None:
    config = {**CONFIG, "num_hidden_layers": 2, "num_nextn_predict_layers": 1}
    assert figure(table(SEPARATE), config).bytes == 2 * 40 * 2 * 10


@pytest.mark.parametrize(
    ("tensors", "doubt"),
    [
        (table(SEPARATE, "model.layers.0.mixer.A_log"), "A_log"),
        (table(SEPARATE, "model.layers.0.linear_attn.conv1d.weight"), "conv1d"),
        (table(SEPARATE, "model.layers.1.cross_attn.k_proj.weight"), "cross_attn"),
        (table(SEPARATE, "other.layers.0.self_attn.k_proj.weight"), "several stacks"),
        (table({"q_proj": (64, 64), "o_proj": (64, 64)}), "no one pair"),
        (table({"qkv_proj": (96, 64)}), "output"),
        (table({"qkv_proj": (97, 64), "o_proj": (64, 64)}), "divide"),
        (table({"c_attn": (64, 192), "c_proj": (64, 64)}), "divide"),
        (table(SEPARATE, dtype="I32"), "packed as I32"),
        (TensorTable([]), "no attention weights"),
    ],
)
def test_doubts_are_refused(tensors: TensorTable, doubt: str) -> None:
    with pytest.raises(UnsupportedError, match=doubt):
        figure(tensors)


def test_uneven_layers_are_refused() -> None:
    some = [t for t in table(SEPARATE) if "1.self_attn.k_proj" not in t.name]
    with pytest.raises(UnsupportedError, match="only some layers"):
        figure(TensorTable(some))
    wide = [
        Tensor(name=t.name, dtype=t.dtype, shape=(8, 64)) if "1.self_attn.k_proj" in t.name else t
        for t in table(SEPARATE)
    ]
    with pytest.raises(UnsupportedError, match="only some layers"):
        figure(TensorTable(wide))


@pytest.mark.parametrize(
    "hint",
    [
        {"num_hidden_layers": 5},
        {"sliding_window": 128},
        {"layer_types": ["full_attention", "linear_attention", "full_attention"]},
        {"num_kv_shared_layers": 2},
        {"use_cla": True},
        {"is_encoder_decoder": True},
        {"sparse_config": {"block": 64}},
        {"hybrid_override_pattern": "M*M"},
        {"attention_chunk_size": 4},
    ],
)
def test_a_config_that_hints_at_more_is_refused(hint: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match=next(iter(hint))):
        figure(table(SEPARATE), {**CONFIG, **hint})


def test_nothing_is_inferred_without_a_header_nor_for_types_transformers_has() -> None:
    with pytest.raises(UnsupportedError, match="brand_new"):
        figure(None)
    # A class of transformers may keep what no header shows.
    rowless = next(name for name in known_types() if name not in ROWS)
    with pytest.raises(HfkvError, match=rowless):
        figure(table(SEPARATE), {**CONFIG, "model_type": rowless})


def test_a_file_without_any_type_can_still_be_read_off() -> None:
    nameless = {"torch_dtype": "bfloat16", "architectures": ["Nobody"]}
    assert figure(table(SEPARATE), nameless).basis == "inferred"


def test_a_window_of_the_decoders_own_config_is_a_doubt() -> None:
    inner = {**CONFIG, "text_config": {"sliding_window": 16, "num_hidden_layers": LAYERS}}
    with pytest.raises(UnsupportedError, match=r"text_config.*sliding_window"):
        figure(table(SEPARATE), inner)
    # A tower's window is none of the cache's.
    beside = {**CONFIG, "vision_config": {"sliding_window": 16}}
    assert figure(table(SEPARATE), beside).basis == "inferred"


def test_heads_that_may_be_repeated_are_a_doubt() -> None:
    with pytest.raises(UnsupportedError, match="new_decoder_architecture"):
        figure(table(SEPARATE), {**CONFIG, "new_decoder_architecture": True})


def test_a_refusal_says_to_which_release_the_type_is_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for version, said in (("99.1", "its config is of 99.1: a newer hfkv may know it"), (None, "")):
        with pytest.raises(UnsupportedError) as caught:
            figure(None, {**CONFIG, "transformers_version": version})
        assert "no type of transformers" in str(caught.value)
        assert ("newer" in str(caught.value)) == bool(said)
        assert said in str(caught.value)
    # As if the tables were not made anew since a release came out.
    monkeypatch.setattr("hfkv.versions.first_release", lambda model_type: "99.0.0")
    with pytest.raises(UnsupportedError, match=r"99\.0\.0 brought it"):
        figure(None, {**CONFIG, "model_type": "newer"})
