# ruff: noqa: E501 (tables of patterns read better unbroken)
"""The second step, second half: what a number is, from the words around it.

Every rule is a kind of statement. A number is taken only where something says that a model was
trained on that many tokens; whatever speaks against it wins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hfkv.pretraining.candidates import COUNTED, Found

__all__ = ["Verdict", "classify"]

_I = re.IGNORECASE
_COUNTED = re.compile(COUNTED, _I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a candidate is.

    Attributes:
        taken: whether it counts pretraining tokens of some model.
        why: in words.
        kind: ``total``, ``stage`` (one of several, or added to another) or ``corpus``.
        weight: how strong the statement is.
        qualifier: exact, at_least, about or up_to.
    """

    taken: bool
    why: str
    kind: str = ""
    weight: int = 0
    qualifier: str = "exact"


# -- qualifiers ----------------------------------------------------------------------------------
_HEDGES = (
    ("at_least", re.compile(
        r"(?:over|more than|at least|exceed(?:s|ing)?|upwards? of|in excess of|greater than|"
        r"beyond|above|surpass(?:es|ing)|>|≥|超过|超過|超|逾|不少于|至少|多于|高达|以上|"
        r"más de|mas de|plus de|mehr als|über|mais de|più di|oltre|более|свыше|больше|"
        r"au moins|al menos|mindestens|pelo menos|almeno)\s?(?:a total of |total of )?$", _I)),
    ("up_to", re.compile(
        r"(?:up to|at most|as (?:many|much) as|less than|fewer than|under|nearly up to|<|≤|多达|"
        r"hasta|jusqu'à|bis zu|até|fino a|до)\s?$", _I)),
    ("about", re.compile(
        r"(?:~|≈|∼|～|about|around|approx(?:imately|\.)?|roughly|nearly|almost|some|circa|ca\.|"
        r"close to|an estimated|estimated|c\.|约|約|大约|近|将近|接近|近似|environ|aproximadamente|"
        r"unos|cerca de|alrededor de|casi|près de|rund|etwa|ungefähr|circa|quase|около|"
        r"примерно|почти|приблизительно|おおよそ|약)\s?(?:a total of |total of )?$", _I)),
)  # fmt: skip
_AFTER_LEAST = re.compile(r"^\s?(?:\+|以上|多|余|이상|or more|and more|plus\b)", _I)
_AFTER_ABOUT = re.compile(r"^\s?(?:左右|程度|前後|정도|or so|ほど|approximately)", _I)


def qualifier(text: str, start: int, end: int) -> str:
    """The qualifier that the words beside a number give it."""
    before = text[max(0, start - 40) : start].rstrip("*_ (\"'") + (
        " " if text[max(0, start - 1) : start] == " " else ""
    )
    if re.search(r"[+＋](?![0-9])", text[start:end]) or _AFTER_LEAST.search(text[end : end + 20]):
        return "at_least"
    for name, pattern in _HEDGES:
        if pattern.search(before):
            return name
    return "about" if _AFTER_ABOUT.search(text[end : end + 20]) else "exact"


