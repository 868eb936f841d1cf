"""What went wrong with a delivery in plain words, and the repair that is proposed or was made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from postprober.domain.delivery import TRAITS
from postprober.services.monitoring import repairs
from postprober.services.monitoring.monitoring import DeliveryView
from postprober.services.monitoring.repairs import RepairView
from postprober.ui import acts
from postprober.ui.components.shared import approval
from postprober.ui.components.shared.diff import texts_html
from postprober.ui.guard import Visit
from postprober.ui.words import FIX_WORDS, REPAIR_WORDS, moment, safe

WRITE = "posts:publish"


def draw(visit: Visit, view: DeliveryView, made: Sequence[RepairView]) -> None:
    """The newest diagnosis of a delivery that needs a person; of one that is out, the repairs that were applied."""
    if not made:
        return
    shown = [one for one in made if one.state == "applied"] if _well(view) else [made[-1]]
    for one in shown:
        st.html(html(one, visit.user.zone))
        if one.state == "proposed":
            _decide(visit, one)


def html(one: RepairView, zone: str) -> str:
    """Escaped throughout: explanations may quote what platforms answered."""
    label, colour = REPAIR_WORDS[one.state]
    cited = f" Based on {len(one.cited)} {'attempt' if len(one.cited) == 1 else 'attempts'}." if one.cited else ""
    until = f"<p>Next attempt: {safe(moment(datetime.fromisoformat(one.until), zone))}.</p>" if one.until else ""
    files = f"<p>{safe(one.files)}</p>" if one.files else ""
    diff = texts_html(one.before, one.after) if one.after else ""
    note = f" {one.note}" if one.note else ""
    return (
        f'<div class="pp-diagnosis"><p>{safe(one.explanation)}</p>'
        f'<div class="pp-row-head"><b>{safe(FIX_WORDS.get(one.fix, one.fix))}</b>'
        f'<span class="pp-state pp-{colour}">{label}</span></div>{until}{files}{diff}'
        f"<small>Diagnosed by {safe(one.by)}.{safe(cited)}{safe(note)}</small></div>"
    )


def _decide(visit: Visit, one: RepairView) -> None:
    name = f"repair-{one.id}"
    approval.draw(name)
    with st.container(horizontal=True, key=f"repair-{one.id}"):
        if visit.button("Apply the repair", WRITE, f"apply-{one.id}", type="primary"):
            approval.act(name, "Repair applied.", repairs.apply, visit.core, visit.actor, one.id)
        if visit.button("Dismiss the repair", WRITE, f"no-repair-{one.id}"):
            acts.act("Repair dismissed.", repairs.refuse, visit.core, visit.actor, one.id)


def _well(view: DeliveryView) -> bool:
    traits = TRAITS[view.delivery.state]
    return traits.delivered and not traits.needs_person
