"""One claimed delivery: its record as last written, its account, and the small acts every stage shares."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from postprober.domain import crops
from postprober.domain.account import Credentials
from postprober.domain.attempt import Act, Outcome
from postprober.domain.card import LinkCard
from postprober.domain.delivery import DeliveryState, StateCause, Step, StepStatus
from postprober.domain.meters import ATTEMPTS, FAILURES, OUTCOMES, QUEUE_WAIT
from postprober.domain.options import AskedFor
from postprober.domain.platform import described
from postprober.domain.post import MediaFile, MediaKind
from postprober.domain.remote import PartJob, Ref, Search
from postprober.errors import Conflict, LeaseLost, VaultError
from postprober.http import Exchange, HttpClient
from postprober.pipeline.core import transitions
from postprober.pipeline.core.context import Context, ExchangeRecorder
from postprober.pipeline.core.files import as_made, file_of
from postprober.pipeline.core.platform_time import key_of
from postprober.pipeline.core.tokens import open_credentials, secrets_of
from postprober.platforms.common.adapter import Adapter
from postprober.security import log_redaction
from postprober.storage import accounts, attempts, deliveries, link_cards, media, remote_posts, step_log
from postprober.storage.records import Account, Delivery, MediaRecord, PartRecord, replace

KEY_LOOK = timedelta(minutes=1)  # until it is tried again whether the tokens can be opened
# Where something came of a delivery; the others are on the way.
RESULTS = frozenset(DeliveryState) - {
    DeliveryState.SCHEDULED,
    DeliveryState.CLAIMED,
    DeliveryState.SUBMITTING,
    DeliveryState.PROCESSING,
    DeliveryState.WAITING,
}


@dataclass
class ClaimedDelivery:
    """`delivery` is always the row as this worker last saw or wrote it; its fence guards every write."""

    ctx: Context
    delivery: Delivery
    account: Account
    cred: Credentials
    stays: bool = False  # this worker keeps the lease to prove the post at once
    repeats: bool = False  # what it sends may be there already, and its handle keeps it from appearing twice
    acts: dict[int, Act] = field(default_factory=dict)  # by attempt
    outcomes: dict[int, Outcome] = field(default_factory=dict)  # of those that ended; a late reply may change one

    def now(self) -> datetime:
        return self.ctx.clock.now()

    def move(self, conn: Connection, new: DeliveryState, reason: str, **columns: Any) -> None:
        """Change the state. Raises Conflict when the delivery moved without us."""
        before = self.delivery.state
        self.delivery = transitions.move(
            conn, self.delivery, new, reason=reason, now=self.now(), worker=self.ctx.worker, **columns
        )
        if self.delivery.state is not before and self.delivery.state in RESULTS:
            self.ctx.tally.count(OUTCOMES, self.platform, self.delivery.state.value)
        if self.delivery.state is DeliveryState.HELD and isinstance(columns.get("cause"), StateCause):
            self.failed_by(columns["cause"].value)

    @property
    def platform(self) -> str:
        return self.delivery.platform.value

    def failed_by(self, cause: str) -> None:
        """Count what kept it from being published: an error's class, or what a held delivery waits for."""
        self.ctx.tally.count(FAILURES, self.platform, cause)

    def touch(self, conn: Connection, **columns: Any) -> None:
        """Write columns under our fence. Raises Conflict."""
        self.delivery = deliveries.touch(conn, self.delivery, self.now(), **columns)

    def log(self, conn: Connection, step: Step, status: StepStatus, **details: Any) -> None:
        step_log.add(conn, self.delivery, step, status, self.now(), **details)

    def begin(self, conn: Connection, act: Act, part: int, request_id: str, **columns: Any) -> int:
        attempt = attempts.open_attempt(
            conn,
            self.delivery,
            part=part,
            act=act,
            request_id=request_id,
            worker=self.ctx.worker,
            now=self.now(),
            **columns,
        )
        self.acts[attempt] = act
        return attempt

    def close(
        self, conn: Connection, attempt: int, outcome: Outcome, recorder: ExchangeRecorder, message: str = ""
    ) -> None:
        attempts.close_attempt(conn, attempt, outcome, now=self.now(), message=message, **recorder.closing())
        self.outcomes[attempt] = outcome

    def http(
        self,
        recorder: ExchangeRecorder,
        request_id: str,
        *,
        publishing: bool = False,
        arrives_within: timedelta | None = None,
    ) -> HttpClient:
        """A client for this account. Only `publishing` ones pass the gate and the checkpoints. `arrives_within`: see `HttpClient`."""
        return self.ctx.http.bound(
            request_id=request_id,
            secrets=secrets_of(self.cred),
            observer=lambda exchange: self._seen(recorder, exchange),
            gate=(lambda: self.ctx.keeper.check(self.delivery.id)) if publishing else None,
            checkpoint=self.ctx.checkpoint if publishing else None,
            arrives_within=arrives_within.total_seconds() if arrives_within else None,
        )

    def _seen(self, recorder: ExchangeRecorder, exchange: Exchange) -> None:
        recorder(exchange)
        self.ctx.saw(self.account, exchange)
        self.ctx.times.saw(key_of(self.account), exchange)

    def adapter(self, http: HttpClient) -> Adapter:
        return self.ctx.adapter(self.account, http)


