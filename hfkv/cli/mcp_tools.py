"""The tools of ``hfkv mcp``: each is one call of the Python API, and answers with its JSON."""

from __future__ import annotations

from typing import Any

import hfkv
from hfkv.comparison import compare_model
from hfkv.errors import HfkvError, MissingDependencyError
from hfkv.json_value import versioned
from hfkv.render.origin import with_origin
from hfkv.units import parse_bytes, parse_count

__all__ = ["TOOLS", "server"]

_INSTRUCTIONS = (
    "Exact bytes per token of models on the Hugging Face Hub. A model is a Hub id, the address of "
    "its page, ORG/NAME@REVISION, ORG/NAME:Q4_K_M (one of its GGUF files) or a local directory. "
    "Token counts may be written 100k or 128Ki, sizes 24GiB. Every figure has its basis (exact, "
    "documented, inferred, stated...): pass it on. What nothing can answer honestly is an error "
    "with the reason: do not put an estimate in its place."
)


async def compare(
    model: str, tokens: int | str = 100_000, rank: int = 32, target_modules: str = "all-linear"
) -> dict[str, Any]:
    """What tokens leave behind in bytes: in context (KV cache), in a LoRA adapter, in pretraining.

    With the ratios between them and the break-even: the number of tokens whose cache is as large
    as the adapter. target_modules: all-linear, default, or names separated by commas.
    """
    found = await hfkv.aload(model)
    return versioned(
        compare_model(
            found, tokens=_count(tokens), r=rank, target_modules=_targets(target_modules)
        ).to_json()
    )


async def kv(
    model: str,
    tokens: int | str = 100_000,
    batch: int = 1,
    dtype: str = "auto",
    budget: int | str | None = None,
) -> dict[str, Any]:
    """The KV cache in bytes after so many tokens in each of batch sequences.

    dtype: the cache's element type, auto (the model's own), bf16, fp16, fp32, fp8, int8 or int4.
    budget: bytes that the cache may take, such as 24GiB; then fit.tokens is how many tokens of
    each sequence it holds (null: there is no limit). The weights are not part of it.
    """
    found = await hfkv.aload(model)
    figure = found.kv_cache(tokens=_count(tokens), batch=batch, dtype=dtype)
    value = with_origin(found, figure.to_json())
    if budget is not None:
        size = parse_bytes(str(budget))
        value["fit"] = {"budget_bytes": size, "tokens": figure.curve.fit(size)}
    return versioned(value)


async def lora(
    model: str, rank: int = 32, target_modules: str = "all-linear", dtype: str = "auto"
) -> dict[str, Any]:
    """Parameters and bytes of the LoRA adapter that PEFT would make, per target module.

    target_modules: all-linear, default (PEFT's own mapping), or names separated by commas.
    """
    found = await hfkv.aload(model)
    figure = found.lora(r=rank, target_modules=_targets(target_modules), dtype=dtype)
    return versioned(with_origin(found, figure.to_json()))


async def tokens(model: str) -> dict[str, Any]:
    """How many tokens the model saw in pretraining, quoted from its card with file and line.

    tokens is null where nobody states it or the card leaves it open; possible holds what it may
    mean.
    """
    found = await hfkv.aload(model)
    return versioned(with_origin(found, {"model": found.model, **found.pretraining.to_json()}))


TOOLS = (compare, kv, lora, tokens)


def _count(tokens: int | str) -> int:
    return tokens if isinstance(tokens, int) else parse_count(tokens)


def _targets(written: str) -> Any:
    from hfkv.peft.lora import LoraOptions

    return LoraOptions.parse_targets(written)


def server() -> Any:
    """An ``MCPServer`` of the official SDK with the tools above.

    Raises:
        MissingDependencyError: the SDK is not installed.
    """
    from functools import wraps

    try:
        from mcp.server.mcpserver import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
    except ImportError:
        raise MissingDependencyError(
            "the SDK of the Model Context Protocol is not installed, or older than 2.0",
            where="hfkv mcp",
            hint="pip install 'hfkv[mcp]'",
        ) from None
    made = MCPServer("hfkv", version=hfkv.__version__, instructions=_INSTRUCTIONS)
    for tool in TOOLS:

        @wraps(tool)
        async def answer(*arguments: Any, _tool: Any = tool, **named: Any) -> Any:
            try:
                return await _tool(*arguments, **named)
            except HfkvError as error:
                raise ToolError(str(error)) from None

        made.add_tool(answer, name=tool.__name__)
    return made
