"""LinkedIn (versioned Posts API). Facts: linkedin/facts.md.

Self-serve apps may write but not read (linkedin/facts.md, 1): then `fetch` and `recent` raise Unavailable with code
`not_permitted`, and an unknown outcome stays unsure. Hence the mode STRICT: not found is never proof. The refusal of a
duplicate names the earlier post and is the one sure evidence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote, urlsplit

from postprober.clock import Clock, SystemClock
from postprober.domain.account import Credentials, Identity
from postprober.domain.card import LinkCard
from postprober.domain.limits import Limits
from postprober.domain.moments import from_epoch
from postprober.domain.platform import PlatformConfig, ReconcileMode
from postprober.domain.post import Draft, Preflight
from postprober.domain.preflight import check
from postprober.domain.remote import (
    Counts,
    PartJob,
    Progress,
    Reading,
    Receipt,
    Ref,
    RemoteCard,
    RemoteMedia,
    RemotePost,
    Search,
    Sighting,
    SightingState,
    Staged,
    Timeline,
)
from postprober.errors import DuplicateRefused, PlatformError, ReconnectNeeded, Throttled, Unavailable, UnexpectedReply
from postprober.http import HttpClient, Reply
from postprober.platforms.common.adapter import Traits, sighting_in
from postprober.platforms.common.errors import RequestKind
from postprober.platforms.common.oauth import refresh_tokens, revoke_tokens
from postprober.platforms.common.replies import (
    ambiguous,
    count_at,
    dig,
    invisible,
    list_at,
    require_object,
    shape,
    text_at,
)
from postprober.platforms.linkedin import oauth
from postprober.platforms.linkedin.about import ABOUT, VERSION
from postprober.platforms.linkedin.errors import NOT_FOUND, is_not_permitted, refused
from postprober.platforms.linkedin.limits import LIMITS
from postprober.platforms.linkedin.media import POLL_SECONDS, Uploads
from postprober.platforms.linkedin.options import LinkedInOptions, asked, told
from postprober.platforms.linkedin.text import escape_little, unescape_little

RESTLI = "2.0.0"  # linkedin/facts.md, 2
SETTLE_SECONDS = 60.0  # ours; no source gives a bound, hence STRICT; settings["settle_seconds"]
PAGE_SIZE = 100  # linkedin/facts.md, 5: the most that the finder takes
MAX_PAGES = 20  # ours: 2,000 posts
SLACK = timedelta(minutes=2)
READ_SCOPE = "r_member_social"  # linkedin/facts.md, 1
# Counts and the queryType that gives each; linkedin/facts.md, 7. One call per type.
_QUERIES = {"likes": "REACTION", "replies": "COMMENT", "reposts": "RESHARE", "views": "IMPRESSION"}

TRAITS = Traits(
    platform=ABOUT.platform,
    mode=ReconcileMode.STRICT,
    settle=timedelta(seconds=SETTLE_SECONDS),
    threads=False,
    video=True,
    deletes=True,
    lists_own=False,  # only with r_member_social, which LinkedIn does not give out (linkedin/facts.md, 1)
    refreshes=True,  # only where LinkedIn gave a refresh token (approved partners; linkedin/facts.md, 1)
    pkce=False,
    refresh_margin=timedelta(days=1),
    cards="sent",  # the Posts API reads no pages (linkedin/facts.md, 2)
    batch=20,  # ours: no source gives the most; linkedin/facts.md, 7
    revokes_one=False,  # no source says whether the member's other tokens end with it
)


_KIND = re.compile(r"urn:li:(image|video|document):")
_PAGE = re.compile(r"urn:li:organization(?:Brand)?:[0-9]+")


class LinkedInAdapter:
    """LinkedIn, seen by the owner of an account. See `platforms.base.Adapter`."""

    def __init__(self, http: HttpClient, config: PlatformConfig, clock: Clock | None = None) -> None:
        self.http = http
        self.config = config
        self.clock = clock or SystemClock()
        seconds = float(config.settings.get("settle_seconds", SETTLE_SECONDS))
        self.traits = replace(TRAITS, settle=timedelta(seconds=seconds))

    def identify(self, cred: Credentials) -> Identity:
        if _PAGE.fullmatch(cred.remote_id):  # the token only tells who the member is
            return Identity(cred.remote_id, cred.name, self._newest_own_post(cred))
        me = self._get(cred, "/v2/userinfo")
        remote_id = text_at(me, "sub")
        if not remote_id:
            raise UnexpectedReply("LinkedIn did not say whose account this is.")
        return Identity(remote_id, text_at(me, "name"), self._newest_own_post(replace(cred, remote_id=remote_id)))

    def _newest_own_post(self, cred: Credentials) -> str | None:
        """The newest own post; None where LinkedIn does not let us list them."""
        try:
            return text_at(self._page(cred, 1, 0), "elements", 0, "id") or None
        except PlatformError as error:
            if is_not_permitted(error):
                return None
            raise

    def refresh(self, cred: Credentials) -> Credentials:
        return refresh_tokens(self.http, self.config, cred, oauth.spec(self.config), clock=self.clock)

    def revoke(self, cred: Credentials) -> bool:
        return revoke_tokens(self.http, self.config, cred, oauth.spec(self.config))

    def limits(self, cred: Credentials | None) -> Limits:
        return LIMITS

    def preflight(self, draft: Draft, limits: Limits) -> Preflight:
        return check(draft, limits)

    def new_handle(self, key: str, index: int, composed_at: datetime) -> str:
        return ""

    def submit(self, cred: Credentials, job: PartJob) -> Staged:
        uploads = self._uploads(cred)
        if not job.media and job.card is not None and job.card_picture is not None:
            return Staged(data=uploads.thumbnail(job.card_picture))
        return Staged(data=uploads.stage(job.media))

    def check(self, cred: Credentials, staged: Staged) -> Progress:
        return self._uploads(cred).progress(staged.data)

    def finalize(self, cred: Credentials, job: PartJob, staged: Staged) -> Receipt:
        body = post_body(author_urn(cred), job, staged)
        url = f"{self.config.api_url}/rest/posts"
        reply = self.http.send("POST", url, visible=True, headers=self._headers(cred), json=body)
        if not reply.ok:
            error = refused(reply, RequestKind.PUBLISH, self.clock.now())
            if isinstance(error, DuplicateRefused) and error.earlier_id:
                error.earlier_url = self._ref(error.earlier_id).url
            raise error
        # linkedin/facts.md, 2: the id is in a header, x-linkedin-id in older answers; the body is empty.
        urn = reply.headers.get("x-restli-id") or reply.headers.get("x-linkedin-id") or ""
        if not urn.startswith("urn:li:"):
            raise ambiguous(reply)
        return Receipt(self._ref(urn))

    def locate(self, cred: Credentials, search: Search) -> Sighting:
        try:
            timeline = self.recent(cred, search.since - SLACK)
        except (ReconnectNeeded, Throttled):
            raise
        except PlatformError as error:
            return Sighting(SightingState.UNSURE, None, error.message)
        return sighting_in(timeline, search, slack=SLACK)

    def fetch(self, cred: Credentials, remote_id: str) -> RemotePost | None:
        url = f"{self.config.api_url}/rest/posts/{quote(remote_id, safe='')}"
        params = {"viewContext": "AUTHOR"}
        reply = self.http.read("GET", url, headers=self._headers(cred), params=params)
        if reply.status == NOT_FOUND:
            return None
        body = self._object(reply)
        state = text_at(body, "lifecycleState")
        if state in ("PUBLISH_FAILED", "DRAFT"):  # LinkedIn says itself that it is not published
            return None
        if state == "PUBLISH_REQUESTED":
            raise Unavailable("LinkedIn has not published the post yet.", code=state)
        return self._post(body)

    def recent(self, cred: Credentials, since: datetime) -> Timeline:
        posts: list[RemotePost] = []
        for page in range(MAX_PAGES):
            body = self._page(cred, PAGE_SIZE, page * PAGE_SIZE)
            rows = list_at(body, "elements")
            posts += [self._post(row) for row in rows if text_at(row, "lifecycleState") in ("", "PUBLISHED")]
            total = count_at(body, "paging", "total")
            if len(rows) < PAGE_SIZE:
                whole = total is None or page * PAGE_SIZE + len(rows) >= total
                return Timeline(_newest_first(posts), whole)
            if any(_changed(row) < since for row in rows):  # sorted by last change, so the rest is older still
                return Timeline(_newest_first(posts), True)
        return Timeline(_newest_first(posts), False)

    def read_many(self, cred: Credentials, ids: Sequence[str]) -> dict[str, Reading]:
        """Two calls for many posts (analytics, which tell views and reposts, take one each and post: only for one)."""
        self._may_read(cred)
        if len(ids) == 1:
            return {ids[0]: self._read_one(cred, ids[0])}
        found = self._batch(cred, "posts", ids)
        out = [one for one in ids if text_at(found.get(one), "lifecycleState") in ("", "PUBLISHED") and one in found]
        social = self._social(cred, out) if out else {}
        return {one: Reading(self._post(found[one]), _summed(social.get(one))) for one in out}

    def _read_one(self, cred: Credentials, remote_id: str) -> Reading:
        """Posts and their counts need permissions of their own, and an app may have only that for counts."""
        try:
            post = self.fetch(cred, remote_id)
        except PlatformError as error:
            if not is_not_permitted(error) or (counts := self._counts(cred, remote_id)) == Counts():
                raise
            return Reading(None, counts, told=False)
        return Reading(post, self._counts(cred, remote_id) if post is not None else Counts())

    def _batch(self, cred: Credentials, resource: str, ids: Sequence[str]) -> Mapping[str, object]:
        """What Rest.li's BATCH_GET tells, by URN; what it could not get is left out."""
        keys = ",".join(quote(one, safe="") for one in ids)
        headers = {**self._headers(cred), "X-RestLi-Method": "BATCH_GET"}
        url = f"{self.config.api_url}/rest/{resource}?ids=List({keys})"
        found = dig(self._object(self.http.read("GET", url, headers=headers)), "results")
        if not isinstance(found, dict):
            raise UnexpectedReply("LinkedIn answered with a batch of an unknown form.", shape(found))
        return {unquote(str(key)): value for key, value in found.items()}

    def _social(self, cred: Credentials, ids: Sequence[str]) -> Mapping[str, object]:
        try:
            if len(ids) > 1:
                return self._batch(cred, "socialMetadata", ids)
            return {ids[0]: self._get(cred, f"/rest/socialMetadata/{quote(ids[0], safe='')}")}
        except PlatformError as error:
            if is_not_permitted(error):
                return {}
            raise

    def _counts(self, cred: Credentials, remote_id: str) -> Counts:
        """From analytics, else from the social summary, else nothing known: each needs a permission of its own."""
        try:
            return Counts(**{name: self._count(cred, remote_id, query) for name, query in _QUERIES.items()})
        except PlatformError as error:
            if not is_not_permitted(error):
                raise
        return _summed(self._social(cred, [remote_id]).get(remote_id))

    def delete(self, cred: Credentials, remote_id: str) -> None:
        url = f"{self.config.api_url}/rest/posts/{quote(remote_id, safe='')}"
        headers = {**self._headers(cred), "X-RestLi-Method": "DELETE"}
        reply = invisible(lambda: self.http.send("DELETE", url, headers=headers))
        if not reply.ok and reply.status != NOT_FOUND:
            raise refused(reply, RequestKind.STAGE, self.clock.now())

    def _headers(self, cred: Credentials) -> dict[str, str]:
        return headers_for(self.config, cred)

    def _uploads(self, cred: Credentials) -> Uploads:
        hosts = {urlsplit(url).hostname or "" for url in (self.config.api_url, self.config.auth_url)}
        headers = self._headers(cred)
        poll = float(self.config.settings.get("poll_seconds", POLL_SECONDS))
        return Uploads(self.http, self.config.api_url, frozenset(hosts), headers, author_urn(cred), self.clock, poll)

    def _ref(self, urn: str) -> Ref:
        return Ref(urn, f"{self.config.auth_url}/feed/update/{urn}")

    def _get(self, cred: Credentials, path: str) -> dict[str, object]:
        return self._object(self.http.read("GET", self.config.api_url + path, headers=self._headers(cred)))

    def _object(self, reply: Reply) -> dict[str, object]:
        if not reply.ok:
            raise refused(reply, RequestKind.READ, self.clock.now())
        return require_object(reply)

    def _may_read(self, cred: Credentials) -> None:
        """Raises Unavailable, without a call, where the consent says that nothing can be read."""
        if cred.scopes and not any(scope.startswith(("r_member", "r_organization")) for scope in cred.scopes):
            raise Unavailable(f"LinkedIn gave no permission to read ({READ_SCOPE}).", code="not_permitted")

    def _page(self, cred: Credentials, count: int, start: int) -> dict[str, object]:
        self._may_read(cred)
        author = quote(author_urn(cred), safe="")
        query = f"q=author&author={author}&count={count}&start={start}&sortBy=LAST_MODIFIED"
        headers = {**self._headers(cred), "X-RestLi-Method": "FINDER"}
        body = self._object(self.http.read("GET", f"{self.config.api_url}/rest/posts?{query}", headers=headers))
        if not isinstance(dig(body, "elements"), list):
            raise UnexpectedReply("LinkedIn answered with a list of an unknown form.", shape(body))
        return body

    def _count(self, cred: Credentials, urn: str, query: str) -> int | None:
        # Rest.li: the URN inside the tuple is encoded, the parentheses are not (linkedin/facts.md, 2).
        kind = "ugc" if ":ugcPost:" in urn else "share"
        entity = f"({kind}:{quote(urn, safe='')})"
        path = f"/rest/memberCreatorPostAnalytics?q=entity&entity={entity}&queryType={query}&aggregation=TOTAL"
        return count_at(self._get(cred, path), "elements", 0, "count")

    def _post(self, data: object) -> RemotePost:
        urn, commentary = text_at(data, "id"), dig(data, "commentary")
        if not urn.startswith("urn:li:") or not isinstance(commentary, str):
            raise UnexpectedReply("LinkedIn answered with a post of an unknown form.", shape(data))
        return RemotePost(
            ref=self._ref(urn),
            text=unescape_little(commentary),
            created_at=_moment(dig(data, "publishedAt") or dig(data, "createdAt")),
            author_id=text_at(data, "author").removeprefix("urn:li:person:"),
            media=_media(dig(data, "content")),
            options=told(data),
            cards=_cards(dig(data, "content")),
            public={"PUBLIC": True, "CONNECTIONS": False, "LOGGED_IN": False}.get(text_at(data, "visibility")),
        )


