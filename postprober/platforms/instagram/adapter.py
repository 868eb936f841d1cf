"""Instagram (Graph API, Instagram Login). Facts: instagram/facts.md.

Instagram fetches the media itself from our public address, prepares a container, and publishes a container once. The
container is the idempotency handle: after an unknown outcome the same container is read again, never a second one made
while the first is open. Object readings can answer 100/33 for posts that exist (instagram/facts.md, 10), so that is
never "gone".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from postprober.clock import Clock, SystemClock
from postprober.domain.account import Credentials, Identity
from postprober.domain.limits import Limits
from postprober.domain.moments import seconds_after
from postprober.domain.platform import PlatformConfig, ReconcileMode
from postprober.domain.post import Draft, MediaFile, MediaKind, Preflight
from postprober.domain.preflight import check
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
from postprober.errors import PlatformError, PostRejected, ReconnectNeeded, Throttled, Unavailable, UnexpectedReply
from postprober.http import HttpClient, Reply
from postprober.platforms.common.adapter import READY, Traits, sighting_in
from postprober.platforms.common.errors import RequestKind
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
from postprober.platforms.instagram.about import ABOUT, VERSION
from postprober.platforms.instagram.errors import is_unreadable, refused
from postprober.platforms.instagram.limits import LIMITS
from postprober.platforms.instagram.options import InstagramOptions, asked, tags_of
from postprober.platforms.instagram.posts import COUNTED, FIELDS, INSIGHTS, STORY_INSIGHTS, read_counts, read_post

SETTLE_SECONDS = 60.0  # ours: no source gives a bound; settings["settle_seconds"]
IMAGE_POLL_SECONDS = 5.0  # ours; settings["poll_seconds"] overrides both
VIDEO_POLL_SECONDS = 60.0  # instagram/facts.md, 2: at most once a minute
PAGE_SIZE = 100
MAX_PAGES = 20  # ours: 2,000 posts
SLACK = timedelta(minutes=2)
QUOTA_WAIT = timedelta(hours=1)  # ours: the quota slides over 24 hours
TOKEN_LIFE = timedelta(seconds=5_183_944)  # instagram/facts.md, 1: expires_in
MIN_REFRESH_AGE = timedelta(hours=24)  # instagram/facts.md, 1

TRAITS = Traits(
    platform=ABOUT.platform,
    mode=ReconcileMode.RECONCILE,
    settle=timedelta(seconds=SETTLE_SECONDS),
    threads=False,
    video=True,
    deletes=False,  # instagram/facts.md, 8: no API for it
    lists_own=True,
    refreshes=True,
    renews_by_access_token=True,
    pkce=False,
    refresh_margin=timedelta(days=7),  # of 60; only a valid token can be renewed (instagram/facts.md, 1)
    sends_alike_twice_safely=True,  # instagram/facts.md, 5: one container, one publication
    fetches_media=True,
    batch=50,  # instagram/facts.md, 7
)
# instagram/facts.md, 2: status_code of a container
_STATES = {
    "FINISHED": ProgressState.READY,
    "IN_PROGRESS": ProgressState.PROCESSING,
    "PUBLISHED": ProgressState.PUBLISHED,
    "ERROR": ProgressState.FAILED,
    "EXPIRED": ProgressState.GONE,
}


class InstagramAdapter:
    """Instagram, seen by the owner of an account. See `platforms.base.Adapter`."""

    def __init__(self, http: HttpClient, config: PlatformConfig, clock: Clock | None = None) -> None:
        self.http = http
        self.config = config
        self.clock = clock or SystemClock()
        seconds = float(config.settings.get("settle_seconds", SETTLE_SECONDS))
        self.traits = replace(TRAITS, settle=timedelta(seconds=seconds))
        self._base = f"{config.api_url}/{config.settings.get('version', VERSION)}"

    def identify(self, cred: Credentials) -> Identity:
        me = self._get(cred, "me", fields="user_id,username")
        remote_id = text_at(me, "user_id") or text_at(me, "id")
        if not remote_id:
            raise UnexpectedReply("Instagram did not say whose account this is.")
        newest = self._get(cred, f"{remote_id}/media", fields="id", limit="1")
        return Identity(remote_id, text_at(me, "username"), text_at(newest, "data", 0, "id") or None)

    def refresh(self, cred: Credentials) -> Credentials:
        """A token younger than a day cannot be renewed: it is returned as it is, if it still works."""
        now = self.clock.now()
        if cred.expires_at is not None and cred.expires_at - TOKEN_LIFE + MIN_REFRESH_AGE > now:
            self.identify(cred)
            return cred
        params = {"grant_type": "ig_refresh_token", "access_token": cred.access_token}
        reply = self.http.send("GET", f"{self.config.api_url}/refresh_access_token", params=params)
        if not reply.ok:
            raise ambiguous(reply) if reply.status >= 500 else refused(reply, RequestKind.STAGE, now)
        body = reply.json_or_none()
        token = text_at(body, "access_token")
        if not token:
            raise ambiguous(reply)
        life = count_at(body, "expires_in")
        ends = seconds_after(now, life) if life else None
        return replace(cred, access_token=token, expires_at=ends or now + TOKEN_LIFE)

    def revoke(self, cred: Credentials) -> bool:
        return False  # no endpoint is known; the person removes the app in Instagram's settings

    def limits(self, cred: Credentials | None) -> Limits:
        return LIMITS

    def preflight(self, draft: Draft, limits: Limits) -> Preflight:
        return check(draft, limits)

    def new_handle(self, key: str, index: int, composed_at: datetime) -> str:
        return ""  # Instagram names the container itself; `submit` returns it

    def submit(self, cred: Credentials, job: PartJob) -> Staged:
        if not job.media:
            raise PostRejected("Add a picture or a video: Instagram takes no post without one.", code="media_required")
        self._check_quota(cred)
        options = InstagramOptions.of(job.options)
        files, cover = options.posted(job.media), options.cover_of(job.media)
        single = files[0] if len(files) == 1 else None
        reel = single is not None and single.kind is MediaKind.VIDEO and not options.story
        wanted = {**({} if options.story else {"caption": job.text}), **asked(options, reel=reel)}
        if cover is not None:
            wanted["cover_url"] = _address(cover)
        if options.story:
            container = self._container(cred, {**_story(files[0], tags_of(options, 1)), **wanted})
        elif single is not None:
            container = self._container(cred, {**_file(single, tags_of(options, 1)), **wanted})
        else:
            children = [self._container(cred, _item(f, tags_of(options, n))) for n, f in enumerate(files, 1)]
            container = self._container(cred, {"media_type": "CAROUSEL", "children": ",".join(children), **wanted})
        return Staged(container, {"video": any(file.kind is MediaKind.VIDEO for file in files)})

    def check(self, cred: Credentials, staged: Staged) -> Progress:
        body = self._container_status(cred, staged.handle)
        code = text_at(body, "status_code")
        state = _STATES.get(code)
        if state is None:
            raise UnexpectedReply(f"Instagram reports an unknown container status {code!r}.", shape(body))
        if state is ProgressState.READY:
            return READY
        wait = VIDEO_POLL_SECONDS if staged.data.get("video") else IMAGE_POLL_SECONDS
        seconds = float(self.config.settings.get("poll_seconds", wait))
        return Progress(state, seconds if state is ProgressState.PROCESSING else 0.0, text_at(body, "status"))

    def finalize(self, cred: Credentials, job: PartJob, staged: Staged) -> Receipt:
        """The permalink is not in the answer; `fetch` brings it. Asking here would widen the window in which the id
        is known but not yet stored."""
        url = f"{self._base}/{_me(cred)}/media_publish"
        body = {"creation_id": staged.handle}
        reply = self.http.send("POST", url, visible=True, headers=_headers(cred), json=body)
        if not reply.ok:
            raise refused(reply, RequestKind.PUBLISH, self.clock.now())
        remote_id = text_at(reply.json_or_none(), "id")
        if not remote_id:
            raise ambiguous(reply)
        return Receipt(Ref(remote_id))

    def locate(self, cred: Credentials, search: Search) -> Sighting:
        """Read the same container again: open, void, or published; then find the post it became in the list."""
        try:
            state = self._state_of(cred, search.staged.handle if search.staged else "")
            if state is ProgressState.READY:
                return Sighting(SightingState.OPEN, None, "the container is ready and not published")
            if state in (ProgressState.FAILED, ProgressState.GONE):
                return Sighting(SightingState.ABSENT, None, "the container ended without being published")
            if state is ProgressState.PROCESSING:
                return Sighting(SightingState.UNSURE, None, "the container is still being processed")
            if InstagramOptions.of(search.job.options).story:
                search = replace(search, job=replace(search.job, text=""))
                found = sighting_in(self._stories(cred), search, slack=SLACK)
            else:
                found = sighting_in(self.recent(cred, search.since - SLACK), search, slack=SLACK)
        except (ReconnectNeeded, Throttled):
            raise
        except PlatformError as error:
            return Sighting(SightingState.UNSURE, None, error.message)
        if found.state is SightingState.ABSENT:
            reason = "the container is published" if state else "the container cannot be read"
            return Sighting(SightingState.UNSURE, None, f"{reason}, and the list of own posts does not have it")
        if found.state is SightingState.FOUND and state is None and not search.job.text.strip():
            reason = "the container cannot be read, and a post without words could be one that a person made"
            return Sighting(SightingState.UNSURE, None, reason)
        return found

    def _state_of(self, cred: Credentials, container: str) -> ProgressState | None:
        """State of the container, None when it cannot be read. Raises ReconnectNeeded, Throttled."""
        if not container:
            return None
        try:
            return _STATES.get(text_at(self._container_status(cred, container), "status_code"))
        except (ReconnectNeeded, Throttled):
            raise
        except PlatformError:
            return None

    def fetch(self, cred: Credentials, remote_id: str) -> RemotePost | None:
        """By id, and when that is unreadable, from the list of own posts, which outages spared (instagram/facts.md, 10).
        Never None: Instagram has no answer that clearly says "not there"."""
        try:
            return read_post(self._get(cred, remote_id, fields=FIELDS))
        except PlatformError as error:
            if not is_unreadable(error):
                raise
            for edge in ("media", "stories"):
                page = self._get(cred, f"{_me(cred)}/{edge}", fields=FIELDS, limit=str(PAGE_SIZE))
                for row in list_at(page, "data"):
                    if text_at(row, "id") == remote_id:
                        return read_post(row)
            raise

    def _stories(self, cred: Credentials) -> Timeline:
        """The Stories that have not ended."""
        page = self._get(cred, f"{_me(cred)}/stories", fields=FIELDS, limit=str(PAGE_SIZE))
        return Timeline(tuple(read_post(row) for row in list_at(page, "data")), not text_at(page, "paging", "next"))

    def recent(self, cred: Credentials, since: datetime) -> Timeline:
        posts: list[RemotePost] = []
        after: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            body = self._get(cred, f"{_me(cred)}/media", fields=FIELDS, limit=str(PAGE_SIZE), **after)
            if not isinstance(dig(body, "data"), list):
                raise UnexpectedReply("Instagram answered with a list of an unknown form.", shape(body))
            posts += [read_post(row) for row in list_at(body, "data")]
            oldest = posts[-1].created_at if posts else None
            cursor = text_at(body, "paging", "cursors", "after")
            if not text_at(body, "paging", "next") or (oldest is not None and oldest < since):
                return Timeline(tuple(posts), True)
            if not cursor:
                break
            after = {"after": cursor}
        return Timeline(tuple(posts), False)

    def read_many(self, cred: Credentials, ids: Sequence[str]) -> dict[str, Reading]:
        """One call, with insights where the platform gives them; one id that it cannot read fails all."""
        counted = True
        try:
            known = self._read_all(cred, ids, f"{FIELDS},{COUNTED},{INSIGHTS}")
        except (Throttled, Unavailable):
            raise
        except PlatformError:  # insights have rules and a permission of their own
            known, counted = self._read_all(cred, ids, f"{FIELDS},{COUNTED}"), False
        stories = [one for one, read in known.items() if read.post is not None and read.post.options.get("story")]
        if stories and not counted:  # some of these insights they do not have, and that spoiled the call for all
            known |= self._counted(cred, stories, STORY_INSIGHTS)
            if others := [one for one in known if one not in stories]:
                known |= self._counted(cred, others, f"{COUNTED},{INSIGHTS}")
        return known

    def _counted(self, cred: Credentials, ids: Sequence[str], fields: str) -> dict[str, Reading]:
        """The same with these counts; nothing where they are refused."""
        try:
            return self._read_all(cred, ids, f"{FIELDS},{fields}")
        except (Throttled, Unavailable):
            raise
        except PlatformError:
            return {}

    def _read_all(self, cred: Credentials, ids: Sequence[str], fields: str) -> dict[str, Reading]:
        if len(ids) == 1:
            rows: dict[str, object] = {ids[0]: self._get(cred, ids[0], fields=fields)}
        else:
            rows = self._get(cred, "", ids=",".join(ids), fields=fields)
        return {one: Reading(read_post(rows[one]), read_counts(rows[one])) for one in ids if one in rows}

    def delete(self, cred: Credentials, remote_id: str) -> None:
        message = "Instagram lets no program delete a post; delete it in the Instagram app."
        raise PostRejected(message, code="not_supported")

    def _check_quota(self, cred: Credentials) -> None:
        """Raises Throttled when the daily quota is used up. A quota that cannot be read stops nothing: publishing
        itself refuses then (9/2207042)."""
        try:
            body = self._get(cred, f"{_me(cred)}/content_publishing_limit", fields="config,quota_usage")
        except (ReconnectNeeded, Throttled):
            raise
        except PlatformError:
            return
        used, total = count_at(body, "data", 0, "quota_usage"), count_at(body, "data", 0, "config", "quota_total")
        if used is not None and total is not None and used >= total:
            message = f"This account has used up Instagram's {total} posts per day."
            raise Throttled(message, code="9/2207042", retry_at=self.clock.now() + QUOTA_WAIT)

    def _container(self, cred: Credentials, body: Mapping[str, object]) -> str:
        url = f"{self._base}/{_me(cred)}/media"
        reply = invisible(lambda: self.http.send("POST", url, headers=_headers(cred), json=body))
        container = text_at(self._object(reply, RequestKind.STAGE), "id")
        if not container:
            raise UnexpectedReply("Instagram took the media without naming a container.", reply.excerpt)
        return container

    def _container_status(self, cred: Credentials, container: str) -> dict[str, object]:
        return self._get(cred, container, fields="status_code,status")

    def _get(self, cred: Credentials, path: str, **params: str) -> dict[str, object]:
        reply = self.http.read("GET", f"{self._base}/{path}", headers=_headers(cred), params=params)
        return self._object(reply, RequestKind.READ)

    def _object(self, reply: Reply, act: RequestKind) -> dict[str, object]:
        if not reply.ok:
            raise refused(reply, act, self.clock.now())
        return require_object(reply)


def _headers(cred: Credentials) -> dict[str, str]:
    return {"Authorization": f"Bearer {cred.access_token}"}


def _me(cred: Credentials) -> str:
    return cred.remote_id or "me"


Tags = list[dict[str, object]]


def _item(file: MediaFile, tags: Tags) -> dict[str, object]:
    """The same for one of a carousel, where a video is no Reel."""
    kind = {"media_type": "VIDEO"} if file.kind is MediaKind.VIDEO else {}
    return {**_file(file, tags), **kind, "is_carousel_item": "true"}


def _story(file: MediaFile, tags: Tags) -> dict[str, object]:
    """The same for a Story."""
    return {**_file(file, tags), "media_type": "STORIES"}


def _file(file: MediaFile, tags: Tags) -> dict[str, object]:
    """Parameters of one file's container (instagram/facts.md, 2)."""
    people: dict[str, object] = {"user_tags": tags} if tags else {}
    if file.kind is MediaKind.VIDEO:
        return {"media_type": "REELS", "video_url": _address(file), **people}
    return {"image_url": _address(file), **({"alt_text": file.alt} if file.alt else {}), **people}


def _address(file: MediaFile) -> str:
    """Where Instagram fetches the file. Raises PostRejected when it has no public address."""
    if not file.public_url:
        message = "Instagram fetches media from a public address and this file has none; set POSTPROBER_PUBLIC_URL."
        raise PostRejected(message, code="media_url_missing")
    return file.public_url
