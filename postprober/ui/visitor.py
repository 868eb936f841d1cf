"""Where the browser is that opened the page."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import streamlit as st

from postprober.security.proxies import client_address
from postprober.services.core import Core

_FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


def address(core: Core) -> str:
    """The browser's address, for the throttle; Streamlit says None for this machine."""
    forwarded = ",".join(st.context.headers.get_all("X-Forwarded-For"))
    return client_address(core.settings.trusted_proxy_networks, st.context.ip_address or "127.0.0.1", forwarded)


def device() -> str:
    """What the browser says of itself."""
    return st.context.headers.get("User-Agent") or ""


def is_local() -> bool:
    """Whether the browser is surely on this machine: the connection, the address that was typed, and no proxy in
    between, which would make everybody look local."""
    if any(st.context.headers.get(name) for name in _FORWARDED):
        return False
    ip = st.context.ip_address
    if ip is not None and not ipaddress.ip_address(ip).is_loopback:
        return False
    return urlsplit(f"//{st.context.headers.get('Host') or ''}").hostname in _LOOPBACK_NAMES
