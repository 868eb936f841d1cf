"""The calls of the REST API that the client makes, as data, and what their answers mean; nothing is sent here."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from postprober.client.shapes import NewPostJson
from postprober.errors import PostProberError


class ApiRefused(PostProberError):
    """The server says no, in one sentence. `status`: of the answer; `kind`: of the problem ("forbidden", "preflight-failed"),
    "" where there is none; `problem`: all that it says."""

    def __init__(self, message: str, status: int, kind: str = "", problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.problem = dict(problem or {})


@dataclass(frozen=True)
class RestCall:
    """One request. `once`: its Idempotency-Key, "" for calls that may be repeated anyway."""

    method: str
    path: str
    body: Any = None
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    once: str = ""


def answer(status: int, body: bytes) -> Any:
    """What came back, None for an answer without a body. Raises ApiRefused."""
    try:
        told = json.loads(body) if body.strip() else None
    except (ValueError, RecursionError):
        told = None
    if 200 <= status < 300:
        if told is None and body.strip() not in (b"", b"null"):
            raise ApiRefused("What answers there is not PostProber's API; check the address.", status)
        return told
    problem = told if isinstance(told, dict) else {}
    kind = str(problem.get("type", "")).rpartition(":")[2]
    text = str(problem.get("detail") or problem.get("title") or f"The server answered with status {status}.")
    raise ApiRefused(text, status, "" if kind == "blank" else kind, problem)


def _once() -> str:
    return uuid.uuid4().hex


def me() -> RestCall:
    return RestCall("GET", "/api/auth/me")


def accounts() -> RestCall:
    return RestCall("GET", "/api/accounts")


def account_groups() -> RestCall:
    return RestCall("GET", "/api/accounts/groups")


def save_account_group(name: str, account_ids: Sequence[int]) -> RestCall:
    return RestCall("PUT", f"/api/accounts/groups/{quote(name, safe='')}", {"account_ids": list(account_ids)})


def delete_account_group(name: str) -> RestCall:
    return RestCall("DELETE", f"/api/accounts/groups/{quote(name, safe='')}")


def limits(account_id: int) -> RestCall:
    return RestCall("GET", f"/api/accounts/{account_id}/limits")


def preflight(post: NewPostJson) -> RestCall:
    return RestCall("POST", "/api/posts/preflight", _without_key(post))


def next_slot() -> RestCall:
    return RestCall("GET", "/api/posts/next-slot")


def posts(limit: int = 20, cursor: str = "") -> RestCall:
    return RestCall("GET", "/api/posts", params={"limit": str(limit), **({"cursor": cursor} if cursor else {})})


def post(post_id: int) -> RestCall:
    return RestCall("GET", f"/api/posts/{post_id}")


def draft(post: NewPostJson) -> RestCall:
    return RestCall("POST", "/api/posts", dict(post), once=_once())


def publish(post: NewPostJson) -> RestCall:
    return RestCall("POST", "/api/posts", {**post, "submit": True}, once=_once())


def change(post_id: int, post: NewPostJson, version: int) -> RestCall:
    return RestCall("PUT", f"/api/posts/{post_id}", _without_key(post), headers={"If-Match": f'"{version}"'})


def propose(post: NewPostJson) -> RestCall:
    return RestCall("POST", "/api/posts/propose", dict(post), once=_once())


def propose_draft(post_id: int, version: int | None = None) -> RestCall:
    headers = {"If-Match": f'"{version}"'} if version is not None else {}
    return RestCall("POST", f"/api/posts/{post_id}/propose", headers=headers, once=_once())


def withdraw(post_id: int) -> RestCall:
    return RestCall("POST", f"/api/posts/{post_id}/withdraw")


def delete(post_id: int) -> RestCall:
    return RestCall("DELETE", f"/api/posts/{post_id}")


def monitoring(post_id: int) -> RestCall:
    return RestCall("GET", f"/api/monitoring/{post_id}")


def repairs(post_id: int) -> RestCall:
    return RestCall("GET", f"/api/monitoring/{post_id}/repairs")


def steps(post_id: int, cursor: str = "") -> RestCall:
    return RestCall("GET", f"/api/monitoring/{post_id}/logs", params={"cursor": cursor} if cursor else {})


def delivery(delivery_id: int) -> RestCall:
    return RestCall("GET", f"/api/deliveries/{delivery_id}")


def retry(post_id: int) -> RestCall:
    return RestCall("POST", f"/api/monitoring/{post_id}/retry", once=_once())


def retry_delivery(delivery_id: int) -> RestCall:
    return RestCall("POST", f"/api/deliveries/{delivery_id}/retry", once=_once())


def rewrite(delivery_id: int, texts: list[str]) -> RestCall:
    return RestCall("POST", f"/api/deliveries/{delivery_id}/rewrite", {"texts": texts}, once=_once())


def ghost(delivery_id: int, act: str, *, risk_accepted: bool = False) -> RestCall:
    """`act`: check, acknowledge or publish-again."""
    body = {"risk_accepted": risk_accepted} if act == "publish-again" else None
    return RestCall("POST", f"/api/deliveries/{delivery_id}/{act}", body, once=_once())


def link(platform: str, instance: str, typed: Mapping[str, str]) -> RestCall:
    """`typed`: what the platform asks for by name; empty where it has a consent page."""
    body: dict[str, Any] = {"platform": platform, "instance": instance}
    body |= typed if set(typed) == {"identifier", "password"} else {"fields": dict(typed)} if typed else {}
    return RestCall("POST", "/api/accounts/connect", body, once=_once())


def unlink(account_id: int) -> RestCall:
    return RestCall("DELETE", f"/api/accounts/{account_id}")


def media_from_url(url: str, alt: str = "") -> RestCall:
    return RestCall("POST", "/api/media/from-url", {"url": url, "alt": alt}, once=_once())


def announce_upload(name: str, alt: str = "") -> RestCall:
    return RestCall("POST", "/api/media/uploads", {"name": name, "alt": alt})


def finished_upload(upload: str) -> RestCall:
    return RestCall("GET", f"/api/media/uploads/{upload}")


def _without_key(post: NewPostJson) -> dict[str, Any]:
    return {name: value for name, value in post.items() if name != "key"}
