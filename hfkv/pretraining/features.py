# ruff: noqa: E501 (tables of patterns read better unbroken)
"""What speaks for and against a candidate, by name: each feature answers one question.

``what:`` what the number counts; ``who:`` which model it is said of; ``part:`` which part of the
training; ``among:`` how it stands among the card's other numbers; ``page:`` what kind of card it
is. A feature holds or it does not. What each is worth is fitted (``hfkv/data/reader.json``) and
stands nowhere in the code.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from hfkv.pretraining.candidates import Found
from hfkv.pretraining.governor import Governor, governor
from hfkv.pretraining.identity import (
    GENERIC,
    Identity,
    names_in,
    sizes_in,
    tokens_of,
)
from hfkv.pretraining.labels import counts_tokens, names_data
from hfkv.pretraining.metadata import base_models, split
from hfkv.pretraining.objections import ahead, behind, one_of_several, tuning
from hfkv.pretraining.sizes import associated, parameter_sizes
from hfkv.pretraining.subject import trained
from hfkv.pretraining.words import COUNTED, HEDGES, TRAIN, TRAIN_WORD, I

__all__ = ["GENERAL", "Page", "described", "label_of", "page", "scope"]

#: Words of a sentence or a label, by what they say of the number.
_SAYS = {
    name: re.compile(pattern, I)
    for name, pattern in {
        "what:word pretrain": r"pre-?train|预训练|預訓練|事前学習|from scratch|vortrain|pr[ée]-?entra",
        "what:word train": r"(?<!pre)(?<!pre-)(?<!fine-)\btrain(?:ed|ing)\b|训练|訓練|学習|학습",
        "what:word tune": r"fine-? ?tun|\bSFT\b|instruct(?:ion)?[- ]tun|post-?train|RLHF|\bDPO\b|\bQ?LoRA\b|微调|微調|对齐|supervised|ファインチューニング",
        "what:word corpus": r"corp(?:us|ora)|data-?\s?sets?\b|\bdata\b|语料|数据|コーパス|データ|말뭉치|mixture|pool",
        "what:word holds": r"contain|compris|consist|includ|total(?:ing|ling)|collect|crawl|sampled|filter|dedup|unique|available|release|包含|包括|开源|收集|清洗",
        "what:word saw": r"\bsaw\b|\bseen\b|consum|processed|ingest|exposed|消耗|累计",
        "what:word dialog": r"\bchat|conversation|dialog|instruction|role-?play|\bRP\b|preference|prompt|response|对话|指令",
        "what:word window": r"context|window|sequence|length|max(?:imum)?|上下文|窗口|长度|コンテキスト|문맥",
        "what:word schedule": r"batch|learning rate|\blr\b|warm-?up|decay|schedule|anneal|per (?:step|batch|second)|throughput|GPU|loss",
        "what:word experiment": r"ablation|experiment|baseline|proxy|scaling law|compar|study|probe|benchmark|cost|price|hypothe",
        "what:word plan": r"\bwill\b|plan|aim|goal|target|future|upcoming|currently|in progress|ongoing|计划|予定",
        "what:word other thing": r"speech|audio|image|video|vision|visual|tokenizer|embedding|reward|speculative|draft|encoder|adapter|imatrix|quantiz|calibrat|distill|prun",
        "part:word stage": r"\bstages?\b|\bphases?\b|阶段|段階|ステージ|anneal|cool-?down|mid-?train|long[- ]context|extension",
        "part:word continued": r"continu\w*[ -](?:\w+ )?(?:pre-?)?train|further (?:pre-?)?train|additional|on top of|initiali[sz]ed (?:from|with)|start(?:ing|s|ed)? from|adapt(?:ed|ation)|warm-start|继续|増分|継続|追加|增量|二次预训练|more tokens|extra",
        "part:word total": r"\btotal\b|overall|altogether|cumulative|in all\b|combined|总|累计|合计|共计|総計|合計",
        "part:word epoch": r"epoch|passes|轮",
        "part:word checkpoint": r"checkpoint|intermediate|step[- _]?[0-9]|revision|branch",
        "who:word comparison": r"\bthan\b|unlike|compared|versus|\bvs\b|similar to|such as|whereas|while\b|相比|comparable",
        "who:word other's": r"original|previous|predecessor|prior|earlier|their\b|teacher|base model|backbone|上一代",
        "who:word family": r"\ball (?:the )?(?:models|sizes|variants)|family|series|suite|each model|both models|every model|这些模型|models (?:are|were)",
    }.items()
}
_FIELDS = ("what:word pretrain", "what:word tune", "what:word corpus", "what:word train")
_HEADINGS = {
    name: re.compile(pattern, I)
    for name, pattern in {
        "what:heading train": TRAIN,
        "what:heading tune": r"fine-? ?tun|\bSFT\b|instruct|post-?train|RLHF|\bDPO\b|LoRA|微调|align|usage|inference|example|how to|quick",
        "what:heading data": r"data|corpus|语料|数据|データ|데이터|dataset",
        "who:heading news": r"news|update|release|history|changelog|更新|新闻|what'?s new|highlights?",
        "who:heading other": r"evaluat|benchmark|compar|result|performance|related|citation|baseline|acknowledg|limitation|评测",
        "who:heading model": r"model (?:details|description|overview|summary|card|information|spec)|introduc|overview|about|简介|介绍|architecture|hyper|config",
    }.items()
}
_OWN_MODEL = re.compile(
    r"\b(?:this|our|the)\s(?:[\w-]+\s){0,4}?(?:model|LLM|checkpoint|version|network)\b|\b(?:it|we)\b|本模型|我们|该模型|本モデル|이 모델|(?:el|este) modelo|(?:le|ce) modèle|das modell|il modello|o modelo",
    I,
)
_NAMES = re.compile(
    r"(?<![\w/.])(?:[A-Z][A-Za-z]*[a-z][A-Z]\w*|[A-Z]{2,}[a-z]+\w*|[A-Z][A-Za-z]{2,}[ -]?v?[0-9][\w.]*|[A-Z][\w.]+(?:-[\w.]+)+|[A-Z]{3,}(?:-\w+)*)"
)
_NO_MODELS = frozenset(
    """gpu gpus tpu tpus cuda nvidia llm llms nlp sft dpo rlhf rl lora moe gqa rope bpe api json html http https arxiv
    ai flops mfu tokens token the github pdf url wikipedia redpajama slimpajama commoncrawl refinedweb fineweb dolma
    starcoderdata thepile oscar openwebtext books stackexchange adamw adam deepspeed megatron pytorch jax
    english chinese german french web code math stem usa""".split()
)
#: What stands behind a preposition is what was trained on, more often than what was trained.
_OBJECT = re.compile(
    r"\b(?:on|from|using|with|in|by|via|including|and|over)\s(?:the\s)?\W{0,2}\Z", I
)
_NO_MODEL = re.compile(
    r"(?:the|stage|phase|step|table|figure|section|pre|pré|mid|post|over|about|around|trained|pretrained|training|total|stages?|data|model|models|version|part)\b(?!-[0-9])",
    I,
)
_TUNED_NAME = re.compile(
    r"chat|instruct|sft|dpo|rlhf|assistant|-it\b|tuned|gguf|awq|gptq|fp8|int4|quant|lora|adapter|merge",
    I,
)
_TUNED_TEXT = re.compile(
    r"\b(?:fine-?\s?tuned?|instruct(?:ion)?[- ]tuned|SFT|DPO|RLHF|LoRA|quanti[sz]ed|merge[ds]?)\b[^.\n]{0,40}\b(?:version|variant|model|of|from|on|over)\b|fine-?\s?tuned [A-Z]|微调",
    I,
)
_CONTINUED_TEXT = re.compile(
    r"continu\w*[ -](?:\w+ )?(?:pre-?)?train|further (?:pre-?)?train|initiali[sz]ed (?:from|with)|继续预训练|增量预训练|継続事前",
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
_DRAWN = re.compile(
    r"(?:sampled|drawn|subset|selected|part|portion|chosen|taken|pool|out) (?:from|of) (?:an? |the |our )?(?:[\w-]+ ){0,4}$", I
)  # fmt: skip
_TRAINED_ON_MORE = re.compile(
    rf"^\s?(?:models?\s|version\s)?(?:(?:was|were|is|are)\s)?(?:(?:pre-?)?trained\s)?\(?(?:on|with|for)\s{HEDGES}{{0,3}}[0-9][^.;]{{0,24}}{COUNTED}",
    I,
)
_DENIED = re.compile(
    r"\b(?:not(?! (?:only|just|more|less|fewer))|n['’]t|never|without|instead of|rather than|unable to|no (?:option|need))\b[^,;.]{0,60}$",
    I,
)
_ADDED = re.compile(
    r"\b(?:additional(?:ly)?|extra|further|more(?! than)|another|continu\w+|mid-?train\w*|followed by|plus|"
    r"(?:stage|phase|step) ?-?(?:[0-9]|I{1,3}|one|two|three|four)|(?:first|second|third|fourth|"
    r"final|last|initial|subsequent) (?:\w+ )?(?:stage|phase|step)|first (?:pre-?)?train|during (?:this|the|that) [\w -]{0,30}(?:period|stage|phase)|anneal\w*|cool-?down|decay|second|then)\b"
    r"|阶段|继续|额外|追加|増分|段階",
    I,
)
_COUNT = re.compile(
    rf"[0-9]\s?(?:[TBM]|trillion|billion|million)?\+?\s(?:[\w-]+\s){{0,3}}?{COUNTED}", I
)
_TOTAL = re.compile(
    r"\b(?:total(?:l?ing|s|l?ed)?|i\.e|that is|amounting to|overall|altogether|cumulative\w*|in all|headline|combined|across (?:all|both))\b|训练总|总\s?(?:token|词元)|累计|总共|共计|合计|総計|合計|总",
    I,
)
_TOTAL_BEHIND = re.compile(
    r"^[^,;.，。0-9]{0,40}\b(?:in total|total\b|altogether|overall|across (?:all|both))", I
)
#: A row, column or field that is a stage of the training.
_STAGE_LABEL = re.compile(
    r"\W{0,4}(?:(?:pre-?training )?(?:stage|phase)|第?[一二三四1-9]?阶段|ステージ|第[一二三四1-9]段階)",
    I,
)
#: The row that adds up the others, and columns of what was trained on.
_SUM_ROW = re.compile(r"\W{0,4}(?:grand )?(?:(?:totals?|sum|all|overall)\b|合计|总计|合計)", I)
_SOURCES = re.compile(
    r"\bdata-?\s?sets?\b|\bsources?\b|\bsubsets?\b|corpus|corpora|\bdomains?\b|\blanguages?\b|categor|数据集|语料|来源|语言",
    I,
)
#: The first name of a sentence that a verb follows: what the sentence is about.
_SUBJECT = re.compile(
    r"^\W{0,6}(?:(?:the|our|a|an|new|latest|original|base|this|these|both|all)\s){0,3}(?P<name>[A-Z][\w.+-]*(?:[ -][A-Z0-9][\w.+-]*){0,4})(?:['’]s)?(?:\s\([^()]{0,40}\))?(?:\s(?:model|models|family|series|LLM|LLMs|base|suite))?"
    r"(?:,?\s(?:is|was|are|were|has|have|had|uses?|used|saw|follows?|extends?|builds?|comes?|consists?|underwent|pre-?trained|trained|models?|a|an|which|employs?|leverages?|adopts?)\b|\s?[:：]|\s[-–—]\s|是|采用|在|使用|经过|基于|は|は、|는|은)"
)
_STARTS = re.compile(
    r"^\W{0,6}(?:it|we|this|our|the|these|they|both|all|each|every|note|that|further|also|here|when|there|training|pre-?training|in|during|after|for|with|as|at|on|from|to|by|using|starting|trained|pre-?trained|while|although|first|finally|then|stage|phase|total|over|approximately|a total|number|tokens?)\b",
    I,
)
_ANY_MODEL = re.compile(r"(?:^|\.\s)\W{0,4}an? [^.;]{0,60}(?:model|LLM)s? (?:that|which)", I)
#: What a rare feature is a kind of; the kind holds too, and is what a few cards can teach.
GENERAL: dict[str, frozenset[str]] = {
    "who:contradicted": frozenset(
        ("who:another version", "who:another size", "who:family without its version",
         "who:subject is another", "who:a model that", "who:a size, its own not known",
         "who:under another size", "who:under a sibling", "who:a sibling",
         "who:another was trained")
    ),
    "what:objection": frozenset(
        ("what:drawn from it", "what:denied", "part:a term of a printed sum",
         "what:a size, for what it was trained on follows", "what:a term of a sum or a product",
         "what:a row of data", "what:a moment of training", "what:ahead: a plan",
         "what:ahead: a supposition", "what:ahead: another model in a comparison",
         "what:ahead: another quantity", "what:ahead: what a method needs",
         "what:behind: a context length", "what:behind: a parameter count",
         "what:behind: a part of the training", "what:behind: a speed or a price",
         "what:behind: a share of the pretraining, not the whole", "what:behind: no tokens",
         "what:behind: a comparison with another amount", "what:behind: a plan",
         "what:behind: tokens of sound", "what:part of a name")
    ),
    "what:doubt": frozenset(
        ("what:a letter without tokens", "what:the end of a range",
         "what:a part of the count before it", "what:one of a list of checkpoints",
         "what:ahead: fine-tuning", "what:ahead: a part of the training",
         "what:behind: a share of the whole", "what:behind: fine-tuning",
         "what:behind: a corpus after filtering", "what:one of the parts of a field")
    ),
    "what:tuning": frozenset(
        ("what:under tuning", "what:field of tuning", "what:behind: fine-tuning", "what:ahead: fine-tuning",
         "what:word tune (clause)", "what:word dialog (clause)", "what:as little as tuning",
         "what:no more than the tuning")
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a whole card says of itself.

    Attributes:
        asked: the model asked about; ``words``: what is its own in its name.
        about: the features of the card.
        tuned: whether the card is of a fine-tune, by its name or by what it says.
        versioned: whether the card names the asked model's family with its version.
        bases: the words of the bases that its metadata names.
        plain: capitalised words inside its sentences, which names may be.
        siblings: words that the card puts behind the family's name, and the asked name lacks.
        lines: how many lines it has.
    """

    asked: Identity
    words: frozenset[str]
    about: tuple[str, ...]
    tuned: bool
    versioned: bool
    siblings: frozenset[str]
    bases: frozenset[str]
    plain: frozenset[str]
    lines: int


