"""Telegram channels, by a bot of the channel (Bot API). Facts: telegram/facts.md.

A bot can neither list nor read what stands in a channel, and there is no idempotency key. Hence the mode STRICT: what was
not found is held. The one witness is the page that Telegram shows to everybody: a post with our words that was made after
the intent and stands there is out; that it does not stand there proves nothing. A private channel has no such page: its
posts are accepted, and nothing more can be proved.

The bot's token stands in the path of every call, so no address of the API may be logged, shown or kept as it is: the
redaction of `http` takes it out, and nothing here puts an address into a message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import BinaryIO
from urllib.parse import quote

from postprober.clock import Clock, SystemClock
from postprober.domain.account import Credentials, Identity
from postprober.domain.limits import Limits
from postprober.domain.platform import PlatformConfig, ReconcileMode
from postprober.domain.post import Draft, MediaFile, MediaKind, Preflight
from postprober.domain.preflight import check
from postprober.domain.remote import (
    Counts,
    PartJob,
    Progress,
    Reading,
    Receipt,
    Ref,
    RemotePost,
    Search,
    Sighting,
    SightingState,
    Staged,
    Timeline,
)
from postprober.errors import (
    HERE,
    NOT_PERMITTED,
    BadInput,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.http import Files, HttpClient, Reply
from postprober.platforms.common.adapter import READY, Traits, sighting_in
from postprober.platforms.common.errors import RequestKind
from postprober.platforms.common.media import upload
from postprober.platforms.common.replies import ambiguous, dig, invisible, shape, text_at
from postprober.platforms.telegram.about import ABOUT
from postprober.platforms.telegram.errors import NOT_THERE, description_of, refused
from postprober.platforms.telegram.limits import LIMITS
from postprober.platforms.telegram.links import address, channel_in, parts_of, post_id
from postprober.platforms.telegram.page import ChannelPage, ShownMessage, read_page
from postprober.platforms.telegram.public import EMBEDDED, says_not_found
from postprober.platforms.telegram.text import as_sent, problems

SETTLE_SECONDS = 60.0  # ours; no source gives a bound, hence STRICT; settings["settle_seconds"]
SLACK = timedelta(minutes=2)
MAX_PAGES = 10  # ours: 200 posts of the public page
UPLOAD_SECONDS = 300.0  # 50 MB on a slow line
# Method, field and kind in an album for each kind of file (facts.md, 2).
_METHODS = {
    MediaKind.IMAGE: ("sendPhoto", "photo"),
    MediaKind.GIF: ("sendAnimation", "animation"),
    MediaKind.VIDEO: ("sendVideo", "video"),
}
_HTML = {"Accept": "text/html", "Accept-Language": "en"}
_NO_PAGE = "Telegram shows posts of a private channel to members only, and bots cannot read them."
_NO_PREVIEW = "Telegram shows no public page of this channel."

TRAITS = Traits(
    platform=ABOUT.platform,
    mode=ReconcileMode.STRICT,
    settle=timedelta(seconds=SETTLE_SECONDS),
    threads=True,
    video=True,
    deletes=True,
    lists_own=False,  # no method lists a channel's messages (facts.md, 5)
    refreshes=False,
    pkce=False,
    cards="made by the platform",  # telegram/facts.md, 3
)


def credentials(http: HttpClient, config: PlatformConfig, _server: str, typed: Mapping[str, str]) -> Credentials:
    """Of a bot's token and the name of a channel. Raises BadInput, ReconnectNeeded or another PlatformError."""
    adapter = TelegramAdapter(http, config)
    cred = Credentials(typed["access_token"], remote_id=channel_in(typed["channel"]))
    chat, username = adapter.channel(cred)
    return replace(cred, remote_id=chat, name=username)


