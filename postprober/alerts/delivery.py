"""Messages to services that people already use, through Apprise."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

import apprise

from postprober.errors import BadInput, Unavailable
from postprober.security.urlguard import resolve

_TYPES = {
    "error": apprise.NotifyType.FAILURE,
    "warning": apprise.NotifyType.WARNING,
    "success": apprise.NotifyType.SUCCESS,
}
# Schemes of Apprise that run something here or post any body to any address; our own webhook does that, guarded.
_REFUSED = frozenset({"json", "jsons", "xml", "xmls", "form", "forms", "syslog", "rsyslog", "windows", "macosx", "dbus",
                      "gnome", "qt", "glib", "kde"})  # fmt: skip


def check(url: str) -> None:
    """Raises BadInput when `url` is nothing that Apprise could send to, or that we do not let it send to."""
    try:
        scheme = urlsplit(url).scheme.lower()
    except ValueError:
        raise BadInput("This is not an address that Apprise knows; see its list of services.", field="url") from None
    if scheme in _REFUSED:
        raise BadInput(f"{scheme}:// is not allowed here; use a webhook instead.", field="url")
    if not apprise.Apprise().add(url):
        raise BadInput("This is not an address that Apprise knows; see its list of services.", field="url")


def send(url: str, kind: str, title: str, body: str, *, allow_private: bool) -> None:
    """Send one message. Raises Unavailable when the service did not take it.

    Apprise connects by itself, so the guard can only look first: a host that is, or resolves to, a private address gets
    nothing. (A name that changes its address within that moment is not caught; our webhooks are checked while
    connecting.)
    """
    sender = apprise.Apprise()
    if not sender.add(url):
        raise Unavailable("Apprise does not know this address any more.")
    _look_first(url, allow_private)
    notify_type = _TYPES.get(kind, apprise.NotifyType.INFO)
    if not sender.notify(title=title, body=body, notify_type=notify_type):
        raise Unavailable(f"{urlsplit(url).scheme} did not take the message.")


def _look_first(url: str, allow_private: bool) -> None:
    if allow_private:
        return
    host = urlsplit(url).hostname or ""
    named = "." in host or host == "localhost" or _is_address(host)
    if not named:
        return  # what stands there is a token of the service, whose host Apprise knows itself
    try:
        resolve(host, 443, allow_private=False)
    except OSError:
        raise Unavailable("This channel's host has no public address, so nothing is sent to it.") from None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
