"""The noticeboard, as PostProber sees it. A notice carries its sender's mark, and the board pins each mark once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from postprober.clock import Clock
from postprober.domain import remote
from postprober.domain.account import Credentials, Identity
from postprober.domain.diagnosis import Cause
from postprober.domain.limits import ImageRule, Limits
from postprober.domain.platform import Description, Platform, PlatformConfig, ReconcileMode
from postprober.domain.platform_settings import PlatformSettings
from postprober.domain.post import Draft, Preflight
from postprober.domain.preflight import check as check_draft
from postprober.domain.public_look import Look, Verdict
from postprober.errors import PlatformError, PostRejected, ReconnectNeeded, Throttled, UnexpectedReply
from postprober.http import HttpClient, Reply
from postprober.platforms.common import error_signals, public
from postprober.platforms.common.adapter import READY, Traits
from postprober.platforms.common.errors import ErrorRow, Refusal, RequestKind, judge
from postprober.platforms.common.links import matching
from postprober.platforms.common.replies import ambiguous, count_at, list_at, parse_time, require_object, text_at
from postprober.platforms.common.spec import Habits, PlatformSpec


class BoardSettings(PlatformSettings):
    town: str = "springfield"  # POSTPROBER_NOTICEBOARD_TOWN


ABOUT = Description(
    platform=Platform("noticeboard"),
    title="Noticeboard",
    api_url="https://board.example",
    settings=BoardSettings,
    sandbox={"settle_seconds": "1"},
)
TRAITS = Traits(
    platform=ABOUT.platform,
    mode=ReconcileMode.RECONCILE,
    settle=timedelta(seconds=1),
    threads=False,
    video=False,
    deletes=True,
    lists_own=True,
    refreshes=False,
    pkce=False,
    sends_alike_twice_safely=True,
    batch=1000,
)
LIMITS = Limits(platform=ABOUT.platform, max_length=300, unit="characters", images=ImageRule(0, (), 0))
_ERRORS = (
    ErrorRow(ReconnectNeeded, "The board does not accept this token; reconnect the account.", 401),
    ErrorRow(Throttled, "The board asks to wait.", 429, wait=timedelta(minutes=1)),
    ErrorRow(PostRejected, "The board takes at most 300 characters.", 422, "too_long"),
)
_ID = re.compile(r"[0-9]{1,20}")


class NoticeboardAdapter:
    def __init__(self, http: HttpClient, config: PlatformConfig, clock: Clock) -> None:
        self._http, self._config, self._clock, self.traits = http, config, clock, TRAITS

    def identify(self, cred: Credentials) -> Identity:
        me, posts = require_object(self._call(cred, "/me")), self.recent(cred, self._clock.now()).posts
        return Identity(text_at(me, "id"), text_at(me, "name"), posts[0].ref.remote_id if posts else None)

    def refresh(self, cred: Credentials) -> Credentials:
        raise ReconnectNeeded("Tokens of the board cannot be renewed; reconnect the account.")

    def revoke(self, cred: Credentials) -> bool:
        return False

    def limits(self, cred: Credentials | None) -> Limits:
        return LIMITS

    def preflight(self, draft: Draft, limits: Limits) -> Preflight:
        return check_draft(draft, limits)

    def new_handle(self, key: str, index: int, composed_at: datetime) -> str:
        return f"{key}-{index}"

    def submit(self, cred: Credentials, job: remote.PartJob) -> remote.Staged:
        return remote.Staged()

    def check(self, cred: Credentials, staged: remote.Staged) -> remote.Progress:
        return READY

    def finalize(self, cred: Credentials, job: remote.PartJob, staged: remote.Staged) -> remote.Receipt:
        body = {"text": job.text, "mark": job.handle}
        reply = self._http.send("POST", self._url("/notices"), visible=True, json=body, headers=self._auth(cred))
        if not reply.ok:
            raise self._error(reply, RequestKind.PUBLISH)
        if not text_at(reply.json_or_none(), "id"):
            raise ambiguous(reply)
        return remote.Receipt(_post(reply.json()).ref)

    def locate(self, cred: Credentials, search: remote.Search) -> remote.Sighting:
        try:
            found = list_at(self._call(cred, f"/notices?mark={search.job.handle}").json_or_none(), "items")
        except (ReconnectNeeded, Throttled):
            raise
        except PlatformError as error:
            return remote.Sighting(remote.SightingState.UNSURE, None, f"own notices could not be read: {error.message}")
        if found:
            return remote.Sighting(remote.SightingState.FOUND, _post(found[0]), "the board has a notice with our mark")
        return remote.Sighting(remote.SightingState.ABSENT, None, "the board has no notice with our mark")

    def fetch(self, cred: Credentials, remote_id: str) -> remote.RemotePost | None:
        reply = self._call(cred, f"/notices/{remote_id}", may_lack=True)
        return None if reply.status == 404 else _post(require_object(reply))

    def recent(self, cred: Credentials, since: datetime) -> remote.Timeline:
        items = list_at(self._call(cred, "/notices").json_or_none(), "items")
        return remote.Timeline(tuple(_post(item) for item in items), True)

    def read_many(self, cred: Credentials, ids: Sequence[str]) -> dict[str, remote.Reading]:
        items = list_at(self._call(cred, "/notices").json_or_none(), "items")
        told = (remote.Reading(_post(item), remote.Counts(likes=count_at(item, "likes"))) for item in items)
        return {one.post.ref.remote_id: one for one in told if one.post and one.post.ref.remote_id in ids}

    def delete(self, cred: Credentials, remote_id: str) -> None:
        reply = self._http.send("DELETE", self._url(f"/notices/{remote_id}"), headers=self._auth(cred))
        if not reply.ok and reply.status != 404:
            raise self._error(reply, RequestKind.STAGE)

    def _call(self, cred: Credentials, path: str, *, may_lack: bool = False) -> Reply:
        reply = self._http.read("GET", self._url(path), headers=self._auth(cred))
        if not reply.ok and not (may_lack and reply.status == 404):
            raise self._error(reply, RequestKind.READ)
        return reply

    def _url(self, path: str) -> str:
        return f"{self._config.api_url}/api{path}"

    def _auth(self, cred: Credentials) -> dict[str, str]:
        return {"Authorization": f"Bearer {cred.access_token}", "Town": self._config.settings["town"]}

    def _error(self, reply: Reply, act: RequestKind) -> PlatformError:
        code = text_at(reply.json_or_none(), "error")
        return judge(_ERRORS, Refusal("The board", reply, act, (code,) if code else (), code, self._clock.now()))


def _post(body: Any) -> remote.RemotePost:
    ref = remote.Ref(text_at(body, "id"), text_at(body, "url"))
    if not ref.remote_id:
        raise UnexpectedReply("The board's answer is no notice.")
    return remote.RemotePost(ref, text_at(body, "text"), parse_time(text_at(body, "at")), author_id=text_at(body, "by"))


def _public(http: HttpClient, config: PlatformConfig, url: str, remote_id: str, base: str) -> Look:
    address = f"{config.api_url}/api/public/{remote_id}"
    reply = public.ask(http, address)
    if isinstance(reply, Look):
        return reply
    body = reply.json_or_none()
    if not reply.ok or text_at(body, "id") != remote_id:
        return public.refused(reply, address, "The board", gone=reply.status == 404)
    look = public.seen(reply, address, Verdict.FOUND, "the board gives the notice to everybody")
    return replace(look, text=text_at(body, "text"), author=text_at(body, "name"))


SPEC = PlatformSpec(
    about=ABOUT,
    adapter=NoticeboardAdapter,
    traits=TRAITS,
    limits=LIMITS,
    public=_public,
    remote_id=lambda link: matching(_ID, link.parts[-1] if link.parts else link.text),
    error_signals=error_signals.ErrorSignals(
        (
            error_signals.SignalRow(Cause.ACCESS_REVOKED, 401),
            error_signals.SignalRow(Cause.TEXT_TOO_LONG, 422, code="too_long"),
        )
    ),
    habits=Habits("#7a9e3a", ("Thank",), shows_handle=False),
)
