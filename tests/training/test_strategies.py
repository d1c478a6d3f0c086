"""What one of several GPUs holds: arithmetic of the sources, and what must hold between them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hfkv
from hfkv.errors import InputError, UnsupportedError
from hfkv.training import Training
from hfkv.training.optimizers import OPTIMIZERS
from hfkv.training.strategies import STRATEGIES, Load, Piece, share
from tests.training.record_deepspeed import FROZEN, GPUS, TARGET, TRAINED

LLAMA = hfkv.load("meta-llama/Meta-Llama-3-8B", source="snapshot")
RECORDED = json.loads(TARGET.read_text(encoding="utf-8"))
ADAPTER = LLAMA.lora(r=16)


def _parts(found: Training) -> dict[str, int]:
    return {part.name: part.bytes for part in found.parts}


def _piece(shape: tuple[int, ...], element: str, trained: bool = False) -> Piece:
    width = {"BF16": 2, "F32": 4}[element]
    count = Piece(shape=shape, element=element, bytes=0).elements
    return Piece(shape=shape, element=element, bytes=width * count, trained=trained)


def test_zero_by_hand() -> None:
    load = Load(
        base=[_piece((33, 17), "BF16")],
        adapter=[_piece((5, 17), "F32", True), _piece((3, 5), "F32", True)],
        element="BF16",
        packed=False,
    )
    adamw = OPTIMIZERS["adamw"]
    # 100 elements are trained: 108 is the next multiple of 2 x 6, and a part has 18.
    two = share(load, adamw, "zero2", 6)
    assert (two.weights, two.adapter, two.gradients) == (33 * 17 * 2, 108 * 2, 18 * 2)
    assert (two.master, two.optimizer) == (18 * 4, 18 * 8 + 4)
    one = share(load, adamw, "zero1", 6)
    assert (one.gradients, one.master) == (100 * 2, two.master)
    # Each is cut in six, filled up: 94, 15 and 3 elements; all are small and stay whole as well.
    three = share(load, adamw, "zero3", 6)
    assert three.weights == (94 + 33 * 17) * 2
    assert three.adapter == (15 + 3 + 100) * 2
    assert (three.gradients, three.master) == (18 * 2, 18 * 4)
    # Along the first side: 6 of 33 rows, 1 of 5, 1 of 3.
    fsdp = share(load, adamw, "fsdp", 6)
    assert (fsdp.weights, fsdp.adapter) == (6 * 17 * 2, (17 + 5) * 4)
    assert (fsdp.gradients, fsdp.optimizer) == (22 * 4, 22 * 8 + 2 * 4)


@pytest.mark.parametrize("strategy", ["zero1", "zero2", "zero3"])
def test_deepspeed_held_what_is_counted(strategy: str) -> None:
    load = Load(
        base=[_piece(FROZEN, "BF16")],
        adapter=[_piece(shape, "F32", True) for shape in TRAINED],
        element="BF16",
        packed=False,
    )
    found = share(load, OPTIMIZERS["adamw"], strategy, GPUS)
    for name, size in RECORDED[strategy].items():
        if (strategy, name) == ("zero1", "gradients"):
            # Whole during the backward pass, and a part of them when it has ended.
            assert found.gradients == 2 * 103 > size
            continue
        assert getattr(found, name) == size, name


def test_a_float32_model_is_cast_to_nothing() -> None:
    load = Load(
        base=[_piece((8, 8), "F32")],
        adapter=[_piece((2, 8), "F32", True)],
        element="F32",
        packed=False,
    )
    found = share(load, OPTIMIZERS["adamw"], "zero2", 2)
    assert (found.weights, found.adapter, found.gradients) == (256, 64, 32)
    assert found.notes == ()


SIDES = st.lists(st.integers(1, 40), min_size=1, max_size=3).map(tuple)


@given(
    st.lists(SIDES, min_size=1, max_size=5), st.integers(2, 16), st.sampled_from(["F32", "BF16"])
)
def test_no_part_is_less_than_its_share(
    shapes: list[tuple[int, ...]], gpus: int, element: str
) -> None:
    load = Load(
        base=[_piece(shape, element) for shape in shapes],
        adapter=[_piece(shape, "F32", True) for shape in shapes],
        element=element,
        packed=False,
    )
    adamw = OPTIMIZERS["adamw"]
    alone = share(load, adamw, None, 1)
    for strategy in STRATEGIES:
        found = share(load, adamw, strategy, gpus)
        assert found.weights * gpus >= alone.weights
        # The adapter is in float32 alone, and may be halved by a cast.
        assert 2 * found.adapter * gpus >= alone.adapter
        assert found.optimizer * gpus >= 8 * sum(piece.elements for piece in load.trained)
    ddp = share(load, adamw, "ddp", gpus)
    assert (ddp.weights, ddp.adapter, ddp.optimizer) == (
        alone.weights,
        alone.adapter,
        alone.optimizer,
    )


def test_more_gpus_hold_less_each() -> None:
    for strategy in ("zero2", "zero3", "fsdp"):
        few = LLAMA.training(ADAPTER, strategy=strategy, gpus=2).bytes
        assert LLAMA.training(ADAPTER, strategy=strategy, gpus=8).bytes < few


@pytest.mark.parametrize(
    "options",
    [
        {"strategy": "fsdp"},
        {"gpus": 8},
        {"strategy": "zero", "gpus": 8},
        {"optimizer": "adam"},
        {"base_dtype": "int4"},
        {"base_dtype": "fp8"},
        {"gpus": 0},
        {"batch": 0, "sequence": 1},
    ],
)
def test_what_does_not_go_together_is_said(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        LLAMA.training(ADAPTER, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"strategy": "zero2", "optimizer": "muon"},
        {"strategy": "fsdp", "optimizer": "adamw8bit"},
        {"strategy": "fsdp", "base_dtype": "4bit"},
        {"strategy": "zero3", "base_dtype": "8bit"},
        {"strategy": "ddp", "optimizer": "lomo"},
    ],
)
def test_what_is_not_counted_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedError, match="not counted"):
        LLAMA.training(ADAPTER, gpus=8, **options)