def headers_for(config: PlatformConfig, cred: Credentials) -> dict[str, str]:
    """What every call has (linkedin/facts.md, 2)."""
    return {
        "Authorization": f"Bearer {cred.access_token}",
        "Linkedin-Version": config.settings.get("version", VERSION),
        "X-Restli-Protocol-Version": RESTLI,
    }


def author_urn(cred: Credentials) -> str:
    """URN of the author: a member by id, or a page whose `remote_id` is a URN already."""
    return cred.remote_id if cred.remote_id.startswith("urn:") else f"urn:li:person:{cred.remote_id}"


def post_body(author: str, job: PartJob, staged: Staged) -> dict[str, object]:
    """The body of POST /rest/posts (linkedin/facts.md, 2). Links stand in the text; the card of the first one is the article,
    where there are no media."""
    body: dict[str, object] = {
        "author": author,
        "commentary": escape_little(job.text),
        "distribution": {"feedDistribution": "MAIN_FEED", "targetEntities": [], "thirdPartyDistributionChannels": []},
        "lifecycleState": "PUBLISHED",
        **asked(LinkedInOptions.of(job.options)),
    }
    data = dict(staged.data)
    images = [_filled(image) for image in list_at(data, "images")]
    if dig(data, "video") is not None:
        body["content"] = {"media": _filled(dig(data, "video"))}
    elif dig(data, "document") is not None:
        title = LinkedInOptions.of(job.options).title_of(job.media[0])
        body["content"] = {"media": {"id": text_at(data, "document", "id"), "title": title}}
    elif len(images) == 1:
        body["content"] = {"media": images[0]}
    elif images:
        body["content"] = {"multiImage": {"images": images}}
    elif job.card is not None:
        body["content"] = {"article": _article(job.card, text_at(data, "thumbnail"))}
    return body


