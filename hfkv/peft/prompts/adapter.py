"""A cartridge, prefix or soft prompt in parameters and bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from hfkv.cache import kv_cache
from hfkv.dtypes import canonical, nbytes, torch_name
from hfkv.errors import CrosscheckError, UnsupportedError
from hfkv.facts import Facts
from hfkv.json_value import attributes
from hfkv.modules.table import has_table, own_config, table_of
from hfkv.peft.base import Base
from hfkv.peft.lora.adapter import adapter_dtype
from hfkv.peft.prompts.options import IN_EVERY_LAYER, PromptOptions
from hfkv.peft.prompts.sizes import Sizes, sizes_of
from hfkv.shown import Shown, Table, cell
from hfkv.tensors import TensorTable

__all__ = ["Prompt", "agree", "count"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Prompt(Shown):
    """Trained virtual tokens.

    Attributes:
        model: the base model's id or path.
        method: its ``peft_type``.
        virtual_tokens: how many.
        parameters: trained, the first number of ``print_trainable_parameters()``.
        saved_parameters: what PEFT writes to disk: the tokens themselves, frozen ones included,
            and no network around them.
        bytes: of what is saved, in ``dtype``: what the tokens take when they are used.
        bytes_per_token: of one virtual token.
        dtype: element type (torch's name).
        options: everything that was asked for.
        basis: ``exact`` where the class is in the pinned transformers.
        notes: what a reader must be told, one sentence each.
        warnings: what was asked for and changes nothing: nothing here.
    """

    _brief = "model method virtual_tokens parameters bytes dtype basis"

    model: str
    method: str
    virtual_tokens: int
    parameters: int
    saved_parameters: int
    bytes: int
    bytes_per_token: int
    dtype: str
    options: PromptOptions
    basis: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[tuple[str, int], ...]:
        """Its numbers in a table for reading, each with its name."""
        return (
            ("virtual tokens", self.virtual_tokens),
            ("trained parameters", self.parameters),
            ("saved parameters", self.saved_parameters),
            (f"bytes in {self.dtype}", self.bytes),
            ("bytes of one virtual token", self.bytes_per_token),
        )

    def _table(self) -> Table:
        return Table(
            title=f"{self.model}: {self.method}",
            rows=(*((name, cell(value)) for name, value in self.rows), ("basis", self.basis)),
            notes=self.notes,
        )

    def snippet(self) -> str:
        """Python that makes exactly this adapter."""
        return self.options.snippet()

    def to_json(self) -> dict[str, Any]:
        """The documented JSON value."""
        return attributes(
            self,
            "model method virtual_tokens parameters saved_parameters bytes bytes_per_token dtype "
            "basis notes warnings",
        )


def count(base: Base, options: PromptOptions, *, dtype: str = "auto") -> Prompt:
    """The virtual tokens that PEFT would train on this model.

    Args:
        base: the model.
        options: the adapter.
        dtype: its element type; ``auto`` is the one of the model's cache, or of the model.

    Raises:
        TargetError: PEFT finds no sizes in the model's config.
        UnsupportedError: PEFT would make keys and values that are not those of the model's cache.
    """
    facts = base.facts
    config = own_config(base.config)
    cache_bytes, reason, element = None, "", ""
    in_layers = options.method in IN_EVERY_LAYER
    if in_layers:
        asked = dtype if dtype == "auto" else canonical(dtype, where="`dtype`")
        try:
            cache = kv_cache(facts, tokens=1, dtype=asked)
        except UnsupportedError as error:
            reason = str(error)
        else:
            cache_bytes, element = cache.bytes, cache.element
    element = element or adapter_dtype(facts, base.config, dtype)
    sizes = sizes_of(config, options)
    tokens = options.num_virtual_tokens
    if in_layers:
        each = sizes.layers * 2 * sizes.width
        _fits(facts, options, sizes, nbytes(each, element), cache_bytes, reason)
    else:
        tokens *= options.submodules
        each = sizes.width
    saved = tokens * each
    trained = saved - options.num_frozen_tokens * each
    loose = _loose(base)
    notes = []
    if options.method == "MULTITASK_PROMPT_TUNING":
        # Of each task, columns for the tokens and rows for their width.
        matrices = options.num_tasks * options.num_ranks * (tokens + sizes.width)
        saved, trained = saved + matrices, trained + matrices
    network = _network(options, sizes)
    if network:
        # The tokens are then of one width, and the network makes of them what is saved.
        trained = tokens * sizes.width + network
        notes.append(
            f"the network around the tokens is trained ({trained:,} parameters) and not saved"
        )
    if loose:
        trained += loose
        notes.append(
            f"PEFT leaves {loose:,} parameters of the model itself unfrozen, outside all its "
            "modules: they are trained, and not saved"
        )
    if options.num_frozen_tokens:
        notes.append(
            f"frozen at the start (num_frozen_tokens={options.num_frozen_tokens}): "
            f"{options.num_frozen_tokens * each:,} parameters are saved and not trained"
        )
    if element != "F32":
        notes.append(f"PEFT trains and saves it in float32: {saved * 4:,} bytes")
    return Prompt(
        model=facts.model,
        method=options.method,
        virtual_tokens=options.num_virtual_tokens,
        parameters=trained,
        saved_parameters=saved,
        bytes=nbytes(saved, element),
        bytes_per_token=nbytes(saved, element) // options.num_virtual_tokens,
        dtype=torch_name(element),
        options=options,
        basis="exact" if base.config.cls is not None else "documented",
        notes=tuple(notes),
    )


def _network(options: PromptOptions, sizes: Sizes) -> int:
    """Parameters of the network that the tokens pass through; 0 without one."""
    width, inner = sizes.width, sizes.inner
    if options.prefix_projection:
        return (width + 1) * inner + (inner + 1) * sizes.layers * 2 * width
    if options.method != "P_TUNING":
        return 0
    if options.encoder_reparameterization_type == "MLP":
        return (width + 1) * inner + (inner + 1) * inner + (inner + 1) * width
    # Four gates in two directions; the layers after the first read both.
    first = 8 * inner * (width + inner + 2)
    others = (options.encoder_num_layers - 1) * 8 * inner * (2 * inner + inner + 2)
    return first + others + (2 * inner + 1) * 2 * inner + (2 * inner + 1) * width


def _loose(base: Base) -> int:
    """Elements of the parameters that the model holds itself, outside all its modules.

    Raises:
        UnsupportedError: the class can have some, and its modules cannot be told.
    """
    if not has_table(base.config) or not table_of(base.config).has_loose:
        return 0
    return sum(math.prod(shape) for shape in base.built.loose.values())


def _fits(
    facts: Facts,
    options: PromptOptions,
    sizes: Sizes,
    each: int,
    cache_bytes: int | None,
    reason: str,
) -> None:
    """PEFT lays out one key and one value of ``width`` elements for every layer. A model whose
    cache is otherwise (latents, states, layers that differ) cannot take them."""
    made = (
        f"PEFT's {options.method} holds {sizes.layers} layers x 2 x {sizes.width} elements for "
        f"each token ({each:,} bytes)"
    )
    if cache_bytes is None:
        raise UnsupportedError(
            f"{made}, and what the model's own cache holds is not known: {reason}",
            where=facts.model,
        )
    if cache_bytes != each:
        raise UnsupportedError(
            f"{made}, and a token leaves {cache_bytes:,} bytes in this model's cache: it would "
            "not fit",
            where=facts.model,
            hint="hfkv kv --explain shows what the cache holds",
        )


def agree(base: Base, figure: Prompt, witness: TensorTable) -> Prompt:
    """The figure, compared with the adapter's own safetensors header.

    Raises:
        CrosscheckError: the header holds another number of parameters.
    """
    if witness.parameters != figure.saved_parameters:
        raise CrosscheckError(
            f"its header holds {witness.parameters:,} parameters, and its config makes "
            f"{figure.saved_parameters:,}",
            where="adapter",
            expected="an adapter made by the pinned PEFT on this base model",
        )
    return replace(
        figure,
        notes=(*figure.notes, f"its own header agrees: {witness.parameters:,} parameters"),
    )
