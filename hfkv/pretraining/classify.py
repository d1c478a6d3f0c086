# ruff: noqa: E501 (tables of patterns read better unbroken)
"""The second step, second half: what a number is, from the words around it.

Every rule is a kind of statement. A number is taken only where something says that a model was
trained on that many tokens; whatever speaks against it wins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hfkv.pretraining.against import ahead, behind, one_of_several, tuning
from hfkv.pretraining.candidates import Found
from hfkv.pretraining.governor import governor
from hfkv.pretraining.identity import sizes_in
from hfkv.pretraining.labels import counts_tokens, names_data
from hfkv.pretraining.qualifiers import of_label, qualifier
from hfkv.pretraining.words import COUNTED, HEDGES, TRAIN, TRAIN_WORD, I

__all__ = ["Verdict", "classify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a candidate is.

    Attributes:
        taken: whether it counts pretraining tokens of some model.
        why: in words.
        kind: ``total`` or ``stage`` (one of several, or added to another).
        weight: how strong the statement is.
        qualifier: exact, at_least, about or up_to.
        verb: where the verb of training stands in the sentence; -1 for none.
    """

    taken: bool
    why: str
    kind: str = ""
    weight: int = 0
    qualifier: str = "exact"
    verb: int = -1


#: Words between a number and the word for tokens: adjectives and languages, no new clause.
_WORD = (
    r"(?!(?:on|for|with|in|from|by|using|at|to|per|parameters?|params?|models?|steps?|sequences?|pages?|documents?"
    r"|samples?|examples?|images?|words?|characters?|videos?|pairs?|which|that|is|are|was|were|and then|long|context"
    r"|vocab\w*|rows?|lines?|activated|hours?|GPUs?|saw|seen)\b|[0-9]|\w*[一-鿿]\w*[0-9])[\w'’/&·-]+"
)
_TOKENS_AFTER = re.compile(
    rf"^\s?(?:\(?(?:~=|≈|=|~|about|roughly|approximately|i\.e\.,?|or)\s?[0-9][0-9.,]*\s?(?:[BTM]|trillion|billion)?\)?\s?)?(?:(?:out )?of (?:the|its|our) (?:~|about )?[0-9][0-9.,]*\s?(?:[TB]|trillion|billion)\s)?(?:\+|以上|多|余)?[)\"”]?\s?(?:(?:of|de|di|d'|von|av|af|van|的|个|個|の|개의|개)\s?)?(?:(?:{_WORD}),?\s){{0,7}}?[\w/-]{{0,14}}?{COUNTED}",
    I,
)
_GIGATOKENS = re.compile(r"^(?:T\b|[ -]?[Tt]okens?\b)")
_TOKENS_BEFORE = re.compile(
    rf"{COUNTED}(?:\s(?:count|budget|number|seen|processed|used|consumed))?(?:\s(?:during|in|for|of)\s(?:the\s)?(?:{TRAIN}|[A-Z][\w.-]{{0,30}}))?\s?(?:\([^()]{{0,30}}\)\s?)?"
    r"\s?(?:up |out )?(?:to|into|of|is|was|are|were|:|：|=|est|es|ist|é|è|reach\w*|exceed\w*|total\w*|amount\w*(?: to)?|(?:总)?(?:数量|数|量)?(?:は|为|是|已)?(?:达到|达|为)?)?"
    rf"\s?{HEDGES}{{0,4}}$"
    rf"|{COUNTED}\s(?:\w+\s){{0,2}}?(?:increas|grew|grow|scal|expand|rais|rose|went)\w*\s(?:up\s)?from\s[^.;]{{0,40}}\sto\s$",
    I,
)
_FIELD = re.compile(
    r"(?:^|[|\n]|(?<=[.;])\s|(?<=,)\s|(?<=\w)\s{2})\W{0,6}(?P<label>[^:：=|\n]{1,70}?)\s?(?::|：|=|\||\s–\s|\s—\s|—|\s-\s)"
    rf"\s?(?:{HEDGES}?[0-9][0-9.,]*\s?(?:[TBM]|trillion|billion)\+?(?:\s{COUNTED})?\s?(?:\([^()]{{1,40}}\)|for [^,;()]{{1,30}})(?:[,;/]| and|, and)\s?){{0,6}}"
    rf"(?:>=|<=|{HEDGES}){{0,4}}$",
    I,
)
#: "300B tokens of code and 2T tokens of text": the value of the field is neither.
_PARTS = re.compile(
    rf"^\s?(?:\w+\s){{0,3}}?{COUNTED}\s(?!\(pre-?train)(?:of|from|\()[^.;\n]{{0,80}}[0-9]\s?(?:[TBM]|trillion|billion)\s(?:\w+\s){{0,3}}?{COUNTED}",
    I,
)
#: A row of a table that is a stage of the training.
STAGE = re.compile(
    r"\W{0,4}(?:(?:pre-?training )?(?:stage|phase)|第?[一二三四1-9]?阶段|ステージ|第[一二三四1-9]段階)",
    I,
)
_IN_TURN = re.compile(r"respectively|分别|分別|それぞれ|각각", I)
_LISTED = re.compile(
    r"(?:\s?(?:,|and|&|、|和|,\sand)\s?(?:about |~|over )?[0-9][0-9·.,]*\s?(?:[TBM]\b|trillion|billion|万亿|亿)?){1,6}",
    I,
)
_SEEN = re.compile(r"#|\bseen\b|consumed|processed", I)
_OF_TEXT = re.compile(r"^[^,.;，。]{0,24}(?:语料|数据|data\b|corpus|text\b|语言)", I)
_TRAINED_ON = re.compile(
    rf"(?:training of|trained (?:on|for|with|over|using)|训练了?|trainiert|entra[iî]n\w+ sur)\s?{HEDGES}{{0,2}}$",
    I,
)
_COUNT = re.compile(
    rf"[0-9]\s?(?:[TBM]|trillion|billion|million)?\+?\s(?:[\w-]+\s){{0,3}}?{COUNTED}", I
)
_ADDED = re.compile(
    r"\b(?:additional(?:ly)?|extra|further|more|another|continu\w+|mid-?train\w*|followed by|plus|"
    r"(?:stage|phase|step) ?-?(?:[0-9]|I{1,3}|one|two|three|four)|(?:first|second|third|fourth|"
    r"final|last|initial|subsequent) (?:\w+ )?(?:stage|phase|step)|first (?:pre-?)?train|during (?:this|the|that) [\w -]{0,30}(?:period|stage|phase)|anneal\w*|cool-?down|decay|second|then)\b"
    r"|阶段|继续|额外|追加|増分|段階",
    I,
)
_TOTAL = re.compile(
    r"\b(?:total|overall|altogether|cumulative\w*|in all|headline|combined|across (?:all|both))\b|训练总|总\s?(?:token|词元)|累计|总共|共计|合计|総計|合計|총",
    I,
)
_TOTAL_AFTER = re.compile(
    r"^[^,;.，。0-9]{0,40}\b(?:in total|total\b|altogether|overall|across (?:all|both))", I
)


