# ruff: noqa: E501 (tables of patterns read better unbroken)
"""Whose a count is: said of the model asked about, of its size, of all in the card, of another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hfkv.pretraining.candidates import Found
from hfkv.pretraining.classify import STAGE, Verdict
from hfkv.pretraining.identity import (
    GENERIC,
    Identity,
    names_in,
    same_name,
    sizes_in,
    tokens_of,
)
from hfkv.pretraining.sizes import associated, parameter_sizes
from hfkv.pretraining.words import TRAIN, I

__all__ = ["Fit", "fit"]

Weighed = Sequence[tuple[Found, Verdict]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How surely a count is said of the model asked about.

    Attributes:
        rank: None where it is said of another; 0 of all in the card; 3 of its size; more the
            better its name stands beside it.
        why: in words, where it is another's.
        of_base: whether it is said of the model this one was made from.
    """

    rank: int | None
    why: str = ""
    of_base: bool = False


def fit(found: Found, taken: Weighed, asked: Identity, known: set[int]) -> Fit:
    """Whose ``found`` is. ``taken`` are all that count pretraining tokens of some model, and
    ``known`` every size that is named with them."""
    named = _named(found, asked)
    if named is None:
        return Fit(rank=None, why="said of another model of the same name with a number")
    sized = 0
    sizes = parameter_sizes(found)
    near = associated(found, sizes, taken) if sizes else []
    if near and asked.sizes:
        if not any(asked.fits(size, known) for size in near) and named < 1_000:
            shown = ", ".join(f"{size / 10**9:g}B" for size in near)
            return Fit(rank=None, why=f"said of another size ({shown})")
        sized = 3
    if _lists_data(found) and named < 12:
        return Fit(rank=None, why="a row of what was trained on")
    if found.form != "prose" and not named:
        other = _other_row(found, asked, sized)
        if other:
            return Fit(rank=None, why=other)
    # A table's row that begins as the name does is this model's; the family's name alone is not.
    if near and not asked.sizes and named < 12 and _several_sizes(found, taken):
        return Fit(
            rank=None, why="said of one size of several, and the asked model's size is not known"
        )
    in_row = sized
    if not near:
        under = _heading(found, asked, known)
        if under is None:
            return Fit(rank=None, why="stands under the heading of another size")
        sized = max(sized, under)
    if not asked.version and not named and _one_generation(found, taken, asked):
        return Fit(
            rank=None, why="said of one generation of several, and the asked model's is not known"
        )
    names = names_in(found.subject or found.text[: found.start])
    if asked.family and asked.version and named < 1_000:
        same = [name for name in names if _same(name[1], asked.family)]
        if same and not any(name[2] == asked.version for name in same):
            return Fit(rank=None, why=f"said of another generation ({same[-1][1]} {same[-1][2]})")
    if found.form != "prose" or not found.subject:
        other = _sibling(found, taken, asked)
        of_base = False
        if found.form == "prose" and not other:
            # The name of a directory says nothing of the model that lies in it.
            other, of_base = _other_name(found, asked)
            if of_base:
                return Fit(rank=0, of_base=True)
            other = other if asked.hub else ""
        if other:
            return Fit(rank=None, why=f"said of another model ({other})")
    if found.form != "prose" and not named and not in_row and _one_of_many(found, taken):
        return Fit(
            rank=None, why="one row of several, and none of them names the model asked about"
        )
    return Fit(rank=max(sized, named, _heading_name(found, asked)))


def _named(found: Found, asked: Identity) -> int | None:
    """How well the names beside a count are the asked model's; None where one of them is its
    name with a number behind, which is another model's."""
    if found.form != "prose":
        return max((same_name(part, asked.own) for part in found.subject.split(" | ")), default=0)
    own = re.escape(asked.own.lower())
    ahead = found.text[: found.start].lower()
    if re.search(rf"(?<![\w-]){own}(?![\w-]|\.[0-9])", ahead):
        return 4
    version = _version(ahead, asked.own)
    if version is not None:
        return 4 if version else None
    if re.search(rf"(?<![\w-]){own}-[0-9]", ahead):
        return None
    return max((same_name(part, asked.own) for part in found.subject.split(" | ")), default=0)


def _generation(found: Found, asked: Identity) -> str:
    """The generation of the asked model's family that a count is said of; "" for none."""
    names = names_in(found.subject or found.text[: found.start])
    said = [version for _, family, version in names if _same(family, asked.family)]
    return said[-1] if said else ""


def _one_generation(found: Found, taken: Weighed, asked: Identity) -> bool:
    """Whether the card counts for several generations of the family, this one of them."""
    mine = _generation(found, asked)
    return bool(mine) and any(
        _generation(other, asked) not in ("", mine) and other.tokens != found.tokens
        for other, _ in taken
    )


