"""Figures as data frames: the columns of CSV, whole numbers whole."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import hfkv as package
from hfkv.render.frame import to_records
from tests.conftest import LLAMA

Run = Callable[..., tuple[int, str, str]]
NAMES = [LLAMA, "google/gemma-3-27b-it", "mistralai/Mistral-7B-v0.1"]


class _Polars(ModuleType):
    """As much of polars as is used, so that the frame is tested without it."""

    def __init__(self) -> None:
        super().__init__("polars")

    @staticmethod
    def DataFrame(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:  # noqa: N802
        return columns


@pytest.fixture
def polars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", _Polars())


@pytest.fixture
def found() -> list[package.Comparison | package.HfkvError]:
    return package.compare([*NAMES, "nobody/nothing"], source="snapshot")


def test_comparisons_are_the_rows_of_csv(
    hfkv: Run, polars: None, found: list[package.Comparison]
) -> None:
    frame = package.to_frame(found, library="polars")
    _, out, _ = hfkv("compare", *NAMES, "nobody/nothing", "--source", "snapshot", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(frame) == list(rows[0])
    for name, values in frame.items():
        for row, value in zip(rows, values, strict=True):
            if value is None:
                assert row[name] == "", name
            elif isinstance(value, (int, float)):
                assert float(row[name]) == value, name
            else:
                assert row[name].removeprefix("'") == value, name
    assert frame["kv_cache.bytes"][0] == 32_768_000_000
    assert frame["pretraining.tokens"][2:] == [None, None]
    assert frame["model"][3] == "nobody/nothing"
    assert "no snapshot" in frame["error"][3]


def test_a_row_a_model_a_target_a_rank(polars: None) -> None:
    models = [package.load(name, source="snapshot") for name in NAMES]
    assert package.to_frame(models)["parameters"][0] == 70_553_706_496
    caches = package.to_frame([model.kv_cache(tokens=1000) for model in models])
    assert caches["bytes"][0] == 327_680_000
    adapter = package.to_frame([model.lora(r=8) for model in models])
    assert sum(adapter["model"].count(name) for name in NAMES) == len(adapter["model"])
    assert set(adapter["target"]) >= {"q_proj", "down_proj"}
    ranks = package.to_frame([models[0].rank()])
    assert ranks["r"] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
    # Ratios are no whole numbers, even where one happens to be.
    assert all(isinstance(value, float) for value in ranks["compression"])
    assert all(isinstance(value, int) for value in ranks["bytes"])


def test_errors_among_figures_keep_their_rows(polars: None) -> None:
    model = package.load(LLAMA, source="snapshot")
    failed = package.NotFoundError("there is no snapshot of it", where="nobody/nothing")
    for figure in (model, model.kv_cache(tokens=1000), model.lora(r=8), model.rank()):
        frame = package.to_frame([figure, failed])
        assert (frame["model"][-1], frame["error"][0]) == ("nobody/nothing", None)
        assert "no snapshot" in frame["error"][-1]
        assert "error" not in package.to_frame([figure]) or figure is model


def test_what_is_no_figure_is_refused(polars: None) -> None:
    model = package.load(LLAMA, source="snapshot")
    for items in (LLAMA, 5, [5], [model.pretraining]):
        with pytest.raises(package.InputTypeError, match="`items`"):
            package.to_frame(items)  # type: ignore[arg-type]
    with pytest.raises(package.InputError, match="KVCache and Model"):
        package.to_frame([model, model.kv_cache(tokens=1)])
    with pytest.raises(package.InputError, match="`library`"):
        package.to_frame([model], library="spark")  # type: ignore[arg-type]
    assert to_records([])[0] == []


def test_without_a_library_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    monkeypatch.setattr("hfkv.render.frame.find_spec", lambda name: None)
    model = package.load(LLAMA, source="snapshot")
    with pytest.raises(package.MissingDependencyError, match="pip install pandas"):
        package.to_frame([model])
    with pytest.raises(package.MissingDependencyError, match="pip install polars"):
        package.to_frame([model], library="polars")


def test_pandas_keeps_whole_numbers_beside_missing_ones(found: list[Any]) -> None:
    pandas = pytest.importorskip("pandas")
    frame = package.to_frame(found, library="pandas")
    assert isinstance(frame, pandas.DataFrame)
    assert str(frame["pretraining.tokens"].dtype) == "Int64"
    assert frame["pretraining.tokens"][0] == 15_000_000_000_000
    assert frame["pretraining.tokens"].isna().tolist() == [False, False, True, True]
    assert str(frame["compression.kv_over_lora"].dtype) == "Float64"


def test_polars_has_the_same_columns(found: list[Any]) -> None:
    polars = pytest.importorskip("polars")
    frame = package.to_frame(found, library="polars")
    assert isinstance(frame, polars.DataFrame)
    assert frame["pretraining.tokens"].to_list()[0] == 15_000_000_000_000
    assert frame["pretraining.tokens"].dtype == polars.Int64
    assert frame["compression.kv_over_lora"].dtype == polars.Float64
