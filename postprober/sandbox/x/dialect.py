"""X's way of speaking: problems, rate headers, the two field dialects."""

from typing import Any

from postprober.sandbox.engine.bearer import find_bearer
from postprober.sandbox.engine.faults import Fault
from postprober.sandbox.engine.limits import refusal_headers
from postprober.sandbox.engine.operation import ApiRefusal, Call

# Requests per 15 minutes and user. platforms/x/facts.md, 4.
_LIMITS = {"create": 100, "delete": 50, "read": 900, "timeline": 900, "engagement": 900, "me": 75, "media": 500}
_PROBLEMS = {"new": "https://api.x.com/2/problems/", "legacy": "https://api.twitter.com/2/problems/"}
_SERVER_DETAIL = (
    "Something is broken. This is usually a temporary error, for example in a high load situation or if an endpoint "
    "is temporarily having issues. Check in the developer forums in case others are having similar issues, "
    "or try again later. "
)


def problem(status: int, title: str, detail: str) -> ApiRefusal:
    """A flat problem of type about:blank. platforms/x/facts.md, 6."""
    body = {"title": title, "type": "about:blank", "status": status, "detail": detail}
    return ApiRefusal(status, body, media_type="application/problem+json")


def forbidden(detail: str) -> ApiRefusal:
    return problem(403, "Forbidden", detail)


def dialect(call: Call) -> str:
    """new | legacy | both: the names to answer with. Refuses parameters of a dialect the settings exclude."""
    setting = str(call.world.settings["x_dialect"])
    names = set(call.request.query_params)
    for spoken, parameter in (("new", "post.fields"), ("legacy", "tweet.fields")):
        if parameter in names:
            if setting not in ("both", spoken):
                raise invalid(
                    call, f"The query parameter [{parameter}] is not one of the accepted parameters", parameter
                )
            return spoken
    return setting


def problem_type(call: Call, name: str) -> str:
    """The full type of a problem. New names go with the new host; match on the last segment only."""
    setting = str(call.world.settings["x_dialect"])
    spoken = "legacy" if setting == "legacy" or "tweet.fields" in call.request.query_params else "new"
    return _PROBLEMS[spoken] + name


def invalid(call: Call, message: str, parameter: str = "", value: Any = "") -> ApiRefusal:
    """400 Invalid Request about one parameter, or about the whole when none is named."""
    error: dict[str, Any] = {"message": message}
    if parameter:
        error = {"parameters": {parameter: [str(value)]}, "message": message}
    body = {
        "errors": [error],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": problem_type(call, "invalid-request"),
    }
    return ApiRefusal(400, body, media_type="application/problem+json")


def not_found(call: Call, resource: str, parameter: str, value: str) -> dict[str, Any]:
    """One entry of errors[] in a 200 reply."""
    return {
        "value": value,
        "detail": f"Could not find {resource} with {parameter}: [{value}].",
        "title": "Not Found Error",
        "resource_type": resource,
        "parameter": parameter,
        "resource_id": value,
        "type": problem_type(call, "resource-not-found"),
    }


class XDialect:
    """What every X operation may have to say."""

    name = "x"

    def find_account(self, call: Call) -> None:
        find_bearer(call)

    def refuse_token(self, _call: Call, why: str) -> ApiRefusal:
        if why == "scope":
            return forbidden("Forbidden")
        return problem(401, "Unauthorized", "Unauthorized")

    def server_error(self, status: int) -> ApiRefusal:
        if status == 503:
            return problem(503, "Service Unavailable", "Service Unavailable")
        return problem(status, "Internal Server Error", _SERVER_DETAIL)

    def rate_limited(self, call: Call, fault: Fault) -> ApiRefusal:
        refusal = problem(429, "Too Many Requests", "Too Many Requests")
        headers = refusal_headers(fault, call.at, "x-rate-limit-reset", "epoch")
        if "x-rate-limit-reset" in headers:
            limit = str(_LIMITS.get(call.operation, 100))
            headers |= {"x-rate-limit-limit": limit, "x-rate-limit-remaining": "0"}
        refusal.headers = headers
        return refusal

    def bad_refresh(self) -> ApiRefusal:
        return oauth_error("Value passed for the token was invalid.")

    def headers(self, call: Call) -> dict[str, str]:
        limit = _LIMITS.get(call.operation)
        if limit is None:
            return {}
        left, reset = call.world.requests.use(f"x|{call.name}|{call.operation}", limit, 900, call.at)
        return {
            "x-rate-limit-limit": str(limit),
            "x-rate-limit-remaining": str(left),
            "x-rate-limit-reset": str(int(reset)),
        }


def oauth_error(description: str, error: str = "invalid_request") -> ApiRefusal:
    """What the token endpoint refuses: platforms/x/facts.md, 1 and 6."""
    return ApiRefusal(400, {"error": error, "error_description": description})
