# ruff: noqa: E501 (tables of patterns read better unbroken)
"""The third step: which of the accepted counts is the asked model's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hfkv.pretraining.candidates import Found
from hfkv.pretraining.classify import Verdict
from hfkv.pretraining.identity import Identity, names_in, sizes_in
from hfkv.pretraining.numbers import Quantity

__all__ = ["Candidate", "Choice", "choose"]

#: More tokens than anyone has said to have trained on; more per parameter likewise.
_MOST_TOKENS = 100 * 10**12
_MOST_PER_PARAMETER = 250_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A number of the card with its verdict: ``chosen``, ``agrees``, ``alternative``, ``rejected``."""

    found: Found
    verdict: str
    why: str
    kind: str
    weight: int
    qualifier: str
    specific: int = 0

    @property
    def tokens(self) -> int:
        """The number."""
        return self.found.tokens

    def to_json(self) -> dict[str, object]:
        """The value as JSON has it."""
        return {
            "line": self.found.line,
            "tokens": self.found.tokens,
            "verdict": self.verdict,
            "why": self.why,
            "quote": self.found.quote,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The answer: the tokens with the candidates it stands on, and all that were weighed."""

    tokens: int | None
    qualifier: str | None
    support: tuple[Candidate, ...]
    others: tuple[Candidate, ...]
    every: tuple[Candidate, ...]
    notes: tuple[str, ...]
    reason: str | None


def choose(weighed: Sequence[tuple[Found, Verdict]], asked: Identity) -> Choice:
    """Choose among classified candidates for the model asked about."""
    sizes = _sizes(weighed)
    taken = [pair for pair in weighed if pair[1].taken]
    every: list[Candidate] = []
    for found, verdict in weighed:
        candidate = Candidate(
            found=found,
            verdict="accepted" if verdict.taken else "rejected",
            why=verdict.why,
            kind=verdict.kind,
            weight=verdict.weight,
            qualifier=verdict.qualifier,
        )
        if verdict.taken:
            fit, why = _subject(found, taken, asked, sizes)
            if fit is None:
                candidate = replace(candidate, verdict="rejected", why=why)
            else:
                candidate = replace(candidate, specific=fit, why=why or candidate.why)
        every.append(candidate)
    # What a model is tuned on is less than what it was pretrained on.
    tuned = max((i.tokens for i in every if i.why.startswith("fine-tuning")), default=0)
    every = [
        replace(item, verdict="rejected", why="less than the fine-tuning that the card speaks of")
        if item.verdict == "accepted"
        and item.tokens < tuned < 10**12
        and item.found.form == "prose"
        else item
        for item in every
    ]
    accepted = [item for item in every if item.verdict == "accepted"]
    if not accepted:
        return _none(every, "the card does not state how many tokens it was pretrained on")
    totals = [item for item in accepted if item.kind == "total"]
    if not totals:
        return _stages(every, _most_specific(accepted))
    # A slip of the pen ("500 trillion" for 500 billion) loses against what can be true.
    pool = _most_specific([i for i in totals if i.tokens <= _MOST_TOKENS] or totals)
    values: dict[int, list[Candidate]] = {}
    for item in pool:
        values.setdefault(item.tokens, []).append(item)
    best = max(
        values,
        key=lambda value: (
            max(i.weight for i in values[value]),
            len(values[value]),
        ),
    )
    support = values[best]
    support.sort(key=lambda item: (-item.weight, item.found.line))
    # What is said of no model in particular contradicts as well as what is said of this one.
    rest = [
        i
        for i in totals
        if i.tokens != best and (i in pool or not i.specific or i.tokens > _MOST_TOKENS)
    ]
    return _answer(every, best, support, rest, asked, _qualifier(support))


def _most_specific(items: list[Candidate]) -> list[Candidate]:
    """Those said of the asked model by name, else by size, else of all."""
    rank = max(item.specific for item in items)
    return [item for item in items if item.specific == rank]


def _qualifier(support: Sequence[Candidate]) -> str:
    """The best-supported statement's own qualifier."""
    return support[0].qualifier


def _stages(every: list[Candidate], pool: list[Candidate]) -> Choice:
    distinct: dict[int, Candidate] = {}
    for item in pool:
        distinct.setdefault(item.tokens, item)
    parts = list(distinct.values())
    numbered = [item for item in parts if _STAGE.search(item.found.text)]
    if len(parts) == 1:
        return _answer(every, parts[0].tokens, parts, [], None, parts[0].qualifier)
    if len(numbered) == len(parts) and len(parts) <= 6:
        total = sum(item.tokens for item in parts)
        hows = {item.qualifier for item in parts}
        how = hows.pop() if len(hows) == 1 else "about"
        choice = _answer(every, total, parts, [], None, how)
        return replace(choice, notes=(*choice.notes, "the sum of the stages that the card prints"))
    best = max(parts, key=lambda item: item.weight)
    rest = [item for item in parts if item is not best]
    return _answer(every, best.tokens, [best], rest, None, best.qualifier)


_STAGE = re.compile(r"stage|phase|阶段|段階", re.IGNORECASE)


def _answer(
    every: list[Candidate],
    tokens: int,
    support: list[Candidate],
    rest: list[Candidate],
    asked: Identity | None,
    qualifier: str,
) -> Choice:
    notes = []
    if rest:
        counts = ", ".join(f"{value:,}" for value in dict.fromkeys(i.tokens for i in rest))
        notes.append(f"the card also gives {counts} tokens")
    if tokens > _MOST_TOKENS:
        notes.append("implausible: more tokens than any model is known to have been trained on")
    if asked is not None and asked.sizes and tokens > _MOST_PER_PARAMETER * max(asked.sizes):
        notes.append("implausible: more tokens for each parameter than any model is known to have")
    marks = {id(item): "chosen" for item in support} | {id(item): "alternative" for item in rest}
    shown = [replace(i, verdict=marks.get(id(i), i.verdict)) for i in every]
    return Choice(
        tokens=tokens,
        qualifier=qualifier,
        support=tuple(support),
        others=tuple(rest),
        every=tuple(shown),
        notes=tuple(notes),
        reason=None,
    )


def _none(every: list[Candidate], reason: str) -> Choice:
    return Choice(
        tokens=None,
        qualifier=None,
        support=(),
        others=(),
        every=tuple(every),
        notes=(),
        reason=reason,
    )


def _sizes(weighed: Sequence[tuple[Found, Verdict]]) -> set[int]:
    """Every parameter size that a taken candidate's surroundings name."""
    sizes: set[int] = set()
    for found, verdict in weighed:
        if verdict.taken:
            sizes.update(size for *_, size in _parameter_sizes(found))
    return sizes


def _parameter_sizes(found: Found) -> list[tuple[int, int, int]]:
    """Sizes in the candidate's scope; those in a cell's labels have the position -1."""
    text = found.subject
    sizes = [(-1, -1, size) for *_, size in sizes_in(text)]
    if found.form == "prose":
        taken = [found.quantity, *found.others]
        for start, end, size in sizes_in(found.text):
            if found.start <= start < found.end:
                continue
            if size > 2 * 10**12 or _counts_tokens(found.text, start, end, taken):
                continue
            sizes.append((start, end, size))
    return sizes


def _counts_tokens(text: str, start: int, end: int, taken: Sequence[Quantity]) -> bool:
    for quantity in taken:
        if quantity.start <= start < quantity.end:
            after = text[quantity.end : quantity.end + 60]
            return bool(
                re.match(r"\s?(?:[A-Za-z-]+\s){0,4}?(?:tok|词元|トークン|토큰|токен)", after, re.I)
            ) and not re.match(r"[\s-]?(?:param|model)", after, re.I)
    return False


def _subject(
    found: Found,
    weighed: Sequence[tuple[Found, Verdict]],
    asked: Identity,
    known: set[int],
) -> tuple[int | None, str]:
    """How surely a count is said of the model asked about: None of another, 0 of all in the
    card, more where its size or its name stands beside it."""
    specific = 0
    named = _row_rank(found, asked)
    if found.form == "prose":
        own = re.escape(asked.own.lower())
        ahead = found.text[: found.start].lower()
        if re.search(rf"(?<![\w-]){own}(?![\w-]|\.[0-9])", ahead):
            named = max(named, 4)
        elif re.search(rf"(?<![\w-]){own}-[0-9]", ahead):
            return None, "said of another model of the same name with a number"
    if not named and found.form != "prose":
        other = _other_row(found, asked)
        if other:
            return None, other
    sizes = _parameter_sizes(found)
    if sizes:
        near = _associated(found, sizes, weighed)
        if near and asked.sizes:
            if any(asked.fits(size, known) for size in near):
                specific = 3
            else:
                shown = ", ".join(f"{size / 10**9:g}B" for size in near)
                return None, f"said of another size ({shown})"
        elif near and named < 1_000 and _several_sizes(found, weighed):
            return None, "said of one size of several, and the asked model's size is not known"
    names = names_in(found.subject or found.text[: found.start])
    if asked.family and asked.version:
        mine = [n for n in names if _same(n[1], asked.family) and n[2] == asked.version]
        siblings = [n for n in names if _same(n[1], asked.family) and n[2] != asked.version]
        if siblings and not mine:
            return None, f"said of another generation ({siblings[-1][1]} {siblings[-1][2]})"
    if found.form != "prose" or not found.subject:
        other = _sibling(found, weighed, asked)
        if found.form == "prose":
            # The name of a directory says nothing of the model that lies in it.
            other = other or (_other_name(found, asked) if asked.hub else "")
        if other:
            return None, f"said of another model ({other})"
    if found.form == "column" and not named and not specific and _one_of_many(found, weighed):
        return None, "one row of several, and none of them names the model asked about"
    return max(specific, named), ""


def _sibling(found: Found, weighed: Sequence[tuple[Found, Verdict]], asked: Identity) -> str:
    """Where one sentence gives a count to each of several models: the words of the asked
    model's name that stand with another count and not with this one."""
    own = set(re.findall(r"[a-z]{2,}", asked.own.lower())) - _GENERIC - {asked.family}
    places: dict[int, str] = {}
    for other, verdict in weighed:
        if not verdict.taken or other.form != found.form:
            continue
        if found.form == "prose":
            if other.segment is found.segment and other.at == found.at:
                places[other.start] = ""
        elif other.segment.table is found.segment.table and (
            other.segment.column == found.segment.column
            if found.form == "column"
            else other.segment.row == found.segment.row
        ):
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


_GENERIC = frozenset({"model", "base", "chat", "instruct", "hf", "it", "llm", "lm"})


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", text.lower())


def _row_rank(found: Found, asked: Identity) -> int:
    """How well a cell's label is the asked model's own name; 0 where it is not."""
    own = _key(asked.own)
    mine = set(re.findall(r"[a-z0-9.]+", asked.own.lower().replace("_", " ")))
    best = 0
    for part in found.subject.split(" | "):
        key = _key(part)
        parts = set(re.findall(r"[a-z0-9.]+", part.lower()))
        if mine and mine <= parts and len(parts) <= len(mine) + 3:
            best = max(best, 6)
        if key == own:
            best = max(best, 1_000)
        elif len(key) > 2 and own.startswith(key):
            best = max(best, 10 + len(key))
        elif len(key) < 60 and key.startswith(own):
            best = max(best, 5)
    return best


def _several_sizes(found: Found, weighed: Sequence[tuple[Found, Verdict]]) -> bool:
    """Whether the same sentence or table gives other counts, each to a size of its own."""
    counts = {
        other.tokens
        for other, verdict in weighed
        if verdict.taken
        and other.form == found.form
        and (
            other.segment.table is found.segment.table
            if found.segment.table is not None
            else other.segment is found.segment and other.at == found.at
        )
        and _parameter_sizes(other)
    }
    return len(counts) > 1


def _one_of_many(found: Found, weighed: Sequence[tuple[Found, Verdict]]) -> bool:
    """Whether the column holds other counts, and this is not the row that adds them up."""
    column = {
        other.tokens
        for other, verdict in weighed
        if verdict.taken
        and other.form == "column"
        and other.segment.table is found.segment.table
        and other.segment.column == found.segment.column
    }
    if len(column) <= 1:
        return False
    return not re.match(r"\W{0,4}(?:grand )?(?:total|sum|all|合计|总计)\b", found.subject, re.I)


def _same(name: str, family: str) -> bool:
    return name == family or family == name.replace("-", "")


def _other_row(found: Found, asked: Identity) -> str:
    """Why a row or column of a comparison is another model's; "" where it may be this one's."""
    subject = found.subject
    words = {w.lower() for w in re.findall(r"[A-Za-z]{2,}", subject)}
    words -= {"tokens", "token", "total", "params", "parameters", "base", "model", "models", "value",
              "instruct", "chat", "moe", "dense", "training", "stage", "size", "new", "mix", "of", "the", "hf"}  # fmt: skip
    digits = [size for *_, size in sizes_in(subject)]
    if not words or words & asked.words:
        return ""
    joined = "".join(words)
    if any(word in joined or joined in word for word in asked.words if len(word) > 2):
        return ""
    looks = re.search(r"[A-Z][a-zA-Z]*[ -]?[0-9]|[A-Z]{2,}|[a-z][A-Z]", subject)
    if (looks or digits) and found.form == "column":
        return "said of another model's row"
    if found.form == "row" and looks:
        return "said of another model's column"
    return ""


_SUBJECT = re.compile(
    r"(?:^|[,;:(]\s?|\b(?:and|while|whereas|like|as|than|of|by)\s)(?:the\s)?(?P<name>[A-Z][\w.\-]*(?:[ -][A-Z0-9][\w.\-]*){0,4})"
    r"(?:\s\([^()]{0,60}\))?\s(?:models?\s|family\s|series\s)?(?:is|was|were|are|has been|have been|had been|being)\s"
    r"(?:\w+\s){0,2}?(?:pre-?)?train"
)


def _other_name(found: Found, asked: Identity) -> str:
    """The name of another model that the sentence says was trained; "" where there is none."""
    before = found.text[: found.start]
    last = None
    for match in _SUBJECT.finditer(before):
        last = match
    if last is None:
        return ""
    name = last["name"]
    words = {word.lower() for word in re.findall(r"[A-Za-z]{2,}", name)}
    generic = {"the", "this", "our", "these", "model", "models", "it", "we", "both", "all", "each",
               "base", "despite", "although", "while", "after", "once", "when", "having", "they", "and", "pretraining", "family", "language"}  # fmt: skip
    if not words - generic or words & asked.words:
        return ""
    joined = "".join(re.findall(r"[a-z]+", name.lower()))
    if any(word in joined or joined in word for word in asked.words if len(word) > 2):
        return ""
    # A card's own title names its model, whatever the repository is called.
    titles = " ".join(found.segment.headings).lower()
    if name.lower() in titles:
        return ""
    return name


_SAID_OF = re.compile(
    r"^[^.;]{0,40}(?:\bfor|\bin the case of|[(])\s?(?:the |our )?[\w-]*\s?[0-9.]+ ?[BM]\b",
    re.IGNORECASE,
)


def _associated(
    found: Found,
    sizes: Sequence[tuple[int, int, int]],
    weighed: Sequence[tuple[Found, Verdict]],
) -> list[int]:
    """The sizes that a count is said of: in its labels, else nearest in its sentence."""
    labels = [size for start, _, size in sizes if start < 0]
    if labels:
        return labels
    rivals = sorted(
        other.start
        for other, verdict in weighed
        if verdict.taken and other.segment is found.segment and other.at == found.at
    )
    ordered = [size for _, _, size in sizes]
    if len(ordered) == len(rivals) and re.search("respectively|分别|分別", found.text):
        return [ordered[rivals.index(found.start)]]
    if len(rivals) <= 1:
        ahead = [size for start, _, size in sizes if start < found.start]
        if ahead or not _SAID_OF.search(found.text[found.end : found.end + 120]):
            return ahead
        return ordered
    index = rivals.index(found.start)
    previous = rivals[index - 1] if index else -1
    before = [size for start, _, size in sizes if previous < start < found.start]
    if before:
        return before
    following = rivals[index + 1] if index + 1 < len(rivals) else len(found.text)
    return [size for start, _, size in sizes if found.start < start < following]
