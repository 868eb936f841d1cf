"""`python -m bench.bare <port>`: the least that a uvicorn broadcast can be. POST /send sends its body to everybody and
answers with the monotonic time at which it began."""

from __future__ import annotations

import sys
import time
from typing import Any

import uvicorn

from postprober.api.__main__ import SERVER

listening: set[Any] = set()


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()  # the join
        await send({"type": "websocket.send", "text": '{"event": "joined"}'})
        listening.add(send)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        listening.discard(send)
    elif scope["type"] == "http":
        text = (await receive())["body"].decode()
        began = time.monotonic()
        for one in listening:
            await one({"type": "websocket.send", "text": text})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": repr(began).encode()})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), lifespan="off", **SERVER)
