"""Sending the browser somewhere else."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import streamlit as st

from postprober.errors import BadInput


def go(url: str) -> None:
    """Leave the app for `url` in the same tab. Raises BadInput for anything but http and https.

    A script is the only way that works from Streamlit (a refresh tag and window.parent do not).
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise BadInput("This address cannot be opened in a browser.")
    # JSON is a JavaScript string; without "<" it cannot end the script either.
    literal = json.dumps(url).replace("<", "\\u003c")
    st.html(f"<script>window.location.href = {literal}</script>", unsafe_allow_javascript=True)
