"""The shared cases of files that contradict themselves or their class, with the right answers."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from hfkv.facts import Facts
from hfkv.model import Model
from hfkv.tensors import Tensor, TensorTable

CASES = Path(__file__).parents[3] / "shared" / "data" / "cases" / "models"
#: Bytes of the cache at 100 tokens, parameters of the adapter (r=8, all-linear), element type, and
#: whether the figures may be called exact; None where the table of the cases says nothing.
RIGHT: dict[str, tuple[int | None, int | None, str | None, bool]] = {
    "bamba-attention-layers": (41_216, 35_264, None, True),
    "deepseek-v4-tiny": (1_071_360, None, "bfloat16", True),
    "dtype-text-fp32-only": (None, None, "bfloat16", True),
    "dtype-top-bf16-text-fp32": (None, None, "bfloat16", True),
    "dtype-top-fp16-text-bf16": (None, None, "float16", True),
    "eagle3-draft": (None, 884_736, None, False),
    "header-of-nothing": (102_400, None, None, False),
    "internlm2-as-internlm": (13_107_200, None, None, False),
    "llama-weights-missing": (None, 32_768, None, False),
    "mixtral-weights-missing": (None, 61_504, None, False),
}

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are absent")


def _model(name: str) -> Model:
    (header,) = CASES.joinpath(name).glob("*.header.gz")
    tensors = json.loads(gzip.decompress(header.read_bytes()))
    return Model(
        Facts(
            model=name,
            source="directory",
            config=json.loads(CASES.joinpath(name, "config.json").read_bytes()),
            tensors=TensorTable(
                Tensor(name=key, dtype=value["dtype"], shape=tuple(value["shape"]))
                for key, value in tensors.items()
                if key != "__metadata__"
            ),
        )
    )


def test_every_case_has_its_answer_here() -> None:
    assert {path.name for path in CASES.iterdir() if path.is_dir()} == set(RIGHT)


@pytest.mark.parametrize("name", RIGHT)
def test_a_case_is_answered_right(name: str) -> None:
    size, parameters, dtype, exact = RIGHT[name]
    model = _model(name)
    cache, adapter = model.kv_cache(tokens=100), model.lora(r=8)
    assert size in (None, cache.bytes)
    assert parameters in (None, adapter.parameters)
    assert {cache.dtype, adapter.dtype} == {dtype or cache.dtype}
    assert {cache.agreement, adapter.agreement} == {model.agreement}
    for figure, asked in ((cache, size), (adapter, parameters)):
        if not exact or asked is not None or size is parameters:
            assert (figure.basis == "exact") is exact
        assert figure.to_json()["crosscheck"]["verdict"] == model.agreement.verdict
        # What casts doubt comes first.
        assert exact or "contradict" in figure.notes[0] or "do not agree" in figure.notes[0]