def page(card: str, asked: Identity) -> Page:
    """What the features of a whole card are read from."""
    front, body = split(card)
    text = card[body : body + 100_000]
    heading = re.search(r"^\s{0,3}#{1,3}\s+(.{1,200})$|<h1[^>]*>(.{1,300}?)</h1>", text, re.M)
    title = next((part for part in heading.groups() if part), "") if heading else ""
    sizes = len({size for *_, size in sizes_in(text) if size >= 5 * 10**7})
    own = _words(asked.own)
    about = []
    if own & _words(title):
        about.append("page:title names it")
    elif title and _names(title):
        # A card's own title names its model, whatever the repository is called.
        about.append("page:title names another")
        own |= {word.lower() for _, name in _names(title) for word in _words(name)}
    elif not title:
        about.append("page:no title")
    if not asked.hub:
        # The name of a directory says nothing of the model that lies in it.
        own |= {word for _, name in _names(text[:3_000]) for word in _words(name)}
    if not own & _words(text[:20_000]):
        about.append("page:never names it")
    bases = base_models(card)
    if bases:
        about.append("page:has bases")
        about += sorted({f"page:{relation}" for _, relation in bases if relation != "base_model"})
    named = bool(_TUNED_NAME.search(asked.own))
    said = bool(_TUNED_TEXT.search(text[:6_000]))
    about += ["page:tuned name"] * named + ["page:says it is tuned"] * said
    if _CONTINUED_TEXT.search(text[:12_000]):
        about.append("page:says it goes on")
    about += ["page:many sizes"] * (sizes > 6) + ["page:some sizes"] * (1 < sizes <= 6)
    about += ["page:no front matter"] * (not front) + ["page:size known"] * bool(asked.sizes)
    task = re.search(r"^pipeline_tag:\s*([\w-]+)", front, re.M)
    if task:
        about.append("page:task " + ("text" if task[1] == "text-generation" else "other"))
    return Page(
        asked=asked,
        words=frozenset(own),
        about=tuple(about),
        tuned=named or said,
        versioned=any(
            family == asked.family and version == asked.version
            for _, family, version in names_in(text)
        ),
        siblings=_siblings(text, asked),
        bases=frozenset(word for name, _ in bases for word in _words(name.split("/")[-1])),
        plain=frozenset(re.findall(r"(?<=[a-z] )[A-Z][a-z]{2,}\b", text)),
        lines=card.count("\n") + 1,
    )


