# ruff: noqa: E501 (tables of patterns read better unbroken)
"""What a whole card says of itself, and the names that stand in its texts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from hfkv.pretraining.identity import GENERIC, Identity, names_in, sizes_in
from hfkv.pretraining.metadata import base_models, split
from hfkv.pretraining.numbers import find
from hfkv.pretraining.schedule import products
from hfkv.pretraining.words import COUNTED, I

__all__ = ["Page", "akin", "model_names", "page", "words"]

_NAMES = re.compile(
    r"(?<![\w/.])(?:[A-Z][A-Za-z]*[a-z][A-Z]\w*|[A-Z]{2,}[a-z]+\w*|[A-Z][A-Za-z]{2,}[ -]?v?[0-9][\w.]*|[A-Z][\w.]+(?:-[\w.]+)+|[A-Z]{3,}(?:-\w+)*)"
)
_NO_MODELS = frozenset(
    """gpu gpus tpu tpus cuda nvidia llm llms nlp sft dpo rlhf rl lora moe gqa rope bpe api json html http https arxiv
    ai flops mfu tokens token the github pdf url wikipedia redpajama slimpajama commoncrawl refinedweb fineweb dolma
    starcoderdata thepile oscar openwebtext books stackexchange adamw adam deepspeed megatron pytorch jax
    english chinese german french web code math stem usa all each both every""".split()
)
#: "Bar-7B", "Bar 2.5", "BarBaz model": no data set is called so.
_SIZED = re.compile(r"[0-9][bBmM]?\b(?!T)|-[0-9]+[bB]")
_CALLED = re.compile(r"\s(?:base\s|language\s)?(?:models?|LLMs?|family|series|checkpoints?)\b")
#: What stands behind a preposition is what was trained on, more often than what was trained.
_OBJECT = re.compile(
    r"\b(?:on|from|using|with|in|by|via|including|and|over|(?:subset|sample|portion|slice|split|shard|dump)s?\sof)\s(?:the\s)?\W{0,2}\Z",
    I,
)
_NO_MODEL = re.compile(
    r"(?:the|this|these|our|an?|diese[rs]?|das|die|der|eine?|este|esta|el|la|le|ce|cette|il|questo|deze|dit|stage|phase|step|table|figure|section|pre|pré|mid|post|over|about|around|trained|pretrained|training|total|stages?|data|model|models|version|part)\b(?!-[0-9])|[\w.]+-(?:style|like|type|class|inspired|compatible|derived|optimal)\b",
    I,
)
_TUNED_NAME = re.compile(
    r"chat|instruct|sft|dpo|rlhf|assistant|-it\b|reward|-rm\b|tuned|gguf|awq|gptq|fp8|int4|quant|lora|adapter|merge",
    I,
)
_TUNED_TEXT = re.compile(
    r"\b(?:fine-?\s?tuned?|instruct(?:ion)?[- ]tuned|SFT|DPO|RLHF|LoRA|quanti[sz]ed|merge[ds]?)\b[^.\n]{0,40}\b(?:version|variant|model|of|from|on|over)\b|fine-?\s?tuned [A-Z]|微调",
    I,
)


#: "Access the instruction-tuned version at ...": what lies elsewhere is not this card's model.
_ELSEWHERE = re.compile(
    r"\b(?:access|see|find|try|use|check out|download|refer to|looking for|for)\s(?:the|our|its|an?)\s(?=fine-?\s?tuned|(?:instruct|chat)\w*)[^.\n]{0,60}?\b(?:version|variant|model|checkpoint)s?\b",
    I,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a whole card says of itself.

    Attributes:
        asked: the model asked about; ``words``: what is its own in its name.
        tuned: whether the card is of a fine-tune, by its name or by what it says.
        versioned: whether the card names the asked model's family with its version.
        bases: the words of the bases that its metadata names.
        sizes: whether the card speaks of models of several sizes.
        generations: whether it speaks of another version of the asked model's family.
        grown: whether the model grew from smaller ones, so that their training is part of its own.
        steps: the tokens that the steps of its training come to, by the card's own numbers.
        on_the_way: whether it is of a checkpoint of a run that went on.
        attached: whether what the repository holds is no model of its own, and goes with another.
        siblings: words that the card puts behind the family's name, and the asked name lacks.
    """

    asked: Identity
    words: frozenset[str]
    tuned: bool
    versioned: bool
    siblings: frozenset[str]
    bases: frozenset[str]
    sizes: bool
    generations: bool
    grown: bool
    on_the_way: bool
    attached: bool
    steps: frozenset[int]


#: Words of many models' names, and of what is said of them.
_COMMON = frozenset(
    """code coder math bert modern small tiny mini nano micro open large medium decoder encoder
    stage step checkpoint preview data text web""".split()
)


