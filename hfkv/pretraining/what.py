# ruff: noqa: E501 (tables of patterns read better unbroken)
"""What a number counts: tokens trained on, or something else that has tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hfkv.pretraining.candidates import Found
from hfkv.pretraining.governor import Governor, governor
from hfkv.pretraining.identity import sizes_in
from hfkv.pretraining.labels import (
    counts_another,
    counts_tokens,
    names_data,
    names_training,
    says_seen,
    says_trained,
)
from hfkv.pretraining.objections import ahead, behind, one_of_several, tuning
from hfkv.pretraining.page import Page
from hfkv.pretraining.runs import SO_FAR
from hfkv.pretraining.schedule import comes_to
from hfkv.pretraining.text import Table
from hfkv.pretraining.words import COUNTED, HEDGES, NOUN, SCALE, SEEN, TRAIN, TRAIN_WORD, I, pointed

__all__ = ["LATER_FIELD", "STAGE_LABEL", "SUM_ROW", "label_of", "named", "what"]

_FIELD = re.compile(
    r"(?:^|[|\n•·]|(?<=[.;/*•·])\s|(?<=,)\s|(?<=\w)\s{2})\W{0,6}(?P<label>[^:：=|\n]{1,70}?)\s?(?::|：|=|\||\s–\s|\s—\s|—|\s-\s)"
    rf"\s?(?:[0-9][0-9.,]*[KMk]?(?:\s?[×x*·]\s?[0-9][0-9.,]*[KMk]?){{1,5}}\s?[=≈~]\s?)?"
    rf"(?:{HEDGES}?[0-9][0-9.,]*\s?(?:[TBM]|trillion|billion)\+?(?:\s{COUNTED})?\s?(?:\([^()]{{1,40}}\)|for [^,;()]{{1,30}})(?:[,;/]| and|, and)\s?){{0,6}}"
    rf"[(（]?(?:>=|<=|{HEDGES}){{0,4}}$",
    I,
)
#: "300B tokens of code and 2T tokens of text": the value of the field is neither.
_PARTS = re.compile(
    rf"^\s?(?:\w+\s){{0,3}}?{COUNTED}\s(?!\(pre-?train)(?:of|from|\()[^.;\n]{{0,80}}[0-9]\s?(?:[TBM]|trillion|billion)\s(?:\w+\s){{0,3}}?{COUNTED}",
    I,
)
_DRAWN = re.compile(
    r"(?:sampled|drawn|subset|selected|part|portion|chosen|taken|pool) (?:from|of) (?:an? |the |our )?(?:(?!total+ing )[a-zA-Z][\w-]* ){0,7}(?:[a-zA-Z][\w-]*, (?:which|that) (?:\w+ )?)?$", I
)  # fmt: skip
#: "A subset of FooWeb with N tokens" has that size, whatever it was drawn from.
_SUBSET = re.compile(
    rf"\b(?:subset|portion|part|split|sample) (?:from|of) (?:the )?[A-Z][\w.-]*(?: (?:data-?\s?set|corpus))? (?:with|of|contain\w+|compris\w+|hold\w+|total\w+) (?:{HEDGES}){{0,4}}$"
)
#: "A 600B-token subset of FooWeb (3T tokens)"
_DRAWN_AND_SIZED = re.compile(
    rf"[0-9]\s?{SCALE}?[\s-]{COUNTED}[\s-](?:[\w-]+\s){{0,3}}?(?:subset|sample|portion|slice|split|part)s? (?:of|from) (?:the )?[\w.-]+(?: [\w.-]+)?\s?[(（]\W{{0,3}}$",
    I,
)
#: "19B (23B with another tokenizer) tokens"
_BETWEEN = re.compile(rf"^\s?[(（][^()（）]{{1,60}}[)）](?=\s?{COUNTED})", I)
_TRAINED_ON_MORE = re.compile(
    rf"^\s?(?:models?\s|version\s)?(?:(?:was|were|is|are)\s)?(?:(?:pre-?)?trained\s)?\(?(?:on|with|for)\s{HEDGES}{{0,3}}[0-9][^.;]{{0,24}}{COUNTED}",
    I,
)
#: "This model was pretrained on:"
_LEADS = re.compile(
    rf"\b(?:was|were|is|are|been)\s(?:\w+\s){{0,2}}?{TRAIN}(?:\sfrom scratch)?\s(?:on|with|for|using)\s?[:：]$",
    I,
)
#: "This 1B for a single pass", "a 3B control saw": the size of the model is its noun, or before it.
_A_SIZED = re.compile(
    r"\b(?:this|the|an?|our|each|its|that|both)\s(?:(?!budget|total)[a-z-]+\s){0,3}$|\b(?:il|lo|la|el|le|un[ae]?|der|die|das|den|dem|eine?|het|o|uma?)\s$",
    re.IGNORECASE,
)
_SIZED_ONE = re.compile(
    r"^\s?(?:$|[.,;:)]|(?:for|in|was|were|is|has|had|saw|got|on|at|dense|control|models?|network|version|variant|base|one|baseline|transformer|decoder|encoder|LLM|student|teacher|that|which)\b)",
    I,
)
#: The word that governs speaks of pretraining and of nothing else.
_PRETRAINS = re.compile(
    r"pre-?train|pr[eé]-?entr[ae]|from scratch|预训练|預訓練|事前学習|사전|vortrain|предобуч", I
)
_OF_THIS = re.compile(r"\b(?:this|our)(?:\s\w+)?(?:['’]s)?\s$", re.IGNORECASE)
_DENIED = re.compile(
    r"\b(?:not(?! (?:only|just|more|less|fewer))|n['’]t|never|without|instead of|rather than|unable to|no (?:option|need))\b[^,;.]{0,60}$",
    I,
)
_BRACKETED_LABEL = re.compile(r"^\W{0,6}(?P<label>[^\W\d_][^:：(（\n]{1,40}?)\s?[(（]\W{0,2}$")
#: What stands below such a heading is yet to be done.
_OF_PLANS = re.compile(
    r"^\W*(?:\d[\d.]*\s)?(?:(?:(?:future|next|upcoming|planned|further)\s(?:ideas?|work|plans?|steps?|directions?|releases?|versions?|improvements?)|road-?map|to-?do|what['’]?s next)\b|plans?\W*$)",
    I,
)
#: A row, column or field that is a stage of the training.
STAGE_LABEL = re.compile(
    r"\W{0,4}(?:(?:pre-?training )?(?:stage|phase)|第?[一二三四1-9]?阶段|ステージ|第[一二三四1-9]段階)",
    I,
)
#: A field that is a stage after the first.
LATER_FIELD = re.compile(
    r"^\W*(?:(?:the\s)?(?:learning rate\s)?(?:decay|anneal\w*|cool-?down)|mid-?training|(?:long[- ])?context[- ](?:extension|expansion|extending))\b",
    I,
)
SUM_ROW = re.compile(r"\W{0,4}(?:grand )?(?:(?:totals?|sum|all|overall)\b|合计|总计|合計)", I)
_SOURCES = re.compile(
    r"\bdata-?\s?sets?\b|\bsources?\b|\bsubsets?\b|corpus|corpora|\bdomains?\b|\blanguages?\b|categor|数据集|语料|来源|语言",
    I,
)


#: Parameters of a model whose size nothing tells: few that are fine-tuned have less.
_SMALL = 10**9
#: A column of bytes or documents.
_BYTES = re.compile(
    r"^\W{0,4}(?:(?:#|n|num(?:ber)?|no|disk|file|raw|data|total|uncompressed)\W{0,2}(?:of )?)?(?:size\W{0,3})?(?:[KMGT]i?B|bytes|doc(?:ument)?s?|files|pages|sentences|words|characters|chars|articles|samples)\b",
    I,
)


def _weighs(table: Table) -> bool:
    """Whether a table gives bytes or documents beside its tokens: it is of a corpus."""
    headers = (table.header(column)[:40] for column in range(min(12, len(table.rows[0]))))
    return any(_BYTES.match(header) for header in headers)


def what(found: Found, page: Page) -> Iterator[str]:
    """What the number counts, by what governs it, what stands beside it and what it is worth."""
    yield f"what:{found.form}"
    by_steps = comes_to(found.tokens, page.steps)
    said = _in_sentence(found, by_steps=by_steps) if found.form == "prose" else _in_cell(found)
    names = dict.fromkeys(said)
    yield from names
    if by_steps and "what:behind: a parameter count" not in names:
        yield "what:the steps come to it"
    if "what:pretrained on it" not in names and _too_little(found, page):
        yield "what:too little for pretraining"
    small = 0 if "what:pretrained on it" in names else _SMALL
    if page.tuned and found.tokens < max(page.asked.sizes, default=small):
        yield "what:as little as tuning"


def _too_little(found: Found, page: Page) -> bool:
    """Whether nobody pretrains a model of this size on so few tokens, and no label says that
    somebody did."""
    size = max(page.asked.sizes, default=10**9)
    # What has few parameters is trained on a few tokens for each.
    if found.tokens >= min(size // 4, max(size, 10**9) // 20):
        return False
    label = label_of(found)
    return not (says_trained(label) or _BUDGET.search(label))


#: "Training budget: 49,152,000 tokens": spent, however few they are.
_BUDGET = re.compile(r"train\w* budget", re.IGNORECASE)


def _names_data(heading: str) -> bool:
    """Whether a heading is that of data, whatever was done with them."""
    return bool(re.search(r"data|corpus|语料|数据|データ|데이터", heading, I))


def _tuning_above(found: Found) -> bool:
    return tuning(" ".join((*found.segment.headings[-2:], found.label, found.subject)))


def _in_cell(found: Found) -> Iterator[str]:
    """What the label of a cell says that its number counts."""
    if _tuning_above(found):
        yield "what:under tuning"
    yield "what:counts training"
    yield "what:label trains" if TRAIN_WORD.search(found.label) else "what:label tokens"
    table = found.segment.table
    if (
        found.form == "column"
        and table is not None
        and _SOURCES.search(table.header(0))
        and not SUM_ROW.match(found.subject)
    ):
        yield "what:a row of data"
    if found.form == "column" and table is not None and _weighs(table):
        yield "what:a table that weighs data"


def _in_sentence(found: Found, *, by_steps: bool) -> Iterator[str]:
    """What the words of its sentence say that a number counts."""
    text, start, end = found.text, found.start, found.end
    before, after = text[max(0, start - 200) : start], text[end : end + 160]
    before, after = map(pointed, (before, after))
    after = _BETWEEN.sub("", after)
    governs = governed(found)
    if by_steps and not governs.trains and NOUN.match(after):
        governs = Governor(trains=True, why="the steps come to it")
    pretrained = governs.trains and bool(_PRETRAINS.search(governs.why))
    if pretrained:
        yield "what:pretrained on it"
    elif _tuning_above(found):
        yield "what:under tuning"
    lead = before
    if found.at and found.segment.text[: found.at].rstrip().endswith(";"):
        # A clause behind a semicolon goes on with what stands before it.
        lead = found.segment.text[max(0, found.at - 160) : found.at].rsplit(". ", 1)[-1]
        lead = lead.replace(";", ",") + before
    if re.search(r"\b(?:target|plan|goal)(?:ed|ned|s)?\b", found.subject, I) or any(
        map(_OF_PLANS.match, found.segment.headings[-2:])
    ):
        yield "what:ahead: a plan"
    for place, why in (("behind", behind(after)), ("ahead", ahead(lead, after))):
        if place == "behind" and why.startswith("a context length") and found.tokens >= 10**9:
            continue  # "N input tokens": no window is so long
        if why and not (pretrained and why.startswith("fine-tuning")):
            yield f"what:{place}: {why.split(':')[0]}"
    if (
        found.quantity.unit in ("b", "m")
        and found.tokens < 200 * 10**9
        and _A_SIZED.search(before)
        and _SIZED_ONE.match(after)
    ):
        yield "what:behind: a parameter count"
    if re.search(r"[A-Za-z0-9]-$|/$", before):
        yield "what:part of a name"
    several = one_of_several(text, start, end)
    if several:
        yield f"what:{several}"
    if NOUN.match(after):
        yield "what:tokens right behind"
    elif re.match(rf"(?:[^\s.;,0-9]+\s){{1,6}}{COUNTED}", after.lstrip(), I):
        yield "what:tokens behind"
    elif re.search(rf"{COUNTED}[^.;]{{0,25}}$", before, I):
        yield "what:tokens before"
    else:
        yield "what:no tokens beside"
    heading = " ".join(found.segment.headings[-1:])
    if TRAIN_WORD.search(heading) and not _names_data(heading):
        yield "what:under training"
    table = found.segment.table
    if table is not None and not re.search(r"[^\W\d_]", text[:start] + text[end:]):
        header = table.header(found.segment.column)
        if header and all(counts_another(name) for name in (header, found.subject) if name):
            yield "what:a cell of another thing"
    yield from _governing(governs, found)
    yield from _field(found)
    if (_DRAWN.search(before) and not _SUBSET.search(before)) or (
        _DRAWN_AND_SIZED.search(before)
        and not re.match(rf"\s?{COUNTED}\s(?:were\s)?{SEEN}", after, I)
    ):
        yield "what:drawn from it"
    if found.tokens < 2 * 10**12 and _TRAINED_ON_MORE.match(after):
        yield "what:a size, for what it was trained on follows"
    if _DENIED.search(before) and not _OF_THIS.search(before):
        yield "what:denied"
    if found.quantity.unit in ("t", "b") and not re.search(
        COUNTED, text[max(0, start - 60) : end + 60], I
    ):
        yield "what:a letter without tokens"
    if not found.quantity.scaled:
        yield "what:no scale"


def label_of(found: Found) -> str:
    """The label of the field, row or column whose value the number is; "" for none."""
    if found.form != "prose":
        return found.label
    match = _FIELD.search(found.text[max(0, found.start - 140) : found.start])
    return match["label"].replace("_", " ").strip(" *`-•") if match else ""


def named(found: Found) -> str:
    """The label of a field, also where the number stands in brackets before its colon, as in
    "Pre-training (2T tokens): web text"; "" for none."""
    label = label_of(found)
    if not label and found.form == "prose":
        match = _BRACKETED_LABEL.match(found.text[: found.start])
        label = match["label"].strip(" *`-•") if match else ""
    return label


#: "Pretraining data: FooWeb (N tokens)".
_NAMED_DATA = re.compile(
    rf"(?:^|[|\n•·])\W{{0,6}}(?P<label>[^:：|\n]{{1,50}}?)\s?(?::|：|\|)\W{{0,4}}[\w./-]+(?:[\s,&+]{{1,3}}[\w./-]+){{0,5}}\W{{0,2}}\s[(（](?:{HEDGES}){{0,4}}$",
    I,
)
#: A field of data, which need not say that they were trained on.
_OF_DATA = re.compile(r"^\W*(?:the\s)?(?:data|data-?\s?sets?|corpus|corpora)\W*$", I)


def _field_of_data(found: Found, label: str) -> Iterator[str]:
    """Whether the number sizes the data of a field, by their name or by nothing but that."""
    if not NOUN.match(found.text, found.end):
        return
    named_data = _NAMED_DATA.search(found.text[: found.start])
    if named_data and names_data(named_data["label"]):
        yield "what:named data trained on with their size"
    elif named_data and _OF_DATA.match(named_data["label"]):
        yield "what:named data with their size"
    elif _OF_DATA.match(label):
        yield "what:field of nothing but data"


def _field(found: Found) -> Iterator[str]:
    """What the label says whose value the number is."""
    label = label_of(found)
    yield from _field_of_data(found, label)
    if not label:
        heading = named(found)
        if LATER_FIELD.match(heading):
            yield from ("what:field of a stage", "what:counts training", "part:stage")
        elif names_data(heading):
            yield from ("what:field of data", "what:counts training")
        return
    yield "what:in a field"
    lead = found.segment.text[max(0, found.at - 120) : found.at] + label
    if tuning(label) or (found.at and tuning(lead)):
        yield "what:field of tuning"
    elif counts_tokens(label):
        yield from ("what:field of tokens", "what:counts training")
    elif names_data(label):
        yield "what:field of data"
        if not _PARTS.match(found.text[found.end : found.end + 200]):
            yield "what:counts training"
        else:
            yield "what:one of the parts of a field"
    elif (STAGE_LABEL.match(label) and re.search("[0-9I]", label)) or (
        LATER_FIELD.match(label) and NOUN.match(found.text, found.end)
    ):
        yield from ("what:field of a stage", "what:counts training", "part:stage")
    elif names_training(label) and NOUN.match(found.text, found.end):
        yield from ("what:field of training", "what:counts training")
    elif sizes_in(label) and TRAIN_WORD.search(" ".join(found.segment.headings[-1:])):
        yield from ("what:field of a size", "what:counts training")


def governed(found: Found) -> Governor:
    """What governs the number of a sentence."""
    context = " ".join((*found.segment.headings[-2:], found.segment.text[:1_000]))
    governs = governor(found.text, found.start, found.end, context, found.tokens)
    if not governs.open:
        return governs
    if found.tokens >= 10**9 and _heads_it(found):
        return Governor(trains=True, why="it stands first below a heading of training")
    if _led_to(found):
        return Governor(trains=True, why="the line above its list says so")
    label = label_of(found)
    if counts_tokens(label) and (says_trained(label) or says_seen(label)):
        return Governor(trains=True, why="its label says so")
    return governs


def _led_to(found: Found) -> bool:
    """Whether the number begins an item of a list of what a model was trained on: "The model was
    pretrained on:" and "- 40B tokens"."""
    lead = found.segment.lead
    return bool(
        _LEADS.search(lead)
        and not tuning(lead)
        and re.fullmatch(rf"\W{{0,4}}(?:{HEDGES}){{0,4}}", found.text[: found.start])
        and re.match(rf"\s?(?:{COUNTED})\s?(?:$|[,.;(])", found.text[found.end :], I)
    )


def _heads_it(found: Found) -> bool:
    """Whether what stands below a heading of training begins with the number: "## Pretraining"
    and "- 500B tokens, AdamW"."""
    heading = " ".join(found.segment.headings[-1:])
    return bool(
        TRAIN_WORD.search(heading)
        and not _names_data(heading)
        and not tuning(heading)
        and re.fullmatch(rf"\W{{0,4}}(?:{HEDGES}){{0,4}}", found.text[: found.start])
        and re.match(
            rf"\s?{COUNTED}\s?(?:$|[,.;(]|(?:of|from|total)\b)", found.text[found.end :], I
        )
    )


def _governing(governs: Governor, found: Found) -> Iterator[str]:
    if not governs.trains:
        yield f"what:{re.sub(r'[(:].*', '', governs.why).strip()}"
        if governs.open and TRAIN_WORD.search(found.text):
            yield "what:nothing else takes it, and training is spoken of"
        return
    yield "what:counts training"
    if governs.why == SO_FAR:
        yield "who:this checkpoint"
    if governs.at < 0:
        yield "what:verb behind"
    if governs.corpus:
        yield "what:corpus trained on"
    if governs.stage:
        yield "part:stage"
