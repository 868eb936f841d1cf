"""Which addresses PostProber may call on somebody's behalf (server-side request forgery)."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

import idna

from postprober.errors import BadInput

_NAME = re.compile(r"[A-Za-z0-9._-]+")
MAX_HOST = 253  # characters (RFC 1035, 2.3.4)
# RFC 6052, 2.1, and RFC 8215: the last 32 bits are an IPv4 address.
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))


def is_public(address: str) -> bool:
    """Whether the IP `address` is a public unicast address, also behind IPv4-mapped, 6to4 and NAT64 forms."""
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if any(ip in network for network in _NAT64):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
        elif ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def check_url(url: str, *, allow_private: bool) -> str:
    """`url` without a trailing slash if its form is acceptable. Raises BadInput.

    Only http and https (https alone unless private addresses are allowed), no user info. The address itself is
    checked again when connecting, because a name can resolve differently a second later.
    """
    schemes = ("http", "https") if allow_private else ("https",)
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in schemes and parts.port != 0  # reading the port checks it
        usable = usable and _is_host(parts.hostname or "") and url.isprintable()
    except ValueError:
        usable = False
    if not usable:
        raise BadInput(f"The address {url!r} is not usable: give a full {schemes[-1]}:// address.", field="url")
    if parts.username or parts.password:
        raise BadInput("The address must not contain a user name or password.", field="url")
    if not allow_private and is_private_name(parts.hostname or ""):
        raise BadInput(f"The address {url!r} points into a private network and is refused.", field="url")
    return url.strip().rstrip("/")


def host_of(url: str) -> str:
    """The host in `url`, "" when there is none or it cannot be read."""
    try:
        return urlsplit(url.strip()).hostname or ""
    except ValueError:
        return ""


def _is_host(host: str) -> bool:
    """Whether `host` is an address or a name that can be looked up: no empty or too long part, and nothing that IDNA 2008
    forbids (RFC 5891)."""
    if ":" in host:
        return bool(ipaddress.ip_address(host.split("%", 1)[0]))
    try:
        name = host if host.isascii() else idna.encode(host.lower()).decode()
        return bool(_NAME.fullmatch(name)) and len(name.encode("idna")) <= MAX_HOST
    except UnicodeError:  # also idna.IDNAError
        return False


def is_private_name(host: str) -> bool:
    """Whether `host` is a private address or one of the names that mean one; nothing is looked up."""
    name = host.lower().rstrip(".")
    try:
        return not is_public(_plain(name))
    except ValueError:
        return name == "localhost" or name.endswith((".localhost", ".local", ".internal"))


def _plain(host: str) -> str:
    """An IPv4 address in the spellings that resolvers take (decimal, octal, hexadecimal, shortened) as usual."""
    try:
        return str(ipaddress.IPv4Address(socket.inet_aton(host))) if host and host[0].isdigit() else host
    except (OSError, ValueError):
        return host


def resolve(host: str, port: int, *, allow_private: bool) -> str:
    """The first acceptable IP address of `host`. Raises OSError when there is none (so that it reads as a failed
    connection, before any byte was sent)."""
    try:
        ipaddress.ip_address(host)
        addresses = [host]  # an address needs no look-up
    except ValueError:
        try:
            addresses = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except (ValueError, OverflowError) as error:  # a name that no look-up takes: an empty or too long part
            raise OSError(f"{host!r} is not a host name") from error
    allowed = [a for a in addresses if allow_private or is_public(a)]
    if not allowed:
        raise OSError(f"{host} resolves to no address that may be called")
    return allowed[0]
