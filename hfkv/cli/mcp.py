"""``hfkv mcp``."""

from __future__ import annotations

import click


@click.command()
def mcp() -> None:
    """Serve compare, kv, lora and tokens as tools of the Model Context Protocol, on stdin/stdout.

    \b
      hfkv mcp
      uvx --from 'hfkv[mcp]' hfkv mcp

    Needs the extra: pip install 'hfkv[mcp]'. Each tool answers with the JSON of
    the command of its name. Offline mode, token and endpoint are those of the
    environment.
    """
    from hfkv.cli.mcp_tools import server

    server().run("stdio")
