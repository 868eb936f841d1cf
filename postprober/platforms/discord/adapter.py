"""Channels of a Discord server, by a bot or by a webhook. Facts: discord/facts.md.

The two are one platform and keep different promises (`for_scopes`). A bot has a handle, the nonce: while Discord remembers it, a
repeat answers with the first message and makes no second one. It remembers it for "the past few minutes", so the handle ends;
after that the list of the channel's messages decides, in which an empty answer proves nothing, because whoever may not read the
history gets one, too. A webhook has neither nonce nor list: what was not answered is held.

Strangers see nothing of a server. What proves more than the author's own reading is another account in the same channel.

A webhook's token stands in the path of its calls, so no address of the API may be logged, shown or kept as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from postprober import __url__, __version__
from postprober.clock import Clock, SystemClock
from postprober.domain.account import Credentials, Identity
from postprober.domain.limits import Limits
from postprober.domain.platform import PlatformConfig, ReconcileMode
from postprober.domain.post import Draft, Preflight
from postprober.domain.preflight import check
from postprober.domain.remote import (
    PartJob,
    Progress,
    Reading,
    Receipt,
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
from postprober.http import HttpClient, Reply
from postprober.platforms.common.adapter import READY, sighting_in
from postprober.platforms.common.errors import RequestKind
from postprober.platforms.common.media import upload
from postprober.platforms.common.replies import ambiguous, dig, invisible, shape, text_at
from postprober.platforms.discord.errors import UNKNOWN_MESSAGE, code_of, refused
from postprober.platforms.discord.limits import BOT_LACKS, LIMITS
from postprober.platforms.discord.links import ChannelAuthor, made_at, parts_of, post_id
from postprober.platforms.discord.messages import (
    attached,
    author_of,
    counts_in,
    id_in,
    message,
    number_in,
    read,
    ref_of,
)
from postprober.platforms.discord.promises import (
    OF_WEBHOOKS,
    SETTLE_SECONDS,
    TRAITS,
    UPLOAD_SECONDS,
    WEBHOOK,
    is_webhook,
)

SLACK = timedelta(minutes=2)
NONCE_LENGTH = 25  # facts.md, 2
PAGE = 100  # messages of a channel at once; facts.md, 5
MAX_PAGES = 10  # ours: a channel in which others write a thousand messages meanwhile proves nothing
_TEXT, _ANNOUNCEMENT, _FORUMS = 0, 5, (15, 16)  # types of channels; facts.md, 1
_INCOMING = 1  # type of a webhook
_AGENT = f"DiscordBot ({__url__ or 'https://localhost'}, {__version__})"  # the form that Discord asks for; facts.md, 1
_NO_LIST = "a webhook cannot list messages, so nobody can look for it"
_EMPTY = "the channel's list is empty, which it also is for a bot that may not read the history"
_NOT_OURS = "This is no message of this channel."


def for_scopes(adapter: DiscordAdapter, scopes: tuple[str, ...]) -> DiscordAdapter:
    """What an account with these scopes can keep."""
    return adapter.of_webhook() if WEBHOOK in scopes else adapter


class DiscordAdapter:
    """A channel, seen by a bot or by a webhook of it. See `platforms.common.adapter.Adapter`.

    `access_token` is the bot's token, or a webhook's id and token as they stand in its address (`ID/TOKEN`)."""

    def __init__(self, http: HttpClient, config: PlatformConfig, clock: Clock | None = None) -> None:
        self._http = http
        self._config = config
        self._clock = clock or SystemClock()
        seconds = float(config.settings.get("settle_seconds", SETTLE_SECONDS))
        self.traits = replace(TRAITS, settle=timedelta(seconds=seconds))

    def of_webhook(self) -> DiscordAdapter:
        """The same with the promises of a webhook."""
        made = DiscordAdapter(self._http, self._config, self._clock)
        made.traits = replace(OF_WEBHOOKS, settle=self.traits.settle)
        return made

    # Whose account

    def whose(self, cred: Credentials) -> tuple[ChannelAuthor, str]:
        """Who posts where by what Discord says, and what that is called. `remote_id` of a bot that is being linked: its channel."""
        if is_webhook(cred):
            hook = self._object(self._ask(cred, ""))
            if number_in(hook, "type") != _INCOMING:
                raise ReconnectNeeded("This is no webhook that can post messages; make an incoming webhook.")
            seat = ChannelAuthor(id_in(hook, "id"), id_in(hook, "guild_id"), id_in(hook, "channel_id"))
            return seat, f"{text_at(hook, 'name') or 'webhook'} (webhook)"
        user = self._object(self._ask(cred, "/users/@me"))
        wanted = ChannelAuthor.of(cred.remote_id).channel or cred.remote_id
        channel = self._object(self._ask(cred, f"/channels/{wanted}"))
        kind = number_in(channel, "type")
        if kind in _FORUMS:
            raise ReconnectNeeded("This is a forum channel; make a webhook in it and link that.")
        if kind not in (_TEXT, _ANNOUNCEMENT):
            raise ReconnectNeeded("This is no text channel; PostProber posts in text and announcement channels.")
        seat = ChannelAuthor(id_in(user, "id"), id_in(channel, "guild_id"), id_in(channel, "id"))
        return seat, f"{text_at(user, 'username')} #{text_at(channel, 'name')}"

    def identify(self, cred: Credentials) -> Identity:
        seat, name = self.whose(cred)
        known = ChannelAuthor.of(cred.remote_id)
        if known.author == seat.author and known.channel != seat.channel:
            raise ReconnectNeeded("The webhook was moved to another channel; reconnect it if it is to post there.")
        if is_webhook(cred):
            return Identity(seat.account_id, name)
        own = replace(cred, remote_id=seat.account_id)
        newest = next((one for one in self._page(own, {}) if author_of(one) == seat.author), None)
        return Identity(seat.account_id, name, post_id(seat.channel, id_in(newest, "id")) if newest else None)

    def refresh(self, cred: Credentials) -> Credentials:
        raise ReconnectNeeded("This access cannot be renewed; reconnect the channel with a new token or webhook.")

    def revoke(self, cred: Credentials) -> bool:
        return False  # a bot's token is reset on Discord's own page; a webhook is left to those who made it

    def limits(self, cred: Credentials | None) -> Limits:
        if cred is None:
            return LIMITS
        return replace(LIMITS, threads=False) if is_webhook(cred) else replace(LIMITS, lacks=BOT_LACKS)

    def preflight(self, draft: Draft, limits: Limits) -> Preflight:
        return check(draft, limits)

    # Publishing

    def new_handle(self, key: str, index: int, composed_at: datetime) -> str:
        """The nonce of a bot's message."""
        if self.traits.mode is ReconcileMode.STRICT:
            return ""
        return hashlib.sha256(f"{key}/{index}".encode()).hexdigest()[:NONCE_LENGTH]

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
        body = message(job, webhook=is_webhook(cred))
        url, params = self._place_of_sending(cred)
        headers = _headers(cred)
        with ExitStack() as opened:
            try:
                files = attached(job.media, opened)
            except BadInput as error:  # a file went away since `submit`
                text = "A file could not be read here any more; nothing was published."
                raise Unavailable(text, error.message, code=HERE) from error
            if files:
                data = {"payload_json": json.dumps(body)}
                reply = self._http.send(
                    "POST",
                    url,
                    visible=True,
                    data=data,
                    files=files,
                    params=params,
                    headers=headers,
                    timeout=UPLOAD_SECONDS,
                )
            else:
                reply = self._http.send("POST", url, visible=True, json=body, params=params, headers=headers)
        if not reply.ok:
            raise refused(reply, RequestKind.PUBLISH, self._clock.now(), nonce="nonce" in body)
        made = reply.json_or_none()
        channel, number = text_at(made, "channel_id"), text_at(made, "id")
        if not parts_of(post_id(channel, number))[1]:
            raise ambiguous(reply)
        return Receipt(ref_of(ChannelAuthor.of(cred.remote_id), self._config.auth_url, channel, number))

    def _place_of_sending(self, cred: Credentials) -> tuple[str, dict[str, str] | None]:
        if is_webhook(cred):  # without `wait` a message that is not saved gives no error (facts.md, 2)
            return self._hook(cred), {"wait": "true"}
        return f"{self._config.api_url}/channels/{ChannelAuthor.of(cred.remote_id).channel}/messages", None

    # Looking

    def locate(self, cred: Credentials, search: Search) -> Sighting:
        if is_webhook(cred):
            return Sighting(SightingState.UNSURE, None, _NO_LIST)
        try:
            found, complete = self._messages(cred, search.since - SLACK, search.newest_known_post)
        except (ReconnectNeeded, Throttled):
            raise
        except PlatformError as error:
            return Sighting(SightingState.UNSURE, None, error.message)
        ours = [one for one in found if search.job.handle and str(dig(one, "nonce") or "") == search.job.handle]
        if len(ours) == 1:
            return Sighting(SightingState.FOUND, self._post(cred, ours[0]), "a message has the nonce of this post")
        if not found:
            return Sighting(SightingState.UNSURE, None, _EMPTY)
        return sighting_in(self._own(cred, found, complete=complete), search, slack=SLACK)

    def fetch(self, cred: Credentials, remote_id: str) -> RemotePost | None:
        found = self._message(cred, remote_id)
        return self._post(cred, found) if found is not None else None

    def recent(self, cred: Credentials, since: datetime) -> Timeline:
        if is_webhook(cred):
            raise Unavailable("A webhook cannot list messages.", code=NOT_PERMITTED)
        found, complete = self._messages(cred, since, None)
        return self._own(cred, found, complete=complete)

    def read_many(self, cred: Credentials, ids: Sequence[str]) -> dict[str, Reading]:
        """A webhook's messages one by one; a bot's by pages of the channel, as long as one brings what is looked for."""
        if is_webhook(cred) or len(ids) == 1:
            return {one: self._reading(cred, self._message(cred, one)) for one in ids}
        channel, told_of = ChannelAuthor.of(cred.remote_id).channel, dict[str, Reading]()
        left = {int(parts_of(one)[1]): one for one in ids if parts_of(one)[0] == channel}
        while left:
            newest = max(left)
            page = self._page(cred, {"before": str(newest + 1), "limit": str(PAGE)})
            seen = {int(id_in(one, "id")): one for one in page}
            lowest = min(seen, default=newest + 1)
            for number in [number for number in left if number >= lowest]:
                told_of[left.pop(number)] = self._reading(cred, seen.get(number))
            if newest < lowest:
                break  # nothing older: either it is gone, or the history may not be read
        return told_of

    def delete(self, cred: Credentials, remote_id: str) -> None:
        url, params = self._place_of(cred, remote_id)
        reply = invisible(lambda: self._http.send("DELETE", url, params=params, headers=_headers(cred)))
        if not reply.ok and code_of(reply) != UNKNOWN_MESSAGE:
            raise refused(reply, RequestKind.STAGE, self._clock.now())

    def _message(self, cred: Credentials, remote_id: str) -> dict[str, object] | None:
        """One message by its id; None where Discord says that there is none."""
        url, params = self._place_of(cred, remote_id)
        reply = self._http.read("GET", url, params=params, headers=_headers(cred))
        if reply.status == 404 and code_of(reply) == UNKNOWN_MESSAGE:
            return None
        return self._object(self._answered(reply))

    def _messages(self, cred: Credentials, since: datetime, known: str | None) -> tuple[list[dict[str, object]], bool]:
        """All messages of the channel back to `since`, further to the post `known` and to an own one before it; whether that is
        all. Whoever may not read the history gets an empty list, so an empty one is never all."""
        seat, found, wanted = ChannelAuthor.of(cred.remote_id), list[dict[str, object]](), parts_of(known or "")[1]
        before: dict[str, str] = {}
        reached = False
        for _ in range(MAX_PAGES):
            page = self._page(cred, before)
            found += page
            if not page:
                return found, bool(found)
            oldest = min(int(id_in(one, "id")) for one in page)
            older = [one for one in page if made_at(id_in(one, "id")) < since]
            anchor = (
                any(id_in(one, "id") == wanted for one in found)
                if wanted
                else any(author_of(one) == seat.author for one in older)
            )
            reached = reached or bool(older)
            if older and anchor:
                break
            before = {"before": str(oldest)}
        return found, reached

    def _own(self, cred: Credentials, found: Sequence[dict[str, object]], *, complete: bool) -> Timeline:
        author = ChannelAuthor.of(cred.remote_id).author
        own = [self._post(cred, one) for one in found if author_of(one) == author]
        oldest = datetime.min.replace(tzinfo=UTC)
        return Timeline(tuple(sorted(own, key=lambda post: post.created_at or oldest, reverse=True)), complete)

    def _page(self, cred: Credentials, params: Mapping[str, str]) -> list[dict[str, object]]:
        body = self._ask(
            cred, f"/channels/{ChannelAuthor.of(cred.remote_id).channel}/messages", {"limit": str(PAGE), **params}
        )
        if not isinstance(body, list) or not all(isinstance(one, dict) for one in body):
            raise UnexpectedReply("Discord's reply has an unknown form.", shape(body))
        return body

    def _reading(self, cred: Credentials, found: dict[str, object] | None) -> Reading:
        return Reading(None) if found is None else Reading(self._post(cred, found), counts_in(found))

    def _post(self, cred: Credentials, found: Mapping[str, Any]) -> RemotePost:
        return read(found, ChannelAuthor.of(cred.remote_id), self._config.auth_url)

    # Calls

    def _place_of(self, cred: Credentials, remote_id: str) -> tuple[str, dict[str, str] | None]:
        """Address and parameters of one message. Raises PostRejected for an id that is none of ours."""
        channel, number = parts_of(remote_id)
        if not number:
            raise PostRejected(_NOT_OURS, remote_id[:80])
        if not is_webhook(cred):
            return f"{self._config.api_url}/channels/{channel}/messages/{number}", None
        own = ChannelAuthor.of(cred.remote_id).channel
        return f"{self._hook(cred)}/messages/{number}", None if channel == own else {"thread_id": channel}

    def _ask(self, cred: Credentials, path: str, params: Mapping[str, str] | None = None) -> object:
        """What is at a path of the API, or, of a webhook, below its address. Raises a PlatformError."""
        url = f"{self._hook(cred)}{path}" if is_webhook(cred) else f"{self._config.api_url}{path}"
        return self._answered(self._http.read("GET", url, params=params, headers=_headers(cred)))

    def _answered(self, reply: Reply) -> object:
        if not reply.ok:
            raise refused(reply, RequestKind.READ, self._clock.now())
        return reply.json()

    def _object(self, body: object) -> dict[str, object]:
        if not isinstance(body, dict):
            raise UnexpectedReply("Discord's reply has an unknown form.", shape(body))
        return body

    def _hook(self, cred: Credentials) -> str:
        return f"{self._config.api_url}/webhooks/{cred.access_token}"


def _headers(cred: Credentials) -> dict[str, str]:
    """A webhook's calls have their token in the address, and no bot's beside it."""
    return {"User-Agent": _AGENT, **({} if is_webhook(cred) else {"Authorization": f"Bot {cred.access_token}"})}