def classify(found: Found) -> Verdict:
    """What a candidate is, and why."""
    if found.form != "prose":
        return _cell(found)
    text, start, end = found.text, found.start, found.end
    before, after = text[max(0, start - 200) : start], text[end : end + 160]
    # A decimal point ends no clause.
    before, after = (re.sub(r"(?<=[0-9])[.,](?=[0-9])", "·", part) for part in (before, after))
    unit = found.quantity.unit
    against = behind(after)
    if unit == "g" and not _GIGATOKENS.match(after):
        against = against or "no tokens: a G without tokens"
    if re.search(r"[A-Za-z0-9]-$|/$", before):
        against = against or "part of a name"
    against = against or one_of_several(text, start, end)
    if against:
        return Verdict(taken=False, why=against)
    tokens_after = bool(_TOKENS_AFTER.search(after)) or bool(
        unit in ("g", "t", "b", "tera", "giga") and _GIGATOKENS.match(after)
    )
    if not tokens_after and _IN_TURN.search(text):
        # "3T and 8T tokens, respectively": the last one's word is that of all.
        listed = _LISTED.match(after)
        against = behind(after[listed.end() :]) if listed else ""
        if against.startswith("a parameter"):
            return Verdict(taken=False, why=against)
        tokens_after = bool(listed and _TOKENS_AFTER.search(after[listed.end() :]))
    large = (
        unit in ("t", "trillion", "trillions", "万亿", "萬億", "兆", "万億", "조")
        and found.tokens <= 10**14
        and bool(_OF_TEXT.search(after) or _TRAINED_ON.search(before))
    )
    how = qualifier(text, start, end)
    field = _field(found, tokens_after or large, how)
    if field is not None:
        return field
    against = ahead(before, after)
    if not against and found.at and found.segment.text[: found.at].rstrip().endswith(";"):
        # A clause behind a semicolon goes on with what stands before it.
        lead = found.segment.text[max(0, found.at - 160) : found.at].rsplit(". ", 1)[-1]
        against = ahead(lead.replace(";", ",") + text[:start], after)
    if against:
        return Verdict(taken=False, why=against)
    if _is_tuning(found):
        return Verdict(taken=False, why="stands under fine-tuning")
    if not (tokens_after or large or _TOKENS_BEFORE.search(before)):
        return Verdict(taken=False, why="no word says that it counts tokens")
    context = " ".join((*found.segment.headings[-2:], found.segment.text[:1_000]))
    governs = governor(text, start, end, context, found.tokens)
    if not governs.trains:
        return Verdict(taken=False, why=governs.why)
    # What was said of an earlier count is not said of this one.
    lead = _COUNT.split(before[-110:])[-1]
    added = _ADDED.search(lead) or _ADDED.search(after[:60].split(",")[0])
    kind = "stage" if added or governs.stage else "total"
    weight = 40 + (10 if tokens_after else 0)
    if _TOTAL.search(before[-60:]) or _TOTAL_AFTER.search(after):
        kind, weight = "total", weight + 12
    if re.search(r"\bfor (?:a total of |over |about |~)?$", before, I):
        # Trained on a corpus, for as many tokens: the tokens seen stand behind "for".
        weight += 6
    if found.subject and found.segment.table is not None:
        weight -= 3
    if re.search(r"\(\W{0,3}$", before) and not _TOTAL_AFTER.search(after):
        # In brackets stands the size of what was just named.
        weight -= 4
    elif re.search(
        r"\b(?:i\.e\.,?|that is|amounting to|or|totall?ing) (?:a total of )?(?:about |over |~)?$",
        before,
        I,
    ):
        weight += 4
    return Verdict(
        taken=True, why=governs.why, kind=kind, weight=weight, qualifier=how, verb=governs.at
    )


