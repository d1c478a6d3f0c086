# ruff: noqa: E501 (tables of patterns read better unbroken)
"""Which model a number is said of: the one asked about, a sibling, another, or none."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from hfkv.pretraining.candidates import Found
from hfkv.pretraining.identity import COUNT_BEHIND, GENERIC, Identity, names_in, sizes_in, tokens_of
from hfkv.pretraining.labels import names_data, says_seen
from hfkv.pretraining.page import Page, akin, model_names, words
from hfkv.pretraining.sizes import associated, parameter_sizes
from hfkv.pretraining.subject import another_thing, trained
from hfkv.pretraining.what import STAGE_LABEL, label_of
from hfkv.pretraining.words import COUNTED, SCALE, I

__all__ = ["standings", "who"]

_OWN_MODEL = re.compile(
    r"\b(?:this|our|the)\s(?:[\w-]+\s){0,4}?(?:model|LLM|checkpoint|version|network)\b|\b(?:it|we)\b|本模型|我们|该模型|本モデル|이 모델|(?:el|este) modelo|(?:le|ce) modèle|das modell|il modello|o modelo",
    I,
)
_SUBJECT = re.compile(
    r"^\W{0,6}(?:(?:the|our|a|an|new|latest|original|base|this|these|both|all)\s){0,3}(?P<name>[A-Z][\w.+-]*(?:[ -][A-Z0-9][\w.+-]*){0,4})(?:['’]s)?(?:\s\([^()]{0,40}\))?(?:\s(?:model|models|family|series|LLM|LLMs|base|suite))?"
    r"(?:,?\s(?:is|was|are|were|has|have|had|uses?|used|saw|follows?|extends?|builds?|comes?|consists?|underwent|pre-?trained|trained|models?|a|an|which|employs?|leverages?|adopts?)\b|\s?[:：]|\s[-–—]\s|是|采用|在|使用|经过|基于|は|は、|는|은)"
)
_STARTS = re.compile(
    r"^\W{0,6}(?:it|we|this|our|the|these|they|both|all|each|every|note|that|further|also|here|when|there|training|pre-?training|in|during|after|for|with|as|at|on|from|to|by|using|starting|trained|pre-?trained|while|although|first|finally|then|stage|phase|total|over|approximately|a total|number|tokens?)\b",
    I,
)
_APPOSED = re.compile(r"\s?[(（](?:[^()（）]{0,60}[,;，]\s?)?[^\w()]{0,4}$")
#: What may go on behind a name: "-9B", " v1.5 Base".
_REST_OF_NAME = re.compile(
    r"(?:[-\s]?v?[0-9.]+[bm]?)?(?:[-\s](?:base|chat|instruct|it))?\W?", re.IGNORECASE
)
_COUNT = re.compile(
    rf"(?<![\w.-])[0-9][0-9.,]*\s?{SCALE}\+?\s(?:[a-z-]+\s){{0,2}}?{COUNTED}",
    I,
)
#: "Initialized from Foo-Coder": what a model was made from is no sibling that was trained.
_FROM = re.compile(
    r"\b(?:initiali[sz]ed|start(?:ed|ing)?|buil[dt]s?|continu\w+|upcycled|based|adapted|derived|pruned|distilled|obtained|grown)\s(?:from|on|upon|with)\s(?:the\s)?[A-Z][\w.-]*",
    re.IGNORECASE,
)
#: "TinyBar 3T, Bar 300B", "Bar — on 80B": a count directly behind a name is the name's.
_BESIDE = re.compile(r"\S+\s(?:[-–—]\s(?:on\s|with\s|mit\s|на\s|à\s|con\s)?)?[~≈]?$")
#: "Drawn from the mixture of Bar-L (itself a 1.4T-token model)".
_ITSELF = re.compile(
    r"\w\s?[(,]\s?(?:itself|themselves|which (?:itself|was itself))\b[^()]{0,60}$", I
)
#: "An Instruct sibling trained on N tokens", "the subject model saw N".
_RELATIVE = re.compile(
    r"\b(?:siblings?|sisters?|cousins?|brothers?|twin|predecessors?|successors?|(?:subject|target|host|teacher)(?: model)?)\b(?![^.;]*\b(?:this|ours?|it|we)\b)[^.;,]{0,80}$",
    I,
)
#: "They trained on N tokens": others did.
_THEY = re.compile(
    r"\bthey\s(?:have\s|had\s|only\s)?(?:pre-?)?trained\s(?:it\s|theirs\s)?(?:on|for|with)\b[^.;]{0,40}$",
    I,
)
#: "We also train two models from other bases. These are trained for N tokens".
_ALSO_OTHERS = re.compile(
    r"\balso\b[^.]{0,40}?\b(?:train|releas|initiali[sz]|provid|publish|offer)\w*\b[^.]{0,40}?\b(?:two|three|four|five|several|other|another|smaller|larger|more)\b[^.]{0,30}?\bmodels?\b[^.]*\.\s*$",
    I,
)
_THESE = re.compile(r"^\W{0,3}(?:these|those|they|both)\b", I)
#: "The final model was trained for N tokens", and "it has seen N tokens", on the card of a checkpoint.
_FINISHED = re.compile(
    r"\b(?:final|finished|full|complete|fully trained)\s(?:model|run|version|checkpoint|training)\b|\bat the end\b",
    I,
)
_SO_FAR = re.compile(
    r"\b(?:it|this (?:repo(?:sitory)?|checkpoint|model|snapshot|branch))\b[^.;]{0,40}?\s(?:has\s|had\s)?(?:seen|saw)\s[^.;]{0,16}$",
    I,
)
#: What stands below such a heading is of other models.
_OF_OTHERS = re.compile(
    r"^\W*(?:\d[\d.]*\s)?(?:(?:related|other) (?:work|models|versions|variants|checkpoints|projects)|(?:andere|weitere) (?:versionen|modelle)|autres (?:versions|modèles)|otr[ao]s (?:versiones|modelos)|outros modelos|altri modelli|prior work|previous work|acknowledge?ments?|acknowledgments?|thanks|credits|references|bibliography|citations?)\b",
    I,
)
#: A row of the card's own model, whatever it is called.
_OURS = re.compile(r"\bours?\b|\bthis (?:model|run|work|repo(?:sitory)?|checkpoint|card)\b", I)
#: "Building on the success of Foo 1.0, we": of what came before the asked model.
_LEADS_IN = re.compile(
    r"^\W{0,4}(?:building|based|following|extending|improving|expanding|drawing)\s(?:up)?(?:on|from)?\s?[^,;.]{0,40}[A-Z][^,;]{0,40},\s",
    re.IGNORECASE,
)
#: "Both models were trained on": whatever size the heading above names.
_OF_ALL = re.compile(
    r"\b(?:all|both|each|every)\s(?:of\s(?:them|these|our|the)\s)?(?:[\w-]+\s){0,3}?(?:models?|sizes?|variants?|versions?|checkpoints?|were|are|is|was|(?:pre-?)?trained)\b",
    I,
)
#: One of several of a family, by its place.
_A_VARIANT = re.compile(
    r"\b(?:the|our)\s(?:first|second|third|other|former|latter)\s(?:variant|version|model|one)\b", I
)
_ANY_MODEL = re.compile(r"(?:^|\.\s)\W{0,4}an? [^.;]{0,60}(?:model|LLM)s? (?:that|which)", I)


def scope(found: Found) -> str:
    """The text that says whose a count is: a row's names, or the sentence up to the number."""
    table = found.segment.table
    if table is None or (found.form == "prose" and found.segment.kind != "cell"):
        return found.text[: found.start]
    if found.form == "row":
        return found.subject
    ahead = found.text[: found.start]
    if found.form == "prose" and (
        found.segment.row < table.heads or model_names(ahead, strictly=True)
    ):
        # "| Task | Foo-7B | Bar-7B (4T tokens) |": the names beside it are of other columns.
        return ahead
    row = table.rows[found.segment.row]
    return " | ".join(dict.fromkeys(cell.text[:120] for cell in row if cell is not found.segment))


