"""Mastodon and servers that speak its client API (GoToSocial, Hollo, Akkoma, Pixelfed, snac). Facts: mastodon/facts.md.

Exactly once: the `Idempotency-Key` is fixed before the first try and kept by Mastodon for an hour. Not every server
honours it (snac does not), so a repeat is never called safe: absence is proven from the account's own statuses. What
differs between their servers is in `software.py`.
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
from postprober.platforms.mastodon.replies import (
    counts_from,
    failure,
    is_formatted,
    limits_from,
    post_from,
    words_of,
)
from postprober.platforms.mastodon.server import own_address
from postprober.platforms.mastodon.software import (
    BY_TITLE,
    MASTODON,
    ServerSoftware,
    language_for,
    software_for,
    software_of,
)

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
_NO_SUCH_PATH = frozenset({404, 405, 501})
_NOT_FOUND = "no query results"  # mastodon/facts.md, 10
_JSON = {"Accept": "application/json"}  # without it Pixelfed sends who is refused to a page (mastodon/facts.md, 10)
UPLOAD_SECONDS = 120.0  # a video of 99 MiB on a slow line


def register_app(http: HttpClient, instance: str, redirect_uri: str) -> dict[str, str]:
    """A client for this server: `client_id`, `client_secret` (POST /api/v1/apps), and the `scopes` that it may ask for. Raises
    Unavailable, PostRejected, UnexpectedReply. An unknown outcome is Unavailable: a second registration does no harm."""
    software = _software_at(http, instance)
    wanted: tuple[tuple[str, ...], ...] = (oauth.SCOPES, *oauth.OLDER_SCOPES)
    if software.scopes:
        wanted = (software.scopes,)
    elif software.needs_read_accounts:
        wanted = oauth.OLDER_SCOPES
    for scopes in map(" ".join, wanted):
        form = {"client_name": "PostProber", "redirect_uris": redirect_uri, "scopes": scopes}
        reply = invisible(
            lambda form=form: http.send("POST", f"{instance}/api/v1/apps", data=form, headers=_JSON)  # type: ignore[misc]
        )
        if reply.status not in _UNKNOWN_SCOPE:
            break
    body = reply.json_or_none() if reply.ok else None
    app = {name: text_at(body, name) for name in ("client_id", "client_secret")} | {"scopes": scopes}
    if not all(app.values()):
        text = f"{instance} is no Mastodon server. Give the server's own address, such as https://mastodon.social."
        raise UnexpectedReply(text, reply.excerpt, http_status=reply.status)
    return app


def _instance(http: HttpClient, base: str) -> object:
    """The server's page about itself (v2, else v1), None where it has none. Raises Unavailable."""
    for path in ("/api/v2/instance", "/api/v1/instance"):
        reply = http.read("GET", base + path, headers=_JSON)
        body = reply.json_or_none() if reply.ok else None
        if isinstance(body, dict):
            return body
    return None


def _software_at(http: HttpClient, base: str) -> ServerSoftware:
    """Taken for Mastodon where it cannot be asked: what another server refuses is refused before anything is made."""
    try:
        return software_of(_instance(http, base))
    except PlatformError:
        return MASTODON


