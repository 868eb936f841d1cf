"""Mastodon and servers that speak its client API (snac, GoToSocial, Pleroma). Facts: mastodon/facts.md.

Exactly once: the `Idempotency-Key` is fixed before the first try and kept by Mastodon for an hour. Not every server
honours it (snac does not), so a repeat is never called safe: absence is proven from the account's own statuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from postprober.clock import Clock, SystemClock
from postprober.domain.account import Credentials, Identity
from postprober.domain.addresses import split
from postprober.domain.limits import Limits
from postprober.domain.mentions import without_hosts
from postprober.domain.platform import PlatformConfig, ReconcileMode
from postprober.domain.post import Draft, MediaFile, Preflight
from postprober.domain.preflight import check as check_draft
from postprober.domain.remote import (
    PartJob,
    Progress,
    ProgressState,
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
from postprober.domain.text import same_text
from postprober.errors import (
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.http import HttpClient, Reply
from postprober.platforms.common.adapter import READY, Traits, sighting_in
from postprober.platforms.common.media import upload
from postprober.platforms.common.oauth import at_instance, revoke_tokens
from postprober.platforms.common.replies import ambiguous, dig, invisible, list_at, require_object, text_at
from postprober.platforms.mastodon import oauth
from postprober.platforms.mastodon.about import ABOUT
from postprober.platforms.mastodon.limits import LIMITS
from postprober.platforms.mastodon.options import MastodonOptions, asked, quoted_id, same_post, tag
from postprober.platforms.mastodon.replies import counts_from, failure, limits_from, post_from
from postprober.platforms.mastodon.server import own_address

TRAITS = Traits(
    platform=ABOUT.platform,
    mode=ReconcileMode.RECONCILE,
    settle=timedelta(seconds=15),  # a web worker of Mastodon is killed after 15 s (config/puma.rb, rack-timeout)
    threads=True,
    video=True,
    deletes=True,
    lists_own=True,
    refreshes=False,  # tokens do not expire (mastodon/facts.md, 1)
    pkce=True,
    sends_alike_twice_safely=False,
    batch=20,  # mastodon/facts.md, 7
    cards="made by the platform",  # mastodon/facts.md, 3
)
PAGE = 40  # largest page of an account's statuses (docs.joinmastodon.org/methods/accounts/#statuses)
MAX_PAGES = 25  # 1,000 statuses back; who posts more between two looks gets "unsure"
_ABOUT_US = frozenset({401, 403, 429})  # of the token or the pace; other refusals are of the question
_UNKNOWN_SCOPE = frozenset({400, 422})  # "Scopes doesn't match configured on the server" (mastodon/facts.md, 1)
UPLOAD_SECONDS = 120.0  # a video of 99 MiB on a slow line


def register_app(http: HttpClient, instance: str, redirect_uri: str) -> dict[str, str]:
    """A client for this server: `client_id`, `client_secret` (POST /api/v1/apps), and the `scopes` that it may ask for. Raises
    Unavailable, PostRejected, UnexpectedReply. An unknown outcome is Unavailable: a second registration does no harm."""
    for scopes in map(" ".join, (oauth.SCOPES, *oauth.OLDER_SCOPES)):
        form = {"client_name": "PostProber", "redirect_uris": redirect_uri, "scopes": scopes}
        reply = invisible(lambda form=form: http.send("POST", f"{instance}/api/v1/apps", data=form))  # type: ignore[misc]
        if reply.status not in _UNKNOWN_SCOPE:
            break
    body = reply.json_or_none() if reply.ok else None
    app = {name: text_at(body, name) for name in ("client_id", "client_secret")} | {"scopes": scopes}
    if not all(app.values()):
        text = f"{instance} is no Mastodon server. Give the server's own address, such as https://mastodon.social."
        raise UnexpectedReply(text, reply.excerpt, http_status=reply.status)
    return app


class MastodonAdapter:
    """See `base.Adapter`. The server is `cred.instance`, else the configured one."""

    def __init__(self, http: HttpClient, config: PlatformConfig, clock: Clock | None = None) -> None:
        self._http = http
        self._config = config
        self._clock = clock or SystemClock()
        seconds = config.settings.get("settle_seconds")
        self.traits = replace(TRAITS, settle=timedelta(seconds=float(seconds))) if seconds else TRAITS

    def identify(self, cred: Credentials) -> Identity:
        reply = self._read(cred, "/api/v1/accounts/verify_credentials")
        me = require_object(reply)
        account = text_at(me, "id")
        if not account:
            raise UnexpectedReply(
                "The server does not say whose token this is.", reply.excerpt, http_status=reply.status
            )
        page = self._page(cred, account, "")
        server = own_address(self._http, self._base(cred), _auth(cred), me)
        return Identity(account, text_at(me, "acct"), page[0].ref.remote_id if page else None, server=server)

    def refresh(self, cred: Credentials) -> Credentials:
        raise ReconnectNeeded("Mastodon tokens cannot be renewed; reconnect the account.")

    def revoke(self, cred: Credentials) -> bool:
        if not cred.secret.get("client_id"):
            return False
        config = at_instance(self._config, self._base(cred), cred.secret)
        return revoke_tokens(self._http, config, cred, oauth.spec(config))

    def limits(self, cred: Credentials | None) -> Limits:
        """The server's own numbers (v2, else v1 of its instance page), else Mastodon's defaults."""
        default = LIMITS
        if cred is None:
            return default
        for path in ("/api/v2/instance", "/api/v1/instance"):
            reply = self._http.read("GET", self._base(cred) + path)
            body = reply.json_or_none() if reply.ok else None
            if isinstance(body, dict):
                return limits_from(body, default)
        return default

    def preflight(self, draft: Draft, limits: Limits) -> Preflight:
        return check_draft(draft, limits)

    def new_handle(self, key: str, index: int, composed_at: datetime) -> str:
        return f"{key}-{index}"

    def submit(self, cred: Credentials, job: PartJob) -> Staged:
        """Upload the media with their descriptions, and look up what is quoted. Nobody sees any of it before the status
        names it."""
        quote = MastodonOptions.of(job.options).quote if job.index == 0 else ""
        staged: dict[str, object] = {"quote": self._quoted(cred, quote)} if quote else {}
        if job.media:
            limits = self.limits(cred)
            staged["media"] = [self._upload(cred, file, limits) for file in job.media]
        return Staged(data=staged) if staged else Staged()

    def _quoted(self, cred: Credentials, link: str) -> str:
        """The id on this server of the post behind `link`. Raises PostRejected where it cannot be quoted, and says why."""
        at_home = split(link.strip()).netloc.lower() == split(self._base(cred)).netloc.lower()
        named = quoted_id(link) if at_home else ""  # "" of a server of another kind, which finds its own posts, too
        status = self._status(cred, named) if named else self._elsewhere(cred, link.strip())
        if status is None:
            raise PostRejected("The post to quote is not there. Check its link, or publish without the quote.")
        approval = dig(status, "quote_approval")
        if not isinstance(approval, dict):
            raise PostRejected("This server has no quotes. Publish without the quote, and put the link into the text.")
        if text_at(approval, "current_user") not in ("automatic", "manual"):
            raise PostRejected("Its author does not let this account quote the post. Publish without the quote.")
        return text_at(status, "id")

    def _elsewhere(self, cred: Credentials, link: str) -> dict[str, object] | None:
        """The post of another server as this one knows it, which may fetch it for that."""
        query = urlencode({"q": link, "type": "statuses", "resolve": "true", "limit": "1"})
        reply = self._http.read("GET", f"{self._base(cred)}/api/v2/search?{query}", headers=_auth(cred))
        if reply.status == 403:
            text = (
                "To quote a post of another server, reconnect the account: it was linked without the right to search."
            )
            raise PostRejected(text, reply.excerpt, http_status=reply.status)
        if not reply.ok:
            raise self._failure(reply, reading=True)
        body = reply.json_or_none()
        if not isinstance(dig(body, "statuses"), list):  # says nothing about the post
            raise Unavailable(
                "The server did not say whether the post to quote is there; it is asked again.", reply.excerpt
            )
        found = dig(body, "statuses", 0)
        named = f"{text_at(found, 'url')} {text_at(found, 'uri')}"
        return found if isinstance(found, dict) and same_post(link, named) else None  # some search in texts, too

    def _upload(self, cred: Credentials, file: MediaFile, limits: Limits) -> dict[str, object]:
        with upload(file, limits) as ready:
            name = f"{file.sha256[:16]}.{ready.mime.rpartition('/')[2]}"
            reply = invisible(
                lambda: self._http.send(
                    "POST",
                    f"{self._base(cred)}/api/v2/media",
                    headers=_auth(cred),
                    data={"description": file.alt},
                    files={"file": (name, ready.content, ready.mime)},
                    timeout=UPLOAD_SECONDS,
                )
            )
        if not reply.ok:
            raise self._failure(reply)
        media_id = text_at(reply.json_or_none(), "id")
        if not media_id:
            raise Unavailable("The server did not confirm the upload; it will be repeated.", reply.excerpt)
        return {"id": media_id, "ready": reply.status == 200}

    def check(self, cred: Credentials, staged: Staged) -> Progress:
        for item in list_at(staged.data, "media"):
            if dig(item, "ready"):
                continue
            url = f"{self._base(cred)}/api/v1/media/{text_at(item, 'id')}"
            reply = self._http.read("GET", url, headers=_auth(cred))
            if reply.status == 206:
                return Progress(ProgressState.PROCESSING, 1.0)
            if reply.status == 404:
                return Progress(ProgressState.GONE, reason="the server no longer has the upload")
            if reply.status == 422:
                return Progress(ProgressState.FAILED, reason="the server could not process the file")
            if not reply.ok:
                raise self._failure(reply, reading=True)
        return READY

    def finalize(self, cred: Credentials, job: PartJob, staged: Staged) -> Receipt:
        wanted = asked(MastodonOptions.of(job.options), first=job.index == 0)
        body: dict[str, object] = {"status": job.text, **wanted}
        if staged.data.get("media"):
            body["media_ids"] = [text_at(item, "id") for item in list_at(staged.data, "media")]
        if job.parent is not None:
            body["in_reply_to_id"] = job.parent.remote_id
        if job.language and "language" not in body:
            body["language"] = tag(job.language)  # the server leaves out a region that it does not keep
        if quoted := text_at(staged.data, "quote"):
            body["quoted_status_id"] = quoted
        reply = self._http.send(
            "POST",
            f"{self._base(cred)}/api/v1/statuses",
            visible=True,
            json=body,
            headers={**_auth(cred), "Idempotency-Key": job.handle},
        )
        if not reply.ok:
            raise self._failure(reply, visible=True)
        status = reply.json_or_none()
        post_id = text_at(status, "id")
        if not post_id:
            raise ambiguous(reply)
        return Receipt(Ref(post_id, text_at(status, "url")))

    def locate(self, cred: Credentials, search: Search) -> Sighting:
        try:
            timeline = self._timeline(cred, search.since - timedelta(minutes=2), search)
        except (ReconnectNeeded, Throttled):
            raise
        except PlatformError as error:
            return Sighting(SightingState.UNSURE, None, f"own posts could not be read: {error.message}")
        sent = search.job.text
        posts = tuple(replace(post, text=sent) if _same(post.text, sent) else post for post in timeline.posts)
        read = Timeline(posts, timeline.complete)
        found = sighting_in(read, search)
        if found.state is SightingState.ABSENT or not any(post.app and post.text == sent for post in posts):
            return found
        try:
            own = self._own_app(cred)
        except (ReconnectNeeded, Throttled):
            raise
        except PlatformError as error:
            return Sighting(SightingState.UNSURE, None, f"it could not be asked which app this is: {error.message}")
        asked = replace(search, apps=frozenset({own})) if own else search
        return sighting_in(read, asked)

    def _own_app(self, cred: Credentials) -> str:
        """The name under which the server knows the app of this token; "" where it has no such answer
        (docs.joinmastodon.org/methods/apps#verify_credentials). The token has just read the list, so only 401 is about
        it; every other refusal is a server that does not know the question."""
        reply = self._http.read("GET", f"{self._base(cred)}/api/v1/apps/verify_credentials", headers=_auth(cred))
        if reply.ok:
            return text_at(reply.json_or_none(), "name")
        if reply.status == 501 or (400 <= reply.status < 500 and reply.status not in (401, 429)):
            return ""
        raise self._failure(reply, reading=True)

    def fetch(self, cred: Credentials, remote_id: str) -> RemotePost | None:
        status = self._status(cred, remote_id)
        return None if status is None else post_from(status)

    def _status(self, cred: Credentials, remote_id: str) -> dict[str, object] | None:
        reply = self._http.read("GET", f"{self._base(cred)}/api/v1/statuses/{remote_id}", headers=_auth(cred))
        if reply.status in (404, 410):
            return None
        if not reply.ok:
            raise self._failure(reply, reading=True)
        status = require_object(reply)
        if text_at(status, "id") != remote_id:
            raise UnexpectedReply("The server answered with another post.", reply.excerpt, http_status=reply.status)
        return status

    def recent(self, cred: Credentials, since: datetime) -> Timeline:
        return self._timeline(cred, since)

    def read_many(self, cred: Credentials, ids: Sequence[str]) -> dict[str, Reading]:
        """In one call where the server has that (Mastodon since 4.3), else one by one."""
        rows = self._statuses(cred, ids) if len(ids) > 1 else None
        if rows is not None:
            return {one: _reading(rows[one]) for one in ids if one in rows}
        singly = {one: self._status(cred, one) for one in ids}
        return {one: Reading(None) if status is None else _reading(status) for one, status in singly.items()}

    def _statuses(self, cred: Credentials, ids: Sequence[str]) -> dict[str, dict[str, object]] | None:
        """Those that the server shows, by id; None where it does not know the question."""
        query = urlencode([("id[]", one) for one in ids])
        reply = self._http.read("GET", f"{self._base(cred)}/api/v1/statuses?{query}", headers=_auth(cred))
        if not reply.ok and (reply.status == 501 or (400 <= reply.status < 500 and reply.status not in _ABOUT_US)):
            return None
        if not reply.ok:
            raise self._failure(reply, reading=True)
        body = reply.json_or_none()
        return {text_at(row, "id"): row for row in body if isinstance(row, dict)} if isinstance(body, list) else None

    def delete(self, cred: Credentials, remote_id: str) -> None:
        """snac answers every DELETE with 404, so that is believed only when the post is really gone."""
        reply = self._http.send("DELETE", f"{self._base(cred)}/api/v1/statuses/{remote_id}", headers=_auth(cred))
        if reply.ok:
            return
        if reply.status not in (404, 410):
            raise self._failure(reply)
        if self.fetch(cred, remote_id) is not None:
            text = "This server does not let programs delete posts; delete it on its own page."
            raise PostRejected(text, reply.excerpt, http_status=reply.status)

    # Reading the account's own statuses

    def _timeline(self, cred: Credentials, since: datetime, search: Search | None = None) -> Timeline:
        """Pages back until a post older than `since`, and one that shows the list to be fresh, were seen, or the list
        ends."""
        wanted = {search.newest_known_post, *search.later} if search and search.newest_known_post else set()
        reached = False
        account = cred.remote_id or text_at(self._read(cred, "/api/v1/accounts/verify_credentials").json(), "id")
        posts: dict[str, RemotePost] = {}
        max_id = ""
        for _ in range(MAX_PAGES):
            page = self._page(cred, account, max_id)
            fresh = [post for post in page if post.ref.remote_id not in posts]
            posts.update((post.ref.remote_id, post) for post in fresh)
            if not fresh:
                # The end; or a server without paging (snac) sent the same again: then its list was whole only if it is
                # shorter than what was asked for.
                return Timeline(tuple(posts.values()), not page or len(posts) < PAGE)
            reached = reached or any(post.created_at is not None and post.created_at < since for post in fresh)
            if reached and (not wanted or wanted & posts.keys()):
                return Timeline(tuple(posts.values()), True)
            max_id = page[-1].ref.remote_id
        return Timeline(tuple(posts.values()), reached)

    def _page(self, cred: Credentials, account: str, max_id: str) -> list[RemotePost]:
        params = {"limit": str(PAGE), "exclude_reblogs": "true", **({"max_id": max_id} if max_id else {})}
        reply = self._read(cred, f"/api/v1/accounts/{account}/statuses", params)
        body = reply.json()
        if not isinstance(body, list):
            raise UnexpectedReply("The server's answer is no list of posts.", reply.excerpt, http_status=reply.status)
        return [post_from(item) for item in body if text_at(item, "id") and not dig(item, "reblog")]

    def _read(self, cred: Credentials, path: str, params: Mapping[str, str] | None = None) -> Reply:
        reply = self._http.read("GET", self._base(cred) + path, headers=_auth(cred), params=params)
        if not reply.ok:
            raise self._failure(reply, reading=True)
        return reply

    def _base(self, cred: Credentials) -> str:
        return cred.instance or self._config.api_url

    def _failure(self, reply: Reply, *, visible: bool = False, reading: bool = False) -> PlatformError:
        return failure(reply, self._clock.now(), visible=visible, reading=reading)


def _reading(status: Mapping[str, object]) -> Reading:
    return Reading(post_from(status), counts_from(status))


def _auth(cred: Credentials) -> dict[str, str]:
    return {"Authorization": f"Bearer {cred.access_token}"}


def _same(read: str, sent: str) -> bool:
    """Equal, or different only in how a mention's server is written."""
    return same_text(read, sent) or same_text(without_hosts(read), without_hosts(sent))
