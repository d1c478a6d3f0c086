# ruff: noqa: E501 (tables of words read better unbroken)
"""The words that the reading turns on: tokens, and training on them, in the languages of cards."""

from __future__ import annotations

import re

__all__ = [
    "COUNTED",
    "HEDGES",
    "IN_TURN",
    "NOUN",
    "SCALE",
    "SEEN",
    "TRAIN",
    "TRAIN_WORD",
    "I",
    "pointed",
]

I = re.IGNORECASE  # noqa: E741

#: Words for tokens. "Tokenizer" and "tokenized" are none.
COUNTED = (
    r"(?:(?:sub)?-?tok[eé]n(?!i[sz]|omi)(?:s|ów|i|y|a|ach|om|ů|er|lar|ler|eja|ia|in|illa|eilla|ista)?(?![a-zà-ÿ])|jetons?|sub-?words|word-?\s?pieces|toks?(?![\w.-])"
    r"|(?:ال)?(?:رمز|رموز|توكن)\w{0,3}|токен\w{0,4}|токін\w{0,4}|토큰|トークン|词元|詞元|标识符|標識符|文本标记)"
)
#: The noun of a count, right behind its number.
NOUN = re.compile(rf"\s?{COUNTED}", I)
#: That a sentence gives a number for each of several models, in their order.
IN_TURN = re.compile(r"respectively|分别|分別|それぞれ|각각", I)
#: Verbs and nouns of training on text; those of tuning and testing are not among them.
TRAIN = (
    r"(?:(?<![A-Za-z])(?:pre|mid|re|co)?[- ]?train(?:ed|ing|s)?\b|\bCPT\b"
    r"|(?:预训练|训练)(?:数据|语料)量|(?<!微调)(?:预训练|預訓練|续训|续写训练|训练|訓練|事前学習|(?:事前)?トレーニング|学习|学習|學習|학습)"
    r"|\b(?:pre-?)?entren\w*|\b(?:pr[ée]-?)?entra?[iî]n\w*|\b(?:vor|weiter|nach)?trainier\w*|(?:vor|weiter)train\w*|\bTrainings(?=tok|daten|korpus)"
    r"|\b(?:pr[ée]-?)?treina\w*|\btreino\b|\b(?:pre-?)?addestra\w*|(?:пред)?обуч\w*|трен[оу]ван\w*|навчен\w*"
    r"|\b(?:wy)?trenowa\w*|\bszkolon\w*|\b(?:för)?träna(?:d|t|ts|de)\b|\b(?:for)?tr[ae]+n[et]+\b|\b(?:voor)?getraind\b|\beğit\w*"
    r"|\b(?:esi|jatko)?koulut(?:et|us)\w*|huấn luyện|\b(?:di)?(?:pra)?-?latih\b|\b(?:pra|pe)-?(?:pe)?latihan\b|(?:ال)?تدريب\w*|\bt?rénov[aá]n\w*)"
)
TRAIN_WORD = re.compile(TRAIN, I)
#: What may stand between a governing word and its number: hedges, articles, praise.
HEDGES = (
    r"(?:(?:a|an|the|over|about|around|approximately|approx\.?|roughly|nearly|almost|some|only|just|at|least|most|more|than"
    r"|up|to|total|of|full|entire|whole|about|circa|ca\.?|an estimated|well|slightly|whopping|massive|huge|impressive"
    r"|~|≈|∼|～|>|≥|<|≤|=|约|約|超过|超過|近|达|到|了|共|plus de|más de|mehr als|rund|etwa|environ|circa|oltre|più di|mais de"
    r"|cerca de|около|более|примерно|ponad|około|ongeveer|meer dan|omkring|över|yaklaşık|hơn|khoảng|sekitar|lebih dari)\s?)"
)
#: What stands behind the digits of a count, where that is not written out.
SCALE = r"(?:[TBM]|trillion|billion|million)"
#: That tokens went through a model, however often each.
SEEN = r"(?:seen|consumed|processed)"


def pointed(text: str) -> str:
    """A text in which no point or comma of a number ends a clause.

    >>> pointed("on 1.5T tokens, then 1,000B.")
    'on 1·5T tokens, then 1·000B.'
    """
    return _POINT.sub("·", text)


_POINT = re.compile(r"(?<=[0-9])[.,](?=[0-9])")
