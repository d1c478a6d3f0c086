# ruff: noqa: E501 (tables of patterns read better unbroken)
"""A card as segments of plain text: paragraphs, items, table cells, each with its offsets.

markdown-it finds the blocks; inline markup is taken off here character by character, so that
every character of a segment still knows where it stands in the card.
"""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hfkv.pretraining.labels import counts_tokens
from hfkv.pretraining.metadata import split

__all__ = ["LARGEST", "LINES", "Segment", "Table", "normalise", "readable", "segments"]

#: Characters of a card that are read. The longest real cards are some hundred kB.
LARGEST = 300_000
#: Lines of a card that are read; each costs the parser as much as a paragraph. The longest real
#: cards have some thousands.
LINES = 10_000
_MOST_CELLS = 6_000
_INTERESTING = re.compile(
    r"tok[ea]|jeton|ток[ае]н|토큰|トークン|词元|詞元|标识符|標識符|[0-9] ?(?:GT|T|TT)\b|兆|万亿|萬億|语料",
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"[ \t\r]{0,80}\\?\n[ \t>]{0,80}(?:[-*+] )?"
    r"|\\(?:times|cdot|sim|approx|geq?|gt|leq?|lt)(?![a-z])|\\(?:text|textbf|mathrm|mathbf)\{"
    r"|\\[\\`*_{}\[\]()#+\-.!~$|>,;:]"
    r"|\}(?=\$)|<br ?/?>|<sup>\s?[0-9]{1,2}\s?</sup>|</?[a-zA-Z][^<>]{0,600}>"
    r"|&(?:#[0-9]{1,6}|#x[0-9a-fA-F]{1,6}|[a-zA-Z]{2,10});"
    r"|\]\([^()\s]{0,800}(?: [^()\n]{0,200})?\)|\[\^[^\]\n]{1,40}\]|!?\[|\]"
    r"|\bhttps?://[^\s<>|)]{1,800}"
    r"|(?<![0-9*])\*+|\*+(?![0-9*])|`+|\$+|~~|__+|(?<!\w)_(?=\w)|(?<=\w)_(?!\w)"
    r"|[\s\x00-\x1f\x7f]+",
    re.DOTALL,
)


#: A line break that ends a line of its own, in place of one that would be a space.
_HARD = "\u2028"
_LATEX = {
    "\\times": "×", "\\cdot": "×", "\\sim": "≈", "\\approx": "≈", "\\ge": "≥", "\\geq": "≥",
    "\\gt": ">", "\\le": "≤", "\\leq": "≤", "\\lt": "<",
}  # fmt: skip
_BLOCK = re.compile(r"</?(?:li|p|div|ul|ol|h[1-6]|tr|dd|dt|summary|details)\b", re.IGNORECASE)
#: How much of the line that leads to a list is kept.
_LEAD = 200
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class Segment:
    """Plain text, and for each of its characters the offset of its source in the card.

    ``kind`` is prose, item, heading or cell; ``headings`` are the texts of the headings above;
    a cell has its table and its place in the grid; an item has the line that leads to its list.
    """

    text: str
    offsets: list[int]
    kind: str = "prose"
    headings: tuple[str, ...] = ()
    table: Table | None = None
    row: int = 0
    column: int = 0
    lead: str = ""


@dataclass(slots=True)
class Table:
    """A grid of cells; spans are filled in by repeating the cell. ``heads`` is how many rows at
    the top are headers."""

    rows: list[list[Segment]] = field(default_factory=list)
    heads: int = 1

    def header(self, column: int) -> str:
        """The texts of the header cells above a column."""
        seen = dict.fromkeys(
            row[column].text for row in self.rows[: self.heads] if column < len(row)
        )
        return " ".join(" ".join(seen).split())


def normalise(card: str, start: int, end: int) -> tuple[str, list[int]]:
    """The plain text of ``card[start:end]``, and where each character of it stands."""
    out: list[str] = []
    offsets: list[int] = []
    position = start
    for match in _MARKUP.finditer(card, start, end):
        out.append(card[position : match.start()])
        offsets.extend(range(position, match.start()))
        shown = _shown(match[0])
        if shown == " " and (not out or "".join(out[-1:])[-1:] == " "):
            shown = ""
        if shown:
            out.append(shown)
            offsets.extend([match.start()] * len(shown))
        position = match.end()
    out.append(card[position:end])
    offsets.extend(range(position, end))
    return "".join(out), offsets


