"""Numbers that remember how they were made, to read a model's dimensions as formulas.

A config whose numbers are replaced by :class:`Int` and :class:`Real` behaves as before, but what a
model's constructor computes from them carries its expression, down to the sizes given to
``torch.empty``. Only comparisons forget: which branch was taken is not part of a formula, so
formulas hold for models that are built alike.
"""

from __future__ import annotations

import builtins
import contextlib
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["Int", "Items", "Real", "expression", "recorded", "symbolic"]

_ADD, _MUL, _UNARY, _POWER, _ATOM = 1, 2, 3, 4, 5


class _Symbol:
    """What both kinds share: an expression and how tightly its outermost operator binds."""

    text: str
    binds: int

    def __deepcopy__(self, memo: object) -> Any:
        return self

    def __copy__(self) -> Any:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        plain = int(self) if isinstance(self, int) else float(self)  # type: ignore[arg-type]
        return (type(plain), (plain,))


class Int(int, _Symbol):
    """A whole number with its expression."""

    def __new__(cls, value: int, text: str, binds: int = _ATOM) -> Int:
        self = super().__new__(cls, value)
        self.text = text
        self.binds = binds
        return self

    def __neg__(self) -> Int:
        return Int(-builtins.int(self), f"-{_wrap(self, _UNARY)}", _UNARY)


class Real(float, _Symbol):
    """A float with its expression."""

    def __new__(cls, value: float, text: str, binds: int = _ATOM) -> Real:
        self = super().__new__(cls, value)
        self.text = text
        self.binds = binds
        return self

    def __ceil__(self) -> Int:
        return Int(math.ceil(builtins.float(self)), f"ceil({self.text})")

    def __floor__(self) -> Int:
        return Int(math.floor(builtins.float(self)), f"floor({self.text})")

    def __round__(self, ndigits: Any = None) -> Any:
        if ndigits is not None:
            return round(builtins.float(self), ndigits)
        return Int(round(builtins.float(self)), f"round({self.text})")


class Items(list[Any]):
    """A list with the key that has it, so that its length is known to be that list's."""

    text: str

    @classmethod
    def of(cls, items: Iterable[Any], text: str) -> Items:
        self = cls(items)
        self.text = text
        return self


def expression(value: object) -> str | int | None:
    """The expression of a size: a plain number if it depends on nothing."""
    if isinstance(value, Int):
        return value.text
    return builtins.int(value) if isinstance(value, int) else None


def _wrap(value: Any, least: int) -> str:
    if isinstance(value, _Symbol):
        return value.text if value.binds >= least else f"({value.text})"
    return repr(value) if value >= 0 else f"({value!r})"


def _make(value: Any, text: str, binds: int) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return Int(value, text, binds)
    if isinstance(value, float):
        return Real(value, text, binds)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Int):
        return builtins.int(value)
    return builtins.float(value) if isinstance(value, Real) else value


def _operator(name: str, sign: str, binds: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    # The right operand binds one step tighter: a - (b - c), a * (b // c).
    right = binds if sign == "+" else binds + 1

    def forward(self: Any, other: Any) -> Any:
        if not isinstance(other, (int, float)):
            return NotImplemented
        value = getattr(_plain(self), name)(_plain(other))
        if value is NotImplemented:
            value = getattr(builtins.float(self), name)(builtins.float(other))
        return _make(value, f"{_wrap(self, binds)} {sign} {_wrap(other, right)}", binds)

    def backward(self: Any, other: Any) -> Any:
        if not isinstance(other, (int, float)):
            return NotImplemented
        value = getattr(_plain(other), name)(_plain(self))
        if value is NotImplemented:
            value = getattr(builtins.float(other), name)(builtins.float(self))
        return _make(value, f"{_wrap(other, binds)} {sign} {_wrap(self, right)}", binds)

    return forward, backward


for _name, _sign, _binds in (
    ("add", "+", _ADD),
    ("sub", "-", _ADD),
    ("mul", "*", _MUL),
    ("truediv", "/", _MUL),
    ("floordiv", "//", _MUL),
    ("mod", "%", _MUL),
    ("pow", "**", _POWER),
):
    _forward, _backward = _operator(f"__{_name}__", _sign, _binds)
    for _class in (Int, Real):
        setattr(_class, f"__{_name}__", _forward)
        setattr(_class, f"__r{_name}__", _backward)


class _IntLike(type):
    """``int`` as model code uses it, keeping the expression of what it converts."""

    def __call__(cls, *args: Any) -> Any:
        if len(args) == 1 and isinstance(args[0], Int):
            return args[0]
        if len(args) == 1 and isinstance(args[0], Real):
            return Int(builtins.int(builtins.float(args[0])), f"int({args[0].text})")
        return builtins.int(*args)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, int)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, int)


class _int(metaclass=_IntLike):  # noqa: N801 - it stands in for the builtin
    pass


def _extreme(name: str) -> Callable[..., Any]:
    original = getattr(builtins, name)

    def found(*args: Any, **kwargs: Any) -> Any:
        value = original(*args, **kwargs)
        if len(args) == 2 and not kwargs and any(isinstance(item, Int) for item in args):
            one, other = (expression(item) for item in args)
            if one is not None and other is not None:
                return Int(builtins.int(value), f"{name}({one}, {other})")
        return value

    return found


