# ruff: noqa: E501 (tables of words read better unbroken)
"""Exact, at least, about or up to: what the words beside a number make of it."""

from __future__ import annotations

import re

from hfkv.pretraining.words import COUNTED, I

__all__ = ["of_label", "qualifier"]

_MORE = r"\s?(?:a (?:total|sum|corpus) of |total of |in total |an? )?$"
#: The first that fits wins: "no less than" before "less than", "a little under" before "about".
_BEFORE = (
    ("at_least", re.compile(
        r"(?:no|not) (?:less|fewer) than" + _MORE + r"|(?:minimum|min\.?) of(?: about)?" + _MORE, I)),
    ("up_to", re.compile(
        r"(?:\bup to|upto|at (?:the )?most|no more than|not more than|as (?:many|much) as|less than|fewer than|\bunder|\bbelow|maximum of"
        r"|max\.?|<|≤|多达|不超过|至多|\bhasta|como máximo|\bjusqu['’]à|moins de|<=|\bbis zu|weniger als|\baté|no máximo|\bfino a|meno di"
        r"|(?<!\w)до|не более|\bdo|\bmaksymalnie|\btot|\bupp till|\bop til|\bhingga|lên đến|最大|最大で|최대)" + _MORE, I)),
    ("at_least", re.compile(
        r"(?:\bover|more than|at least|exceed(?:s|ed|ing)?|upwards? of|in excess of|greater than|north of"
        r"|\bbeyond|\babove|surpass(?:es|ed|ing)|>=?|≥|超过|超過|超|逾|不少于|不低于|至少|多于|高达|达到超过|\bmás de|\bmas de|por encima de|al menos"
        r"|\bplus de|au moins|\bmehr als|\büber|mindestens|\bmais de|acima de|pelo menos|\bpiù di|\boltre|almeno|более(?: чем)?|свыше|больше"
        r"|не менее(?: чем)?|понад|\bponad|więcej niż|co najmniej|\bmeer dan|\bruim|\bminstens|\bmer än|\böver|\bminst|\bmere end|\bmer enn|en az"
        r"|hơn|\blebih dari|少なくとも)" + _MORE, I)),
    ("about", re.compile(
        r"(?:~|≈|∼|～|≃|≅|\babout|\baround|ap+rox(?:imat\w*|\.)?|\broughly|\bnearly|\balmost|\bsome|\bcirca|\bca\.?|\bclose to|\bnear|"
        r"(?:an )?estimated|\bc\.|约|約|大约|大約|近|将近|接近|近似|\benviron|\bautour de|\bprès de|\bquelque|aproximadamente|\bunos|\bcerca de"
        r"|alrededor de|\bcasi|en torno a|\brund|\betwa|ungefähr|\bzirka|\bfast|\bquase|por volta de|около|примерно|почти|приблизительно|порядка|близько"
        r"|\bokoło|\bblisko|\bongeveer|\bcirca|\bomkring|\bungefär|\bcirka|\brundt|\bomtrent|yaklaşık|khoảng|\bgần|\bsekitar|\bhampir|おおよそ|およそ|약)" + _MORE, I)),
)  # fmt: skip
_AFTER_LEAST = re.compile(
    r"^\s?(?:[개个個]\s?)?(?:[+＋](?!\s?[0-9])|以上|多|余|餘|超|이상|or more|and more|plus\b|and counting|ou plus|o más|oder mehr)",
    I,
)
_AFTER_ABOUT = re.compile(
    r"^\s?(?:左右|程度|前後|上下|정도|내외|or so|ほど|approx\w*|\((?:approx\w*|about|est\w*|\broughly)\.?\)|give or take)",
    I,
)
_UNIT_WORDS = re.compile(rf"^\s?(?:の|개의|个|個|개)?\s?{COUNTED}", I)


def qualifier(text: str, start: int, end: int) -> str:
    """The qualifier that the words beside ``text[start:end]`` give it."""
    before = text[max(0, start - 48) : start]
    # A bracket or quotation mark between the hedge and the number changes nothing.
    before = re.sub(r"[*_\"'“(（)）\[]+", "", before)
    after = text[end : end + 40]
    behind = _UNIT_WORDS.sub("", after, count=1)
    if (
        re.search(r"[+＋](?![0-9A-Za-z])", text[start : end + 1])
        or _AFTER_LEAST.search(after)
        or re.match(
            r"\s?(?:以上|이상|or more\b|and counting\b|\+(?![0-9A-Za-z])(?!\s?[0-9]))", behind, I
        )
    ):
        return "at_least"
    for name, pattern in _BEFORE:
        found = pattern.search(before)
        if found and not (found[0].lower().startswith("over") and _on(before[: found.start()])):
            return name
    if _AFTER_ABOUT.search(after) or _AFTER_ABOUT.match(behind):
        return "about"
    return "exact"


def _on(before: str) -> bool:
    """Whether "over" is the preposition of a verb of training with its object, as in "pretrained
    this model over 4T tokens". Where no object stands between, it is read as the hedge."""
    return bool(
        re.search(r"\b(?:epochs?|pass(?:es)?|steps|out|done|conducted|performed|run|ran)\s$|train(?:ed|ing)?\s(?:\w+\s)?(?:it|them|this|the|our)(?:\s[\w.-]+){0,3}\s$", before, I)
    )  # fmt: skip


def of_label(label: str) -> str:
    """The qualifier that a table's header or a field's label gives every number below it."""
    return "about" if re.search(r"approx|~|≈|约|約|estimated|\benviron", label, I) else "exact"
