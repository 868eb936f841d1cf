"""Name and time zone."""

from __future__ import annotations

from zoneinfo import available_timezones

import streamlit as st

from postprober.services.people import people
from postprober.ui import acts
from postprober.ui.guard import Visit


def draw(visit: Visit) -> None:
    user = visit.user
    with st.form("profile"):
        st.text_input("E-mail address", user.email, disabled=True)
        name = st.text_input("Name", user.name, max_chars=120, autocomplete="name")
        zones = sorted(available_timezones())
        zone = st.selectbox(
            "Time zone", zones, index=zones.index(user.zone), help="Times are shown, and read, in this zone."
        )
        if st.form_submit_button("Save", type="primary"):
            acts.act("Profile saved.", people.change_profile, visit.core, visit.actor, name=name, zone=zone)