def _length(value: Any) -> int:
    length = len(value)
    return Int(length, f"len({value.text})") if isinstance(value, Items) else length


def _root(value: Any) -> Any:
    root = _SQRT(_plain(value))
    return Real(root, f"{_wrap(value, _ATOM)} ** 0.5", _POWER) if _is_symbol(value) else root


def _is_symbol(value: Any) -> bool:
    return isinstance(value, (Int, Real))


def _binary_log(value: Any) -> Any:
    found = _LOG2(_plain(value))
    return Real(found, f"log2({value.text})") if _is_symbol(value) else found


_SQRT, _LOG2 = math.sqrt, math.log2
#: Code that models are made by.
_MODELS = ("transformers.models.", "transformers.modeling_rope_utils")


@contextlib.contextmanager
def symbolic() -> Iterator[None]:
    """Let ``int(...)``, ``len(...)``, ``min``, ``max``, roots and logarithms in the code of models
    keep expressions."""
    kept: dict[str, Any] = {
        "int": _int,
        "min": _extreme("min"),
        "max": _extreme("max"),
        "len": _length,
    }
    modules = [
        (module, name)
        for place, module in list(sys.modules.items())
        if place.startswith(_MODELS)
        for name in kept
        if name not in vars(module)
    ]
    for module, name in modules:
        vars(module)[name] = kept[name]
    math.sqrt, math.log2 = _root, _binary_log
    try:
        yield
    finally:
        math.sqrt, math.log2 = _SQRT, _LOG2
        for module, name in modules:
            vars(module).pop(name, None)


#: Methods of tensors that give others of the same sizes.
_ALIKE = (
    *(f"__{name}__" for name in ("add", "sub", "mul", "truediv", "pow")),
    *(f"__r{name}__" for name in ("add", "sub", "mul", "truediv", "pow")),
    *("to", "float", "clone", "detach", "log", "exp"),
)
#: Functions that give a tensor of the sizes of another.
_LIKE = ("empty_like", "zeros_like", "ones_like", "rand_like", "randn_like", "full_like")


@contextlib.contextmanager
def recorded() -> Iterator[None]:
    """Remember on each new parameter the sizes it was made with, as ``_sizes``."""
    import torch

    names = ("empty", "zeros", "ones", "randn", "rand", "full", "FloatTensor")
    originals = {name: getattr(torch, name) for name in (*names, *_LIKE, "normal", "arange")}
    new = torch.nn.Parameter.__new__

    def wrapped(original: Any, several: bool) -> Any:
        def make(*args: Any, **kwargs: Any) -> Any:
            made = original(*args, **kwargs)
            given = args[0] if args else kwargs.get("size", ())
            sizes = given if isinstance(given, (tuple, list)) or not several else args
            if isinstance(sizes, (tuple, list)) and len(sizes) == made.dim():
                made._sizes = tuple(sizes)
            elif isinstance(sizes, int) and made.dim() == 1:
                made._sizes = (sizes,)
            return made

        return make

    def parameter(cls: Any, data: Any = None, requires_grad: bool = True) -> Any:
        made = new(cls, data, requires_grad)
        if hasattr(data, "_sizes"):
            made._sizes = data._sizes
        return made

    def normal(*args: Any, **kwargs: Any) -> Any:
        made = originals["normal"](*args, **kwargs)
        sizes = kwargs.get("size", args[2] if len(args) > 2 else ())
        if len(sizes) == made.dim():
            made._sizes = tuple(sizes)
        return made

    def spaced(*args: Any, **kwargs: Any) -> Any:
        made = originals["arange"](*args, **kwargs)
        start, end, step = (0, *args, 1)[:3] if len(args) < 2 else (*args, 1)[:3]
        extent = end - start if start else end
        size = extent if step == 1 else math.ceil(extent / step)
        if isinstance(size, Int):
            made._sizes = (size,)
        return made

    def kept(original: Any) -> Any:
        def make(self: Any, *args: Any, **kwargs: Any) -> Any:
            made = original(self, *args, **kwargs)
            # What is scaled or shifted has the sizes that it had.
            if hasattr(self, "_sizes") and getattr(made, "shape", None) == self.shape:
                made._sizes = self._sizes
            return made

        return make

    alike = {name: vars(torch.Tensor).get(name) for name in _ALIKE}
    for name in alike:
        setattr(torch.Tensor, name, kept(getattr(torch.Tensor, name)))
    for name in names:
        setattr(torch, name, wrapped(originals[name], name != "full"))
    for name in _LIKE:
        setattr(torch, name, kept(originals[name]))
    torch.normal, torch.arange = normal, spaced
    torch.nn.Parameter.__new__ = parameter
    try:
        yield
    finally:
        for name, method in alike.items():
            if method is None:
                delattr(torch.Tensor, name)
            else:
                setattr(torch.Tensor, name, method)
        for name, original in originals.items():
            setattr(torch, name, original)
        torch.nn.Parameter.__new__ = new
