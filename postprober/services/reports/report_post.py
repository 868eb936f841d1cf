"""What a report about one post says, gathered from the services that the Monitor shows it with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from postprober.agent.results import ACTS
from postprober.analytics import report_queries, report_rows
from postprober.analytics.report_queries import USUAL_DAYS, Usual
from postprober.analytics.report_rows import ReportLine
from postprober.analytics.reports import Aim, Fact, File, OnAccount, Piece, PostReport
from postprober.analytics.store import SampleStore
from postprober.domain.actor import Actor
from postprober.domain.attempt import Act
from postprober.domain.delivery import TRAITS
from postprober.errors import NotFound
from postprober.services.core import Core
from postprober.services.monitoring import details, evidence, monitoring, repairs
from postprober.services.monitoring.details import Details
from postprober.services.monitoring.monitoring import DeliveryView, PostView, StepView
from postprober.services.monitoring.repairs import RepairView
from postprober.services.people import permits
from postprober.storage import goals
from postprober.storage.records import Attempt, Delivery, Post
from postprober.storage.tables import media

MOST_TRIES = 40  # newest tries in a report; how many there are is told
_TOLD = ("message", "next", "public_reason", "witness", "how")  # of a step's details, what is written for people


@permits.needs("reports:read")
def gather(core: Core, actor: Actor, post_id: int, zone: ZoneInfo) -> PostReport:
    """Raises NotFound, also for somebody else's; Forbidden."""
    now = core.clock.now()
    view = monitoring.post_view(core, actor, post_id)
    made = repairs.of_posts(core, actor, [post_id])
    lines, usual, missing = _counted(core, actor.space, view, now)
    with core.db.read() as conn:
        files, aim = _files(conn, view.post), _aim(conn, post_id)
    seen = {one.delivery.id: details.of(core, actor, one.delivery.id) for one in view.deliveries}
    on = tuple(
        _on(
            one,
            lines[one.delivery.id],
            seen[one.delivery.id],
            made.get(one.delivery.id, ()),
            usual.get(one.delivery.id, []),
            _picture(core, actor, seen[one.delivery.id]),
        )
        for one in view.deliveries
        if one.delivery.id in lines
    )
    return PostReport(
        post_id, view.post.content, view.post.status, zone, now, view.post.scheduled_at, files, on, aim, missing
    )


def _counted(
    core: Core, space: int, view: PostView, now: datetime
) -> tuple[dict[int, ReportLine], dict[int, list[Usual]], tuple[date, ...]]:
    """Each delivery as a row, what is usual for its account, and the days that are lost."""
    out = [(one.delivery, at) for one in view.deliveries if (at := one.delivery.published_at) is not None]
    since = min((at for _, at in out), default=now) - timedelta(days=USUAL_DAYS)

    def look(store: SampleStore) -> tuple[dict[int, ReportLine], dict[int, list[Usual]], tuple[date, ...]]:
        found = report_queries.reached_by_post(store, view.post.id)
        with core.db.read() as conn:
            lines = {line.delivery_id: line for line in report_rows.of_post(conn, space, view.post.id, found)}
        usual = {
            one.id: report_queries.usual(store, account_id=one.account_id, but=one.id, before=at, now=now)
            for one, at in out
        }
        return lines, usual, store.missing

    return SampleStore.look(core.db, core.settings.data_dir, space, since, look)


def _on(
    view: DeliveryView,
    line: ReportLine,
    found: Details,
    made: Sequence[RepairView],
    usual: Sequence[Usual],
    picture: tuple[int, bytes],
) -> OnAccount:
    shown, png = picture
    traits = TRAITS[view.delivery.state]
    return OnAccount(
        line=line,
        label=traits.label,
        colour=traits.colour,
        sentence=view.explanation,
        repaired=view.repair,
        parts=tuple(part.text for part in view.delivery.parts),
        steps=tuple(_step(step) for step in view.steps),
        differences=_differences(view, found),
        evidence=tuple(
            Piece(seen.at, seen.kind, seen.sha256, png if seen.id == shown else b"") for seen in found.evidence
        ),
        tries=tuple(_try(one) for one in found.tries[-MOST_TRIES:]),
        changes=tuple(Fact(change["at"], change["new"], str(change["reason"])) for change in view.history),
        diagnoses=tuple(_diagnosis(one) for one in made),
        curve=_curve(view.delivery, found),
        usual=tuple(usual),
    )


def _picture(core: Core, actor: Actor, found: Details) -> tuple[int, bytes]:
    """The newest picture of the post and the evidence it belongs to; one is enough, they are large. (0, b"") without."""
    for seen in reversed(found.evidence):
        if seen.pictured:
            try:
                return seen.id, evidence.picture(core, actor, seen.id).png
            except NotFound:  # its file is gone
                continue
    return 0, b""


def _step(step: StepView) -> Fact:
    told = step.details or {}
    words = " ".join(str(told[name]) for name in _TOLD if told.get(name))
    return Fact(step.at, step.step, words, step.status)


def _differences(view: DeliveryView, found: Details) -> tuple[str, ...]:
    """Of the newest look that told any: evidence first, else the step."""
    bodies = [seen.body for seen in reversed(found.evidence)]
    bodies += [step.details for step in view.steps if step.details]
    told = next((body["differences"] for body in bodies if "differences" in body), ())
    return tuple(str(words) for words in told)


def _try(attempt: Attempt) -> Fact:
    facts = [f"HTTP {attempt.http_status}"] if attempt.http_status else []
    facts += [f"{attempt.latency_ms:,} ms"] if attempt.latency_ms is not None else []
    what = f"{Act(attempt.act).value.capitalize()}, try {attempt.number}"
    return Fact(
        attempt.started_at, what, " · ".join([*facts, attempt.message] if attempt.message else facts), attempt.outcome
    )


def _diagnosis(one: RepairView) -> Fact:
    return Fact(one.made_at, one.cause, one.explanation, f"{one.fix.replace('_', ' ').capitalize()}: {one.state}")


def _curve(delivery: Delivery, found: Details) -> tuple[tuple[float, int], ...]:
    """What people did altogether, by the hours since publishing; what was told at one moment is one point."""
    if delivery.published_at is None:
        return ()
    sums: dict[datetime, int] = {}
    for at, name, count in found.samples:
        if name in ACTS:
            sums[at] = sums.get(at, 0) + count
    hour = timedelta(hours=1)
    return tuple(
        ((at - delivery.published_at) / hour, count) for at, count in sums.items() if at >= delivery.published_at
    )


def _files(conn: Connection, post: Post) -> tuple[File, ...]:
    """In the order of the post; one that was deleted since is left out."""
    ids = [int(number) for number in post.options.get("media", [])]
    rows = {row.id: row for row in conn.execute(select(media).where(media.c.id.in_(ids)))}
    return tuple(
        File(row.name, row.kind, row.size, row.width, row.height, row.sha256, row.alt)
        for number in ids
        if (row := rows.get(number)) is not None
    )


def _aim(conn: Connection, post_id: int) -> Aim | None:
    goal = goals.of_post(conn, post_id)
    return Aim(goal.criteria.said(), goal.met, goal.value, goal.comment, goal.judged_at) if goal else None