@contextmanager
def claimed(ctx: Context, delivery_id: int, *, only: frozenset[DeliveryState]) -> Iterator[ClaimedDelivery | None]:
    """A due delivery in one of the states `only`, leased for as long as the block runs; None if somebody else has it or it
    is not due. Its tokens are not opened yet. The block ends early, without an error, where the delivery turns out to
    belong to somebody else by now: they carry on from what is stored."""
    until, deadline = ctx.keeper.until()
    with ctx.db.write() as conn:
        delivery = deliveries.take(conn, delivery_id, worker=ctx.worker, now=ctx.clock.now(), until=until, only=only)
        account = accounts.get(conn, delivery.account_id) if delivery is not None else None
    if delivery is None or account is None:
        yield None
        return
    ctx.keeper.hold(delivery.id, deadline)
    if delivery.state is DeliveryState.CLAIMED and delivery.next_at is not None:
        waited = (ctx.clock.now() - delivery.next_at).total_seconds()
        ctx.tally.observe(QUEUE_WAIT, waited, delivery.platform.value)
    work = ClaimedDelivery(ctx, delivery, account, Credentials(""))
    logged = log_redaction.delivery_id.set(delivery.id)
    try:
        yield work
    except (Conflict, LeaseLost):
        return
    finally:
        log_redaction.delivery_id.reset(logged)
        ctx.keeper.drop(delivery.id)
        for attempt, outcome in work.outcomes.items():
            ctx.tally.count(ATTEMPTS, work.platform, work.acts[attempt].value, outcome.value)


def open_tokens(work: ClaimedDelivery) -> bool:
    """False where they cannot be opened: the delivery waits then."""
    try:
        work.cred = open_credentials(work.ctx.vault, work.account)
    except VaultError as error:
        await_key(work, error)
        return False
    return True


def await_key(work: ClaimedDelivery, error: VaultError) -> None:
    """The account's tokens cannot be opened. That is the installation's trouble and nobody's try: nothing is sent or
    asked until the key is back, and a person is told."""
    again = work.now() + KEY_LOOK
    work.failed_by("key_missing")
    with work.ctx.db.write() as conn:
        news = transitions.tokens_locked(conn, work.account, error.message, work.now())
        if work.delivery.state is not DeliveryState.CLAIMED:
            work.touch(conn, lease_until=None, next_at=again)
            return
        if news:
            work.log(conn, Step.AUTHENTICATION, StepStatus.FAILED, message=f"{error.message} {transitions.UNLOCK}")
        work.move(conn, DeliveryState.WAITING, error.message, next_at=again, lease_until=None)


def new_request_id() -> str:
    return uuid.uuid4().hex


def job_for(ctx: Context, delivery: Delivery, part: PartRecord) -> PartJob:
    """What goes out for `part`, the same at every try (`composed_at` and `handle` were fixed at the first)."""
    before: list[Ref] = [p.ref for p in delivery.parts[: part.index] if p.ref is not None]
    return PartJob(
        key=delivery.key,
        index=part.index,
        text=part.text,
        composed_at=datetime.fromisoformat(part.composed_at),
        media=media_files(ctx, delivery, part),
        handle=part.handle,
        language=part.language,
        parent=before[-1] if before else None,
        root=before[0] if before else None,
        options=part.options,
        card=card_of(part),
        card_picture=card_picture(ctx, part),
    )


def asked_of(delivery: Delivery, part: PartRecord) -> AskedFor:
    """The options of a part, for comparing what is shown."""
    return AskedFor(described(delivery.platform).options, part.options, part.index)


def as_shown(ctx: Context, delivery: Delivery, part: PartRecord) -> tuple[PartRecord, tuple[MediaFile, ...]]:
    """The part and its files as readers are to see them."""
    asked = asked_of(delivery, part)
    options = asked.options.of(asked.stored)
    return replace(part, text=options.shown_text(part.text)), options.posted(media_files(ctx, delivery, part))