def _words(text: str) -> set[str]:
    """The words of a name that tell it from others."""
    return set(re.findall(r"[a-z]{3,}", text.lower())) - GENERIC


def _siblings(text: str, asked: Identity) -> frozenset[str]:
    if len(asked.family) < 3:
        return frozenset()
    variants = re.finditer(
        rf"(?<![A-Za-z]){re.escape(asked.family)}[ -]?(?:v?[0-9.]+[ -])?([A-Z][a-z]{{2,}})\b",
        text,
        I,
    )
    mine = set(re.findall(r"[a-z]+", asked.own.lower()))
    return frozenset(
        word
        for word in (match[1].lower() for match in variants if match[1][0].isupper())
        if word not in mine | GENERIC and word not in _NO_VARIANTS
    )


_NO_VARIANTS = frozenset(
    """has was are were uses used trained models model series family with and the this from for base chat team technical
    report paper license tokenizer architecture""".split()
)


def _names(text: str) -> list[tuple[int, str]]:
    """Where a text names what could be a model, and how."""
    return [
        (match.start(), match[0])
        for match in _NAMES.finditer(text)
        if not _NO_MODEL.match(match[0])
        and match[0].lower().rstrip("s.") not in _NO_MODELS
        and not _OBJECT.search(text, 0, match.start())
    ]


