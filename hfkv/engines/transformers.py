"""The cache classes of transformers that ``generate`` can be told to use.

``dynamic`` is what :mod:`hfkv.cache` counts. ``static`` allocates ``max_cache_len`` tokens at once,
``quantized`` keeps packed groups with a scale and a shift for each, and ``offloaded`` keeps two
layers on the GPU and the others in the host's memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from hfkv.cache.conventions.transformers import TRANSFORMERS, slots
from hfkv.cache.dtype import cache_dtype, plain_width
from hfkv.cache.kinds import (
    Cross,
    Full,
    Indexer,
    Kind,
    Latent,
    Nothing,
    Shared,
    Sliding,
    State,
    Together,
)
from hfkv.dtypes import COMPUTE, nbytes, torch_name
from hfkv.engines.base import Allocation, Assumption, Buffer, options_of
from hfkv.engines.quantized_groups import packed_bytes
from hfkv.engines.subject import Subject
from hfkv.errors import InputError, UnsupportedError
from hfkv.facts.dtype import model_dtype

__all__ = ["TransformersCache"]

_CACHES = ("dynamic", "static", "quantized", "offloaded", "offloaded_static")
#: Bits and axes that each backend takes; fp8 takes no options.
_BACKENDS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "quanto": ((2, 4), (0, -1)),
    "hqq": ((1, 2, 3, 4, 8), (0, 1)),
    "fp8": ((), ()),
}
_GROUPED = ("nbits", "axis_key", "axis_value", "q_group_size", "residual_length")
_DEFAULTS = {"nbits": 4, "axis_key": 0, "axis_value": 0, "q_group_size": 64, "residual_length": 128}
#: Sorts of states that classes keep in caches of their own, which no other cache can replace.
_OWN_STATES = frozenset({"lightning", "local filter", "recurrent", "rwkv", "xlstm"})
#: A counter on the device beside the indexer's keys (``indexer_cumulative_length``).
_COUNTER = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformersCache:
    """Options of ``generate``'s caches, under their own names.

    Attributes:
        cache: ``cache_implementation``.
        dtype: element type of the cache; ``auto`` is the model's own.
        max_cache_len: tokens that a static cache is made for; None for those asked about.
        backend: of a quantized cache: quanto, hqq or fp8.
        nbits, axis_key, axis_value, q_group_size, residual_length: its options; None for the
            class's own.
        generated: of the tokens, those that came one by one after the prompt, which is quantized
            at once.
    """

    name: ClassVar[str] = "transformers"
    version: ClassVar[str] = "5.24.0"
    source: ClassVar[str] = "https://github.com/huggingface/transformers cache_utils.py"

    cache: str = "dynamic"
    dtype: str = "auto"
    max_cache_len: int | None = None
    backend: str = "quanto"
    nbits: int | None = None
    axis_key: int | None = None
    axis_value: int | None = None
    q_group_size: int | None = None
    residual_length: int | None = None
    generated: int = 0

    def __post_init__(self) -> None:
        if self.cache not in _CACHES:
            raise InputError(
                f"{self.cache!r} is no cache",
                where="--cache",
                expected="one of " + ", ".join(_CACHES),
            )
        if self.backend not in _BACKENDS:
            raise InputError(
                f"{self.backend!r} is no backend of QuantizedCache",
                where="--backend",
                expected="one of " + ", ".join(_BACKENDS),
            )
        for option, least in (
            ("max_cache_len", 1),
            ("q_group_size", 1),
            ("residual_length", 0),
            ("generated", 0),
        ):
            value = getattr(self, option)
            if value is not None and (isinstance(value, bool) or not least <= value <= 10**18):
                raise InputError(
                    f"found {value!r}",
                    where=f"--{option.replace('_', '-')}",
                    expected=f"a whole number of at least {least}",
                )
        if self.cache == "quantized":
            self._check_backend()

    def _check_backend(self) -> None:
        bits, axes = _BACKENDS[self.backend]
        if self.backend == "fp8":
            given = [name for name in _GROUPED if getattr(self, name) is not None]
            if given:
                raise UnsupportedError(
                    "the fp8 backend scales a whole tensor and takes no options",
                    where=", ".join(f"--{name.replace('_', '-')}" for name in given),
                    expected="none of them, or --backend quanto or hqq",
                )
            return
        for option, known in (("nbits", bits), ("axis_key", axes), ("axis_value", axes)):
            value = self._option(option)
            if value not in known:
                raise UnsupportedError(
                    f"found {value}",
                    where=f"--{option.replace('_', '-')}",
                    expected=f"one of {', '.join(map(str, known))} for {self.backend}",
                )

    def _option(self, name: str) -> int:
        value: int | None = getattr(self, name)
        return _DEFAULTS[name] if value is None else value

    def allocate(self, subject: Subject, *, tokens: int, batch: int = 1) -> Allocation:
        """What the cache object holds after ``tokens`` tokens in each of ``batch`` sequences.

        Raises:
            UnsupportedError: the class refuses the model or these options, or the cache is made for
                fewer tokens.
        """
        element, notes = self._element(subject)
        ways: dict[str, Callable[[Subject, int, int, str], list[Buffer]]] = {
            "dynamic": self._dynamic,
            "static": self._static,
            "quantized": self._quantized,
            "offloaded": self._offloaded,
            "offloaded_static": self._offloaded,
        }
        made = ways[self.cache]
        buffers = made(subject, tokens, batch, element)

        def at(count: int) -> int:
            if "static" in self.cache and self.max_cache_len is not None:
                count = tokens
            return sum(buffer.bytes for buffer in made(subject, count, batch, element))

        offloaded = self.cache.startswith("offloaded")
        crossing = subject.plan.crosses and self.cache != "dynamic"
        loose = offloaded or crossing or element not in COMPUTE
        basis = "documented" if loose else subject.basis
        return Allocation(
            model=subject.model,
            engine=self.name,
            version=self.version,
            options=options_of(self),
            tokens=tokens,
            batch=batch,
            dtype=torch_name(element),
            basis=basis if subject.basis == "exact" else subject.basis,
            buffers=tuple(buffers),
            at=at,
            bends=TRANSFORMERS.bends(subject.plan) if self.cache == "dynamic" else (),
            assumptions=tuple(self._assumed(tokens)),
            notes=(*subject.notes, *notes),
            facts={"host_bytes": self._host_bytes(subject, tokens, batch, element)}
            if offloaded
            else {},
        )

    def _element(self, subject: Subject) -> tuple[str, tuple[str, ...]]:
        """The dtype of keys and values: what the model computes in, whatever engines store.

        Raises:
            UnsupportedError: it is narrower than what a class computes in.
        """
        if self.dtype == "auto" and self.cache != "dynamic":
            own = model_dtype(subject.facts, subject.config)
            return own.name, (own.note,) if own.note else ()
        found, notes = cache_dtype(subject.facts, subject.config, self.dtype)
        if found in COMPUTE:
            return found, notes
        if self.cache != "dynamic":
            raise UnsupportedError(
                f"a {self.cache} cache in {torch_name(found)}",
                where="--kv-dtype",
                expected="what a model computes in, such as bf16",
                hint="--cache quantized has --backend and --nbits",
            )
        return found, (*notes, plain_width(found))

    def _assumed(self, tokens: int) -> Iterator[Assumption]:
        if "static" in self.cache and self.max_cache_len is None:
            yield Assumption(option="--max-cache-len", value=tokens, why="the tokens asked about")
        if self.cache == "quantized" and self.backend != "fp8" and not self.generated:
            yield Assumption(
                option="--generated", value=0, why="all tokens come at once, as a prompt does"
            )

    def _dynamic(self, subject: Subject, tokens: int, batch: int, element: str) -> list[Buffer]:
        return [
            _buffer(kind.name, count, made, made, element)
            for kind, count, made in _by_kind(subject, tokens, batch, element, static=False)
        ]

    def _static(self, subject: Subject, tokens: int, batch: int, element: str) -> list[Buffer]:
        longest = self.max_cache_len or tokens
        if tokens > longest:
            raise UnsupportedError(
                f"{tokens} tokens", where="--max-cache-len", expected=f"at most its {longest}"
            )
        held = _by_kind(subject, tokens, batch, element, static=True)
        whole = _by_kind(subject, longest, batch, element, static=True)
        return [
            _buffer(kind.name, count, mine, size, element, f"tokens up to the {longest} it is for")
            for (kind, count, mine), (_, _, size) in zip(held, whole, strict=True)
        ]

    def _quantized(self, subject: Subject, tokens: int, batch: int, element: str) -> list[Buffer]:
        kinds = subject.plan.kinds
        for kind in kinds:
            if not isinstance(kind, Full) and not (isinstance(kind, Latent) and not kind.window):
                raise UnsupportedError(
                    f"QuantizedCache takes full attention only, and a layer here is of kind "
                    f"'{kind.name}'",
                    where=subject.model,
                    expected="another --cache",
                )
        sizes = {id(kind): self._layer(kind, tokens, batch, element) for kind in kinds}
        packed = f"{self._option('nbits')} bits ({self.backend})"
        found = []
        for name, dtype, which in (
            ("quantized", "float8_e4m3fn" if self.backend == "fp8" else packed, 0),
            ("residual", element, 1),
        ):
            size = sum(sizes[id(kind)][which] for kind in kinds)
            if size:
                found.append(Buffer(name=name, layers=len(kinds), dtype=dtype, held=size))
        return found

    def _layer(self, kind: Kind, tokens: int, batch: int, element: str) -> tuple[int, int]:
        """Packed bytes of a layer with their scales, and bytes of its newest tokens."""
        width = nbytes(1, element)
        shapes = [
            (batch, slot.shape[1], slot.shape[3])
            for slot in slots(kind, 1, batch, 0)
            if len(slot.shape) == 4
        ]
        if self.backend == "fp8":
            return sum(math.prod(shape) * tokens + 4 for shape in shapes), 0
        after, window = min(self.generated, tokens - 1), self._option("residual_length")
        # Once the newest fill the window, everything is quantized anew.
        rest = after % window if window else 0
        packed = loose = 0
        for shape, option in zip(shapes, ("axis_key", "axis_value"), strict=True):
            sequences, heads, dim = shape
            packed += packed_bytes(
                (sequences, heads, tokens - rest, dim),
                backend=self.backend,
                bits=self._option("nbits"),
                axis=self._option(option),
                group=self._option("q_group_size"),
                scale=width,
            )
            loose += math.prod(shape) * rest * width
        return packed, loose

    def _layers(self, subject: Subject, tokens: int, batch: int, element: str) -> list[int]:
        """Bytes of each layer where it is whole."""
        static = self.cache == "offloaded_static"
        longest = (self.max_cache_len or tokens) if static else tokens
        if tokens > longest:
            raise UnsupportedError(
                f"{tokens} tokens", where="--max-cache-len", expected=f"at most its {longest}"
            )
        sizes = {
            id(kind): _size(kind, longest, batch, element, subject, static=static)
            for kind in subject.plan.kinds
        }
        return [sizes[id(kind)] for kind in subject.plan.kinds]

    def _moves(self, kind: Kind) -> bool:
        """Whether the layer is offloaded: states never are, windows not in a static cache."""
        if isinstance(kind, State | Nothing | Shared):
            return False
        return not (isinstance(kind, Sliding) and self.cache == "offloaded_static")

    def _offloaded(self, subject: Subject, tokens: int, batch: int, element: str) -> list[Buffer]:
        """The layer at work and the next one, which is fetched meanwhile; the first follows the
        last."""
        sizes = self._layers(subject, tokens, batch, element)
        kinds = subject.plan.kinds
        moving = [size for kind, size in zip(kinds, sizes, strict=True) if self._moves(kind)]
        staying = [size for kind, size in zip(kinds, sizes, strict=True) if not self._moves(kind)]
        pair = max(
            (one + other for one, other in zip(moving, [*moving[1:], *moving[:1]], strict=True)),
            default=0,
        )
        if len(moving) == 1:
            pair = moving[0]
        found = []
        if moving:
            found.append(
                Buffer(name="at work", layers=min(2, len(moving)), dtype=element, held=pair)
            )
        if sum(staying):
            found.append(
                Buffer(name="resident", layers=len(staying), dtype=element, held=sum(staying))
            )
        return found

    def _host_bytes(self, subject: Subject, tokens: int, batch: int, element: str) -> int:
        sizes = self._layers(subject, tokens, batch, element)
        kinds = subject.plan.kinds
        return sum(size for kind, size in zip(kinds, sizes, strict=True) if self._moves(kind))


def _as_static(kind: Kind, where: str) -> Kind:
    """The kind whose dynamic tensors are as long as the static ones: a static window is whole.

    Raises:
        UnsupportedError: ``StaticCache`` has no layer for it.
    """
    match kind:
        case Full() | Nothing() | Shared() | Cross() | Latent(window=None):
            return kind
        case Sliding():
            return replace(kind, window=kind.window + 1)
        case Latent():
            return replace(kind, window=(kind.window or 0) + 1)
        case Indexer() if not (kind.gated or kind.lightning or kind.positions):
            return kind
        case State() if kind.name not in _OWN_STATES:
            return kind
        case Together():
            return Together(tuple(_as_static(part, where) for part in kind.parts))
    raise UnsupportedError(
        f"StaticCache has no layer of kind '{kind.name}'", where=where, expected="another --cache"
    )


def _by_kind(
    subject: Subject, tokens: int, batch: int, element: str, *, static: bool
) -> list[tuple[Kind, int, int]]:
    """Each kind, how many layers are of it, and the bytes of them all."""
    counts: dict[int, int] = {}
    kinds = {}
    for kind in subject.plan.kinds:
        counts[id(kind)] = counts.get(id(kind), 0) + 1
        kinds[id(kind)] = kind
    sizes = {
        key: _size(kind, tokens, batch, element, subject, static=static)
        for key, kind in kinds.items()
    }
    return [(kind, counts[key], counts[key] * sizes[key]) for key, kind in kinds.items()]


def _indexers(kind: Kind) -> int:
    if isinstance(kind, Together):
        return sum(_indexers(part) for part in kind.parts)
    return int(isinstance(kind, Indexer))


def _size(
    kind: Kind, tokens: int, batch: int, element: str, subject: Subject, *, static: bool
) -> int:
    """Bytes of a layer that holds so many tokens, or that is made for them."""
    if static:
        kind = _as_static(kind, subject.model)
    made = slots(kind, tokens, batch, subject.encoder_tokens or 0)
    size = sum(nbytes(math.prod(slot.shape), slot.dtype or element) for slot in made)
    return size + (_COUNTER * _indexers(kind) if static else 0)


def _buffer(name: str, layers: int, held: int, size: int, element: str, why: str = "") -> Buffer:
    return Buffer(
        name=name,
        layers=layers,
        dtype=element,
        held=held,
        reserved=size - held,
        why=why if size > held else "",
    )
