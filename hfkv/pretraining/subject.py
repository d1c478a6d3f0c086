# ruff: noqa: E501 (tables of patterns read better unbroken)
"""Whose training a sentence speaks of: the name that a verb of training follows."""

from __future__ import annotations

import re

from hfkv.pretraining.candidates import Found
from hfkv.pretraining.identity import Identity
from hfkv.pretraining.words import TRAIN

__all__ = ["another_thing", "trained"]

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
    rf"\b(?:of|than|like|versus|vs\.?|to|unlike|what)\s(?:the\s)?{_NAME}\s?\(\W{{0,3}}$"
)
_SUBSET = re.compile(r"\b(?:subset|sample|portion|slice|split|shard|dump)s?\s$", re.IGNORECASE)
#: "training Bar-2 on N tokens".
_TRAINING = re.compile(
    rf"(?<!continue )(?<!continued )(?<!continuing )\b(?:[Pp]re-?)?[Tt]rain(?:ing|ed)?\s(?:of\s)?(?=\S*[0-9]){_NAME}\s(?:on|for|with|over)\s[^,.;]{{0,30}}$"
)
_PRONOUNS = frozenset(
    """the this our these model models it we both all each base despite although while after once
    when having they and pretraining family language its training every data then first is new in for
    as with on trained overview stage phase to token tokens total number parameters details
    parameter billion million trillion an small tiny large mini nano compact open bilingual
    multilingual monolingual decoder encoder transformer causal generative neural network
    foundation""".split()
)
#: "a fine-tune of X, which was trained": X is the base, and its count is this model's too.
_MADE_FROM = re.compile(
    r"\b(?:fine-?tun\w*|tuned|version|variant|built|based|deriv\w+|initiali[sz]\w*|adapt\w+|start(?:s|ed|ing)?|checkpoint|merge[ds]?|quanti[sz]\w*|quant|continu\w*|trained|constructed|extends?|extension|uses?|using)\b"
    r"[^.;]{0,40}?\b(?:of|from|on|upon|with|uses?|using|extends?)\s(?:top of\s)?(?:the\s|our\s|original\s|base\s|model\s)*$",
    re.IGNORECASE,
)


#: "A reproduction of Bar, pretrained on N tokens": not Bar was.
_AFTER_ITS_PATTERN = re.compile(
    r"\b(?:reproduction|replica(?:tion)?|re-?implementation|re-?creation|clone|re-?run)\s(?:of|on)\s(?:the\s)?\W{0,3}$",
    re.IGNORECASE,
)
#: "1.8B parameter Bar, trained on N tokens": what it is built as.
_OF_SIZE = re.compile(r"[0-9]\s?(?:[BM]|billion|million)?[\s-]param\w*\s$", re.IGNORECASE)
#: "State-of-the-art encoder models trained on": what praises a model is none of its own.
_PRAISE = re.compile(
    r"[A-Z][a-z]+(?:-[a-z]+)*-(?:art|only|source|scale|quality|weights?|trained|domain|purpose|specific|based|sized?|level|lingual|performing|parameter|context|friendly|efficient|style|like|type|class|inspired|compatible|derived|optimal)(?: |$)"
)
#: "Foo is an open Norwegian LLM trained on": what describes a model is none of its own.
_DESCRIBED = re.compile(r"\ban?\s(?:[\w-]+,?\s){0,4}$", re.IGNORECASE)
#: What is trained and is a language model, by the noun that the verb follows.
_MODEL = frozenset(
    """model llm lm transformer network checkpoint version variant base family series suite size
    release one weight foundation decoder system architecture which that all both each it they
    mixture moe one twin generation expert""".split()
)
_THING = re.compile(
    r"\b(?i:our|the|an?|its|this|their|each|every)\s(?:[\w-]+\s){0,3}?(?P<noun>[a-z]{3,})\s(?:of [\w.-]+ )?"
    r"(?:was|were|is|are|has been|have been)\s(?:\w+\s){0,2}?(?:(?:pre-?)?trained|learned|learnt|fitted|built|estimated|computed)\b",
)


def another_thing(text: str) -> bool:
    """Whether what a sentence says was trained is a part or tool, and no language model.

    >>> [another_thing(f"Our {noun} was trained on ") for noun in ("tokenizer", "small model")]
    [True, False]
    """
    found = None
    for match in _THING.finditer(text):
        found = match
    if found is None:
        return False
    noun = found["noun"]
    return noun not in _MODEL and noun.removesuffix("s") not in _MODEL


def trained(found: Found, asked: Identity) -> str:
    """Which model the sentence says was trained on the number.

    Returns:
        "another", "its base" (the asked model was made from it), or "" where no other is named.
    """
    before = found.text[: found.start]
    last = _IN_BRACKETS.search(before) or _TRAINING.search(before)
    if last and _SUBSET.search(before, 0, last.start()):
        # "A subset of FooWeb (2T tokens)": a set of data, and no model.
        last = None
    for match in _TRAINED.finditer(before):
        if last is None or match.start() > last.start():
            last = match
    if last is None:
        return ""
    between = before[last.end() :]
    if asked.own.lower() in between.lower() or re.search(
        rf"\b(?:and|which|this|it|we)\b[^,;]{{0,40}}{TRAIN}", between, re.I
    ):
        # Another verb of training, with a subject of its own, stands nearer.
        return ""
    name = last["name"]
    if last.re is _TRAINED and (
        _AFTER_ITS_PATTERN.search(before, 0, last.start("name"))
        or _OF_SIZE.search(before, 0, last.start("name"))
    ):
        return ""
    if _PRAISE.match(name):
        return ""
    if (
        last.re is _TRAINED
        and not re.search("[0-9]", name)
        and _DESCRIBED.search(before, 0, last.start("name"))
    ):
        return ""
    words = {word.lower() for word in re.findall(r"[A-Za-z]{2,}", name)}
    joined = "".join(re.findall(r"(?<![a-z0-9.])[a-z]{2,}", name.lower()))
    if (
        not words - _PRONOUNS
        or words & asked.words
        or any(word in joined or joined in word for word in asked.words if len(word) > 2)
        # A card's own title names its model, whatever the repository is called.
        or name.lower() in " ".join(found.segment.headings).lower()
    ):
        return ""
    return "its base" if _MADE_FROM.search(before[: last.start("name")]) else "another"