class MastodonAdapter:
    """See `base.Adapter`. The server is `cred.instance`, else the configured one."""

    def __init__(self, http: HttpClient, config: PlatformConfig, clock: Clock | None = None) -> None:
        self._http = http
        self._config = config
        self._clock = clock or SystemClock()
        self._formatted: set[str] = set()  # ids of own posts whose words a server made formatting of
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
        instance = _instance(self._http, self._base(cred)) if cred is not None else None
        return LIMITS if instance is None else limits_from(instance, LIMITS)

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
            software = software_for(limits)
        elif quote:
            software = MASTODON  # no other of those that are known takes what quotes ask for
        else:
            software = _software_at(self._http, self._base(cred))
        if software is not MASTODON:
            staged["software"] = software.title
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
            for version in ("v2", "v1"):  # the first came with Mastodon 3.1.3; the older one takes the same
                reply = invisible(
                    lambda version=version: self._http.send(  # type: ignore[misc]
                        "POST",
                        f"{self._base(cred)}/api/{version}/media",
                        headers=_auth(cred),
                        data={"description": file.alt},
                        files={"file": (name, ready.content, ready.mime)},
                        timeout=UPLOAD_SECONDS,
                    )
                )
                if reply.status not in _NO_SUCH_PATH:
                    break
        if not reply.ok:
            raise self._failure(reply)
        body = reply.json_or_none()
        media_id = text_at(body, "id")
        if not media_id:
            raise Unavailable("The server did not confirm the upload; it will be repeated.", reply.excerpt)
        # Akkoma says 202 of what is ready, and lets apps that only write not ask again; what is worked on has no address yet.
        return {"id": media_id, "ready": reply.status == 200 or bool(text_at(body, "url"))}

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
        software = BY_TITLE.get(text_at(staged.data, "software"), MASTODON)
        wanted = asked(MastodonOptions.of(job.options), software, first=job.index == 0)
        body: dict[str, object] = {"status": job.text, **wanted}
        if software.takes_format:  # or the account's own setting may make Markdown of it
            body["content_type"] = "text/plain"
        if staged.data.get("media"):
            body["media_ids"] = [text_at(item, "id") for item in list_at(staged.data, "media")]
        if job.parent is not None:
            body["in_reply_to_id"] = job.parent.remote_id
        if "language" not in body and (language := language_for(software, tag(job.language))):
            body["language"] = language  # Mastodon leaves out a region that it does not keep
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
        found = sighting_in(Timeline(posts, timeline.complete), search)
        try:
            if found.state is SightingState.ABSENT:
                return self._surely_absent(cred, Timeline(posts, timeline.complete), search, found)
            if not any(post.app and post.text == sent for post in posts):
                return found
            if not _software_at(self._http, self._base(cred)).tells_app:
                return sighting_in(Timeline(tuple(replace(p, app="") for p in posts), timeline.complete), search)
            own = self._own_app(cred)
        except (ReconnectNeeded, Throttled):
            raise
        except PlatformError as error:
            return Sighting(SightingState.UNSURE, None, f"it could not be asked whose app this is: {error.message}")
        asked = replace(search, apps=frozenset({own})) if own else search
        return sighting_in(Timeline(posts, timeline.complete), asked)

    def _surely_absent(self, cred: Credentials, timeline: Timeline, search: Search, found: Sighting) -> Sighting:
        """`found`, unless the server's list leaves out what is looked for, or shows it with other words than were sent: a
        server that reads Markdown tells the words only as a source. Raises PlatformError."""
        near = [p for p in timeline.posts if p.ref.remote_id not in search.exclude and not _older(p, search)]
        if not near and search.job.parent is None:
            return found
        software = _software_at(self._http, self._base(cred))
        if search.job.parent is not None and not software.lists_replies:
            reason = f"{software.title}'s list of own posts leaves out those that answer another"
            return Sighting(SightingState.UNSURE, None, reason)
        doubtful = [p for p in near if software.markdown or p.ref.remote_id in self._formatted]
        if not doubtful:
            return found
        sources = {p.ref.remote_id: self._source(cred, p.ref.remote_id) for p in doubtful}
        if None in sources.values():
            return Sighting(SightingState.UNSURE, None, "the server does not tell the words that were sent")
        told = tuple(replace(p, text=sources.get(p.ref.remote_id) or p.text) for p in timeline.posts)
        same = tuple(replace(p, text=search.job.text) if _same(p.text, search.job.text) else p for p in told)
        return sighting_in(Timeline(same, timeline.complete), search)

    def _source(self, cred: Credentials, remote_id: str) -> str | None:
        """The words as they were sent (GET /api/v1/statuses/:id/source); None where the server does not tell them."""
        url = f"{self._base(cred)}/api/v1/statuses/{remote_id}/source"
        reply = self._http.read("GET", url, headers=_auth(cred))
        if not reply.ok and (reply.status in _NO_SUCH_PATH or reply.status == 410):
            return None
        if not reply.ok:
            raise self._failure(reply, reading=True)
        return text_at(reply.json_or_none(), "text") or None

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
        if status is None:
            return None
        post = post_from(status)
        if not is_formatted(status):
            return post
        try:
            return replace(post, text=self._source(cred, remote_id) or post.text)
        except (ReconnectNeeded, Throttled):
            raise
        except PlatformError:
            return post

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
        # Pixelfed's framework says 500 of what it does not find.
        if reply.status not in (404, 410) and not words_of(reply.json_or_none()).lower().startswith(_NOT_FOUND):
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
        own = [item for item in body if isinstance(item, dict) and text_at(item, "id") and not dig(item, "reblog")]
        self._formatted |= {text_at(item, "id") for item in own if is_formatted(item)}
        return [post_from(item) for item in own]

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
    return {**_JSON, "Authorization": f"Bearer {cred.access_token}"}


def _older(post: RemotePost, search: Search) -> bool:
    """Whether it was surely made before what is looked for."""
    return search.time_known and post.created_at is not None and post.created_at < search.since - timedelta(minutes=2)


def _same(read: str, sent: str) -> bool:
    """Equal, or different only in how a mention's server is written."""
    return same_text(read, sent) or same_text(without_hosts(read), without_hosts(sent))
