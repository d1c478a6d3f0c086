"""The flags of each engine, as the engine itself spells them, and the fields that they set.

Plain data, so that ``--help`` imports no engine. ``tests/engines/test_flags.py`` holds it against
the fields of the engines' dataclasses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["FLAGS", "Flag"]

Takes = Literal["int", "tokens", "number", "text", "bytes", "on", "on/off"]


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of an engine.

    Attributes:
        names: its spellings, the engine's own first, a short one of hfkv's last.
        field: the field of the engine's dataclass.
        takes: what follows it: a whole number, a number of tokens (``128k``), a number, a word,
            a size, nothing (``on``), or nothing with a ``--no-`` twin (``on/off``).
        help: one phrase.
        choices: the words it takes, where they are few and fixed.
    """

    names: tuple[str, ...]
    field: str
    takes: Takes
    help: str
    choices: tuple[str, ...] = ()


_TP = ("--tensor-parallel-size", "--tp-size", "--tp")
_PP = ("--pipeline-parallel-size", "--pp")
_KV_DTYPE = ("--kv-cache-dtype",)

_GENERATED = Flag(
    ("--generated",), "generated", "tokens", "Of --tokens, those generated one by one."
)
_TRANSFORMERS = (
    Flag(
        ("--cache",),
        "cache",
        "text",
        "The cache class of generate.",
        ("dynamic", "static", "offloaded", "offloaded_static", "quantized"),
    ),
    Flag(("--max-cache-len",), "max_cache_len", "tokens", "Tokens that a static cache is for."),
    Flag(("--backend",), "backend", "text", "Of a quantized cache.", ("quanto", "hqq", "fp8")),
    Flag(("--nbits",), "nbits", "int", "Bits of an element of a quantized cache."),
    Flag(("--axis-key",), "axis_key", "int", "Axis of the groups of keys."),
    Flag(("--axis-value",), "axis_value", "int", "Axis of the groups of values."),
    Flag(("--q-group-size",), "q_group_size", "int", "Elements that share a scale."),
    Flag(("--residual-length",), "residual_length", "int", "Newest tokens not yet quantized."),
    _GENERATED,
)
_VLLM = (
    Flag(_TP, "tp", "int", "GPUs that share every layer."),
    Flag(_PP, "pp", "int", "GPUs that share the layers out among them."),
    Flag(
        ("--decode-context-parallel-size", "--dcp"),
        "dcp",
        "int",
        "GPUs among which the tokens of a sequence are dealt.",
    ),
    Flag(_KV_DTYPE, "kv_dtype", "text", "Element type of the cache, by the engine's name."),
    Flag(("--block-size",), "block_size", "int", "Tokens of a block."),
    Flag(
        ("--max-num-batched-tokens",),
        "max_num_batched_tokens",
        "tokens",
        "Tokens of one batch; what it takes for the GPU unless given.",
    ),
    Flag(
        ("--enable-prefix-caching",),
        "enable_prefix_caching",
        "on/off",
        "Whether prefixes are kept for later requests; decides how many states are.",
    ),
    Flag(
        ("--disable-hybrid-kv-cache-manager",),
        "disable_hybrid_kv_cache_manager",
        "on",
        "Store windows as full attention.",
    ),
    Flag(
        ("--num-speculative-tokens",),
        "num_speculative_tokens",
        "int",
        "Tokens that the model's own MTP layers draft.",
    ),
    Flag(
        ("--mamba-cache-dtype",),
        "mamba_cache_dtype",
        "text",
        "Element type of states.",
        ("auto", "float32", "float16", "bfloat16"),
    ),
    Flag(
        ("--mamba-ssm-cache-dtype",),
        "mamba_ssm_cache_dtype",
        "text",
        "Element type of recurrent states.",
        ("auto", "float32", "float16", "bfloat16"),
    ),
    Flag(("--dtype",), "dtype", "text", "Element type that the model is loaded in."),
    Flag(
        ("--async-scheduling",), "async_scheduling", "on/off", "Whether two batches are in flight."
    ),
    Flag(("--gpu",), "gpu", "text", "Kind of GPU, for the engine's defaults: h100, b200, l4..."),
    Flag(("--max-model-len",), "max_model_len", "tokens", "Tokens of the longest request."),
    Flag(
        ("--gpu-memory-utilization",),
        "gpu_memory_utilization",
        "number",
        "Share of a GPU's memory that the engine may use.",
    ),
    Flag(
        ("--kv-cache-memory-bytes",),
        "kv_cache_memory_bytes",
        "bytes",
        "Memory of the cache on each GPU, in place of that share.",
    ),
    Flag(
        ("--non-kv-bytes",),
        "non_kv_bytes",
        "bytes",
        "Memory for activations and graphs on each GPU, which the engine measures.",
    ),
    Flag(
        ("--num-gpu-blocks-override",),
        "num_gpu_blocks_override",
        "int",
        "Blocks of the pool, whatever the memory.",
    ),
)
_SGLANG = (
    Flag(_TP, "tp", "int", "GPUs that share every layer."),
    Flag(_KV_DTYPE, "kv_dtype", "text", "Element type of the cache, by the engine's name."),
    Flag(("--page-size",), "page_size", "int", "Tokens of a page."),
    Flag(
        ("--swa-full-tokens-ratio",),
        "swa_full_tokens_ratio",
        "number",
        "Tokens of the window's pool, as a share of the other's.",
    ),
    Flag(
        ("--mamba-full-memory-ratio",),
        "mamba_full_memory_ratio",
        "number",
        "Memory of states, as a multiple of that of tokens.",
    ),
    Flag(
        ("--mamba-ssm-dtype",),
        "mamba_ssm_dtype",
        "text",
        "Element type of recurrent states.",
        ("float32", "bfloat16", "float16"),
    ),
    Flag(("--disable-radix-cache",), "disable_radix_cache", "on", "Keep no prefixes."),
    Flag(("--max-running-requests",), "max_running_requests", "int", "Requests at once."),
    Flag(("--max-mamba-cache-size",), "max_mamba_cache_size", "int", "States in the pool."),
    Flag(("--max-total-tokens",), "max_total_tokens", "tokens", "Tokens in the pool, at most."),
    Flag(("--chunked-prefill-size",), "chunked_prefill_size", "int", "Tokens of a prefill chunk."),
    Flag(
        ("--speculative-eagle",),
        "speculative_eagle",
        "on",
        "Draft with the model's own layers (--speculative-algorithm EAGLE).",
    ),
    Flag(
        ("--speculative-num-draft-tokens",),
        "speculative_num_draft_tokens",
        "int",
        "Tokens drafted at once.",
    ),
    Flag(
        ("--mem-fraction-static",),
        "mem_fraction_static",
        "number",
        "Share of a GPU's memory for weights and pools.",
    ),
    Flag(("--context-length",), "context_length", "tokens", "Tokens of the longest request."),
    Flag(("--kv-bytes",), "kv_bytes", "bytes", "Memory of the pools on each GPU."),
)
_LLAMACPP = (
    Flag(("--ctx-size", "--ctx", "-c"), "ctx", "tokens", "Cells for all sequences together."),
    Flag(("--parallel", "-np"), "parallel", "int", "Sequences at once."),
    Flag(("--kv-unified",), "unified", "on/off", "One stream of cells for all sequences."),
    Flag(("--cache-type-k", "-ctk"), "cache_type_k", "text", "Type of the keys: f16, q8_0..."),
    Flag(("--cache-type-v", "-ctv"), "cache_type_v", "text", "Type of the values."),
    Flag(("--swa-full",), "swa_full", "on", "As many cells for windows as for other layers."),
    Flag(("--batch-size",), "batch_size", "int", "Tokens of a batch."),
    Flag(("--ubatch-size",), "ubatch", "int", "Tokens of one step."),
    Flag(("--flash-attn",), "flash_attn", "text", "Flash attention.", ("on", "off", "auto")),
)
_MLX = (
    Flag(("--max-kv-size",), "max_kv_size", "tokens", "Tokens of a rotating cache."),
    Flag(("--kv-bits",), "kv_bits", "int", "Bits of an element of a quantized cache."),
    Flag(("--kv-group-size",), "kv_group_size", "int", "Elements that share a scale."),
    Flag(
        ("--quantized-kv-start",), "quantized_kv_start", "tokens", "Tokens before it is quantized."
    ),
    Flag(("--prefill-step-size",), "prefill_step_size", "tokens", "Tokens of one prefill step."),
    _GENERATED,
)

#: By engine, in the order of ``--help``. A flag that several engines have takes the same there.
FLAGS: dict[str, tuple[Flag, ...]] = {
    "transformers": _TRANSFORMERS,
    "vllm": _VLLM,
    "sglang": _SGLANG,
    "llama.cpp": _LLAMACPP,
    "mlx": _MLX,
}
