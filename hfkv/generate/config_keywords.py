"""What a config class takes for keys that it reads but does not declare, and for a null.

Neither is a field, so both are read off the source of the class and of those it derives from:
``kwargs.pop("sliding_window_pattern", 6)``, and ``if self.layers is None: self.layers = [3, 8]``.
Only plain values count: what is worked out from other keys is a rule, and stands in a row.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

__all__ = ["filled_nulls", "keyword_defaults"]


def keyword_defaults(cls: Any) -> dict[str, Any]:
    """Key to the value that the class takes where the file has no such key."""
    found: dict[str, Any] = {}
    for tree in _sources(cls):
        for key, value in _keywords(tree):
            found.setdefault(key, value)
    return found


def filled_nulls(cls: Any, defaults: dict[str, Any]) -> dict[str, Any]:
    """Key to the value that the class puts where it is null or absent."""
    found: dict[str, Any] = {}
    for tree in _sources(cls):
        for node in ast.walk(tree):
            key = _null_tested(node)
            if key is None or key in found or defaults.get(key, ...) is not None:
                continue
            assert isinstance(node, ast.If)
            for line in node.body:
                if isinstance(line, ast.Assign) and _of_self(line.targets[0]) == key:
                    value = _value(line.value, cls)
                    if value is not ...:
                        found[key] = value
    return found


def _sources(cls: Any) -> Iterator[ast.AST]:
    for base in cls.__mro__:
        if ".models." in base.__module__:
            yield ast.parse(textwrap.dedent(inspect.getsource(base)))


def _keywords(tree: ast.AST) -> Iterator[tuple[str, Any]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.DictComp):
            yield from _from_table(node)
        elif _asks_kwargs(node):
            assert isinstance(node, ast.Call)
            key, value = node.args[0], _plain(node.args[1])
            if isinstance(key, ast.Constant) and value is not ... and value is not None:
                yield str(key.value), value


def _asks_kwargs(node: ast.AST) -> bool:
    """Whether it is ``kwargs.pop(key, default)`` or ``kwargs.get(key, default)``."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("pop", "get")
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "kwargs"
        and len(node.args) == 2
    )


def _from_table(node: ast.DictComp) -> Iterator[tuple[str, Any]]:
    """``{name: kwargs.pop(f"swa_{name}", default) for name, default in {...}.items()}``."""
    call, (loop, *more) = node.value, node.generators
    if more or not _asks_kwargs(call):
        return
    assert isinstance(call, ast.Call)
    table = loop.iter.func.value if _is_items(loop.iter) else None  # type: ignore[attr-defined]
    key, names = call.args[0], ast.unparse(loop.target)
    if not isinstance(table, ast.Dict) or not isinstance(key, ast.JoinedStr):
        return
    if names not in (f"({ast.unparse(node.key)}, {ast.unparse(call.args[1])})",):
        return
    for name, value in ast.literal_eval(table).items():
        parts = [
            part.value if isinstance(part, ast.Constant) else name
            for part in key.values
            if isinstance(part, (ast.Constant, ast.FormattedValue))
        ]
        yield "".join(map(str, parts)), value


def _is_items(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "items"
    )


def _plain(node: ast.AST) -> Any:
    """The value of a literal; of a choice by another key, the one without that key."""
    if isinstance(node, ast.IfExp) and ast.unparse(node.test).endswith("in kwargs"):
        node = node.orelse
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return ...
    return list(value) if isinstance(value, tuple) else value


def _null_tested(node: ast.AST) -> str | None:
    """The key of ``if self.key is None:``."""
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare):
        return None
    test = node.test
    null = isinstance(test.comparators[0], ast.Constant) and test.comparators[0].value is None
    return _of_self(test.left) if isinstance(test.ops[0], ast.Is) and null else None


def _of_self(node: ast.AST) -> str | None:
    own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    return node.attr if own and node.value.id == "self" else None  # type: ignore[attr-defined]


def _value(node: ast.AST, cls: Any) -> Any:
    """A literal, or a plain attribute of the class (``dict(self.default_compress_rates)``)."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("dict", "list") and node.args:
        node = node.args[0]
    name = _of_self(node)
    value = getattr(cls, name, ...) if name and name.startswith("default_") else _plain(node)
    return ... if value is None or value == {} or value == [] else value