class TelegramAdapter:
    """A channel, seen by its bot. See `platforms.common.adapter.Adapter`. `remote_id` of the credentials is the channel's id."""

    def __init__(self, http: HttpClient, config: PlatformConfig, clock: Clock | None = None) -> None:
        self._http = http
        self._config = config
        self._clock = clock or SystemClock()
        seconds = float(config.settings.get("settle_seconds", SETTLE_SECONDS))
        self.traits = replace(TRAITS, settle=timedelta(seconds=seconds))

    def identify(self, cred: Credentials) -> Identity:
        """Whose token it is, and whether its bot may post in the channel."""
        bot = _number(self._ask(cred, "getMe"), "id")
        chat = self._chat(cred)
        member = self._ask(cred, "getChatMember", {"chat_id": _chat_id(_chat_of(chat)), "user_id": bot})
        status = text_at(member, "status")
        if status not in ("administrator", "creator"):
            raise ReconnectNeeded("The bot is no administrator of the channel; make it one that may post messages.")
        if status == "administrator" and dig(member, "can_post_messages") is not True:
            raise ReconnectNeeded(
                "The bot may not post in the channel; let it post messages there.", code="can_post_messages"
            )
        return Identity(_chat_of(chat), text_at(chat, "username") or text_at(chat, "title"))

    def channel(self, cred: Credentials) -> tuple[str, str]:
        """Id and name of the channel that the credentials name."""
        chat = self._chat(cred)
        return _chat_of(chat), text_at(chat, "username") or text_at(chat, "title")

    def refresh(self, cred: Credentials) -> Credentials:
        raise ReconnectNeeded("A bot's token cannot be renewed; reconnect the channel with a new one from @BotFather.")

    def revoke(self, cred: Credentials) -> bool:
        return False  # only @BotFather withdraws a token

    def limits(self, cred: Credentials | None) -> Limits:
        return LIMITS

    def preflight(self, draft: Draft, limits: Limits) -> Preflight:
        found = check(draft, limits)
        return replace(found, violations=(*found.violations, *problems(draft)))

    def new_handle(self, key: str, index: int, composed_at: datetime) -> str:
        return ""

    def submit(self, cred: Credentials, job: PartJob) -> Staged:
        """Nothing can be handed over before the post itself. The files are made ready, so that one that cannot be used is
        found out before the intent."""
        for file in job.media:
            with upload(file, LIMITS):
                pass
        return Staged()

    def check(self, cred: Credentials, staged: Staged) -> Progress:
        return READY

    def finalize(self, cred: Credentials, job: PartJob, staged: Staged) -> Receipt:
        with ExitStack() as opened:
            try:
                method, fields, files = message(cred.remote_id, job, opened)
            except BadInput as error:  # a file went away since `submit`
                text = "A file could not be read here any more; nothing was published."
                raise Unavailable(text, error.message, code=HERE) from error
            url = self._url(cred, method)
            if files:
                data = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
                reply = self._http.send("POST", url, visible=True, data=data, files=files, timeout=UPLOAD_SECONDS)
            else:
                reply = self._http.send("POST", url, visible=True, json=fields)
        if not reply.ok:
            raise refused(reply, RequestKind.PUBLISH, self._clock.now())
        result = dig(reply.json_or_none(), "result")
        made = result if isinstance(result, list) else [result]
        numbers = sorted(number for one in made if isinstance(number := dig(one, "message_id"), int) and number > 0)
        if len(numbers) < max(1, len(job.media)):
            raise ambiguous(reply)
        chat = dig(made[0], "chat")
        where = _chat_of(chat) if isinstance(dig(chat, "id"), int) else cred.remote_id
        extra = {"messages": ",".join(map(str, numbers))} if len(numbers) > 1 else {}
        return Receipt(replace(self._ref(where, text_at(chat, "username"), numbers[0]), extra=extra))

    def locate(self, cred: Credentials, search: Search) -> Sighting:
        try:
            timeline = self._recent(cred, search.since - SLACK, forwarded=False)
        except (ReconnectNeeded, Throttled):
            raise
        except PlatformError as error:
            return Sighting(SightingState.UNSURE, None, error.message)
        found = sighting_in(timeline, search, slack=SLACK)
        if found.state is SightingState.ABSENT:  # facts.md, 5: nobody says how soon a post is shown there
            reason = "the channel's public page does not show it, which proves nothing"
            return Sighting(SightingState.UNSURE, None, reason)
        return found

    def fetch(self, cred: Credentials, remote_id: str) -> RemotePost | None:
        """As everybody sees it: a bot has no other way to read."""
        self._username(cred)  # of a private channel nothing can be read
        return self._read_one(cred, remote_id).post

    def recent(self, cred: Credentials, since: datetime) -> Timeline:
        return self._recent(cred, since, forwarded=True)

    def read_many(self, cred: Credentials, ids: Sequence[str]) -> dict[str, Reading]:
        """One page for each. Bots are told no counts; the page has views, rounded from 1,000 on, and reactions where the channel
        has them."""
        return {one: self._read_one(cred, one) for one in ids}

    def _read_one(self, cred: Credentials, remote_id: str) -> Reading:
        chat, number = parts_of(remote_id)
        try:
            username = self._username(cred)
        except Unavailable as error:
            if error.code != NOT_PERMITTED:
                raise
            return Reading(None, told=False)
        if not number or chat != cred.remote_id:
            raise UnexpectedReply("This is no post of the channel.", remote_id[:80])
        reply, page = self._page(f"/{username}/{number}", EMBEDDED)
        shown = page.message(username, number)
        if shown is not None and page.whole:
            return Reading(self._post(cred, shown), Counts(likes=shown.reactions, views=shown.views))
        if shown is None and says_not_found(reply, page):
            return Reading(None)
        raise Unavailable("Telegram's public page does not show the post.", page.error[:200], http_status=reply.status)

    def delete(self, cred: Credentials, remote_id: str) -> None:
        """An album is several messages. Which ones is on the public page; of a private channel only the first is known.

        Raises Unavailable, and deletes nothing, while that page cannot be read: without its first message, the rest of an
        album could not be found any more."""
        chat, number = parts_of(remote_id)
        if not number:
            raise PostRejected("This is no post of the channel.", remote_id[:80])
        others = self._others(cred, number)
        for one in (*others, int(number)):  # the first last: as long as it is there, it can be repeated
            self._delete(cred, chat, one)

    def _others(self, cred: Credentials, number: str) -> tuple[int, ...]:
        try:
            username = self._username(cred)
        except Unavailable as error:
            if error.code != NOT_PERMITTED:
                raise
            return ()
        reply, page = self._page(f"/{username}/{number}", EMBEDDED)
        shown = page.message(username, number)
        if shown is not None and page.whole:
            return tuple(one for one in shown.album if one != int(number))
        if shown is None and (says_not_found(reply, page) or (reply.ok and page.error)):
            return ()  # it is gone, or Telegram shows it to nobody
        raise Unavailable("Telegram's public page does not show what the post consists of; try again later.")

    def _delete(self, cred: Credentials, chat: str, number: int) -> None:
        body = {"chat_id": _chat_id(chat), "message_id": number}
        reply = invisible(lambda: self._http.send("POST", self._url(cred, "deleteMessage"), json=body))
        if not reply.ok and not any(words in description_of(reply).lower() for words in NOT_THERE):
            raise refused(reply, RequestKind.STAGE, self._clock.now())

    def _recent(self, cred: Credentials, since: datetime, *, forwarded: bool) -> Timeline:
        """The channel's public page, back to `since`. `forwarded`: also what was forwarded into it."""
        username = self._username(cred)
        posts: list[RemotePost] = []
        before: int | None = None
        for _ in range(MAX_PAGES):
            reply, page = self._page(f"/s/{username}", {} if before is None else {"before": str(before)})
            if not reply.ok or not (page.messages or page.before or f"/{username}".casefold() in reply.text.casefold()):
                raise Unavailable(_NO_PREVIEW, page.error[:200], http_status=reply.status)
            own = [one for one in page.messages if one.username.casefold() == username.casefold() and not one.service]
            posts += [self._post(cred, one) for one in own if forwarded or not one.forwarded]
            if not page.whole:
                return Timeline(_newest_first(posts), False)
            reached = any(one.created_at is not None and one.created_at < since for one in own)
            if reached or page.before is None or page.before == before:
                return Timeline(_newest_first(posts), True)
            before = page.before
        return Timeline(_newest_first(posts), False)

    def _post(self, cred: Credentials, shown: ShownMessage) -> RemotePost:
        return RemotePost(
            ref=self._ref(cred.remote_id, shown.username, shown.number),
            text=shown.text,
            created_at=shown.created_at,
            author_id=cred.remote_id,
            author_name=shown.username,
            media=shown.media,
            reply_to=post_id(cred.remote_id, shown.reply_to) if shown.reply_to else "",
            public=True,
            links=shown.links,
        )

    def _ref(self, chat: str, username: str, number: int) -> Ref:
        return Ref(post_id(chat, number), address(self._config.auth_url, chat, username, number))

    def _username(self, cred: Credentials) -> str:
        """The channel's public name at this moment. Raises Unavailable (`not_permitted`) where it has none."""
        username = text_at(self._chat(cred), "username")
        if not username:
            raise Unavailable(_NO_PAGE, code=NOT_PERMITTED)
        return username

    def _chat(self, cred: Credentials) -> object:
        chat = self._ask(cred, "getChat", {"chat_id": _chat_id(cred.remote_id)})
        if text_at(chat, "type") != "channel":
            raise ReconnectNeeded("This is no channel; PostProber posts in channels only.")
        _chat_of(chat)
        return chat

    def _ask(self, cred: Credentials, method: str, fields: Mapping[str, object] | None = None) -> object:
        """The result of a reading method. Raises a PlatformError."""
        params = {name: str(value) for name, value in (fields or {}).items()}
        reply = self._http.read("GET", self._url(cred, method), params=params or None)
        if not reply.ok:
            raise refused(reply, RequestKind.READ, self._clock.now())
        result = dig(reply.json(), "result")
        if not isinstance(result, dict):
            raise UnexpectedReply(
                "Telegram's reply has an unknown form.", shape(reply.json()), http_status=reply.status
            )
        return result

    def _page(self, path: str, params: Mapping[str, str]) -> tuple[Reply, ChannelPage]:
        """A public page; no token goes there. Redirects are not followed: they lead to pages without posts."""
        reply = self._http.read("GET", self._config.auth_url + path, params=dict(params) or None, headers=_HTML)
        if reply.status == 429:
            raise refused(reply, RequestKind.READ, self._clock.now())
        return reply, read_page(reply.text) if reply.ok else ChannelPage(())

    def _url(self, cred: Credentials, method: str) -> str:
        return f"{self._config.api_url}/bot{quote(cred.access_token, safe=':')}/{method}"


