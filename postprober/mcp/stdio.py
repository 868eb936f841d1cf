"""The tools over standard input and output, for clients that start their servers themselves."""

from __future__ import annotations

import anyio
from mcp.server.stdio import stdio_server

from postprober.client import RestClient
from postprober.mcp.calling import OverHttp
from postprober.mcp.server import build


def serve(client: RestClient) -> None:
    """Answer until the client closes its end."""
    api = OverHttp(client)
    server = build(lambda _ctx: api)

    async def run() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    anyio.run(run)
