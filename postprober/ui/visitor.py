"""Where the browser is that opened the page."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import streamlit as st

from postprober.security.proxies import client_address
from postprober.services.core import Core

ASKED = "pp_asked"
_NAMED = {"draft": re.compile(r"[A-Za-z0-9_-]{1,40}"), "post": re.compile(r"[0-9]{1,18}")}  # in an address


def address(core: Core) -> str:
    """The browser's address, for the throttle; Streamlit says None for this machine."""
    forwarded = ",".join(st.context.headers.get_all("X-Forwarded-For"))
    return client_address(core.settings.trusted_proxy_networks, st.context.ip_address or "127.0.0.1", forwarded)


def device() -> str:
    """What the browser says of itself."""
    return st.context.headers.get("User-Agent") or ""


def came_to(path: str) -> None:
    """Note which page the browser asked for: `path` as `st.Page` has it, "" for the first one."""
    st.session_state[ASKED] = path


def here() -> str:
    """The path of that page with the draft or post that its address names: where one comes back to after signing in."""
    found = {name: st.query_params.get(name, "") for name in _NAMED}
    named = {name: value for name, value in found.items() if _NAMED[name].fullmatch(value)}
    return f"/{st.session_state.get(ASKED, '')}{'?' if named else ''}{urlencode(named)}"
