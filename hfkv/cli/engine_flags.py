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


_GENERATED = Flag(
    ("--generated",), "generated", "tokens", "Of --tokens, those generated one by one."
)
_CACHES = ("dynamic", "static", "quantized", "offloaded", "offloaded_static")

#: By engine, in the order of ``--help``. A flag that several engines have takes the same there.
FLAGS: dict[str, tuple[Flag, ...]] = {
    "transformers": (
        Flag(("--cache",), "cache", "text", "The cache class of generate.", _CACHES),
        Flag(("--max-cache-len",), "max_cache_len", "tokens", "Tokens a static cache is for."),
        Flag(("--backend",), "backend", "text", "Of a quantized cache.", ("quanto", "hqq", "fp8")),
        Flag(("--nbits",), "nbits", "int", "Bits of a quantized element."),
        Flag(("--q-group-size",), "q_group_size", "int", "Elements that share a scale."),
        Flag(("--axis-key",), "axis_key", "int", "The axis of the groups of keys."),
        Flag(("--axis-value",), "axis_value", "int", "The axis of the groups of values."),
        Flag(("--residual-length",), "residual_length", "int", "Newest tokens not yet quantized."),
        _GENERATED,
    ),
    "vllm": (),
    "sglang": (),
    "llama.cpp": (
        Flag(("--ctx-size", "--ctx"), "ctx", "tokens", "Cells for all sequences together."),
        Flag(("--parallel",), "parallel", "int", "Sequences at once."),
        Flag(("--kv-unified",), "unified", "on/off", "One stream of cells for all sequences."),
        Flag(("--cache-type-k",), "cache_type_k", "text", "Type of the K cache: q8_0."),
        Flag(("--cache-type-v",), "cache_type_v", "text", "Type of the V cache: q8_0."),
        Flag(("--swa-full",), "swa_full", "on", "Layers with a window get all cells."),
        Flag(("--batch-size",), "batch_size", "int", "Tokens of one call."),
        Flag(("--ubatch-size",), "ubatch", "int", "Tokens of one step."),
        Flag(("--flash-attn",), "flash_attn", "text", "Flash attention.", ("on", "off", "auto")),
    ),
    "mlx": (
        Flag(("--max-kv-size",), "max_kv_size", "tokens", "Tokens of a rotating cache."),
        Flag(("--kv-bits",), "kv_bits", "int", "Bits of a quantized cache."),
        Flag(("--kv-group-size",), "kv_group_size", "int", "Elements that share a scale."),
        Flag(("--quantized-kv-start",), "quantized_kv_start", "tokens", "Quantized from there on."),
        Flag(
            ("--prefill-step-size",), "prefill_step_size", "int", "Tokens of a prompt in one step."
        ),
        _GENERATED,
    ),
}
