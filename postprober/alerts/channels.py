"""Messages to services that people already use, through Apprise.

Apprise knows far more than we let it do: plug-ins that open sockets of their own, read files or run something here, and
templates that are fetched from anywhere. So only services are taken whose plug-in does all its work with HTTP requests,
and those requests go through our client, which checks every address while connecting (`postprober.library_http`).
"""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import apprise
from apprise import plugins

from postprober import library_http
from postprober.errors import BadInput, Unavailable
from postprober.http import HttpClient
from postprober.security.urlguard import is_private_name

SECONDS = 30.0  # for one message, however many requests it takes

# By the scheme of their addresses. tests/alerts/test_channel_reach.py reads the plug-in of each.
ALLOWED = frozenset([
    "bark", "barks", "betterstack", "bluesky", "bsky", "chanify", "cliq", "dingtalk", "discord", "feishu",
    "firehydrant", "flock", "gchat", "goalert", "goalerts", "gotify", "gotifys", "groupme", "guilded", "hassio",
    "hassios", "ifttt", "ilert", "incidentio", "join", "lark", "line", "matrix", "matrixs", "misskey", "misskeys",
    "mmost", "mmosts", "msgbird", "nctalk", "nctalks", "ntfy", "ntfys", "onesignal", "opsgenie", "pagerduty",
    "pagertree", "pbul", "plivo", "pover", "prowl", "pushdeer", "pushdeers", "pushy", "push", "revolt", "rocket",
    "rockets", "ryver", "schan", "signal", "signals", "signl4", "slack", "spike", "splunk", "spugpush", "squadcast",
    "synology", "synologys", "tgram", "threema", "twilio", "twist", "victorops", "vonage", "webex", "wecombot",
    "whatsapp", "workflow", "workflows", "wxpusher", "wxteams", "xmatters", "zoom", "zulip",
])  # fmt: skip  # table: many short names
# Parameters that name a file or an address to be read, or another server than the service's own.
_REFUSED_KEYS = frozenset(
    {
        "template",
        "keyfile",
        "subfile",
        "keyset",
        "pgpkey",
        "pgp",
        "pem",
        "smtp",
    }
)
_SECOND = re.compile(r"[\s,]\s*[a-z0-9]+://", re.IGNORECASE)
_TYPES = {
    "error": apprise.NotifyType.FAILURE,
    "warning": apprise.NotifyType.WARNING,
    "success": apprise.NotifyType.SUCCESS,
}
_UNKNOWN = "This is not an Apprise address that is supported here. See the list of services in docs/deploy.md."
_NOT_TAKEN = "The service did not accept the message. Check the channel's address and token, then send a test."

logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its lines hold addresses; what matters is in our errors


def check(url: str, *, allow_private: bool) -> None:
    """Raises BadInput when `url` is nothing that Apprise could send to, or that we do not let it send to."""
    _plugin(url)
    host = str(_read(url).get("host") or "")
    if not allow_private and is_private_name(host):
        raise BadInput(f"{host} is not a public address. Give the public address of the service.", field="url")


def send(http: HttpClient, url: str, kind: str, title: str, body: str) -> None:
    """Send one message. Raises BadInput for an address that is not supported, Unavailable when the service did not
    take it: in one sentence for every reason, because the reason would tell what else answers there."""
    plugin = _plugin(url)
    with library_http.serving(http, SECONDS) as visit:
        try:  # nosemgrep: every-error-caught # another error of ours follows
            taken = plugin.notify(title=title, body=body, notify_type=_TYPES.get(kind, apprise.NotifyType.INFO))
        except Exception as error:  # noqa: BLE001  # a plug-in's mistake with an address or a reply is no mistake of ours
            raise Unavailable(_NOT_TAKEN, type(error).__name__) from None
    if not taken:
        if isinstance(visit.error, BadInput) and http.pools.inside:
            raise Unavailable(visit.error.message)
        raise Unavailable(_NOT_TAKEN, type(visit.error).__name__ if visit.error else "")


def _plugin(url: str) -> Any:
    """The one service that `url` names, with our client inside. Raises BadInput."""
    if _SECOND.search(url):
        raise BadInput("Give one address per channel.", field="url")
    parts = _read(url)
    scheme = url.partition("://")[0].lower()
    known = plugins.N_MGR[parts["schema"]] if parts.get("schema") in plugins.N_MGR else None
    if known is not None and not _allowed(known):
        raise BadInput(f"{scheme}:// is not supported. Use a webhook channel or another service.", field="url")
    refused = sorted(_REFUSED_KEYS & {str(key).strip(" +-:").lower() for key in parts.get("qsd", {})})
    if refused:
        raise BadInput(f"Remove the parameter {refused[0]!r} from the address: it is not supported.", field="url")
    if known is None or any(_control(part) for part in (url, *_texts(parts))):
        raise BadInput(_UNKNOWN, field="url")
    made = apprise.Apprise.instantiate(parts, asset=apprise.AppriseAsset(storage_mode="memory", http_redirects=False))
    if made is None:
        raise BadInput(_UNKNOWN, field="url")
    made.overflow_mode = apprise.OverflowMode.SPLIT  # what one message cannot carry comes in several, not at all else
    for one in type(made).__mro__:
        if one.__module__.startswith("apprise."):
            library_http.put_in(sys.modules[one.__module__])
    return made


def _read(url: str) -> dict[str, Any]:
    """What Apprise understands by `url`, {} when nothing."""
    found: dict[str, Any] | None = plugins.url_to_dict(url)  # type: ignore[no-untyped-call]
    return found or {}


def _allowed(plugin: Any) -> bool:
    names: set[str] = set()
    for found in (plugin.protocol, plugin.secure_protocol):
        names.update((found,) if isinstance(found, str) else found or ())
    return bool(names & ALLOWED)


def _texts(value: Any) -> list[str]:
    """Every text in what Apprise read from an address."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _texts(part)]
    if isinstance(value, list | tuple | set | frozenset):
        return [text for part in value for text in _texts(part)]
    return []


def _control(text: str) -> bool:
    return any(ord(char) < 32 or ord(char) == 127 for char in text)
