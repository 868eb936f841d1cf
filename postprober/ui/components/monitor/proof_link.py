"""A post's proof for everybody who has the link: shared with a click, withdrawn with another."""

from __future__ import annotations

import streamlit as st

from postprober.domain.delivery import DeliveryState
from postprober.services.monitoring.monitoring import PostView
from postprober.services.reports import proof_pages
from postprober.ui import acts
from postprober.ui.guard import Visit

WRITE = "reports:write"
_LIVE = (DeliveryState.PUBLISHED, DeliveryState.VERIFIED)


def draw(visit: Visit, view: PostView) -> None:
    """A popover that is filled when it is opened; nothing for a post of which nothing is live."""
    if not any(one.delivery.state in _LIVE for one in view.deliveries):
        return
    post_id = view.post.id
    opened = st.popover(
        "Share the proof", icon=":material/verified:", type="tertiary", key=f"proof-{post_id}", on_change="rerun"
    )
    if not opened.open:
        return
    with opened:
        found = proof_pages.link(visit.core, visit.actor, post_id)
        if found:
            st.caption("Anyone with this link can see what was sent, and when and where it was verified.")
            st.code(found, language=None)
            if visit.button("Revoke link", WRITE, f"withdraw-{post_id}", help="The link stops working immediately."):
                acts.act("Link revoked.", proof_pages.withdraw, visit.core, visit.actor, post_id)
        else:
            st.caption(
                "Makes a link that shows the text, the pictures' hashes, times, proof and the link of the post to "
                "anybody who has it. Nothing about you, your accounts, or errors."
            )
            if visit.button("Create link", WRITE, f"share-{post_id}", type="primary"):
                acts.act("Link created. Copy it.", proof_pages.share, visit.core, visit.actor, post_id)
