"""The same commands on an installation elsewhere: `--server URL`, with an API token."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from postprober.cli.output import emit, say, sending, warn
from postprober.cli.publish import DONE, code_of, show_rows
from postprober.cli.report import TEXT, Wish, write
from postprober.client import RestClient
from postprober.client.shapes import MediaJson, MonitoringJson, NewPostJson, StepJson
from postprober.client.uploading import UploadBook
from postprober.domain.addresses import split
from postprober.domain.platform import Platform
from postprober.errors import BadInput

TOKEN = "POSTPROBER_TOKEN"
SERVICE = "postprober"  # under which the keyring keeps tokens, by server
_LOCKED = f"This machine's keyring cannot be used; set {TOKEN} instead."


@dataclass
class Chosen:
    """The server that `--server` names, "" for this installation."""

    server: str = ""


chosen = Chosen()


def refuse(**given: str) -> None:
    """Raises BadInput for options that were given and that only an installation on this machine understands."""
    if names := [f"--{name.replace('_', '-')}" for name, value in given.items() if value]:
        raise BadInput(
            f"With --server leave out {' and '.join(names)}: the token says for whom, and the server decides the rest."
        )


def client_for(server: str) -> RestClient:
    """Raises BadInput when there is no token for it."""
    return _reach(server, os.environ.get(TOKEN, "") or _kept(server))


def _reach(server: str, token: str) -> RestClient:
    client = RestClient(server, token)
    parts = split(server)
    if parts.scheme == "http" and not _is_here(parts.hostname or ""):
        warn(f"{server} is reached without encryption: whoever is on the way can read the token. Use https.")
    return client


def _is_here(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def _kept(server: str) -> str:
    keyring = _keyring()
    if keyring is None:
        return ""
    try:
        return str(keyring.get_password(SERVICE, server.rstrip("/")) or "")
    except Exception as error:  # noqa: BLE001 (each kind of keyring has errors of its own)
        raise BadInput(_LOCKED, f"{type(error).__name__}: {error}", field="token") from None


def _keyring() -> Any:
    """The library, None where it is not installed: it brings what a server does not need."""
    return import_module("keyring") if find_spec("keyring") else None


def keep(server: str, token: str) -> None:
    """Store a token in the machine's keyring, after the server took it. Raises BadInput, Refused or Unavailable."""
    keyring = _keyring()
    if keyring is None:
        raise BadInput(f"There is no keyring here; pip install keyring, or set {TOKEN}.", field="token")
    client = _reach(server, token)
    me = client.me()
    try:
        keyring.set_password(SERVICE, server.rstrip("/"), token)
    except Exception as error:  # noqa: BLE001 (as above)
        raise BadInput(_LOCKED, f"{type(error).__name__}: {error}", field="token") from None
    say(f"Stored. At {server} this token is {me['email']}'s, for: {', '.join(me['scopes'])}.")


def accounts(client: RestClient, *, as_json: bool) -> None:
    rows = [
        {
            "id": one["id"],
            "platform": one["platform"],
            "name": one["name"],
            "status": one["status"],
            "instance": one["instance"],
        }
        for one in client.accounts()
    ]
    show_rows(rows, as_json)


def link(client: RestClient, platform: Platform, data: Any, instance: str, *, as_json: bool) -> None:
    """Link an account with what was typed, or say where its person agrees. Raises BadInput or ApiRefused."""
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise BadInput("On a server, stdin is a JSON object of texts; {} for a platform with a consent page.")
    made, page = client.link(platform.value, data, instance)
    if made is None:
        say(f"Open this address where you are signed in to PostProber, and agree: {page}")
    elif as_json:
        emit({"account_id": made["id"], "platform": made["platform"], "name": made["name"]})
    else:
        emit(made["id"])


def posts(client: RestClient, limit: int, *, as_json: bool) -> None:
    rows = [
        {
            "id": one["id"],
            "status": one["status"],
            "scheduled": one["scheduled_at"] or "",
            "platforms": ", ".join(one["platforms"]),
            "text": one["content"][:60],
        }
        for one in client.posts(limit)
    ]
    show_rows(rows, as_json)


