"""discord.py does its whole job, without its gateway: a bot's messages and a webhook's."""

import asyncio
import io
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import discord
from discord.http import Route
from steps import PIXEL, given, need, run

HERE = given()
Route.BASE = HERE["url"]
CHANNEL = int(HERE["id"].rpartition("/")[2])
LOOP = asyncio.new_event_loop()
MADE: dict[str, Any] = {}


def file() -> discord.File:
    return discord.File(io.BytesIO(PIXEL), "dot.png", description="A dot", spoiler=False)


async def sign_in() -> None:
    MADE["client"] = client = discord.Client(intents=discord.Intents.none())
    await client.login(HERE["token"])
    need(client.user is not None and client.user.bot and HERE["id"].startswith(f"{client.user.id}@"))


async def channel() -> None:
    MADE["channel"] = found = await MADE["client"].fetch_channel(CHANNEL)
    need(isinstance(found, discord.TextChannel) and found.id == CHANNEL)


async def post() -> None:
    made = await MADE["channel"].send("Hello @everyone", allowed_mentions=discord.AllowedMentions.none())
    MADE["post"] = made
    need(made.content == "Hello @everyone" and made.author.id == MADE["client"].user.id)


async def nonce() -> None:
    """It asks for `enforce_nonce` by itself: sent twice, made once."""
    first, second = [await MADE["channel"].send("Only once", nonce="a-nonce-of-the-client") for _ in range(2)]
    need(first.id == second.id)
    need(len([one async for one in MADE["channel"].history() if one.content == "Only once"]) == 1)


async def picture() -> None:
    made = await MADE["channel"].send("With a picture", file=file(), silent=True)
    (shown,) = made.attachments
    need((shown.filename, shown.description, shown.content_type) == ("dot.png", "A dot", "image/png"))
    need(made.flags.suppress_notifications and not shown.is_spoiler())


async def answer() -> None:
    made = await MADE["post"].reply("An answer", mention_author=False)
    need(made.reference is not None and made.reference.message_id == MADE["post"].id)
    need(made.type is discord.MessageType.reply)


async def edit() -> None:
    made = await MADE["post"].edit(content="Edited")
    need(made.content == "Edited" and made.edited_at is not None)


async def listing() -> None:
    texts = [one.content async for one in MADE["channel"].history(limit=10)]
    need(texts == ["An answer", "With a picture", "Only once", "Edited"])
    since = [one.content async for one in MADE["channel"].history(after=MADE["post"], oldest_first=True)]
    need(since == ["Only once", "With a picture", "An answer"])
    need((await MADE["channel"].fetch_message(MADE["post"].id)).content == "Edited")


async def delete() -> None:
    await MADE["post"].delete()
    try:
        await MADE["channel"].fetch_message(MADE["post"].id)
    except discord.NotFound as error:
        need(error.code == 10008)
    else:
        raise AssertionError("it is still there")


async def refusal() -> None:
    try:
        await MADE["channel"].send("x" * 2001)
    except discord.HTTPException as error:
        need((error.status, error.code) == (400, 50035))
    else:
        raise AssertionError("it was taken")


async def webhook() -> None:
    async with aiohttp.ClientSession() as session:
        hook = discord.Webhook.from_url(HERE["webhook"], session=session)
        told = await hook.fetch()
        need(told.name and told.channel_id)
        made = await hook.send("From a webhook", wait=True, file=file())
        need(made.content == "From a webhook" and made.webhook_id == hook.id and len(made.attachments) == 1)
        need((await made.edit(content="Edited, too")).content == "Edited, too")
        need((await hook.fetch_message(made.id)).content == "Edited, too")
        await made.delete()
        try:
            await hook.fetch_message(made.id)
        except discord.NotFound as error:
            need(error.code == 10008)
        else:
            raise AssertionError("it is still there")


async def sign_out() -> None:
    await MADE["client"].close()
    need(MADE["client"].is_closed())


def _step(job: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    return lambda: LOOP.run_until_complete(job())


run(
    {
        job.__name__: _step(job)
        for job in (
            sign_in,
            channel,
            post,
            nonce,
            picture,
            answer,
            edit,
            listing,
            delete,
            refusal,
            webhook,
            sign_out,
        )
    }
)
