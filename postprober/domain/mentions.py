"""Mentions with and without their server: `@bob@example.social` and `@bob` can be the same person on the page."""

from __future__ import annotations

import re

# A Fediverse address: a name, and optionally a host with a port (RFC 7565).
_WITH_HOST = re.compile(r"(?<![\w/.@=])@(\w+(?:[.-]+\w+)*)@[\w-]+(?:\.[\w-]+)*(?::\d+)?", re.ASCII)


def without_hosts(text: str) -> str:
    """`text` with every `@name@host` written `@name`."""
    return _WITH_HOST.sub(r"@\1", text)
