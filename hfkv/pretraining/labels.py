# ruff: noqa: E501 (tables of words read better unbroken)
"""Labels: what a table's header, a row's name or a field's name says that its numbers count."""

from __future__ import annotations

import re

from hfkv.pretraining.words import COUNTED, SEEN, TRAIN, TRAIN_WORD, I

__all__ = [
    "counts_another",
    "counts_tokens",
    "names_data",
    "names_training",
    "says_seen",
    "says_trained",
    "scale",
]

_SEEN = r"seen|saw|total|consumed|processed|actual|累计|总|合计"
_NUMBER = r"num(?:ber)?\.?|no\.?|n|count|amount|#|n[º°]|数量?|數量?|개수|수|nombre|anzahl|número|numero|liczba|число|количество"
_COUNTS = re.compile(
    rf"(?:{TRAIN}|{_SEEN}|budget).{{0,40}}?{COUNTED}|{COUNTED}.{{0,24}}?(?:{TRAIN}|{_SEEN}|budget)"
    rf"|^\W{{0,4}}(?:(?:{_NUMBER})?(?:\s?(?:of|der|de|di)\b)?\s?{COUNTED}(?:\s?(?:{_NUMBER}))?|[TBM]\s?{COUNTED})\s?(?:[(（\[,/].{{0,24}}|\s(?:[TBM]|trillions?|billions?|millions?))?$"
    rf"|^\W{{0,4}}(?:[TBM]|trillions?|billions?|millions?)?(?:\s?of\s)?\s?{COUNTED}\s?(?:[(（\[,].{{0,24}})?$",
    I,
)
_DATA = re.compile(
    rf"^\W{{0,4}}(?:(?:amount|quantity|volume) of )?(?:(?:base|foundation|language|model|total|overall|main)\s){{0,3}}(?:{TRAIN})(?:\s(?:of|on|with))?[\s-]?(?:(?:text|the)\s)?(?:data|budget|corpus|corpora|set|dataset|compute|(?:data )?volume|daten|korpus|数据|語料|语料|データ|コーパス|데이터)?量?$"
    rf"|^\W{{0,4}}(?:données|datos|dati|dados|corpus)\s(?:de\s|di\s|d['’]\s?)(?:{TRAIN})$|^\W{{0,4}}обучающ\w+ данны[ех]$",
    I,
)
_TRAINED = re.compile(
    rf"(?:{TRAIN}|{SEEN})\W{{0,3}}{COUNTED}|{COUNTED}\s(?:{TRAIN}|{SEEN})",
    I,
)
_SEEN_TOKENS = re.compile(rf"\b{SEEN}\s{COUNTED}|{COUNTED}\s{SEEN}\b", I)
_NOT = re.compile(
    r"context|length|window|max|vocab|batch|/ ?s\b|/sec|\bper\b|second|input|output|fine-?tun|\bsft\b|unique|dedup|raw\b|"
    r"throughput|speed|latency|generat|上下文|窗口|长度|微调|词表|批|price|cost|embed|speech|image|video|audio|visual|instruct|dpo|rlhf|"
    r"\bapi\b|\busers?\b|serv(?:er|ed|ing)|customer|plan|target|goal|expected|remaining|\btest|valid|eval|warm|avg|average|mean|activated|predict|special|think|reason|prompt|cache|limit|remaining|source model|teacher|"
    r"\bsize\b|available|stored|checkpoint|every|epoch|hour|day\b|コンテキスト|文脈|バッチ|語彙|長\b|컨텍스트|문맥|배치|어휘|contexto|contexte|kontext|lote|размер|контекст",
    I,
)
#: What a label sizes besides: a time, or a set that tokens lie in.
_BESIDES = re.compile(r"\btime\b|\bin (?:the )?(?:data-?\s?set|corpus|data)\b", I)
#: A count of tokens in a "size" is one where tokens are what is sized: "Size (tokens)".
_UNIT = re.compile(
    r"(?:[(（\[]|,\s|\bin\s|^#?\s?|/\s?|s\s)(?:in\s)?(?P<u>trillions?|billions?|millions?|[TBM]|万亿|亿|十亿|兆|億)\s?(?:of\s)?"
    rf"(?:{COUNTED})?\s?(?:[)）\]]|$)",
    I,
)
_UNITS = {"t": 12, "b": 9, "m": 6, "trillion": 12, "billion": 9, "million": 6,
          "万亿": 12, "亿": 8, "億": 8, "十亿": 9, "兆": 12}  # fmt: skip


def counts_tokens(label: str) -> bool:
    """Whether a label names a count of tokens trained on, and nothing else that has tokens.

    >>> [counts_tokens(text) for text in ("# Training tokens", "Tokens (B)", "Context (tokens)")]
    [True, True, False]
    """
    return len(label) <= 80 and bool(_COUNTS.search(label)) and not _NOT.search(label)


def counts_another(label: str) -> bool:
    """Whether a label names something else than tokens trained on, or nothing of the kind.

    >>> [counts_another(text) for text in ("Disk", "Unique tokens", "Training time", "n tokens")]
    [True, True, True, False]
    """
    return bool(_NOT.search(label) or _BESIDES.search(label)) or not (
        re.search(COUNTED, label, I) or TRAIN_WORD.search(label)
    )


def says_trained(label: str) -> bool:
    """Whether a label leaves no doubt that its tokens were trained on.

    >>> [says_trained(text) for text in ("Training tokens", "Tokens seen", "Tokens (B)")]
    [True, True, False]
    """
    return bool(_TRAINED.search(label))


def says_seen(label: str) -> bool:
    """Whether a label counts what a model saw, however often, and not what there is to see.

    >>> [says_seen(text) for text in ("Tokens seen in training", "Total tokens", "Seen classes")]
    [True, False, False]
    """
    return bool(_SEEN_TOKENS.search(label)) and not _NOT.search(label)


def names_data(label: str) -> bool:
    """Whether a label names the training or its data, so that a value in tokens counts it.

    >>> [names_data(text) for text in ("Training data", "Pretraining", "Dataset size")]
    [True, True, False]
    """
    return len(label) <= 60 and bool(_DATA.search(label)) and not _NOT.search(label)


def names_training(label: str) -> bool:
    """Whether a label speaks of the training itself, so that tokens in its value are those of it.

    >>> [names_training(text) for text in ("Training duration", "Training data size", "Loss")]
    [True, False, False]
    """
    return (
        len(label) <= 60
        and bool(TRAIN_WORD.search(label))
        and not _NOT.search(label)
        and not re.search(r"data|corpus|corpora|\bset\b|mix|progress|语料|数据", label, I)
    )


def scale(label: str) -> int:
    """The power of ten that a label sets for the bare numbers below it; 0 for none.

    >>> [scale(text) for text in ("Tokens (T)", "Tokens, billions", "Billion tokens", "Tokens")]
    [12, 9, 9, 0]
    """
    unit = _UNIT.search(label)
    if unit is None:
        return 0
    word = unit["u"].lower()
    return _UNITS[word.removesuffix("s") if len(word) > 1 else word]