# -- what speaks for it --------------------------------------------------------------------------
_TRAIN = re.compile(
    r"pre-? ?train\w*|train(?:ed|ing|s)?\b|(?:pre-?)?entren\w*|\bsaw\b|\bseen\b|consum(?:ed|es)|process(?:ed|es)"
    r"|\blearn(?:ed|t)\b|预训练|預訓練|训练|訓練|学习|學習|学習|학습|pr[ée]-?entra?[iî]n\w*|entra?[iî]n\w*"
    r"|(?:vor)?trainier\w*|vortrain\w*|treinad\w*|treino|addestrat\w*|addestramento|обуч\w*",
    _I,
)
#: Words between a number and the word for tokens: adjectives and languages, no new clause.
_WORD = r"(?!(?:on|for|with|in|from|by|using|at|to|per|parameters?|params?|models?|steps?|sequences?|pages?|documents?|samples?|examples?|images?|words?|characters?|videos?|pairs?|which|that|is|are|was|were|and then|long|context|vocab\w*|rows?|lines?|activated|hours?|GPUs?)\b)[\w'’/&-]+"
_TOKENS_AFTER = re.compile(
    rf"^\s?(?:\+|以上|多|余)?[)\"”]?\s?(?:(?:of|de|di|d'|的|个|個|の|개의)\s?)?(?:(?:{_WORD}),?\s){{0,7}}?[\w/-]{{0,14}}?{COUNTED}",
    _I,
)
_GIGATOKENS = re.compile(r"^(?:T\b|[ -]?[Tt]okens?\b)")
_TOKENS_BEFORE = re.compile(
    rf"{COUNTED}(?:\s(?:count|budget|number|seen|processed))?\s?(?:\([^()]{{0,30}}\)\s?)?"
    r"\s?(?:up |out )?(?:to|into|of|is|was|:|：|=|reach\w*|exceed\w*|total\w*|amount\w*|(?:总)?(?:数量|数|量)?已?(?:达到|达|为)?)?"
    r"\s?(?:a total of |over |about |around |more than |approximately |nearly |~|≈|到|了|超过|至|约|約)*\s?$",
    _I,
)
_FIELD = re.compile(
    rf"^[^:：]{{0,60}}?(?:(?:train\w*|pre-?train\w*|total|seen|num\w*|#|预训练|训练|累计)[^:：]{{0,30}}"
    rf"{COUNTED}|{COUNTED}[^:：]{{0,20}}(?:seen|train\w*|processed|consumed)|train\w* (?:data|corpus|dataset)"
    rf"|^\W{{0,4}}(?:#\s?)?tokens?|训练数据|预训练数据)[^:：]{{0,24}}[:：|]\s?(?:(?:over|about|around|approximately|~|≈|>|up to|more than|约|超过)\s?)?$",
    _I,
)
_CORPUS_ON = re.compile(
    r"(?:train\w*|pre-?train\w*|训练|預訓練|预训练)[^.;]{0,140}?\b(?:on|over|with|using|from|for)\b",
    _I,
)
_SEEN = re.compile(
    r"(?:trained|training|pre-?train(?:ed|ing)?|saw|seen|processed|consumed|learn(?:ed|t))"
    r"\b[^.;:]{0,160}$",
    _I,
)

