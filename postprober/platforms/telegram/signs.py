"""What Telegram's refusals mean (telegram/facts.md, 6)."""

from __future__ import annotations

from typing import Any

from postprober.domain.diagnosis import Cause as C
from postprober.platforms.common.signs import Row, Signs
from postprober.platforms.telegram.errors import inner_codes

ROWS = (
    Row(C.ACCESS_REVOKED, 401),
    Row(C.ACCESS_REVOKED, 403),
    Row(C.ACCESS_REVOKED, 404),
    Row(C.RATE_LIMITED, 429),
    Row(C.MEDIA_TOO_LARGE, 413),
    Row(C.CONFLICT, 409),
    Row(C.TEXT_TOO_LONG, 400, words=r"(?:caption|message|text) is too long|media_caption_too_long"),
    Row(C.PERMISSION_MISSING, 400, words=r"need administrator rights|not enough rights|have no rights"),
    Row(C.PERMISSION_MISSING, code="CHAT_WRITE_FORBIDDEN"),
    Row(C.PERMISSION_MISSING, code="CHAT_ADMIN_REQUIRED"),
    Row(C.ACCESS_REVOKED, 400, words=r"chat not found|channel_private|peer_id_invalid|upgraded to a supergroup"),
    Row(C.REPLY_TARGET_GONE, 400, words=r"message to (?:be replied|reply) not found"),
    Row(C.MEDIA_UNREACHABLE, 400, words=r"http url|type of the web page content"),
    Row(C.MEDIA_FORMAT, code="IMAGE_PROCESS_FAILED"),
    Row(C.MEDIA_FORMAT, code="PHOTO_INVALID_DIMENSIONS"),
    Row(C.REQUEST_INVALID, 400),
)


def _codes(reply: str, _body: dict[str, Any]) -> frozenset[str]:
    return frozenset(inner_codes(reply))


SIGNS = Signs(ROWS, _codes)
