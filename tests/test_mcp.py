"""``hfkv mcp``, asked by the client of the official SDK."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from hfkv.cli.mcp_tools import TOOLS, server
from tests.conftest import LLAMA

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sdk() -> Any:
    return pytest.importorskip("mcp", reason="the SDK is an extra: hfkv[mcp]")


def _ask(sdk: Any, tool: str, **arguments: Any) -> Any:
    import anyio

    async def ask() -> Any:
        async with sdk.Client(server()) as client:
            return await client.call_tool(tool, arguments)

    return anyio.run(ask)


@pytest.mark.parametrize(
    ("tool", "arguments", "line"),
    [
        ("compare", {"tokens": "10k", "rank": 8}, "compare {} --tokens 10k --rank 8"),
        ("kv", {"tokens": 1000, "batch": 2, "dtype": "fp8"},
         "kv {} --tokens 1000 --batch 2 --kv-dtype fp8"),
        ("lora", {"rank": 4, "target_modules": "q_proj,v_proj"},
         "lora {} --rank 4 --target-modules q_proj,v_proj"),
        ("tokens", {}, "tokens {}"),
    ],
)  # fmt: skip
def test_a_tool_answers_as_its_command(
    sdk: Any, hfkv: Run, offline: None, tool: str, arguments: dict[str, Any], line: str
) -> None:
    found = _ask(sdk, tool, model=LLAMA, **arguments)
    assert not found.is_error
    said = json.loads(found.content[0].text)
    assert found.structured_content in (said, {"result": said})
    printed = json.loads(hfkv(*line.format(LLAMA).split(), "--json")[1])
    (printed,) = printed if isinstance(printed, list) else [printed]
    assert {**printed, **said} == said
    assert said["source"] == "snapshot"


def test_a_budget_is_answered_in_tokens(sdk: Any, offline: None) -> None:
    said = json.loads(_ask(sdk, "kv", model=LLAMA, budget="24GiB").content[0].text)
    assert said["fit"] == {"budget_bytes": 24 * 2**30, "tokens": 78643}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"model": "nobody/nothing"}, "nobody/nothing"),
        ({"model": LLAMA, "tokens": "many"}, "many"),
        ({"model": LLAMA, "tokens": 0}, "tokens"),
    ],
)
def test_an_error_is_told_with_its_reason(
    sdk: Any, offline: None, arguments: dict[str, Any], reason: str
) -> None:
    found = _ask(sdk, "kv", **arguments)
    assert found.is_error
    assert reason in found.content[0].text
    assert "Traceback" not in found.content[0].text


def test_the_command_serves_them_on_its_pipes(sdk: Any) -> None:
    import anyio

    program = sdk.StdioServerParameters(
        command=sys.executable,
        args=["-m", "hfkv", "mcp"],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )

    async def ask() -> Any:
        async with sdk.Client(sdk.stdio_client(program)) as client:
            listed = await client.list_tools()
            return listed.tools, await client.call_tool("kv", {"model": LLAMA})

    tools, found = anyio.run(ask)
    assert [tool.name for tool in tools] == [tool.__name__ for tool in TOOLS]
    for tool in tools:
        assert tool.description
        assert tool.input_schema["required"] == ["model"]
    assert json.loads(found.content[0].text)["bytes"] == 32_768_000_000


def test_without_the_extra_it_says_how_to_install_it(
    hfkv: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    monkeypatch.setitem(sys.modules, "mcp", None)
    code, out, err = hfkv("mcp")
    assert (code, out) == (1, "")
    assert "pip install 'hfkv[mcp]'" in err
