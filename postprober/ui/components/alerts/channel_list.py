"""Where you are told: add, try, change, remove, and look at what was sent."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from postprober.domain.alert import KIND_WORDS, AlertKind
from postprober.errors import PostProberError
from postprober.services.notifications import channels
from postprober.services.notifications.channels import ChannelView
from postprober.ui import acts
from postprober.ui.guard import Visit
from postprober.ui.words import moment, safe

_SECRET = "pp_channel_secret"
KINDS = {
    "apprise": "A service (Apprise): Slack, ntfy, Signal, Matrix …",
    "email": "E-mail",
    "webhook": "Signed webhook",
}
HINTS = {
    "apprise": "Its Apprise address, for example ntfy://ntfy.sh/my-topic",
    "email": "Leave empty to use your own address",
    "webhook": "https://…",
}


def draw(visit: Visit) -> None:
    if secret := st.session_state.get(_SECRET):
        st.warning("Copy the webhook's signing secret now. It will not be shown again.")
        st.code(secret, language=None)
        if st.button("I have copied it", key="channel-secret-done"):
            del st.session_state[_SECRET]
            st.rerun()
    found = channels.listing(visit.core, visit.actor)
    for one in found:
        _channel(visit, one)
    if not found:
        st.info("Alerts are shown in the app only. Add a channel to get them by mail or chat.")
    _new(visit)


def _channel(visit: Visit, one: ChannelView) -> None:
    with st.container(border=True, key=f"channel-{one.id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.html(_line_html(one, visit.user.zone))
            if visit.button("Send a test", "alerts:write", f"try-{one.id}", type="tertiary"):
                with st.spinner("Sending …"):
                    acts.act("Test message sent.", channels.try_out, visit.core, visit.actor, one.id)
            label = "Turn off" if one.is_active else "Turn on"
            if visit.button(label, "alerts:write", f"switch-{one.id}", type="tertiary"):
                acts.act(
                    "Turned off." if one.is_active else "Turned on.",
                    channels.change,
                    visit.core,
                    visit.actor,
                    one.id,
                    kinds=one.kinds,
                    escalation=one.escalation,
                    active=not one.is_active,
                )
            if visit.button("Remove", "alerts:write", f"remove-channel-{one.id}", type="tertiary"):
                acts.act(f"{one.name} was removed.", channels.remove, visit.core, visit.actor, one.id)
        with st.expander("Delivery log"):
            _log(visit, one)


def _log(visit: Visit, one: ChannelView) -> None:
    rows = channels.log(visit.core, visit.actor, one.id, 20)
    if not rows:
        st.caption("Nothing yet.")
        return
    zone = visit.user.zone
    st.dataframe(
        pd.DataFrame(
            {
                "When": [moment(row["created_at"], zone) for row in rows],
                "Alert": [row["alert_message"] for row in rows],
                "Result": [_result(row["sent_at"] is not None, row["next_at"] is not None) for row in rows],
                "Attempts": [row["tries"] for row in rows],
                "Last problem": [row["error"] for row in rows],
            }
        ),
        hide_index=True,
    )


def _result(sent: bool, waits: bool) -> str:
    return "sent" if sent else "retrying" if waits else "failed"


def _new(visit: Visit) -> None:
    with st.container(border=True, key="new-channel"):
        st.subheader("Add a channel", anchor=False)
        kind = st.selectbox("Kind", list(KINDS), format_func=KINDS.__getitem__, key="channel-kind")
        with st.form("new-channel-form", border=False, clear_on_submit=True):
            name = st.text_input("Name", max_chars=channels.MAX_NAME, placeholder="on call", key="channel-name")
            url = st.text_input("Address", placeholder=HINTS[kind], key="channel-url")
            kinds = st.multiselect(
                "Alerts", list(AlertKind), format_func=KIND_WORDS.__getitem__, placeholder="All kinds"
            )
            last = st.checkbox("Escalations only: alerts left unread")
            off = visit.why_not("alerts:write")
            if st.form_submit_button("Add", disabled=off is not None, help=off):
                try:
                    _made, secret = channels.add(
                        visit.core, visit.actor, kind=kind, name=name, url=url, kinds=kinds, escalation=last
                    )
                except PostProberError as error:
                    acts.refuse(error)
                else:
                    if secret:
                        st.session_state[_SECRET] = secret
                    acts.tell("Channel added. Send a test to check that it arrives.")
                    st.rerun()


def _line_html(one: ChannelView, zone: str) -> str:
    kinds = ", ".join(KIND_WORDS[kind] for kind in one.kinds) or "All alerts"
    label, colour = ("On", "green") if one.is_active else ("Off", "grey")
    if one.is_active and one.failing_since:
        label, colour = "Failing", "orange"
    facts = [kinds + (", escalations only" if one.escalation else "") + "."]
    if one.failing_since and one.is_active:
        facts.append(f"Failing since {moment(one.failing_since, zone)}. Missed alerts are sent when it works again.")
    facts.append(one.off_reason)
    return (
        f'<div class="pp-account-line"><span class="pp-platform">{safe(one.name)}</span>'
        f'<span class="pp-account">{safe(one.where)}</span><span class="pp-state pp-{colour}">{label}</span>'
        f"<small>{safe(' '.join(filter(None, facts)))}</small></div>"
    )