def _cell(found: Found) -> Verdict:
    """A cell under a header, or beside a label, that counts tokens."""
    if _is_tuning(found):
        return Verdict(taken=False, why="stands under fine-tuning")
    how = qualifier(found.text, found.start, found.end)
    return Verdict(
        taken=True,
        why=f"a cell under '{found.label[:40]}'",
        kind="stage" if STAGE.match(found.subject) else "total",
        weight=60 if TRAIN_WORD.search(found.label) or _SEEN.search(found.label) else 45,
        qualifier=how if how != "exact" else of_label(found.label),
    )


def _field(found: Found, tokens: bool, how: str) -> Verdict | None:
    """The verdict on a number that is the value of a field; None where it is none's."""
    match = _FIELD.search(found.text[max(0, found.start - 140) : found.start])
    if match is None:
        return None
    label = match["label"].replace("_", " ").strip(" *`-•")
    if counts_tokens(label):
        weight = 58
    elif names_data(label) and tokens:
        weight = 56
    elif tokens and sizes_in(label) and TRAIN_WORD.search(" ".join(found.segment.headings[-1:])):
        # "Foo-9B: 8T tokens" under a heading of training.
        weight = 52
    else:
        return None
    lead = found.segment.text[max(0, found.at - 120) : found.at] + label
    if _is_tuning(found) or tuning(label) or (found.at and tuning(lead)):
        return Verdict(taken=False, why="stands under fine-tuning")
    if not counts_tokens(label) and _PARTS.match(found.text[found.end : found.end + 200]):
        return Verdict(taken=False, why="one of the parts that the field lists")
    how = how if how != "exact" else of_label(label)
    return Verdict(
        taken=True,
        why="a field that counts training tokens",
        kind="total",
        weight=weight,
        qualifier=how,
    )


def _is_tuning(found: Found) -> bool:
    return tuning(" ".join((*found.segment.headings[-2:], found.label, found.subject)))
