"""Loaded by schemathesis: who asks, whose ids are offered, and what counts as a hole.

Runs in schemathesis' own environment, so it knows nothing of PostProber but `house.json` (FUZZ_HOUSE):
`url`, `canary`, `token` (of who asks), `spare` (tokens to sign out with), `theirs` and `own` (parameter name -> ids), `report` (a file).
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import schemathesis

# The tus protocol's type of a piece of a file (RFC 6838 has no rule for its "+octet-stream").
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
HOUSE = json.loads(Path(os.environ["FUZZ_HOUSE"]).read_text())
THEIRS: dict[str, list[int]] = HOUSE["theirs"]
OWN: dict[str, list[int]] = HOUSE["own"]
IN_BODY = {"account_ids": "account_id", "media_ids": "media_id"}
LOGOUT = "/api/auth/logout"
SPARE: list[str] = list(HOUSE["spare"])
_found: dict[str, set[str]] = {"offered": set(), "holes": set(), "leaks": set(), "asked": set()}
_lock = threading.Lock()


def note(kind: str, label: str) -> None:
    with _lock:
        if label not in _found[kind]:
            _found[kind].add(label)
            Path(HOUSE["report"]).write_text(json.dumps({name: sorted(all_) for name, all_ in _found.items()}))


def chosen(name: str, value: int) -> int:
    """An id for the generated `value`: the other's two times of three, else one's own. The same one for the same
    value, so that what was found can be repeated."""
    pool = OWN.get(name, []) if value % 3 == 2 and OWN.get(name) else THEIRS[name]
    return pool[(value * 2654435761 >> 8) % len(pool)]  # Knuth's factor: small numbers reach the whole pool


def is_id(value: object) -> bool:
    text = str(value)
    return not isinstance(value, bool) and text.isascii() and text.isdigit() and 1 <= int(text) < 2**53


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Sign in, and put real ids where well-formed ones were made up."""
    headers = dict(case.headers or {})
    headers["Authorization"] = f"Bearer {_for_sign_out() if case.path == LOGOUT else HOUSE['token']}"
    if case.method == "PUT" and "{post_id}" in case.path:
        headers.setdefault("If-Match", "*")  # without it nothing behind the check of versions would be reached
    case.headers = headers
    for name, value in (case.path_parameters or {}).items():
        if name in THEIRS and is_id(value):
            case.path_parameters[name] = chosen(name, int(value))
    _belong_together(case)
    if not isinstance(case.body, dict):
        return
    if isinstance(case.body.get("link"), str) and case.body["link"]:
        case.body["link"] = HOUSE["link"]  # a post that is really there; made-up ones would never be adopted
    if is_id(case.body.get("channel_id")):
        case.body["channel_id"] = chosen("channel_id", case.body["channel_id"])
    for field, name in IN_BODY.items():
        values = case.body.get(field)
        if isinstance(values, list) and values and all(type(v) is int and is_id(v) for v in values):
            case.body[field] = list(dict.fromkeys(chosen(name, v) for v in values))
    if "mastodon.social" in str(case.body.get("instance")):  # the example; nothing may leave this machine
        case.body["instance"] = HOUSE["instance"]


OF_GHOSTS = ("/acknowledge", "/check", "/publish-again")  # only an invisible post is found there


def _belong_together(case: Any) -> None:
    """A suggestion of that very post, a post that is in review, one that is live: others would never be found."""
    path = case.path_parameters or {}
    if case.path.endswith(OF_GHOSTS) and is_id(path.get("delivery_id")):
        path["delivery_id"] = HOUSE["ghosts"][path["delivery_id"] % len(HOUSE["ghosts"])]
    if case.path.endswith("/rewrite") and is_id(path.get("delivery_id")):
        path["delivery_id"] = HOUSE["failed"][path["delivery_id"] % len(HOUSE["failed"])]
    if case.path.endswith("/pages") and is_id(path.get("account_id")):
        path["account_id"], page = HOUSE["with_pages"][path["account_id"] % len(HOUSE["with_pages"])]
        if isinstance(case.body, dict):
            case.body["remote_id"] = page
    if not is_id(path.get("post_id")):
        return
    if "{suggestion_id}" in case.path:
        path["post_id"], path["suggestion_id"] = HOUSE["suggested"][path["post_id"] % len(HOUSE["suggested"])]
    elif case.path.endswith("/proof"):
        path["post_id"] = HOUSE["live"][path["post_id"] % len(HOUSE["live"])]
    elif case.path.endswith("/review/intended"):
        number = path["post_id"] % len(HOUSE["doubted"])
        path["post_id"], kind, piece = HOUSE["doubted"][number]
        if isinstance(case.body, dict):
            case.body |= {"kind": kind, "piece": piece}
    elif case.path.endswith("/withdraw"):
        path["post_id"] = HOUSE["proposed"][path["post_id"] % len(HOUSE["proposed"])]
    elif case.path.endswith("/review"):
        path["post_id"] = HOUSE["in_review"][path["post_id"] % len(HOUSE["in_review"])]


def _for_sign_out() -> str:
    """A sign-in that may end; when all have, one that has ended."""
    with _lock:
        return SPARE.pop() if SPARE else "ended"


def offered(case: Any) -> bool:
    """Whether the request names something of the other person's."""
    path = case.path_parameters or {}
    if any(str(value) in map(str, THEIRS[name]) for name, value in path.items() if name in THEIRS):
        return True
    body = case.body if isinstance(case.body, dict) else {}
    return any(
        value in THEIRS[name] for field, name in IN_BODY.items() for value in _list(body.get(field)) if is_id(value)
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


@schemathesis.hook
def filter_failure(_context: Any, _failure: Any, _case: Any, response: Any) -> bool:
    """A platform that does not do it is told with 502, as documented; that is no error of ours."""
    return not (response.status_code == 502 and b"problem:platform-error" in response.content)


@schemathesis.check
def nothing_of_the_other_person(_ctx: Any, response: Any, case: Any) -> None:
    """What somebody else owns can be neither seen nor used."""
    label = case.operation.label
    note("asked", label)
    leak = HOUSE["canary"].encode() in response.content  # reports are not all text
    hole = offered(case) and 200 <= response.status_code < 300
    for kind, seen in (("leaks", leak), ("offered", offered(case)), ("holes", hole)):
        if seen:
            note(kind, label)
    assert not leak, f"{label} shows what belongs to somebody else"
    assert not hole, f"{label} answers {response.status_code} for what belongs to somebody else"