def _shown(mark: str) -> str:
    if "\n" in mark and not mark.startswith("<"):
        # A hard line break ends a line of its own; any other is a space.
        return "\n" if mark.startswith(("  ", "\\")) else " "
    if mark.startswith("<br") or _HARD in mark or _BLOCK.match(mark):
        return "\n"
    if mark in _LATEX:
        return _LATEX[mark]
    if mark.startswith("<sup>"):
        return mark[5:-6].strip().translate(_RAISED)
    if mark.startswith("\\") and len(mark) == 2:
        return "" if mark[1] in ",;:" else mark[1]
    if mark.startswith("&"):
        plain = html.unescape(mark)
        return " " if plain.isspace() or not plain.isprintable() else plain
    if mark.startswith(("http", "</td")) or mark.isspace():
        return " "
    if mark.startswith("\n") or not mark[0].isprintable():
        return " "
    return ""


#: A line of a paragraph that is a field of its own: "Training tokens: 1.4T".
_FIELD_LINE = re.compile(
    r"^[ \t>]{0,8}(?:[-*+] )?\W{0,4}[A-Z][\w ()/#-]{2,40}\W{0,4}[:：][^\n]{1,300}$", re.M
)


def _fields_apart(card: str, start: int, end: int) -> str:
    """The card, with the line breaks between fields that run together made hard ones."""
    fields = list(_FIELD_LINE.finditer(card, start, end))
    if len(fields) < 2:
        return card
    for first, second in itertools.pairwise(fields):
        if second.start() == first.end() + 1:
            for at in (first.end(), second.end()):
                if at < end and card[at] == "\n":
                    card = card[:at] + _HARD + card[at + 1 :]
    return card


def _segment(card: str, start: int, end: int, **more: object) -> Segment:
    text, offsets = normalise(_fields_apart(card, start, end), start, end)
    lead = len(text) - len(text.lstrip())
    kept = len(text.rstrip())
    return Segment(text[lead:kept], offsets[lead:kept], **more)  # type: ignore[arg-type]


def readable(card: str) -> int:
    """How many of a card's characters are read: all of them, of any real card."""
    end = -1
    for _ in range(LINES):
        end = card.find("\n", end + 1, LARGEST)
        if end < 0:
            return min(len(card), LARGEST)
    return end + 1


def segments(card: str) -> Iterator[Segment]:
    """Segments of a card's body that could speak of tokens, in the card's order."""
    _, body = split(card)
    card = card[: readable(card)]
    if not _INTERESTING.search(card, body):
        return
    card = _without_comments(card, body)
    blanked, tables = _html_tables(card, body)
    yield from _markdown(card, blanked, body)
    for table in tables:
        yield from _cells(table)


def _without_comments(card: str, start: int) -> str:
    """The card with HTML comments, which nobody sees, blanked out; line breaks kept."""
    pieces = [card[:start]]
    while (opened := card.find("<!--", start)) >= 0:
        closed = card.find("-->", opened + 4)
        if closed < 0:
            break
        pieces += [card[start:opened], re.sub(r"[^\n]", " ", card[opened : closed + 3])]
        start = closed + 3
    return "".join([*pieces, card[start:]])


