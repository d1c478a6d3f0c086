"""The size of a model's KV cache after so many tokens, in bytes, with how it is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from hfkv.cache.conventions import Convention, Layer, Sequences
from hfkv.cache.conventions.transformers import TRANSFORMERS
from hfkv.cache.crosscheck import Shapes
from hfkv.cache.crosscheck import crosscheck as check_shapes
from hfkv.cache.curve import Curve
from hfkv.cache.dtype import cache_dtype, plain_width
from hfkv.cache.encoders import assumed_length, encoder_length
from hfkv.cache.misplaced import check_misplaced
from hfkv.cache.plan import Plan
from hfkv.cache.recognition import recognize
from hfkv.dtypes import torch_name
from hfkv.facts import Facts
from hfkv.facts.agreement import CONTRADICTED, NOTHING, Agreement
from hfkv.facts.config import Read
from hfkv.facts.dtype import dtype_origin
from hfkv.json_value import attributes
from hfkv.reading import whole_number
from hfkv.shown import Shown, Table, size

__all__ = ["KVCache", "check_question", "kv_cache"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class KVCache(Shown):
    """The KV cache of a model.

    Attributes:
        model: the model's id or path.
        bytes: all of it, after ``tokens`` tokens in each of ``batch`` sequences.
        tokens, batch: the question.
        dtype: element type (torch's name) of what the model does not pin to another.
        basis: ``exact``, ``documented``, ``inferred``, or ``contradicted`` where the checkpoint is
            not what config.json says.
        bytes_per_token: what the next token adds, for all sequences of the batch together.
        constant_bytes: what is there before the first token.
        plan: the kinds of all layers.
        convention: what is stored for them; ``layers`` are its tensors.
        encoder_tokens: the length of the encoder's output that is kept, where there can be one.
        reads: the config keys that were read, with where each value came from.
        agreement: what came of holding the checkpoint against the config.
        rows: the types whose rows made the plan, outermost first.
        notes: what a reader must be told, one sentence each.
        file: where the config stands; dtype_origin: where the element type is said.
        line: of which line of transformers it is, as in :class:`hfkv.facts.Facts`.
    """

    _brief = "model tokens batch bytes dtype engine basis"

    model: str
    bytes: int
    tokens: int
    batch: int
    dtype: str
    basis: str
    bytes_per_token: int
    constant_bytes: int
    plan: Plan = field(repr=False)
    element: str = field(repr=False)
    convention: Convention = field(default=TRANSFORMERS, repr=False)
    model_type: str = ""
    source: str = ""
    encoder_tokens: int | None = None
    reads: tuple[Read, ...] = field(default=(), repr=False)
    rows: tuple[str, ...] = field(default=(), repr=False)
    agreement: Agreement = field(default=NOTHING, repr=False)
    notes: tuple[str, ...] = ()
    file: str = field(default="config.json", repr=False)
    dtype_origin: str = field(default="", repr=False)
    line: str = field(default="", repr=False)

    @property
    def engine(self) -> str:
        """The name of the convention: ``transformers`` counts what its cache object holds."""
        return self.convention.name

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer's tensors at this length and batch."""
        return self.convention.layers(self.plan, self._stored(self.tokens))

    def _stored(self, tokens: int) -> Sequences:
        return Sequences(
            tokens=tokens,
            batch=self.batch,
            dtype=self.element,
            encoder_tokens=self.encoder_tokens,
        )

    @property
    def average_bytes_per_token(self) -> Fraction:
        """All bytes over all tokens of all sequences."""
        return Fraction(self.bytes, self.tokens * self.batch)

    @property
    def curve(self) -> Curve:
        """Bytes against tokens at this batch and dtype, with exact inverses."""

        return Curve(
            at=lambda tokens: self.convention.bytes(self.plan, self._stored(tokens)),
            bends=self.convention.bends(self.plan),
            period=self.convention.period(self.plan),
        )

    def explain(self) -> list[str]:
        """The arithmetic with the model's own numbers, and where each of them came from."""
        from hfkv.cache.explain import explain

        return explain(
            layers=self.layers,
            total=self.bytes,
            marginal=self.bytes_per_token,
            average=self.average_bytes_per_token,
            tokens=self.tokens,
            batch=self.batch,
            reads=self.reads,
            rows=[(row, self.basis, self.source) for row in self.rows or (self.model_type,)],
            file=self.file,
            dtype=f"{self.dtype}: {self.dtype_origin}" if self.dtype_origin else "",
            line=self.line,
        )

    def _table(self) -> Table:
        of = f" x {self.batch:,} sequences" if self.batch > 1 else ""
        return Table(
            title=f"{self.model}: KV cache of {self.tokens:,} tokens{of}",
            rows=(
                ("bytes", size(self.bytes)),
                ("of the next token", size(self.bytes_per_token)),
                ("before the first token", size(self.constant_bytes)),
                ("element type", self.dtype),
                ("as stored by", self.engine),
                ("basis", self.basis),
            ),
            notes=self.notes,
        )

    def to_json(self, *, layers: bool = False) -> dict[str, Any]:
        """The documented JSON value; ``layers`` adds every layer's tensors."""
        value = attributes(
            self,
            "model bytes tokens batch dtype engine basis bytes_per_token average_bytes_per_token "
            "constant_bytes notes",
        )
        value["crosscheck"] = self.agreement.to_json()
        if self.encoder_tokens is not None:
            value["encoder_tokens"] = self.encoder_tokens
        if layers:
            value["layers"] = [layer.to_json() for layer in self.layers]
        return value


def kv_cache(
    facts: Facts,
    *,
    tokens: int,
    batch: int = 1,
    dtype: str = "auto",
    encoder_tokens: int | None = None,
    crosscheck: bool = True,
    shapes: Shapes | None = None,
) -> KVCache:
    """The KV cache of a model after ``tokens`` tokens in each of ``batch`` sequences.

    Args:
        shapes: what the crosscheck found, where it was made before; it does not depend on the
            question.

    Raises:
        InputError: an argument is not usable.
        UnsupportedError: the architecture is not known, or there is no config.
        ConfigError: the config cannot be read.
    """
    check_question(tokens, batch)
    found = recognize(facts)
    config, plan = found.config, found.plan
    # Taken before anything else is read, so that only what the plan depends on is explained.
    reads = config.reads
    length = encoder_length(plan, encoder_tokens, config)
    element, notes = cache_dtype(facts, config, dtype)
    origin = dtype_origin(facts, config, element)
    derived = (facts.derived,) if facts.derived else ()
    notes = (*plan.notes, *assumed_length(plan, encoder_tokens), *notes, *derived)
    agreement, basis = NOTHING, found.basis
    if crosscheck and facts.tensors is not None:
        agreement, beyond = shapes or check_shapes(plan, facts.tensors)
        notes += beyond
        if agreement.differs:
            basis, notes = CONTRADICTED, (agreement.told, *notes)
    if plain := plain_width(element):
        # The arithmetic is known; a class to check it against there is none.
        basis, notes = "documented" if basis == "exact" else basis, (*notes, plain)
    assert facts.config is not None
    notes += check_misplaced(config, facts.config, reads, facts.tensors, insisted=not crosscheck)

    def at(count: int) -> int:
        stored = Sequences(tokens=count, batch=batch, dtype=element, encoder_tokens=length)
        return TRANSFORMERS.bytes(plan, stored)

    total = at(tokens)
    return KVCache(
        model=facts.model,
        bytes=total,
        tokens=tokens,
        batch=batch,
        dtype=torch_name(element),
        basis=basis,
        bytes_per_token=at(tokens + 1) - total,
        constant_bytes=at(0),
        plan=plan,
        element=element,
        model_type=config.model_type,
        source=found.source,
        encoder_tokens=length,
        reads=reads,
        rows=tuple(dict.fromkeys((config.model_type, config.text().model_type))),
        agreement=agreement,
        notes=(found.claim, *notes) if found.claim else notes,
        file="the config of the GGUF's keys" if facts.derived else "config.json",
        dtype_origin=origin,
        line=facts.line,
    )


def check_question(tokens: int, batch: int) -> None:
    """Refuse numbers of tokens or sequences that are none.

    Raises:
        InputError: one is not a whole number of at least 1.
    """
    for name, value in (("tokens", tokens), ("batch", batch)):
        whole_number(value, f"`{name}`")
