"""llama.cpp's caches: all of ``n_ctx`` at start, in cells padded to 256 and types of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from hfkv.engines.arithmetic import ceil_div, round_up
from hfkv.engines.base import Allocation, Assumption, Buffer, options_of
from hfkv.engines.llamacpp_rows import DATA, Row, architecture, rows_of
from hfkv.engines.subject import Subject
from hfkv.errors import InputError, UnsupportedError
from hfkv.ggml import TYPES

__all__ = ["Cache", "LlamaCpp"]

#: Cells come in whole blocks of so many (``GGML_PAD`` in ``llama-context.cpp``).
_PAD = 256
#: The types that ``--cache-type-k`` and ``--cache-type-v`` take.
_CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")
_BLOCKS = {name.lower(): (elements, size) for name, elements, size in TYPES.values()}
_MOST_SEQUENCES = 256
#: DeepSeek-V4's two rates, which its loader knows by number.
_SPARSE_RATE = 4
_KEYS, _WINDOWED, _STATES = "llama_kv_cache", "llama_kv_cache (SWA)", "llama_memory_recurrent"
_INDEX = "llama_kv_cache (indexer)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """One cache as the log has it: its cells, and the bytes of its parts.

    Attributes:
        name: llama.cpp's class, and which of several.
        cells: of each stream; 0 for states that have none.
        layers: how many it is for.
        streams: how many sequences have cells of their own.
        parts: letter of the part (K, V, R, S) to its type and bytes.
        held: bytes that the tokens asked about fill.
    """

    name: str
    cells: int
    layers: int
    streams: int
    parts: dict[str, tuple[str, int]]
    held: int

    @property
    def bytes(self) -> int:
        """Bytes of all parts."""
        return sum(size for _, size in self.parts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaCpp:
    """Options of llama.cpp, with libllama's defaults.

    Attributes:
        ctx: ``--ctx-size``, cells for all sequences together; None for what the tokens need.
        parallel: ``--parallel``, sequences at once; None for as many as are asked about.
        unified: ``--kv-unified``, one stream of cells for all sequences.
        cache_type_k, cache_type_v: ``--cache-type-k``, ``--cache-type-v``.
        swa_full: ``--swa-full``, as many cells for layers with a window as for others.
        batch_size, ubatch: ``--batch-size``, ``--ubatch-size``: tokens of one step.
        flash_attn: ``--flash-attn``: on, off or auto.
    """

    name: ClassVar[str] = "llama.cpp"
    version: ClassVar[str] = "0c1e570"
    source: ClassVar[str] = (
        "https://github.com/ggml-org/llama.cpp src/llama-kv-cache*.cpp, src/llama-memory*.cpp, "
        "llama_model::create_memory"
    )

    ctx: int | None = None
    parallel: int | None = None
    unified: bool = False
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    swa_full: bool = False
    batch_size: int = 2048
    ubatch: int = 512
    flash_attn: str = "auto"

    def __post_init__(self) -> None:
        for option in ("cache_type_k", "cache_type_v"):
            if getattr(self, option) not in _CACHE_TYPES:
                raise UnsupportedError(
                    f"{getattr(self, option)!r} is no type of llama.cpp's cache",
                    where=f"--{option.replace('_', '-')}",
                    expected="one of " + ", ".join(_CACHE_TYPES),
                )
        if self.flash_attn not in ("on", "off", "auto"):
            raise InputError(
                f"found {self.flash_attn!r}", where="--flash-attn", expected="on, off or auto"
            )
        for option in ("ctx", "parallel", "batch_size", "ubatch"):
            value = getattr(self, option)
            if value is not None and (isinstance(value, bool) or not 1 <= value < 2**32):
                raise InputError(
                    f"found {value!r}", where=option, expected="a whole number from 1 to 2^32 - 1"
                )
        if self.parallel is not None and self.parallel > _MOST_SEQUENCES:
            raise InputError(
                f"found {self.parallel}",
                where="--parallel",
                expected=f"at most {_MOST_SEQUENCES} sequences",
            )

    def allocate(self, subject: Subject, *, tokens: int, batch: int = 1) -> Allocation:
        """What it allocates; the same for any tokens that fit once ``ctx`` is given.

        Raises:
            UnsupportedError: llama.cpp converts no such model, refuses these types for it, or the
                tokens do not fit in ``ctx``.
        """
        arch = architecture(subject)
        rows = rows_of(subject, arch)
        self._check_types(subject, arch, rows)

        def caches(count: int) -> list[Cache]:
            return list(self._caches(subject, arch, rows, count, batch))

        def at(count: int) -> int:
            # Once the context is given, it is allocated whatever comes.
            return sum(cache.bytes for cache in caches(count if self.ctx is None else tokens))

        found = caches(tokens)
        whole, each, _ = self._context(tokens, batch)
        exact = subject.basis == "exact" and arch in DATA["checked"]
        return Allocation(
            model=subject.model,
            engine=self.name,
            version=self.version,
            options=options_of(self),
            tokens=tokens,
            batch=batch,
            dtype=self.cache_type_k
            if self.cache_type_k == self.cache_type_v
            else f"{self.cache_type_k}/{self.cache_type_v}",
            basis=subject.basis if exact or subject.basis != "exact" else "documented",
            buffers=tuple(_buffers(found)),
            at=at,
            assumptions=tuple(self._assumed(whole, batch)),
            notes=(*subject.notes, *self._shared_note(tokens, batch, whole)),
            facts={
                "architecture": arch,
                "n_ctx": whole,
                "n_ctx_seq": each,
                "caches": [
                    {
                        "name": cache.name,
                        "cells": cache.cells,
                        "layers": cache.layers,
                        "streams": cache.streams,
                        "parts": {
                            part: {"type": kind, "bytes": size}
                            for part, (kind, size) in cache.parts.items()
                        },
                    }
                    for cache in found
                ],
            },
        )

    def _shared_note(self, tokens: int, batch: int, whole: int) -> tuple[str, ...]:
        if not self.unified or tokens * batch <= whole:
            return ()
        return (
            f"the {batch} sequences share {whole:,} cells, so that not all can be as long at once",
        )

    def _assumed(self, whole: int, batch: int) -> Iterator[Assumption]:
        if self.ctx is None:
            yield Assumption(
                option="--ctx-size", value=whole, why="room for the tokens asked about"
            )
        if self.parallel is None:
            yield Assumption(
                option="--parallel",
                value=batch,
                why="the sequences asked about; llama-server takes 4 with --kv-unified by itself",
            )
        if self.ubatch == 512:
            yield Assumption(option="--ubatch-size", value=512, why="its default")

    def _context(self, tokens: int, batch: int) -> tuple[int, int, int]:
        """Cells in all, cells of one sequence, and tokens of one step (``n_ubatch``)."""
        sequences = self.parallel or batch
        if sequences > _MOST_SEQUENCES or batch > sequences:
            raise InputError(
                f"{batch} sequences",
                where="--parallel",
                expected=f"at most {min(sequences, _MOST_SEQUENCES)}",
            )
        together = batch if self.unified else sequences
        asked = tokens * together if self.ctx is None else self.ctx
        # A causal model takes no more tokens in one step than were asked for, before any padding.
        step = min(asked, self.batch_size, self.ubatch)
        whole = round_up(asked, _PAD)
        if self.unified:
            each = whole
        else:
            each = round_up(whole // sequences, _PAD)
            whole = each * sequences
        if self.ctx is not None and tokens > each:
            raise UnsupportedError(
                f"{tokens} tokens" + (f" in each of {batch} sequences" if batch > 1 else ""),
                where="--ctx-size",
                expected=f"at most the {each} cells of one sequence",
            )
        return whole, each, step

    def _check_types(self, subject: Subject, arch: str, rows: Sequence[Row]) -> None:
        """Refuse what ``llama_init_from_model`` refuses, or what no tensor can be made of."""
        latent = arch == "deepseek4" or any(row.latent for row in rows)
        if latent and self.cache_type_k != self.cache_type_v:
            raise UnsupportedError(
                f"llama.cpp keeps one latent for keys and values of {arch}, of one type",
                where=f"--cache-type-k {self.cache_type_k} --cache-type-v {self.cache_type_v}",
                expected="the same type for both",
            )
        if _BLOCKS[self.cache_type_v][0] > 1 and self.flash_attn == "off":
            raise UnsupportedError(
                f"a {self.cache_type_v} V cache needs flash attention",
                where="--flash-attn off",
                expected="on or auto, or a plain --cache-type-v",
            )
        for letter, kind in (("k", self.cache_type_k), ("v", self.cache_type_v)):
            block = _BLOCKS[kind][0]
            for row in rows:
                head = row.key_head if letter == "k" else row.value_head
                # Without flash attention only whole rows must be whole blocks.
                width = (
                    head if self.flash_attn != "off" else row.key if letter == "k" else row.value
                )
                if width % block:
                    raise UnsupportedError(
                        f"blocks of {block} elements do not divide the {width} of a head",
                        where=f"--cache-type-{letter} {kind}",
                        expected="a type whose blocks do",
                    )

    def _caches(
        self, subject: Subject, arch: str, rows: Sequence[Row], tokens: int, batch: int
    ) -> Iterator[Cache]:
        _, each, step = self._context(tokens, batch)
        sequences = self.parallel or batch
        if arch == "deepseek4":
            yield from self._compressed(rows, tokens, batch, each, sequences, step)
            return
        streams = 1 if self.unified else sequences
        # Without flash attention values lie transposed, and all rows are as wide as the widest.
        transposed = self.flash_attn == "off"
        widest = max((row.value for row in rows), default=0) if transposed else 0
        full = [row for row in rows if row.attends and not row.window]
        sliding = [row for row in rows if row.attends and row.window]
        if full or not any(row.recurs for row in rows):
            yield self._keys(_KEYS, full, each, streams, widest, tokens * batch)
        if sliding:
            window = sliding[0].window
            reach = window * (sequences if self.unified else 1) + step
            cells = each if self.swa_full else round_up(min(each, reach), _PAD)
            held = min(tokens, window) * batch
            yield self._keys(_WINDOWED, sliding, cells, streams, widest, held)
        indexed = [Row(key=row.index, value=row.index_value) for row in rows if row.index]
        if indexed:
            yield self._keys(_INDEX, indexed, each, streams, 0, tokens * batch)
        recurrent = [row for row in rows if row.recurs]
        if recurrent:
            convolution = 4 * sequences * sum(row.convolution for row in recurrent)
            state = 4 * sequences * sum(row.state for row in recurrent)
            yield Cache(
                name=_STATES,
                cells=sequences,
                layers=len(recurrent),
                streams=sequences,
                parts={"R": ("f32", convolution), "S": ("f32", state)},
                held=(convolution + state) // sequences * batch,
            )

    def _keys(
        self, name: str, rows: Sequence[Row], cells: int, streams: int, widest: int, held: int
    ) -> Cache:
        key = sum(_size(row.key, self.cache_type_k) for row in rows)
        values = (max(row.value, widest) if row.value or row.empty else 0 for row in rows)
        value = sum(_size(width, self.cache_type_v) for width in values)
        count = cells * streams
        return Cache(
            name=name,
            cells=cells,
            layers=len(rows),
            streams=streams,
            parts={
                "K": (self.cache_type_k, key * count),
                "V": (self.cache_type_v, value * count),
            },
            held=(key + value) * min(held, count),
        )

    def _compressed(
        self, rows: Sequence[Row], tokens: int, batch: int, each: int, sequences: int, step: int
    ) -> Iterator[Cache]:
        """DeepSeek-V4: sequences never share cells; windows for all layers, then entries."""
        window = max(row.compressed.window if row.compressed else row.window for row in rows)
        cells = each if self.swa_full else round_up(min(each, window + step), _PAD)
        raw = [Row(key=row.key) for row in rows]
        held = min(tokens, window) * batch
        yield self._keys(_WINDOWED, raw, cells, sequences, 0, held)
        kinds = [row.compressed for row in rows if row.compressed]
        sparse = [kind for kind in kinds if kind.rate == _SPARSE_RATE]
        heavy = [kind for kind in kinds if kind.rate != _SPARSE_RATE]
        groups = [
            ("csa", sparse, [kind.dim for kind in sparse]),
            ("hca", heavy, [kind.dim for kind in heavy]),
            ("lid", sparse, [kind.indexer for kind in sparse]),
        ]
        groups = [group for group in groups if group[1]]
        for name, chosen, widths in groups:
            rate = chosen[0].rate
            yield self._keys(
                f"{_KEYS} ({name})",
                [Row(key=width) for width in widths],
                round_up(max(1, ceil_div(each, rate)), _PAD),
                sequences,
                0,
                tokens // rate * batch,
            )
        for name, chosen, widths in groups:
            # Keys and gates of entries in the making; those with an indexer overlap, twice as wide.
            wide = 2 if chosen is sparse else 1
            area = sum(wide * width * wide * chosen[0].rate for width in widths)
            yield Cache(
                name=f"llama_dsv4_comp_state ({name})",
                cells=0,
                layers=len(chosen),
                streams=sequences,
                parts={"": ("f32", 2 * 4 * area * sequences)},
                held=2 * 4 * area * batch,
            )


def _size(elements: int, kind: str) -> int:
    """Bytes of a row of so many elements."""
    block, size = _BLOCKS[kind]
    return elements // block * size


def _buffers(caches: Sequence[Cache]) -> Iterator[Buffer]:
    for cache in caches:
        kinds = dict.fromkeys(kind for kind, size in cache.parts.values() if size)
        spare = cache.bytes - cache.held
        if not cache.bytes:
            continue
        yield Buffer(
            name=cache.name,
            layers=cache.layers,
            dtype="/".join(kinds),
            held=cache.held,
            reserved=spare,
            why=f"cells beyond the tokens, of {cache.cells}" if spare and cache.cells else "",
        )