def card_of(part: PartRecord) -> LinkCard | None:
    """The link card that goes out with the part; None where none was fixed when it was planned."""
    return part.card if part.card is not None and not part.card.problem else None


def card_picture(ctx: Context, part: PartRecord) -> MediaFile | None:
    """The picture of the part's link card, as it lies on this host."""
    card = card_of(part)
    if card is None or card.picture is None:
        return None
    told, path = card.picture, link_cards.path_of(ctx.data_dir, card.picture)
    return MediaFile(0, MediaKind.IMAGE, told.mime, told.size, told.width, told.height, told.sha256, str(path))


def with_what_is_left(work: ClaimedDelivery, part: PartRecord) -> PartRecord:
    """`part` without the picture of its link card where that file is lost (the folder was not restored, say) and no try of it
    may be visible: a page's picture is no reason to hold up a post."""
    picture = card_picture(work.ctx, part)
    if picture is None or part.staged is not None or part.card is None or Path(picture.path).is_file():
        return part
    with work.ctx.db.read() as conn:
        if attempts.had_unknown(conn, work.delivery.id, part.index, but=0):
            return part
    return replace(part, card=replace(part.card, picture=None))


def media_files(ctx: Context, delivery: Delivery, part: PartRecord) -> tuple[MediaFile, ...]:
    """The files of a part as they are sent, with the public URL for platforms that fetch them."""
    if not part.media:
        return ()
    with ctx.db.read() as conn:
        records = media.get_many(conn, part.media)
    files = tuple(_sent(ctx, delivery, record, part.made.get(str(record.id))) for record in records)
    whole = zip(crops.applied(files, part.options), records, strict=True)
    return tuple(
        file if file.crop is None else replace(file, public_url=ctx.media_url(record, delivery.platform, file.crop))
        for file, record in whole
    )


def _sent(ctx: Context, delivery: Delivery, record: MediaRecord, made: Mapping[str, Any] | None) -> MediaFile:
    """The stored file, or what it was converted to."""
    file = file_of(record, ctx.data_dir)
    if made is None:
        return replace(file, public_url=ctx.media_url(record, delivery.platform))
    url = ctx.media_url(
        replace(record, kind=MediaKind.VIDEO.value, path=made["path"], mime="video/mp4"), delivery.platform
    )
    return replace(as_made(file, made, ctx.data_dir), public_url=url)


def composed(work: ClaimedDelivery, part: PartRecord) -> PartRecord:
    """`part` with the values that are fixed at its first try; its handle nearly always was when it was planned."""
    if part.composed_at:
        return part
    moment = work.now().replace(microsecond=work.now().microsecond // 1000 * 1000)
    handle = part.handle or work.adapter(work.ctx.http).new_handle(work.delivery.key, part.index, moment)
    return replace(part, composed_at=moment.isoformat(), handle=handle)


def search_for(work: ClaimedDelivery, conn: Connection, part: PartRecord, job: PartJob) -> Search:
    """What to look for when it is not known whether `part` is out."""
    since = datetime.fromisoformat(part.intent_at) if part.intent_at else work.delivery.created_at
    newest_known_post: str | None = part.newest_known_post or None
    hidden = deliveries.ghosts(conn, work.account.id)
    if newest_known_post in hidden:  # it is in no list; without another it proves nothing
        newest_known_post = deliveries.newest_seen(conn, work.account.id, since) or _known_before(
            newest_known_post, hidden
        )
    return Search(
        job=job,
        since=since,
        staged=part.staged,
        newest_known_post=newest_known_post,
        later=deliveries.sent_after(conn, work.delivery) - hidden.keys(),
        exclude=remote_posts.known(conn, work.account.remote, but=work.delivery.id)
        | {p.ref.remote_id for p in work.delivery.parts if p.ref is not None},  # parts of a thread may be alike
        ours=remote_posts.sent_by_us(conn, work.account.remote),
        author=work.account.remote_id,
    )


def _known_before(ghost: str, hidden: Mapping[str, str]) -> str:
    """The newest post that was known before the ghost and is none itself (one that was there when the account was linked,
    say), else the ghost. `hidden`: as `deliveries.ghosts` tells."""
    seen, at = {ghost}, hidden[ghost]
    while at in hidden and at not in seen:
        seen.add(at)
        at = hidden[at]
    return ghost if not at or at in seen else at
