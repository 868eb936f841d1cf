"""What WordPress's refusals mean (wordpress/facts.md, 6)."""

from __future__ import annotations

from postprober.domain.diagnosis import Cause as C
from postprober.platforms.common.error_signals import ErrorSignals, SignalRow

ROWS = (
    SignalRow(C.MEDIA_FORMAT, code="rest_upload_sideload_error"),
    SignalRow(C.MEDIA_TOO_LARGE, code="rest_upload_file_too_big"),
    SignalRow(C.MEDIA_TOO_LARGE, code="rest_upload_limited_space"),
    SignalRow(C.MEDIA_TOO_LARGE, code="rest_upload_unknown_error"),
    SignalRow(C.MEDIA_TOO_LARGE, code="rest_upload_no_data"),
    SignalRow(C.MEDIA_LOST, code="rest_post_invalid_id"),
    *(SignalRow(C.REQUEST_INVALID, code=code) for code in ("empty_content", "rest_invalid_param", "rest_invalid_json")),
    SignalRow(C.ACCESS_REVOKED, 401),
    SignalRow(C.PERMISSION_MISSING, 403),
    SignalRow(C.MEDIA_TOO_LARGE, 413),
    SignalRow(C.RATE_LIMITED, 429),
)

ERROR_SIGNALS = ErrorSignals(ROWS)
