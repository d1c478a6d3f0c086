"""What vLLM settles before it knows how long requests are: blocks, pages, groups, batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hfkv.cache.kinds import Compressed, Cross, Full, Kind, Latent, Sliding, State
from hfkv.dtypes import torch_name
from hfkv.engines.base import Allocation, Assumption, Buffer, options_of
from hfkv.engines.subject import Subject
from hfkv.engines.vllm.blocks import aligned, first_block, hybrid_page
from hfkv.engines.vllm.checks import (
    checked_gpu,
    context_parallel,
    data,
    named_dtype,
)
from hfkv.engines.vllm.draft import draft_kinds
from hfkv.engines.vllm.groups import Group, bytes_per_block, groups_of
from hfkv.engines.vllm.kv_dtypes import (
    KvDtype,
    kv_dtype,
    model_dtype,
)
from hfkv.engines.vllm.layers import Making, flat, layer_specs
from hfkv.engines.vllm.specs import Request, Spec

if TYPE_CHECKING:
    from hfkv.engines.vllm import Vllm

__all__ = ["Plan", "plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What vLLM settles before it knows how long requests are.

    Attributes:
        engine, subject: the question.
        groups: of the whole model; stages: their share of each pipeline stage.
        block: tokens of a block of attention.
        batched: tokens of one batch.
        batches: how many batches are in flight.
        align: whether states are kept for prefix caching.
        encoder: whether there is an encoder, for which a whole batch is reserved.
        word: vLLM's word for the cache's element type.
        exact: whether runs of vLLM agree for such a model and such options.
    """

    engine: Vllm
    subject: Subject
    groups: tuple[Group, ...]
    stages: tuple[tuple[Group, ...], ...]
    block: int
    batched: int
    batches: int
    align: bool
    encoder: bool
    word: str
    exact: bool
    assumptions: tuple[Assumption, ...]
    notes: tuple[str, ...]

    def request(self, tokens: int) -> Request:
        """One request of so many tokens."""
        return Request(
            tokens=tokens,
            in_flight=self.batches * self.batched,
            context_parallel=self.engine.dcp,
            align=self.align,
            encoder_tokens=max(self.batched, tokens) if self.encoder else 0,
        )

    def blocks(self, tokens: int) -> int:
        """Blocks of the pool that one request must find free."""
        request = self.request(tokens)
        return sum(group.blocks(request) for group in self.groups)

    def widths(self) -> tuple[int, ...]:
        """Bytes of a block of the pool on a GPU of each stage."""
        return tuple(bytes_per_block(stage) for stage in self.stages)

    def bytes(self, tokens: int) -> int:
        """Bytes on a GPU of the fullest stage for one request."""
        return max(self.widths()) * self.blocks(tokens)

    def allocation(self, tokens: int, batch: int) -> Allocation:
        """The buffers for ``batch`` such requests."""
        engine = self.engine
        return Allocation(
            model=self.subject.model,
            engine=engine.name,
            version=engine.version,
            options=options_of(engine),
            tokens=tokens,
            batch=batch,
            dtype=self.word,
            basis="exact" if self.exact else _documented(self.subject.basis),
            buffers=self._buffers(tokens, batch),
            at=lambda count: batch * self.bytes(count),
            shards=engine.tp,
            assumptions=self.assumptions,
            notes=self.notes,
            facts={
                "block_size": self.block,
                "blocks_per_request": self.blocks(tokens),
                "bytes_per_block": max(self.widths(), default=0),
                "groups": len(self.groups),
                "max_num_batched_tokens": self.batched,
                "tokens_in_flight": self.batches * self.batched,
            },
        )

    def _buffers(self, tokens: int, batch: int) -> tuple[Buffer, ...]:
        request = self.request(tokens)
        found: dict[tuple[int, str, str, str], tuple[int, int, int]] = {}
        for rank, stage in enumerate(self.stages):
            width = bytes_per_block(stage)
            # The blocks that a group claims are those of the whole model's group.
            for whole, group in zip(self.groups, stage, strict=True):
                specs = group.specs or whole.specs
                first = specs[0]
                claimed = width * whole.blocks(request)
                held = sum(spec.held(request) for spec in group.specs)
                key = (rank, first.name, first.dtype, _why(first))
                layers, before, reserved = found.get(key, (0, 0, 0))
                found[key] = (
                    layers + len(group.specs),
                    before + held,
                    reserved + claimed - held,
                )
        return tuple(
            Buffer(
                name=name,
                layers=layers,
                dtype=dtype,
                held=batch * held,
                reserved=batch * reserved,
                why=why if reserved else "",
                rank=rank,
            )
            for (rank, name, dtype, why), (layers, held, reserved) in found.items()
        )