# -- what speaks against it ----------------------------------------------------------------------
_BEFORE_NOT: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (why, re.compile(pattern, _I))
    for why, pattern in (
        ("a context length", (r"context(?! of)[ -]?(?:length|window|size)?[^,;.]{0,40}$"
         r"|sequence length[^,;.]{0,25}$|上下文[^，。]{0,20}$|window (?:size )?of[^,;.]{0,20}$")),
        ("a vocabulary", r"vocab\w*[^,;.]{0,40}$|词表[^，。]{0,20}$|tokenizer[^,;.]{0,30}$"),
        ("another model in a comparison", r"\b(?:unlike|compared (?:to|with)|in contrast (?:to|with)|than|versus)"
         r"\s[^,.;]{0,60}(?:, which [^,.;]{0,40})?trained (?:on|for|with|over)[^,.;]{0,30}$"),
        ("what a method needs", r"\b(?:only|just) (?:needs?|requires?|requiring|needing)[^,;.]{0,30}$|(?:仅需|只需|仅用)[^，。]{0,12}$"),
        ("a batch size", r"batch(?:[ -]?size)?[^,;.]{0,45}$"),
        ("a schedule", (r"(?:warm-?(?:ed)?[ -]?up|ramp-?(?:ed)?[ -]?up|anneal(?:ed|ing)? (?:from|over)|"
         r"decay(?:ed|ing|s)?|cool-?down)[^,;.]{0,60}$")),
        ("a moment of training", (r"\b(?:first|initial|last|final|every|each|after|until|another|next|"
         r"remaining|at|by|前|每)\s?(?:the\s)?(?:about\s|around\s|~)?$"
         r"|checkpoints?[^,;.]{0,40}$|intermediate[^,;.]{0,40}$")),
        ("a plan", (r"\b(?:will|plan(?:s|ned|ning)?|aim(?:s|ing)?|intend\w*|going to|target\w*|expect\w*|"
         r"would|goal|future|scheduled to|upcoming)\b[^.;]{0,90}$|计划[^。]{0,30}$|将(?:会|在|使用)[^。]{0,30}$")),
        ("fine-tuning", (r"(?:fine-? ?tun\w*|finetun\w*|instruction[- ]?tun\w*|\bSFT\b|RLHF|\bDPO\b|post-?train\w*|"
         r"align(?:ed|ment)|reward model|微调|微調|指令|后训练|ファインチューニング|미세)"
         r"[^.;。]{0,90}$")),
        ("another quantity", (r"(?:importance matrix|imatrix|calibrat\w*|quantiz\w*|tokenizer|embedding|"
         r"reward|classifier|perplexity|evaluat\w*|benchmark\w*|throughput|adapter|LoRA|projector|ablation|proxy model|draft model)"
         r"[^.;]{0,70}$")),
    )
)  # fmt: skip
_AFTER_NOT: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (why, re.compile(pattern, _I))
    for why, pattern in (
        ("a parameter count", r"^[\s-]?(?:\w+\s){0,3}?(?:param|模型|参数|參數|model|활성|매개변수|パラメータ|параметр)"),
        ("a speed", rf"^\s?(?:\w+\s){{0,2}}?{COUNTED}?\s?(?:/|per)\s?(?:s\b|sec|second|day|hour|gpu|iter|step|batch)"),
        ("a share of the training", rf"^[^,.;]{{0,30}}{COUNTED}?\s(?:warm-?up|ramp-?up|into (?:the )?training)"),
        ("fine-tuning", rf"^[^,.;]{{0,40}}{COUNTED}?[^,.;]{{0,40}}(?:\bSFT\b|fine-?tun\w+|instruction[- ]tun\w+|RLHF|微调)"),
        ("a corpus after filtering", rf"^[^,.;]{{0,20}}(?:unique|deduplicated|available)\s{COUNTED}"),
        ("a plan", r"^[^.;]{0,60}\b(?:is|are) (?:planned|coming)\b"),
        ("a context length", rf"^\s?{COUNTED}?\s?(?:context|window|sequence|input|output)"),
        ("no tokens", (r"^\s?(?:bytes|[GTM]i?B\b|FLOP|characters|words|字符|documents|images|"
         r"parameters|pages|steps|samples|rows|examples|sentences|pairs|hours|downloads)")),
    )
)  # fmt: skip
_OF_TEXT = re.compile(r"^[^,.;，。]{0,24}(?:语料|数据|data\b|corpus|text\b|语言)", _I)
_TRAINED_ON = re.compile(
    r"(?:training of|trained (?:on|for|with|over|using)|训练了?|trainiert|entra[iî]n\w+ sur)\s?"
    r"(?:(?:over|about|around|approximately|nearly|more than|a total of|~|≈|超过|约|近)\s?){0,2}$",
    _I,
)
_SHARE = re.compile(r"[0-9] ?% of .{0,60}(?:pre-? ?train|original|budget)", _I)
_FIRST_OF = re.compile(r"train\w* on the first (?:~|about )?$", _I)
_HOLDS = re.compile(
    r"(?:contain(?:s|ing|ed)?|consist(?:s|ing|ed)? of|compris(?:es|ed of|ing|e)|total(?:s|ing|ling)?|"
    r"includ(?:es|ing)|amount(?:s|ing)? to|has|have|provides?|collect(?:ed|ing)|filtered|dataset of|"
    r"dataset (?:is|was|with)|data (?:is|was)|corpus (?:is|was)|release[sd]?|包含|构建|收集|开源|包括)"
    r"\s?[^,;.，。]{0,40}$",
    _I,
)
_DATASET = re.compile(r"\b(?:data-? ?sets?|corpus|corpora|data|datos|mixture|数据集|语料库?)\b", _I)
_ADDED = re.compile(
    r"\b(?:additional(?:ly)?|extra|further|more|another|continu\w+|mid-?train\w*|"
    r"(?:stage|phase|step) ?-?(?:[0-9]|I{1,3}|one|two|three|four)|(?:first|second|third|fourth|"
    r"final|last|initial|subsequent) (?:stage|phase|step)|first (?:pre-?)?train|during (?:this|the|that) [\w -]{0,30}(?:period|stage|phase)|anneal\w*|cool-?down|decay|second|then)\b"
    r"|阶段|继续|额外|追加|増分|段階",
    _I,
)
_TOTAL = re.compile(
    r"\b(?:total|overall|altogether|cumulative\w*|in all|headline|combined|across (?:all|both))\b|训练总|总\s?(?:token|词元)|累计|总共|共计|合计|総計",
    _I,
)

