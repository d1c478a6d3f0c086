"""Sizes of module tables: Python arithmetic over config keys, evaluated without ``eval``."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any

__all__ = ["evaluate", "keys"]

Number = int | float

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_FUNCTIONS: dict[str, Callable[..., Number]] = {
    "int": int,
    "ceil": math.ceil,
    "floor": math.floor,
    "round": round,
    "min": min,
    "max": max,
    "log2": math.log2,
}
_PLAIN = (int, float, str)
#: How many items a list has, and how many different ones that are not zero, false or null.
_OF_LISTS: dict[str, Callable[[list[Any]], int]] = {
    "len": len,
    "kinds": lambda items: len({item for item in items if item and isinstance(item, _PLAIN)}),
}
#: Beyond any size; keeps powers from growing without bound.
_LARGEST = 2**80


@lru_cache(maxsize=4096)
def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def keys(text: str | int | None) -> frozenset[str]:
    """The config keys that an expression reads.

    >>> sorted(keys("num_attention_heads * head_dim"))
    ['head_dim', 'num_attention_heads']
    >>> sorted(keys("2 * depths[1] + widths[i0]"))
    ['depths[1]', 'widths[i0]']
    """
    if not isinstance(text, str):
        return frozenset()
    found: set[str] = set()

    def walk(node: ast.AST) -> None:
        if isinstance(node, ast.Call):
            for argument in node.args:
                walk(argument)
        elif isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)):
            found.add(_path(node))
        else:
            for part in ast.iter_child_nodes(node):
                walk(part)

    walk(_parsed(text))
    return frozenset(found)


def evaluate(text: str | int | None, read: Callable[[str], object]) -> int | None:
    """The value of an expression; None where a key it reads is no number, or there is none.

    Args:
        text: the expression, a plain number, or None.
        read: gives the value of a config key by its path (``depths[1]`` for an element).

    >>> evaluate("2 * (hidden_size // heads)", {"hidden_size": 64, "heads": 8}.get)
    16
    >>> evaluate("4 * n_embd", {}.get) is None
    True
    >>> evaluate("width * len(layers)", {"width": 8, "layers": [-5, -2]}.get)
    16
    >>> evaluate("kinds(thetas)", {"thetas": [0, 1e6, 1e4, 1e6]}.get)
    2
    >>> evaluate("mels // 2 ** int(log2(factor))", {"mels": 80, "factor": 8}.get)
    10
    """
    if not isinstance(text, str):
        return text
    try:
        value = _value(_parsed(text), read)
    except (_NotANumberError, ArithmeticError, ValueError):
        return None
    return value if isinstance(value, int) and value >= 0 else None


class _NotANumberError(Exception):
    pass


def _value(node: ast.expr, read: Callable[[str], object]) -> Number:
    if isinstance(node, ast.Constant):
        value: object = node.value
    elif isinstance(node, ast.BinOp):
        left, right = _value(node.left, read), _value(node.right, read)
        if isinstance(node.op, ast.Pow):
            value = left**right if abs(left) < 2**20 and abs(right) <= 4 else None
        else:
            value = _BINARY[type(node.op)](left, right)
    elif isinstance(node, ast.UnaryOp):
        value = -_value(node.operand, read)
    elif isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        if node.func.id in _OF_LISTS:
            items = read(_path(node.args[0]))
            value = _OF_LISTS[node.func.id](items) if isinstance(items, list) else None
        else:
            value = _FUNCTIONS[node.func.id](*(_value(part, read) for part in node.args))
    else:
        value = read(_path(node))
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > _LARGEST:
        raise _NotANumberError
    return value


def _path(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_path(node.value)}.{node.attr}"
    assert isinstance(node, ast.Subscript)
    # A number, or the place of one in the name of a plan's parameter.
    return f"{_path(node.value)}[{ast.unparse(node.slice)}]"
