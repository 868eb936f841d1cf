"""Instagram's way of speaking: the Graph error envelope and usage headers. platforms/instagram/facts.md, 4 and 6."""

import json
import math
import secrets
from typing import Any

from postprober.sandbox.engine.bearer import bearer, find_bearer, form_value
from postprober.sandbox.engine.faults import Fault
from postprober.sandbox.engine.limits import refusal_headers
from postprober.sandbox.engine.operation import ApiRefusal, Call
from postprober.sandbox.engine.timefmt import iso

_TEN_YEARS_MINUTES = 10 * 365 * 1440
_HOURLY_CALLS = 200


def graph_error(
    code: int, subcode: int | None, message: str, *, status: int = 400, title: str = "", transient: bool = False
) -> ApiRefusal:
    """Rows: platforms/instagram/facts.md, 6."""
    error: dict[str, Any] = {"message": message, "type": "OAuthException", "code": code}
    if subcode is not None:
        error |= {
            "error_subcode": subcode,
            "is_transient": transient,
            "error_user_title": title or "Something went wrong",
            "error_user_msg": message,
        }
    error["fbtrace_id"] = "A" + secrets.token_urlsafe(15)
    return ApiRefusal(status, {"error": error}, media_type="application/json; charset=UTF-8")


def no_object(object_id: str, method: str = "get") -> ApiRefusal:
    message = (
        f"Unsupported {method} request. Object with ID '{object_id}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation."
    )
    return graph_error(100, 33, message)


def token_of(call: Call) -> str:
    """The token from the query, the form or the Authorization header."""
    return form_value(call, "access_token") or call.request.query_params.get("access_token", "") or bearer(call)


class InstagramDialect:
    """What every Graph operation may have to say."""

    name = "instagram"

    def find_account(self, call: Call) -> None:
        find_bearer(call, token_of(call))

    def refuse_token(self, call: Call, why: str) -> ApiRefusal:
        if why == "scope":
            return graph_error(10, None, "(#10) Application does not have permission for this action")
        if why == "missing":
            return graph_error(190, 467, "An access token is required to request this resource.")
        if why == "expired":
            now = iso(call.at)
            message = f"Error validating access token: Session has expired on {now}. The current time is {now}."
            return graph_error(190, 463, message)
        reason = "The user has not authorized the application." if why == "revoked" else "Cannot parse access token"
        return graph_error(190, 458 if why == "revoked" else 467, f"Error validating access token: {reason}")

    def server_error(self, status: int) -> ApiRefusal:
        if status == 503:
            return graph_error(2, None, "Service temporarily unavailable", status=503)
        return graph_error(1, None, "An unknown error has occurred.", status=status)

    def rate_limited(self, call: Call, fault: Fault) -> ApiRefusal:
        """Code 80002, or 4 by params.code; HTTP 400, or params.status. The wait is in minutes in its own header."""
        code = int(fault.params.get("code", 80002))
        message = {4: "(#4) Application request limit reached"}.get(
            code, "(#80002) There have been too many calls to this Instagram account. Wait a bit and try again."
        )
        refusal = graph_error(code, None, message, status=int(fault.params.get("status", 400)))
        form = fault.params.get("form", "platform")
        minutes = {
            "platform": math.ceil(fault.seconds(60) / 60),
            "past": -math.ceil(fault.seconds(60) / 60),
            "ten_years": _TEN_YEARS_MINUTES,
        }.get(form)
        if minutes is None:
            refusal.headers = refusal_headers(fault, call.at, "", "")
            return refusal
        usage = {"type": "instagram", "call_count": 100, "total_cputime": 25, "total_time": 25}
        usage["estimated_time_to_regain_access"] = minutes
        owner = call.account.id if call.account else "0"
        refusal.headers = {"x-business-use-case-usage": json.dumps({owner: [usage]})}
        return refusal

    def bad_refresh(self) -> ApiRefusal:
        return graph_error(190, 463, "Error validating access token: Session has expired.")

    def headers(self, call: Call) -> dict[str, str]:
        left, _ = call.world.requests.use(f"instagram|{call.name}", _HOURLY_CALLS, 3600, call.at)
        percent = round(100 * (_HOURLY_CALLS - left) / _HOURLY_CALLS)
        usage = {"call_count": percent, "total_cputime": percent // 4, "total_time": percent // 4}
        return {"x-app-usage": json.dumps(usage)}
