"""Files that a program cannot put into a call: fetched from an address, or handed in under an address of their own.

A model that writes a picture into its call as text fills its own memory with it; it asks for an address instead, to which
whoever runs it sends the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import unquote

from sqlalchemy import Connection

from postprober.domain.actor import Actor
from postprober.domain.addresses import split
from postprober.errors import BadInput, Conflict, NotFound, PlatformError
from postprober.security.tokens import keyed_hash, opaque
from postprober.services.core import Core, Mark, no_mark
from postprober.services.media import media
from postprober.services.media.media import Readable
from postprober.services.people import permits
from postprober.services.people.sessions import KEPT_AFTER_END, UPLOAD, UPLOAD_PREFIX, Caller
from postprober.storage import users

LIFE = timedelta(minutes=30)
MOST_OPEN = 50  # addresses of one person that wait for a file; ours
FETCH_SECONDS = 30.0
UNSHOWN = re.compile(r"[^\w .()+-]")  # a name is shown to people; NUL could not even be stored


@dataclass(frozen=True)
class Handover:
    """`secret`: the end of the address, for one file; `expires_at` is aware UTC."""

    secret: str
    expires_at: datetime


@permits.needs("media:write")
def from_address(core: Core, actor: Actor, url: str, alt: str = "", mark: Mark = no_mark) -> int:
    """Take in what is at a public address (http or https); returns the file's id. Only what fits into one answer (8 MB) is
    fetched, redirects are not followed, and nothing inside this network is reached. Raises BadInput."""
    try:
        reply = core.http.for_typed().bound().read("GET", url, timeout=FETCH_SECONDS)
    except PlatformError as error:
        raise BadInput(
            f"The file could not be fetched: {error.message} Give another address or send the file.", field="url"
        ) from error
    if 300 <= reply.status < 400:
        raise BadInput("This address leads to another one; give the address of the file itself.", field="url")
    if not reply.ok or not reply.body:
        raise BadInput(f"There is no file at this address (status {reply.status}).", field="url")
    name = UNSHOWN.sub("_", unquote(split(url).path.rpartition("/")[2])) or "file"
    return media.add_bytes(core, actor, name, reply.body, alt, mark)


@permits.needs("media:write")
def announce(core: Core, actor: Actor, name: str, alt: str = "") -> Handover:
    """An address for one file, good for half an hour, or until the token that asked for it is removed. Raises BadInput or
    Conflict (too many wait)."""
    media.check_alt(alt)
    now = core.clock.now()
    secret, ends = UPLOAD_PREFIX + opaque(), now + LIFE
    with core.db.write() as conn:
        users.lock(conn, actor.user)
        users.forget_sessions(conn, now - KEPT_AFTER_END)
        mine = users.sessions_of(conn, actor.user, UPLOAD, now)
        # Those with a length come in pieces and are counted apart (`resumable`).
        waiting = [row for row in mine if not row["data"].get("media") and "length" not in row["data"]]
        if len(waiting) >= MOST_OPEN:
            raise Conflict(f"{MOST_OPEN} uploads were announced already; send them or wait half an hour.")
        users.add_session(
            conn,
            user_id=actor.user,
            kind=UPLOAD,
            token_hash=keyed_hash(core.settings.secret_key, secret),
            now=now,
            expires_at=ends,
            data={"name": name[:255], "alt": alt, "token": actor.via.id if actor.via.is_token else 0},
        )
    return Handover(secret, ends)


def take_in(core: Core, caller: Caller, stream: Readable) -> int:
    """The file for an announced address; the same again for one that has come already. Returns its id. Raises BadInput."""
    row_id, now = int(caller.session), core.clock.now()
    with core.db.read() as conn:
        row = users.session_by_id(conn, row_id, now)
    if row is None:
        raise NotFound("This upload address is used up; announce the file again.")
    if known := row["data"].get("media"):
        return int(known)
    # How long such a file is and what its digest is was said before; the whole would be compared with neither.
    if "length" in row["data"]:
        raise Conflict(
            "This address takes a file in pieces (PATCH, tus 1.0). Announce the file to send it with one PUT."
        )
    with media.received(core, caller.actor.space, stream) as file:
        if not file.size:
            raise BadInput("The file is empty; send its bytes as the body.", field="file")

        def mark(conn: Connection, media_id: int) -> None:
            held = users.session_by_id(conn, row_id, now, hold=True)
            if held is None or held["data"].get("media"):
                raise Conflict("This file was handed in already.")
            users.put_session_data(conn, row_id, {**held["data"], "media": media_id})

        return media.add_received(core, caller.actor, row["data"]["name"], file, row["data"]["alt"], mark, row_id)


@permits.needs("media:write")
def handed_in(core: Core, actor: Actor, secret: str) -> int:
    """The id of the file that came. Raises NotFound, or Conflict when nothing has come yet."""
    with core.db.read() as conn:
        row = users.find_session(conn, UPLOAD, keyed_hash(core.settings.secret_key, secret), core.clock.now())
    if row is None or row["user_id"] != actor.user:
        raise NotFound("There is no such upload, or its time is over; announce the file again.")
    if refused := row["data"].get("refused"):
        raise BadInput(str(refused), field="file")
    if not row["data"].get("media") and "length" in row["data"]:
        raise Conflict("The file has not arrived whole yet; send the rest, then ask again.")
    if not row["data"].get("media"):
        raise Conflict("Nothing has arrived at this address yet; send the file with PUT, then ask again.")
    return int(row["data"]["media"])


__all__ = ["MOST_OPEN", "Handover", "announce", "from_address", "handed_in", "take_in"]