def _version(ahead: str, own: str) -> bool | None:
    """Whether the last "Foo v1.1" of a text is the asked model, where its name ends in a version
    of the same model; None where the text names none."""
    mine = [token for token in tokens_of(own) if token not in GENERIC]
    if len(mine) < 3 or mine[-2] != "v":
        return None
    said = tokens_of(ahead)
    stem = tuple(mine[:-1])
    for at in range(len(said) - len(stem), 0, -1):
        if said[at - 1 : at - 1 + len(stem)] == stem:
            return said[at - 1 + len(stem)] == mine[-1]
    return None


def _heading(found: Found, asked: Identity, known: set[int]) -> int | None:
    """3 where the nearest heading with a size has the asked model's, None where another's, 0
    where no heading has one."""
    for heading in reversed(found.segment.headings):
        sizes = [size for *_, size in sizes_in(re.sub(r"[0-9.]+[BT]?[ -]tokens?", "", heading))]
        if sizes and asked.sizes:
            return 3 if any(asked.fits(size, known) for size in sizes) else None
    return 0


def _heading_name(found: Found, asked: Identity) -> int:
    """2 where a heading above names a variant that the asked model's name has too."""
    own = set(tokens_of(asked.own)) - GENERIC
    for heading in found.segment.headings[1:]:
        said = set(tokens_of(heading)) - GENERIC
        if len(said) > 1 and said <= own:
            return 2
    return 0


def _sibling(found: Found, taken: Weighed, asked: Identity) -> str:
    """Where one sentence, row or column gives a count to each of several models: the words of
    the asked model's name that stand with another count and not with this one."""
    own = set(re.findall(r"[a-z]{2,}", asked.own.lower())) - GENERIC - {asked.family}
    places: dict[int, str] = {}
    for other, _ in taken:
        if other.form != found.form:
            continue
        if found.form == "prose":
            if other.segment is found.segment and other.at == found.at:
                places[other.start] = ""
        elif _one_line(found, other):
            places[id(other)] = other.subject
    if found.form == "prose":
        starts = sorted(places)
        for previous, start in zip([0, *starts], starts, strict=False):
            places[start] = found.text[previous:start]
    mine = found.start if found.form == "prose" else id(found)
    if len(places) < 2 or mine not in places:
        return ""
    if found.form == "prose" and not re.search(r"\b(?!Tokens?\b)[A-Z][A-Za-z]{2,}", places[mine]):
        return ""
    words = {
        place: set(re.findall(r"[a-z]{2,}", text.lower())) & own for place, text in places.items()
    }
    here = words.pop(mine)
    return " ".join(sorted(set().union(*words.values()) - here))


def _one_line(found: Found, other: Found) -> bool:
    """Whether two cells stand in one column, or one row, of one table."""
    if other.segment.table is not found.segment.table or other.form != found.form:
        return False
    if found.form == "column":
        return other.segment.column == found.segment.column
    return other.segment.row == found.segment.row


def _several_sizes(found: Found, taken: Weighed) -> bool:
    """Whether the same sentence or table gives other counts, each to a size of its own."""
    counts = {
        other.tokens
        for other, _ in taken
        if other.form == found.form
        and (
            other.segment.table is found.segment.table
            if found.segment.table is not None
            else other.segment is found.segment and other.at == found.at
        )
        and parameter_sizes(other)
    }
    return len(counts) > 1


def _lists_data(found: Found) -> bool:
    """Whether a column's table lists what was trained on, and not the models that were."""
    table = found.segment.table
    if found.form != "column" or table is None or _TOTAL.match(found.subject):
        return False
    return bool(_DATA.search(table.header(0)))


#: The row that adds up the others.
_TOTAL = re.compile(r"\W{0,4}(?:grand )?(?:(?:totals?|sum|all|overall)\b|合计|总计|合計)", I)
_DATA = re.compile(
    r"\bdata-?\s?sets?\b|\bsources?\b|\bsubsets?\b|corpus|corpora|\bdomains?\b|\blanguages?\b|categor|数据集|语料|来源|语言",
    I,
)


def _one_of_many(found: Found, taken: Weighed) -> bool:
    """Whether the column or row holds other counts, and this is not the one that adds them up."""
    line = {other.tokens for other, _ in taken if _one_line(found, other)}
    if len(line) <= 1 or STAGE.match(found.subject):
        return False
    return not _TOTAL.match(found.subject)


def _same(name: str, family: str) -> bool:
    return name == family or family == name.replace("-", "")


_PLAIN = frozenset(
    """tokens token total params parameters base model models value instruct chat moe dense training
    stage size new mix of the hf phase pretraining setting hyperparameter parameter details""".split()
)


