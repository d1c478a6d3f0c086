"""The charts show the exact figures, name what they show, and are written whole or not at all."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import hfkv
from hfkv.comparison.series import OverRank, OverTokens, over_rank, over_tokens
from hfkv.render.chart import STYLES, draw, save

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(hfkv: Run) -> Run:
    """The command; its fixture bears the package's name."""
    return hfkv


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
    return "\n".join([figure.get_suptitle(), *texts])


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
    for said in (
        "break-even\n2,528 tokens",
        "in context: 327,680 B",
        "8.3 kB at 100k\n39.6-fold less",
        "pretraining: at most 0.0094 B",
        "at least 35-million-fold\nless than in context",
        "Meta-Llama-3-70B: how many bytes does a token leave behind?",
        "KV cache in bfloat16; LoRA of all-linear in bfloat16; weights over more than 15T",
    ):
        assert said in text


def test_over_tokens_says_the_figures_of_several_ranks() -> None:
    text = _texts(draw(over_tokens(_models(LLAMA), r=(8, 64), tokens=10_000)))
    assert "r=8: break-even 632 tokens; 21 kB at 10k, 15.8-fold less" in text
    assert "r=64: break-even 5,056 tokens; 166 kB at 10k, 1.98-fold less" in text


def test_a_window_bends_the_curve() -> None:
    figure = draw(_chart("tokens", "microsoft/Phi-3-mini-4k-instruct"))
    (axis,) = figure.axes
    heights = _line(axis, "in context").get_ydata()
    assert heights[0] > 100 * heights[-1]
    text = _texts(figure)
    # Its value is then of a length, and so is the gap.
    assert "in context: 393,216 B at first" in text
    assert "8.0 kB at 100k" in text


def test_over_rank_is_one_panel_with_its_ranks_named() -> None:
    figure = draw(_chart("rank", LLAMA))
    (axis,) = figure.axes
    (model,) = over_rank(_models(LLAMA)).models
    line = dict(_line(axis, "Meta-Llama-3-70B").get_xydata().tolist())
    assert line == {float(point.r): float(point.compression) for point in model.points}
    text = _texts(figure)
    for said in (
        "rank 32: 39.6x, 0.59% of the weights",
        "rank 54 at most: 1% of the weights",
        "beyond the chart, rank 1,265 at most: bytes of the cache",
        "as large as the cache",
        "ranks 13 to 54: at most 1% of the\nweights, at least 1% of the cache",
        "1,266x",
    ):
        assert said in text
    # The share of the weights is the same line, read on the right.
    (right,) = axis.child_axes
    figure.draw_without_rendering()
    low, high = sorted(right.get_ylim())
    bottom, top = axis.get_ylim()
    assert model.weight_bytes is not None
    whole = 100 * model.kv_cache_bytes / model.weight_bytes
    assert (low, high) == pytest.approx((whole / top, whole / bottom))


def _marks(axis: Any) -> list[tuple[float, float]]:
    return [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]))
        for line in axis.lines
        if len(line.get_xdata()) == 1
    ]


@pytest.mark.parametrize("tokens", [1_000, 100_000, 3_000_000])
@pytest.mark.parametrize("r", [1, 8, 1024])
def test_no_mark_lies_on_the_frame_and_each_on_the_line(tokens: int, r: int) -> None:
    chart = over_rank(_models(LLAMA), tokens=tokens, r=r)
    figure = draw(chart)
    (axis,) = figure.axes
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    marks = _marks(axis)
    assert marks
    for rank, height in marks:
        assert left * 1.1 < rank < right / 1.1
        assert low * 1.1 < height < high / 1.1
        exact = chart.models[0].kv_cache_bytes / _models(LLAMA)[0].lora(r=int(rank)).bytes
        assert height == pytest.approx(exact, rel=0.05)


def test_any_list_of_named_ranks_is_drawn() -> None:
    chart = over_rank(_models(LLAMA))
    (model,) = chart.models
    (mark, *_) = model.marks
    marks = tuple(
        replace(mark, name=f"rule{r}", label=f"rule {r}", r=r, bound="most")
        for r in (1, 2, 3, 40, 700, 1024, 5000)
    )
    figure = draw(replace(chart, models=(replace(model, marks=marks),)))
    text = _texts(figure)
    for r in (1, 2, 3, 40, 700, 1024):
        assert f"rank {r:,} at most: rule {r}" in text
    assert "beyond the chart, rank 5,000 at most: rule 5000" in text
    _apart(figure)


def _apart(figure: Any) -> None:
    """The labels with a line to their mark do not touch each other."""
    figure.draw_without_rendering()
    from matplotlib.text import Text

    boxes = [
        Text.get_window_extent(text)
        for axis in figure.axes
        for text in axis.texts
        if getattr(text, "arrow_patch", None) is not None and text.get_text()
    ]
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])


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


def test_each_of_several_lines_has_its_value_where_it_ends() -> None:
    text = _texts(draw(_chart("tokens", *SEVERAL)))
    for value in ("327,680 B", "147,456 B", "828 B", "at most 0.0094 B"):
        assert value in text
    assert "at least 35-million-fold less" in text