def _documented(basis: str) -> str:
    return "documented" if basis == "exact" else basis


def _why(spec: Spec) -> str:
    if spec.family in ("sliding", "sliding mla", "chunked"):
        return "prefills in flight, whole blocks"
    if spec.family == "state":
        return "states kept for prefix caching, pages as large as attention's"
    if spec.family == "cross":
        return "the encoder's budget"
    return "whole blocks, places of layers that are not there"


def plan(engine: Vllm, subject: Subject) -> Plan:
    """All that vLLM settles at its start."""
    gpu = checked_gpu(engine, subject)
    capability = (gpu["capability"][0], gpu["capability"][1])
    own = model_dtype(subject, engine.dtype)
    kv = kv_dtype(subject, engine.kv_dtype, own, capability)
    if kv.is_fp8 and set(subject.architectures) & set(data()["without_kv_dtype"]):
        note = "vLLM does not hand --kv-cache-dtype to this class's attention"
        kv = KvDtype(word="auto", element=own, note=note)
    kinds = list(subject.plan.kinds)
    parts = [part for kind in kinds for part in flat(kind)]
    states = any(isinstance(part, State) for part in parts)
    attends = any(isinstance(part, (Full, Sliding, Latent, Compressed)) for part in parts)
    caching = engine.enable_prefix_caching
    align = states and (attends if caching is None else caching)
    made = Making(
        subject=subject,
        tp=engine.tp,
        kv=kv,
        own=own,
        conv=named_dtype(engine.mamba_cache_dtype, own, "--mamba-cache-dtype"),
        ssm=_ssm_dtype(engine, subject, own),
        block=first_block(engine, subject, parts, kv, own, capability),
        capability=capability,
        align=align,
        speculative=engine.num_speculative_tokens,
    )
    if states and attends:
        made = aligned(made, parts)
    specs, owners = _all_specs(kinds, made, engine)
    if states and attends:
        page = hybrid_page(made, parts)
        specs = [
            replace(spec, padded=page) if spec.family == "state" and spec.page != page else spec
            for spec in specs
        ]
    packed = any(isinstance(part, Compressed) for part in parts)
    groups = groups_of(specs, hybrid=not engine.disable_hybrid_kv_cache_manager, packed=packed)
    context_parallel(engine, subject, specs)
    stages = tuple(
        tuple(group.on(frozenset(i for i, o in enumerate(owners) if o == rank)) for group in groups)
        for rank in range(engine.pp)
    )
    batches = engine.pp + 1 if engine.async_scheduling is not False else engine.pp
    batched = engine.max_num_batched_tokens or max(
        gpu["max_num_batched_tokens"],
        *(data()["least_batched_tokens"].get(name, 0) for name in subject.architectures),
    )
    return Plan(
        engine=engine,
        subject=subject,
        groups=tuple(groups),
        stages=stages,
        block=made.block,
        batched=batched,
        batches=batches,
        align=align,
        encoder=any(isinstance(part, Cross) for part in parts),
        word=kv.word if kv.word != "auto" else torch_name(own),
        exact=_is_exact(engine, subject, parts),
        assumptions=_assumptions(engine, specs, gpu, batched, batches, align),
        notes=(*subject.notes, *((kv.note,) if kv.note else ())),
    )


