"""What waits for a person's word: held, failed and delayed deliveries, each with what can be done and what that means."""

from __future__ import annotations

import streamlit as st

from postprober.domain.delivery import DeliveryState
from postprober.services import deciding, mending
from postprober.services.core import Core
from postprober.services.monitoring import DeliveryView, PostView
from postprober.ui import acts
from postprober.ui.guard import Visit

WRITE = "posts:write"


def draw(visit: Visit, view: DeliveryView) -> None:
    """Below the row of a delivery that needs a person; nothing for all others."""
    if view.delivery.state is DeliveryState.HELD:
        _held(visit, view)
    elif view.delivery.state is DeliveryState.FAILED:
        _failed(visit, view)
    elif view.delayed:
        _delayed(visit, view)


def _delayed(visit: Visit, view: DeliveryView) -> None:
    st.caption(f"It goes out as soon as {view.platform} answers again. Sent now, it would most likely fail.")
    if visit.button("Send it anyway", WRITE, f"anyway-{view.delivery.id}"):
        acts.act("It is tried now.", deciding.send_held, visit.core, visit.user.id, view.delivery.id)


def _held(visit: Visit, view: DeliveryView) -> None:
    core, user_id, held = visit.core, visit.user.id, view.delivery
    lost = held.unknown_at is not None
    st.caption(
        f"Please look on {view.platform} yourself. Send it only when it is not there; otherwise it would be there "
        "twice. If you leave it, PostProber goes on looking and takes it up when it turns up."
        if lost
        else "Nothing was sent yet. Send it now, or cancel the post."
    )
    with st.container(horizontal=True, key=f"decide-{held.id}"):
        if lost and visit.button(
            "Look again", WRITE, f"look-{held.id}", help="Searches the account once more. Sends nothing."
        ):
            acts.act("PostProber looks again.", deciding.look_again, core, user_id, held.id)
        with st.popover("It is there", disabled=not visit.may(WRITE), key=f"there-{held.id}"):
            _there(visit, view)
        if visit.button("It is not there: send it", WRITE, f"send-{held.id}"):
            acts.act("It is sent.", deciding.send_held, core, user_id, held.id)
        if visit.button("It is not there: leave it", WRITE, f"leave-{held.id}", type="tertiary"):
            acts.act("It is left unsent.", _leave, core, user_id, held.id)


def _there(visit: Visit, view: DeliveryView) -> None:
    with st.form(f"there-form-{view.delivery.id}", border=False):
        link = st.text_input("Link of the post", placeholder="https://…")
        st.caption("It is read and compared first; only the account's own post with this text is taken.")
        if st.form_submit_button("Take it", type="primary"):
            with st.spinner("Reading it …"):
                acts.act(
                    "It is taken; its proof follows.",
                    deciding.adopt_held,
                    visit.core,
                    visit.user.id,
                    view.delivery.id,
                    link,
                )


def _leave(core: Core, user_id: int, delivery_id: int) -> None:
    deciding.cancel_one(core, user_id, delivery_id, not_there=True)


def _failed(visit: Visit, view: DeliveryView) -> None:
    core, user_id, failed = visit.core, visit.user.id, view.delivery
    with st.container(horizontal=True, key=f"mend-{failed.id}"):
        if visit.button("Try again", WRITE, f"retry-{failed.id}", help=f"Sends it once more on {view.platform} only."):
            acts.act("It is tried again.", deciding.retry_one, core, user_id, failed.id)
        with st.popover("Edit and send", disabled=not visit.may(WRITE), key=f"edit-{failed.id}"):
            _edit(visit, view)
        if visit.button("Give up", WRITE, f"give-up-{failed.id}", type="tertiary", help="Nothing is tried any more."):
            acts.act("It was given up.", deciding.cancel_one, core, user_id, failed.id)


def _edit(visit: Visit, view: DeliveryView) -> None:
    before = tuple(part.text for part in view.delivery.parts)
    out = sum(part.ref is not None for part in view.delivery.parts)
    with st.form(f"edit-form-{view.delivery.id}", border=False):
        texts = [
            st.text_area(f"Part {i + 1}" if len(before) > 1 else "Text", text, disabled=i < out, height=140)
            or ""
            for i, text in enumerate(before)
        ]  # fmt: skip
        st.caption(f"Changes what goes to {view.platform} only. It is checked before it is sent.")
        if st.form_submit_button("Send it", type="primary"):
            acts.act(
                "It is sent with the new text.", mending.rewrite, visit.core, visit.user.id, view.delivery.id, texts
            )


def stoppable(view: PostView) -> bool:
    """Whether anything of the post can still be cancelled."""
    return any(
        one.delivery.unknown_at is None
        and one.delivery.state in (DeliveryState.SCHEDULED, DeliveryState.WAITING, DeliveryState.HELD)
        for one in view.deliveries
    )
