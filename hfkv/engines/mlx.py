"""mlx-lm's prompt caches: what each cache class of a model allocates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from hfkv.cache.kinds import (
    Compressed,
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
from hfkv.dtypes import nbytes
from hfkv.engines.base import Allocation, Assumption, Buffer, options_of
from hfkv.engines.mlx_growth import BLOCK, Lengths, Reading, chunked, growing, rotating
from hfkv.engines.mlx_modules import (
    DATA,
    element_of,
    module_of,
    of_head,
    own_head,
    own_windows,
    stated_window,
)
from hfkv.engines.subject import Subject
from hfkv.errors import InputError, UnsupportedError

__all__ = ["Mlx"]

_BITS, _GROUPS = (2, 3, 4, 5, 6, 8), (32, 64, 128)
#: Tokens from which on mlx-lm quantizes by itself, where ``kv_bits`` is given.
_DEFAULT_START = 5000


class _Entry(NamedTuple):
    """One cache object: its class, the elements of a token, or of a state with its dtype."""

    cls: str
    heads: int = 0
    k_dim: int = 0
    v_dim: int = 0
    size: int = 0
    states: tuple[tuple[tuple[int, ...], str | None], ...] = ()
    listed: bool = False
    latent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mlx:
    """Options of ``mlx_lm.generate``, under its own names.

    Attributes:
        max_kv_size: ``--max-kv-size``; only models without a cache of their own have it.
        kv_bits, kv_group_size: ``--kv-bits``, ``--kv-group-size``: quantized keys and values.
        quantized_kv_start: ``--quantized-kv-start``: the tokens from which on they are. 0 here;
            mlx-lm's own default is 5,000.
        prefill_step_size: ``--prefill-step-size``: tokens of the prompt in one step.
        generated: how many of the tokens were generated, one by one, after the prompt.
    """

    name: ClassVar[str] = "mlx"
    version: ClassVar[str] = "0.32.2"
    source: ClassVar[str] = (
        "https://github.com/ml-explore/mlx-lm mlx_lm/models/cache.py and generate_step"
    )

    max_kv_size: int | None = None
    kv_bits: int | None = None
    kv_group_size: int = 64
    quantized_kv_start: int = 0
    prefill_step_size: int = 2048
    generated: int = 8

    def __post_init__(self) -> None:
        if self.kv_bits not in (None, *_BITS):
            raise UnsupportedError(
                f"found {self.kv_bits!r}",
                where="--kv-bits",
                expected="one of " + ", ".join(map(str, _BITS)),
            )
        if self.kv_group_size not in _GROUPS:
            raise UnsupportedError(
                f"found {self.kv_group_size!r}",
                where="--kv-group-size",
                expected="one of " + ", ".join(map(str, _GROUPS)),
            )
        for option, least in (
            ("max_kv_size", 1),
            ("quantized_kv_start", 0),
            ("prefill_step_size", 1),
            ("generated", 0),
        ):
            value = getattr(self, option)
            if value is not None and (isinstance(value, bool) or not least <= value <= 10**18):
                raise InputError(
                    f"found {value!r}",
                    where=f"--{option.replace('_', '-')}",
                    expected=f"a whole number of at least {least}",
                )
        if self.prefill_step_size % BLOCK:
            raise UnsupportedError(
                f"found {self.prefill_step_size}",
                where="--prefill-step-size",
                expected=f"a multiple of {BLOCK}, in which its buffers grow",
            )

    def allocate(self, subject: Subject, *, tokens: int, batch: int = 1) -> Allocation:
        """What its arrays take after ``tokens`` tokens; while the prompt is read it can be more.

        Raises:
            UnsupportedError: mlx-lm has no such model, or fails with these options.
        """
        module = module_of(subject)
        element, why = element_of(subject)
        kinds = own_windows(subject, module)
        own, given = own_head(subject, module), subject.text.peek("head_dim")
        if own:
            kinds = [of_head(kind, own) for kind in kinds]
        entries = [entry for kind in kinds for entry in self._entries(kind, module, subject)]
        if module in DATA["lists"]:
            # Caches in a CacheList are not asked whether they can be quantized.
            entries = [entry._replace(listed=True) for entry in entries]
        reading = self._reading(tokens)
        self._check_quantized(subject, module, entries, reading)

        def sized(count: int, when: str) -> dict[_Entry, int]:
            step = self._reading(count)
            return {entry: self._bytes(entry, step, element, when) for entry in set(entries)}

        def total(count: int, when: str) -> int:
            each = sized(count, when)
            return batch * sum(each[entry] for entry in entries)

        end, whole, read = (total(tokens, when) for when in ("end", "whole", "read"))
        peak = max(whole, read)
        notes = subject.notes
        if own and given is not None and given != own:
            notes = (
                *notes,
                f"{module} of mlx-lm makes heads of {own} elements, and the config states {given}",
            )
        if peak > end:
            notes = (*notes, f"while the prompt is read its caches take up to {peak:,} B")
        if self.kv_bits is not None and self.quantized_kv_start < _DEFAULT_START > tokens:
            notes = (
                *notes,
                f"counted as quantized from token {self.quantized_kv_start:,} on; by itself mlx-lm "
                f"starts at {_DEFAULT_START:,} tokens (--quantized-kv-start)",
            )
        exact = module in DATA["checked"] and batch == 1
        return Allocation(
            model=subject.model,
            engine=self.name,
            version=self.version,
            options=options_of(self),
            tokens=tokens,
            batch=batch,
            dtype="bfloat16" if element == "BF16" else "float16" if element == "F16" else "float32",
            basis=subject.basis if exact or subject.basis != "exact" else "documented",
            buffers=tuple(self._buffers(entries, reading, element, batch)),
            at=lambda count: total(count, "end"),
            assumptions=(
                Assumption(
                    option="--generated",
                    value=min(self.generated, tokens - 1),
                    why="tokens generated after the prompt; the rest was read in steps of "
                    f"{self.prefill_step_size:,}",
                ),
                *((Assumption(option="dtype", value=element, why=why),) if why else ()),
            ),
            notes=notes,
            facts={"module": module, "bytes_after_prefill": read, "peak_prefill": peak},
        )

    def _reading(self, tokens: int) -> Reading:
        # The prompt's last token comes alone, to give the first logits.
        alone = min(self.generated + 1, tokens)
        return Reading(tokens=tokens, alone=alone, chunk=self.prefill_step_size)

    def _entries(self, kind: Kind, module: str, subject: Subject) -> Iterator[_Entry]:
        limited = self.max_kv_size is not None and module not in DATA["own_cache"]
        plain = "RotatingKVCache" if limited else "KVCache"
        size = self.max_kv_size or 0 if limited else 0
        match kind:
            case Full():
                yield _Entry(plain, kind.heads, kind.k_dim, kind.v_dim, size)
            case Sliding(chunked=True) if module == "llama4":
                yield _Entry("ChunkedKVCache", kind.heads, kind.k_dim, kind.v_dim, kind.window)
            case Sliding():
                if module in DATA["rotating"]:
                    window = stated_window(subject, kind.window)
                    yield _Entry("RotatingKVCache", kind.heads, kind.k_dim, kind.v_dim, window)
                else:
                    yield _Entry(plain, kind.heads, kind.k_dim, kind.v_dim, size)
            case Latent():
                yield self._latent(kind, module, subject, plain, size)
            case Indexer():
                # Most keep it as keys and, once more, as values.
                yield _Entry(
                    "KVCache", 1, kind.dim, 0 if module in DATA["keys_alone"] else kind.dim
                )
            case State():
                states = []
                for state in kind.parts:
                    shape, dtype = state.shape, state.dtype
                    if state.role == "convolution":
                        *channels, width = shape
                        shape = (*channels, width - 1)
                    elif module in DATA["own_dtype_states"]:
                        dtype = None
                    states.append((shape, dtype))
                yield _Entry("ArraysCache", states=tuple(states))
            case Cross() | Nothing() | Shared():
                return
            case Together():
                for part in kind.parts:
                    yield from self._entries(part, module, subject)
            case Compressed():
                raise UnsupportedError(
                    f"what mlx-lm keeps for {module} is not counted", where=subject.model
                )
            case _:
                raise UnsupportedError(
                    f"mlx-lm has no cache for a layer of kind '{kind.name}'", where=subject.model
                )

    def _latent(self, kind: Latent, module: str, subject: Subject, plain: str, size: int) -> _Entry:
        if module not in DATA["expanded"]:
            return _Entry(plain, 1, kind.rank, kind.rotary or 0, size, latent=True)
        text = subject.text
        heads = text.int("num_attention_heads")
        nope = text.int("qk_nope_head_dim")
        stated = text.peek("v_head_dim")
        value = text.int("v_head_dim") if stated is not None else text.int("hidden_size") // heads
        return _Entry(plain, heads, nope + (kind.rotary or 0), value, size)

    def _check_quantized(
        self, subject: Subject, module: str, entries: list[_Entry], reading: Reading
    ) -> None:
        if self.kv_bits is None or reading.tokens < self.quantized_kv_start:
            return
        if any(entry.cls == "RotatingKVCache" and not entry.listed for entry in entries):
            raise UnsupportedError(
                "mlx-lm cannot quantize a RotatingKVCache, which layers of this model have",
                where=f"--kv-bits {self.kv_bits}",
                expected="no --kv-bits",
            )
        latent = any(entry.latent and self._quantizes(entry, reading) for entry in entries)
        if latent or module in DATA["refuses_quantized"]:
            raise UnsupportedError(
                f"the attention of {module} in mlx-lm fails on quantized keys",
                where=f"--kv-bits {self.kv_bits}",
                expected="no --kv-bits",
            )
        for entry in entries:
            for width in (entry.k_dim, entry.v_dim) if self._quantizes(entry, reading) else ():
                if width % self.kv_group_size:
                    raise UnsupportedError(
                        f"groups of {self.kv_group_size} elements do not divide the {width} of a "
                        "head",
                        where=f"--kv-bits {self.kv_bits}",
                        expected="a --kv-group-size that does",
                    )

    def _lengths(self, entry: _Entry, reading: Reading) -> Lengths:
        if entry.cls == "RotatingKVCache":
            return rotating(reading, entry.size)
        if entry.cls == "ChunkedKVCache":
            return chunked(reading, entry.size)
        return growing(reading)

    def _bytes(self, entry: _Entry, reading: Reading, element: str, when: str) -> int:
        """Bytes of one cache object ``when``: see :class:`Lengths`."""
        if entry.states:
            return sum(nbytes(math.prod(shape), dtype or element) for shape, dtype in entry.states)
        length: int = getattr(self._lengths(entry, reading), when)
        return length * self._token_bytes(entry, reading, element)

    def _token_bytes(self, entry: _Entry, reading: Reading, element: str) -> int:
        width = nbytes(1, element)
        elements = entry.heads * (entry.k_dim + entry.v_dim)
        quantized = self._quantizes(entry, reading)
        if not quantized or self.kv_bits is None:
            return elements * width
        # A scale and a bias of the model's dtype for every group, beside the packed elements.
        return elements * self.kv_bits // 8 + 2 * width * elements // self.kv_group_size

    def _quantizes(self, entry: _Entry, reading: Reading) -> bool:
        return (
            self.kv_bits is not None
            and entry.cls == "KVCache"
            and not entry.listed
            and reading.tokens >= self.quantized_kv_start
        )

    def _buffers(
        self, entries: list[_Entry], reading: Reading, element: str, batch: int
    ) -> Iterator[Buffer]:
        for entry in dict.fromkeys(entries):
            layers = entries.count(entry)
            size = layers * batch * self._bytes(entry, reading, element, "end")
            held = size
            cls, dtype = entry.cls, element
            if not entry.states:
                tokens = reading.tokens
                kept = min(tokens, entry.size) if entry.size else tokens
                length = self._lengths(entry, reading).end
                held = size // length * min(kept, length) if length else 0
                if self._quantizes(entry, reading):
                    cls, dtype = "QuantizedKVCache", f"{self.kv_bits} bits"
            yield Buffer(
                name=cls,
                layers=layers,
                dtype=dtype,
                held=held,
                reserved=size - held,
                why=f"blocks of {BLOCK} tokens" if size > held else "",
            )