def report(client: RestClient, wish: Wish) -> None:
    """What happened to a post, on the screen; or a report as a file. Raises BadInput."""
    if (wish.post_id is None) == (not wish.first and not wish.last):
        raise BadInput("Name a post, or a period with --from and --to; not both.")
    if wish.form == TEXT:
        if wish.post_id is None or wish.out is not None:
            raise BadInput(
                "On a server, the text is about one post and on the screen; name another --format and --out."
            )
        found = client.monitoring(wish.post_id)
        if wish.as_json:
            emit({**_result(found), "event": "report", "text": client.post(wish.post_id)["content"]})
            return
        say(client.post(wish.post_id)["content"])
        for one in found["deliveries"]:
            say(f"{one['platform']} ({one['account']}): {one['explanation']} {one['url'] or ''}")
        return
    if wish.out is None:
        raise BadInput("Name the file to write with --out.")
    if wish.post_id is not None:
        made = client.report(f"posts/{wish.post_id}", {"format": wish.form})
    else:
        made = client.report("period", {"from": wish.first, "to": wish.last, "format": wish.form})
    write(wish.out, made)
    say(f"Wrote {wish.out}.")


def publish(
    client: RestClient, post: NewPostJson, files: tuple[Path, ...], alts: tuple[str, ...], *, propose: bool
) -> tuple[int, str]:
    """(id of the post, where a person decides about it, "" where nobody has to)."""
    if len(alts) > len(files):
        raise BadInput("There are more alt texts than files.")
    named = [*alts, *[""] * (len(files) - len(alts))]
    if files:
        post["media_ids"] = [upload(client, path, alt)["id"] for path, alt in zip(files, named, strict=True)]
    if propose:
        made = client.propose(post)
        return made["post"]["id"], made["decide_at"] if made["waits_for_a_person"] else ""
    return client.publish(post)["id"], ""


def upload(client: RestClient, path: Path, alt: str = "") -> MediaJson:
    """Send a file, with its progress where a person looks; the next command goes on where this one was ended."""
    with sending(path.name) as progress:
        return client.upload(path, alt, progress=progress, book=UploadBook(_state() / "uploads.json"))


def _state() -> Path:
    """Where programs of this person keep what is to outlive them (XDG Base Directory)."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "postprober"


def follow(client: RestClient, post_id: int, *, wait: bool, as_json: bool, limit: float) -> int:
    """Show the post's way until it ends, or at once without `wait`; returns the exit code."""
    cursor, found = "", client.monitoring(post_id)
    if wait:
        seen = 0
        for look in client.looks(post_id, limit):
            found = look
            rows, following = client.steps(post_id, cursor)
            for row in rows if as_json else ():
                if row["id"] > seen:
                    seen = row["id"]
                    emit(_step(row))
            cursor = following or cursor
    if as_json:
        emit(_result(found))
    elif found["status"] == "review":
        say(f"Post {post_id} waits for a person.")
    else:
        say(f"Post {post_id} is {found['status']}.")
        for one in found["deliveries"]:
            say(f"{one['platform']} ({one['account']}): {one['explanation']} {one['url'] or ''}")
    return _code(found) if wait or found["status"] == "review" else DONE


def _step(row: StepJson) -> dict[str, Any]:
    return {
        "event": "step",
        "delivery_id": row["delivery_id"],
        "platform": row["platform"],
        "step": row["step"],
        "status": row["status"],
        "at": row["timestamp"],
        "detail": row["details"],
    }


def _result(found: MonitoringJson) -> dict[str, Any]:
    return {
        "event": "result",
        "post_id": found["post_id"],
        "deliveries": [
            {
                "delivery_id": one["id"],
                "account_id": one["account_id"],
                "platform": one["platform"],
                "state": one["state"],
                "proof": one["proof"],
                "remote_id": one["remote_id"],
                "url": one["url"],
            }
            for one in found["deliveries"]
        ],
    }


def _code(found: MonitoringJson) -> int:
    return code_of(found["status"], [(one["id"], one["account_id"], one["state"]) for one in found["deliveries"]])
