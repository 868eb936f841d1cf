"""An installation that takes every secret there is, each of them a canary, and lives through everything with them."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from sqlalchemy import func, select

from bench.stage import ROOT, Stage, stage
from postprober.domain.platform import Platform, known
from postprober.services.people import users
from postprober.storage import users as user_storage
from postprober.storage.records import User
from tests.attack.hunt import Hunter
from tests.receivers import PostOffice, Receiver

# Every library of every process says all it can: installed before anything else sets up logging.
_LOUD = """import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
logging.getLogger().setLevel(logging.DEBUG)
"""
WAIT = 90.0  # seconds for something to happen on a busy machine
_TRICKY = '"<Zö>&+/ '  # every encoding writes these in another way


def canary(prefix: str = "") -> str:
    """A value that occurs nowhere else."""
    return f"{prefix}{secrets.token_hex(12)}"


@dataclass
class Life:
    """`hunter` knows every secret; `tokens`: who asks, by role; `replies`: what the API said, by who and what."""

    made: Stage
    hunter: Hunter
    post_office: PostOffice
    receiver: Receiver
    owner: User
    tokens: dict[str, str] = field(default_factory=dict)
    cookie: str = ""
    replies: dict[str, bytes] = field(default_factory=dict)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.made.env['POSTPROBER_API_PORT']}"

    def call(self, who: str, method: str, path: str, body: Any = None, *, kept: bool = True) -> tuple[int, bytes]:
        """One request as `who` ("" is nobody); headers and body of the answer are kept to be searched, unless it is
        the one that hands a secret over."""
        headers = {"Content-Type": "application/json"}
        if self.tokens.get(who):
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.api}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                status, content, told = reply.status, reply.read(), bytes(reply.headers)
        except urllib.error.HTTPError as error:
            with error:
                status, content, told = error.code, error.read(), bytes(error.headers)
        if kept:
            self.replies[f"the reply to {who or 'nobody'}: {method} {path.split('?')[0]}"] = told + b"\n" + content
        return status, content


@contextlib.contextmanager
def living() -> Iterator[Life]:
    """The installation with its processes; what they write is below `made.folder`."""
    office = PostOffice(options={"authenticator": lambda *_: _right(), "auth_require_tls": False})
    with contextlib.closing(office), contextlib.closing(Receiver()) as receiver:
        hunter = Hunter()
        env = _settings(hunter, office, receiver)
        with stage(0, **env) as made:
            try:
                loud = made.folder / "loud"
                loud.mkdir()
                (loud / "sitecustomize.py").write_text(_LOUD)
                made.env["PYTHONPATH"] = str(loud)
                (made.folder / "tmp").mkdir()
                made.env["TMPDIR"] = str(made.folder / "tmp")
                assert made.core
                owner = user_of(made, hunter, "owner", "owner")
                yield Life(made, hunter, office, receiver, owner)
            finally:
                for name in (*env, "POSTPROBER_DATA_DIR"):
                    os.environ.pop(name, None)


def _right() -> Any:
    from aiosmtpd.smtp import AuthResult

    return AuthResult(success=True)


def _settings(hunter: Hunter, office: PostOffice, receiver: Receiver) -> dict[str, str]:
    """Every setting that is a secret."""
    raw = secrets.token_bytes(32)
    hunter.add("the vault key (its bytes)", raw)
    hunter.add("the vault key", base64.b64encode(raw).decode())
    found = {
        "POSTPROBER_SECRET_KEY": canary("secret-key-") * 2,
        "POSTPROBER_AI_API_KEY": canary("sk-"),
        "POSTPROBER_SMTP_PASSWORD": canary(_TRICKY.replace("ö", "o")),  # SMTP libraries take ASCII
        **{
            f"POSTPROBER_{p.value.upper()}_CLIENT_SECRET": canary(f"{p.value}-client-")
            for p in known()
            if p is not Platform("x")
        },
    }
    for name, value in found.items():
        hunter.add(name, value)
    word = canary()
    hunter.add("POSTPROBER_PING_URL", word)
    found |= {
        "POSTPROBER_VAULT_KEYS": f"k1:{base64.b64encode(raw).decode()}",
        "POSTPROBER_PING_URL": f"{receiver.url}/{word}",
        "POSTPROBER_SMTP_HOST": "127.0.0.1",
        "POSTPROBER_SMTP_PORT": str(office.port),
        "POSTPROBER_SMTP_SECURITY": "none",
        "POSTPROBER_SMTP_USERNAME": "postprober",
        "POSTPROBER_SMTP_FROM": "post@example.org",
        "POSTPROBER_BROWSER": "on",
    }
    return found


def user_of(made: Stage, hunter: Hunter, name: str, role: str, owner_id: int | None = None) -> User:
    assert made.core
    password = canary(_TRICKY)
    hunter.add(f"the password of the {name}", password)
    user_id = users.create(
        made.core, email=f"{name}@example.org", password=password, name=name, role=role, owner_id=owner_id
    )
    with made.core.db.read() as conn:
        return user_storage.get(conn, user_id)


def start(life: Life) -> None:
    made = life.made
    begin(life, "sidecar", "-m", "postprober.api", ready=f"{life.api}/healthz")
    begin(life, "scheduler", "scheduler.py")
    app = made.env["POSTPROBER_APP_PORT"]
    begin(
        life,
        "app",
        "-m",
        "streamlit",
        "run",
        "app.py",
        "--server.port",
        app,
        "--server.address",
        "127.0.0.1",
        "--server.headless",
        "true",
        ready=f"http://127.0.0.1:{app}/_stcore/health",
    )


def begin(life: Life, name: str, *command: str, ready: str = "") -> None:
    """A process of ours, with all that it says kept in one file."""
    with (life.made.folder / f"{name}.log").open("wb") as out:
        life.made.children[name] = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, **life.made.env},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    wait = Event()
    for _ in range(int(WAIT * 10) if ready else 0):
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(ready, timeout=1).close()
            return
        wait.wait(0.1)
    if ready:
        raise RuntimeError(f"{name} did not answer at {ready}")


def until(life: Life, condition: Any, count: int) -> None:
    """Wait until so many rows are so."""
    core = life.made.core
    assert core
    wait, found = Event(), 0
    for _ in range(int(WAIT * 5)):
        with core.db.read() as conn:
            found = conn.execute(select(func.count()).where(condition)).scalar_one()
        if found >= count:
            return
        wait.wait(0.2)
    raise RuntimeError(f"only {found} of {count} rows with {condition} after {WAIT} s")


def unique(value: str) -> str:
    """Of a JWT the signature: head and body are no secret, and parts of them are the same in all."""
    return value.rsplit(".", 1)[1] if value.count(".") == 2 else value
