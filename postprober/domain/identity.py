"""Who a remote account is and which post a remote id means, however somebody spelled the address of its server.

Everything that asks "is that the same post?" or "is that the same account?" compares these records and nothing else, so
what makes two servers one is decided here alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

import idna

from postprober.domain.addresses import split
from postprober.domain.platform import Platform, described

_PORTS = {"http": 80, "https": 443}
_THIS_MACHINE = {"localhost": "127.0.0.1", "::1": "127.0.0.1"}
# First pieces of the paths of pages that people copy from their browser; a server's API lies under none of them.
_PAGES = frozenset({"users", "web", "auth", "about", "explore", "home", "public", "settings", "tags"})


@dataclass(frozen=True)
class AccountIdentity:
    """An account as the platform knows it. `server`: see `server_name`; `remote_id`: the platform's id of the account."""

    platform: Platform
    server: str
    remote_id: str


@dataclass(frozen=True)
class PostIdentity:
    """A post as the platform knows it: unique in the whole installation, and it belongs to one delivery."""

    platform: Platform
    server: str
    remote_id: str


def server_name(platform: Platform, instance: str) -> str:
    """The name of the server that `instance` (a base URL, "" where the platform has only one) leads to; "" where all
    servers are one network."""
    about = described(platform)
    if not instance or about.one_network:
        return ""
    return host_name(instance) + (split(base_address(instance, whole=True)).path if about.sites else "")


def host_name(instance: str) -> str:
    """The host of a base URL in lower case and Punycode, without a final dot, with the port where it is not the usual
    one."""
    try:
        parts = urlsplit(instance if "://" in instance else f"https://{instance}")
        return _THIS_MACHINE.get(_host(parts), _host(parts)) + _port(parts)
    except ValueError:  # nothing that has a server; two spellings of it may then count as two
        return instance.strip().lower()


def base_address(typed: str, *, whole: bool = False) -> str:
    """The address of a server's API out of what a person may type or copy for it: a base URL in any spelling, a host, a
    profile's address, `name@server`. `whole`: its path is its own to the end, whatever the pieces are called. Returns what it
    cannot read as it is; nothing is checked here."""
    text = typed.strip()
    if text and "://" not in text:
        head, slash, path = text.partition("/")
        text = f"https://{head.rpartition('@')[2]}{slash}{path}"
    try:
        parts = urlsplit(text)
        if not parts.hostname or parts.username is not None or parts.query or parts.fragment:
            return text.rstrip("/")
        host = _host(parts)
        return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{_port(parts)}{_path(parts.path, whole)}"
    except ValueError:
        return text.rstrip("/")


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").rstrip(".")
    try:
        return host if host.isascii() else idna.encode(host, uts46=True).decode()
    except UnicodeError:  # also idna.IDNAError
        return host


def _port(parts: SplitResult) -> str:
    return "" if parts.port in (None, _PORTS.get(parts.scheme.lower())) else f":{parts.port}"


def _path(path: str, whole: bool) -> str:
    """The path without empty and dot pieces, up to where a page of the server begins unless it is `whole`."""
    kept: list[str] = []
    for piece in path.split("/"):
        if piece == "..":
            del kept[-1:]
        elif not whole and (piece.startswith("@") or piece in _PAGES):
            break
        elif piece not in ("", "."):
            kept.append(piece)
    return "".join(f"/{piece}" for piece in kept)


def account_id(platform: Platform, remote_id: str) -> str:
    """The platform's id of an account in the one form in which it is compared."""
    return described(platform).account_id(remote_id)
