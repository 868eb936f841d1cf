"""The shape of every adapter.

An adapter gets credentials and a draft, never a database session, and turns every reply into our words: a value, or an
error of `postprober.errors` named by its cure. It holds no state; it is built anew, cheaply, for each unit of work,
around a bound HTTP client.

Publishing one part takes three calls:

1. `submit` hands over everything nobody can see yet (media, containers). It may be repeated: the worst is a wasted
   upload. Unknown outcomes in it are `Unavailable`, because nothing became visible.
2. `check` reads whether the platform has finished processing that.
3. `finalize` is the one visible act. It makes exactly one request with `visible=True`, is never repeated by the client,
   and raises `OutcomeUnknown` for every reply that does not prove success or refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from postprober.domain.account import Credentials, Identity
from postprober.domain.card import CardMaker
from postprober.domain.excerpts import may_be_beginning
from postprober.domain.limits import Limits
from postprober.domain.mentions import as_names
from postprober.domain.platform import Platform, ReconcileMode
from postprober.domain.post import Draft, Preflight
from postprober.domain.remote import (
    PartJob,
    Progress,
    ProgressState,
    Reading,
    Receipt,
    RemotePost,
    Search,
    Sighting,
    SightingState,
    Staged,
    Timeline,
)
from postprober.domain.text import same_text


@dataclass(frozen=True)
class Traits:
    """What a platform can and promises; constants of its adapter.

    `settle`: how long after recovery starts a request sent earlier may still take effect, with a margin.
    `sends_alike_twice_safely`: a repeat with the same handle cannot make a second post. `handle_life`: for how long that surely
    holds, counted from the first send; None: without an end, or never.
    `refreshes`: access tokens can be renewed without a person. `refresh_margin`: renew when less life than this is left.
    `renews_by_access_token`: the access token itself is exchanged, there is no refresh token.
    `fetches_media`: the platform downloads media from our public URL.
    `revokes_one`: withdrawing a token ends no other one of the same account.
    `batch`: how many posts `read_many` takes at once.
    `completes`: for how long after publication a post is given to those of its servers that lack it (`Completing`), None where
    a post lies on one server.
    `cards`: who makes the card of a link; where it is sent, `Limits.card` says how large it may be.
    """

    platform: Platform
    mode: ReconcileMode
    settle: timedelta
    threads: bool
    video: bool
    deletes: bool
    lists_own: bool
    refreshes: bool
    pkce: bool
    renews_by_access_token: bool = False
    refresh_margin: timedelta = timedelta(minutes=5)
    sends_alike_twice_safely: bool = False
    handle_life: timedelta | None = None
    fetches_media: bool = False
    revokes_one: bool = True
    batch: int = 1
    cards: CardMaker = "none"
    completes: timedelta | None = None

    def renewable(self, *, has_refresh_token: bool) -> bool:
        """Whether an account's access can be renewed without a person. `has_refresh_token`: or an app password."""
        return self.refreshes and (self.renews_by_access_token or has_refresh_token)


class Adapter(Protocol):
    """One platform, seen by the owner of an account. Every method may raise any PlatformError unless it says less."""

    traits: Traits

    def identify(self, cred: Credentials) -> Identity:
        """Who the token belongs to, with the newest own post where it can be listed."""
        ...

    def refresh(self, cred: Credentials) -> Credentials:
        """New credentials. A mutation: a cut reply is OutcomeUnknown, a refused token ReconnectNeeded."""
        ...

    def revoke(self, cred: Credentials) -> bool:
        """Withdraw the token at the platform; False where it offers no way."""
        ...

    def limits(self, cred: Credentials | None) -> Limits:
        """The limits that hold for this account (an instance may have its own); no network when `cred` is None."""
        ...

    def preflight(self, draft: Draft, limits: Limits) -> Preflight:
        """Everything the platform would refuse or spoil. Pure."""
        ...

    def new_handle(self, key: str, index: int, composed_at: datetime) -> str:
        """The idempotency handle of part `index` of delivery `key`, always the same for the same arguments; ""
        where the platform has none or names it itself. Pure."""
        ...

    def submit(self, cred: Credentials, job: PartJob) -> Staged: ...

    def check(self, cred: Credentials, staged: Staged) -> Progress: ...

    def finalize(self, cred: Credentials, job: PartJob, staged: Staged) -> Receipt: ...

    def locate(self, cred: Credentials, search: Search) -> Sighting:
        """Look, once, whether the part of an unknown outcome is there. Never raises for a failed reading: that is
        UNSURE with the reason; ReconnectNeeded and Throttled are raised."""
        ...

    def fetch(self, cred: Credentials, remote_id: str) -> RemotePost | None:
        """The post by id as its owner sees it, read in the surest way; None only if the platform clearly says that it is
        not there. Raises Unavailable or UnexpectedReply when it cannot tell."""
        ...

    def read_many(self, cred: Credentials, ids: Sequence[str]) -> dict[str, Reading]:
        """Posts by id with their counts, at most `traits.batch` of them, in as few calls as the platform allows. What it
        does not tell of is left out. An answer about many is only a hint: who acts on an absence, or on a change, reads
        that post with `fetch` first. One bad id may fail all of them."""
        ...

    def recent(self, cred: Credentials, since: datetime) -> Timeline:
        """Own posts created at or after `since`, and at least one older where there is one, newest first."""
        ...

    def delete(self, cred: Credentials, remote_id: str) -> None:
        """Remove the post; deleting what is gone is no error. Raises PostRejected where the platform cannot."""
        ...


