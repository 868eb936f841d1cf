"""X (API v2). Facts: x/facts.md.

X has no idempotency key, so an unknown outcome is settled by reading the own timeline; its refusal of duplicate text is
a second net. Which of two field vocabularies the server speaks is unknown (x/facts.md, 7): `settings["dialect"]`
(`new` or `legacy`) chooses what we ask for, and both are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

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
    Ref,
    RemotePost,
    Search,
    Sighting,
    SightingState,
    Staged,
    Timeline,
)
from postprober.errors import PlatformError, PostRejected, ReconnectNeeded, Throttled, Unavailable, UnexpectedReply
from postprober.http import HttpClient, Reply
from postprober.platforms.common.adapter import Traits, sighting_in
from postprober.platforms.common.errors import RequestKind
from postprober.platforms.common.oauth import refresh_tokens, revoke_tokens
from postprober.platforms.common.replies import (
    ambiguous,
    count_at,
    dig,
    invisible,
    is_ambiguous,
    is_number,
    list_at,
    require_object,
    shape,
    text_at,
)
from postprober.platforms.x import media as x_media
from postprober.platforms.x import oauth
from postprober.platforms.x.about import ABOUT
from postprober.platforms.x.errors import is_missing, missing_ids, refused
from postprober.platforms.x.limits import LIMITS, LONG, SHORT
from postprober.platforms.x.options import XOptions, asked
from postprober.platforms.x.posts import DIALECTS, read_counts, read_post

SETTLE_SECONDS = 60.0  # ours: reads may lag writes by an unstated time (x/facts.md, 5); settings["settle_seconds"]
PAGE_SIZE = 100  # x/facts.md, 5: max_results 5 to 100
SMALLEST_PAGE = 5
MAX_PAGES = 32  # X serves the newest 3,200 posts of an account (x/facts.md, 5)
SLACK = timedelta(minutes=2)  # our clock against X's, as in base.sighting_in

TRAITS = Traits(
    platform=ABOUT.platform,
    mode=ReconcileMode.RECONCILE,
    settle=timedelta(seconds=SETTLE_SECONDS),
    threads=True,
    video=True,
    deletes=True,
    lists_own=True,
    refreshes=True,
    pkce=True,
    batch=100,  # x/facts.md, 7
    cards="made by the platform",  # x/facts.md, 3
)


class XAdapter:
    """X, seen by the owner of an account. See `platforms.base.Adapter`."""

    def __init__(self, http: HttpClient, config: PlatformConfig, clock: Clock | None = None) -> None:
        self.http = http
        self.config = config
        self.clock = clock or SystemClock()
        seconds = float(config.settings.get("settle_seconds", SETTLE_SECONDS))
        self.traits = replace(TRAITS, settle=timedelta(seconds=seconds))
        self._dialect = DIALECTS["legacy" if config.settings.get("dialect") == "legacy" else "new"]

    def identify(self, cred: Credentials) -> Identity:
        me = self._get(cred, "/2/users/me", {"user.fields": "subscription_type"})
        remote_id, name = text_at(me, "data", "id"), text_at(me, "data", "username")
        if not remote_id:
            raise UnexpectedReply("X did not say whose account this is.")
        newest = self._page(replace(cred, remote_id=remote_id), SMALLEST_PAGE, "")
        tier = text_at(me, "data", "subscription_type")
        long_posts = tier != "None" if tier else None
        return Identity(remote_id, name, text_at(newest, "data", 0, "id") or None, long_posts)

    def refresh(self, cred: Credentials) -> Credentials:
        return refresh_tokens(self.http, self.config, cred, oauth.spec(self.config), clock=self.clock)

    def revoke(self, cred: Credentials) -> bool:
        """Both tokens: X withdraws only the one that it is given."""
        spec = oauth.spec(self.config)
        gone = revoke_tokens(self.http, self.config, cred, spec)
        return gone and revoke_tokens(self.http, self.config, replace(cred, refresh_token=""), spec)

    def limits(self, cred: Credentials | None) -> Limits:
        if cred is None or cred.long_posts is None:
            return LIMITS
        return LONG if cred.long_posts else SHORT

    def preflight(self, draft: Draft, limits: Limits) -> Preflight:
        return check(draft, limits)

    def new_handle(self, key: str, index: int, composed_at: datetime) -> str:
        return ""

    def submit(self, cred: Credentials, job: PartJob) -> Staged:
        uploads = x_media.Uploads(self.http, self.config.api_url, self._headers(cred), self.clock)
        names = XOptions.of(job.options).tagged if job.index == 0 and job.media else ()
        people = {"tagged": self._ids_of(cred, names)} if names else {}  # known before anything is uploaded
        return Staged(data={**uploads.stage(job.media), **people})

    def _ids_of(self, cred: Credentials, names: Sequence[str]) -> list[str]:
        """The ids of people. Raises PostRejected when there is no such person, and who that is; Unavailable when X does not say."""
        wanted = [name.removeprefix("@") for name in names]
        body = self._get(cred, "/2/users/by", {"usernames": ",".join(wanted)})
        known = {text_at(row, "username").lower(): text_at(row, "id") for row in list_at(body, "data")}
        missed = {text_at(row, key).lower() for row in list_at(body, "errors") for key in ("value", "resource_id")}
        for name in wanted:
            if not known.get(name.lower()):
                if name.lower() not in missed:  # it was left out for another reason
                    raise Unavailable(f"X did not say who @{name} is; it is asked again.", shape(body))
                raise PostRejected(f"There is nobody called @{name} on X. Correct the name, or leave it out.")
        return [known[name.lower()] for name in wanted]

    def check(self, cred: Credentials, staged: Staged) -> Progress:
        uploads = x_media.Uploads(self.http, self.config.api_url, self._headers(cred), self.clock)
        return uploads.progress(staged.data)

    def finalize(self, cred: Credentials, job: PartJob, staged: Staged) -> Receipt:
        url = f"{self.config.api_url}/2/tweets"
        reply = self.http.send("POST", url, visible=True, headers=self._headers(cred), json=post_body(job, staged))
        if not reply.ok:
            raise refused(reply, RequestKind.PUBLISH, self.clock.now())
        remote_id = text_at(reply.json_or_none(), "data", "id")
        if not is_number(remote_id):
            raise ambiguous(reply)
        return Receipt(Ref(remote_id, self._permalink(cred.name, remote_id)))

    def locate(self, cred: Credentials, search: Search) -> Sighting:
        try:
            timeline = self._timeline(cred, search.since - SLACK, search.newest_known_post)
        except (ReconnectNeeded, Throttled):
            raise
        except PlatformError as error:
            return Sighting(SightingState.UNSURE, None, error.message)
        return sighting_in(timeline, search, slack=SLACK)

    def fetch(self, cred: Credentials, remote_id: str) -> RemotePost | None:
        body = self._get(cred, f"/2/tweets/{remote_id}", self._dialect.params, missing_ok=True)
        data = dig(body, "data")
        if data is None and is_missing(body):
            return None
        if text_at(data, "id") != remote_id:
            raise UnexpectedReply("X answered without the post that was asked for.", shape(body))
        return self._post(cred, data, dig(body, "includes"))

    def recent(self, cred: Credentials, since: datetime) -> Timeline:
        return self._timeline(cred, since, None)

    def read_many(self, cred: Credentials, ids: Sequence[str]) -> dict[str, Reading]:
        params = {**self._dialect.with_counts, "ids": ",".join(ids)}
        body = self._get(cred, "/2/tweets", params, missing_ok=True)
        includes = dig(body, "includes")
        found = {text_at(row, "id"): row for row in list_at(body, "data")}
        told = {
            one: Reading(self._post(cred, found[one], includes), read_counts(found[one])) for one in ids if one in found
        }
        return told | {one: Reading(None) for one in missing_ids(body) if one in ids and one not in told}

    def delete(self, cred: Credentials, remote_id: str) -> None:
        url = f"{self.config.api_url}/2/tweets/{remote_id}"
        reply = invisible(lambda: self.http.send("DELETE", url, headers=self._headers(cred)))
        body = reply.json_or_none()
        if is_missing(body) or dig(body, "data", "deleted") is True:
            return
        if not reply.ok:
            raise refused(reply, RequestKind.STAGE, self.clock.now())
        raise UnexpectedReply("X did not confirm that the post is deleted.", reply.excerpt, http_status=reply.status)

    def _headers(self, cred: Credentials) -> dict[str, str]:
        return {"Authorization": f"Bearer {cred.access_token}"}

    def _permalink(self, name: str, remote_id: str) -> str:
        return f"{self.config.auth_url}/{name or 'i'}/status/{remote_id}"

    def _get(
        self, cred: Credentials, path: str, params: dict[str, str] | None = None, *, missing_ok: bool = False
    ) -> dict[str, object]:
        reply = self.http.read("GET", self.config.api_url + path, headers=self._headers(cred), params=params)
        if reply.ok or (missing_ok and not is_ambiguous(reply.status) and is_missing(reply.json_or_none())):
            return _checked(reply)
        raise refused(reply, RequestKind.READ, self.clock.now())

    def _page(self, cred: Credentials, size: int, token: str) -> dict[str, object]:
        params = {**self._dialect.params, "max_results": str(size)}
        if token:
            params["pagination_token"] = token
        return self._get(cred, f"/2/users/{cred.remote_id}/tweets", params)

    def _timeline(self, cred: Credentials, since: datetime, newest_known_post: str | None) -> Timeline:
        """Own posts back to `since` and past the newest known post, which may be much older."""
        posts: list[RemotePost] = []
        token = ""
        whole = True
        for _ in range(MAX_PAGES):
            body = self._page(cred, PAGE_SIZE, token)
            rows = list_at(body, "data")
            posts += [self._post(cred, row, dig(body, "includes")) for row in rows]
            said = count_at(body, "meta", "result_count")
            whole = whole and (said is None or said <= len(rows))
            token = text_at(body, "meta", "next_token")
            if not token or _passed(posts, since, newest_known_post):
                return Timeline(tuple(posts), whole)
        return Timeline(tuple(posts), whole and _passed(posts, since, None))

    def _post(self, cred: Credentials, data: object, includes: object) -> RemotePost:
        post = read_post(data, includes)
        name = post.author_name or cred.name
        return replace(post, ref=Ref(post.ref.remote_id, self._permalink(name, post.ref.remote_id)))


def post_body(job: PartJob, staged: Staged) -> dict[str, object]:
    """The body of POST /2/tweets; the same in both dialects (x/facts.md, 2)."""
    body: dict[str, object] = {"text": job.text, **asked(XOptions.of(job.options))}
    media = list_at(dict(staged.data), "media_ids")
    if media:
        tagged = list_at(dict(staged.data), "tagged")
        body["media"] = {"media_ids": media} | ({"tagged_user_ids": tagged} if tagged else {})
    if job.parent is not None:
        body["reply"] = {"in_reply_to_tweet_id": job.parent.remote_id}
    return body


def _passed(posts: list[RemotePost], since: datetime, newest_known_post: str | None) -> bool:
    """Whether the listing (newest first) went beyond `since` and the newest known post; ids of X grow with time."""
    if not posts:
        return False
    oldest = posts[-1]
    reached = oldest.created_at is not None and oldest.created_at < since
    return reached and (not newest_known_post or _number(oldest.ref.remote_id) <= _number(newest_known_post))


def _number(remote_id: str) -> int:
    return int(remote_id) if is_number(remote_id) else 0


def _checked(reply: Reply) -> dict[str, object]:
    body = require_object(reply)
    if not ({"data", "meta", "errors"} & body.keys()):
        raise UnexpectedReply("X answered in an unknown form.", reply.excerpt, http_status=reply.status)
    return body
