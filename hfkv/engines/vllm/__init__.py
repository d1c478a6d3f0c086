"""vLLM: whole blocks out of one pool that all requests share, reserved for the worst case.

What one request must find free is more than its tokens take once they are read: windows are held
together with every token of the prefills in flight, states twice or three times for prefix
caching, layers of several kinds in groups of equally many. vLLM 0.33.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hfkv.engines.base import Allocation, Fit
from hfkv.engines.budget import Budget
from hfkv.engines.subject import Subject

__all__ = ["Vllm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vllm:
    """Options of ``vllm serve`` that the cache depends on; None is its own choice.

    Attributes:
        tp, pp, dcp: ``--tensor-parallel-size``, ``--pipeline-parallel-size`` and
            ``--decode-context-parallel-size``.
        kv_dtype: ``--kv-cache-dtype``.
        block_size: ``--block-size``.
        max_num_batched_tokens: tokens of one batch; by default what it takes for the GPU.
        enable_prefix_caching: None is yes, but for models of states alone.
        disable_hybrid_kv_cache_manager: whether windows are stored as full attention.
        num_speculative_tokens: drafted by the model's own MTP layers.
        mamba_cache_dtype, mamba_ssm_cache_dtype: element types of states.
        dtype: ``--dtype`` of the model.
        async_scheduling: None is yes.
        gpu: the kind of GPU, for the defaults above and the attention kernels.
        max_model_len: the longest request; None for the tokens asked for.
        gpu_memory_utilization: the share of the GPU's memory that it may use; None is 0.92.
        kv_cache_memory_bytes: memory of the cache, in place of that share.
        non_kv_bytes: memory for activations, graphs and libraries, which vLLM finds by a trial run.
        num_gpu_blocks_override: blocks of the pool, whatever the memory.
    """

    tp: int = 1
    pp: int = 1
    dcp: int = 1
    kv_dtype: str = "auto"
    block_size: int | None = None
    max_num_batched_tokens: int | None = None
    enable_prefix_caching: bool | None = None
    disable_hybrid_kv_cache_manager: bool = False
    num_speculative_tokens: int = 0
    mamba_cache_dtype: str = "auto"
    mamba_ssm_cache_dtype: str = "auto"
    dtype: str = "auto"
    async_scheduling: bool | None = None
    gpu: str = "h100"
    max_model_len: int | None = None
    gpu_memory_utilization: float | None = None
    kv_cache_memory_bytes: int | None = None
    non_kv_bytes: int | None = None
    num_gpu_blocks_override: int | None = None

    name: ClassVar[str] = "vllm"
    version: ClassVar[str] = "0.33.0"
    source: ClassVar[str] = "vllm/v1/core/kv_cache_planning.py, vllm/v1/kv_cache_interface.py"

    def allocate(self, subject: Subject, *, tokens: int, batch: int = 1) -> Allocation:
        """Bytes on each GPU that ``batch`` requests of ``tokens`` tokens must find free.

        Raises:
            UnsupportedError: vLLM has no such architecture, or refuses these options for it.
            InputError: an option is none that vLLM takes.
        """
        from hfkv.engines.vllm.plan import plan

        return plan(self, subject).allocation(tokens, batch)

    def fit(self, subject: Subject, budget: Budget, *, tokens: int, batch: int = 1) -> Fit:
        """What vLLM makes of a budget: its pool, and how many requests that holds.

        Raises:
            InputError: the budget does not even hold the weights, or not one request.
        """
        from hfkv.engines.vllm.capacity import fit
        from hfkv.engines.vllm.plan import plan

        return fit(plan(self, subject), budget, tokens=tokens, batch=batch)
