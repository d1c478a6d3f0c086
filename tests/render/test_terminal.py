"""Tables on a terminal: widths, wrapping, colour, encodings, and nothing that steers the screen."""

from __future__ import annotations

import io
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hfkv.cli import output
from hfkv.reading import printable
from hfkv.render.sheet import Sheet
from hfkv.render.terminal import cells, draw, fold, print_sheets

SHEET = Sheet(
    title="A title",
    columns=("way of learning", "bytes", "known"),
    rows=[("in context", "32,768,000,000", "exact"), ("fine-tuned", "-", "refused")],
    lines=["a line under it"],
    left=(2,),
)


class _Screen(io.StringIO):
    """A terminal as far as the command can tell."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_numbers_stand_right_and_words_left() -> None:
    assert list(draw([SHEET])) == [
        "A title",
        "way of learning            bytes   known",
        "─" * 42,
        "in context        32,768,000,000   exact",
        "fine-tuned                     -   refused",
        "a line under it",
    ]


def test_the_widest_columns_give_way_and_headings_stand_on_the_rule() -> None:
    sheet = Sheet(title="", columns=("a b", "r"), rows=[("one two three", "1"), ("five", "2")])
    assert list(draw([sheet], width=11)) == [
        "a b       r",
        "───────────",
        "one two   1",
        "three",
        "five      2",
    ]
    assert list(draw([sheet], width=6)) == [
        "a",
        "b    r",
        "──────",
        "on   1",
        "e",
        "tw",
        "o",
        "th",
        "re",
        "e",
        "fi   2",
        "ve",
    ]


@given(
    st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40)), min_size=1, max_size=4),
    st.integers(8, 60),
)
def test_no_line_is_wider_than_the_screen_or_steers_it(
    rows: list[tuple[str, str]], width: int
) -> None:
    sheet = Sheet(title=rows[0][0], columns=("name", "value"), rows=rows, lines=rows[0])
    for line in draw([sheet], width=width):
        assert cells(line) <= width
        assert line == printable(line, len(line))


@given(st.text(max_size=200), st.integers(2, 40))
def test_folding_loses_nothing_but_blanks(text: str, width: int) -> None:
    shown = "".join(printable(line, len(line)) for line in text.split("\n"))
    assert "".join("".join(fold(text, width)).split()) == "".join(shown.split())


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("日本語", 6), ("e\u0301a\u0308", 2), ("\uff21", 2), ("", 0)]
)
def test_cells(text: str, width: int) -> None:
    assert cells(text) == width


def test_wide_characters_keep_the_columns() -> None:
    sheet = Sheet(title="", columns=("m", "n"), rows=[("日本", "1"), ("abcd", "2")])
    assert list(draw([sheet]))[2:] == ["日本   1", "abcd   2"]


def test_a_pipe_gets_no_styles_and_80_columns() -> None:
    out = io.StringIO()
    print_sheets([SHEET, Sheet(title="x " * 60, columns=(), rows=())], out)
    assert "\x1b" not in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) == 79


def test_nothing_is_printed_of_nothing() -> None:
    out = io.StringIO()
    print_sheets([], out)
    print_sheets([Sheet(title="", columns=("a",), rows=())], out)
    assert out.getvalue() == ""


def test_no_column_vanishes() -> None:
    sheet = Sheet(title="", columns=("a", "b", "c"), rows=[("12", "3", "4")])
    assert list(draw([sheet], width=9))[-2:] == ["1   3   4", "2"]


def test_a_terminal_gets_styles(monkeypatch: pytest.MonkeyPatch) -> None:
    out = _Screen()
    print_sheets([SHEET], out)
    assert "\x1b[1mA title\x1b[0m" in out.getvalue()
    assert "\x1b[36min context" in out.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    out = _Screen()
    print_sheets([SHEET], out)
    assert "\x1b[1mA title\x1b[0m" in out.getvalue()
    assert "\x1b[36m" not in out.getvalue()
    monkeypatch.setenv("TERM", "dumb")
    out = _Screen()
    print_sheets([SHEET], out)
    assert "\x1b" not in out.getvalue()


def test_colour_can_be_forced_and_the_width_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "30")
    out = io.StringIO()
    print_sheets([Sheet(title="a " * 40, columns=(), rows=())], out)
    assert out.getvalue().count("\x1b[1m") == 3


def test_what_an_encoding_lacks_is_escaped() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    print_sheets([Sheet(title="日", columns=("a",), rows=[("é",)])], out)
    out.flush()
    assert raw.getvalue().decode("ascii").splitlines() == ["\\u65e5", "a", "-", "\\xe9"]


class _Steps(threading.Event):
    """An event that is waited for so many times before it is set."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def wait(self, timeout: float | None = None) -> bool:
        self.left -= 1
        return self.left < 0


def test_the_moving_line_fits_and_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    screen: Any = _Screen()
    monkeypatch.setattr("sys.stderr", screen)
    output._spin("reading a/b\x1b[31m", ["3 of 30 headers, and more than that"], _Steps(3))
    frames = screen.getvalue().split("\r")
    assert len(frames) == 6
    assert all(len(frame) <= 29 and frame.isprintable() for frame in frames)
    assert frames[1].startswith("| reading a/b\\x1b[31m")
    assert frames[-2].strip() == frames[-1] == ""


def test_an_answer_at_once_shows_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    screen: Any = _Screen()
    monkeypatch.setattr("sys.stderr", screen)
    output._spin("reading a/b", [""], _Steps(0))
    assert screen.getvalue() == ""
