"""A platform that means us no good: it keeps the truth, and goes wrong in every way that is assumed."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx2

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
from postprober.domain.text import same_text
from postprober.errors import (
    DuplicateRefused,
    MadeAndRemoved,
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
)
from postprober.http import Exchange, HttpClient
from postprober.platforms.common.adapter import READY, Traits, sighting_in
from postprober.platforms.registry import LIMITS

BASE = "https://chaos.example"
OURS, BY_HAND = "PostProber", "Web"
SETTLE = 60.0  # seconds, as all of these
LATE = 25.0
FROZEN = 8.0
LAG = 3.0
MODES = ("list", "strict", "handle", "key", "steps")
# A handle that ends, and a list after it. Not drawn, so that the seeds of the others mean what they did (`run.with_nonce`).
NONCE = "nonce"
LIFE = 100.0  # of a handle, as the program believes: longer than SETTLE, or it would never be of use
WINDOW = LIFE + LATE + FROZEN + 5.0  # for which the platform really knows it
EPOCH = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Nature:
    """What this platform is like, for one run. `skew`: its clock beside the true one, None where it does not tell its
    time; `dates`: it says when posts were made; `names_app`: and with what; `duplicates`: it refuses a second post with the
    same words ("" never, "mute", "names": it names the first); `window`: seconds for which it knows a handle that ends."""

    mode: str = "list"
    skew: float | None = 0.0
    dates: bool = True
    names_app: bool = True
    duplicates: str = ""
    lag: float = 0.0
    window: float = WINDOW


@dataclass
class Post:
    """One post as it really is. `of`: key of the delivery and number of the part, None when somebody made it by hand."""

    id: str
    account: str
    text: str
    born: float
    of: tuple[str, int] | None
    handle: str = ""
    reply_to: str = ""
    hidden: bool = False  # from strangers
    wholly: bool = False  # and from its author as well
    deleted: bool = False
    touched: bool = False  # something was done to it after it came into being
    slow: bool = False  # its request was on its way for longer than LATE

    @property
    def visible(self) -> bool:
        return not self.hidden and not self.deleted

    @property
    def listed(self) -> bool:
        """Whether its author sees it."""
        return not self.wholly and not self.deleted


@dataclass
class World:
    """`ways`: how the next sends go, `reads`: the next readings (else all goes well). `time`: the true time in seconds.
    `late`: requests that are still on their way: (when they land, account, job, staged, slow)."""

    nature: Nature = field(default_factory=Nature)
    time: float = 0.0
    posts: list[Post] = field(default_factory=list)
    ways: deque[tuple[str, float]] = field(default_factory=deque)
    reads: deque[str] = field(default_factory=deque)
    late: list[tuple[float, str, PartJob, Staged, bool]] = field(default_factory=list)
    down_until: float = 0.0
    revoked: set[str] = field(default_factory=set)
    containers: dict[str, tuple[str, str]] = field(default_factory=dict)  # id -> (state, id of the post)
    stages: deque[str] = field(default_factory=deque)
    sends: int = 0
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _flickered: bool = False

    def __post_init__(self) -> None:
        self.traits = Traits(
            platform=Platform("mastodon"),
            mode=ReconcileMode.STRICT if self.nature.mode == "strict" else ReconcileMode.RECONCILE,
            settle=timedelta(seconds=SETTLE),
            threads=True,
            video=True,
            deletes=True,
            lists_own=True,
            refreshes=False,
            pkce=True,
            sends_alike_twice_safely=self.nature.mode in ("handle", "steps", NONCE),
            handle_life=timedelta(seconds=LIFE) if self.nature.mode == NONCE else None,
        )

    def heal(self) -> None:
        """From now on nothing goes wrong any more; what is on its way lands."""
        self.ways.clear()
        self.reads.clear()
        self.stages.clear()
        self.down_until = self.time

    def advance(self, seconds: float) -> None:
        end = self.time + seconds
        for moment, account, job, staged, slow in sorted(self.late, key=lambda row: row[0]):
            if moment <= end:
                self.time = max(self.time, moment)
                self._land(account, job, staged, slow)
        self.late = [row for row in self.late if row[0] > end]
        self.time = end

    def _land(self, account: str, job: PartJob, staged: Staged, slow: bool) -> None:
        try:
            self.accept(account, job, staged, slow=slow)
        except PlatformError:
            return  # refused, and nobody hears of it

    def accept(self, account: str, job: PartJob, staged: Staged, *, slow: bool = False) -> Post:
        """A request has arrived. Raises DuplicateRefused."""
        mode = self.nature.mode
        if mode == "steps":
            state, made = self.containers[staged.handle]
            if state == "published":
                return self.by_id(made)
        elif mode in ("handle", "key"):
            known = next((p for p in self.posts if p.handle == job.handle and not p.deleted), None)
            if known is not None:
                return known
        elif mode == NONCE and (known := self._remembered(job.handle)) is not None:
            if known.deleted:
                raise MadeAndRemoved("The platform says that it was published and deleted.", http_status=404)
            return known
        if self.nature.duplicates:
            same = [p for p in self.posts if p.account == account and p.listed and same_text(p.text, job.text)]
            if same:
                named = self.nature.duplicates == "names"
                raise DuplicateRefused(
                    "The same words are there already.",
                    http_status=422,
                    earlier_id=same[0].id if named else None,
                    earlier_url=self.url(same[0]) if named else "",
                )
        post = self.make(account, job.text, (job.key, job.index), job.parent.remote_id if job.parent else "")
        post.handle, post.slow = job.handle, slow
        if mode == "steps":
            self.containers[staged.handle] = ("published", post.id)
        return post

    def _remembered(self, handle: str) -> Post | None:
        return next(
            (p for p in self.posts if handle and p.handle == handle and self.time < p.born + self.nature.window), None
        )

    def make(
        self, account: str, text: str, of: tuple[str, int] | None = None, reply_to: str = "", age: float = 0.0
    ) -> Post:
        post = Post(str(next(self._numbers)), account, text, self.time - age, of, reply_to=reply_to)
        self.posts.append(post)
        return post

    def by_id(self, remote_id: str) -> Post:
        return next(p for p in self.posts if p.id == remote_id)

    def of_key(self, key: str, part: int) -> list[Post]:
        """What exists of a delivery's part, hidden or not."""
        return [p for p in self.posts if p.of == (key, part) and not p.deleted]

    def on_its_way(self, key: str) -> bool:
        return any(job.key == key for _, _, job, *_ in self.late)

    def url(self, post: Post) -> str:
        return f"{BASE}/@{post.account}/{post.id}"

    def date(self) -> datetime | None:
        """As its Date header tells it: whole seconds."""
        if self.nature.skew is None:
            return None
        return (EPOCH + timedelta(seconds=self.time + self.nature.skew)).replace(microsecond=0)

    def moment(self, post: Post) -> datetime | None:
        return EPOCH + timedelta(seconds=post.born + (self.nature.skew or 0.0)) if self.nature.dates else None

    def public(self, request: httpx2.Request) -> httpx2.Response:
        """The public side: Mastodon's status API, and a page that shows nothing without a browser."""
        date = self.date()
        headers = {"Date": format_datetime(date, usegmt=True)} if date else {}
        if self.time < self.down_until:
            return httpx2.Response(503, headers=headers)
        if request.method == "HEAD":
            return httpx2.Response(404, headers=headers)
        number = request.url.path.rstrip("/").rpartition("/")[2]
        found = next((p for p in self.posts if p.id == number and p.visible), None)
        if found is None:
            return httpx2.Response(404, json={"error": "Record not found"}, headers=headers)
        if "/api/" not in request.url.path:
            return httpx2.Response(200, html="<html><body>needs a browser</body></html>", headers=headers)
        body = {"id": found.id, "content": f"<p>{found.text}</p>", "account": {"acct": found.account}}
        return httpx2.Response(200, json={**body, "mentions": [], "media_attachments": []}, headers=headers)

    def listing(self, account: str, how: str, *, looks: bool = True) -> Timeline:
        """The account's own list. `how`: "", cut, empty, flicker or old. `looks`: somebody looks for a post there, so that the
        next look misses nothing when this one did."""
        shown = self.time - self.nature.lag
        own = [p for p in self.posts if p.account == account and p.listed and p.born <= shown]
        if how == "flicker" and self._flickered:
            how = ""
        self._flickered = how == "flicker" if looks else self._flickered
        ordered = sorted(own, key=lambda p: (p.born, int(p.id)), reverse=True)
        if how == "empty":
            ordered = []
        elif how == "flicker":
            ordered = ordered[1:]
        elif how in ("old", "cut"):
            ordered = [p for p in ordered if p.born <= self.time - 600]
        return Timeline(tuple(self.read(p) for p in ordered), how != "cut")

    def read(self, post: Post) -> RemotePost:
        app = "" if not self.nature.names_app else OURS if post.of else BY_HAND
        return RemotePost(
            Ref(post.id, self.url(post)),
            post.text,
            self.moment(post),
            author_id=post.account,
            author_name=post.account,
            media=(),
            reply_to=post.reply_to,
            app=app,
        )


