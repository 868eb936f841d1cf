"""Sending the browser somewhere else."""

from __future__ import annotations

import json

import streamlit as st

from postprober.domain.addresses import split
from postprober.errors import BadInput


def go(url: str, *, cookie: str = "") -> None:
    """Leave the app for `url` in the same tab; `cookie` (as `document.cookie` takes it) is set first. Raises BadInput
    for anything but http and https.

    A script is the only way that works from Streamlit (a refresh tag and window.parent do not).
    """
    if split(url).scheme not in ("http", "https"):
        raise BadInput("This address cannot be opened in a browser.")
    first = f"document.cookie = {_literal(cookie)};" if cookie else ""
    st.html(f"<script>{first}window.location.href = {_literal(url)}</script>", unsafe_allow_javascript=True)


def reload() -> None:
    """Load the page anew: whatever stands in its fields is gone then."""
    st.html("<script>window.location.reload()</script>", unsafe_allow_javascript=True)


def _literal(text: str) -> str:
    """JSON is a JavaScript string; without "<" it cannot end the script either."""
    return json.dumps(text).replace("<", "\\u003c")