_TOTAL_AFTER = re.compile(
    r"^[^,;.，。0-9]{0,40}\b(?:in total|total\b|altogether|overall|across (?:all|both))", _I
)


def classify(found: Found) -> Verdict:
    """What a candidate is, and why."""
    text, start, end = found.text, found.start, found.end
    how = qualifier(text, start, end)
    if found.form != "prose":
        if _is_fine_tuning(found):
            return Verdict(taken=False, why="stands under fine-tuning")
        weight = 60 if _TRAIN.search(found.label) or "#" in found.label else 45
        how = how if how != "exact" else _label_qualifier(found.label)
        return Verdict(
            taken=True,
            why=f"a cell under '{found.label[:40]}'",
            kind="total",
            weight=weight,
            qualifier=how,
        )
    before, after = text[max(0, start - 200) : start], text[end : end + 160]
    # A decimal point ends no clause.
    before, after = (re.sub(r"(?<=[0-9])[.,](?=[0-9])", "·", part) for part in (before, after))
    if _SHARE.search(after):
        return Verdict(taken=False, why="a share of the pretraining, not the whole")
    unit = found.quantity.unit
    if unit == "g" and not _GIGATOKENS.match(after):
        return Verdict(taken=False, why="no tokens: a G without tokens")
    for why, pattern in _AFTER_NOT:
        if pattern.search(after):
            return Verdict(taken=False, why=f"{why}: the words after it say so")
    if _range(before, after):
        return Verdict(taken=False, why="the end of a range")
    if re.search(r"\bcheckpoints\b", before, _I) or _listed(text, start, end):
        return Verdict(taken=False, why="one of a list of checkpoints")
    if re.search(r"[A-Za-z0-9]-$|/$", before):
        return Verdict(taken=False, why="part of a name")
    field = bool(_FIELD.search(before)) and not _header_no(before)
    tokens_after = bool(_TOKENS_AFTER.search(after)) or bool(
        unit in ("g", "t", "b", "tera", "giga") and _GIGATOKENS.match(after)
    )
    tokens_before = bool(_TOKENS_BEFORE.search(before))
    large = (
        unit in ("t", "trillion", "trillions", "万亿", "萬億", "兆", "万億", "조")
        and found.tokens <= 10**14
        and bool(_OF_TEXT.search(after) or _TRAINED_ON.search(before))
    )
    if field:
        if not (tokens_after or _COUNTED.search(before) or large):
            return Verdict(taken=False, why="a field that does not count tokens")
        return Verdict(
            taken=True,
            why="a field that counts training tokens",
            kind="total",
            weight=58,
            qualifier=how,
        )
    for why, pattern in _BEFORE_NOT:
        match = pattern.search(before)
        if match and _FIRST_OF.search(before) and re.match(rf"\s?{COUNTED} of\b", after, _I):
            continue
        if match and not _trained_again(before, match.start(), why):
            return Verdict(taken=False, why=f"{why}: the words before it say so")
    if _is_fine_tuning(found):
        return Verdict(taken=False, why="stands under fine-tuning")
    trained = _TRAIN.search(text)
    if not trained:
        return Verdict(taken=False, why="nothing says that a model was trained on it")
    if not (tokens_after or tokens_before or large):
        return Verdict(taken=False, why="no word says that it counts tokens")
    governs = _governs(text, start, end)
    if not governs:
        return Verdict(taken=False, why="training is spoken of, but not on this number")
    kind = (
        "stage"
        if _ADDED.search(before[-110:]) or _ADDED.search(after[:60].split(",")[0])
        else "total"
    )
    weight = 40 + (10 if tokens_after else 0)
    if _TOTAL.search(before[-60:]) or _TOTAL_AFTER.search(after):
        kind, weight = "total", weight + 12
    if re.search(r"\bfor (?:a total of |over |about |~)?$", before, _I):
        # Trained on a corpus, for as many tokens: the tokens seen stand behind "for".
        weight += 6
    if found.subject and found.segment.table is not None:
        weight -= 3
    return Verdict(taken=True, why=governs, kind=kind, weight=weight, qualifier=how)


