"""What the tests of the WebSocket share."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from postprober.api.live import Hub
from postprober.domain.delivery import DeliveryState
from postprober.pipeline.core import transitions
from postprober.services.core import Core
from postprober.services.people import sessions, users
from postprober.storage import alert_log, deliveries, posts
from postprober.storage import users as user_storage
from postprober.storage.records import PartRecord
from tests.conftest import PASSWORD

S = DeliveryState
APP = "http://127.0.0.1:8501"
WAIT = 15.0  # seconds; only a failing test waits that long


@dataclass
class Live:
    """A sidecar on a real port, three people with an account each."""

    core: Core
    url: str
    people: dict[str, int]
    linked: dict[str, int]
    stack: ExitStack
    hub: Hub

    def token(self, name: str = "owner") -> str:
        return sessions.log_in(self.core, f"{name}@example.org", PASSWORD, "").access

    def open(self, token: str = "", **kw: Any) -> ClientConnection:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        headers |= kw.pop("headers", {})
        opening = connect(self.url, additional_headers=headers, compression=None, proxy=None, **kw)
        return self.stack.enter_context(opening)

    def post(self, name: str = "owner", count: int = 1) -> int:
        """A post with `count` deliveries; each gives its first transition."""
        now = self.core.clock.now()
        with self.core.db.write() as conn:
            post_id = posts.add(
                conn,
                space=self.people[name],
                content="x",
                platforms=["x"],
                status="scheduled",  # type: ignore[arg-type]
                scheduled_at=now,
                options={},
                now=now,
            )
            for number in range(count):
                deliveries.add(
                    conn,
                    post_id=post_id,
                    account_id=self.linked[name],
                    space=self.people[name],
                    platform="x",
                    key=f"{post_id}-{number}",
                    due_at=now,
                    parts=[PartRecord(0, "x")],
                    now=now,
                )
        return post_id

    def move(self, post_id: int, *states: DeliveryState) -> None:
        """Take the post's first delivery through `states`, each in its own transaction."""
        for state in states:
            with self.core.db.write() as conn:
                delivery = deliveries.of_post(conn, post_id)[0]
                transitions.move(conn, delivery, state, reason="because", now=self.core.clock.now())

    def alert(self, name: str, key: str) -> None:
        with self.core.db.write() as conn:
            alert_log.add(
                conn,
                user_id=self.people[name],
                post_id=None,
                delivery_id=None,
                type="error",
                message=f"for {name}",
                dedupe_key=key,
                now=self.core.clock.now(),
            )


def say(socket: ClientConnection, event: str, **data: Any) -> None:
    socket.send(json.dumps({"event": event, "data": data}))


def hear(socket: ClientConnection) -> dict[str, Any]:
    return json.loads(socket.recv(WAIT))  # type: ignore[no-any-return]


def until(socket: ClientConnection, event: str) -> list[dict[str, Any]]:
    """Everything up to the first `event`, with it."""
    heard = [hear(socket)]
    while heard[-1]["event"] != event:
        heard.append(hear(socket))
    return heard


def join(socket: ClientConnection, post_id: int, **more: Any) -> list[dict[str, Any]]:
    say(socket, "join_monitoring", post_id=post_id, **more)
    return until(socket, "joined")


def closed(socket: ClientConnection) -> int:
    """The code with which the server closes."""
    with pytest.raises(ConnectionClosed) as caught:
        drain(socket)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code


def drain(socket: ClientConnection) -> None:
    while True:
        socket.recv(WAIT)


def cookie(live: Live, name: str = "owner") -> str:
    with live.core.db.read() as conn:
        user = user_storage.by_email(conn, f"{name}@example.org")
    assert user is not None
    return users.redeem_ticket(live.core, users.issue_ticket(live.core, user))


def status(live: Live, token: str = "", **kw: Any) -> int:
    with pytest.raises(InvalidStatus) as caught:
        live.open(token, **kw)
    return caught.value.response.status_code
