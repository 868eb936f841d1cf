"""One person's browser: REST calls and live connections."""

from __future__ import annotations

import asyncio
import io
import json
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import aiohttp
from PIL import Image

from bench.load import plan
from bench.load.people import PASSWORD, Person
from bench.load.plan import Load
from bench.load.record import Accepted, Record

TIMEOUT = 30.0  # seconds; longer counts as an error
RENEW = 600.0  # seconds after which tokens are renewed; they live for 15 minutes
TRIES = 5  # of one act that is asked to come again
CLOSED = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.ERROR)
ROUTES = {
    "posts": "/api/posts?limit=20",
    "alerts": "/api/alerts?limit=20",
    "me": "/api/auth/me",
    "accounts": "/api/accounts",
    "health": "/api/health/platforms",
    "analytics": "/api/analytics?days=28",
}


class Client:
    """All people share one pool of connections, as they would behind a proxy."""

    def __init__(self, session: aiohttp.ClientSession, record: Record, load: Load) -> None:
        self.session, self.record, self.load = session, record, load
        self.stopping = asyncio.Event()

    async def call(
        self,
        person: Person | None,
        method: str,
        path: str,
        route: str,
        *,
        expect: int = 200,
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> Any:
        """The answer's JSON; None after an error, which is noted."""
        sent = {"Authorization": f"Bearer {person.access}"} if person else {}
        for _ in range(TRIES):
            with self.record.timed(f"{method} {route}"):
                try:
                    data = body["form"]() if "form" in body else None
                    async with self.session.request(
                        method, path, headers={**sent, **(headers or {})}, json=body.get("json"), data=data
                    ) as reply:
                        answer = await reply.read()
                        status, wait = reply.status, reply.headers.get("Retry-After")
                except (aiohttp.ClientError, TimeoutError) as error:
                    self.record.error(f"{method} {route}: {type(error).__name__}")
                    return None
            if status == expect:
                return json.loads(answer)
            if wait is None or status not in (429, 503):
                self.record.error(f"{method} {route}: {status}")
                return None
            self.record.waits[f"{method} {route}: {status}"] += 1
            await asyncio.sleep(float(wait))
        self.record.error(f"{method} {route}: asked to wait {TRIES} times")
        return None

    async def sign_in(self, person: Person) -> None:
        """By password, or with yesterday's refresh token."""
        if person.refresh:
            await self._renewed(person)
            return
        body = {"email": person.email, "password": PASSWORD}
        self._keep(person, await self.call(None, "POST", "/api/auth/login", "/api/auth/login", json=body))

    async def renew(self, person: Person) -> None:
        """Before the access token ends."""
        if time.monotonic() - person.signed_in > RENEW:
            await self._renewed(person)

    async def _renewed(self, person: Person) -> None:
        body = {"refresh_token": person.refresh}
        self._keep(person, await self.call(None, "POST", "/api/auth/refresh", "/api/auth/refresh", json=body))

    def _keep(self, person: Person, told: dict[str, Any] | None) -> None:
        if told:
            person.access, person.refresh = told["access_token"], told["refresh_token"]
            person.signed_in = time.monotonic()

    async def live(self, person: Person, sockets: list[Socket]) -> None:
        """Look, think, write, until it is over."""
        await asyncio.sleep(person.rng.uniform(0, self.load.think))  # not all in one instant
        while not self.stopping.is_set():
            await self.renew(person)
            if plan.writes(person.rng, self.load):
                await self.write(person, sockets)
            else:
                await self.look(person)
            pause = plan.pause(person.rng, self.load.think)
            try:
                await asyncio.wait_for(self.stopping.wait(), pause)
            except TimeoutError:
                continue

    async def look(self, person: Person) -> None:
        """At one of the pages, by what it asks the API."""
        what = plan.look(person.rng)
        if what == "monitoring" and person.posts:
            post = person.rng.choice(person.posts[-plan.ROOMS :])
            await self.call(person, "GET", f"/api/monitoring/{post}", "/api/monitoring/{id}")
            return
        path = ROUTES.get(what, ROUTES["posts"])
        await self.call(person, "GET", path, path.partition("?")[0])

    async def write(self, person: Person, sockets: list[Socket]) -> None:
        """A post, now or for the next hour, sometimes with a picture; then follow it."""
        media = await self.upload(person) if person.rng.random() < plan.PICTURES else None
        text, due = person.text(), plan.when(person.rng, datetime.now(UTC))
        body: dict[str, Any] = {"content": text, "account_ids": [person.account], "submit": True}
        if due is not None:
            body["scheduled_at"] = due.isoformat()
        if media is not None:
            body["media_ids"] = [media]
        key = {"Idempotency-Key": str(uuid.UUID(int=person.rng.getrandbits(128)))}
        during = self.record.measuring
        told = await self.call(person, "POST", "/api/posts", "/api/posts", expect=201, headers=key, json=body)
        if told is None:
            return
        self.record.accepted.append(Accepted(told["id"], text, due, during))
        person.posts.append(told["id"])
        for socket in sockets:
            await socket.join(told["id"])

    async def upload(self, person: Person) -> int | None:
        """A photo from a phone, made smaller; its id."""
        data = picture(person.rng.getrandbits(24))

        def form() -> aiohttp.FormData:
            made = aiohttp.FormData()
            made.add_field("file", data, filename="photo.jpg", content_type="image/jpeg")
            made.add_field("alt", "A photo")
            return made

        told = await self.call(person, "POST", "/api/media", "/api/media", expect=201, form=form)
        return int(told["id"]) if told else None


class Socket:
    """One live connection. `first`: its events are kept, to be compared with the database."""

    def __init__(self, client: Client, person: Person, first: bool) -> None:
        self.client, self.person, self.first = client, person, first
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect and join the rooms of the newest posts."""
        record = self.client.record
        try:
            self._socket = await self.client.session.ws_connect(
                "/api/ws",
                headers={"Authorization": f"Bearer {self.person.access}"},
                autoping=True,
                max_msg_size=1 << 20,
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            record.error(f"WebSocket: {type(error).__name__} {getattr(error, 'status', '')}".strip())
            return
        record.open_sockets += 1
        self._task = asyncio.create_task(self._listen(self._socket))
        for post in self.person.posts[-plan.ROOMS :]:
            await self.join(post)

    async def join(self, post: int) -> None:
        if self._socket is None or self._socket.closed:
            return
        try:
            await self._socket.send_json({"event": "join_monitoring", "data": {"post_id": post}})
        except (aiohttp.ClientError, ConnectionError) as error:
            self.client.record.error(f"WebSocket join: {type(error).__name__}")

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        record = self.client.record
        while (message := await socket.receive()).type not in CLOSED:
            told = json.loads(message.data)
            if told["event"] == "monitoring_update":
                data = told["data"]
                if record.measuring:
                    at = datetime.fromisoformat(data["at"])
                    record.latencies.append((datetime.now(UTC) - at).total_seconds())
                if self.first:
                    record.heard[data["post_id"]].add(told["id"])
            elif told["event"] == "joined" and self.first:
                record.since[told["data"]["post_id"]] = told["data"]["last_id"]
            elif told["event"] == "error":
                record.error(f"WebSocket: {told['data']['code']}")
        record.open_sockets -= 1
        if not self.client.stopping.is_set():
            record.error(f"WebSocket closed by the server: {socket.close_code}")

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._task is not None:
            await self._task


def picture(color: int) -> bytes:
    """JPEG, 1080 x 1080; no two alike."""
    out = io.BytesIO()
    Image.new("RGB", (1080, 1080), (color >> 16, color >> 8 & 255, color & 255)).save(out, "JPEG")
    return out.getvalue()