def _ssm_dtype(engine: Vllm, subject: Subject, own: str) -> str | None:
    """The element type of recurrent states; None for the rule of their kind."""
    where = "--mamba-ssm-cache-dtype"
    if engine.mamba_ssm_cache_dtype != "auto":
        return named_dtype(engine.mamba_ssm_cache_dtype, own, where)
    named = set(subject.architectures)
    if named & set(data()["ssm_dtype_of_config"]["mamba_ssm_cache_dtype"]):
        said = subject.text.peek("mamba_ssm_cache_dtype")
        return named_dtype(said if isinstance(said, str) else "float32", own, where)
    if named & set(data()["ssm_dtype_of_config"]["mamba_ssm_dtype"]):
        said = subject.text.peek("mamba_ssm_dtype")
        return named_dtype(said, own, where) if isinstance(said, str) else None
    return None


def _all_specs(kinds: list[Kind], made: Making, engine: Vllm) -> tuple[list[Spec], list[int]]:
    """The specs of all layers, and the pipeline stage of each."""
    specs: list[Spec] = []
    owners: list[int] = []
    memo: dict[tuple[int, bool], list[Spec]] = {}
    plain = replace(made, kv=KvDtype(word="auto", element=made.own))
    edges = _edges(kinds, made)
    # Some layers of transformers keep several caches; vLLM deals out whole ones.
    named = made.subject.text.peek("num_hidden_layers") or made.subject.text.peek("num_layers")
    layers = named if isinstance(named, int) and len(kinds) % named == 0 else len(kinds)
    each = len(kinds) // layers
    stage_of = _stages(layers, engine.pp)
    for index, kind in enumerate(kinds):
        key = (id(kind), index in edges)
        if key not in memo:
            memo[key] = layer_specs(kind, plain if index in edges else made)
        specs += memo[key]
        owners += [stage_of(index // each)] * len(memo[key])
    if engine.num_speculative_tokens:
        for kind in draft_kinds(made.subject):
            drafted = [replace(spec, draft=True) for spec in layer_specs(kind, made)]
            specs += drafted
            owners += [engine.pp - 1] * len(drafted)
    return specs, owners


def _edges(kinds: list[Kind], made: Making) -> frozenset[int]:
    """The first and last two layers, which TurboQuant leaves as they are; none beside states."""
    if not made.kv.is_turbo or any(isinstance(p, State) for k in kinds for p in flat(k)):
        return frozenset()
    count = min(2, len(kinds) // 2)
    return frozenset((*range(count), *range(len(kinds) - count, len(kinds))))


def _stages(layers: int, pp: int) -> Callable[[int], int]:
    """The stage of each layer: as many in each, those left over from the last but one on."""
    counts = [layers // pp] * pp
    for left in range(layers % pp):
        counts[-2 - left] += 1
    edges = [sum(counts[: stage + 1]) for stage in range(pp)]
    return lambda index: next(stage for stage, edge in enumerate(edges) if index < edge)


def _is_exact(engine: Vllm, subject: Subject, parts: list[Kind]) -> bool:
    """Whether runs of vLLM's planner agree for this architecture and such options."""
    if subject.basis != "exact":
        return False
    if not set(subject.architectures) & set(data()["checked"]):
        return False
    return engine.num_speculative_tokens <= 1 and engine.async_scheduling is not False


def _assumptions(
    engine: Vllm,
    specs: list[Spec],
    gpu: Mapping[str, Any],
    batched: int,
    batches: int,
    align: bool,
) -> tuple[Assumption, ...]:
    found = [Assumption(option="--gpu", value=engine.gpu.lower(), why="decides the kernels")]
    families = {spec.family for spec in specs}
    if families & {"sliding", "sliding mla", "chunked", "cross"}:
        if engine.max_num_batched_tokens is None:
            found.append(
                Assumption(
                    option="--max-num-batched-tokens",
                    value=batched,
                    why=f"what vllm serve takes on {gpu['name']}",
                )
            )
        if engine.async_scheduling is None:
            found.append(
                Assumption(
                    option="--async-scheduling", value=True, why=f"{batches} batches in flight"
                )
            )
    if "state" in families and engine.enable_prefix_caching is None:
        found.append(
            Assumption(
                option="--enable-prefix-caching",
                value=align,
                why="its default for such a model",
            )
        )
    return tuple(found)