class Completing(Protocol):
    """An adapter of a platform where a post lies on several servers (`Traits.completes`)."""

    def complete(self, cred: Credentials, remote_id: str) -> str:
        """Give a published post to those of its servers that lack it; this can never make a second one. One sentence when any
        took it, else "". Raises any PlatformError."""
        ...


READY = Progress(ProgressState.READY)


# Ours: `since` is known to the second or two (the `Date` header has whole seconds, and the reply took its time).
MARGIN = timedelta(seconds=5)


def sighting_in(timeline: Timeline, search: Search, *, slack: timedelta = timedelta(minutes=2)) -> Sighting:
    """What a reading of the own timeline proves about `search`.

    Found: exactly one post with the same text that may be ours (not another delivery's, not another author's, with its
    place in the thread, not older than the intent less `slack`), and of that one nothing is unclear. What a platform
    leaves out never speaks for a post. Absent: no such post, none that is shown cut and begins like it, the listing is
    complete back to the intent, and the newest known post is in it; where posts of ours were sent later, one of those. Everything
    else is unsure.
    """
    own_apps = search.apps | {p.app for p in timeline.posts if p.app and p.ref.remote_id in search.ours}
    near = [post for post in timeline.posts if _may_be(post, search, slack)]
    hits = [post for post in near if same_text(as_names(post.text), as_names(search.job.text))]
    cut = [post for post in near if post not in hits and may_be_beginning(post.text, search.job.text)]
    doubts = [why for post in hits if (why := _unclear(post, search, own_apps))]
    if len(hits) > 1:
        return Sighting(SightingState.UNSURE, None, f"{len(hits)} posts on the account carry this text")
    if doubts:
        return Sighting(SightingState.UNSURE, None, doubts[0])
    if cut:
        reason = "a post that begins with this text is on the account, but the list may show only its beginning"
        return Sighting(SightingState.UNSURE, None, reason)
    if hits:
        reason = "the same text is on the account, created after the intent"
        return Sighting(SightingState.FOUND, hits[0], reason, by_words=True)
    if not timeline.complete:
        return Sighting(SightingState.UNSURE, None, "the list of own posts does not reach back far enough")
    last = search.later or ({search.newest_known_post} if search.newest_known_post else frozenset())
    if last and not any(post.ref.remote_id in last for post in timeline.posts):
        return Sighting(SightingState.UNSURE, None, "the last known post is missing from the list, so it is stale")
    return Sighting(SightingState.ABSENT, None, "a complete, fresh list of own posts does not have it")


def _may_be(post: RemotePost, search: Search, slack: timedelta) -> bool:
    """Whether nothing but its text rules out that this is what is looked for."""
    parent = search.job.parent.remote_id if search.job.parent else ""
    return (
        post.ref.remote_id not in search.exclude
        and (post.created_at is None or not search.time_known or post.created_at >= search.since - slack)
        and post.reply_to in ("", parent)
        and not (post.author_id and search.author and post.author_id != search.author)
    )


def _unclear(post: RemotePost, search: Search, own_apps: frozenset[str] | set[str]) -> str:
    """Why a post with the right text is still not surely ours, "" when it is."""
    if post.created_at is None:
        return "a post with this text is on the account, but the platform does not say when it was made"
    if not search.time_known:
        return "a post with this text is on the account, but the platform does not tell its time to compare with"
    if post.created_at < search.since - MARGIN:
        return "a post with this text is on the account, made shortly before ours was sent"
    if search.job.parent and not post.reply_to:
        return "a post with this text is on the account, but it does not say what it answers"
    if post.app and own_apps and post.app not in own_apps:
        return f"a post with this text is on the account, but it was made with {post.app}"
    return ""
