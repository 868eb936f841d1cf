"""A complete platform that exists in memory only. It keeps the truth, and goes wrong on demand.

`FakePlatform` is the world: what exists, what its owner sees, what strangers see. `FakeAdapter` is how PostProber talks
to it. `FakePlatform.public` answers requests for public pages, in the form of Mastodon's API, because the probe reads
those over HTTP.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import format_datetime

import httpx2

from postprober.clock import Clock
from postprober.domain.account import Credentials, Identity
from postprober.domain.limits import Limits
from postprober.domain.platform import Platform, ReconcileMode
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
from postprober.domain.withheld import Withheld
from postprober.errors import (
    DuplicateRefused,
    MadeAndRemoved,
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Unavailable,
)
from postprober.http import Exchange, HttpClient
from postprober.platforms.common.adapter import READY, Traits, sighting_in
from postprober.platforms.registry import LIMITS

BASE = "https://fake.example"
TRAITS = Traits(
    platform=Platform("mastodon"),
    mode=ReconcileMode.RECONCILE,
    settle=timedelta(seconds=30),
    threads=True,
    video=True,
    deletes=True,
    lists_own=True,
    refreshes=True,
    pkce=True,
)


@dataclass
class FakePost:
    """One post as it really is. `born`: when it came (or will come) into being; `hidden`: nobody sees it;
    `withheld`: only its owner, who is told why, and
    strangers who are shown what was `cached`."""

    id: str
    account: str
    text: str
    born: datetime
    handle: str = ""
    reply_to: str = ""
    hidden: bool = False
    deleted: bool = False
    app: str = ""
    withheld: Withheld | None = None
    cached: bool = False
    counts: Counts = field(default_factory=lambda: Counts(likes=0))


@dataclass(frozen=True)
class Way:
    """How one publish goes. In this order: `before` runs; `refuse` is raised and nothing exists; a post comes into being
    `late` seconds later (`ghost`: but nobody ever sees it); `after` runs; `lose` is raised in place of the answer."""

    refuse: PlatformError | None = None
    lose: PlatformError | None = None
    late: float = 0.0
    ghost: bool = False
    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None


def cut() -> OutcomeUnknown:
    return OutcomeUnknown("The connection broke before the platform's answer was complete.")


@dataclass
class FakePlatform:
    """The truth, and the knobs.

    `ways`: one per publish to come (then everything goes well). `listings`: one per listing of own posts to come: an
    error to raise, "stale" (nothing younger than an hour, so a young canary is missing), "lagging" (nothing younger than
    an hour, but it has the oldest post) or "cut" (the same, and it says that it is incomplete). `reads`, `refreshes`, `checks`,
    `identifies`, `submits`, `many` (readings of many posts): errors or answers for calls to come. `batches`: which posts
    were read together; `poisoned`: ids with which reading many fails; `silent_absences`: what is not there is left out. `tokens`: account -> the access token that is valid now. `down`: the public side does not answer. `slow_reads`: reading one post waits for this.
    """

    clock: Clock
    traits: Traits = TRAITS
    posts: list[FakePost] = field(default_factory=list)
    ways: deque[Way] = field(default_factory=deque)
    listings: deque[PlatformError | str] = field(default_factory=deque)
    reads: deque[PlatformError | None] = field(default_factory=deque)
    many: deque[PlatformError | None] = field(default_factory=deque)
    batches: list[tuple[str, ...]] = field(default_factory=list)
    poisoned: set[str] = field(default_factory=set)
    silent_absences: bool = False
    checks: deque[Progress | PlatformError] = field(default_factory=deque)
    submits: deque[Exception] = field(default_factory=deque)
    refreshes: deque[PlatformError | Callable[[], None]] = field(default_factory=deque)
    identifies: deque[PlatformError] = field(default_factory=deque)
    subscribed: bool | None = None  # what identify says of longer posts
    tokens: dict[str, str] = field(default_factory=dict)
    outage: Callable[[str], PlatformError | None] | None = None  # account -> what every call of it meets
    stages: bool = False
    uses_handles: bool = False
    partly: bool = False  # it consists of several servers, of which some have what is looked for
    refuses_duplicates: bool = False
    handle_window: float | None = None  # seconds after which a handle is forgotten
    blind: bool = False  # whether a post is there cannot be read
    down: bool = False
    slow_reads: threading.Event | None = None
    echo: str = ""
    skew: float = 0.0  # seconds that the platform's clock is ahead of ours
    tells_time: bool = True  # in a Date header
    dates: bool = True  # it says when posts were made
    app: str = ""  # what it says that our posts were made with
    sends: list[tuple[str, str]] = field(default_factory=list)  # (account, text) of every publish that arrived
    bounds: list[float | None] = field(default_factory=list)  # within which each of them had to arrive
    looks: list[tuple[datetime, str]] = field(default_factory=list)
    refreshed: list[str] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    staged: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def time(self) -> datetime | None:
        """By the platform's clock, as its Date header tells it."""
        if not self.tells_time:
            return None
        return (self.clock.now() + timedelta(seconds=self.skew)).replace(microsecond=0)

    def exists(self, post: FakePost) -> bool:
        return post.born <= self.clock.now() and not post.deleted

    def visible(self, account: str = "") -> list[FakePost]:
        """What a stranger can see."""
        shown = [p for p in self.posts if self.exists(p) and not p.hidden and (not p.withheld or p.cached)]
        return [p for p in shown if account in ("", p.account)]

    def texts(self, account: str = "") -> list[str]:
        return [p.text for p in self.visible(account)]

    def post(self, account: str, text: str, age: float = 3600.0) -> FakePost:
        """A post made by hand, `age` seconds ago."""
        return self.make(account, text, self.clock.now() - timedelta(seconds=age))

    def make(self, account: str, text: str, born: datetime, **kw: object) -> FakePost:
        with self.lock:
            made = FakePost(f"{next(self._numbers)}", account, text, born, **kw)  # type: ignore[arg-type]
            self.posts.append(made)
        return made

    def public(self, request: httpx2.Request) -> httpx2.Response:
        """The public side: Mastodon's status API, and a page that shows nothing without a browser."""
        if request.method == "HEAD":
            time = self.time()
            return httpx2.Response(404, headers={"Date": format_datetime(time, usegmt=True)} if time else {})
        if self.down:
            return httpx2.Response(503)
        number = request.url.path.rstrip("/").rpartition("/")[2]
        found = next((p for p in self.visible() if p.id == number), None)
        if found is None:
            return httpx2.Response(404, json={"error": "Record not found"})
        if "/api/" not in request.url.path:
            return httpx2.Response(200, html="<html><body>needs a browser</body></html>")
        body = {"id": found.id, "content": f"<p>{found.text}</p>", "account": {"acct": found.account}}
        return httpx2.Response(200, json={**body, "mentions": [], "media_attachments": []})


