# ruff: noqa: E501 (tables of patterns read better unbroken)
"""Which model is asked about: its family, version and size, from its id and its parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["COUNT_BEHIND", "GENERIC", "Identity", "identity", "names_in", "sizes_in", "tokens_of"]

_SIZE = re.compile(
    r"(?<![A-Za-z0-9_À-ӿ.,$^])[AEae]?(?:(?P<many>[0-9]{1,3})[ ]?[x×][ ]?)?"
    r"(?P<n>[0-9]{1,4}(?:[._][0-9]{1,3})?)[ ]?-?(?P<u>[BbMm]|billion|million)(?=$|[^A-Za-z0-9]|[- _]?param)"
)
_ID_SIZE = re.compile(
    r"(?<![0-9.])(?:(?P<many>[0-9]{1,3})x)?(?P<n>[0-9]{1,4}(?:\.[0-9]{1,3}|_[0-9]{1,2})?)(?P<u>[bm])"
    r"(?![a-z0-9])",
    re.IGNORECASE,
)
#: Tokens in an id: "3T", "100B-tokens", "600bt".
_ID_COUNT = re.compile(
    r"(?<![A-Za-z0-9.])(?P<n>[0-9]{1,4}(?:\.[0-9]{1,3})?)(?P<u>[tT](?![A-Za-z0-9])|[bB](?=[ _-]?(?:tokens?|[tT])(?![A-Za-z0-9])))"
)
#: "Foo-22B-token-500B": the count stands behind its noun.
COUNT_BEHIND = re.compile(
    r"[ _-]tokens?[ _-](?P<n>[0-9]{1,4}(?:\.[0-9]{1,3})?)(?P<u>[bt])\b", re.IGNORECASE
)
_NAME = re.compile(
    r"(?<![\w/.])(?P<family>[A-Z][A-Za-z]{1,20}|[a-z]{1,3}[A-Z][A-Za-z]{1,18})"
    r"(?:[ -]?(?P<kind>LM|Coder|Code|Math|MoE|VL|Instruct|Chat)(?![a-z]))?"
    r"[ -]?v?(?P<version>[0-9]{1,2}(?:\.[0-9]{1,2})?)(?![0-9.]*[0-9]|[ -]?(?:[BbMmKkTt]\b"
    r"|billion|trillion|million|%|x[0-9]|tokens|th|st|nd|rd))"
)
#: Words before a number that are no model's name.
_NO_NAMES = frozenset(
    """step steps stage stages phase phases table figure section chapter part version python
    cuda pytorch on in at for from to of and the a with over about than is was are epoch epochs
    top vol size transformers version january february march april may june july august september
    october november december tier level type apache gpu adam common seq llms models""".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The model asked about. ``sizes`` are parameter counts as its name gives them, else from
    the header; ``words`` are the words of its id and of the bases its metadata names;
    ``hub`` tells an id from a path; ``counts`` are what its name may say of tokens ("1b-50b",
    "480k-1T")."""

    model: str
    family: str
    version: str
    sizes: tuple[int, ...]
    words: frozenset[str]
    own: str
    hub: bool
    counts: tuple[int, ...]

    def fits(self, size: int, others: Iterable[int] = ()) -> bool:
        """Whether a size in the text is this model's: near it, and no other is nearer."""
        return any(self._fits(mine, size, others) for mine in self.sizes)

    @staticmethod
    def _fits(mine: int, size: int, others: Iterable[int]) -> bool:
        def apart(value: int) -> Fraction:
            return Fraction(max(mine, value), max(1, min(mine, value)))

        distance = apart(size)
        return distance <= Fraction(13, 10) and all(apart(other) >= distance for other in others)


def _value(match: re.Match[str]) -> int:
    number = Fraction(match["n"].replace("_", "."))
    scale = 10**9 if match["u"].lower() in ("b", "billion") else 10**6
    return int(number * scale) * int(match["many"] or 1)


