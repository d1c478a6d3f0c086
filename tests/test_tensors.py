"""Tensor tables: any set of names comes back the same, from its boxes and from a record."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfkv.boxes import box_size, boxes_of, dump_box, expand, holds, load_box
from hfkv.errors import HeaderError
from hfkv.source.record import dump_tensors, load_tensors
from hfkv.tensors import Tensor, TensorTable, template

NAMES = st.lists(
    st.text(alphabet="ab.{}0129_-é", min_size=1, max_size=12), unique=True, max_size=30
)
INDICES = st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 3)), min_size=1)


@given(INDICES)
def test_boxes_hold_exactly_the_indices(indices: set[tuple[int, ...]]) -> None:
    boxes = boxes_of(indices)
    assert sorted(expand(boxes)) == sorted(indices)
    assert box_size(boxes) == len(indices)
    assert all(holds(boxes, index) for index in indices)
    assert not holds(boxes, (7, 0, 0))
    assert tuple(load_box(dump_box(box)) for box in boxes) == boxes


@given(NAMES)
def test_a_table_gives_back_its_names(names: list[str]) -> None:
    tensors = [
        Tensor(name=name, dtype="BF16" if len(name) % 2 else "F32", shape=(len(name) % 3, 2))
        for name in names
    ]
    table = TensorTable(tensors)
    assert set(table) == set(tensors)
    assert len(table) == len(tensors)
    assert table.bytes == sum(tensor.bytes for tensor in tensors)
    assert all(table.get(tensor.name) == tensor for tensor in tensors)
    rows = json.loads(json.dumps(dump_tensors(table)))
    assert load_tensors(rows, where="x") == table


@given(st.text(alphabet="ab.{}0129_-é[]", max_size=16))
def test_a_template_with_its_numbers_is_the_name(name: str) -> None:
    pattern, indices = template(name)
    assert pattern.format(*indices) == name


def test_a_name_that_stands_twice_is_refused() -> None:
    one = Tensor(name="h.1.w", dtype="BF16", shape=(2,))
    for other in (one, Tensor(name="h.1.w", dtype="F32", shape=(2,))):
        with pytest.raises(HeaderError, match=r"h\.1\.w"):
            TensorTable([one, other])
