"""What an optimizer keeps, against its own class after a step; bitsandbytes as recorded."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfkv.dtypes import BITS
from hfkv.errors import InputError
from hfkv.training.optimizers import ALIASES, OPTIMIZERS, optimizer_of
from tests.training.record import BITSANDBYTES, SHAPES, kept

RECORDED = json.loads((Path(__file__).parent / "bitsandbytes.json").read_text(encoding="utf-8"))
DTYPES = {"F32": "float32", "BF16": "bfloat16"}


def _adafactor(parameters: list[Any]) -> Any:
    from transformers import Adafactor

    return Adafactor(parameters, lr=1e-3, scale_parameter=False, relative_step=False)


def _class(name: str, parameters: list[Any]) -> Any:
    import torch

    if name == "adafactor":
        return _adafactor(parameters)
    if name == "sgd-momentum":
        return torch.optim.SGD(parameters, lr=1e-3, momentum=0.9)
    cls = {"adamw": "AdamW", "sgd": "SGD", "rmsprop": "RMSprop", "adagrad": "Adagrad"}
    return getattr(torch.optim, cls.get(name, "Muon"))(parameters, lr=1e-3)


@pytest.mark.oracle
@pytest.mark.parametrize("element", DTYPES)
@pytest.mark.parametrize(
    "name", [item.name for item in OPTIMIZERS.values() if item.basis == "exact"]
)
def test_the_class_keeps_what_is_counted(name: str, element: str) -> None:
    torch = pytest.importorskip("torch")
    shapes = [shape for shape in SHAPES if name != "muon" or len(shape) == 2]
    parameters = [
        torch.nn.Parameter(torch.randn(shape).to(getattr(torch, DTYPES[element])))
        for shape in shapes
    ]
    real = kept(_class(name, parameters), parameters)
    assert OPTIMIZERS[name].bytes([(shape, element) for shape in shapes]) == real


@pytest.mark.oracle
def test_muon_takes_matrices_alone() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="2D"):
        torch.optim.Muon([torch.nn.Parameter(torch.randn(4))], lr=1e-3)
    muon, adamw = OPTIMIZERS["muon"], OPTIMIZERS["adamw"]
    assert muon.bytes([((4,), "F32")]) == adamw.bytes([((4,), "F32")])
    assert muon.bytes([((4, 8), "F32")]) == 4 * 4 * 8


@pytest.mark.parametrize("name", BITSANDBYTES)
def test_bitsandbytes_kept_what_is_counted(name: str) -> None:
    for shape, size in RECORDED["states"][name]:
        found = OPTIMIZERS[name].bytes([(tuple(shape), "F32")])
        assert found == size, shape
    together = [(tuple(shape), "F32") for shape, _ in RECORDED["states"][name]]
    assert OPTIMIZERS[name].bytes(together) == RECORDED["together"][name]


@given(st.sampled_from(sorted(OPTIMIZERS)), st.lists(st.integers(1, 300), min_size=1, max_size=3))
def test_states_of_wider_types_are_no_smaller(name: str, shape: list[int]) -> None:
    item, sides = OPTIMIZERS[name], tuple(shape)
    narrow, wide = item.bytes([(sides, "BF16")]), item.bytes([(sides, "F32")])
    assert 0 <= narrow <= wide <= 8 * math.prod(sides) + 8 + item.tables + 8
    assert BITS["BF16"] < BITS["F32"]


@pytest.mark.oracle
def test_the_names_of_transformers_lead_to_their_classes() -> None:
    transformers = pytest.importorskip("transformers")
    known = {item.value for item in transformers.training_args.OptimizerNames}
    assert set(ALIASES) <= known | {"paged_adamw"}
    for name, ours in ALIASES.items():
        assert optimizer_of(name) is OPTIMIZERS[ours]


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(InputError, match="no optimizer 'adam'"):
        optimizer_of("adam")