def _bucket(prefix: str, value: float, edges: Sequence[float]) -> str:
    for edge in edges:
        if value < edge:
            return f"{prefix} <{edge:g}"
    return f"{prefix} >={edges[-1]:g}"


def described(found: Sequence[Found], page: Page) -> list[set[str]]:
    """The features of every candidate of a card, in order."""
    lists = [{*_what(item, page), *_part(item)} for item in found]
    place = {id(item): names for item, names in zip(found, lists, strict=True)}
    for item, name in _printed_sums(found):
        place[id(item)].add(name)
    for names in lists:
        names.update(general for general, kinds in GENERAL.items() if names & kinds)
    training = [
        item
        for item, names in zip(found, lists, strict=True)
        if "what:counts training" in names and not names & _SIZES
    ]
    first: dict[tuple[int, int], int] = {}
    for item in training:
        if item.form == "prose":
            first.setdefault((id(item.segment), item.at), item.start)
    tuned = max(
        (item.tokens for item, names in zip(found, lists, strict=True) if "what:tuning" in names),
        default=0,
    )
    for item, names in zip(found, lists, strict=True):
        names.update(_who(item, page, training))
        if "what:tuning" not in names and item.tokens <= tuned < 10**12:
            names.add("what:no more than the tuning")
        start = first.get((id(item.segment), item.at), item.start)
        if item.form == "prose" and start != item.start:
            names.add(
                "among:behind another of its sentence"
                if start < item.start
                else "among:ahead of another"
            )
    standings = _standings(found, page.asked, lists)
    for names, standing in zip(lists, standings, strict=True):
        names.add(standing)
        for general, kinds in GENERAL.items():
            if names & kinds:
                names.add(general)
        if "what:counts training" in names:
            doubts = names & _UNCLEAN
            names.update(f"counts, but {doubt.partition(':')[2]}" for doubt in doubts & _CROSSED)
            if not doubts:
                names.add("among:clean")
    values = Counter(item.tokens for item in found)
    clean = {
        item.tokens for item, names in zip(found, lists, strict=True) if "among:clean" in names
    }
    for item, names in zip(found, lists, strict=True):
        names.update(_among(item, page, values, clean, "among:clean" in names))
    return lists


