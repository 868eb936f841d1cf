"""I14: a hundred equal requests at once, with one Idempotency-Key, make one post."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from fastapi.testclient import TestClient
from sqlalchemy import func, select

from postprober.api.app import create_app
from postprober.domain.access import GRANTABLE
from postprober.services.core import Core
from postprober.services.people import api_tokens
from postprober.services.people.sessions import Caller
from postprober.settings import load_settings
from postprober.storage import users
from postprober.storage.tables import posts
from postprober.wiring import build_core, close_core
from tests.trust.base import Found, Turns, scratch, some
from tests.trust.scenes import template

AT_ONCE = 100
THREADS = 20
BASE = "http://127.0.0.1:8000"
BATCH = 25  # keys of one caller and one database


def one(turns: Turns) -> Found:
    codes: Counter[int] = Counter()
    failures = [text for numbers in turns.batches(BATCH) for text in _batch(numbers, True, codes)]
    control = some(turns.asked, 3)
    seen = [text for numbers in control.batches(BATCH) for text in _batch(numbers, False, Counter())]
    note = f"answers: {', '.join(f'{count:,} × {code}' for code, count in sorted(codes.items()))}"
    return Found(failures, "the same requests without the header", len(seen), control.done, note)


@contextmanager
def installed() -> Iterator[tuple[Core, int]]:
    """An installation with one owner: (core, the owner's id)."""
    with scratch("core") as folder:
        shutil.copy(template(), folder / "postprober.sqlite")
        core = build_core(load_settings(data_dir=folder, browser="off", _env_file=None), migrate=False)
        with core.db.write() as conn:
            owner = users.add(conn, email="o@example.org", password_hash="x", now=core.clock.now(), name="Owner")
        try:
            yield core, owner
        finally:
            close_core(core)


def token_of(core: Core, owner: int) -> str:
    """An API token with every permission."""
    with core.db.read() as conn:
        user = users.get(conn, owner)
    caller = Caller(user, GRANTABLE, "0", "login")
    return api_tokens.create(core, caller, name="trust", scopes=sorted(GRANTABLE), days=1)[1]


def _batch(numbers: range, keyed: bool, codes: Counter[int]) -> list[str]:
    failures = []
    with installed() as (core, owner), ThreadPoolExecutor(THREADS) as pool:
        client = TestClient(create_app(core), base_url=BASE, raise_server_exceptions=False)
        bearer = {"Authorization": f"Bearer {token_of(core, owner)}"}
        for number in numbers:
            headers = bearer | ({"Idempotency-Key": f"key-{number}"} if keyed else {})
            body = {"content": f"Once {number}"}

            def ask(_: int, headers: dict[str, str] = headers, body: dict[str, str] = body) -> tuple[int, int]:
                reply = client.post("/api/posts", headers=headers, json=body)
                return reply.status_code, reply.json().get("id", 0)

            replies = list(pool.map(ask, range(AT_ONCE)))
            codes.update(code for code, _ in replies)
            with core.db.read() as conn:
                count = conn.execute(select(func.count()).select_from(posts).where(posts.c.content == body["content"]))
                made = int(count.scalar_one())
            named = {post for code, post in replies if code == 201}
            if made != 1 or len(named) != 1 or {code for code, _ in replies} - {201, 409}:
                failures.append(f"key {number}: {made} posts, {len(named)} named, {Counter(c for c, _ in replies)}")
    return failures
