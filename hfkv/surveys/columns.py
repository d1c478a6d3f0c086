"""The columns of a survey: one row for each model, or for each model and option."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["COLUMNS", "FORMAT", "NAMES", "Column", "Kind"]

#: The version of the table and of its manifest; a reader refuses those of a newer hfkv.
FORMAT = 1

Kind = Literal["text", "whole", "number", "flag", "texts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    Attributes:
        name: in the file.
        kind: text, whole (64 bits), number (a float), flag, or a list of texts.
        meaning: one sentence.
        path: of the field in the JSON of ``hfkv compare`` that it holds; "" where it has none.
    """

    name: str
    kind: Kind
    meaning: str
    path: str = ""


COLUMNS = (
    Column(name="model", kind="text", meaning="The Hub id that was asked for, or the directory."),
    Column(name="author", kind="text", meaning="What stands before the slash of the id."),
    Column(name="source", kind="text", meaning="Where the files came from.", path="source"),
    Column(name="revision", kind="text", meaning="What was asked for.", path="revision"),
    Column(name="commit", kind="text", meaning="The commit that was read.", path="commit"),
    Column(
        name="created_at",
        kind="text",
        meaning="When the repository was made, as the Hub or your table says; ISO 8601.",
    ),
    Column(name="model_type", kind="text", meaning="Of its config.", path="model_type"),
    Column(name="parameters", kind="whole", meaning="Unpacked where packed.", path="parameters"),
    Column(name="stored_elements", kind="whole", meaning="As stored.", path="stored_elements"),
    Column(name="weight_bytes", kind="whole", meaning="Of all tensors.", path="weight_bytes"),
    Column(name="tokens", kind="whole", meaning="In each sequence; of the question."),
    Column(name="batch", kind="whole", meaning="Sequences; of the question."),
    Column(name="engine", kind="text", meaning="Who stores the cache; of the question."),
    Column(name="kv_cache_bytes", kind="whole", meaning="The KV cache.", path="kv_cache.bytes"),
    Column(
        name="kv_cache_bytes_per_token",
        kind="number",
        meaning="What one token more adds, where that is constant.",
        path="kv_cache.bytes_per_token",
    ),
    Column(
        name="kv_cache_constant_bytes",
        kind="whole",
        meaning="What does not grow with tokens.",
        path="kv_cache.constant_bytes",
    ),
    Column(name="kv_cache_dtype", kind="text", meaning="Its type.", path="kv_cache.dtype"),
    Column(name="kv_cache_basis", kind="text", meaning="How it is known.", path="kv_cache.basis"),
    Column(
        name="kv_cache_error", kind="text", meaning="Why there is none.", path="reasons.kv_cache"
    ),
    Column(name="lora_r", kind="whole", meaning="The rank; of the question."),
    Column(name="lora_parameters", kind="whole", meaning="Of the adapter.", path="lora.parameters"),
    Column(name="lora_bytes", kind="whole", meaning="Of the adapter.", path="lora.bytes"),
    Column(name="lora_dtype", kind="text", meaning="Its type.", path="lora.dtype"),
    Column(name="lora_basis", kind="text", meaning="How it is known.", path="lora.basis"),
    Column(name="lora_error", kind="text", meaning="Why there is none.", path="reasons.lora"),
    Column(
        name="pretraining_tokens",
        kind="whole",
        meaning="Tokens that the model saw.",
        path="pretraining.tokens",
    ),
    Column(
        name="pretraining_qualifier",
        kind="text",
        meaning="exact, at_least, about or up_to.",
        path="pretraining.qualifier",
    ),
    Column(
        name="pretraining_basis",
        kind="text",
        meaning="How it is known; also where there is no count.",
        path="pretraining.basis",
    ),
    Column(name="pretraining_quote", kind="text", meaning="The words that say so."),
    Column(name="pretraining_file", kind="text", meaning="Where they stand."),
    Column(name="pretraining_line", kind="whole", meaning="Their line there, from 1."),
    Column(name="pretraining_reason", kind="text", meaning="Why there is no count."),
    Column(
        name="context_bytes_per_token",
        kind="number",
        meaning="Bytes of cache over tokens read.",
        path="bytes_per_token.context",
    ),
    Column(
        name="lora_bytes_per_token",
        kind="number",
        meaning="Bytes of adapter over the same tokens.",
        path="bytes_per_token.lora",
    ),
    Column(
        name="pretraining_bytes_per_token",
        kind="number",
        meaning="Bytes of weights over pretraining tokens.",
        path="bytes_per_token.pretraining",
    ),
    Column(
        name="kv_over_lora",
        kind="number",
        meaning="Bytes in context over bytes in the adapter.",
        path="compression.kv_over_lora",
    ),
    Column(
        name="break_even_tokens",
        kind="whole",
        meaning="From here on the cache is at least as large as the adapter.",
        path="break_even_tokens",
    ),
    Column(
        name="tokens_per_parameter",
        kind="number",
        meaning="Pretraining tokens over parameters.",
    ),
    Column(
        name="error_type", kind="text", meaning="The kind of error that kept it from being read."
    ),
    Column(name="error", kind="text", meaning="The error; null where the model was read."),
    Column(
        name="passing",
        kind="flag",
        meaning="Whether the error may pass (network, access): hfkv survey --update asks again.",
    ),
    Column(name="notes", kind="texts", meaning="What a reader must be told, a sentence each."),
)
NAMES = tuple(column.name for column in COLUMNS)
