"""Looking closer at a post: for each platform how engagement grew, what happened, what was seen, every try."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import altair as alt
import pandas  # noqa: F401 (altair asks whether it is loaded, and breaks on one that another thread is still loading)
import streamlit as st

from postprober.domain.delivery import TRAITS, DeliveryState
from postprober.errors import NotFound
from postprober.services.monitoring import details, evidence
from postprober.services.monitoring.details import Details, EvidenceItem
from postprober.services.monitoring.monitoring import DeliveryView, PostView
from postprober.storage.records import Attempt
from postprober.ui.guard import Visit
from postprober.ui.words import ACT_WORDS, COUNT_WORDS, EVIDENCE_WORDS, OUTCOME_WORDS, moment, safe

NEWEST_TRIES = 10
NEWEST_SEEN = 3
LONGEST_BODY = 4000  # characters of a piece of evidence that are shown
THUMBNAIL = 320  # CSS pixels
LABEL = "Activity and evidence"


def draw(visit: Visit, view: PostView) -> None:
    """An expander; what is in it is read only while it is open."""
    if not view.deliveries:
        return
    opened = st.expander(LABEL, key=f"details-{view.post.id}", on_change="rerun", type="compact")
    if not opened.open:
        return
    by_id = {one.delivery.id: one for one in view.deliveries}
    with opened:
        chosen = st.segmented_control(
            "Platform",
            list(by_id),
            default=next(iter(by_id)),
            required=True,
            key=f"details-of-{view.post.id}",
            format_func=lambda i: by_id[i].platform if i in by_id else "",
            label_visibility="collapsed",
            wrap=True,
        )
        one = by_id.get(chosen or 0) or view.deliveries[0]
        _delivery(visit, one, details.of(visit.core, visit.actor, one.delivery.id))


def _delivery(visit: Visit, view: DeliveryView, found: Details) -> None:
    zone = visit.user.zone
    if found.samples:
        st.markdown("**Engagement**")
        st.altair_chart(chart(found.samples, zone), width="stretch", alt=f"Engagement on {view.platform} over time")
    st.markdown("**Activity**")
    st.html(f'<ol class="pp-history">{"".join(_change(change, zone) for change in view.history)}</ol>')
    if found.evidence:
        st.markdown("**Evidence**")
        for seen in found.evidence[-NEWEST_SEEN:]:
            _seen(visit, seen, zone)
    if found.tries:
        st.markdown("**Attempts**")
    if len(found.tries) > NEWEST_TRIES:
        st.caption(f"The newest {NEWEST_TRIES} of {len(found.tries)}:")
    for attempt in found.tries[-NEWEST_TRIES:]:
        _try(attempt, zone)


def chart(samples: Sequence[tuple[datetime, str, int]], zone: str) -> Any:
    """Counts over time in the person's zone, one line each."""
    here = ZoneInfo(zone)
    rows = [
        # without offset: the chart shows the person's wall clock, whatever zone the browser is in
        {
            "at": at.astimezone(here).replace(tzinfo=None).isoformat(),
            "what": COUNT_WORDS.get(name, name),
            "count": count,
        }
        for at, name, count in samples
    ]
    base = alt.Chart(alt.InlineData(values=rows), height=180).encode(
        x=alt.X("at:T", title=None, axis=alt.Axis(format="%-d %b %H:%M", labelOverlap=True, tickCount=5)),
        y=alt.Y("count:Q", title=None, axis=alt.Axis(tickMinStep=1, format="~s")),
        color=alt.Color("what:N", title=None, legend=alt.Legend(orient="bottom")),
        tooltip=[
            alt.Tooltip("what:N", title="What"),
            alt.Tooltip("count:Q", title="Count"),
            alt.Tooltip("at:T", title="At", format="%-d %b %H:%M:%S"),
        ],
    )
    return alt.layer(base.mark_line(interpolate="monotone"), base.mark_circle(size=36))


def _change(change: dict[str, Any], zone: str) -> str:
    traits = TRAITS[DeliveryState(change["new"])]
    reason = str(change["reason"])
    return (
        f"<li><time>{safe(moment(change['at'], zone))}</time>"
        f'<span class="pp-state pp-{traits.colour}">{safe(traits.label)}</span>'
        f"<span>{safe(reason[:1].upper() + reason[1:])}</span></li>"
    )


def _seen(visit: Visit, seen: EvidenceItem, zone: str) -> None:
    title = EVIDENCE_WORDS.get(seen.kind, seen.kind)
    st.html(
        f'<div class="pp-try"><b>{safe(title)}</b> <time>{safe(moment(seen.at, zone))}</time>'
        f"<p>SHA-256 <code>{safe(seen.sha256)}</code></p></div>"
    )
    if seen.pictured:
        _picture(visit, seen, zone)
    body = json.dumps(seen.body, indent=1, ensure_ascii=False, default=str)
    st.code(body[:LONGEST_BODY], language=None, wrap_lines=True, height="content" if len(body) < 600 else 220)


def _picture(visit: Visit, seen: EvidenceItem, zone: str) -> None:
    """A thumbnail; Streamlit opens it large by its own button."""
    try:
        found = evidence.picture(visit.core, visit.actor, seen.id)
    except NotFound:
        st.caption("The picture was deleted (data retention).")
        return
    verdict = str(seen.body.get("verdict", "")).replace("_", " ")
    st.image(found.png, caption=f"As the public saw it on {moment(seen.at, zone)}: {verdict}", width=THUMBNAIL)


def _try(attempt: Attempt, zone: str) -> None:
    facts = [moment(attempt.started_at, zone)]
    if attempt.http_status:
        facts.append(f"HTTP {attempt.http_status}")
    if attempt.latency_ms is not None:
        facts.append(f"{attempt.latency_ms:,} ms")
    act, outcome = ACT_WORDS.get(attempt.act, attempt.act), OUTCOME_WORDS.get(attempt.outcome, attempt.outcome)
    title = f"{act}, attempt {attempt.number}: {outcome}"
    message = f"<p>{safe(attempt.message)}</p>" if attempt.message else ""
    st.html(f'<div class="pp-try"><b>{safe(title)}</b> <time>{safe(" · ".join(facts))}</time>{message}</div>')
    if attempt.reply:
        st.code(attempt.reply, language=None, wrap_lines=True)
