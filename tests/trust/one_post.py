"""A process that accepts posts over the API and says so; strace kills it or fails its writes (tests.trust.disks).

    python -m tests.trust.one_post FOLDER POSTS MANNER

Prints `STATUS TEXT` when an answer has left, as a client would note it. MANNER: `plain`; `early` answers before it
stores (the control of a kill); `blind` takes a failed store for a good one (the control of a failing disk).
"""

from __future__ import annotations

import os
import sys
import uuid
from contextlib import suppress
from pathlib import Path

from fastapi.testclient import TestClient
from sqlalchemy.exc import SQLAlchemyError

from postprober.api.app import create_app
from postprober.services.core import Core
from postprober.services.posts import drafts
from postprober.services.posts.posts import NewPost
from postprober.settings import load_settings
from postprober.storage import database
from postprober.wiring import build_core, close_core
from tests.people import acting
from tests.trust.keys import BASE

BUSY_MS = 300  # the real one is 15 s; what happens afterwards is the same


def say(status: int, text: str) -> None:
    os.write(1, f"{status} {text}\n".encode())


def main(folder: Path, count: int, manner: str) -> None:
    database.BUSY_TIMEOUT_MS = BUSY_MS
    core = build_core(load_settings(data_dir=folder, browser="off", _env_file=None), migrate=False)
    headers = {"Authorization": f"Bearer {(folder / 'token').read_text()}"}
    say(0, "begins")
    with TestClient(create_app(core), base_url=BASE, raise_server_exceptions=False) as client:
        for _ in range(count):
            text = f"Post {uuid.uuid4().hex}"
            if manner == "early":
                say(201, text)
            code = _blindly(core, text) if manner == "blind" else _ask(client, headers, text)
            if manner != "early":
                say(code, text)
    say(0, "ends")
    close_core(core)


def _ask(client: TestClient, headers: dict[str, str], text: str) -> int:
    return client.post("/api/posts", headers=headers, json={"content": text}).status_code


def _blindly(core: Core, text: str) -> int:
    with suppress(SQLAlchemyError):
        drafts.save(core, acting(core, 1), NewPost((text,), ()))
    return 201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    os._exit(0)
