"""What happened to one delivery, and every try with what the platform answered."""

from __future__ import annotations

from typing import Any

import streamlit as st

from postprober.domain.delivery import TRAITS, DeliveryState
from postprober.services import monitoring
from postprober.services.monitoring import DeliveryView
from postprober.storage.records import Attempt
from postprober.ui.guard import Visit
from postprober.ui.text import moment, safe

NEWEST_TRIES = 10
ACTS = {
    "publish": "Publish",
    "stage": "Hand over media",
    "reconcile": "Look whether it is there",
    "refresh": "Renew the access",
    "verify": "Read it back",
    "engagement": "Read engagement",
}
OUTCOMES = {
    "intended": "begun",
    "success": "done",
    "rejected": "refused",
    "throttled": "rate limit",
    "unavailable": "not available",
    "unknown": "outcome unknown",
    "reconnect": "access lost",
    "abandoned": "stopped before sending",
    "found": "found",
    "absent": "not there",
    "unsure": "cannot tell",
    "late": "late answer",
}


def draw(visit: Visit, view: DeliveryView) -> None:
    """An expander; what is in it is read only while it is open."""
    label = f"History and tries on {view.platform}"
    opened = st.expander(label, key=f"history-{view.delivery.id}", on_change="rerun", type="compact")
    if not opened.open:
        return
    with opened:
        zone = visit.user.zone
        lines = "".join(_change(change, zone) for change in view.history)
        st.html(f'<ol class="pp-history">{lines}</ol>')
        tries = monitoring.attempts_of(visit.core, visit.user.id, view.delivery.id)
        if len(tries) > NEWEST_TRIES:
            st.caption(f"The newest {NEWEST_TRIES} of {len(tries)} tries:")
        for attempt in tries[-NEWEST_TRIES:]:
            _try(attempt, zone)


def _change(change: dict[str, Any], zone: str) -> str:
    traits = TRAITS[DeliveryState(change["new"])]
    reason = str(change["reason"])
    return (
        f"<li><time>{safe(moment(change['at'], zone))}</time>"
        f'<span class="pp-state pp-{traits.colour}">{safe(traits.label)}</span>'
        f"<span>{safe(reason[:1].upper() + reason[1:])}</span></li>"
    )


def _try(attempt: Attempt, zone: str) -> None:
    facts = [moment(attempt.started_at, zone)]
    if attempt.http_status:
        facts.append(f"HTTP {attempt.http_status}")
    if attempt.latency_ms is not None:
        facts.append(f"{attempt.latency_ms:,} ms")
    act, outcome = ACTS.get(attempt.act, attempt.act), OUTCOMES.get(attempt.outcome, attempt.outcome)
    title = f"{act}, try {attempt.number}: {outcome}"
    message = f"<p>{safe(attempt.message)}</p>" if attempt.message else ""
    st.html(f'<div class="pp-try"><b>{safe(title)}</b> <time>{safe(" · ".join(facts))}</time>{message}</div>')
    if attempt.reply:
        st.code(attempt.reply, language=None, wrap_lines=True)