_UNCLEAN = frozenset(
    ("what:objection", "what:doubt", "what:under tuning", "what:as little as tuning", "what:no more than the tuning", "what:field of tuning", "who:contradicted", "who:table worse +", "who:table worse 0", "who:table worse -")
)  # fmt: skip


def _printed_sums(found: Sequence[Found]) -> Iterator[tuple[Found, str]]:
    """The numbers of a paragraph that add up to another one of it, and that one."""
    groups: dict[int, list[Found]] = {}
    for item in found:
        groups.setdefault(id(item.segment.table or item.segment), []).append(item)
    for items in groups.values():
        several = items[:10]
        for count in (2, 3, 4):
            for terms in itertools.combinations(several, count):
                total = sum(item.tokens for item in terms)
                for item in several:
                    if item.tokens == total and len({term.tokens for term in terms}) == count:
                        yield item, "part:a printed sum"
                        yield from ((term, "part:a term of a printed sum") for term in terms)


#: What is the size of a model, and no count of tokens at all.
_SIZES = frozenset(
    ("what:behind: a parameter count", "what:a size, for what it was trained on follows")
)
_CROSSED = frozenset(
    ("what:objection", "what:doubt", "who:contradicted", "what:as little as tuning")
)


def _what(found: Found, page: Page) -> Iterator[str]:
    """What the number counts."""
    yield f"what:{found.form}"
    yield f"what:{found.segment.kind}"
    if tuning(" ".join((*found.segment.headings[-2:], found.label, found.subject))):
        yield "what:under tuning"
    heading = " ".join(found.segment.headings[-1:])
    for name, pattern in _HEADINGS.items():
        if pattern.search(heading):
            yield name
    if page.tuned and page.asked.sizes and found.tokens < max(page.asked.sizes):
        yield "what:as little as tuning"
    if found.form != "prose":
        yield "what:counts training"
        yield "what:label trains" if TRAIN_WORD.search(found.label) else "what:label tokens"
        table = found.segment.table
        if (
            found.form == "column"
            and table is not None
            and _SOURCES.search(table.header(0))
            and not _SUM_ROW.match(found.subject)
        ):
            yield "what:a row of data"
        for name, pattern in _SAYS.items():
            if pattern.search(found.label + " | " + found.subject):
                yield f"{name} (cell)"
        return
    text, start, end = found.text, found.start, found.end
    before, after = text[max(0, start - 200) : start], text[end : end + 160]
    before, after = (re.sub(r"(?<=[0-9])[.,](?=[0-9])", "·", part) for part in (before, after))
    lead = before
    if found.at and found.segment.text[: found.at].rstrip().endswith(";"):
        # A clause behind a semicolon goes on with what stands before it.
        lead = found.segment.text[max(0, found.at - 160) : found.at].rsplit(". ", 1)[-1]
        lead = lead.replace(";", ",") + before
    for place, why in (("behind", behind(after)), ("ahead", ahead(lead, after))):
        if why:
            yield f"what:{place}: {why.split(':')[0]}"
    if re.search(r"[A-Za-z0-9]-$|/$", before):
        yield "what:part of a name"
    several = one_of_several(text, start, end)
    if several:
        yield f"what:{several}"
    if re.match(rf"\s?{COUNTED}", after, I):
        yield "what:tokens right behind"
    elif re.match(rf"(?:[^\s.;,0-9]+\s){{1,6}}{COUNTED}", after.lstrip(), I):
        yield "what:tokens behind"
    elif re.search(rf"{COUNTED}[^.;]{{0,25}}$", before, I):
        yield "what:tokens before"
    else:
        yield "what:no tokens beside"
    yield from _governed(found)
    clause = re.split(r"[,;:(（，；：]", before)[-1] + " # " + re.split(r"[,;:)），；：]", after)[0]
    for name, pattern in _SAYS.items():
        for place, part in (("clause", clause), ("before", before[-160:]), ("behind", after)):
            if pattern.search(part):
                yield f"{name} ({place})"
                break
    yield from _field(found)
    if re.search(r"[(（]\W{0,3}$", before):
        yield "what:in brackets"
    if _DRAWN.search(before):
        yield "what:drawn from it"
    if found.tokens < 2 * 10**12 and _TRAINED_ON_MORE.match(after):
        yield "what:a size, for what it was trained on follows"
    if _DENIED.search(before):
        yield "what:denied"
    if found.quantity.unit in ("t", "b") and not re.search(
        COUNTED, text[max(0, start - 60) : end + 60], I
    ):
        yield "what:a letter without tokens"
    if not found.quantity.scaled:
        yield "what:no scale"
    if len(found.others) > 2:
        yield "among:many numbers in the sentence"


