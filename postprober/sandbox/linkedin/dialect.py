"""LinkedIn's way of speaking. platforms/linkedin/facts.md, 2 and 6."""

from typing import Any

from postprober.sandbox.engine.bearer import find_bearer
from postprober.sandbox.engine.faults import Fault
from postprober.sandbox.engine.limits import refusal_headers
from postprober.sandbox.engine.operation import ApiRefusal, Call

_RESTLI_ERROR = {"x-restli-error-response": "true", "x-restli-protocol-version": "2.0.0"}


def li_error(status: int, message: str, code: str = "", **more: Any) -> ApiRefusal:
    body: dict[str, Any] = {"status": status} | more | ({"code": code} if code else {}) | {"message": message}
    return ApiRefusal(status, body, dict(_RESTLI_ERROR))


def access_denied(call: Call, resource: str) -> ApiRefusal:
    """`resource` like partnerApiPostsExternal.FINDER-author."""
    version = call.request.headers.get("linkedin-version", "202601")
    message = f"Not enough permissions to access: {resource}.{version}01"
    return li_error(403, message, "ACCESS_DENIED", serviceErrorCode=100)


def not_found(what: str) -> ApiRefusal:
    return li_error(404, f"Could not find entity: {what}", "NOT_FOUND")


def duplicate_of(urn: str) -> ApiRefusal:
    """The observed 422 that names the earlier post."""
    prefix = "com.linkedin.content.common.exception.BadRequestResponseException: "
    body = {
        "errorDetailType": "com.linkedin.common.error.BadRequest",
        "message": f"{prefix}Content is a duplicate of {urn}",
        "errorDetails": {
            "inputErrors": [{"description": "Duplicate post is detected", "input": {}, "code": "DUPLICATE_POST"}]
        },
        "status": 422,
    }
    return ApiRefusal(422, body, dict(_RESTLI_ERROR))


def check_headers(call: Call) -> None:
    """The version and protocol headers every /rest call needs. platforms/linkedin/facts.md, 2."""
    version = call.request.headers.get("linkedin-version", "")
    oldest, newest = call.world.settings["linkedin_versions"]
    if not version:
        message = "A version must be present. Please specify a version by adding the LinkedIn-Version header."
        raise li_error(400, message, "VERSION_MISSING")
    if not (version.isdigit() and len(version) == 6 and oldest <= version <= newest):
        raise li_error(426, f"Requested version {version}01 is not active", "NONEXISTENT_VERSION")
    if call.request.headers.get("x-restli-protocol-version") != "2.0.0":
        # Without it Rest.li 1.0 is spoken, where our URN keys do not parse.
        raise li_error(400, "Resource method could not be resolved from request parameters.", "ILLEGAL_ARGUMENT")


class LinkedInDialect:
    """What every LinkedIn operation may have to say. No rate headers: platforms/linkedin/facts.md, 4."""

    name = "linkedin"

    def find_account(self, call: Call) -> None:
        find_bearer(call)

    def refuse_token(self, call: Call, why: str) -> ApiRefusal:
        if why == "missing":
            return li_error(401, "Empty oauth2_access_token", serviceErrorCode=401)
        if why == "expired":
            return li_error(
                401, "The token used in the request has expired", "EXPIRED_ACCESS_TOKEN", serviceErrorCode=65602
            )
        if why == "revoked":
            message = "The token used in the request has been revoked by the user"
            return li_error(401, message, "REVOKED_ACCESS_TOKEN", serviceErrorCode=65601)
        if why == "scope":
            return access_denied(call, f"partnerApiPostsExternal.{call.operation.upper()}")
        return li_error(401, "Invalid access token", serviceErrorCode=65600)

    def server_error(self, status: int) -> ApiRefusal:
        message = {503: "Service Unavailable", 504: "Gateway Timeout"}.get(status, "Internal Server Error")
        return li_error(status, message)

    def rate_limited(self, call: Call, fault: Fault) -> ApiRefusal:
        refusal = li_error(429, "Resource level throttle limit for calls to this resource is reached.")
        refusal.headers |= refusal_headers(fault, call.at, "", "")
        return refusal

    def bad_refresh(self) -> ApiRefusal:
        description = "The provided authorization grant or refresh token is invalid, expired or revoked."
        return ApiRefusal(400, {"error": "invalid_request", "error_description": description})

    def headers(self, call: Call) -> dict[str, str]:
        return {"x-restli-protocol-version": "2.0.0", "x-li-request-id": f"sandbox-{call.seq}"}