def page(card: str, asked: Identity) -> Page:
    """What the features of a whole card are read from."""
    text = card[split(card)[1] :][:100_000]
    heading = re.search(r"^\s{0,3}#{1,3}\s+(.{1,200})$|<h1[^>]*>(.{1,300}?)</h1>", text, re.M)
    title = next((part for part in heading.groups() if part), "") if heading else ""
    own = words(asked.own)
    # "Code" of "Foo-Code-1B" stands in the names of rivals, and in what they are trained on.
    own = own - _COMMON or own
    if title and not own & words(title):
        # A card's own title names its model, whatever the repository is called.
        own |= {word for _, name in model_names(title) for word in words(name)}
    if not asked.hub:
        # The name of a directory says nothing of the model that lies in it.
        own |= {word for _, name in model_names(text[:3_000]) for word in words(name)}
    if not asked.sizes:
        # A title that gives one size gives its model's.
        titled = {size for *_, size in sizes_in(title)}
        titled = titled if len(titled) == 1 else _parameters(text)
        asked = replace(asked, sizes=tuple(titled))
    versions = {version for _, family, version in names_in(text) if family == asked.family}
    sizes = [size for _, end, size in sizes_in(text) if not _TOKENS.match(text, end)]
    return Page(
        asked=asked,
        words=frozenset(own),
        tuned=bool(
            _TUNED_NAME.search(asked.own) or _TUNED_TEXT.search(_ELSEWHERE.sub("", text[:6_000]))
        ),
        versioned=asked.version in versions,
        siblings=_siblings(text, asked),
        bases=frozenset(
            word for name, _ in base_models(card) for word in words(name.split("/")[-1])
        ),
        sizes=bool(sizes) and 10 * max(sizes) > 13 * min(sizes),
        generations=bool(versions - {asked.version}),
        grown=bool(_GROWN.search(text)),
        steps=products(text),
        on_the_way=bool(_ON_THE_WAY.search(asked.own) or _INTERMEDIATE.search(text[:1_000])),
        attached=bool(_ATTACHED.search(re.sub("[-_]", " ", asked.own)) or _ATTACHED.search(title)),
    )


#: "foo-1b-step450000", "Intermediate checkpoint of Foo".
_ON_THE_WAY = re.compile(
    r"(?:step|stage|iter|ckpt|checkpoint)[-_]?[0-9]|intermediate|(?:^|[-_])preview", I
)
_INTERMEDIATE = re.compile(r"\bintermediate (?:training )?(?:checkpoint|snapshot)\b(?!s)", I)
#: "EAGLE-style draft head", "Sparse autoencoders for": what is trained on or beside a model.
_ATTACHED = re.compile(
    r"\b(?:EAGLE[ -]?[1-3]?[ -](?:style|draft|head|speculat\w*)|EAGLE-?[1-3](?![.\w])|medusa (?:head|draft|choices)|draft (?:head|model)|speculators?|SAEs?|sparse auto-? ?encoders?|transcoders?|(?:steering|control) vectors?|(?:tuned|logit|jacobian) lens|linear probes?)\b",
    I,
)


#: "10 billion tokens": no size of a model.
_TOKENS = re.compile(rf"[\s-](?:[A-Za-z-]+\s){{0,3}}?{COUNTED}", I)
#: "Using model growth, the training scales up from 1B to 7B".
_GROWN = re.compile(
    r"\bmodel[- ]growth\b|\bgrowth (?:strategy|schedule|operators?|stages?|techniques?)\b"
    r"|\b(?:progressive(?:ly)?|gradual(?:ly)?) (?:grow\w*|scal\w+ up|enlarg\w+|stack\w*|deepen\w*|widen\w*|depth)"
    r"|\bgrown? (?:from|to|into) (?:an? |the )?(?:[\w-]+ ){0,2}?[0-9.]+ ?[BM]\b|模型生长|渐进式?(?:生长|增长|堆叠)",
    I,
)


#: "| Total parameters | 1.2B |", "* Parameters: 124770816", "参数量1.4b".
_PARAMETERS = re.compile(
    r"^[^\w\n]{0,8}(?:(?:total|model|trainable|number of)[ -]){0,2}param(?:eter)?s?(?: count| size)?[^\w\n]{1,8}([~≈]?[0-9][^\n]{0,80})$"
    r"|参数量(?:为|约为|约|是|[:：])?\s?([0-9][0-9.]*\s?(?:[BbMm](?![A-Za-z])|亿))",
    re.M | I,
)


def _parameters(text: str) -> set[int]:
    """The size that every field of parameters gives, where they give one; else none."""
    sizes = [
        number.value
        for match in _PARAMETERS.finditer(text)
        for number in find(match[1] or match[2])
        if number.value >= 10**6
    ]
    return {sizes[0]} if sizes and 10 * max(sizes) <= 11 * min(sizes) else set()


def words(text: str) -> set[str]:
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
    report paper license tokenizer architecture gpt bert llm""".split()
)


def model_names(text: str, *, strictly: bool = False) -> list[tuple[int, str]]:
    """Where a text names what could be a model, and how; strictly, with a size or a version or
    where the text calls it a model."""
    found: list[tuple[int, str]] = []
    dropped = -2
    for match in _NAMES.finditer(text):
        # What a hyphen joins to an object, "on FooWeb-EDU", is of its name.
        joined = match.start() == dropped + 1 and text[dropped] == "-"
        if joined or _OBJECT.search(text, 0, match.start()):
            dropped = match.end()
        elif (
            not _NO_MODEL.match(match[0])
            and match[0].lower().rstrip("s.") not in _NO_MODELS
            and (not strictly or _SIZED.search(match[0]) or _CALLED.match(text, match.end()))
        ):
            found.append((match.start(), match[0]))
    return found


def akin(name: str, page: Page) -> bool:
    """Whether a name is the asked model's, as far as its words tell."""
    joined, own = name.lower(), page.asked.own.lower()
    return (
        joined in own
        or own in joined
        or bool(words(name) & (page.words | page.bases))
        or any(len(word) > 3 and word in joined for word in page.words)
    )
