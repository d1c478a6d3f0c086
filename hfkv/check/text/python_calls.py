"""Python, also in notebooks: the calls that set up an adapter, with what of their arguments is
written out. Nothing is run and nothing imported: literals, names that are bound once to a literal,
and defaults of parameters are read; all else is a placeholder."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Mapping
from typing import Any

from hfkv.check.text.placeholder import HOLE
from hfkv.check.text.places import KeyPath, Lines, Place, Tree, nearest
from hfkv.errors import ConfigError

__all__ = ["BASE", "CALL", "TARGETS", "notebook_tree", "python_tree"]

#: Keys of a call that are no arguments: its name, and the base model of its file.
CALL, BASE = "(call)", "(base)"
#: The name of a list of targets that stands by itself.
TARGETS = "(targets)"
_LOADERS = ("from_pretrained",)
_CONFIGS = frozenset(
    """LoraConfig AdaLoraConfig LoHaConfig LoKrConfig IA3Config OFTConfig BOFTConfig VeraConfig
    FourierFTConfig HRAConfig VBLoRAConfig""".split()
)
#: Classes whose ``from_pretrained`` gives a model that is adapted, by the ends of their names.
_MODELS = ("LM", "Model", "Generation", "Classification", "2Seq", "ImageTextToText")
_FAST = re.compile(r"^Fast\w*Model$")
_DEEPEST = 100


def _default(node: ast.expr | None) -> ast.expr | None:
    """The default that a dataclass's field has."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("field", "Field"):
        for item in node.keywords:
            if item.arg == "default":
                return item.value
            if item.arg == "default_factory":
                return item.value.body if isinstance(item.value, ast.Lambda) else None
        return None
    return node


def python_tree(text: str, *, where: str) -> Tree:
    """The calls of a Python text, each as a mapping of its keywords.

    Raises:
        ConfigError: it is no Python of this version.
    """
    return _tree([(text, Lines(text), 0)], where, text)


def notebook_tree(text: str, *, where: str) -> Tree:
    """The calls of a notebook's cells, each placed on the notebook's own lines.

    Raises:
        ConfigError: it is no notebook.
    """
    try:
        cells = json.loads(text).get("cells")
    except (ValueError, RecursionError, AttributeError):
        raise ConfigError("no notebook that can be read", where=where) from None
    sources = []
    for cell in cells if isinstance(cells, list) else []:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = cell.get("source")
            parts = source if isinstance(source, list) else [source]
            sources.append("".join(part for part in parts if isinstance(part, str)))
    found = []
    start = 0
    for source in sources:
        # Lines of a cell are lines of the file, if it is laid out as notebooks are.
        first = next((line for line in source.splitlines() if line.strip()), "")
        at = text.find(json.dumps(first)[1:-1], start) if first else -1
        at = text.find(json.dumps(first, ensure_ascii=False)[1:-1], start) if at < 0 else at
        line = text.count("\n", 0, at) + 1 if at >= 0 else 1
        start = max(at, start)
        blank = len(source) - len(source.lstrip("\n"))
        plain = "\n".join(
            "pass" if mark.lstrip()[:1] in ("%", "!", "?") else mark for mark in source.split("\n")
        )
        found.append((plain, Lines(text), line - blank))
    return _tree(found, where, text, cells=True)


