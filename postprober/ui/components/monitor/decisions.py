"""What waits for a person's word: held, failed and delayed deliveries, each with what can be done and what that means."""

from __future__ import annotations

import streamlit as st

from postprober.domain.actor import Actor
from postprober.domain.delivery import UNFINISHED, DeliveryState
from postprober.domain.held import Choice, words
from postprober.services.core import Core
from postprober.services.monitoring.monitoring import DeliveryView, PostView
from postprober.services.posts import delivery_actions
from postprober.ui import acts
from postprober.ui.components.monitor import edit_failed, ghost_card
from postprober.ui.guard import Visit

WRITE = "posts:publish"


def draw(visit: Visit, view: DeliveryView) -> None:
    """Below the row of a delivery that needs a person; nothing for all others."""
    if view.delivery.state is DeliveryState.HELD:
        _held(visit, view)
    elif view.delivery.state in UNFINISHED:
        _failed(visit, view)
    elif view.delivery.state is DeliveryState.GHOST:
        ghost_card.draw(visit, view)
    elif edit_failed.is_open(view.delivery.id):
        with st.container(horizontal=True, key=f"mend-{view.delivery.id}"):
            edit_failed.popover(visit, view)
    elif view.delayed:
        _delayed(visit, view)


def _delayed(visit: Visit, view: DeliveryView) -> None:
    st.caption(
        f"Published as soon as {view.platform} is available again. If you send it now, it will most likely fail."
    )
    if visit.button("Send it anyway", WRITE, f"anyway-{view.delivery.id}"):
        acts.act("Sending now.", delivery_actions.send_held, visit.core, visit.actor, view.delivery.id)


def _held(visit: Visit, view: DeliveryView) -> None:
    core, actor, held = visit.core, visit.actor, view.delivery
    told = words(held.cause, unknown=held.unknown_at is not None)
    st.caption(told.advice.format(platform=view.platform))
    with st.container(horizontal=True, key=f"decide-{held.id}"):
        if Choice.LOOK in told.choices and visit.button(
            "Check again", WRITE, f"look-{held.id}", help="Searches the account once more. Sends nothing."
        ):
            acts.act("We are checking again.", delivery_actions.look_again, core, actor, held.id)
        if Choice.POINT in told.choices:
            with st.popover(f"It is on {view.platform}", disabled=not visit.may(WRITE), key=f"there-{held.id}"):
                _there(visit, view)
        if Choice.SEND in told.choices and visit.button(
            told.send.format(platform=view.platform), WRITE, f"send-{held.id}"
        ):
            acts.act("Publishing…", delivery_actions.send_held, core, actor, held.id)
        if visit.button(told.cancel.format(platform=view.platform), WRITE, f"leave-{held.id}", type="tertiary"):
            acts.act("Cancelled. Nothing more is sent.", _leave, core, actor, held.id)


def _there(visit: Visit, view: DeliveryView) -> None:
    with st.form(f"there-form-{view.delivery.id}", border=False):
        link = st.text_input("Link of the post", placeholder="https://…")
        st.caption("We check it first: it must belong to this account and have this text.")
        if st.form_submit_button("Link it", type="primary"):
            with st.spinner("Checking it …"):
                acts.act(
                    "Linked. Verification has started.",
                    delivery_actions.adopt_held,
                    visit.core,
                    visit.actor,
                    view.delivery.id,
                    link,
                )


def _leave(core: Core, actor: Actor, delivery_id: int) -> None:
    delivery_actions.cancel_one(core, actor, delivery_id, not_there=True)


def _failed(visit: Visit, view: DeliveryView) -> None:
    core, actor, failed = visit.core, visit.actor, view.delivery
    with st.container(horizontal=True, key=f"mend-{failed.id}"):
        partly = failed.state is DeliveryState.PARTIAL
        again = "Publish the rest" if partly else "Try again"
        if visit.button(again, WRITE, f"retry-{failed.id}", help=f"Sends it once more on {view.platform} only."):
            acts.act("Retrying…", delivery_actions.retry_one, core, actor, failed.id)
        edit_failed.popover(visit, view)
        if not partly and visit.button(
            "Cancel it", WRITE, f"give-up-{failed.id}", type="tertiary", help="No more attempts are made."
        ):
            acts.act("Cancelled. Nothing more is sent.", delivery_actions.cancel_one, core, actor, failed.id)


def stoppable(view: PostView) -> bool:
    """Whether anything of the post can still be cancelled."""
    return any(
        one.delivery.unknown_at is None
        and one.delivery.state in (DeliveryState.SCHEDULED, DeliveryState.WAITING, DeliveryState.HELD)
        for one in view.deliveries
    )
