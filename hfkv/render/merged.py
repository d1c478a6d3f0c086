"""What is to be said of several models, each thing once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["merged"]

_NUMBER = re.compile(r"(?<![\w.])[0-9][0-9,]*(?![\w.]*\w)")


def merged(found: Iterable[tuple[str, Sequence[str]]], whole: int) -> list[str]:
    """Sentences of several models, each once, with the models that it holds for.

    Sentences that differ in one number alone are one, with the least and the greatest.

    Args:
        found: names of models and their sentences.
        whole: how many models there are; a sentence of all of them names none.

    >>> merged([("a", ["it has 10 bytes", "new"]), ("b", ["it has 3 bytes"])], 2)
    ['it has 3 (b) to 10 (a) bytes', 'a: new']
    """
    groups: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for name, sentences in found:
        for sentence in dict.fromkeys(sentences):
            groups.setdefault(tuple(_NUMBER.split(sentence)), []).append((name, sentence))
    lines = []
    for words, members in groups.items():
        numbers = [_NUMBER.findall(sentence) for _, sentence in members]
        varying = [place for place in range(len(words) - 1) if len({n[place] for n in numbers}) > 1]
        if len(varying) > 1:
            lines += [f"{name}: {sentence}" for name, sentence in members]
            continue
        names = list(dict.fromkeys(name for name, _ in members))
        prefix = "" if len(names) == whole else f"{', '.join(names)}: "
        sentence = members[0][1]
        if varying:
            (place,) = varying
            by_size = sorted(members, key=lambda member: _value(member[1], place))
            ends = [
                f"{_NUMBER.findall(said)[place]} ({name})"
                for name, said in (by_size[0], by_size[-1])
            ]
            middle = [*numbers[0][:place], " to ".join(ends), *numbers[0][place + 1 :]]
            sentence = words[0] + "".join(
                number + word for number, word in zip(middle, words[1:], strict=True)
            )
        lines.append(prefix + sentence)
    return lines


def _value(sentence: str, place: int) -> int:
    return int(_NUMBER.findall(sentence)[place].replace(",", "") or 0)
