"""Replies that never arrive, arrive in part, or make no sense."""

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from postprober.sandbox.engine.html import consent_page


async def client_left(receive: Receive, seconds: float) -> bool:
    """Hold for `seconds`; True when the client closed the connection before."""
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


async def cut(response: Response, scope: Scope, send: Send, stage: str) -> None:
    """Close the connection before the reply (`nothing`) or in the middle of its body (`headers`)."""
    transport = scope.get("sandbox.transport")
    if stage != "nothing":
        body = bytes(response.body)
        headers = response.raw_headers
        if len(body) < 2:
            # Nothing to cut in half: announce a chunked body that never ends.
            headers = [(name, value) for name, value in headers if name != b"content-length"]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    if transport is None:
        raise ConnectionResetError("the sandbox cuts connections only under uvicorn")
    transport.close()
    # Let the server notice the closed connection, or it would complete the reply itself.
    for _ in range(3):
        await asyncio.sleep(0)


def malformed(response: Response, form: str, platform: str) -> Response:
    """A success with a body no client can use. Headers that carry an id are left out. `half`: the first half of it, as if
    it were all; `consent`: a wall of cookies."""
    if form == "half":
        body = bytes(response.body)
        return Response(body[: len(body) // 2], response.status_code, media_type=response.media_type)
    if form == "consent":
        return Response(consent_page(platform), response.status_code, media_type="text/html")
    if form == "empty":
        return Response(b"", response.status_code)
    if form == "no_id":
        return Response(b"{}", response.status_code, media_type="application/json")
    return Response("<html><body>OK</body></html>", response.status_code, media_type="text/html")
