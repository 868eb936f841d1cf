"""Yourself, your sign-ins, tokens for programs, the people of your space, and what is kept for how long."""

import streamlit as st

from postprober.ui import guard
from postprober.ui.components.settings import installation, profile, security, tokens
from postprober.ui.components.settings import people as settings_people

visit = guard.enter()
st.title("Settings", anchor=False)
areas = {
    "Profile": profile.draw,
    "Sign-in": security.draw,
    "API tokens": tokens.draw,
    "AI and retention": installation.draw,
}
if visit.actor.owns:
    areas["People"] = settings_people.draw
for tab, draw in zip(st.tabs(list(areas)), areas.values(), strict=True):
    with tab:
        draw(visit)
