"""Bluesky, over any PDS of the AT Protocol. Facts: bluesky/facts.md.

Exactly once: the record key (a TID from the delivery key) is chosen before the first try, and `putRecord` with it is
the visible act. It is sent with `swapRecord: null`, which says "only if there is no other record here": a repeat of the
same record changes nothing and answers 200, and a different record at that key is refused with InvalidSwap instead of
being overwritten (both measured: bluesky/facts.md, 5). Nothing can be there before the first send, because the key holds
the delivery's UUID. So a repeat is safe, and looking is one `getRecord`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlencode

from postprober.clock import Clock, SystemClock, utc_iso
from postprober.domain.account import Credentials, Identity
from postprober.domain.limits import Limits
from postprober.domain.platform import PlatformConfig, ReconcileMode
from postprober.domain.post import Draft, MediaFile, MediaKind, Preflight
from postprober.domain.preflight import check as check_draft
from postprober.domain.preflight import without_subtitles
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
from postprober.domain.subtitles import language_in
from postprober.domain.text import same_text
from postprober.errors import (
    DuplicateRefused,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Suspended,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.http import HttpClient, Reply
from postprober.platforms.bluesky import calls
from postprober.platforms.bluesky.about import ABOUT
from postprober.platforms.bluesky.limits import LIMITS
from postprober.platforms.bluesky.options import BlueskyOptions, gates, quoted
from postprober.platforms.bluesky.record import COLLECTION, build_record, facets, post_from, repo_of, rkey_of, tid
from postprober.platforms.bluesky.session import bearer, failure, login, renew
from postprober.platforms.common import bound_oauth
from postprober.platforms.common.adapter import READY, Traits
from postprober.platforms.common.media import upload
from postprober.platforms.common.replies import ambiguous, count_at, dig, invisible, list_at, require_object, text_at

__all__ = ["TRAITS", "BlueskyAdapter", "login"]

TRAITS = Traits(
    platform=ABOUT.platform,
    mode=ReconcileMode.RECONCILE,
    settle=timedelta(seconds=2),  # a repeat is harmless, so this only avoids needless ones
    threads=True,
    video=True,
    deletes=True,
    lists_own=True,
    refreshes=True,
    pkce=False,
    sends_alike_twice_safely=True,
    batch=25,  # lexicon app.bsky.feed.getPosts, uris
    cards="sent",  # bluesky/facts.md, 2: whoever writes the post makes the card
)
PAGE = 100  # lexicon com.atproto.repo.listRecords, limit
MAX_PAGES = 10  # 1,000 records back
UPLOAD_SECONDS = 300.0  # a video of 300 MB on a slow line


class BlueskyAdapter:
    """See `base.Adapter`. The server is `cred.instance`, else the configured one. `Ref.extra` holds the `cid`."""

    def __init__(self, http: HttpClient, config: PlatformConfig, clock: Clock | None = None) -> None:
        self._http = http
        self._config = config
        self._clock = clock or SystemClock()
        seconds = config.settings.get("settle_seconds")
        self.traits = replace(TRAITS, settle=timedelta(seconds=float(seconds))) if seconds else TRAITS

    def identify(self, cred: Credentials) -> Identity:
        reply = self._query(cred, "com.atproto.server.getSession", {}, token=True)
        did = text_at(require_object(reply), "did")
        if not did:
            raise UnexpectedReply(
                "Bluesky does not say whose session this is.", reply.excerpt, http_status=reply.status
            )
        if dig(reply.json(), "active") is False:
            raise Suspended("This Bluesky account is deactivated. Activate it on Bluesky first.")
        newest, _ = self._page(replace(cred, remote_id=did), "", limit=1)
        return Identity(did, text_at(reply.json(), "handle"), newest[0].ref.remote_id if newest else None)

    def refresh(self, cred: Credentials) -> Credentials:
        if bound_oauth.is_bound(cred):
            return bound_oauth.refresh(self._http, cred, "Bluesky", self._clock)
        return renew(self._http, self._base(cred), cred, clock=self._clock)

    def revoke(self, cred: Credentials) -> bool:
        """Ends this session only. The app password itself can be withdrawn by the person alone."""
        if bound_oauth.is_bound(cred):
            return bound_oauth.revoke(self._http, cred, "Bluesky", self._clock)
        url = f"{self._base(cred)}/xrpc/com.atproto.server.deleteSession"
        return self._http.send("POST", url, headers=bearer(cred.refresh_token)).ok

    def limits(self, cred: Credentials | None) -> Limits:
        return LIMITS

    def preflight(self, draft: Draft, limits: Limits) -> Preflight:
        return check_draft(draft, limits)

    def new_handle(self, key: str, index: int, composed_at: datetime) -> str:
        return tid(key, index, composed_at)

    def submit(self, cred: Credentials, job: PartJob) -> Staged:
        """Upload the blobs and look up the mentions; the finished record is staged, so that a repeat is identical."""
        tracks = [file for file in job.media if file.kind is MediaKind.SUBTITLES]
        job = replace(job, media=without_subtitles(job.media))
        blobs = [self._upload(cred, file) for file in job.media]
        captions = [self._caption(cred, file, job.language) for file in tracks]
        picture = job.card_picture if job.card is not None and not blobs else None
        thumb = self._blob(cred, Path(picture.path).read_bytes(), picture.mime) if picture is not None else None
        found = facets(job.text, lambda handle: self._did_of(cred, handle))
        return Staged(data={"record": build_record(job, found, blobs, self._quoted(cred, job), thumb, captions)})

    def _quoted(self, cred: Credentials, job: PartJob) -> Ref | None:
        """The post that this part quotes, with its `cid`. Raises PostRejected when it is not there."""
        named = quoted(BlueskyOptions.of(job.options).quote) if job.index == 0 else None
        if named is None:
            return None
        who, key = named
        did = who if who.startswith("did:") else self._did_of(cred, who)
        uri = f"at://{did}/{COLLECTION}/{key}"
        post = self.read_many(cred, [uri])[uri].post if did else None
        if post is None:
            raise PostRejected("The post to quote is not there. Check its link, or publish without the quote.")
        return post.ref

    def _upload(self, cred: Credentials, file: MediaFile) -> tuple[object, int, int]:
        with upload(file, self.limits(cred)) as ready:
            return self._blob(cred, ready.content, ready.mime), ready.width, ready.height

    def _caption(self, cred: Credentials, file: MediaFile, language: str) -> dict[str, object]:
        """Lexicon app.bsky.embed.video#caption."""
        data = Path(file.path).read_bytes()
        return {"lang": language_in(file.name) or language, "file": self._blob(cred, data, file.mime)}

    def _blob(self, cred: Credentials, data: bytes | BinaryIO, mime: str) -> object:
        url = f"{self._base(cred)}/xrpc/com.atproto.repo.uploadBlob"
        reply = invisible(
            lambda: calls.send(self._http, self._clock, cred, url, content=data, mime=mime, timeout=UPLOAD_SECONDS)
        )
        if not reply.ok:
            raise self._failure(reply, cred)
        blob = dig(reply.json_or_none(), "blob")
        if not isinstance(blob, dict):
            raise Unavailable("Bluesky did not confirm the upload; it will be repeated.", reply.excerpt)
        return blob

    def _did_of(self, cred: Credentials, handle: str) -> str | None:
        """None when the handle is unknown, or when this server cannot look it up: then it stays plain text."""
        reply = self._http.read(
            "GET", f"{self._base(cred)}/xrpc/com.atproto.identity.resolveHandle", params={"handle": handle.lower()}
        )
        if reply.status == 429:
            raise self._failure(reply, cred)
        return text_at(reply.json_or_none(), "did") or None if reply.ok else None

    def check(self, cred: Credentials, staged: Staged) -> Progress:
        return READY

    def finalize(self, cred: Credentials, job: PartJob, staged: Staged) -> Receipt:
        uri = self._uri(cred, job.handle)
        beside = gates(BlueskyOptions.of(job.options), uri, utc_iso(job.composed_at), first=job.index == 0)
        if beside:
            return self._with_gates(cred, job, staged, uri, beside)
        reply = calls.send(
            self._http,
            self._clock,
            cred,
            f"{self._base(cred)}/xrpc/com.atproto.repo.putRecord",
            visible=True,
            json={
                "repo": cred.remote_id,
                "collection": COLLECTION,
                "rkey": job.handle,
                "swapRecord": None,
                "record": staged.data["record"],
            },
        )
        if reply.ok:
            body = reply.json_or_none()
            cid = text_at(body, "cid")
            if not cid or text_at(body, "uri") != uri:
                raise ambiguous(reply)
            return Receipt(Ref(uri, self._url(cred, uri), {"cid": cid}))
        if text_at(reply.json_or_none(), "error") == "InvalidSwap":
            return self._settle_swap(cred, uri, staged, reply)
        raise self._failure(reply, cred, visible=True)

    def _with_gates(
        self, cred: Credentials, job: PartJob, staged: Staged, uri: str, beside: list[tuple[str, dict[str, object]]]
    ) -> Receipt:
        """The post and what says who may reply and quote, in one commit: all of it or nothing. The post comes first, as in
        the official app. A repeat is refused as a whole, because the key is taken: then what stands there decides."""
        writes = [(COLLECTION, staged.data["record"]), *beside]
        reply = calls.send(
            self._http,
            self._clock,
            cred,
            f"{self._base(cred)}/xrpc/com.atproto.repo.applyWrites",
            visible=True,
            json={
                "repo": cred.remote_id,
                "writes": [
                    {
                        "$type": "com.atproto.repo.applyWrites#create",
                        "collection": collection,
                        "rkey": job.handle,
                        "value": value,
                    }
                    for collection, value in writes
                ],
            },
        )
        if reply.ok:
            first = dig(reply.json_or_none(), "results", 0)
            if text_at(first, "uri") != uri or not text_at(first, "cid"):
                raise ambiguous(reply)
            return Receipt(Ref(uri, self._url(cred, uri), {"cid": text_at(first, "cid")}))
        if reply.status == 500:
            return self._settle_swap(cred, uri, staged, reply)
        raise self._failure(reply, cred, visible=True)

    def _settle_swap(self, cred: Credentials, uri: str, staged: Staged, reply: Reply) -> Receipt:
        """Something is at our key already. If it is this very record, an earlier try made it (a server may check
        `swapRecord` before it notices that nothing would change); if it is another one, it stays as it is."""
        try:
            item = self._record(cred, uri)
        except PlatformError as error:
            raise ambiguous(reply, uri) from error
        if item is not None and dig(item, "value") == staged.data["record"]:
            return Receipt(Ref(uri, self._url(cred, uri), {"cid": text_at(item, "cid")}))
        if item is None and reply.status == 500:  # it may be anything; nothing says that the key is taken
            raise ambiguous(reply, uri)
        text = "Bluesky says that another record is already at this post's place."
        raise DuplicateRefused(
            text, reply.excerpt, http_status=reply.status, code="InvalidSwap", earlier_id=uri if item else None
        )

    def locate(self, cred: Credentials, search: Search) -> Sighting:
        uri = self._uri(cred, search.job.handle)
        try:
            post = self.fetch(cred, uri)
        except (ReconnectNeeded, Throttled):
            raise
        except PlatformError as error:
            return Sighting(SightingState.UNSURE, None, f"the record could not be read: {error.message}")
        if post is None:
            return Sighting(SightingState.ABSENT, None, "there is no record at the key that was chosen for it")
        if uri in search.exclude:
            return Sighting(SightingState.UNSURE, post, "the record at its key belongs to another delivery")
        kept = same_text(post.text, search.job.text)
        reason = "the record is at its key" if kept else "the record is at its key, with another text"
        return Sighting(SightingState.FOUND, post, reason)

    def fetch(self, cred: Credentials, remote_id: str) -> RemotePost | None:
        item = self._record(cred, remote_id)
        return None if item is None else self._post(cred, item)

    def _record(self, cred: Credentials, uri: str) -> dict[str, object] | None:
        """`uri`, `cid` and `value` of a record, None when the server says that there is none."""
        params = {"repo": repo_of(uri) or cred.remote_id, "collection": COLLECTION, "rkey": rkey_of(uri)}
        reply = self._http.read("GET", f"{self._base(cred)}/xrpc/com.atproto.repo.getRecord", params=params)
        if text_at(reply.json_or_none(), "error") == "RecordNotFound":
            return None
        if not reply.ok:
            raise self._failure(reply, cred)
        body = require_object(reply)
        if rkey_of(text_at(body, "uri")) != rkey_of(uri) or not isinstance(body.get("value"), dict):
            raise UnexpectedReply("Bluesky answered with another record.", reply.excerpt, http_status=reply.status)
        return body

    def recent(self, cred: Credentials, since: datetime) -> Timeline:
        posts: list[RemotePost] = []
        cursor = ""
        for _ in range(MAX_PAGES):
            page, cursor = self._page(cred, cursor)
            posts.extend(page)
            reached = any(post.created_at is not None and post.created_at < since for post in page)
            if reached or not page or not cursor:
                return Timeline(tuple(posts), True)
        return Timeline(tuple(posts), False)

    def read_many(self, cred: Credentials, ids: Sequence[str]) -> dict[str, Reading]:
        """From the appview, which counts. It leaves out what it does not show; of one post the server that keeps it then
        has the last word. A server without an appview is asked for each record, and nothing is counted, which is not
        zero."""
        query = urlencode([("uris", one) for one in ids])
        try:
            reply = self._query(cred, f"app.bsky.feed.getPosts?{query}", {}, token=True)
        except Unavailable as error:
            if error.http_status not in (501, 502):
                raise
            return {one: Reading(self.fetch(cred, one)) for one in ids}
        found = {text_at(post, "uri"): post for post in list_at(reply.json(), "posts")}
        told = {one: Reading(self._shown(cred, found[one]), _counts(found[one])) for one in ids if one in found}
        return told if told or len(ids) > 1 else {ids[0]: Reading(self.fetch(cred, ids[0]))}

    def _shown(self, cred: Credentials, post: object) -> RemotePost:
        uri = text_at(post, "uri")
        return post_from(uri, text_at(post, "cid"), dig(post, "record"), self._url(cred, uri))

    def delete(self, cred: Credentials, remote_id: str) -> None:
        reply = calls.send(
            self._http,
            self._clock,
            cred,
            f"{self._base(cred)}/xrpc/com.atproto.repo.deleteRecord",
            json={"repo": cred.remote_id, "collection": COLLECTION, "rkey": rkey_of(remote_id)},
        )
        if not reply.ok:
            raise self._failure(reply, cred)

    def _page(self, cred: Credentials, cursor: str, *, limit: int = PAGE) -> tuple[list[RemotePost], str]:
        """One page of the own records, newest key first, and the cursor of the next ("" at the end)."""
        params = {"repo": cred.remote_id, "collection": COLLECTION, "limit": str(limit)}
        reply = self._query(cred, "com.atproto.repo.listRecords", {**params, **({"cursor": cursor} if cursor else {})})
        body = require_object(reply)
        records = [item for item in list_at(body, "records") if text_at(item, "uri")]
        return [self._post(cred, item) for item in records], text_at(body, "cursor")

    def _post(self, cred: Credentials, item: object) -> RemotePost:
        uri = text_at(item, "uri")
        return post_from(uri, text_at(item, "cid"), dig(item, "value"), self._url(cred, uri))

    def _query(self, cred: Credentials, method: str, params: Mapping[str, str], *, token: bool = False) -> Reply:
        """A read. Records are public, so only what needs the token sends it: looking works without a live session."""
        url = f"{self._base(cred)}/xrpc/{method}"
        if token:
            reply = calls.read(self._http, self._clock, cred, url, params or None)
        else:
            reply = self._http.read("GET", url, params=params or None)
        if not reply.ok:
            raise self._failure(reply, cred)
        return reply

    def _base(self, cred: Credentials) -> str:
        return cred.instance or self._config.api_url

    def _uri(self, cred: Credentials, rkey: str) -> str:
        return f"at://{cred.remote_id}/{COLLECTION}/{rkey}"

    def _url(self, cred: Credentials, uri: str) -> str:
        return f"{self._config.auth_url}/profile/{cred.name or repo_of(uri)}/post/{rkey_of(uri)}"

    def _failure(self, reply: Reply, cred: Credentials, *, visible: bool = False) -> PlatformError:
        return failure(
            reply,
            self._clock.now(),
            visible=visible,
            can_log_in=bool(cred.secret.get("password")) or bound_oauth.is_bound(cred),
        )


def _counts(post: object) -> Counts:
    return Counts(
        likes=count_at(post, "likeCount"),
        reposts=count_at(post, "repostCount"),
        replies=count_at(post, "replyCount"),
        quotes=count_at(post, "quoteCount"),
        bookmarks=count_at(post, "bookmarkCount"),
    )
