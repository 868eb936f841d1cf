"""No alert is lost: the process is killed somewhere between the change of state and the end of the sending.

    python -m tests.crash.alerts --kills 1000

Each child changes states, which writes alerts, and sends them to a webhook; it is ended by SIGKILL at a random moment.
In the end one more child sends what is left. Every alert in the database must have arrived, and repeats must carry the
same key. The control marks a message before it sends it, as a careless sender would, and must lose some.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from bench.ports import free_port
from postprober.domain.delivery import DeliveryState
from postprober.pipeline.core import transitions
from postprober.pipeline.core.context import Context
from postprober.pipeline.notifications import notify, outbox
from postprober.services.core import Core
from postprober.services.notifications import channels
from postprober.services.pipeline_context import context_of
from postprober.storage import deliveries, notifications, users
from postprober.storage.records import PartRecord
from postprober.storage.tables import accounts, alerts, posts
from postprober.wiring import build_core, close_core
from tests.people import acting

LONGEST_LIFE = 0.15  # seconds a child is let live after its first change


@dataclass(frozen=True)
class Count:
    """`alerts` in the database; `lost`: of them never received; `doubled`: received more than once, which is allowed;
    `contradicted`: received twice under one key with different words; `killed`: children that SIGKILL ended."""

    alerts: int
    lost: int
    doubled: int
    contradicted: int
    killed: int

    @property
    def good(self) -> bool:
        return self.lost == 0 and self.contradicted == 0 and self.alerts > 0


def run(kills: int, *, naive: bool = False, seed: int = 1) -> Count:
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="pp-alerts-") as folder:
        heard = Path(folder) / "heard.jsonl"
        with _receiver(heard) as port:
            account, user = _prepare(Path(folder), port)
            killed = sum(_life(Path(folder), account, user, naive, dice) for _ in range(kills))
            _finish(Path(folder), naive)
        return _judge(Path(folder), heard, killed)


def _prepare(folder: Path, port: int) -> tuple[int, int]:
    core = _core(folder)
    now = core.clock.now()
    with core.db.write() as conn:
        user_id = users.add(conn, email="owner@example.org", password_hash="x", now=now)
        made = conn.execute(
            insert(accounts).values(
                user_id=user_id, platform="x", account_name="a", remote_id="1", scopes=[], settings={}, created_at=now
            )
        )
        user = users.get(conn, user_id)
    channels.add(core, acting(core, user), kind="webhook", name="hook", url=f"http://127.0.0.1:{port}/")
    close_core(core)
    return int(made.inserted_primary_key[0]), user_id


def _core(folder: Path) -> Core:
    return build_core(data_dir=folder / "data", sandbox_port=1, _env_file=None)


def _life(folder: Path, account: int, user: int, naive: bool, dice: random.Random) -> bool:
    """One child; whether it was killed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            _work(folder, account, user, naive, writing)
        finally:
            os._exit(1)
    os.close(writing)
    os.read(reading, 1)  # its first change is about to happen
    time.sleep(dice.uniform(0, LONGEST_LIFE))  # the random moment is the experiment
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(reading)
    return os.WIFSIGNALED(status)


def _work(folder: Path, account: int, user: int, naive: bool, ready: int) -> None:
    ctx = _context(folder)
    os.write(ready, b"1")
    while True:
        _change(ctx, account, user)
        outbox.send_due(ctx)
        _send(ctx, naive)


def _context(folder: Path) -> Context:
    notify.GROUP, notify.LEASE = timedelta(0), timedelta(milliseconds=50)  # so that repeats come at once
    return context_of(_core(folder))


def _change(ctx: Context, account: int, user: int) -> None:
    now = ctx.clock.now()
    with ctx.db.write() as conn:
        post = conn.execute(
            insert(posts).values(user_id=user, content="t", platforms=["x"], options={}, created_at=now)
        )
        made = deliveries.add(
            conn,
            post_id=int(post.inserted_primary_key[0]),
            account_id=account,
            space=user,
            platform="x",
            key=os.urandom(8).hex(),
            due_at=now,
            parts=[PartRecord(0, "t")],
            now=now,
        )
    with ctx.db.write() as conn:
        delivery = deliveries.get(conn, made)
        transitions.move(conn, delivery, DeliveryState.FAILED, reason="because", now=now, next_at=None)


def _send(ctx: Context, naive: bool) -> None:
    if not naive:
        notify.send_due(ctx)
        return
    now = ctx.clock.now()
    with ctx.db.read() as conn:
        waiting = notifications.due_channels(conn, now)
    for channel in waiting:
        with ctx.db.write() as conn:
            rows = notifications.claim(conn, channel.id, now, now + notify.LEASE, 1)
            notifications.sent(conn, [row["id"] for row in rows], channel.id, now)
        if rows:
            notify.sender_of(ctx).deliver(channel, rows)


def _finish(folder: Path, naive: bool) -> None:
    """Send what is left, undisturbed."""
    ctx = _context(folder)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        outbox.send_due(ctx)
        _send(ctx, naive)
        with ctx.db.read() as conn:
            if notifications.waiting(conn) == 0:
                break
    ctx.http.pools.close()
    ctx.db.close()


def _judge(folder: Path, heard: Path, killed: int) -> Count:
    core = _core(folder)
    with core.db.read() as conn:
        keys = set(conn.execute(select(alerts.c.dedupe_key)).scalars())
    close_core(core)
    calls = [json.loads(line) for line in heard.read_text().splitlines()]
    by_key: dict[str, set[str]] = {}
    for call in calls:
        by_key.setdefault(call["key"].rpartition(":")[0], set()).add(call["body"])
    return Count(
        alerts=len(keys),
        lost=len(keys - by_key.keys()),
        doubled=len(calls) - len(by_key),
        contradicted=sum(len(bodies) > 1 for bodies in by_key.values()),
        killed=killed,
    )


@contextmanager
def _receiver(heard: Path) -> Iterator[int]:
    """The webhook's other end, in a process of its own: this one forks."""
    port = free_port()
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.alerts", "--receive", str(port), str(heard)], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    yield port
    child.terminate()
    child.wait()
    child.stdout.close()


def receive(port: int, heard: Path) -> None:
    """Write down what arrives, and answer only then."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length).decode()
            if len(body.encode()) < length:
                return  # the sender died in the middle of it
            line = json.dumps({"key": self.headers["webhook-id"], "body": body}) + "\n"
            with heard.open("a") as out:
                out.write(line)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    heard.touch()
    print("listening", flush=True)
    server.serve_forever()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--receive", nargs=2, metavar=("PORT", "FILE"))
    options = parser.parse_args()
    if options.receive:
        receive(int(options.receive[0]), Path(options.receive[1]))
        return 0
    control = run(max(50, options.kills // 10), naive=True)
    print(f"control, marked before it is sent: {control}")
    real = run(options.kills)
    print(f"alerts, {options.kills} SIGKILLs:        {real}")
    return 0 if real.good and control.lost else 1


if __name__ == "__main__":
    sys.exit(main())