def label_of(found: Found) -> str:
    """The label of the field, row or column whose value the number is; "" for none."""
    if found.form != "prose":
        return found.label
    match = _FIELD.search(found.text[max(0, found.start - 140) : found.start])
    return match["label"].replace("_", " ").strip(" *`-•") if match else ""


def _field(found: Found) -> Iterator[str]:
    """What the label says whose value the number is."""
    label = label_of(found)
    if not label:
        return
    yield "what:in a field"
    for name in _FIELDS:
        if _SAYS[name].search(label):
            yield f"{name} (field)"
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
    elif sizes_in(label) and TRAIN_WORD.search(" ".join(found.segment.headings[-1:])):
        yield from ("what:field of a size", "what:counts training")


def governed(found: Found) -> Governor:
    """What governs the number of a sentence."""
    context = " ".join((*found.segment.headings[-2:], found.segment.text[:1_000]))
    return governor(found.text, found.start, found.end, context, found.tokens)


def _governed(found: Found) -> Iterator[str]:
    governs = governed(found)
    if not governs.trains:
        yield f"what:{re.sub(r'[(:].*', '', governs.why)[:40].strip()}"
        return
    yield "what:counts training"
    if governs.at < 0:
        yield "what:verb behind"
    if governs.corpus:
        yield "what:corpus trained on"
    if governs.stage:
        yield "part:stage"