def _next(errors: deque[PlatformError | None] | deque[PlatformError]) -> None:
    if errors and (error := errors.popleft()) is not None:
        raise error


class FakeAdapter:
    """The owner's side of `FakePlatform`."""

    def __init__(self, world: FakePlatform, http: HttpClient) -> None:
        self.world = world
        self.http = http
        self.traits = world.traits

    def _authorise(self, cred: Credentials) -> None:
        error = self.world.outage(cred.remote_id) if self.world.outage else None
        if error is not None:
            raise error
        valid = self.world.tokens.get(cred.remote_id)
        if valid is not None and cred.access_token != valid:
            raise ReconnectNeeded("The platform does not accept the access any more.", http_status=401, expired=True)

    def identify(self, cred: Credentials) -> Identity:
        _next(self.world.identifies)
        self._authorise(cred)
        own = self._own(cred)
        newest = own[0].ref.remote_id if own else None
        return Identity(cred.remote_id, cred.remote_id, newest, self.world.subscribed)

    def refresh(self, cred: Credentials) -> Credentials:
        with self.world.lock:
            self.world.refreshed.append(cred.refresh_token)
            number = len(self.world.refreshed)
            step = self.world.refreshes.popleft() if self.world.refreshes else None
        if isinstance(step, PlatformError):
            raise step
        ends = self.world.clock.now() + timedelta(hours=2)
        token = f"{cred.access_token.split('~')[0]}~{number}"
        self.world.tokens[cred.remote_id] = token
        if step is not None:
            step()
        return replace(cred, access_token=token, refresh_token=f"refresh~{number}", expires_at=ends)

    def revoke(self, cred: Credentials) -> bool:
        self.world.revoked.append(cred.access_token)
        return True

    def limits(self, cred: Credentials | None) -> Limits:
        return LIMITS[self.traits.platform]

    def preflight(self, draft: Draft, limits: Limits) -> Preflight:
        return check(draft, limits)

    def new_handle(self, key: str, index: int, composed_at: datetime) -> str:
        return f"{key}-{index}" if self.world.uses_handles else ""

    def submit(self, cred: Credentials, job: PartJob) -> Staged:
        _next(self.world.submits)
        if not self.world.stages:
            return Staged()
        self.world.staged.append(job.text)
        return Staged(f"container-{len(self.world.staged)}")

    def check(self, cred: Credentials, staged: Staged) -> Progress:
        step = self.world.checks.popleft() if self.world.checks else READY
        if isinstance(step, PlatformError):
            raise step
        return step

    def finalize(self, cred: Credentials, job: PartJob, staged: Staged) -> Receipt:
        self.http.checkpoint("connected")
        if self.http.gate is not None:
            self.http.gate()
        world = self.world
        with world.lock:
            way = world.ways.popleft() if world.ways else Way()
            world.sends.append((cred.remote_id, job.text))
            world.bounds.append(self.http.arrives_within)
        self._report(cred)
        self._authorise(cred)
        if way.before is not None:
            way.before()
        if way.refuse is not None:
            raise way.refuse
        made = self._made(cred, job, way)
        self.http.checkpoint("request_sent")
        if way.after is not None:
            way.after()
        if way.lose is not None:
            raise way.lose
        self.http.checkpoint("reply_body")
        return Receipt(self._ref(made))

    def _made(self, cred: Credentials, job: PartJob, way: Way) -> FakePost:
        world = self.world
        handle = job.handle
        known = next((p for p in world.posts if handle and p.handle == handle and self._remembered(p)), None)
        if known is not None and known.deleted and world.handle_window is not None:
            raise MadeAndRemoved("The platform says that it was published and deleted.", http_status=404)
        if known is not None:
            return known
        same = [p for p in world.posts if world.exists(p) and (p.account, p.text) == (cred.remote_id, job.text)]
        if world.refuses_duplicates and same:
            raise world_duplicate(same[0].id, f"{BASE}/@{cred.remote_id}/{same[0].id}")
        born = world.clock.now() + timedelta(seconds=way.late)
        parent = job.parent.remote_id if job.parent else ""
        return world.make(
            cred.remote_id, job.text, born, handle=handle, reply_to=parent, hidden=way.ghost, app=world.app
        )

    def _remembered(self, post: FakePost) -> bool:
        window = self.world.handle_window
        return window is None or self.world.clock.now() < post.born + timedelta(seconds=window)

    def _report(self, cred: Credentials) -> None:
        """The exchange as the real client would report it; `echo` is what a careless platform says back."""
        said = self.world.echo.format(token=cred.access_token, refresh=cred.refresh_token)
        reply = self.http.redactor.excerpt(said)
        self.http.observer(Exchange("POST", f"{BASE}/api/v1/statuses", self.http.request_id, 200, 5, reply, True))

    def _answered(self) -> None:
        """A reading was answered, with the platform's time."""
        self.http.observer(
            Exchange("GET", f"{BASE}/api/v1/statuses", self.http.request_id, 200, 0, "", False, date=self.world.time())
        )

    def locate(self, cred: Credentials, search: Search) -> Sighting:
        self._authorise(cred)
        self._answered()
        if self.world.blind:
            return Sighting(SightingState.UNSURE, None, "nothing can be read")
        if self.world.partly:
            return Sighting(SightingState.OPEN, None, "1 of 3 servers has it; 2 are needed", partly=True)
        if self.world.uses_handles:
            self.world.looks.append((self.world.clock.now(), search.job.text))
            found = next((p for p in self.world.posts if p.handle == search.job.handle and self.world.exists(p)), None)
            if found is None:
                return Sighting(SightingState.ABSENT, None, "the handle is not known there")
            return Sighting(SightingState.FOUND, self._read(found), "the handle is known there")
        try:
            return sighting_in(self.recent(cred, search.since), search)
        except PlatformError as error:
            return Sighting(SightingState.UNSURE, None, error.message)

    def fetch(self, cred: Credentials, remote_id: str) -> RemotePost | None:
        if self.world.slow_reads is not None:
            self.world.slow_reads.wait(20)
        _next(self.world.reads)
        self._authorise(cred)
        found = next((p for p in self.world.posts if p.id == remote_id and self.world.exists(p)), None)
        return self._read(found) if found is not None and not found.hidden else None

    def recent(self, cred: Credentials, since: datetime) -> Timeline:
        self.world.looks.append((self.world.clock.now(), cred.remote_id))
        how = self.world.listings.popleft() if self.world.listings else ""
        if isinstance(how, PlatformError):
            raise how
        self._answered()
        own = self._own(cred)
        hour = self.world.clock.now() - timedelta(hours=1)
        if how in ("stale", "lagging", "cut"):
            keep = [] if how == "stale" else own[-1:]
            own = [p for p in own if p.created_at is None or p.created_at < hour] or keep
        return Timeline(tuple(own), how != "cut")

    def read_many(self, cred: Credentials, ids: Sequence[str]) -> dict[str, Reading]:
        self.world.batches.append(tuple(ids))
        if self.world.slow_reads is not None:
            self.world.slow_reads.wait(20)
        _next(self.world.many)
        self._authorise(cred)
        if len(ids) > 1 and self.world.poisoned & set(ids):
            raise Unavailable("One of these cannot be read.", http_status=400)
        found = {p.id: p for p in self.world.posts if p.id in ids and self.world.exists(p) and not p.hidden}
        return {one: Reading(self._read(found[one]), found[one].counts) for one in ids if one in found} | {
            one: Reading(None) for one in ids if one not in found and not self.world.silent_absences
        }

    def delete(self, cred: Credentials, remote_id: str) -> None:
        for post in self.world.posts:
            post.deleted = post.deleted or post.id == remote_id

    def _own(self, cred: Credentials) -> list[RemotePost]:
        mine = [p for p in self.world.posts if p.account == cred.remote_id and self.world.exists(p) and not p.hidden]
        return [self._read(p) for p in sorted(mine, key=lambda p: (p.born, int(p.id)), reverse=True)]

    def _ref(self, post: FakePost) -> Ref:
        return Ref(post.id, f"{BASE}/@{post.account}/{post.id}")

    def _read(self, post: FakePost) -> RemotePost:
        return RemotePost(
            self._ref(post),
            post.text,
            post.born + timedelta(seconds=self.world.skew) if self.world.dates else None,
            author_id=post.account,
            author_name=post.account,
            media=(),
            reply_to=post.reply_to,
            app=post.app,
            withheld=post.withheld,
        )


def world_duplicate(earlier: str, url: str = "") -> PlatformError:
    return DuplicateRefused("The same text is there already.", http_status=422, earlier_id=earlier, earlier_url=url)


def progress(state: ProgressState, wait: float = 0.0) -> Progress:
    return Progress(state, wait, "said so")


def rejected() -> PostRejected:
    return PostRejected("The platform does not take this text; edit it.", http_status=422)