def _tree(
    sources: list[tuple[str, Lines, int]], where: str, text: str, *, cells: bool = False
) -> Tree:
    reader = _Reader()
    broken = 0
    for source, _, line in sources:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of escapes in other people's texts
                tree = ast.parse(source)
            reader.read(tree, line, source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            broken += 1
    if broken and broken == len(sources):
        raise ConfigError("not Python of this version", where=where)
    places = reader.places
    if cells:
        # The columns are those of the cell's text, not of the file's.
        places = {path: Place(found.line) for path, found in places.items()}
    return Tree(values=reader.calls(), place=nearest(places))


class _Reader:
    """What the texts of one file bind and call."""

    def __init__(self) -> None:
        self.places: dict[KeyPath, Place] = {}
        self._names: dict[str, Any] = {}
        self._calls: list[tuple[dict[str, Any], bool]] = []
        self._bases: list[tuple[Any, Place]] = []
        self._origin: dict[str, str] = {}
        self._attributes: dict[str, Any] = {}
        self._bound: dict[str, ast.expr] = {}
        self._used: set[str] = set()
        self._shift = 0
        self._bytes: list[bytes] = []

    def calls(self) -> list[dict[str, Any]]:
        """The calls in order, each with the one base model that the file names; then the lists
        of targets that are bound to a name and that no call was seen to take."""
        for name, node in self._bound.items():
            value = self._value(node, 0)
            if name not in self._used and isinstance(value, list) and value:
                number = len(self._calls)
                self._calls.append(({CALL: TARGETS, "target_modules": value}, True))
                self._keep_places((number, "target_modules"), node)
        named = {base for base, _ in self._bases}
        base = named.pop() if len(named) == 1 else None
        lists = {str(call.get("target_modules")) for call, own in self._calls if not own}
        if len(lists) > 1:
            base = None  # one of them is for another model than the one that is named
        if base is not None:
            for number, (call, own) in enumerate(self._calls):
                if not own and isinstance(base, str) and base != HOLE:
                    call[BASE] = base
                    self.places[(number, BASE)] = self._bases[0][1]
        return [call for call, _ in self._calls]

    def read(self, tree: ast.Module, line: int, source: str) -> None:
        """Take in one text; ``line`` is where it begins in the file, 0 if it is the file."""
        self._shift = line - 1 if line else 0
        self._bytes = [part.encode("utf-8", "surrogatepass") for part in source.split("\n")]
        nodes = list(ast.walk(tree))
        for node in nodes:
            self._bind(node)
        for node in nodes:
            if isinstance(node, ast.Call):
                self._call(node)

    def _bind(self, node: ast.AST) -> None:
        if isinstance(node, ast.ImportFrom):
            for imported in node.names:
                self._origin[imported.asname or imported.name] = node.module or ""
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
                    self._attribute(inner.target.id, _default(inner.value))
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            flag = (
                node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else ""
            )
            default = next((item.value for item in node.keywords if item.arg == "default"), None)
            if isinstance(flag, str) and flag.startswith("--"):
                self._attribute(flag.lstrip("-").replace("-", "_"), default)
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            self._name(node.targets[0], node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._name(node.target, node.value)
        elif isinstance(node, (ast.AugAssign, ast.For)):
            target = node.target
            if isinstance(target, ast.Name):
                self._names[target.id] = HOLE
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            plain = node.args.args
            for item in (*node.args.posonlyargs, *plain, *node.args.kwonlyargs):
                self._names.setdefault(item.arg, HOLE)
            for item, value in zip(
                plain[len(plain) - len(node.args.defaults) :], node.args.defaults, strict=False
            ):
                if self._names.get(item.arg) == HOLE:
                    self._names[item.arg] = self._value(value, 0)

    def _name(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            found = self._value(value, 0)
            known = self._names.get(target.id, found)
            if "target_modules" in target.id.lower():
                self._bound[target.id] = value
            # A name that is bound to different values is not known.
            self._names[target.id] = found if known == found else HOLE

    def _attribute(self, name: str, default: ast.expr | None) -> None:
        """A field of a class, or a flag, and its default: what is meant by ``args.name``."""
        if default is None:
            self._attributes[name] = HOLE
            return
        value = self._value(default, 0)
        self._attributes[name] = value if self._attributes.get(name, value) == value else HOLE
        if "target_modules" in name.lower():
            self._bound[name] = default

    def _value(self, node: ast.expr | None, depth: int) -> Any:
        if node is None or depth > _DEEPEST:
            return HOLE
        if isinstance(node, ast.Constant):
            plain = isinstance(node.value, (str, int, float, bool, type(None)))
            return node.value if plain else HOLE
        if isinstance(node, ast.Name):
            self._used.add(node.id)
            return self._names.get(node.id, HOLE)
        if isinstance(node, ast.Attribute):
            owner = node.value
            task = isinstance(owner, ast.Name) and owner.id in ("TaskType", "PeftType")
            self._used.add(node.attr)
            return node.attr if task else self._attributes.get(node.attr, HOLE)
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return [self._value(item, depth + 1) for item in node.elts]
        if isinstance(node, ast.Dict):
            keys = [self._value(key, depth + 1) for key in node.keys]
            if not all(isinstance(key, (str, int)) for key in keys):
                return HOLE
            return dict(
                zip(keys, (self._value(item, depth + 1) for item in node.values), strict=True)
            )
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            found = self._value(node.operand, depth + 1)
            return -found if isinstance(found, (int, float)) else HOLE
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left = self._value(node.left, depth + 1)
            right = self._value(node.right, depth + 1)
            if isinstance(left, list) and isinstance(right, list):
                return left + right
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "dict" and not node.args:
            return {
                item.arg: self._value(item.value, depth + 1)
                for item in node.keywords
                if item.arg is not None
            }
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owned = self._value(node.func.value, depth + 1)
            if node.func.attr == "split" and isinstance(owned, str) and HOLE not in owned:
                mark = self._value(node.args[0], depth + 1) if node.args else None
                if isinstance(mark, (str, type(None))) and mark != "":
                    return owned.split(mark)
        return HOLE

    def _call(self, node: ast.Call) -> None:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        owner = function.value if isinstance(function, ast.Attribute) else None
        owned = getattr(owner, "id", getattr(owner, "attr", "")) if owner is not None else ""
        if name == "dict":
            self._configured(node)
        elif name in _CONFIGS:
            if self._origin.get(name, "peft").partition(".")[0] in ("peft", "trl", "unsloth"):
                self._keep(node, name)
        elif name == "get_peft_model" and _FAST.match(str(owned)):
            self._keep(node, f"{owned}.{name}")
        elif name in _LOADERS and (_FAST.match(str(owned)) or str(owned).endswith(_MODELS)):
            self._base(node, ("pretrained_model_name_or_path", "model_name", "model_name_or_path"))
        elif name.endswith("Trainer"):
            model = next((item.value for item in node.keywords if item.arg == "model"), None)
            if isinstance(self._value(model, 0), str) and self._value(model, 0) != HOLE:
                self._base(node, ("model",))

    def _configured(self, node: ast.Call) -> None:
        """``dict(type=LoraConfig, r=8)``, as mmengine's configs have calls."""
        kind = next((item.value for item in node.keywords if item.arg == "type"), None)
        name = getattr(kind, "attr", getattr(kind, "id", ""))
        if name in _CONFIGS:
            self._keep(node, str(name))
            # What is not named, its trainer looks up by itself.
            self._calls[-1][0].setdefault("target_modules", HOLE)
        elif name in _LOADERS and str(getattr(getattr(kind, "value", None), "id", "")).endswith(
            _MODELS
        ):
            self._base(node, ("pretrained_model_name_or_path",))

    def _base(self, node: ast.Call, names: tuple[str, ...]) -> None:
        value: ast.expr | None = node.args[0] if node.args else None
        for keyword in node.keywords:
            if keyword.arg in names:
                value = keyword.value
        if value is not None:
            found = self._value(value, 0)
            self._bases.append((found if isinstance(found, str) else HOLE, self._place(value)))

    def _keep(self, node: ast.Call, name: str) -> None:
        number = len(self._calls)
        call: dict[str, Any] = {CALL: name}
        self.places[(number,)] = self._place(node.func)
        for keyword in node.keywords:
            if keyword.arg is None:
                # ** may hold anything.
                found = self._value(keyword.value, 0)
                known = isinstance(found, Mapping)
                call.update(found if known else {"target_modules": HOLE, "r": HOLE})
                continue
            call[keyword.arg] = self._value(keyword.value, 0)
            self._keep_places((number, keyword.arg), keyword.value)
        self._calls.append((call, False))

    def _keep_places(self, path: KeyPath, node: ast.expr) -> None:
        name = getattr(node, "id", getattr(node, "attr", None))
        if name in self._bound and isinstance(self._bound[name], (ast.List, ast.Tuple)):
            node = self._bound[name]
        self.places[path] = self._place(node)
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            for number, item in enumerate(node.elts):
                self._keep_places((*path, number), item)
        elif isinstance(node, ast.Dict):
            for key, item in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    self._keep_places((*path, key.value), item)

    def _place(self, node: ast.expr) -> Place:
        line = self._bytes[node.lineno - 1]
        # ast counts bytes, and a caret stands under characters.
        column = len(line[: node.col_offset].decode("utf-8", "replace"))
        end = node.end_col_offset if node.end_lineno == node.lineno else len(line)
        width = len(line[node.col_offset : end].decode("utf-8", "replace"))
        return Place(node.lineno + self._shift, column + 1, max(1, width))
