"""Shell scripts: the commands that have a trainer's flags, with variables that are set once and
plainly. Nothing is run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hfkv.check.text.placeholder import HOLE
from hfkv.check.text.places import KeyPath, Lines, Place, Tree, nearest

__all__ = ["shell_tree"]

_TOKEN = re.compile(
    r"\\\r?\n|(?P<comment>(?<![^\s;])\#[^\n]*)|(?P<end>\n|;|&&|\|\||\||&|\(|\))"
    r"|(?P<word>(?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|\$\{[^}\n]*\}|\$\([^)\n]*\)|\\[^\n\r]|[^\s;&|()\"'\\])+)",
    re.DOTALL,
)
_SET = re.compile(r"^(?:export\s+)?(?P<name>[A-Za-z_]\w*)\+?=(?P<value>.*)$", re.DOTALL)
_VARIABLE = re.compile(
    r"\$(?:\{(?P<name>[A-Za-z_]\w*|[0-9])(?:\[@\])?(?::?-(?P<default>[^}]*))?\}|(?P<bare>[A-Za-z_]\w*))"
)
_FLAG = re.compile(r"^--?(?P<name>[A-Za-z][\w.-]*)(?:=(?P<value>.*))?$", re.DOTALL)
_OVERRIDE = re.compile(r"^\+{0,2}(?P<name>[A-Za-z_]\w*(?:\.\w+)*)=(?P<value>.*)$", re.DOTALL)
_NUMBER = re.compile(r"^-?[0-9]+(?:\.[0-9]+)?(?:[eE]-?[0-9]+)?$")
#: More than a script has; what would go on for ever ends.
_MOST = 20_000


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start: int
    end: int


def shell_tree(text: str) -> Tree:
    """The flags of each command of a script, as a mapping: ``--lora-r 8`` is ``lora_r: 8``, and
    ``a.b=1`` is ``a: {b: 1}``."""
    lines = Lines(text)
    places: dict[KeyPath, Place] = {}
    values: list[Any] = []
    for words in _commands(text):
        found: dict[str, Any] = {}
        for path, value, word in _flags(words):
            at = found
            for part in path[:-1]:
                inner = at.setdefault(part, {})
                if not isinstance(inner, dict):
                    break
                at = inner
            else:
                at[path[-1]] = value
                key: KeyPath = (len(values), *path)
                places[key] = lines.at(word.start, word.end)
                if isinstance(value, list):
                    for number in range(len(value)):
                        item: KeyPath = (*key, number)
                        places[item] = places[key]
        if len(found) > 1:
            places[(len(values),)] = lines.at(words[0].start, words[0].end)
            values.append(found)
    return Tree(values=values, place=nearest(places))


def _commands(text: str) -> list[list[_Word]]:
    variables: dict[str, list[_Word] | None] = {}
    commands: list[list[_Word]] = []
    words: list[_Word] = []
    array = ""
    budget = _MOST

    def finish() -> None:
        nonlocal words
        if words:
            if all(_SET.match(word.text) for word in words if word.text != "export"):
                for word in words:
                    match = _SET.match(word.text)
                    if match:
                        bound(match["name"], _split(match["value"], word))
            else:
                commands.append(words)
        words = []

    def bound(name: str, value: list[_Word]) -> None:
        if name in variables and variables[name] != value:
            old = variables[name]
            same = old is not None and [w.text for w in old] == [w.text for w in value]
            variables[name] = value if same else None
        else:
            variables[name] = value

    for token in _TOKEN.finditer(text):
        end = token["end"]
        if end == "(" and words and _SET.match(words[-1].text) and words[-1].text.endswith("="):
            array = words.pop().text.rstrip("=").rstrip("+")
            finish()
        elif end == ")" and array:
            bound(array, words)
            words, array = [], ""
        elif end is not None:
            if not (array and end == "\n"):
                finish()
        elif token["word"] is not None:
            word = _Word(token["word"], token.start(), token.end())
            words += _expand(word, variables)
            budget -= 1
            if budget < 0:
                break
    finish()
    return commands


def _split(value: str, word: _Word) -> list[_Word]:
    """A variable's value: several words where it holds flags."""
    text = _unquote(value)
    if "--" in text:
        return [_Word(part, word.start, word.end) for part in text.replace("\\\n", " ").split()]
    return [_Word(text, word.start, word.end)]


def _expand(word: _Word, variables: dict[str, list[_Word] | None]) -> list[_Word]:
    text = word.text
    if "$" not in text or text.startswith("'") or (_SET.match(text) and "$" not in text):
        return [word]
    whole = _VARIABLE.fullmatch(text.strip('"'))
    if whole is not None:
        found = variables.get(whole["name"] or whole["bare"])
        if found is not None:
            many = len(found) > 1
            return [item if many else _Word(item.text, word.start, word.end) for item in found]
        default = whole["default"]
        return [_Word(default if default and "$" not in default else HOLE, word.start, word.end)]

    def put(match: re.Match[str]) -> str:
        found = variables.get(match["name"] or match["bare"])
        if found is not None and len(found) == 1:
            return found[0].text
        default = match["default"]
        return default if default and "$" not in default else HOLE

    return [_Word(_VARIABLE.sub(put, text), word.start, word.end)]


def _flags(words: list[_Word]) -> list[tuple[tuple[str, ...], Any, _Word]]:
    """(way, value, word) of each flag; a flag with several words has a list."""
    found: list[tuple[tuple[str, ...], Any, _Word]] = []
    open_flag: tuple[str, ...] | None = None
    for word in words:
        flag = _FLAG.match(word.text) if not _NUMBER.match(word.text) else None
        override = None if flag else _OVERRIDE.match(word.text)
        if flag:
            name = tuple(flag["name"].replace("-", "_").split("."))
            value: Any = True if flag["value"] is None else _literal(flag["value"])
            found.append((name, value, word))
            open_flag = name if flag["value"] is None else None
        elif override and (open_flag is None or "." in override["name"]):
            found.append((tuple(override["name"].split(".")), _literal(override["value"]), word))
            open_flag = None
        elif open_flag is not None:
            value = _literal(word.text)
            _, before, first = found[-1]
            if before is True:
                found[-1] = (open_flag, value, word)
            else:
                items = before if isinstance(before, list) else [before]
                found[-1] = (open_flag, [*items, value], first)
    return found


def _unquote(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return re.sub(r"\"([^\"]*)\"|'([^']*)'", lambda found: found[1] or found[2] or "", text)


def _literal(text: str) -> Any:
    """A flag's value as its trainer reads it."""
    text = _unquote(_unquote(text)).strip()
    if HOLE in text or ("$" in text and not text.endswith("$")):
        return HOLE
    if _NUMBER.match(text):
        return int(text) if text.lstrip("-").isdigit() else float(text)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text.lower() in ("null", "none"):
        return None
    if text.startswith("[") and text.endswith("]"):
        items = [item.strip().strip("\"'\\") for item in text[1:-1].split(",")]
        return [_literal(item) for item in items if item]
    return text