def _part(found: Found) -> Iterator[str]:
    """Which part of the training the number is."""
    if found.form != "prose":
        table = found.segment.table
        if _SUM_ROW.match(found.subject):
            yield "part:row of a sum"
        elif _STAGE_LABEL.match(found.subject) or (table and _STAGE_LABEL.match(table.header(0))):
            yield "part:stage"
        else:
            yield "part:total"
        return
    before = found.text[max(0, found.start - 110) : found.start]
    after = found.text[found.end : found.end + 60]
    # What was said of an earlier count is not said of this one.
    lead = _COUNT.split(before)[-1]
    if _TOTAL.search(before[-60:]) or _TOTAL_BEHIND.search(after):
        yield "part:total"
    elif _ADDED.search(lead) or _ADDED.search(after.split(",")[0]):
        yield "part:stage"
    else:
        yield "part:whole"


def scope(found: Found) -> str:
    """The text that says whose a count is: a row's names, or the sentence up to the number."""
    table = found.segment.table
    if table is None or (found.form == "prose" and found.segment.kind != "cell"):
        return found.text[: found.start]
    if found.form == "row":
        return found.subject
    row = table.rows[found.segment.row]
    return " | ".join(dict.fromkeys(cell.text[:120] for cell in row if cell is not found.segment))


def _likeness(text: str, asked: Identity) -> int:
    """How well a text names the asked model: pieces of its name, less what contradicts them."""
    said, joined = set(tokens_of(text)), text.lower().replace(" ", "")
    score = 4 * (asked.own.lower() in text.lower())
    for piece in tokens_of(asked.own):
        if piece not in GENERIC and not re.fullmatch(r"[0-9.]+[bmt]", piece):
            score += 2 * (piece in said or (len(piece) > 3 and piece in joined))
    sizes = [size for *_, size in sizes_in(text)]
    if asked.sizes and sizes:
        score += 3 if any(asked.fits(size) for size in sizes) else -4
    return score


def _standings(
    found: Sequence[Found], asked: Identity, lists: Sequence[Collection[str]]
) -> list[str]:
    """How the row, column or sentence of each candidate stands among its rivals by name."""
    result = ["who:no rivals"] * len(found)
    groups: dict[int, list[int]] = {}
    for number, item in enumerate(found):
        table = item.segment.table
        if table is not None:
            groups.setdefault(id(table), []).append(number)
        elif "what:counts training" in lists[number]:
            groups.setdefault(0, []).append(number)
    for key, numbers in groups.items():
        marks = [_likeness(scope(found[number]), asked) for number in numbers]
        rest: list[int] = []
        table = found[numbers[0]].segment.table
        if table is not None:
            rows = {found[number].segment.row for number in numbers}
            if len(rows) > 1 or all(found[number].form == "column" for number in numbers):
                # A row without a count may be the asked model's all the same.
                rest = [
                    _likeness(" | ".join(dict.fromkeys(cell.text[:120] for cell in row)), asked)
                    for at, row in enumerate(table.rows[:80])
                    if at not in rows and at >= table.heads
                ]
        best = max(marks + rest)
        values = {found[n].tokens for n, mark in zip(numbers, marks, strict=True) if mark == best}
        for number, mark in zip(numbers, marks, strict=True):
            if len(numbers) + len(rest) == 1:
                word = "alone"
            elif mark < best:
                word = "worse"
            else:
                word = "tied" if len(values) > 1 else "best"
            sign = "+" if mark > 0 else "-" if mark < 0 else "0"
            result[number] = f"who:{'table' if key else 'prose'} {word} {sign}"
    return result


