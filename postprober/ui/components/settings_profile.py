"""Name and time zone."""

from __future__ import annotations

from zoneinfo import available_timezones

import streamlit as st

from postprober.services import people
from postprober.ui.components import asking
from postprober.ui.guard import Visit


def draw(visit: Visit) -> None:
    user = visit.user
    asking.told()
    with st.form("profile"):
        st.text_input("E-mail address", user.email, disabled=True)
        name = st.text_input("Name", user.name, max_chars=120, autocomplete="name")
        zones = sorted(available_timezones())
        zone = st.selectbox(
            "Time zone", zones, index=zones.index(user.zone), help="Times are shown, and read, in this zone."
        )
        if st.form_submit_button("Save", type="primary"):
            asking.act(lambda: people.change_profile(visit.core, user, name=name, zone=zone), "Your profile is saved.")
