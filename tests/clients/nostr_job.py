"""nostr-sdk does its whole job: two relays with different manners, and the media server with its proofs."""

import asyncio
import base64
import hashlib
import json
import time
import urllib.request
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from nostr_sdk import (
    ClientBuilder,
    EventBuilder,
    Filter,
    Keys,
    Kind,
    Nip19Event,
    RelayUrl,
    ReqTarget,
    SignerAuthenticator,
    Tag,
)
from steps import PIXEL, given, need, run

HERE = given()
KEYS = Keys.parse(HERE["token"])
ONE = HERE["url"].replace("http", "ws", 1)
SECOND = f"{ONE}/second"
SOON = timedelta(seconds=5)
MADE: dict[str, Any] = {}
LOOP = asyncio.new_event_loop()


def signed(text: str, kind: int = 1, tags: list[list[str]] | None = None) -> Any:
    return EventBuilder(Kind(kind), text).tags([Tag.parse(tag) for tag in tags or []]).finalize(KEYS)


async def client(*relays: str, proves: bool = False) -> Any:
    builder = ClientBuilder()
    if proves:
        builder = builder.authenticator(SignerAuthenticator(KEYS))
    made = builder.build()
    for relay in relays:
        await made.add_relay(RelayUrl.parse(relay))
    await made.connect(SOON)
    return made


async def sent(event: Any, *relays: str) -> Any:
    one = await client(*relays or (ONE, SECOND))
    try:
        return await one.send_event(event, ok_timeout=SOON)
    finally:
        await one.shutdown()


async def found(wanted: Any, *relays: str) -> list[Any]:
    one = await client(*relays or (ONE, SECOND))
    try:
        return list(await one.fetch_events(ReqTarget.auto([wanted]), SOON))
    finally:
        await one.shutdown()


async def who() -> None:
    need(KEYS.public_key().to_hex() == HERE["id"])
    (told,) = await found(Filter().author(KEYS.public_key()).kind(Kind(0)).limit(1), ONE)
    need(json.loads(told.content())["name"])


async def post() -> None:
    MADE["post"] = signed("Hello from the SDK #one", tags=[["t", "one"]])
    told = await sent(MADE["post"])
    need(len(told.success) == 2 and not told.failed, str(told))


async def read_by_id() -> None:
    (told,) = await found(Filter().id(MADE["post"].id()))
    need(told.content() == "Hello from the SDK #one" and told.verify())


async def list_own() -> None:
    told = await found(Filter().author(KEYS.public_key()).kind(Kind(1)))
    need([one.id().to_hex() for one in told] == [MADE["post"].id().to_hex()])


async def repeat() -> None:
    """One relay says true, the other false; the SDK counts the second as failed."""
    told = await sent(MADE["post"])
    need(len(told.success) >= 1 and all("duplicate" in why for why in told.failed.values()), str(told))
    need(len(await found(Filter().author(KEYS.public_key()).kind(Kind(1)))) == 1)


async def thread() -> None:
    root = MADE["post"].id().to_hex()
    MADE["reply"] = signed("An answer", tags=[["e", root, ONE, "root", HERE["id"]], ["p", HERE["id"]]])
    need((await sent(MADE["reply"])).success)
    told = await found(Filter().event(MADE["post"].id()).kind(Kind(1)))
    need(MADE["reply"].id().to_hex() in [one.id().to_hex() for one in told])


async def too_large() -> None:
    """One relay refuses it with an empty id, as the real one does, which the SDK waits for in vain."""
    told = await sent(signed("x" * 5000))
    need(len(told.success) == 1 and list(told.failed.values()) == ["timeout"], str(told))


async def prove_the_key() -> None:
    one = await client(ONE, proves=True)
    try:
        told = await one.send_event(signed("With a proof"), ok_timeout=SOON, authentication_timeout=SOON)
        need(told.success, str(told))
    finally:
        await one.shutdown()


async def media() -> None:
    digest = hashlib.sha256(PIXEL).hexdigest()
    proof = signed(
        "Upload", 24242, [["t", "upload"], ["x", digest], ["expiration", str(int(time.time()) + 600)]]
    ).as_json()
    request = urllib.request.Request(
        f"{HERE['url']}/upload",
        PIXEL,
        {"Authorization": "Nostr " + base64.b64encode(proof.encode()).decode(), "Content-Type": "image/png"},
        method="PUT",
    )
    with urllib.request.urlopen(request) as answer:
        told = json.load(answer)
    need(told["sha256"] == digest)
    with urllib.request.urlopen(told["url"]) as answer:
        need(answer.read() == PIXEL)


async def gateway() -> None:
    code = Nip19Event(MADE["post"].id(), KEYS.public_key(), Kind(1), [RelayUrl.parse(ONE)]).to_bech32()
    with urllib.request.urlopen(f"{HERE['url']}/{code}") as answer:
        need("Hello from the SDK" in answer.read().decode())


async def delete() -> None:
    told = await sent(signed("", 5, [["e", MADE["post"].id().to_hex()], ["k", "1"]]))
    need(len(told.success) == 2, str(told))
    need(await found(Filter().id(MADE["post"].id())) == [])


async def after_the_deletion() -> None:
    """One relay refuses it, the other takes it anew: as the real ones."""
    told = await sent(MADE["post"])
    need(len(told.success) == 1 and all("deleted" in why for why in told.failed.values()), str(told))


def step(work: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    return lambda: LOOP.run_until_complete(asyncio.wait_for(work(), 30))


run(
    {
        work.__name__: step(work)
        for work in (
            who,
            post,
            read_by_id,
            list_own,
            repeat,
            thread,
            too_large,
            prove_the_key,
            media,
            gateway,
            delete,
            after_the_deletion,
        )
    }
)