class ChaosAdapter:
    """The owner's side of the world. `pause(name)`: where the process may be stopped or die."""

    def __init__(self, world: World, http: HttpClient, pause: Callable[[str], None]) -> None:
        self.world, self.http, self._pause = world, http, pause
        self.traits = world.traits

    def identify(self, cred: Credentials) -> Identity:
        self._reach(cred)
        own = self.world.listing(cred.remote_id, "", looks=False).posts
        self._answered("GET")
        return Identity(cred.remote_id, cred.remote_id, own[0].ref.remote_id if own else None, server=BASE)

    def refresh(self, cred: Credentials) -> Credentials:
        raise ReconnectNeeded("The access cannot be renewed.")

    def revoke(self, cred: Credentials) -> bool:
        self._pause("revoke")
        self.world.revoked.add(cred.access_token)
        return True

    def limits(self, cred: Credentials | None) -> Limits:
        return LIMITS[self.traits.platform]

    def preflight(self, draft: Draft, limits: Limits) -> Preflight:
        return check(draft, limits)

    def new_handle(self, key: str, index: int, composed_at: datetime) -> str:
        return f"{key}-{index}" if self.world.nature.mode in ("handle", "key", NONCE) else ""

    def submit(self, cred: Credentials, job: PartJob) -> Staged:
        if self.world.nature.mode != "steps":
            return Staged()
        self._reach(cred)
        name = f"container-{len(self.world.containers) + 1}"
        self.world.containers[name] = ("ready", "")
        self._answered("POST")
        return Staged(name)

    def check(self, cred: Credentials, staged: Staged) -> Progress:
        self._reach(cred)
        self._answered("GET")
        if self.world.containers[staged.handle][0] == "published":
            return Progress(ProgressState.PUBLISHED, 0.0, "published")
        step = self.world.stages.popleft() if self.world.stages else ""
        if step == "processing":
            return Progress(ProgressState.PROCESSING, 5.0, "working")
        return Progress(ProgressState(step), 0.0, "said so") if step in ("failed", "gone") else READY

    def finalize(self, cred: Credentials, job: PartJob, staged: Staged) -> Receipt:
        self.http.checkpoint("connected")
        if self.http.gate is not None:
            self.http.gate()
        world = self.world
        self.http.checkpoint("leaving")
        world.sends += 1
        way, seconds = world.ways.popleft() if world.ways else ("", 0.0)
        if world.time < world.down_until:
            way = "cut_before"
        elif cred.access_token in world.revoked:
            way = "401"
        self._refuse(way, seconds, job)
        if way == "cut_before":
            self.http.checkpoint("request_sent")
            raise cut()
        if way == "late":
            world.late.append((world.time + seconds, cred.remote_id, job, staged, seconds > LATE))
            self.http.checkpoint("request_sent")
            raise cut()
        made = world.accept(cred.remote_id, job, staged)
        self.http.checkpoint("request_sent")
        if way == "cut_after":
            raise cut()
        if way == "named":
            raise OutcomeUnknown("The answer broke off.", remote_id=made.id)
        self._answered("POST", visible=True)
        self.http.checkpoint("reply_body")
        return Receipt(Ref(made.id, world.url(made)))

    def _refuse(self, way: str, seconds: float, job: PartJob) -> None:
        if way == "link" and "://" in job.text:
            self._answered(
                "POST", visible=True, status=422, reply='{"error": "Validation failed: this link is not allowed"}'
            )
            raise PostRejected("The platform does not allow this link.", http_status=422)
        if way == "401":
            raise ReconnectNeeded("The platform does not accept the access any more.", http_status=401)
        if way == "422":
            raise PostRejected("The platform does not take these words; edit them.", http_status=422)
        if way == "429":
            retry = EPOCH + timedelta(seconds=self.world.time + seconds)
            raise Throttled("Too many.", http_status=429, retry_at=retry)
        if way == "away":
            raise Unavailable("No connection.")

    def _reach(self, cred: Credentials, how: str = "") -> None:
        self._pause("a reading")
        if self.world.time < self.world.down_until or how == "error":
            raise Unavailable("The platform has a fault.", http_status=503)
        if cred.access_token in self.world.revoked or how == "401":
            raise ReconnectNeeded("The platform does not accept the access any more.", http_status=401)
        if how == "429":
            raise Throttled("Too many.", http_status=429)

    def _answered(self, method: str, *, visible: bool = False, status: int = 200, reply: str = "") -> None:
        url, date = f"{BASE}/api/v1/statuses", self.world.date()
        self.http.observer(Exchange(method, url, self.http.request_id, status, 0, reply, visible, date=date))

    def locate(self, cred: Credentials, search: Search) -> Sighting:
        mode = self.world.nature.mode
        if mode == "handle":
            return self._by_handle(cred, search)
        try:
            if mode == "steps":
                state = self._container(cred, search)
                if state is not None:
                    return state
            asked = replace(search, apps=frozenset({OURS})) if self.world.nature.names_app else search
            found = sighting_in(self.recent(cred, search.since), asked)
        except (ReconnectNeeded, Throttled):
            raise
        except PlatformError as error:
            return Sighting(SightingState.UNSURE, None, error.message)
        if mode == "steps" and found.state is SightingState.ABSENT:
            return Sighting(SightingState.UNSURE, None, "the container is published, and the list does not have it")
        return found

    def _by_handle(self, cred: Credentials, search: Search) -> Sighting:
        try:
            self._reach(cred, self._how())
        except (ReconnectNeeded, Throttled):
            raise
        except PlatformError as error:
            return Sighting(SightingState.UNSURE, None, error.message)
        self._answered("GET")
        found = next((p for p in self.world.posts if p.handle == search.job.handle and not p.deleted), None)
        if found is None:
            return Sighting(SightingState.ABSENT, None, "the handle is not known there")
        return Sighting(SightingState.FOUND, self.world.read(found), "the handle is known there")

    def _container(self, cred: Credentials, search: Search) -> Sighting | None:
        self._reach(cred)
        self._answered("GET")
        state, _ = self.world.containers.get(search.staged.handle if search.staged else "", ("", ""))
        if state == "ready":
            return Sighting(SightingState.OPEN, None, "the container is ready and not published")
        if not state:
            return Sighting(SightingState.ABSENT, None, "there is no such container")
        return None

    def _how(self) -> str:
        return self.world.reads.popleft() if self.world.reads else ""

    def fetch(self, cred: Credentials, remote_id: str) -> RemotePost | None:
        self._reach(cred)
        self._answered("GET")
        found = next((p for p in self.world.posts if p.id == remote_id and p.listed), None)
        return self.world.read(found) if found is not None else None

    def recent(self, cred: Credentials, since: datetime) -> Timeline:
        how = self._how()
        self._reach(cred, how)
        self._answered("GET")
        return self.world.listing(cred.remote_id, how)

    def read_many(self, cred: Credentials, ids: Sequence[str]) -> dict[str, Reading]:
        self._reach(cred)
        self._answered("GET")
        found = {p.id: p for p in self.world.posts if p.id in ids and p.listed}
        return {
            one: Reading(self.world.read(found[one]), Counts(likes=0)) if one in found else Reading(None) for one in ids
        }

    def delete(self, cred: Credentials, remote_id: str) -> None:
        self.world.by_id(remote_id).deleted = True


def cut() -> OutcomeUnknown:
    return OutcomeUnknown("The connection broke before the platform's answer was complete.")


def transport(world: Callable[[], World]) -> Any:
    """The public side of whichever world is played on now."""
    return httpx2.MockTransport(lambda request: world().public(request))