def message(chat: str, job: PartJob, opened: ExitStack) -> tuple[str, dict[str, object], Files]:
    """Method, fields and files of the one request that makes the post (facts.md, 2); the files are closed with `opened`. No markup:
    the text is what is sent."""
    text = as_sent(job.text)
    fields: dict[str, object] = {"chat_id": _chat_id(chat)}
    if job.parent is not None:
        fields["reply_parameters"] = {"message_id": int(parts_of(job.parent.remote_id)[1] or 0)}
    if not job.media:
        return "sendMessage", {**fields, "text": text}, {}
    caption = {"caption": text} if text.strip() else {}
    files: dict[str, tuple[str, bytes | BinaryIO, str]] = {}
    if len(job.media) == 1:
        method, field = _METHODS[job.media[0].kind]
        files[field] = _file(job.media[0], field, opened)
        return method, {**fields, **caption}, files
    album: list[dict[str, str]] = []
    for index, file in enumerate(job.media):
        name = f"file{index}"
        files[name] = _file(file, name, opened)
        _, kind = _METHODS[file.kind]
        album.append({"type": kind, "media": f"attach://{name}", **(caption if index == 0 else {})})
    return "sendMediaGroup", {**fields, "media": album}, files


def _file(file: MediaFile, name: str, opened: ExitStack) -> tuple[str, bytes | BinaryIO, str]:
    ready = opened.enter_context(upload(file, LIMITS))
    return f"{name}.{ready.mime.rpartition('/')[2]}", ready.content, ready.mime


def _chat_id(chat: str) -> int | str:
    return int(chat) if chat.removeprefix("-").isdecimal() else chat


def _chat_of(chat: object) -> str:
    return str(_number(chat, "id"))


def _number(body: object, name: str) -> int:
    value = dig(body, name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnexpectedReply("Telegram's reply has an unknown form.", shape(body))
    return value


def _newest_first(posts: list[RemotePost]) -> tuple[RemotePost, ...]:
    oldest = datetime.min.replace(tzinfo=UTC)
    return tuple(sorted(posts, key=lambda post: post.created_at or oldest, reverse=True))