def sizes_in(text: str) -> list[tuple[int, int, int]]:
    """``(start, end, parameters)`` of every parameter size written like 7B or 350M."""
    return [(m.start("n"), m.end(), _value(m)) for m in _SIZE.finditer(text)]


def names_in(text: str) -> list[tuple[int, str, str]]:
    """``(start, family, version)`` of words that look like a model of some generation."""
    found = []
    for match in _NAME.finditer(text):
        family = match["family"].lower()
        if family not in _NO_NAMES:
            found.append((match.start(), family + (match["kind"] or "").lower(), match["version"]))
    return found


def _named_sizes(name: str) -> list[int]:
    """The parameter sizes that a name gives."""
    return [_value(match) for match in _ID_SIZE.finditer(name.replace("-", " "))]


def identity(
    model: str,
    parameters: int | None = None,
    active: int | None = None,
    bases: Iterable[str] = (),
) -> Identity:
    """The identity of ``model``, a Hub id or a path."""
    own = model.rstrip("/").rsplit("/", 1)[-1]
    # Sizes of tokens in an id (600bt, 3T, 100B-tokens, token-500B) are no parameters.
    told = COUNT_BEHIND.search(own)
    rest = COUNT_BEHIND.sub(" ", own)
    plain = re.sub(r"[0-9.]+[ -]?[bt][ -]?(?:tokens?|t)\b", " ", rest, flags=re.IGNORECASE)
    sizes = tuple(dict.fromkeys(_named_sizes(plain)))
    counts = [
        int(Fraction(match["n"]) * (10**12 if match["u"] in "tT" else 10**9))
        for match in (*([told] if told else []), *_ID_COUNT.finditer(rest))
    ]
    counts += [size for size in sizes[1:] if size > 4 * sizes[0]]
    # "foo-350M-100B": no model has a part so much smaller than it.
    sizes = tuple(size for size in sizes if size <= 40 * sizes[0])
    if not sizes and parameters:
        sizes = (parameters, *([active] if active else []))
    if not sizes:
        # What is trained on keeps its size.
        based = {size for base in bases for size in _named_sizes(base.rsplit("/", 1)[-1])}
        sizes = tuple(based) if len(based) == 1 else ()
    named = re.match(
        r"[^A-Za-z]*([A-Za-z]+(?:-?LM)?)[-_ ]?(?![0-9._]+[bBmM](?![a-z]))v?([0-9]{1,2}(?:\.[0-9]{1,2})?)?(?![0-9bBmM])",
        own,
    )
    words = frozenset(
        word.lower()
        for name in (own, *(base.rsplit("/", 1)[-1] for base in bases))
        for word in re.findall(r"[A-Za-z]{2,}", name)
    )
    return Identity(
        model=model,
        family=(named[1] if named else "").lower().replace("-", ""),
        version=(named[2] or "") if named else "",
        sizes=sizes,
        words=words,
        own=own,
        counts=tuple(dict.fromkeys(counts)),
        hub=bool(re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", model)),
    )


#: Words of a repository's name that name no variant of a model.
GENERIC = frozenset(
    """model models base chat instruct hf it llm lm pt sft dpo gguf awq gptq fp8 bf16 int4 the a an of
    preview version release series family pretrained instruction tuned""".split()
)


def tokens_of(name: str) -> tuple[str, ...]:
    """A name in comparable pieces: words, numbers, sizes.

    >>> tokens_of("Llama-2-7b-hf"), tokens_of("LLaMA2 7B"), tokens_of("Qwen-1_8B")
    (('llama', '2', '7b', 'hf'), ('llama', '2', '7b'), ('qwen', '1.8b'))
    """
    plain = re.sub(r"(?<=[0-9])_(?=[0-9])", ".", name.lower())
    return tuple(re.findall(r"[0-9]+(?:\.[0-9]+)*[bmtk]?(?![a-z0-9])|[0-9.]*[0-9]|[a-z]+", plain))
