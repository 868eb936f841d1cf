"""What became of a post after its proof: edited, renamed, deleted, hidden, its account suspended."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from postprober.domain.delivery import Step, StepStatus
from postprober.domain.drift import News, Watched, judge, what_changed
from postprober.domain.public_look import Verdict
from postprober.pipeline.core import transitions
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery, new_request_id
from postprober.pipeline.verification import browser_checks
from postprober.pipeline.verification.verify import Finding
from postprober.probe.public import look_at_author
from postprober.storage import evidence_log

GONE = "It was published and is gone now: "
# What strangers get, and what its owner gets, told apart.
_GONE_WORDS = {
    "suspended": "the account is no longer public either; it was suspended, closed or made private.",
    "deleted": "it was deleted on the platform.",
    "hidden": "only its author still sees it; it was hidden or restricted.",
    "gone": "it was removed or hidden.",
}


def watch_over(work: ClaimedDelivery, conn: Connection, known: Watched, finding: Finding) -> tuple[Watched, News]:
    """Put a look into what is known of the post, and tell what is new. In the caller's transaction."""
    after, news = judge(known, finding.seen)
    if news is News.CHANGED:
        told = " ".join(what_changed(known, finding.seen))
        reason = f"It was changed after it was verified. {told}"
        body = {"differences": list(what_changed(known, finding.seen)), "before": _sent(work), "after": finding.after}
        evidence_log.keep(conn, work.delivery.id, "drift", body | finding.detail, work.now())
        work.log(conn, Step.VERIFICATION, StepStatus.WARNING, message=reason, drift="changed", **body)
        transitions.drifted(conn, work.delivery, reason, after.changes, work.now())
        browser_checks.ask(work, conn, "drift")
    elif news is News.BACK:
        reason = "It matches what was sent again."
        work.log(conn, Step.VERIFICATION, StepStatus.SUCCESS, message=reason, drift="back")
        transitions.drift_over(conn, work.delivery, reason, after.changes, work.now())
    return after, news


def _sent(work: ClaimedDelivery) -> list[dict[str, Any]]:
    return [{"text": part.text, "media": len(part.media)} for part in work.delivery.parts]


def kind_of_loss(work: ClaimedDelivery, finding: Finding) -> str:
    """deleted, hidden, suspended, or gone when that cannot be told. Looks at the author's page as a stranger."""
    ref = work.delivery.parts[0].ref
    author = look_at_author(
        work.ctx.http.bound(request_id=new_request_id()),
        work.account.platform,
        work.ctx.config_for(work.account.platform),
        url=work.delivery.url or (ref.url if ref else ""),
        name=work.account.account_name,
    )
    if author is Verdict.GONE:
        return "suspended"
    if finding.owner_lost:
        return "deleted"
    return "hidden" if finding.owner_sees else "gone"


def words_for(kind: str) -> str:
    return GONE + _GONE_WORDS[kind]
