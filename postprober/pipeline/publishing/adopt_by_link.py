"""A person says where a held post is. It is read there first, because a wrong link would make a post that never went
out count as published.

Steps: the id out of the link → read with the account's own access, or, where the platform lets the app not read back,
as a stranger → it must be the account's, nobody else's delivery, not older than the delivery, and what was to be sent →
adopted, if the delivery is still held. Nothing in this module sends.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import DeliveryState
from postprober.domain.platform import NAMES
from postprober.domain.public_look import Look, Verdict
from postprober.domain.remote import Ref, RemotePost
from postprober.errors import NOT_PERMITTED, BadInput, Conflict, PlatformError, ReconnectNeeded, Unavailable
from postprober.pipeline.core import transitions
from postprober.pipeline.core.adopt import Taken, adopt
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery, as_shown, asked_of
from postprober.pipeline.core.context import Context, ExchangeRecorder
from postprober.pipeline.core.tokens import ensure_valid, open_credentials
from postprober.pipeline.publishing.locate import since_of
from postprober.platforms.registry import SPECS, public_url, remote_id_in
from postprober.probe.compare import compare
from postprober.probe.public import look
from postprober.storage import accounts, deliveries
from postprober.storage.records import Delivery, PartRecord

SLACK = timedelta(minutes=2)  # the platform's clock and ours, as in platforms.common.adapter.sighting_in


def adopt_pointed(ctx: Context, delivery: Delivery, link: str, request_id: str, by: str) -> Delivery:
    """Adopt what `link` names for the held `delivery`, as the person called `by` says. Raises BadInput (it is not that post), Conflict (moved
    meanwhile) or a PlatformError (it cannot be read now); then nothing has changed."""
    part = delivery.open_part()
    if part is None:
        raise Conflict("Nothing of this delivery is missing.")
    with ctx.db.read() as conn:
        account = accounts.get(conn, delivery.account_id)
    work = ClaimedDelivery(ctx, delivery, account, open_credentials(ctx.vault, account))
    wanted = remote_id_in(account.platform, link, account_id=account.remote_id, handle=account.account_name.lstrip("@"))
    recorder = ExchangeRecorder()
    with ctx.db.write() as conn:
        attempt = work.begin(conn, Act.RECONCILE, part.index, request_id)
    try:
        ref = _checked(work, part, wanted, recorder, request_id)
    except (BadInput, PlatformError) as error:
        outcome = Outcome.ABSENT if isinstance(error, BadInput) else Outcome.UNSURE
        with ctx.db.write() as conn:
            work.close(conn, attempt, outcome, recorder, str(error))
            if isinstance(error, ReconnectNeeded):
                transitions.reconnect_needed(conn, work.account, error, work.now())
        raise
    with ctx.db.write() as conn:
        work.close(conn, attempt, Outcome.FOUND, recorder, f"{by} said where it is")
        _settle(work, conn, part, ref, by)
    return work.delivery


def _settle(work: ClaimedDelivery, conn: Connection, part: PartRecord, ref: Ref, by: str) -> None:
    """In the transaction that adopts: nobody else may have decided or taken this post meanwhile."""
    current = deliveries.get(conn, work.delivery.id)
    still = current.open_part()
    if current.state is not DeliveryState.HELD or still is None or still.index != part.index:
        raise Conflict("This delivery was settled meanwhile; read it again.")
    if ref.remote_id in {p.ref.remote_id for p in current.parts if p.ref is not None}:
        raise BadInput("This post is another part of this thread.", field="link")
    work.delivery = current
    try:
        adopt(work, conn, still, ref, f"{by} said where it is, and it was read there", sent_by_us=False)
    except Taken as error:
        raise BadInput("This post belongs to another delivery.", field="link") from error


def _checked(work: ClaimedDelivery, part: PartRecord, wanted: str, recorder: ExchangeRecorder, request_id: str) -> Ref:
    """The post as a reference, after reading it. Raises BadInput or a PlatformError."""
    work.account, work.cred = ensure_valid(work.ctx, work.delivery, work.account)
    adapter = work.adapter(work.http(recorder, request_id))
    try:
        if SPECS[work.account.platform].code_in_links and not wanted.isdecimal():
            listed = adapter.recent(work.cred, _since(work, part)).posts
            post = next((p for p in listed if wanted in p.ref.url.rstrip("/").split("/")), None)
        else:
            post = adapter.fetch(work.cred, wanted)
    except Unavailable as error:
        if error.code != NOT_PERMITTED:
            raise
        return _seen_by_a_stranger(work, part, wanted, request_id)
    if post is None:
        raise BadInput(f"There is no such post on {NAMES[work.account.platform]}.", field="link")
    if post.created_at is not None and post.created_at < _since(work, part):
        raise BadInput("That post is older than this delivery, so it is another one.", field="link")
    parents = [p.ref.remote_id for p in work.delivery.parts[: part.index] if p.ref is not None]
    if parents and post.reply_to not in ("", parents[-1]):
        raise BadInput("That post is not the next one of this thread.", field="link")
    _must_match(work, part, post, post.author_id or post.author_name)
    return post.ref


def _seen_by_a_stranger(work: ClaimedDelivery, part: PartRecord, wanted: str, request_id: str) -> Ref:
    """Where the app may not read back, what everybody sees has to do."""
    platform, config = work.account.platform, work.ctx.config_for(work.account.platform)
    url = public_url(platform, config, wanted)
    seen = look(
        work.ctx.http.bound(request_id=request_id),
        platform,
        config,
        url=url,
        remote_id=wanted,
        instance=work.account.instance,
        author=work.account.account_name,
    )
    if seen.verdict is Verdict.GONE:
        raise BadInput(f"There is no such post on {NAMES[platform]}.", field="link")
    if seen.verdict is not Verdict.FOUND:
        raise BadInput(
            f"{NAMES[platform]} lets neither PostProber nor a stranger read this post, so it cannot be checked: "
            f"{seen.reason}",
            field="link",
        )
    _must_match(work, part, seen, seen.author or "")
    return Ref(wanted, url)


def _must_match(work: ClaimedDelivery, part: PartRecord, read: Look | RemotePost, author: str) -> None:
    """Raises BadInput unless it is surely the account's and surely what was to be sent."""
    if not author:
        raise BadInput("It cannot be seen whose post that is, so it is not taken for yours.", field="link")
    own = work.account.remote_id if isinstance(read, RemotePost) and read.author_id else work.account.account_name
    asked = asked_of(work.delivery, part)
    part, files = as_shown(work.ctx, work.delivery, part)
    found = compare(part.text, files, read, author=own, asked=asked)
    if found.matches is not True:
        told = " ".join(found.differences) or "Too little of it can be read to tell."
        raise BadInput(f"That is not what this delivery was to send. {told}", field="link")


def _since(work: ClaimedDelivery, part: PartRecord) -> datetime:
    return since_of(work, part) - SLACK
