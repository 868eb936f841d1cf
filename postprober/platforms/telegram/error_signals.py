"""What Telegram's refusals mean (telegram/facts.md, 6)."""

from __future__ import annotations

from typing import Any

from postprober.domain.diagnosis import Cause as C
from postprober.platforms.common.error_signals import ErrorSignals, SignalRow
from postprober.platforms.telegram.errors import inner_codes

ROWS = (
    SignalRow(C.ACCESS_REVOKED, 401),
    SignalRow(C.ACCESS_REVOKED, 403),
    SignalRow(C.ACCESS_REVOKED, 404),
    SignalRow(C.RATE_LIMITED, 429),
    SignalRow(C.MEDIA_TOO_LARGE, 413),
    SignalRow(C.CONFLICT, 409),
    SignalRow(C.TEXT_TOO_LONG, 400, words=r"(?:caption|message|text) is too long|media_caption_too_long"),
    SignalRow(C.PERMISSION_MISSING, 400, words=r"need administrator rights|not enough rights|have no rights"),
    SignalRow(C.PERMISSION_MISSING, code="CHAT_WRITE_FORBIDDEN"),
    SignalRow(C.PERMISSION_MISSING, code="CHAT_ADMIN_REQUIRED"),
    SignalRow(C.ACCESS_REVOKED, 400, words=r"chat not found|channel_private|peer_id_invalid|upgraded to a supergroup"),
    SignalRow(C.REPLY_TARGET_GONE, 400, words=r"message to (?:be replied|reply) not found"),
    SignalRow(C.MEDIA_UNREACHABLE, 400, words=r"http url|type of the web page content"),
    SignalRow(C.MEDIA_FORMAT, code="IMAGE_PROCESS_FAILED"),
    SignalRow(C.MEDIA_FORMAT, code="PHOTO_INVALID_DIMENSIONS"),
    SignalRow(C.REQUEST_INVALID, 400),
)


def _codes(reply: str, _body: dict[str, Any]) -> frozenset[str]:
    return frozenset(inner_codes(reply))


ERROR_SIGNALS = ErrorSignals(ROWS, _codes)
