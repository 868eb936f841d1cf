"""Asking a platform, without a token, for what it tells everybody."""

from __future__ import annotations

from collections.abc import Callable

from postprober.domain.platform import PlatformConfig
from postprober.domain.public_look import Look, Verdict
from postprober.errors import BadInput, PlatformError
from postprober.http import HttpClient, Reply

GONE = frozenset({404, 410})
BLOCKED = frozenset({403, 429, 451, 999})  # 999: a platform's own number for programs (NAME/facts.md, 9)
# Of the post at an address ("" where it is not known) with an id, at the server of a base address.
Ask = Callable[[HttpClient, PlatformConfig, str, str, str], Look]
# The page of an author, from the configuration, the address of a post and the handle; "" where it is not known.
AuthorPage = Callable[[PlatformConfig, str, str], str]


def ask(
    http: HttpClient, url: str, params: dict[str, str] | None = None, headers: dict[str, str] | None = None
) -> Reply | Look:
    try:
        return http.read_again(url, params=params, headers=headers)
    except (PlatformError, BadInput) as error:
        return Look(Verdict.UNSURE, url=url, reason=f"the platform could not be asked: {error.message}")


def seen(reply: Reply, url: str, verdict: Verdict, reason: str) -> Look:
    return told(verdict, url, reply.status, reply.excerpt, reason)


def told(verdict: Verdict, url: str, status: int, excerpt: str, reason: str) -> Look:
    return Look(verdict, url=url, http_status=status, excerpt=excerpt, reason=f"{reason}.")


def refused(reply: Reply, url: str, name: str, *, gone: bool) -> Look:
    if gone:
        return seen(reply, url, Verdict.GONE, f"{name} says that there is no such post")
    if reply.status == 401:
        return seen(reply, url, Verdict.LOGIN_WALL, f"{name} asks readers to sign in")
    if reply.status in BLOCKED:
        return seen(reply, url, Verdict.BLOCKED, f"{name} does not answer programs without a token")
    return seen(reply, url, Verdict.UNSURE, f"{name} answered with status {reply.status}")
