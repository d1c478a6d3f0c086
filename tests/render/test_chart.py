"""The charts show the exact figures, name what they show, and are written whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import hfkv
from hfkv.comparison.series import OverRank, OverTokens, over_rank, over_tokens
from hfkv.render.chart import draw, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder: the test's own also holds its Hugging Face home."""
    path = tmp_path / "charts"
    path.mkdir()
    return path


LLAMA = "meta-llama/Meta-Llama-3-70B"
SEVERAL = (LLAMA, "google/gemma-3-27b-it", "Qwen/Qwen3-8B", "microsoft/Phi-3-mini-4k-instruct")


@cache
def _models(*names: str) -> tuple[hfkv.Model, ...]:
    return tuple(hfkv.load(name, source="snapshot") for name in names)


@cache
def _chart(over: str, *names: str) -> OverTokens | OverRank:
    return over_tokens(_models(*names)) if over == "tokens" else over_rank(_models(*names))


def _line(axis: Any, label: str) -> Any:
    return next(line for line in axis.lines if str(line.get_label()).startswith(label))


def _texts(figure: Any) -> str:
    legends = [*figure.legends, *(axis.get_legend() for axis in figure.axes)]
    texts = [text.get_text() for legend in legends if legend for text in legend.get_texts()]
    for axis in figure.axes:
        texts += [text.get_text() for text in axis.texts]
        texts += [axis.get_title(loc="left"), axis.get_xlabel(), axis.get_ylabel()]
    return "\n".join(texts)


def test_over_tokens_draws_the_figures_of_the_comparison() -> None:
    figure = draw(_chart("tokens", LLAMA))
    (axis,) = figure.axes
    assert set(_line(axis, "in context").get_ydata()) == {327_680.0}
    adapter = dict(_line(axis, "LoRA r=32").get_xydata().tolist())
    assert adapter[1.0] == 828_375_040
    assert adapter[100_000.0] == 828_375_040 / 100_000
    level = _line(axis, "pretraining").get_ydata()
    assert list(level) == [70_553_706_496 * 2 / 15_000_000_000_000] * 2
    text = _texts(figure)
    assert "break-even\n2,528 tokens" in text
    assert "pretraining, at most 0.0094 B" in text
    assert "Meta-Llama-3-70B: how many bytes does a token leave behind?" in text


def test_over_tokens_marks_each_of_several_ranks() -> None:
    text = _texts(draw(over_tokens(_models(LLAMA), r=(8, 64))))
    assert "LoRA r=8" in text
    assert "LoRA r=64" in text
    assert "break-even (r=8)\n632 tokens" in text
    assert "break-even (r=64)\n5,056 tokens" in text


def test_a_window_bends_the_curve() -> None:
    (axis,) = draw(_chart("tokens", "microsoft/Phi-3-mini-4k-instruct")).axes
    heights = _line(axis, "in context").get_ydata()
    assert heights[0] > 100 * heights[-1]


def test_over_rank_draws_ratio_and_share_and_says_what_is_shaded() -> None:
    figure = draw(_chart("rank", LLAMA))
    top, bottom = figure.axes
    ratios = dict(_line(top, "Meta").get_xydata().tolist())
    shares = dict(_line(bottom, "Meta").get_xydata().tolist())
    assert ratios[32.0] == 32_768_000_000 / 828_375_040
    assert shares[32.0] == 100 * 828_375_040 / 141_107_412_992
    # Rank 12's adapter is 310,640,640 bytes, less than 1% of the cache, and 13's is more; rank
    # 54's is below 1% of the weights and 55's above.
    assert "shaded, ranks 13 to 54: adapter at most 1% of the weights" in _texts(figure)
    assert len(top.patches) == len(bottom.patches) == 1


@pytest.mark.parametrize("over", ["tokens", "rank"])
def test_several_models_can_be_told_apart_without_colour_and_nothing_is_clipped(over: str) -> None:
    figure = draw(_chart(over, *SEVERAL))
    text = _texts(figure)
    for name in SEVERAL:
        assert name.rpartition("/")[2] in text
    from matplotlib.lines import Line2D

    handles = figure.legends[0].legend_handles
    assert len({handle.get_marker() for handle in handles if isinstance(handle, Line2D)}) == len(
        SEVERAL
    )
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert figure.bbox.x0 <= box.x0
    assert box.x1 <= figure.bbox.x1
    assert figure.bbox.y0 <= box.y0
    assert box.y1 <= figure.bbox.y1


def test_a_count_that_is_not_stated_is_said() -> None:
    text = _texts(draw(_chart("tokens", LLAMA, "mistralai/Mistral-7B-v0.1")))
    assert "Mistral-7B-v0.1: break-even at 1,280 tokens; pretraining not stated" in text


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_files_are_the_same_each_time(folder: Path, ending: str) -> None:
    written = []
    for number in range(2):
        path = folder / f"{number}.{ending}"
        save(draw(_chart("tokens", LLAMA)), path)
        written.append(path.read_bytes())
    assert written[0] == written[1]
    assert len(written[0]) > 1000
    assert len(list(folder.iterdir())) == 2


def test_another_ending_is_refused_with_those_that_work(folder: Path) -> None:
    figure = draw(_chart("tokens", LLAMA))
    with pytest.raises(hfkv.HfkvError, match=r"\.png, \.svg or \.pdf"):
        save(figure, folder / "chart.bmp")
    assert not list(folder.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = draw(_chart("tokens", LLAMA))
    path = folder / "chart.png"
    path.write_bytes(b"old")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure, "savefig", full)
    with pytest.raises(hfkv.HfkvError, match="No space left on device"):
        save(figure, path)
    assert path.read_bytes() == b"old"
    assert list(folder.iterdir()) == [path]
    with pytest.raises(hfkv.HfkvError, match="cannot be written"):
        save(figure, folder / "missing" / "chart.png")


def test_more_models_than_can_be_told_apart_are_refused() -> None:
    chart = over_tokens(_models(LLAMA))
    with pytest.raises(hfkv.HfkvError, match="1 to 7"):
        draw(replace(chart, models=chart.models * 8))


def test_a_chart_over_ranks_needs_the_size_of_the_weights() -> None:
    chart = over_rank(_models(LLAMA))
    (model,) = chart.models
    points = tuple(replace(point, share_of_weights=None) for point in model.points)
    blind = replace(model, weight_bytes=None, points=points, sweet_spot=None)
    with pytest.raises(hfkv.HfkvError, match="size of the weights is not known"):
        draw(replace(chart, models=(blind,)))