def _markdown(card: str, blanked: str, body: int) -> Iterator[Segment]:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table").disable("inline")
    source = blanked[body:].replace("\r\n", " \n").replace("\r", "\n").replace("\x00", " ")
    source = _as_wide(_fewer_rows(source))
    starts = [body]
    for match in re.finditer("\n", source):
        starts.append(body + match.end())
    starts.append(body + len(source))
    headings: list[tuple[int, str]] = []
    depth = 0
    lead = ""
    rows_until = -1
    tokens = parser.parse(source)
    for number, token in enumerate(tokens):
        if token.map is None and token.type not in ("list_item_open", "list_item_close"):
            continue
        if token.type == "list_item_open":
            depth += 1
            continue
        if token.type == "list_item_close":
            depth -= 1
            continue
        assert token.map is not None
        first = starts[min(token.map[0], len(starts) - 1)]
        last = starts[min(token.map[1], len(starts) - 1)]
        above = tuple(text for _, text in headings)
        if token.type == "table_open":
            rows_until = token.map[1]
            lines = (at for at in range(*token.map) if at != token.map[0] + 1)
            yield from _cells(_markdown_table(card, starts, lines, above))
        elif token.type == "fence" and token.info.strip().lower() in _PLAIN:
            drawn = _drawn_rows(token.content)
            lines = (token.map[0] + 1 + at for at in drawn)
            yield from _cells(_markdown_table(card, starts, lines, above))
            for at in _fields(token.content):
                row = token.map[0] + 1 + at
                yield _segment(card, starts[row], starts[row + 1], kind="item", headings=above)
        elif token.type in ("inline", "html_block"):
            if token.map[0] < rows_until and token.type == "inline":
                continue
            previous = tokens[number - 1] if number else None
            if not depth:
                line = card[first:last].strip(" *_\n").rpartition("\n")[2]
                lead = line[-_LEAD:] if line.endswith((":", "：")) else ""
            if previous is not None and previous.type == "heading_open":
                level = int(previous.tag[1:])
                segment = _segment(card, first, last, kind="heading", headings=above)
                text = segment.text.strip("#= -")
                headings = [item for item in headings if item[0] < level]
                headings.append((level, text[:200]))
                if _INTERESTING.search(text):
                    yield segment
            elif _INTERESTING.search(blanked, first, last):
                if token.type == "html_block":
                    shown = blanked[first:last]
                    segment = _segment(shown, 0, len(shown), kind="prose", headings=above)
                    yield Segment(
                        segment.text, [first + at for at in segment.offsets], "prose", above
                    )
                else:
                    kind = "item" if depth else "prose"
                    leads = lead if depth else ""
                    yield _segment(card, first, last, kind=kind, headings=above, lead=leads)


_DELIMITERS = re.compile(
    r"^(?P<head>[ \t>]{0,8}\|[^\n]{3,2000}\|)[ \t]*\n(?P<row>[ \t>]{0,8}\|(?:[ \t]*:?-+:?[ \t]*\|){2,60})[ \t]*$",
    re.M,
)


def _as_wide(source: str) -> str:
    """The source with the delimiters below a header made as many as its cells, where they were
    more or fewer and the parser sees no table; of the same length."""

    def fitted(match: re.Match[str]) -> str:
        cells = len(_BAR.findall(match["head"])) - 1
        row = match["row"]
        if row.count("|") - 1 == cells or len(row.strip(" >\t")) < 2 * cells + 1:
            return match[0]
        lead = row[: row.index("|")]
        wide = f"{lead}|" + "-|" * cells
        return match[0].replace(row, wide + " " * (len(row) - len(wide)))

    return _DELIMITERS.sub(fitted, source)


def _fewer_rows(source: str) -> str:
    """The source with table rows past a number that no card has left empty: each costs the
    parser as much as a paragraph."""
    if source.count("|") <= _MOST_CELLS:
        return source
    bars = 0
    lines = source.split("\n")
    for number, line in enumerate(lines):
        bars += line.count("|")
        if bars > 4 * _MOST_CELLS:
            lines[number] = " " * len(line)
    return "\n".join(lines)


#: What columns are told apart by, in Markdown and where a table is drawn.
_BAR = re.compile(r"(?<!\\)[|│┃║]")
_DRAWN_ROW = re.compile(r"[ \t]*[|│┃║].*[|│┃║][ \t]*$")
#: Kinds of fenced text that is no code.
_PLAIN = frozenset(("", "text", "txt", "plain", "plaintext", "ascii"))


def _drawn_rows(text: str) -> list[int]:
    """The lines that are rows of a table drawn in fenced text; none where they differ in how many
    cells they have."""
    rows = {
        number: len(_BAR.findall(line))
        for number, line in enumerate(text.split("\n"))
        if _DRAWN_ROW.match(line) and re.search(r"\w", line)
    }
    return list(rows) if len(rows) > 1 and len({*rows.values()}) == 1 else []


#: "Number of training tokens: 11,219,763,200"
_REPORTED = re.compile(
    r"[ \t]{0,8}(?P<label>[A-Za-z#][\w #()./-]{2,60}?)[ \t]{0,20}[:=][ \t]{0,20}[~≈]?[0-9][0-9.,_]{0,30}[ \t]?(?:[TBM]|trillion|billion|million)?(?:[ \t]?tokens)?[ \t]{0,20}"
)


def _fields(text: str) -> list[int]:
    """The lines of fenced text, as of a report or a log, that are fields of a count of tokens."""
    lines = text.split("\n")[:2_000]
    fields = ((at, _REPORTED.fullmatch(line)) for at, line in enumerate(lines) if len(line) < 200)
    return [at for at, field in fields if field and counts_tokens(field["label"])]