def _who(found: Found, page: Page, training: Sequence[Found]) -> Iterator[str]:
    """Which model the number is said of."""
    asked, text = page.asked, scope(found)
    said = _words(text)
    own = said & page.words
    others = [at for at, name in _names(text) if not _akin(name, page)]
    if own:
        yield "who:names it"
        if own == page.words:
            yield "who:names it whole"
    if others:
        yield "who:names another"
        if not own:
            yield "who:names another only"
        elif max(text.lower().rfind(word) for word in own) < others[-1]:
            yield "who:names another nearer"
    elif not own:
        yield "who:names none"
    if found.form == "prose":
        if _OWN_MODEL.search(text):
            yield "who:this model"
        if _words(found.text[found.end : found.end + 160]) & page.words:
            yield "who:names it behind"
        yield _subject(found, page)
        whose = trained(found, asked)
        if whose:
            yield f"who:{whose} was trained"
    heads = " ".join(found.segment.headings)
    if _words(heads) & page.words:
        yield "who:heading names it"
    elif any(not _akin(name, page) for _, name in _names(heads)):
        yield "who:heading names another"
    for heading in reversed(found.segment.headings):
        under = [size for *_, size in sizes_in(re.sub(r"[0-9.]+[BT]?[ -]tokens?", "", heading))]
        if under and asked.sizes:
            yield "who:under its size" if any(map(asked.fits, under)) else "who:under another size"
            break
    every = parameter_sizes(found)
    sizes = associated(found, every, training)
    if sizes and asked.sizes:
        fits = [asked.fits(size) for size in sizes]
        yield "who:its size" if any(fits) else "who:another size"
        if any(fits) and not all(fits):
            yield "who:several sizes"
    elif sizes:
        yield "who:a size, its own not known"
    elif every:
        yield "who:sizes elsewhere in the sentence"
    mine = set(re.findall(r"[a-z]+", asked.own.lower())) - {asked.family} - GENERIC
    for name, where in (("who:under a sibling", heads), ("who:a sibling", text)):
        words = set(re.findall(r"[a-z]{3,}", where.lower()))
        if words & page.siblings and not words & mine:
            yield name
    version = _version(text.lower(), asked.own)
    if version is not None:
        yield "who:its version" if version else "who:another version"
    if page.bases & _words(text):
        yield "who:names its base"
    versions = [v for _, family, v in names_in(text) if family == asked.family]
    if versions and asked.version:
        yield "who:its version" if asked.version in versions else "who:another version"
    elif asked.version and page.versioned and asked.family in said:
        yield "who:family without its version"
    if _ANY_MODEL.search(text):
        yield "who:a model that"
    if asked.sizes:
        share = found.tokens / max(asked.sizes)
        yield "among:" + _bucket("tokens/parameter", share, (0.3, 2, 10, 60, 600, 30_000))


def _version(ahead: str, own: str) -> bool | None:
    """Whether the last "Foo v1.1" of a text is the asked model, where its name ends in a version
    of the same model; None where the text names none."""
    mine = [token for token in tokens_of(own) if token not in GENERIC]
    if len(mine) < 3 or mine[-2] != "v":
        return None
    said, stem = tokens_of(ahead), tuple(mine[:-1])
    for at in range(len(said) - len(stem), 0, -1):
        if said[at - 1 : at - 1 + len(stem)] == stem:
            return said[at - 1 + len(stem)] == mine[-1]
    return None


def _akin(name: str, page: Page) -> bool:
    """Whether a name is the asked model's, as far as its words tell."""
    joined = name.lower()
    return bool(_words(name) & (page.words | page.bases)) or any(
        len(word) > 3 and word in joined for word in page.words
    )


def _subject(found: Found, page: Page) -> str:
    """What the sentence of a number is about, as far as its form tells."""
    text = re.sub(r"^\W{0,6}[^:：]{1,50}[:：]\W{0,4}", "", found.text[: found.start])
    if _STARTS.match(text):
        return "who:subject not named"
    match = _SUBJECT.match(text)
    if match is None:
        return "who:subject not seen"
    if _akin(match["name"], page):
        return "who:subject is it"
    if not _words(match["name"]) - _NO_MODELS or re.fullmatch(r"\w+(?:ly|ed|ing)", match["name"]):
        return "who:subject not named"
    if re.fullmatch(r"[A-Z][a-zà-ÿ]+", match["name"]) and match["name"] not in page.plain:
        return "who:subject not named"
    return "who:subject is another"


def _among(
    found: Found, page: Page, values: Counter[int], clean: set[int], own: bool
) -> Iterator[str]:
    """How the number stands among the card's others."""
    yield "among:" + _bucket("log", math.log10(found.tokens), (8, 9, 10, 11, 12, 12.6, 13.6))
    if values[found.tokens] > 1:
        yield "among:repeated"
    if clean:
        largest = max(clean)
        if own:
            yield f"among:clean, of {min(4, len(clean))}"
        if found.tokens == largest:
            yield "among:largest"
        elif found.tokens > largest:
            yield "among:above the clean"
        else:
            yield "among:" + _bucket("share", found.tokens / largest, (0.03, 0.3, 0.7))
    if any(
        found.tokens < 2 * other and other < 2 * found.tokens for other in clean - {found.tokens}
    ):
        yield "among:close to another"
    terms = sorted(clean - {found.tokens}, reverse=True)[:12]
    if any(
        found.tokens in (a + b, *(a + b + c for c in terms[y + 1 :]))
        for x, a in enumerate(terms)
        for y, b in enumerate(terms[x + 1 :], x + 1)
    ):
        yield "among:a sum of others"
    yield "among:" + _bucket("place", found.line / page.lines, (0.1, 0.35, 0.7))
    yield f"among:depth {min(3, len(found.segment.headings))}"
