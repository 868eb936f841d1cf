"""Nostr: text notes on an account's relays. Facts: nostr/facts.md.

Exactly once: the id of an event is the hash of what is in it, and everything in it is fixed before the first try. So a
repeat is the same event, which a relay has already; it can never become a second post. A mark from the delivery's key stands
in the event, so that two posts with the same words are two events, and ours is found again after a restored database.

A post goes to all relays of its account. It counts as published once half of them (or as many as the operator says) have
it: less is an unknown outcome, which is looked into and sent again. Relays that lack it are given it later (`complete`).

The private key signs here and is sent nowhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from postprober.clock import Clock, SystemClock
from postprober.domain.account import Credentials, Identity
from postprober.domain.limits import Limits
from postprober.domain.platform import PlatformConfig, ReconcileMode
from postprober.domain.post import Draft, Preflight
from postprober.domain.preflight import check, without_subtitles
from postprober.domain.remote import (
    Counts,
    PartJob,
    Progress,
    Reading,
    Receipt,
    RemotePost,
    Search,
    Sighting,
    SightingState,
    Staged,
    Timeline,
)
from postprober.errors import (
    BadInput,
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)
from postprober.http import HttpClient
from postprober.platforms.common.adapter import READY, Traits
from postprober.platforms.common.replies import tolerant_json
from postprober.platforms.nostr import blossom
from postprober.platforms.nostr.about import ABOUT
from postprober.platforms.nostr.errors import DELETED, most_hopeful
from postprober.platforms.nostr.event import (
    DELETION,
    METADATA,
    NOTE,
    Event,
    genuine,
    mark_of,
    note,
    post_of,
    signed,
)
from postprober.platforms.nostr.keys import Signer
from postprober.platforms.nostr.limits import LIMITS, NO_MEDIA, beside_files, told_by
from postprober.platforms.nostr.links import address
from postprober.platforms.nostr.public import deleted_by, is_note, standing
from postprober.platforms.nostr.reading import (
    COUNTED,
    MOST_COUNTED,
    age,
    all_said,
    counts_of,
    is_clear_no,
    name_in,
    short_name,
    shows,
    why_none,
)
from postprober.platforms.nostr.relays import (
    MEDIA_SERVER,
    RelayCircle,
    RelayReading,
    base_of,
    decided,
    host,
    named_by_operator,
    relays_of,
    shown,
)

PAGE = 100  # own posts asked for at once; ours, below what relays are known to clamp to
MAX_PAGES = 10
SLACK = timedelta(minutes=2)

TRAITS = Traits(
    platform=ABOUT.platform,
    mode=ReconcileMode.RECONCILE,
    settle=timedelta(seconds=2),  # a repeat is harmless, so this only avoids needless ones
    threads=True,
    video=True,
    deletes=True,
    lists_own=True,
    refreshes=False,
    pkce=False,
    sends_alike_twice_safely=True,
    batch=20,  # ours: their counts have to fit into one answer
    completes=timedelta(days=1),  # ours; facts.md, 5
    cards="made by the platform",  # each reader's program makes its own; facts.md, 3
)


class NostrAdapter:
    """A key and its relays. See `platforms.common.adapter.Adapter`. `remote_id` of the credentials is the public key."""

    def __init__(self, http: HttpClient, config: PlatformConfig, clock: Clock | None = None) -> None:
        self._http = http
        self._config = config
        self._clock = clock or SystemClock()
        seconds = config.settings.get("settle_seconds")
        self.traits = replace(TRAITS, settle=timedelta(seconds=float(seconds))) if seconds else TRAITS

    def identify(self, cred: Credentials) -> Identity:
        circle = self._circle(cred)
        public = self._signer(cred).public
        found = circle.ask(
            [
                {"kinds": [METADATA], "authors": [public], "limit": 1},
                {"kinds": [NOTE], "authors": [public], "limit": 1},
            ]
        )
        if not any(one.answered for one in found):
            raise why_none(found)
        own = [one for each in found for one in each.events if one["pubkey"] == public and genuine(one)]
        notes = sorted((one for one in own if one["kind"] == NOTE), key=age)
        told = sorted((one for one in own if one["kind"] == METADATA), key=age)
        name = name_in(told[-1]["content"]) if told else ""
        return Identity(public, name or short_name(public), notes[-1]["id"] if notes else None)

    def refresh(self, cred: Credentials) -> Credentials:
        raise ReconnectNeeded("A private key cannot be renewed; reconnect the account with the key that it has now.")

    def revoke(self, cred: Credentials) -> bool:
        return False  # a key cannot be withdrawn

    def limits(self, cred: Credentials | None) -> Limits:
        if cred is None or not cred.access_token:
            return LIMITS
        documents = [self._document(url) for url in relays_of(cred, self._config)]
        return told_by([one for one in documents if one is not None], bool(self._media_server(cred)))

    def preflight(self, draft: Draft, limits: Limits) -> Preflight:
        """What is too long in characters is not told once more in bytes. Descriptions of files go along in the same message."""
        found = check(draft, limits)
        long = {one.part for one in found.violations if one.code == "text_too_long"}
        kept = tuple(one for one in found.violations if one.code != "too_many_bytes" or one.part not in long)
        told = {one.part for one in kept if one.code in ("text_too_long", "too_many_bytes")}
        more = (one for one in beside_files(draft, limits) if one.part not in told)
        return replace(found, violations=(*kept, *more))

    def new_handle(self, key: str, index: int, composed_at: datetime) -> str:
        """The mark in the event. Not of the moment: the same for the delivery whenever it is asked for."""
        return hashlib.sha256(f"{key}/{index}".encode()).hexdigest()[:16]

    def submit(self, cred: Credentials, job: PartJob) -> Staged:
        """Upload the files; the finished, signed event is staged, so that a repeat is identical."""
        signer, relays = self._signer(cred), relays_of(cred, self._config)
        media = without_subtitles(job.media)
        server = self._media_server(cred)
        if media and not server:
            raise PostRejected("This account has no media server; reconnect it with one, or publish without files.")
        now = self._clock.now()
        limits = LIMITS if server else NO_MEDIA
        files = [blossom.put(self._media_client(server), server, signer, file, limits, now) for file in media]
        return Staged(data={"event": note(signer, job, files, shown(relays[0]))})

    def check(self, cred: Credentials, staged: Staged) -> Progress:
        return READY

    def finalize(self, cred: Credentials, job: PartJob, staged: Staged) -> Receipt:
        event, circle = self._event_of(staged), self._circle(cred)
        answers = circle.send(event, visible=True)
        have = [one.relay for one in answers if one.accepted]
        errors = [one.error for one in answers if one.error is not None]
        if have and any(one.code == DELETED for one in errors):  # one relay knows the request, another took it anew
            message = "A relay has a request to delete this very post, and another one took it again."
            raise OutcomeUnknown(message, all_said(answers), remote_id=event["id"])
        if len(have) >= circle.needed:
            rest = [one for one in circle.relays if one not in have]
            return Receipt(replace(post_of(event, "").ref, url=self._url(event, (*have, *rest))))
        if have:
            message = (
                f"{len(have)} of {len(answers)} relays have the post; {circle.needed} are needed. It is sent again."
            )
            raise OutcomeUnknown(message, all_said(answers), remote_id=event["id"])
        unknown = next((one for one in errors if not is_clear_no(one)), None)
        if unknown is not None:
            raise OutcomeUnknown(unknown.message, all_said(answers), code=unknown.code)
        raise most_hopeful(errors)

    def locate(self, cred: Credentials, search: Search) -> Sighting:
        circle, public = self._circle(cred), cred.remote_id
        planned = search.staged.data.get("event") if search.staged else None
        event_id = planned["id"] if isinstance(planned, dict) else ""
        since = int((min(search.since, search.job.composed_at) - SLACK).timestamp())
        filters: list[dict[str, Any]] = [{"kinds": [NOTE], "authors": [public], "since": since, "limit": PAGE}]
        if event_id:
            filters += [{"ids": [event_id]}, {"kinds": [DELETION], "authors": [public], "#e": [event_id]}]
        found = circle.ask(filters, more=event_id)

        def ours(one: RelayReading) -> Event | None:
            return next((event for event in one.events if self._is_ours(event, search, event_id, public)), None)

        if not any(one.answered for one in found):
            error = why_none(found)
            if isinstance(error, (ReconnectNeeded, Throttled)):
                raise error
            return Sighting(SightingState.UNSURE, None, f"no relay answered: {error.message}")
        if event_id and deleted_by(found, event_id, public):  # sent again, it would come back on some relays
            return Sighting(SightingState.UNSURE, None, "its author has asked the relays to delete this very post")
        many, absent = decided(found, lambda one: ours(one) is not None, circle.needed)
        event = next((one for each in found if (one := ours(each)) is not None), None)
        if event is None:
            if absent:
                return Sighting(SightingState.ABSENT, None, "the relays do not have it")
            reason = "some relays do not have it, and the others did not answer; the same event can be sent again"
            return Sighting(SightingState.OPEN, None, reason, partly=True)
        told = standing(found, event["id"])
        post = post_of(event, self._url(event, self._ordered(found, event["id"])))
        if event["id"] in search.exclude:
            return Sighting(SightingState.UNSURE, post, "the event with its mark belongs to another delivery")
        if many < circle.needed:
            return Sighting(SightingState.OPEN, post, f"{told}; {circle.needed} are needed", partly=True)
        return Sighting(SightingState.FOUND, post, told)

    def _is_ours(self, event: Event, search: Search, event_id: str, public: str) -> bool:
        """By its id, or by our mark in it."""
        if event["pubkey"] != public or event["kind"] != NOTE or not genuine(event):
            return False
        mark = search.job.handle
        return bool(event["id"] == event_id or (mark and mark_of(event) == mark))

    def fetch(self, cred: Credentials, remote_id: str) -> RemotePost | None:
        reading = self._read(cred, [remote_id], more=remote_id).get(remote_id)
        if reading is None:
            raise Unavailable("Too few of the account's relays answered to tell whether the post is there.")
        return reading.post

    def recent(self, cred: Credentials, since: datetime) -> Timeline:
        """Each relay's own posts, back to one that is older, or to its end. Complete when so many relays were read to the
        end that a published post must be on one of them."""
        circle, public = self._circle(cred), cred.remote_id
        own: dict[str, Event] = {}
        until: dict[str, int | None] = dict.fromkeys(circle.relays)
        ended: set[str] = set()
        where: dict[str, list[str]] = {}
        for _ in range(MAX_PAGES):
            asked = {one: [_page(public, until[one])] for one in circle.relays if one in until}
            if not asked:
                break
            for one in circle.ask(asked):
                notes = [event for event in one.events if event["pubkey"] == public and event["kind"] == NOTE]
                new = [event for event in notes if genuine(event) and one.relay not in where.get(event["id"], ())]
                for event in new:
                    own[event["id"]] = event
                    where.setdefault(event["id"], []).append(one.relay)
                older = any(event["created_at"] < since.timestamp() for event in notes)
                if one.answered and (older or not new):
                    ended.add(one.relay)
                if not one.answered or older or not new:
                    del until[one.relay]
                else:
                    until[one.relay] = min(event["created_at"] for event in new)
        posts = [post_of(event, self._url(event, where[key])) for key, event in own.items()]
        posts.sort(key=lambda post: own[post.ref.remote_id]["created_at"], reverse=True)
        return Timeline(tuple(posts), len(ended) > len(circle.relays) - circle.needed)

    def read_many(self, cred: Credentials, ids: Sequence[str]) -> dict[str, Reading]:
        return self._read(cred, ids, counts=True)

    def _read(
        self, cred: Credentials, ids: Sequence[str], *, counts: bool = False, more: str = ""
    ) -> dict[str, Reading]:
        """What the relays have of these posts; those of which too few of them tell are left out. A request of their author to
        delete one counts as its end, whatever relays still show it (NIP-09)."""
        circle, public = self._circle(cred), cred.remote_id
        filters: list[dict[str, Any]] = [
            {"ids": list(ids)},
            {"kinds": [DELETION], "authors": [public], "#e": list(ids)},
        ]
        if counts:
            filters += [
                {"kinds": list(COUNTED), "#e": list(ids), "limit": MOST_COUNTED},
                {"kinds": [NOTE], "#q": list(ids), "limit": MOST_COUNTED},
            ]
        found = circle.ask(filters, more=more)
        if not any(one.answered for one in found):
            raise why_none(found)
        told: dict[str, Reading] = {}
        for one in ids:
            if deleted_by(found, one, public):
                told[one] = Reading(None)
                continue
            event = next((e for each in found for e in each.events if is_note(e, one)), None)
            _, absent = decided(found, lambda each, key=one: shows(each, key), circle.needed)  # type: ignore[misc]
            if event is not None:
                post = post_of(event, self._url(event, self._ordered(found, one)))
                told[one] = Reading(post, counts_of(found, one) if counts else Counts())
            elif absent:
                told[one] = Reading(None)
        return told

    def delete(self, cred: Credentials, remote_id: str) -> None:
        """A request to all relays (NIP-09); nobody can make them. Raises where one did not take it, or still shows the post:
        it may be asked for again and again."""
        signer, circle = self._signer(cred), self._circle(cred)
        request = signed(signer, DELETION, "", [["e", remote_id], ["k", str(NOTE)]], self._clock.now())
        answers = circle.send(request, visible=False)
        failed = [one for one in answers if not one.accepted]
        if failed:
            names = ", ".join(host(one.relay) for one in failed)
            text = f"{len(answers) - len(failed)} of {len(answers)} relays took the request to delete it; not {names}."
            errors = [one.error for one in failed if one.error is not None]
            clear = all(isinstance(one, (PostRejected, ReconnectNeeded)) for one in errors)
            raise (PostRejected if clear else Unavailable)(text, all_said(answers))
        still = [one for one in circle.ask([{"ids": [remote_id]}]) if shows(one, remote_id)]
        if still:
            names = ", ".join(host(one.relay) for one in still)
            raise PostRejected(f"{names} took the request to delete the post and still shows it.")

    def complete(self, cred: Credentials, remote_id: str) -> str:
        """Give the post to those of the account's relays that lack it: the very event, which another relay has. Never after
        its author asked for its deletion."""
        circle, public = self._circle(cred), cred.remote_id
        found = circle.ask([{"ids": [remote_id]}, {"kinds": [DELETION], "authors": [public], "#e": [remote_id]}])
        if deleted_by(found, remote_id, public):
            return ""
        event = next((one for each in found for one in each.events if is_note(one, remote_id)), None)
        lacking = [one.relay for one in found if one.answered and not shows(one, remote_id)]
        if event is None or event["pubkey"] != public or not lacking:
            return ""
        given = [host(one.relay) for one in circle.send(event, visible=False, only=lacking) if one.accepted]
        if not given:
            return ""
        return f"{len(lacking)} of {len(found)} relays did not have the post; given to {', '.join(given)}."

    def _event_of(self, staged: Staged) -> Event:
        event = staged.data.get("event")
        if not genuine(event):
            raise UnexpectedReply("What was prepared for this post is damaged; publish it again.")
        assert isinstance(event, dict)  # noqa: S101 - genuine says so
        return event

    def _signer(self, cred: Credentials) -> Signer:
        return Signer(cred.access_token)

    def _circle(self, cred: Credentials) -> RelayCircle:
        signer = self._signer(cred)
        return RelayCircle(self._http, self._config, relays_of(cred, self._config), self._clock.now, signer)

    def _document(self, url: str) -> object | None:
        """What a relay says about itself (NIP-11), None where it says nothing."""
        http = self._http if url in named_by_operator(self._config) else self._http.for_typed()
        try:
            reply = http.read("GET", url, headers={"Accept": "application/nostr+json"}, timeout=5)
        except (PlatformError, BadInput):
            return None
        told = tolerant_json(reply.text) if reply.ok else None
        return told if isinstance(told, dict) else None

    def _media_server(self, cred: Credentials) -> str:
        """The account's, else the operator's, else the relay's own host where one is configured for all."""
        try:
            named = cred.secret.get(MEDIA_SERVER, "") or self._config.settings.get("media_server", "")
            return base_of(named, self._config) if named else self._config.api_url
        except BadInput:
            return ""

    def _media_client(self, server: str) -> HttpClient:
        named = self._config.settings.get("media_server", "")
        try:
            own = {self._config.api_url, base_of(named, self._config) if named else ""}
        except BadInput:
            own = {self._config.api_url}
        return self._http if server in own else self._http.for_typed()

    def _ordered(self, found: Sequence[RelayReading], event_id: str) -> list[str]:
        """All relays, first those that show it: links are read from the front."""
        first = [one.relay for one in found if shows(one, event_id)]
        return [*first, *(one.relay for one in found if one.relay not in first)]

    def _url(self, event: Mapping[str, Any], relays: Sequence[str]) -> str:
        return address(self._config.auth_url, event["id"], relays, event["pubkey"])


def _page(public: str, until: int | None) -> dict[str, Any]:
    page: dict[str, Any] = {"kinds": [NOTE], "authors": [public], "limit": PAGE}
    return page if until is None else {**page, "until": until}