def _other_row(found: Found, asked: Identity, sized: int) -> str:
    """Why a row or column of a comparison is another model's; "" where it may be this one's."""
    subject = found.subject
    if STAGE.match(subject):
        return ""
    words = {word.lower() for word in re.findall(r"[A-Za-z]{2,}", subject)} - _PLAIN
    if not words or words & asked.words:
        return ""
    if _akin("".join(words), asked.words):
        return ""
    # A card's own title names its model, whatever the repository is called.
    title = " ".join(found.segment.headings[:1]).lower()
    if sized and any(word in title for word in words if len(word) > 2):
        return ""
    looks = re.search(r"[A-Z][a-zA-Z]*[ -]?[0-9]|[A-Z]{2,}|[a-z][A-Z]", subject)
    if (looks or sizes_in(subject)) and found.form == "column":
        return "said of another model's row"
    if found.form == "row" and looks:
        return "said of another model's column"
    return ""


def _akin(joined: str, words: frozenset[str]) -> bool:
    return any(word in joined or joined in word for word in words if len(word) > 2)


_NAME = r"(?P<name>[A-Z][\w.\-]*(?:[ -][A-Z0-9][\w.\-]*){0,4})"
_TRAINED = re.compile(
    rf"(?:^|[\s,;:(\-–—])(?:the\s|our\s|original\s|base\s)*{_NAME}"
    r"(?:\s(?:[\w-]+\s){0,2}?(?:model|LLM|backbone|network)s?)?(?:\s\([^()]{0,60}\))?(?:"
    r"\s(?:models?\s|family\s|series\s)?(?:is|was|were|are|has been|have been|had been|being)\s(?:\w+\s){0,3}?(?:pre-?)?train"
    r"|,\s(?:which|that)\s(?:is|was|were|are|has been|have been|had been)\s(?:\w+\s){0,3}?(?:pre-?)?train"
    r"|,\san?\s[^,.;]{1,60}?\s(?:pre-?)?train"
    r"|,?\s\(?(?:\w+ly\s)?(?:pre-?)?train(?:ed)\s(?:from scratch\s)?(?:on|for|with|over|using)"
    r"|\s(?:has\s|had\s|only\s|have\s)*(?:saw|seen)\b)"
)
#: "than Bar (2T tokens)", "the tokens of Bar (2T tokens)".
_IN_BRACKETS = re.compile(
    rf"\b(?:of|than|like|versus|vs\.?|to|unlike)\s(?:the\s)?{_NAME}\s?\(\W{{0,3}}$"
)
#: "training Bar-2 on N tokens".
_OBJECT = re.compile(
    rf"(?<!continue )(?<!continued )(?<!continuing )\b(?:[Pp]re-?)?[Tt]rain(?:ing|ed)?\s(?:of\s)?(?=\S*[0-9]){_NAME}\s(?:on|for|with|over)\s[^,.;]{{0,30}}$"
)
_PRONOUNS = frozenset(
    """the this our these model models it we both all each base despite although while after once
    when having they and pretraining family language its training every data then first is new in for
    as with on trained overview stage phase to token tokens total number parameters details
    parameter billion million trillion an""".split()
)
#: "a fine-tune of X, which was trained": X is the base, and its count is this model's too.
_MADE_FROM = re.compile(
    r"\b(?:fine-?tun\w*|tuned|version|variant|built|based|deriv\w+|initiali[sz]\w*|adapt\w+|start(?:s|ed|ing)?|checkpoint|merge[ds]?|quanti[sz]\w*|quant|continu\w*|trained|constructed|extends?|extension|uses?|using)\b"
    r"[^.;]{0,40}?\b(?:of|from|on|upon|with|uses?|using|extends?)\s(?:top of\s)?(?:the\s|our\s|original\s|base\s|model\s)*$",
    re.IGNORECASE,
)


def _other_name(found: Found, asked: Identity) -> tuple[str, bool]:
    """The name of another model that the sentence says was trained ("" for none), and whether
    the asked model was made from it."""
    before = found.text[: found.start]
    last = _IN_BRACKETS.search(before) or _OBJECT.search(before)
    for match in _TRAINED.finditer(before):
        last = match
    if last is None:
        return "", False
    between = before[last.end() :]
    if re.search(rf"\b(?:and|which|this|it|we)\b[^,;]{{0,40}}{TRAIN}", between, I):
        # Another verb of training, with a subject of its own, stands nearer.
        return "", False
    name = last["name"]
    words = {word.lower() for word in re.findall(r"[A-Za-z]{2,}", name)}
    if not words - _PRONOUNS:
        return "", False
    if words & asked.words or _akin("".join(re.findall(r"[a-z]+", name.lower())), asked.words):
        return "", False
    # A card's own title names its model, whatever the repository is called.
    if name.lower() in " ".join(found.segment.headings).lower():
        return "", False
    return name, bool(_MADE_FROM.search(before[: last.start("name")]))
