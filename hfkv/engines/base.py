"""What every engine answers with: buffers, what they hold, what is reserved beside it.

An engine is a frozen dataclass of its own options under its own names (``tensor_parallel_size``,
``cache_type_k``), with its own defaults; None stands for "as the engine itself chooses", and what
it then chose is said in :attr:`Allocation.assumptions`. Three class attributes say which it is:
``name`` (as ``--engine`` takes it), ``version`` (what its rules were read from and run with), and
``source`` (where they can be read).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, ClassVar, Protocol

from hfkv.cache.curve import Curve
from hfkv.dtypes import torch_name
from hfkv.engines.budget import Budget
from hfkv.engines.subject import Subject
from hfkv.facts.agreement import NOTHING, Agreement
from hfkv.shown import Shown, Table, cell, size

__all__ = [
    "Allocation",
    "Assumption",
    "Buffer",
    "Engine",
    "Fit",
    "Planner",
    "options_of",
]


class Engine(Protocol):
    """What every engine answers. Its instances are frozen dataclasses of its options."""

    name: ClassVar[str]
    version: ClassVar[str]
    source: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def allocate(self, subject: Subject, *, tokens: int, batch: int = 1) -> Allocation:
        """What the engine allocates on each GPU for ``batch`` sequences of ``tokens`` tokens.

        Raises:
            UnsupportedError: the engine has no such architecture, or refuses these options for it,
                or its rules for it are not known.
            InputError: an option is not one that the engine has.
        """


class Planner(Engine, Protocol):
    """An engine that plans its cache from a budget of memory."""

    def fit(self, subject: Subject, budget: Budget, *, tokens: int, batch: int = 1) -> Fit:
        """What the engine makes of a budget; ``tokens`` is the longest request it must serve."""


def options_of(engine: Engine) -> dict[str, Any]:
    """The options under the engine's own names, as given; None is the engine's own choice."""
    return {item.name: getattr(engine, item.name) for item in fields(engine)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """Something that no config says and that the figure depends on.

    Attributes:
        option: the option that sets it, as the command has it (``--max-num-batched-tokens``).
        value: what was assumed.
        why: where that comes from, one phrase ("its default on an H100").
    """

    option: str
    value: Any
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """What one GPU keeps for some layers of the model.

    Attributes:
        name: the engine's own word for it (``FullAttentionSpec``, ``swa_kv_pool.k_buffer``).
        layers: how many layers it is for; all of them together take the bytes below.
        dtype: safetensors name, or the engine's own where it is a packed format (``q8_0``).
        held: bytes in which the sequences' tokens or states stand.
        reserved: bytes allocated or set aside beside them.
        why: what is reserved, one phrase; "" where nothing is.
        rank: the pipeline stage, for engines that share layers out among GPUs.
    """

    name: str
    layers: int
    dtype: str
    held: int
    reserved: int = 0
    why: str = ""
    rank: int = 0

    @property
    def bytes(self) -> int:
        """Held and reserved together."""
        return self.held + self.reserved

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            "name": self.name,
            "layers": self.layers,
            "dtype": torch_name(self.dtype),
            "bytes": self.bytes,
            "held": self.held,
            "reserved": self.reserved,
            "why": self.why,
            "rank": self.rank,
        }


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Allocation(Shown):
    """What an engine allocates for so many sequences of so many tokens.

    Attributes:
        model: the model's id or path.
        engine, version: which engine.
        options: its options, as given.
        tokens, batch: the question.
        dtype: element type (torch's name, or the engine's own word) of most of the cache.
        basis: ``exact`` where rows of the engine's own code agree to the byte, ``documented``
            where its rules were read and not run.
        buffers: what each GPU keeps.
        shards: GPUs that keep the same amount for one pipeline stage (tensor parallel).
        at: :attr:`bytes` for another number of tokens.
        bends: numbers of tokens at which the curve may fall, for :attr:`curve`; rarely any.
        assumptions: what no config says; each can be set.
        notes: what a reader must be told, one sentence each.
        facts: further values of the engine's own (block size, pages), for tables and JSON.
    """

    _brief = "model engine version tokens batch bytes held reserved gpus basis"

    model: str
    engine: str
    version: str
    options: Mapping[str, Any]
    tokens: int
    batch: int
    dtype: str
    basis: str
    buffers: tuple[Buffer, ...]
    at: Callable[[int], int] = field(repr=False, compare=False)
    shards: int = 1
    bends: tuple[int, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    agreement: Agreement = field(default=NOTHING, repr=False)

    def _of(self, rank: int) -> tuple[int, int]:
        mine = [buffer for buffer in self.buffers if buffer.rank == rank]
        return sum(buffer.held for buffer in mine), sum(buffer.reserved for buffer in mine)

    @property
    def ranks(self) -> tuple[int, ...]:
        """Bytes on a GPU of each pipeline stage; one entry without pipeline parallelism."""
        count = 1 + max((buffer.rank for buffer in self.buffers), default=0)
        return tuple(sum(self._of(rank)) for rank in range(count))

    @property
    def _fullest(self) -> int:
        return self.ranks.index(max(self.ranks))

    @property
    def bytes(self) -> int:
        """Bytes on each GPU; with pipeline stages, on one of the fullest."""
        return self.ranks[self._fullest]

    @property
    def held(self) -> int:
        """Of those, bytes in which the sequences' tokens or states stand."""
        return self._of(self._fullest)[0]

    @property
    def reserved(self) -> int:
        """Of those, bytes allocated or set aside beside them."""
        return self._of(self._fullest)[1]

    @property
    def gpus(self) -> int:
        """GPUs of one replica."""
        return self.shards * len(self.ranks)

    @property
    def all_gpus(self) -> int:
        """Bytes on all GPUs of one replica."""
        return self.shards * sum(self.ranks)

    @property
    def bytes_per_token(self) -> int:
        """What the next token of every sequence adds on each GPU: often 0, then a whole page."""
        return self.at(self.tokens + 1) - self.at(self.tokens)

    @property
    def average_bytes_per_token(self) -> Fraction:
        """Bytes on each GPU over all tokens of all sequences."""
        return Fraction(self.bytes, self.tokens * self.batch)

    @property
    def constant_bytes(self) -> int:
        """The least that any sequence takes: bytes for one token."""
        return self.at(1)

    @property
    def curve(self) -> Curve:
        """Bytes on each GPU against tokens, with exact inverses."""
        return Curve(at=lambda tokens: self.at(max(tokens, 1)), bends=self.bends)

    def _table(self) -> Table:
        of = f" x {self.batch:,} sequences" if self.batch > 1 else ""
        assumed = tuple(
            f"{item.option} {item.value} is assumed: {item.why}" for item in self.assumptions
        )
        return Table(
            title=f"{self.model}: {self.tokens:,} tokens{of} in {self.engine} {self.version}",
            rows=(
                ("bytes on each GPU", size(self.bytes)),
                ("in use", size(self.held)),
                ("reserved beside it", size(self.reserved)),
                ("GPUs", cell(self.gpus)),
                ("element type", self.dtype),
                ("basis", self.basis),
            ),
            notes=(*assumed, *self.notes),
        )

    def explain(self) -> list[str]:
        """The buffers one by one, and what they add up to."""
        lines = [f"{self.engine} {self.version}, basis {self.basis}"]
        for buffer in self.buffers:
            stage = f", stage {buffer.rank}" if len(self.ranks) > 1 else ""
            reserved = f" + {buffer.reserved:,} reserved: {buffer.why}" if buffer.reserved else ""
            lines.append(
                f"{buffer.name} of {buffer.layers} layers{stage}, {torch_name(buffer.dtype)}: "
                f"{buffer.held:,} B held{reserved}"
            )
        lines.append(f"on each GPU: {self.held:,} + {self.reserved:,} = {self.bytes:,} B")
        lines += [f"{name} = {value}" for name, value in self.facts.items()]
        lines += [f"assumed {item.option} = {item.value}: {item.why}" for item in self.assumptions]
        return lines

    def to_json(self, *, layers: bool = False) -> dict[str, Any]:
        """The documented JSON value; ``layers`` adds the buffers."""
        value: dict[str, Any] = {
            "model": self.model,
            "bytes": self.bytes,
            "tokens": self.tokens,
            "batch": self.batch,
            "dtype": self.dtype,
            "engine": self.engine,
            "engine_version": self.version,
            "basis": self.basis,
            "held": self.held,
            "reserved": self.reserved,
            "bytes_per_token": self.bytes_per_token,
            "average_bytes_per_token": float(self.average_bytes_per_token),
            "constant_bytes": self.constant_bytes,
            "gpus": self.gpus,
            "bytes_by_stage": list(self.ranks),
            "bytes_all_gpus": self.all_gpus,
            "options": dict(self.options),
            "assumptions": [
                {"option": item.option, "value": item.value, "why": item.why}
                for item in self.assumptions
            ],
            "engine_facts": dict(self.facts),
            "crosscheck": self.agreement.to_json(),
            "notes": list(self.notes),
        }
        if layers:
            value["buffers"] = [buffer.to_json() for buffer in self.buffers]
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What an engine makes of a budget.

    Attributes:
        allocation: for one request of the longest length on an idle engine.
        budget: as it was asked.
        usable: bytes of each GPU that the engine may use of it.
        weights: bytes of weights on each GPU; None where the checkpoint's header is not there.
        other: bytes on each GPU for what is neither weights nor cache.
        available: bytes left for the cache on each GPU.
        pool_tokens: the engine's own count of the pool's tokens; for all sequences together.
        concurrency: how many requests of the longest length the pool holds at once; None where
            the engine names no such number.
        tokens: the longest single request that the pool holds.
        log: the sentences of the engine's own start-up log.
        basis: how the pool is known, given ``available``.
        notes: what a reader must be told.
        facts: further values of the engine's own.
    """

    allocation: Allocation
    budget: Budget
    usable: int
    weights: int | None
    other: int
    available: int
    pool_tokens: int
    concurrency: Fraction | None
    tokens: int | None
    log: tuple[str, ...]
    basis: str
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return {
            "budget": self.budget.text,
            "budget_bytes": self.budget.per_gpu,
            "gpus": self.budget.gpus,
            "usable_bytes": self.usable,
            "weight_bytes": self.weights,
            "other_bytes": self.other,
            "available_bytes": self.available,
            "pool_tokens": self.pool_tokens,
            "concurrency": None if self.concurrency is None else float(self.concurrency),
            "tokens": self.tokens,
            "log": list(self.log),
            "basis": self.basis,
            "engine_facts": dict(self.facts),
            "notes": list(self.notes),
        }
