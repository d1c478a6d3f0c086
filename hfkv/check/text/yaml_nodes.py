"""YAML as plain values, with the line of each, and nothing in it that grows.

Aliases make a small text a large tree, merge keys copy what they name, and tags can make objects.
Here every node is built once however often it is named, tags of other programs are read as the
plain value under them, and a node that holds itself is refused.
"""

from __future__ import annotations

from typing import Any

from hfkv.check.text.placeholder import fill_holes
from hfkv.check.text.places import KeyPath, Place, Tree
from hfkv.errors import ConfigError
from hfkv.reading import printable

__all__ = ["yaml_tree"]

#: Deeper than any real config.
_DEEPEST = 64
#: Keys that merges may copy in all: far more than any real config has.
_MOST_MERGED = 10_000
_MERGE = "tag:yaml.org,2002:merge"
_PLAIN = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "timestamp", "str")
)


def yaml_tree(text: str, *, where: str) -> Tree:
    """The documents of a YAML text, and where what they hold is.

    Raises:
        ConfigError: it is not readable as YAML.
    """
    filled = fill_holes(text) if "{{" in text or "{%" in text else text
    try:
        nodes = _parse(filled)
        return Tree(
            values=_values(nodes), place=lambda path: _place(nodes, path), holes=filled != text
        )
    except ConfigError as error:
        raise ConfigError(error.what, where=f"{where}: {error.where}") from None


def _parse(text: str) -> list[Any]:
    """The nodes of a text's documents.

    Raises:
        ConfigError: it is not YAML; ``where`` is the line.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return list(yaml.compose_all(text, Loader=loader))
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "nested too deeply, or no text"
        # What ends too early is said to be wrong on the line after the last.
        line = min(mark.line, text.count("\n")) + 1 if mark else 1
        raise ConfigError(
            f"not readable as YAML: {printable(str(problem))}",
            where=f"line {line}",
        ) from None


def _values(nodes: list[Any]) -> list[Any]:
    """What the documents hold.

    Raises:
        ConfigError: a node holds itself, is nested too deeply, or merges too much.
    """
    builder = _Builder()
    return [builder.build(node, 0) for node in nodes]


class _Builder:
    def __init__(self) -> None:
        import yaml

        self._yaml = yaml
        self._scalars = yaml.constructor.SafeConstructor()
        self._done: dict[int, Any] = {}
        self._open: set[int] = set()
        self._merged = 0

    def build(self, node: Any, depth: int) -> Any:
        if id(node) in self._done:
            return self._done[id(node)]
        if id(node) in self._open:
            raise _refused(node, "a value that holds itself")
        if depth > _DEEPEST:
            raise _refused(node, f"nested more than {_DEEPEST} levels deep")
        self._open.add(id(node))
        if isinstance(node, self._yaml.MappingNode):
            value: Any = self._mapping(node, depth)
        elif isinstance(node, self._yaml.SequenceNode):
            value = [self.build(item, depth + 1) for item in node.value]
        else:
            value = self._scalar(node)
        self._open.discard(id(node))
        self._done[id(node)] = value
        return value

    def _mapping(self, node: Any, depth: int) -> dict[Any, Any]:
        own: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        for key, item in node.value:
            if key.tag == _MERGE:
                parts = item.value if isinstance(item, self._yaml.SequenceNode) else [item]
                for part in parts:
                    found = self.build(part, depth + 1)
                    if isinstance(found, dict):
                        self._merged += len(found)
                        if self._merged > _MOST_MERGED:
                            raise _refused(node, "merge keys that copy too much")
                        # Of several, the first wins.
                        merged = {**found, **merged}
                continue
            name = self._scalar(key) if isinstance(key, self._yaml.ScalarNode) else None
            own[name if isinstance(name, (str, int, float, bool)) else key_text(key)] = self.build(
                item, depth + 1
            )
        return {**merged, **own}

    def _scalar(self, node: Any) -> Any:
        try:
            if node.tag in _PLAIN:
                return self._scalars.yaml_constructors[node.tag](self._scalars, node)
        except (ValueError, OverflowError, KeyError, AttributeError, self._yaml.YAMLError):
            pass
        return node.value


def _refused(node: Any, what: str) -> ConfigError:
    return ConfigError(what, where=f"line {node.start_mark.line + 1}")


def key_text(key: Any) -> str:
    """The text of a key, whatever it is."""
    return key.value if isinstance(key.value, str) else "?"


def _place(nodes: list[Any], path: KeyPath) -> Place:
    """Where a value is: a plain one on the line of its key there, else its key or its dash; of what
    is not there the nearest one around it."""
    import yaml

    if not path or not isinstance(path[0], int) or not 0 <= path[0] < len(nodes):
        return Place()
    node = nodes[path[0]]
    place = _mark(node) if node is not None else Place()
    for part in path[1:]:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = _entry(node, str(part), 0)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            items = node.value[part : part + 1]
            found = (items[0], items[0]) if items else None
        if found is None:
            break
        key, node = found
        place = _mark(key)
        if isinstance(node, yaml.ScalarNode) and node.start_mark.line + 1 == place.line:
            place = _mark(node)
    return place


def _mark(node: Any) -> Place:
    start, end = node.start_mark, node.end_mark
    width = end.column - start.column if end.line == start.line else 1
    return Place(int(start.line) + 1, int(start.column) + 1, max(1, int(width)))


def _entry(node: Any, name: str, depth: int) -> tuple[Any, Any] | None:
    """A mapping's key and value by name, looked for in what it merges as well."""
    import yaml

    for key, value in reversed(node.value):
        if key_text(key) == name and key.tag != _MERGE:
            return key, value
    if depth > _DEEPEST:
        return None
    for key, value in node.value:
        if key.tag == _MERGE:
            for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(part, yaml.MappingNode):
                    found = _entry(part, name, depth + 1)
                    if found is not None:
                        return found
    return None
