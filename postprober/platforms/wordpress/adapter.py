"""WordPress sites, by the REST API and an application password. Facts: wordpress/facts.md.

A post is made in two steps, and that is what makes it appear once: `submit` makes a draft, which nobody can see, and `finalize`
publishes that draft by its number. The number is known and stored before the visible act, so after a lost answer the same post is
read again, and publishing it again cannot make another one.

WordPress has no idempotency key: making a draft twice makes two, and gives the second another slug. So the draft's slug is a
mark of the delivery's key, and is looked for before a draft is made; one that a death left behind is found and used. A post
that is to have an address of its own loses that slug when it is published; the mark is then the name of its first block, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from postprober.clock import Clock, SystemClock
from postprober.domain.account import Credentials, Identity
from postprober.domain.limits import MB, Limits
from postprober.domain.platform import PlatformConfig, ReconcileMode
from postprober.domain.post import Draft, Preflight
from postprober.domain.preflight import check
from postprober.domain.remote import (
    Counts,
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
from postprober.errors import (
    NOT_PERMITTED,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.http import HttpClient, Reply
from postprober.platforms.common.adapter import READY, Traits, sighting_in
from postprober.platforms.common.errors import RequestKind
from postprober.platforms.common.replies import ambiguous, invisible, is_number, require_object, text_at
from postprober.platforms.wordpress.about import ABOUT
from postprober.platforms.wordpress.errors import GONE, NO_TRASH, TRASHED, is_code, refused
from postprober.platforms.wordpress.library import Library
from postprober.platforms.wordpress.limits import LIMITS
from postprober.platforms.wordpress.options import WordPressOptions, slug_for
from postprober.platforms.wordpress.posts import ANY, EMBEDDED, LISTED, NEWEST, as_post, is_public_by_now
from postprober.platforms.wordpress.site import api_url, authorization, may_publish, with_query
from postprober.platforms.wordpress.terms import Terms
from postprober.platforms.wordpress.text import blocks, plain

SETTLE_SECONDS = 60.0  # ours: PHP ends a request after 30 s where nobody set it; settings["settle_seconds"]
PAGE = 100  # the largest page (facts.md, 5)
MAX_PAGES = 20  # ours: 2,000 posts
SLACK = timedelta(minutes=2)
MARK = "pp-"
_UNSEEN = frozenset({"draft", "auto-draft", "pending"})  # facts.md, 2: nobody but its editors sees it
_TRASH = "trash"
_REMOVED = "Somebody moved the draft of this post to the trash of the site; nothing was published."

TRAITS = Traits(
    platform=ABOUT.platform,
    mode=ReconcileMode.RECONCILE,
    settle=timedelta(seconds=SETTLE_SECONDS),
    threads=False,
    video=True,
    deletes=True,
    lists_own=True,
    refreshes=False,  # application passwords do not end (facts.md, 1)
    pkce=False,
    sends_alike_twice_safely=True,  # facts.md, 5: the same draft is published again
    batch=50,  # ours; a page takes 100
)


class WordPressAdapter:
    """A site, seen by one of its users. See `platforms.common.adapter.Adapter`. `remote_id` of the credentials is the user's
    number."""

    def __init__(self, http: HttpClient, config: PlatformConfig, clock: Clock | None = None) -> None:
        self._http = http
        self._config = config
        self._clock = clock or SystemClock()
        seconds = float(config.settings.get("settle_seconds", SETTLE_SECONDS))
        self.traits = replace(TRAITS, settle=timedelta(seconds=seconds))

    def identify(self, cred: Credentials) -> Identity:
        me = self._ask(cred, "wp/v2/users/me", context="edit", _fields="id,slug,capabilities")
        user = text_at(me, "id")
        if not user:
            raise UnexpectedReply("The site does not say whose password this is.")
        may_publish(me)
        page = self._rows(cred, **NEWEST, author=user, per_page="1", _fields="id")
        return Identity(user, text_at(me, "slug"), text_at(page[0], "id") if page else None)

    def refresh(self, cred: Credentials) -> Credentials:
        raise ReconnectNeeded("An application password cannot be renewed; make a new one and reconnect the account.")

    def revoke(self, cred: Credentials) -> bool:
        """The password of this link alone, by its own word."""
        mine = self._ask(cred, "wp/v2/users/me/application-passwords/introspect", _fields="uuid")
        if not (uuid := text_at(mine, "uuid")):
            return False
        url = self._url(cred, f"wp/v2/users/me/application-passwords/{uuid}")
        reply = invisible(lambda: self._http.send("DELETE", url, headers=authorization(cred)))
        if not reply.ok:
            raise refused(reply, RequestKind.STAGE, self._clock.now())
        return True

    def limits(self, cred: Credentials | None) -> Limits:
        """No site tells what it takes; the operator may know (`max_upload_mb`)."""
        said = self._config.settings.get("max_upload_mb", "")
        if not said or LIMITS.video is None:
            return LIMITS
        return replace(LIMITS, video=replace(LIMITS.video, max_bytes=int(said) * MB))

    def preflight(self, draft: Draft, limits: Limits) -> Preflight:
        return check(draft, limits)

    def new_handle(self, key: str, index: int, composed_at: datetime) -> str:
        return MARK + sha256(f"{key}-{index}".encode()).hexdigest()[:12]

    def submit(self, cred: Credentials, job: PartJob) -> Staged:
        """The draft with all that belongs to it. One that is there already is brought up to this job; one that is published is
        left as it is, and `check` says so."""
        mark = self._mark(job)
        known = self._marked(cred, job, mark)
        status = text_at(known, "status")
        if status == _TRASH:
            raise PostRejected(_REMOVED, code=_TRASH)
        if known is not None and status not in _UNSEEN:
            return Staged(text_at(known, "id"))
        body = self._body(cred, job, mark) | {"status": "draft", "slug": mark}
        path = f"wp/v2/posts/{text_at(known, 'id')}" if known is not None else "wp/v2/posts"
        reply = invisible(
            lambda: self._http.send("POST", self._url(cred, path), headers=authorization(cred), json=body)
        )
        if not reply.ok:
            raise refused(reply, RequestKind.STAGE, self._clock.now())
        number = text_at(reply.json_or_none(), "id")
        if not number:
            raise Unavailable("The site did not confirm the draft; it is looked for and made anew.", reply.excerpt)
        return Staged(number)

    def check(self, cred: Credentials, staged: Staged) -> Progress:
        row = self._read(cred, staged.handle, _fields="id,status")
        if row is None:
            return Progress(ProgressState.GONE, reason="the draft is no longer on the site")
        status = text_at(row, "status")
        if status == _TRASH:
            raise PostRejected(_REMOVED, code=_TRASH)
        return READY if status in _UNSEEN else Progress(ProgressState.PUBLISHED)

    def finalize(self, cred: Credentials, job: PartJob, staged: Staged) -> Receipt:
        body = {"status": "publish", "slug": slug_for(WordPressOptions.of(job.options), self._mark(job))}
        url = self._url(cred, f"wp/v2/posts/{staged.handle}", _fields="id,status,link")
        reply = self._http.send("POST", url, visible=True, headers=authorization(cred), json=body)
        if not reply.ok:
            raise refused(reply, RequestKind.PUBLISH, self._clock.now())
        row = reply.json_or_none()
        if text_at(row, "id") != staged.handle or not text_at(row, "status"):
            raise ambiguous(reply)
        return Receipt(Ref(staged.handle, text_at(row, "link")), processing=not is_public_by_now(row))

    def locate(self, cred: Credentials, search: Search) -> Sighting:
        """By the number of the draft; where that was lost with the database, by its mark, then by the words."""
        try:
            number = search.staged.handle if search.staged else ""
            mark = self._mark(search.job)
            row: object = self._read(cred, number, **EMBEDDED) if number else self._marked(cred, search.job, mark)
            if row is not None:
                return self._seen(row)
            if number:  # somebody deleted it for good: before or after it was published nobody can say
                return Sighting(
                    SightingState.UNSURE, None, "the post that was to be published is no longer on the site"
                )
            return sighting_in(self.recent(cred, search.since - SLACK), search, slack=SLACK)
        except (ReconnectNeeded, Throttled):
            raise
        except PlatformError as error:
            return Sighting(SightingState.UNSURE, None, error.message)

    def _seen(self, row: object) -> Sighting:
        status = text_at(row, "status")
        if status in _UNSEEN:
            return Sighting(SightingState.OPEN, None, "the draft is there and not published")
        if status == _TRASH:
            return Sighting(SightingState.UNSURE, None, "somebody moved it to the trash of the site")
        return Sighting(SightingState.FOUND, as_post(row), "the draft with this number is published")

    def fetch(self, cred: Credentials, remote_id: str) -> RemotePost | None:
        row = self._read(cred, remote_id, **EMBEDDED)
        return None if row is None or text_at(row, "status") == _TRASH else as_post(row)

    def recent(self, cred: Credentials, since: datetime) -> Timeline:
        posts: list[RemotePost] = []
        for page in range(1, MAX_PAGES + 1):
            rows = self._rows(cred, **LISTED, **EMBEDDED, author=cred.remote_id, per_page=str(PAGE), page=str(page))
            posts += [as_post(row) for row in rows]
            oldest = posts[-1].created_at if posts else None
            if len(rows) < PAGE or (oldest is not None and oldest < since):
                return Timeline(tuple(posts), True)
        return Timeline(tuple(posts), False)

    def read_many(self, cred: Credentials, ids: Sequence[str]) -> dict[str, Reading]:
        """One call for the posts, and as few as it takes for their comments, which are all that a site counts."""
        numbers = [one for one in ids if is_number(one)]
        if not numbers:
            return {}
        rows = self._rows(cred, **ANY, **EMBEDDED, include=",".join(numbers), per_page=str(PAGE))
        found = {text_at(row, "id"): row for row in rows}
        shown = [one for one in numbers if text_at(found.get(one), "status") not in ("", _TRASH)]
        replies = self._comments(cred, shown)
        return {
            one: Reading(as_post(found[one]), Counts(replies=replies.get(one))) if one in shown else Reading(None)
            for one in numbers
        }

    def _comments(self, cred: Credentials, numbers: Sequence[str]) -> dict[str, int]:
        """How many approved comments each has; nothing where the list is too long, or closed."""
        if not numbers:
            return {}
        counted = dict.fromkeys(numbers, 0)
        for page in range(1, MAX_PAGES + 1):
            asked = {"post": ",".join(numbers), "per_page": str(PAGE), "page": str(page), "_fields": "post"}
            reply = self._http.read("GET", self._url(cred, "wp/v2/comments", **asked), headers=authorization(cred))
            if reply.status == 429:
                raise refused(reply, RequestKind.READ, self._clock.now())
            rows = reply.json_or_none()
            if not reply.ok or not isinstance(rows, list):
                return {}
            for row in rows:
                if (one := text_at(row, "post")) in counted:
                    counted[one] += 1
            if len(rows) < PAGE:
                return counted
        return {}

    def delete(self, cred: Credentials, remote_id: str) -> None:
        """Into the trash, where its author can still get it back; for good where the site has no trash."""
        for more in ({}, {"force": "true"}):
            url = self._url(cred, f"wp/v2/posts/{_number(remote_id)}", **more)
            reply = invisible(lambda url=url: self._http.send("DELETE", url, headers=authorization(cred)))  # type: ignore[misc]
            if not is_code(reply, NO_TRASH):
                break
        if not reply.ok and not is_code(reply, TRASHED, GONE):
            raise refused(reply, RequestKind.STAGE, self._clock.now())

    def edit(self, cred: Credentials, remote_id: str, job: PartJob) -> RemotePost:
        """The published post with the words, files and options of `job`; its address stays. Said twice it is the same edit."""
        body = self._body(cred, job, self._mark(job))
        url = self._url(cred, f"wp/v2/posts/{_number(remote_id)}", context="edit")
        reply = self._http.send("POST", url, visible=True, headers=authorization(cred), json=body)
        if not reply.ok:
            raise refused(reply, RequestKind.PUBLISH, self._clock.now())
        row = reply.json_or_none()
        if text_at(row, "id") != remote_id:
            raise ambiguous(reply)
        return as_post(row)

    def _body(self, cred: Credentials, job: PartJob, mark: str) -> dict[str, Any]:
        """What of a post is the same as a draft and published. Names become numbers, and files are handed over."""
        options = WordPressOptions.of(job.options)
        terms = Terms(self._http, self._root(cred), cred, self._clock)
        body: dict[str, Any] = {"title": plain(options.title), "excerpt": plain(options.excerpt)}
        if options.categories:
            body["categories"] = terms.categories(options.categories)
        if options.tags:
            body["tags"] = terms.tags(options.tags)
        if options.comments:
            body["comment_status"] = options.comments
        if options.post_format:
            body["format"] = options.post_format
        placed = Library(self._http, self._root(cred), cred, self.limits(None), self._clock).placed(job.media, mark)
        if options.featured and placed:
            body["featured_media"] = placed[0].id
            placed = placed[1:]
        return body | {"content": blocks(job.text, placed, mark if options.slug else "")}

    def _mark(self, job: PartJob) -> str:
        """The handle is replaced by the draft's number once there is one; the mark stays what it was."""
        return self.new_handle(job.key, job.index, job.composed_at)

    def _marked(self, cred: Credentials, job: PartJob, mark: str) -> object | None:
        """The post of this delivery, by its mark, in whatever state it is. One with an address of its own has the mark in its
        content instead, from when it was made."""
        options = WordPressOptions.of(job.options)
        slugs = sorted({mark} if options.slug else {mark, slug_for(options, mark)})
        wanted = ",".join([*slugs, *(f"{one}__trashed" for one in slugs)])  # facts.md, 8
        rows = self._rows(cred, **ANY, **EMBEDDED, slug=wanted)
        if options.slug:
            named = self._rows(cred, **ANY, **EMBEDDED, search=mark)
            rows += [row for row in named if mark in text_at(row, "content", "raw")]
        # A site may show what is out under another name (an editor's, a guest's); drafts of others nobody else may publish.
        mine = [
            row
            for row in rows
            if text_at(row, "author") in ("", cred.remote_id) or text_at(row, "status") not in _UNSEEN
        ]
        # A published one first: then nothing is made or published any more.
        order = sorted(mine, key=lambda row: (text_at(row, "status") in _UNSEEN, text_at(row, "status") == _TRASH))
        return order[0] if order else None

    def _read(self, cred: Credentials, remote_id: str, **asked: str) -> dict[str, object] | None:
        """The post with this number; None only if WordPress itself says that there is none."""
        url = self._url(cred, f"wp/v2/posts/{_number(remote_id)}", context="edit", **asked)
        reply = self._http.read("GET", url, headers=authorization(cred))
        if reply.status == 404 and is_code(reply, GONE):
            return None
        self._must_be_ok(reply)
        row = require_object(reply)
        if text_at(row, "id") != remote_id:
            raise UnexpectedReply("The site answered with another post.", reply.excerpt[:200], http_status=reply.status)
        return row

    def _rows(self, cred: Credentials, **asked: str) -> list[object]:
        reply = self._http.read("GET", self._url(cred, "wp/v2/posts", **asked), headers=authorization(cred))
        if reply.status == 400 and is_code(reply, "rest_post_invalid_page_number"):
            return []
        self._must_be_ok(reply)
        rows = reply.json()
        if not isinstance(rows, list):
            raise UnexpectedReply("The site answered with a list of an unknown form.", reply.excerpt[:200])
        return rows

    def _ask(self, cred: Credentials, path: str, **asked: str) -> dict[str, object]:
        reply = self._http.read("GET", self._url(cred, path, **asked), headers=authorization(cred))
        self._must_be_ok(reply)
        return require_object(reply)

    def _must_be_ok(self, reply: Reply) -> None:
        if reply.status == 403 and is_code(reply, "rest_forbidden_context", "rest_cannot_view"):
            told = "WordPress does not let this user read the post."
            raise Unavailable(told, reply.excerpt, http_status=reply.status, code=NOT_PERMITTED)
        if not reply.ok:
            raise refused(reply, RequestKind.READ, self._clock.now())

    def _root(self, cred: Credentials) -> str:
        return cred.secret.get("api_root") or f"{cred.instance or self._config.api_url}/wp-json"

    def _url(self, cred: Credentials, path: str, **asked: str) -> str:
        return with_query(api_url(self._root(cred), path), urlencode(asked))


def _number(remote_id: str) -> str:
    if not is_number(remote_id):
        raise UnexpectedReply("This is no number of a post.", remote_id[:80])
    return remote_id