def _likeness(text: str, asked: Identity, *, in_table: bool) -> int:
    """How well a text names the asked model: pieces of its name, less what contradicts them."""
    # What counts tokens, "1.9 billion tokens", is the size of no model.
    text = _COUNT.sub(" ", text)
    said, joined = set(tokens_of(text)), text.lower().replace(" ", "")
    score = 4 * (asked.own.lower() in text.lower())
    for piece in tokens_of(asked.own):
        if piece not in GENERIC and not re.fullmatch(r"[0-9.]+[bmt]", piece):
            score += 2 * (piece in said or (len(piece) > 3 and piece in joined))
    if in_table and _OURS.search(text):
        score += 4
    sizes = [size for *_, size in sizes_in(text)]
    if asked.sizes and sizes:
        score += 3 if any(asked.fits(size) for size in sizes) else -4
    return score


def standings(
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
    listed = {
        found[at].tokens
        for numbers in groups.values()
        for at in numbers
        if "what:counts training" in lists[at] and _in_a_list(found[at])
    }
    for key, numbers in groups.items():
        table = found[numbers[0]].segment.table
        if table is not None and (rows := [at for at in numbers if _in_a_list(found[at])]):
            # What stands beside a property are other properties, and no other models.
            for number in rows:
                result[number] = "who:in a list of properties"
            numbers = [at for at in numbers if at not in rows]
            if not numbers:
                continue
        marks = [
            _likeness(scope(found[number]), asked, in_table=table is not None) for number in numbers
        ]
        if table is not None and STAGE_LABEL.match(table.header(0)):
            # "2" is the second stage, and no version.
            marks = [0] * len(numbers)
        rest: list[int] = []
        if table is not None:
            said = {found[number].segment.row for number in numbers}
            if len(said) > 1 or all(found[number].form == "column" for number in numbers):
                # A row without a count may be the asked model's all the same.
                rest = [
                    _likeness(
                        " | ".join(dict.fromkeys(cell.text[:120] for cell in row)),
                        asked,
                        in_table=True,
                    )
                    for at, row in enumerate(table.rows[:80])
                    if at not in said and at >= table.heads
                ]
        if table is not None and all(found[number].form == "row" for number in numbers):
            # A column without a count may be the asked model's as well: "| Tokens | | 6T | 18T |".
            said = {found[number].segment.column for number in numbers}
            rest += [
                _likeness(table.header(at)[:120], asked, in_table=True)
                for at in range(1, min(20, len(table.rows[0])))
                if at not in said
            ]
        best = max(marks + rest)
        values = {found[n].tokens for n, mark in zip(numbers, marks, strict=True) if mark == best}
        for number, mark in zip(numbers, marks, strict=True):
            if len(numbers) + len(rest) == 1:
                # A list of properties that says another number is a rival.
                word = "beside a list" if listed - {found[number].tokens} and not key else "alone"
            elif mark < best:
                word = "worse"
            else:
                word = "tied" if len(values) > 1 else "best"
            sign = "+" if mark > 0 else "-" if mark < 0 else "0"
            result[number] = f"who:{'table' if key else 'prose'} {word} {sign}"
    return result


def _in_a_list(found: Found) -> bool:
    """Whether a number is the value of one of a list of properties."""
    table = found.segment.table
    return table is not None and len(table.rows[0]) <= 2 and found.form == "row"


def who(found: Found, page: Page, training: Sequence[Found]) -> Iterator[str]:
    """Which model the number is said of."""
    asked, text = page.asked, scope(found)
    own = words(text) & page.words
    others = [at for at, name in model_names(text) if not akin(name, page)]
    named = model_names(text, strictly=True)
    strict = [at for at, name in named if not akin(name, page)]
    if named:
        yield (
            "who:nearest name is it" if akin(named[-1][1], page) else "who:nearest name is another"
        )
    if strict:
        yield "who:names another model"
        if not own:
            yield "who:names another model only"
    if found.form == "prose":
        yield from _apposed(found, page)
        if (
            another_thing(text)
            or _RELATIVE.search(text)
            or _THEY.search(text)
            or (_THESE.match(text) and _ALSO_OTHERS.search(found.segment.text, 0, found.at))
        ):
            yield "who:another thing was trained"
        if _adds_a_version(text, asked.own):
            yield "who:another version"
    if page.on_the_way:
        seen = found.form == "row" and says_seen(found.label)
        if seen or (found.form == "prose" and _SO_FAR.search(text)):
            yield "who:this checkpoint"
        elif _FINISHED.search(text):
            yield "who:the finished model, and this is a checkpoint"
    if page.attached:
        yield "who:what it goes with was trained"
    if any(map(_OF_OTHERS.match, found.segment.headings)):
        yield "who:under a heading of others"
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
        if words(found.text[found.end : found.end + 160]) & page.words:
            yield "who:names it behind"
        # The name of a directory contradicts no model's.
        whose = trained(found, asked) if asked.hub else ""
        if whose:
            yield f"who:{whose} was trained"
    if asked.counts:
        near = any(abs(found.tokens - count) * 20 <= count for count in asked.counts)
        yield f"who:its name counts {'it' if near else 'another'}"
    heads = " ".join(found.segment.headings)
    for heading in reversed(found.segment.headings):
        plain = re.sub(r"[0-9.]+[BT]?[ -]tokens?", "", COUNT_BEHIND.sub("", heading))
        under = [size for *_, size in sizes_in(plain)]
        if under and asked.sizes and not _OF_ALL.search(text):
            yield "who:under its size" if any(map(asked.fits, under)) else "who:under another size"
            break
    every = parameter_sizes(found)
    sizes = associated(found, every, training)
    if sizes and asked.sizes:
        fits = [asked.fits(size) for size in sizes]
        if not any(fits) and (
            _row_of_its_name(found, asked)
            or (_in_a_list(found) and found.form == "row" and _near(sizes, asked.sizes))
        ):
            # "| Foo-1b | 1.36b |", or 1.4B in a list of properties of Foo-1B: a name is round.
            fits = [True]
        yield "who:its size" if any(fits) else "who:another size"
        if any(fits) and not all(fits):
            yield "who:several sizes"
        if found.form == "column" and not any(fits) and _of_other_sizes(found, asked):
            yield "who:a table of other sizes"
    elif (
        sizes
        and page.sizes
        and not _own_row(found, page, own)
        and not _opens(found, sizes)
        and not _is_of_size(text, asked.own)
    ):
        yield "who:a size, its own not known"
    elif every:
        yield "who:sizes elsewhere in the sentence"
    mine = set(re.findall(r"[a-z]+", asked.own.lower())) - {asked.family} - GENERIC
    for name, where in (("who:under a sibling", heads), ("who:a sibling", _FROM.sub("", text))):
        said = set(re.findall(r"[a-z]{3,}", where.lower()))
        if said & page.siblings and not said & mine:
            yield name
    version = _version(text.lower(), asked.own)
    if version is not None:
        yield "who:its version" if version else "who:another version"
    elif found.form == "column" and _header_adds_a_version(found, page):
        yield "who:another version"
    if page.bases & words(text):
        yield "who:names its base"
    if _A_VARIANT.search(text):
        yield "who:one of its variants"
    lead = _LEADS_IN.match(text)
    plain = text[lead.end() :] if lead else text
    versions = [v for _, family, v in names_in(plain) if family == asked.family]
    if versions and asked.version:
        yield "who:its version" if asked.version in versions else "who:another version"
    elif asked.version and page.generations and asked.family in words(text):
        yield "who:family without its version"
    if _ANY_MODEL.search(text):
        yield "who:a model that"


def _adds_a_version(text: str, own: str) -> bool:
    """Whether the last that a text names of the asked model is a later version: "Foo-1B-v2"."""
    last = text.lower().rfind(own.lower())
    return last >= 0 and bool(re.match(r"[-_ ]?v-?[2-9]\b", text[last + len(own) :], re.I))


def _header_adds_a_version(found: Found, page: Page) -> bool:
    """Whether a header of the table names the asked model with a version, "Foo-v2", and the asked
    name has none."""
    table = found.segment.table
    if table is None or re.search(r"(?:^|[-_ ])v-?[0-9]", page.asked.own, re.IGNORECASE):
        return False
    headers = (table.header(column)[:80] for column in range(min(8, len(table.rows[0]))))
    return any(
        words(header) & page.words and re.search(r"[-_ ]v-?[2-9]\b", header, re.IGNORECASE)
        for header in headers
    )


def _is_of_size(text: str, own: str) -> bool:
    """Whether a text says of the asked model of what size it is: "Foo-Base is a 30B-parameter"."""
    said = rf"{re.escape(own)}\W{{0,3}}\s(?:is|was)\s(?:an?|our|the)\s(?:[\w-]+,?\s){{0,3}}?$"
    sizes = [start for start, *_ in sizes_in(text)]
    return bool(sizes) and bool(re.search(said, text[: sizes[0]], I))


def _near(sizes: Sequence[int], own: Sequence[int]) -> bool:
    """Whether none is twice another."""
    return max(*sizes, *own) < 2 * min(*sizes, *own)


def _row_of_its_name(found: Found, asked: Identity) -> bool:
    """Whether a row holds the asked model's whole name, and nothing that goes on behind it."""
    own = re.escape(asked.own)
    return found.form == "column" and bool(
        len(tokens_of(asked.own)) > 1
        and re.search(rf"(?<![\w.-]){own}(?![.-]?\w)", scope(found), re.IGNORECASE)
    )


def _own_row(found: Found, page: Page, own: set[str]) -> bool:
    """Whether a row is the asked model's by its whole name, or one of its list of properties, so
    that the size in it is the model's own, whatever it is."""
    table = found.segment.table
    return table is not None and (
        _in_a_list(found) or (bool(words(page.asked.own)) and words(page.asked.own) <= own)
    )


def _opens(found: Found, sizes: Sequence[int]) -> bool:
    """Whether a card opens with the number's sentence, and that with one size: "A 450M parameter
    transformer trained on". It is the size of the card's model."""
    first = sizes_in(found.text[:40])
    return bool(
        found.form == "prose"
        and found.segment.kind == "prose"
        and found.at == 0
        and len(found.segment.headings) <= 1
        and 10 * max(sizes) <= 13 * min(sizes)
        and first
        and re.fullmatch(
            r"\W{0,4}(?:an?\s|this\s(?:is\s)?(?:an?\s)?)?", found.text[: first[0][0]], I
        )
    )


def _apposed(found: Found, page: Page) -> Iterator[str]:
    """Whose name the number stands behind in brackets: "Foo-7B (32 layers, 2T tokens)"."""
    before = found.text[: found.start]
    if _ITSELF.search(before):
        yield "who:behind another's name"
        return
    beside = _BESIDE.search(before)
    if (
        beside
        and found.quantity.unit in ("t", "b")
        and not re.match(rf"[\s-]?(?:[\w-]+\s){{0,2}}?{COUNTED}", found.text[found.end :], I)
        and not sizes_in(before[beside.start() :] + " ")
    ):
        rival = next(iter(model_names(before[beside.start() :])), None)
        if rival and not akin(rival[1], page):
            yield "who:behind another's name"
            return
    match = _APPOSED.search(found.text, 0, found.start)
    if match is None or not re.match(r"[^()]{0,60}[)]", found.text[found.end :]):
        return
    label = label_of(found)
    if names_data(label) or re.search(r"\b(?:data-?\s?sets?|corp(?:us|ora))\b", label, I):
        # "Dataset: FooWeb (N tokens)": no model.
        return
    names = [
        name
        for at, name in model_names(found.text[: match.start()])
        if _REST_OF_NAME.fullmatch(found.text, at + len(name), match.start())
    ]
    if names and akin(names[-1], page):
        yield "who:behind its name"
    elif names:
        yield "who:behind another's name"
        table = found.segment.table
        row = table.rows[found.segment.row] if table else []
        if any(words(cell.text) & page.words for cell in row if cell is not found.segment):
            # "| Task | Foo-7B | Bar-7B (4T tokens) |"
            yield "who:beside its own name in a row"


def _of_other_sizes(found: Found, asked: Identity) -> bool:
    """Whether a table gives its rows sizes, and none is the asked model's."""
    table = found.segment.table
    rows = table.rows[table.heads :][:80] if table else []
    sizes = [size for row in rows for cell in row[:3] for *_, size in sizes_in(cell.text[:80])]
    return len(sizes) > 1 and not any(map(asked.fits, sizes))


def _version(ahead: str, own: str) -> bool | None:
    """Whether the last "Foo v1.1" or "Foo-2503" of a text is the asked model, where its name ends
    in a version or a date of the same model; None where the text names none."""
    mine, said = (
        [token for token in tokens_of(text) if token not in GENERIC] for text in (own, ahead)
    )
    dated = bool(mine) and bool(re.fullmatch(r"[0-9]{4}|[0-9]{6}|[0-9]{8}", mine[-1]))
    if len(mine) < 3 or not (dated or mine[-2] == "v"):
        return None
    stem = mine[:-1]
    named = [
        said[at]
        for at in range(len(stem), len(said))
        if said[at - len(stem) : at] == stem
        and (not dated or (said[at].isdigit() and len(said[at]) == len(mine[-1])))
    ]
    if not named:
        return None
    # Beside its own date another is that of what it improves upon.
    return mine[-1] in (named if dated else named[-1:])
