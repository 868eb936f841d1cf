"""What the refusals of relays and media servers mean (nostr/facts.md, 6)."""

from __future__ import annotations

import re
from typing import Any

from postprober.domain.diagnosis import Cause as C
from postprober.platforms.common.error_signals import ErrorSignals, SignalRow
from postprober.platforms.nostr.errors import word_of

ROWS = (
    SignalRow(C.RATE_LIMITED, code="rate-limited"),
    SignalRow(C.TEXT_TOO_LONG, code="invalid", words=r"280 characters|too large|too long|max.{0,20}(?:size|length)"),
    SignalRow(C.REQUEST_INVALID, code="invalid"),
    SignalRow(C.REQUEST_INVALID, code="pow"),
    SignalRow(C.ACCESS_REVOKED, code="auth-required"),
    SignalRow(C.PERMISSION_MISSING, code="restricted"),
    SignalRow(C.PERMISSION_MISSING, code="blocked"),
    SignalRow(C.MEDIA_TOO_LARGE, 413),
    SignalRow(C.MEDIA_FORMAT, 415),
    SignalRow(C.PERMISSION_MISSING, 401),
    SignalRow(C.PERMISSION_MISSING, 402),
    SignalRow(C.PERMISSION_MISSING, 403),
    SignalRow(C.RATE_LIMITED, 429),
)
_SAID = re.compile(r'"(?:OK|CLOSED)"\s*,\s*"[^"]*"\s*,(?:\s*false\s*,)?\s*"([^"]*)"')


def _codes(reply: str, _body: dict[str, Any]) -> frozenset[str]:
    """The words of the relays' answers, as they were heard or as one of them alone."""
    said = [*_SAID.findall(reply), reply.partition(": ")[2], reply]
    return frozenset(word for one in said if (word := word_of(one)))


ERROR_SIGNALS = ErrorSignals(ROWS, _codes)