def _article(card: LinkCard, thumbnail: str) -> dict[str, str]:
    told = {"source": card.url, "title": card.title, "description": card.description, "thumbnail": thumbnail}
    return {name: value for name, value in told.items() if value}


def _cards(content: object) -> tuple[RemoteCard, ...]:
    """The article of a post, if it has one."""
    told = dig(content, "article")
    if not isinstance(told, dict):
        return ()
    picture = bool(text_at(told, "thumbnail"))
    return (RemoteCard(text_at(told, "source"), text_at(told, "title"), text_at(told, "description"), picture),)


def _filled(media: object) -> dict[str, str]:
    alt = text_at(media, "altText")
    return {"id": text_at(media, "id"), **({"altText": alt} if alt else {})}


def _media(content: object) -> tuple[RemoteMedia, ...]:
    items = list_at(content, "multiImage", "images") or [dig(content, "media")]
    return tuple(_one_media(item) for item in items if _KIND.match(text_at(item, "id")))


def _one_media(item: object) -> RemoteMedia:
    found = _KIND.match(text_at(item, "id"))
    kind = found[1] if found else ""
    if kind == "document":
        return RemoteMedia(kind, title=text_at(item, "title"))
    return RemoteMedia(kind, text_at(item, "altText"))


def _moment(millis: object) -> datetime | None:
    return from_epoch(millis, per_second=1000)


def _changed(row: object) -> datetime:
    """When a post changed last; the far future when the row does not say, so that it never ends a listing."""
    return _moment(dig(row, "lastModifiedAt")) or _moment(dig(row, "createdAt")) or datetime.max.replace(tzinfo=UTC)


def _newest_first(posts: list[RemotePost]) -> tuple[RemotePost, ...]:
    oldest = datetime.min.replace(tzinfo=UTC)
    return tuple(sorted(posts, key=lambda post: post.created_at or oldest, reverse=True))


def _summed(summary: object) -> Counts:
    return Counts(likes=_reactions(summary), replies=count_at(summary, "commentSummary", "count"))


def _reactions(body: object) -> int | None:
    summaries = dig(body, "reactionSummaries")
    if not isinstance(summaries, dict):
        return None
    return sum(count_at(summary, "count") or 0 for summary in summaries.values())