def _cells(table: Table) -> Iterator[Segment]:
    seen: set[int] = set()
    for row in table.rows:
        for cell in row:
            if cell.text and id(cell) not in seen:
                seen.add(id(cell))
                yield cell


def _markdown_table(
    card: str, starts: list[int], lines: Iterable[int], above: tuple[str, ...]
) -> Table:
    """The table whose rows are these lines of the body."""
    table = Table()
    count = 0
    for number in lines:
        begin, end = starts[number], starts[min(number + 1, len(starts) - 1)]
        line = card[begin:end].rstrip()
        bars = [m.start() for m in _BAR.finditer(line)]
        edges = [-1, *bars, len(line)]
        spans = [(a + 1, b) for a, b in itertools.pairwise(edges)]
        if spans and not line[: spans[0][1]].strip(" >-*\t"):
            spans = spans[1:]
        if spans and not line[spans[-1][0] :].strip() and len(spans) > 1:
            spans = spans[:-1]
        row = []
        for column, (a, b) in enumerate(spans):
            count += 1
            if count > _MOST_CELLS:
                return table
            row.append(
                _segment(
                    card,
                    begin + a,
                    begin + b,
                    kind="cell",
                    headings=above,
                    table=table,
                    row=len(table.rows),
                    column=column,
                )
            )
        table.rows.append(row)
    return table


_TAG = re.compile(r"<(/?)(table|tr|td|th)\b([^<>]{0,400})>", re.IGNORECASE)
_SPAN = re.compile(r"\b(row|col)span\s{0,3}=\s{0,3}[\"']?([0-9]{1,3})", re.IGNORECASE)


def _html_tables(card: str, body: int) -> tuple[str, list[Table]]:
    """HTML tables, and the card with their text blanked out, line breaks kept."""
    tables: list[Table] = []
    pieces: list[str] = []
    done = 0
    cells: list[list[tuple[int, int, int, int, bool]]] = []
    inside = False
    opened = 0
    cell: tuple[int, int, int, bool] | None = None
    count = 0

    def close(at: int) -> None:
        nonlocal cell
        if cell is not None:
            if not cells:
                cells.append([])
            cells[-1].append((cell[0], at, cell[1], cell[2], cell[3]))
            cell = None

    for match in _TAG.finditer(card, body):
        closing, name = bool(match[1]), match[2].lower()
        if name == "table" and not closing:
            if not inside:
                inside, opened, cells, cell = True, match.start(), [], None
        elif not inside:
            continue
        elif name == "table":
            close(match.start())
            tables.append(_html_grid(card, cells))
            pieces += [card[done:opened], re.sub(r"[^\n]", " ", card[opened : match.end()])]
            done, inside = match.end(), False
        elif name == "tr":
            close(match.start())
            if not closing:
                cells.append([])
        else:
            close(match.start())
            count += 1
            if not closing and count <= 2 * _MOST_CELLS:
                spans = {m[1].lower(): int(m[2]) for m in _SPAN.finditer(match[3])}
                cell = (match.end(), spans.get("row", 1), spans.get("col", 1), name == "th")
    pieces.append(card[done:])
    return "".join(pieces), tables


def _html_grid(card: str, cells: list[list[tuple[int, int, int, int, bool]]]) -> Table:
    table = Table()
    waiting: dict[int, tuple[int, Segment]] = {}
    total = 0
    heads = 0
    for number, line in enumerate(cells):
        row: list[Segment] = []

        def spanned(row: list[Segment]) -> None:
            while len(row) in waiting:
                column = len(row)
                left, held = waiting[column]
                row.append(held)
                if left > 1:
                    waiting[column] = (left - 1, held)
                else:
                    del waiting[column]

        for start, end, down, across, _ in line:
            spanned(row)
            item = _segment(card, start, end, kind="cell", table=table, row=number, column=len(row))
            for _ in range(max(1, min(across, 50))):
                total += 1
                if total > _MOST_CELLS:
                    return table
                if down > 1:
                    waiting[len(row)] = (min(down, 200) - 1, item)
                row.append(item)
        spanned(row)
        table.rows.append(row)
        if number == heads and line and all(header for *_, header in line):
            heads = number + 1
    table.heads = max(1, heads)
    return table
