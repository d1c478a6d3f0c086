"""SGLang: pools of tokens, sized once from what memory is left, beside pools of states.

Layers within a window have a pool of their own only in the architectures that SGLang lists; the
size of that pool is a share of the other's, whatever the window is. SGLang 0.5.23.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hfkv.engines.base import Allocation, Fit
from hfkv.engines.budget import Budget
from hfkv.engines.subject import Subject

__all__ = ["Sglang"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sglang:
    """Options of ``sglang.launch_server`` that the pools depend on; None is its own choice.

    Attributes:
        tp: ``--tensor-parallel-size``.
        kv_dtype: ``--kv-cache-dtype``.
        page_size: tokens of a page.
        swa_full_tokens_ratio: tokens of the window's pool, as a share of the other pool's.
        mamba_full_memory_ratio: memory of states, as a multiple of that of tokens.
        mamba_ssm_dtype: element type of recurrent states; None for the config's, else float32.
        disable_radix_cache: whether no prefixes are kept.
        max_running_requests: requests at once.
        max_mamba_cache_size: states in the pool.
        max_total_tokens: tokens in the pool, at most.
        chunked_prefill_size: tokens of one chunk of a prefill.
        speculative_eagle: whether the model's own MTP layers draft (``--speculative-algorithm
            EAGLE``).
        speculative_num_draft_tokens: tokens drafted at once.
        mem_fraction_static: the share of the GPU's memory for weights and pools.
        context_length: tokens of the longest request; None for what the config says.
        kv_bytes: memory of the pools on each GPU, in place of what is left of that share.
    """

    tp: int = 1
    kv_dtype: str = "auto"
    page_size: int | None = None
    swa_full_tokens_ratio: float | None = None
    mamba_full_memory_ratio: float = 0.9
    mamba_ssm_dtype: str | None = None
    disable_radix_cache: bool = False
    max_running_requests: int | None = None
    max_mamba_cache_size: int | None = None
    max_total_tokens: int | None = None
    chunked_prefill_size: int = 8192
    speculative_eagle: bool = False
    speculative_num_draft_tokens: int = 4
    mem_fraction_static: float | None = None
    context_length: int | None = None
    kv_bytes: int | None = None

    name: ClassVar[str] = "sglang"
    version: ClassVar[str] = "0.5.23"
    source: ClassVar[str] = "sglang/srt/model_executor/pool_configurator.py, mem_cache/"

    def allocate(self, subject: Subject, *, tokens: int, batch: int = 1) -> Allocation:
        """The pools for ``batch`` requests of ``tokens`` tokens, and no more.

        Raises:
            UnsupportedError: SGLang has no such architecture, or its pools are not counted.
            InputError: an option is none that SGLang takes.
        """
        from hfkv.engines.sglang.answers import allocation

        return allocation(self, subject, tokens=tokens, batch=batch)

    def fit(self, subject: Subject, budget: Budget, *, tokens: int, batch: int = 1) -> Fit:
        """The pools that SGLang makes of a budget.

        Raises:
            InputError: nothing is left for them.
        """
        from hfkv.engines.sglang.answers import fit

        return fit(self, subject, budget, tokens=tokens, batch=batch)
