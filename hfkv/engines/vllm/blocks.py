"""How many tokens vLLM puts into a block: what the kernels want, and what a state needs.

vLLM 0.33.0, ``platforms/interface.py`` (``update_block_size_for_backend``).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from hfkv.cache.kinds import Compressed, Full, Indexer, Kind, Latent, Sliding, State
from hfkv.engines.arithmetic import ceil_div, round_up
from hfkv.engines.subject import Subject
from hfkv.engines.vllm.checks import data, latent_heads, sparse_types
from hfkv.engines.vllm.kv_dtypes import KvDtype, dense_block, latent_block, width
from hfkv.engines.vllm.layers import Making, layer_specs
from hfkv.errors import InputError, UnsupportedError

if TYPE_CHECKING:
    from hfkv.engines.vllm import Vllm

__all__ = ["aligned", "first_block", "hybrid_page"]


def first_block(
    engine: Vllm, made_for: Subject, parts: list[Kind], kv: KvDtype, own: str, gpu: tuple[int, int]
) -> int:
    """The block before it is fitted to states."""
    block = _wanted(engine, made_for, parts, kv.word, gpu)
    return _turbo_block(block, own, parts, made_for) if kv.is_turbo else block


def _wanted(
    engine: Vllm, subject: Subject, parts: list[Kind], word: str, capability: tuple[int, int]
) -> int:
    """The block before it is fitted to states: what was asked for, or what the kernels want."""
    latents = [part for part in parts if isinstance(part, Latent)]
    if subject.text.model_type not in data()["latent_types"]:
        latents = []
    indexers = [part for part in parts if isinstance(part, Indexer)]
    if any(isinstance(part, Compressed) for part in parts):
        wanted = 256
    elif any(indexer.lightning for indexer in indexers):
        wanted = 128
    elif latents and indexers:
        wanted = 64
        size = latents[0].rank + (latents[0].rotary or 0)
        sparse_types(subject, word, size, capability)
    elif latents:
        latent_heads(subject)
        nope = subject.text.peek("qk_nope_head_dim")
        wanted = latent_block(
            word,
            latents[0].rank + (latents[0].rotary or 0),
            nope if isinstance(nope, int) else None,
            capability,
            model=subject.model,
        )
    else:
        dims = [part.k_dim for part in parts if isinstance(part, (Full, Sliding))]
        if word == "fp8_ds_mla":
            raise UnsupportedError(
                "vLLM has no attention backend for heads in fp8_ds_mla", where=subject.model
            )
        wanted = dense_block(word, max(dims, default=0), capability)
    if engine.block_size is None:
        return wanted
    # Asked for another block, vLLM falls back on a kernel that takes it, where there is one.
    unit = wanted if wanted == 256 or (latents and indexers) else 16
    if engine.block_size < 1 or engine.block_size % unit:
        raise InputError(
            f"blocks of {engine.block_size} tokens",
            where=f"{subject.model}: --block-size",
            expected=f"a multiple of {unit}",
        )
    return engine.block_size


def _turbo_block(block: int, own: str, parts: list[Kind], subject: Subject) -> int:
    """A block of packed layers as large as 16 tokens of the layers that are left as they are."""
    if any(isinstance(part, (Sliding, Latent, Compressed)) for part in parts):
        raise UnsupportedError(
            "TurboQuant takes layers of full attention alone", where=subject.model
        )
    if any(isinstance(part, State) for part in parts):
        return block
    return block * ceil_div(16 * width(own), block)


def hybrid_page(made: Making, parts: list[Kind]) -> int:
    """Bytes of a page of attention, which a page of states is padded to."""
    return made.block * _token_bytes(made, parts)


def _token_bytes(made: Making, parts: list[Kind]) -> int:
    attention = next(part for part in parts if isinstance(part, (Full, Sliding, Latent)))
    return layer_specs(attention, replace(made, block=1))[0].row


def aligned(made: Making, parts: list[Kind]) -> Making:
    """A block of attention large enough to be a page that a state fits in."""
    token = _token_bytes(made, parts)
    state = max(layer_specs(part, made)[0].row for part in parts if isinstance(part, State))
    latent = any(isinstance(part, Latent) for part in parts)
    latent = latent and made.subject.text.model_type in data()["latent_types"]
    unit = max(made.block, 128 if latent else 1)
    gated = [part.name == "gated delta" for part in parts if isinstance(part, State)]
    if made.align and all(gated) and made.capability[0] in (9, 10):
        # The kernel leaves its checkpoints at multiples of 64 tokens.
        unit = math.lcm(unit, 64)
    block = round_up(unit * ceil_div(state, unit * token), 64 if latent and made.kv.is_fp8 else 16)
    return replace(made, block=max(made.block, block))
