"""Yourself, your sign-ins, tokens for programs, the people of your space, and what is kept for how long."""

import streamlit as st

from postprober.services import people
from postprober.ui import guard
from postprober.ui.components import (
    settings_house,
    settings_people,
    settings_profile,
    settings_security,
    settings_tokens,
)

visit = guard.enter()
st.title("Settings", anchor=False)
areas = {
    "Profile": settings_profile.draw,
    "Sign-in": settings_security.draw,
    "API tokens": settings_tokens.draw,
    "AI and retention": settings_house.draw,
}
if people.manages_people(visit.user):
    areas["People"] = settings_people.draw
for tab, draw in zip(st.tabs(list(areas)), areas.values(), strict=True):
    with tab:
        draw(visit)
