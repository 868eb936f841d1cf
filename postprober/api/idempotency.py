"""`Idempotency-Key`: whoever repeats a request that creates gets the first answer, and nothing is created twice.

The order: the key's unique row is inserted (one of many at once wins, the others are told to come back) → the work →
in the transaction that creates something, its id is noted in the row → the answer is stored. A process that dies
before the noting has created nothing, and the next one begins anew when the lease ends; one that dies after it leaves
the id, and the next one only answers. A request that was refused has created nothing, so its key is free again.

The header follows draft-ietf-httpapi-idempotency-key-header-07 (https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header),
which asks for 422 when the key comes with another request, and 409 while the first is under way.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from math import ceil
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel
from sqlalchemy import Connection

from postprober.api.auth import CallerDep
from postprober.api.deps import CoreDep
from postprober.api.problems import Busy
from postprober.errors import BadInput, Conflict
from postprober.security.vault import Place
from postprober.services.core import Core, Mark, no_mark
from postprober.storage import idempotency
from postprober.storage.idempotency import KeyRecord

KEPT = timedelta(hours=24)
# How long one request may work before another may take over. The longest ask five platforms, 10 s each at most.
LEASE = timedelta(seconds=60)
MAX_KEY = 255
REPLAYED = "Idempotency-Replayed"
_TRIES = 5  # the row may vanish between two looks; five times in a row is no race any more


@dataclass(frozen=True)
class StoredAnswer:
    """What goes back: a JSON body and the headers beside it."""

    status: int
    body: BaseModel
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        return Response(self.body.model_dump_json(), self.status, self.headers, "application/json")


# Does the work: gets the mark for the creating transaction, and the id that an earlier try has created (None: nothing).
Work = Callable[[Mark, int | None], StoredAnswer]


@dataclass(frozen=True)
class Once:
    """One request of one caller, with or without a key."""

    core: Core
    user_id: int
    key: str
    route: str

    def answer(self, body: str, work: Work) -> Response:
        """`work`'s answer, or the stored one for the same key and `body` (canonical text of what was asked for).

        Raises BadInput (the key was used for something else), Busy (the first is under way) and whatever `work` raises.
        """
        if not self.key:
            return work(no_mark, None).response()
        fingerprint = hashlib.sha256(f"{self.route}\n{body}".encode()).hexdigest()
        row, mine = self._claim(fingerprint)
        if mine:
            return self._work(row, work)
        if row.fingerprint != fingerprint:
            raise BadInput(
                "This Idempotency-Key was used for another request; take a new one.", field="Idempotency-Key"
            )
        if row.answer is None:
            left = (row.locked_until - self.core.clock.now()).total_seconds() if row.locked_until else 0.0
            raise Busy("The same request is being worked on; ask again in a moment.", min(max(1, ceil(left)), 5))
        return self._stored(row, row.answer)

    def _claim(self, fingerprint: str) -> tuple[KeyRecord, bool]:
        for _ in range(_TRIES):
            now = self.core.clock.now()
            with self.core.db.write() as conn:
                row, mine = idempotency.claim(
                    conn,
                    user_id=self.user_id,
                    key=self.key,
                    fingerprint=fingerprint,
                    now=now,
                    until=now + LEASE,
                    expires_at=now + KEPT,
                )
            if row is not None:
                return row, mine
        raise Busy("The same request is being worked on; ask again in a moment.", 1)

    def _work(self, row: KeyRecord, work: Work) -> Response:
        def mark(conn: Connection, made_id: int) -> None:
            if not idempotency.made(conn, row, made_id):
                raise Conflict("This request took too long and was taken over by a repetition of it.")

        try:
            answer = work(mark, row.made_id)
            sealed = self.core.vault.seal(_dump(answer), _place(row))
            with self.core.db.write() as conn:
                idempotency.answered(conn, row, sealed)
        except BaseException:  # also a killed thread: the key must not stay taken for a minute
            with self.core.db.write() as conn:
                idempotency.give_up(conn, row, self.core.clock.now())
            raise
        return answer.response()

    def _stored(self, row: KeyRecord, sealed: str) -> Response:
        told = json.loads(self.core.vault.open(sealed, _place(row)))
        headers = {**told["headers"], REPLAYED: "true"}
        return Response(told["body"], told["status"], headers, "application/json")


def get_once(
    request: Request,
    core: CoreDep,
    caller: CallerDep,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=MAX_KEY,
            pattern=r"^[\x21-\x7e]+$",
            examples=["8e03978e-40d5-43e8-bc93-6894a57f9324"],
            description="Repeating the request with the same key creates nothing again; kept for 24 hours",
        ),
    ] = None,
) -> Once:
    """The caller's request, for routes that create."""
    return Once(core, caller.user.id, idempotency_key or "", f"{request.method} {request.url.path}")


OnceDep = Annotated[Once, Depends(get_once)]


def _dump(answer: StoredAnswer) -> str:
    return json.dumps({"status": answer.status, "body": answer.body.model_dump_json(), "headers": answer.headers})


def _place(row: KeyRecord) -> Place:
    return Place("idempotency_keys", "answer", str(row.id))