def _range(before: str, after: str) -> bool:
    """Whether the number is one end of a range; the end that something grew to is none."""
    number = r"[0-9][0-9.,·]*\s?(?:[BTM]|trillion|billion|万亿|亿)?"
    if re.search(
        rf"(?:grow|grew|scal|expand|increas|extend|enlarg)\w* .{{0,80}}from {number}[^.]{{0,30}}$",
        before,
        _I,
    ):
        return False
    return bool(
        re.search(rf"(?<![A-Za-z]){number}\s?(?:~|–|—|-|to|至|到)\s?$", before, _I)
        or re.match(rf"\s?(?:~|–|—|-|to|至|到)\s?{number}", after, _I)
    )


def _listed(text: str, start: int, end: int) -> bool:
    """Whether the number is one of three or more in a bare list."""
    if re.search("respectively|分别|分別", text):
        return False
    item = r"[0-9][0-9.,]*\s?[BTM]?(?: tokens)?"
    return bool(
        re.search(rf"{item}, (?:{item},? )?(?:and )?$", text[max(0, start - 40) : start])
        and (
            re.search(rf"{item}, {item}, ?(?:and )?$", text[max(0, start - 40) : start])
            or re.match(rf",? (?:and )?{item}", text[end:])
        )
    )


def _header_no(before: str) -> bool:
    return bool(
        re.search(r"fine-?tun|context|batch|vocab|unique|dataset size|sft|instruct", before, _I)
    )


def _label_qualifier(label: str) -> str:
    return "about" if re.search(r"approx|~|≈|约", label, _I) else "exact"


def _is_fine_tuning(found: Found) -> bool:
    near = " ".join((*found.segment.headings[-2:], found.label, found.subject))
    return bool(
        re.search(r"fine-? ?tun|\bSFT\b|instruction[- ]tun|post-?train|微调|RLHF", near, _I)
    ) and not re.search(r"pre-?train|预训练", near, _I)


def _trained_again(before: str, at: int, why: str) -> bool:
    """Whether a verb of training stands after the word that speaks against the number."""
    rest = before[at:]
    if why in ("a plan",):
        return False
    if why == "fine-tuning":
        return bool(re.search(r"pre-?train(?:ed|ing)|预训练|trained from scratch", rest, _I))
    if why == "a moment of training":
        return False
    if why == "another model in a comparison":
        return False
    if why == "another quantity":
        return bool(re.search(r"pre-?train|and (?:was |is |were )?trained|预训练", rest, _I))
    return bool(
        re.search(r"(?:pre-?)?trained (?:on|with|for|using)|\bsaw\b|\bseen\b|预训练", rest, _I)
    )


def _governs(text: str, start: int, end: int) -> str:
    """Why the training that a sentence speaks of is on this number; "" where it is not."""
    before = text[:start]
    verbs = list(_TRAIN.finditer(before))
    if verbs:
        between = before[verbs[-1].end() :]
        if len(between) > 260 or re.search(r"\b(?:larger|bigger|size)\b", between, _I):
            return ""
        holds = _HOLDS.search(between)
        if (
            holds
            and not re.search(
                r"\b(?:on|with|using|over|for|from)\b|用|在|于", between[: holds.start()], _I
            )
            and (_DATASET.search(between) or re.match(r"\s(?:data|corpus|set)", between))
        ):
            return ""
        return f"'{verbs[-1][0]}' governs it"
    after = text[end : end + 120]
    later = _TRAIN.search(after)
    if later:
        word = later[0]
        if re.search(r"[一-鿿ぁ-ヿ가-힣]", word) or re.search(r"seen|train|обуч", word, _I):
            lead = text[max(0, start - 40) : start]
            if not _HOLDS.search(lead) or re.match(
                r"[^，。]{0,16}(?:语料|数据)[^，。]{0,6}上", after
            ):
                return f"'{word}' after it governs it"
    return ""