@pytest.mark.parametrize("over", ["tokens", "rank"])
def test_lines_that_coincide_are_all_seen(over: str) -> None:
    same = (LLAMA, "meta-llama/Llama-3.1-70B", "meta-llama/Llama-3.3-70B-Instruct")
    (axis,) = draw(_chart(over, *same)).axes
    most = 6 if over == "tokens" else 3
    lines = [line for line in axis.lines if len(line.get_xdata()) > 2][:most]
    groups: dict[tuple[float, ...], list[float]] = {}
    for line in lines:
        groups.setdefault(tuple(line.get_ydata()), []).append(line.get_linewidth())
    assert [len(widths) for widths in groups.values()] == [3] * len(groups)
    for widths in groups.values():
        assert sorted(widths, reverse=True) == widths
        assert all(one - other > 2 for one, other in pairwise(widths))


def test_a_count_that_is_not_stated_is_said() -> None:
    text = _texts(draw(_chart("tokens", LLAMA, "mistralai/Mistral-7B-v0.1")))
    assert "Mistral-7B-v0.1: break-even at 1,280 tokens; pretraining not stated" in text
    assert "pretraining: tokens not stated" in _texts(
        draw(_chart("tokens", "mistralai/Mistral-7B-v0.1"))
    )


@pytest.mark.parametrize("over", ["tokens", "rank"])
def test_both_styles_are_legible(over: str) -> None:
    from matplotlib.colors import to_rgb

    def light(colour: Any) -> float:
        parts = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
            for part in to_rgb(colour)
        ]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    papers = []
    for style in STYLES:
        figure = draw(_chart(over, *SEVERAL), style=style)  # type: ignore[arg-type]
        paper = light(figure.get_facecolor())
        papers.append(paper)
        shown = [text.get_color() for axis in figure.axes for text in axis.texts]
        shown += [line.get_color() for axis in figure.axes for line in axis.lines]
        for colour in shown:
            high, low = sorted((light(colour), paper), reverse=True)
            # What WCAG asks of large text and of parts of a picture.
            assert (high + 0.05) / (low + 0.05) >= 3, colour
    assert papers[0] > 0.9
    assert papers[1] < 0.1


def test_size_and_title_are_the_callers() -> None:
    chart = _chart("tokens", LLAMA)
    assert list(draw(chart, size=(6, 4)).get_size_inches()) == [6, 4]
    bare = _texts(draw(chart, title=False))
    assert "how many bytes" not in bare
    assert "KV cache in" not in bare
    assert "Own words" in _texts(draw(chart, title="Own words"))
    for size in ((0, 5), (5, 1000), (float("nan"), 5)):
        with pytest.raises(hfkv.InputError, match="`size`"):
            draw(chart, size=size)
    with pytest.raises(hfkv.InputError, match="`style`"):
        draw(chart, style="sepia")  # type: ignore[arg-type]


@pytest.mark.parametrize("over", ["tokens", "rank"])
def test_python_draws_what_the_command_draws(run: Run, folder: Path, over: Any) -> None:
    options = ("--source", "snapshot", "--style", "dark", "--size", "7x5", "--no-title")
    path = folder / "command.png"
    code, out, err = run("plot", LLAMA, "--over", over, "-o", str(path), *options)
    assert (code, out, err) == (0, f"{path}\n", "")
    figure = hfkv.plot(LLAMA, over=over, source="snapshot", style="dark", size=(7, 5), title=False)
    save(figure, folder / "python.png")
    assert path.read_bytes() == (folder / "python.png").read_bytes()


def test_a_plot_is_a_figure_that_a_notebook_shows() -> None:
    from matplotlib.figure import Figure

    model = _models(LLAMA)[0]
    figure = hfkv.plot([model, model])
    assert isinstance(figure, Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    assert "matplotlib.pyplot" not in sys.modules or not _open_figures()
    with pytest.raises(hfkv.InputError, match="`over`"):
        hfkv.plot(model, over="time")  # type: ignore[call-overload]
    with pytest.raises(hfkv.InputTypeError, match="`r`"):
        hfkv.plot(model, over="rank", r=(1, 2))
    with pytest.raises(hfkv.InputError, match="`pretraining_tokens`"):
        hfkv.plot([model, model], pretraining_tokens=5)


def _open_figures() -> list[int]:
    from matplotlib import pyplot

    return list(pyplot.get_fignums())


def test_the_callers_settings_change_nothing(folder: Path) -> None:
    import matplotlib

    save(draw(_chart("tokens", LLAMA)), folder / "before.svg")
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "red"}):
        save(draw(_chart("tokens", LLAMA)), folder / "after.svg")
    assert (folder / "before.svg").read_bytes() == (folder / "after.svg").read_bytes()


def test_svg_has_its_text_as_text(folder: Path) -> None:
    save(draw(_chart("tokens", LLAMA)), folder / "chart.svg")
    text = (folder / "chart.svg").read_text(encoding="utf-8")
    for said in ("in context: 327,680 B", "at least 35-million-fold", "break-even", "tokens"):
        assert f">{said}</text>" in text


@pytest.mark.parametrize(
    "arguments", [("--size", "8"), ("--size", "axb"), ("--size", "0x5"), ("--style", "sepia")]
)
def test_misuse_says_what(run: Run, folder: Path, arguments: tuple[str, str]) -> None:
    path = str(folder / "x.png")
    code, out, err = run(
        "plot", LLAMA, "--over", "tokens", "--source", "snapshot", "-o", path, *arguments
    )
    assert (code, out) == (2, "")
    assert arguments[0] in err
    assert not list(folder.iterdir())


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
