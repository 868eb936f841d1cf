"""python-telegram-bot does its whole job."""

import asyncio
import datetime
from collections.abc import Callable, Coroutine
from typing import Any

from steps import PIXEL, given, need, run
from telegram import Bot, InputMediaPhoto, ReplyParameters
from telegram.constants import ChatMemberStatus
from telegram.error import BadRequest, InvalidToken

HERE = given()
CHANNEL = int(HERE["id"])
MADE: dict[str, Any] = {}
Work = Callable[[Bot], Coroutine[Any, Any, None]]


def with_bot(work: Work) -> Callable[[], None]:
    """A step that has a bot of its own, for each runs in a loop of its own."""

    async def whole() -> None:
        async with Bot(HERE["token"], base_url=f"{HERE['url']}/bot") as bot:
            await work(bot)

    def step() -> None:
        asyncio.run(whole())

    step.__name__ = work.__name__
    return step


@with_bot
async def who(bot: Bot) -> None:
    me = await bot.get_me()
    need(me.is_bot and me.id == bot.id)


@with_bot
async def channel(bot: Bot) -> None:
    chat = await bot.get_chat(CHANNEL)
    need(chat.type == "channel" and chat.id == CHANNEL)
    need((await bot.get_chat(f"@{chat.username}")).id == CHANNEL)
    member = await bot.get_chat_member(CHANNEL, bot.id)
    need(member.status == ChatMemberStatus.ADMINISTRATOR and member.can_post_messages)


@with_bot
async def post(bot: Bot) -> None:
    made = await bot.send_message(CHANNEL, "Hello from a client, see https://example.org #hello")
    MADE["post"] = made.message_id
    need(made.text.startswith("Hello from a client") and made.sender_chat.id == CHANNEL)
    need([e.type for e in made.entities] == ["url", "hashtag"])
    need(abs(made.date - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(minutes=1))


@with_bot
async def entities_are_in_utf_16(bot: Bot) -> None:
    made = await bot.send_message(CHANNEL, "👋 https://example.org")
    (link,) = made.entities
    need((link.offset, made.parse_entity(link)) == (3, "https://example.org"))


@with_bot
async def picture(bot: Bot) -> None:
    made = await bot.send_photo(CHANNEL, PIXEL, caption="A dot")
    MADE["picture"] = made.message_id
    need(made.photo and made.caption == "A dot")


@with_bot
async def album(bot: Bot) -> None:
    made = await bot.send_media_group(CHANNEL, [InputMediaPhoto(PIXEL, caption="Two dots"), InputMediaPhoto(PIXEL)])
    need(len(made) == 2 and made[0].media_group_id == made[1].media_group_id)
    need((made[0].caption, made[1].caption) == ("Two dots", None))


@with_bot
async def answer(bot: Bot) -> None:
    made = await bot.send_message(CHANNEL, "An answer", reply_parameters=ReplyParameters(MADE["post"]))
    need(made.reply_to_message.message_id == MADE["post"])


@with_bot
async def edit(bot: Bot) -> None:
    changed = await bot.edit_message_text("Hello, edited", CHANNEL, MADE["post"])
    need(changed.text == "Hello, edited" and changed.edit_date is not None)
    try:
        await bot.edit_message_text("Hello, edited", CHANNEL, MADE["post"])
    except BadRequest as error:
        need("message is not modified" in error.message.lower(), error.message)
    else:
        raise AssertionError("an edit that changes nothing was taken")
    need((await bot.edit_message_caption(CHANNEL, MADE["picture"], caption="A black dot")).caption == "A black dot")


@with_bot
async def too_long(bot: Bot) -> None:
    for send in (bot.send_message(CHANNEL, "x" * 4097), bot.send_photo(CHANNEL, PIXEL, caption="x" * 1025)):
        try:
            await send
        except BadRequest as error:
            need("too long" in error.message, error.message)
        else:
            raise AssertionError("a text that is too long was taken")


@with_bot
async def delete(bot: Bot) -> None:
    need(await bot.delete_message(CHANNEL, MADE["post"]))
    try:
        await bot.delete_message(CHANNEL, MADE["post"])
    except BadRequest as error:
        need("message to delete not found" in error.message.lower(), error.message)
    else:
        raise AssertionError("a message was deleted twice")


def wrong_token() -> None:
    async def whole() -> None:
        async with Bot("1:wrong", base_url=f"{HERE['url']}/bot"):
            pass

    try:
        asyncio.run(whole())
    except InvalidToken:
        return
    raise AssertionError("a wrong token was taken")


run(
    {
        step.__name__: step
        for step in (
            who,
            channel,
            post,
            entities_are_in_utf_16,
            picture,
            album,
            answer,
            edit,
            too_long,
            delete,
            wrong_token,
        )
    }
)
