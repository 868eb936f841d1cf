"""Messages to the channels a person has set up, through Apprise."""

from __future__ import annotations

from collections.abc import Sequence

import apprise

_TYPES = {
    "error": apprise.NotifyType.FAILURE,
    "warning": apprise.NotifyType.WARNING,
    "success": apprise.NotifyType.SUCCESS,
}


def send(urls: Sequence[str], kind: str, message: str, dedupe_key: str) -> bool:
    """Send to every channel; True only if all took it. The key travels along, so that a repeat can be recognised."""
    if not urls:
        return True
    sender = apprise.Apprise()
    for url in urls:
        sender.add(url)
    notify_type = _TYPES.get(kind, apprise.NotifyType.INFO)
    return bool(sender.notify(title="PostProber", body=f"{message}\n[{dedupe_key}]", notify_type=notify_type))
