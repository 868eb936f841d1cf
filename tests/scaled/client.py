"""A client of several sidecars: what it asks over HTTP, and what it hears over the WebSocket."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx2
from websockets.sync.client import ClientConnection, connect

from bench.ports import free_port
from postprober.services.people import sessions
from tests.scaled.house import PASSWORD, PLATFORMS, House, wait_until

Answer = tuple[int, dict[str, str], dict[str, Any]]
EVENTS = ("monitoring_update", "post_status_change")


class Api:
    """`ports`: of the sidecars, by name. Signed in as the house's user."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.ports: dict[str, int] = {}
        self.token = sessions.log_in(house.core, "s@example.org", PASSWORD, "").access
        self._client = httpx2.Client(timeout=20, trust_env=False)

    def start(self, name: str, **settings: object) -> None:
        """A sidecar; returns when it is ready."""
        self.ports[name] = free_port()
        self.house.start(name, api_port=self.ports[name], **settings)
        wait_until(lambda: self.ready(name), 60)

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ready(self, name: str) -> bool:
        """What a balancer asks."""
        try:
            return self.ask(name, "GET", "/readyz?part=sidecar")[0] == 200
        except httpx2.HTTPError:
            return False

    def ask(self, name: str, method: str, path: str, **options: Any) -> Answer:
        """(status, headers, body). Raises httpx2.HTTPError when there is no answer."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        url = f"http://127.0.0.1:{self.ports[name]}{path}"
        reply = self._client.request(method, url, headers=headers, **options)
        return reply.status_code, dict(reply.headers), reply.json()

    def body(self, number: int) -> dict[str, Any]:
        """A post on one account of each of the house's platforms."""
        mine = self.house.accounts[number % len(self.house.accounts)]
        accounts = [mine[platform] for platform in PLATFORMS]
        return {"content": f"Post {number} {uuid.uuid4().hex}", "account_ids": accounts, "submit": True}

    def post(self, name: str, number: int, body: dict[str, Any] | None = None, key: str = "") -> Answer:
        """Submit one; what was accepted, the house owes."""
        body = body or self.body(number)
        answer = self.ask(name, "POST", "/api/posts", json=body, headers={"Idempotency-Key": key or str(uuid.uuid4())})
        if answer[0] == 201:
            self.house.texts[answer[2]["id"]] = body["content"]
        return answer

    def listen(self, name: str) -> ClientConnection:
        headers = {"Authorization": f"Bearer {self.token}"}
        return connect(f"ws://127.0.0.1:{self.ports[name]}/api/ws", additional_headers=headers, proxy=None)

    def hear(self, socket: ClientConnection, post: int, limit: float = 60.0) -> int:
        """How many events of this post are told up to its proof (all of its three deliveries)."""
        socket.send(json.dumps({"event": "join_monitoring", "data": {"post_id": post, "last_id": 0}}))
        heard, proofs = 0, 0
        while proofs < len(PLATFORMS):
            told = json.loads(socket.recv(limit))
            heard += told["event"] in EVENTS
            proofs += told["event"] == "monitoring_update" and told["data"]["new"] == "verified"
        return heard
