"""Which addresses PostProber may call on somebody's behalf (server-side request forgery)."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from postprober.errors import BadInput

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052, 2.1: the last 32 bits are an IPv4 address


def is_public(address: str) -> bool:
    """Whether the IP `address` is a public unicast address, also behind IPv4-mapped, 6to4 and NAT64 forms."""
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
    return ip.is_global and not ip.is_multicast


def check_url(url: str, *, allow_private: bool) -> str:
    """`url` without a trailing slash if its form is acceptable. Raises BadInput.

    Only http and https (https alone unless private addresses are allowed), no user info. The address itself is
    checked again when connecting, because a name can resolve differently a second later.
    """
    schemes = ("http", "https") if allow_private else ("https",)
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0  # reading the port checks it
    except ValueError:
        usable = False
    if not usable:
        raise BadInput(f"The address {url!r} is not usable: give a full {schemes[-1]}:// address.", field="url")
    if parts.username or parts.password:
        raise BadInput("The address must not contain a user name or password.", field="url")
    if not allow_private and is_private_name(parts.hostname or ""):
        raise BadInput(f"The address {url!r} points into a private network and is refused.", field="url")
    return url.strip().rstrip("/")


def is_private_name(host: str) -> bool:
    """Whether `host` is a private address or one of the names that mean one; nothing is looked up."""
    try:
        return not is_public(host)
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))


def resolve(host: str, port: int, *, allow_private: bool) -> str:
    """The first acceptable IP address of `host`. Raises OSError when there is none (so that it reads as a failed
    connection, before any byte was sent)."""
    try:
        ipaddress.ip_address(host)
        addresses = [host]  # an address needs no look-up
    except ValueError:
        addresses = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    allowed = [a for a in addresses if allow_private or is_public(a)]
    if not allowed:
        raise OSError(f"{host} resolves to no address that may be called")
    return allowed[0]
