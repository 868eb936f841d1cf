"""The address that is asking, behind reverse proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_address(trusted: Sequence[Network], peer: str, forwarded: str) -> str:
    """`peer`: who opened the connection; `forwarded`: X-Forwarded-For, which counts only as far as it was written by
    `trusted` proxies: it is read from the right, because anybody can write the left."""
    address = peer
    for hop in reversed([part.strip() for part in forwarded.split(",")]):
        if not _within(address, trusted) or _ip(hop) is None:
            break
        address = hop
    return address


def _within(address: str, networks: Sequence[Network]) -> bool:
    ip = _ip(address)
    return ip is not None and any(ip in network for network in networks if network.version == ip.version)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip
