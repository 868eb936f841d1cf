"""A post that its platform accepted and nobody can see: what can be done about it."""

from __future__ import annotations

import streamlit as st

from postprober.services.monitoring import ghosts
from postprober.services.monitoring.monitoring import DeliveryView
from postprober.ui import acts
from postprober.ui.components.shared import approval
from postprober.ui.guard import Visit

WRITE = "posts:publish"


def draw(visit: Visit, view: DeliveryView) -> None:
    """Below the row of such a delivery."""
    core, actor, one = visit.core, visit.actor, view.delivery
    if one.acknowledged_at is not None:
        st.caption("Acknowledged. We keep checking and show it here if it becomes visible.")
    with st.container(horizontal=True, key=f"ghost-{one.id}"):
        if visit.button("Check again", WRITE, f"ghost-check-{one.id}", help="Reads the post now. Sends nothing."):
            acts.act("We are checking again.", ghosts.check_again, core, actor, one.id)
        if one.acknowledged_at is not None:
            return
        with st.popover("Publish again", disabled=not visit.may(WRITE), key=f"ghost-again-{one.id}"):
            _again(visit, view)
        if visit.button("Acknowledge", WRITE, f"ghost-ack-{one.id}", type="tertiary", help="Sends nothing."):
            acts.act("Acknowledged.", ghosts.acknowledge, core, actor, one.id)


def _again(visit: Visit, view: DeliveryView) -> None:
    st.caption(f"Publishes the same text on {view.platform} as a new post. {ghosts.RISK}")
    sure = st.checkbox("I accept that both may become visible", key=f"ghost-risk-{view.delivery.id}")
    name = f"ghost-{view.delivery.id}"
    approval.draw(name)
    if visit.button("Publish again now", WRITE, f"ghost-send-{view.delivery.id}", off=not sure, type="primary"):
        approval.act(
            name, "Publishing…", ghosts.publish_again, visit.core, visit.actor, view.delivery.id, risk_accepted=sure
        )
