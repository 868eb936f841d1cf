"""From the commit of a transition to its receipt by every client, beside a bare uvicorn broadcast of the same bytes."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from bench.stage import ROOT, Stage, free_port, percentile, plan, stage
from postprober.clock import utc_iso
from postprober.services.people import sessions
from postprober.storage import deliveries
from postprober.storage.tables import transitions

EVENTS = 20
ROUNDS = 3
PAUSE = {500: 0.3, 2000: 0.7, 5000: 1.5}  # seconds between events: each broadcast ends before the next begins


def websocket(sizes: tuple[int, ...] = (500, 5000)) -> None:
    """p50, p99 and worst latency for so many clients, both ways."""
    _allow_files(2 * max(sizes) + 500)
    for clients in sizes:
        # Turn about, and the middle one of each: whatever else the machine does would else hit one side only.
        rounds = [(sorted(_ours(clients)), sorted(_bare(clients))) for _ in range(ROUNDS)]
        print(f"websocket: {clients} clients in one room, {ROUNDS} rounds of {EVENTS} events, middle round of each")
        middle = []
        for side, name in enumerate(("commit to receipt", "bare broadcast")):
            found = sorted((both[side] for both in rounds), key=lambda times: percentile(times, 0.99))[ROUNDS // 2]
            p50, p99 = percentile(found, 0.5), percentile(found, 0.99)
            print(f"  {name:18} p50 {p50 * 1000:5.0f} ms   p99 {p99 * 1000:5.0f} ms   worst {found[-1] * 1000:5.0f} ms")
            middle.append(p99)
        print(f"  p99 ratio {middle[0] / middle[1]:.2f}  (aim: within 1.5)")


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise RuntimeError(f"this machine allows {hard} open files; {count} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


def _ours(clients: int) -> list[float]:
    with stage(accounts=1, POSTPROBER_SOCKETS_PER_USER="100000") as made:
        core = made.core
        assert core
        port = int(made.env["POSTPROBER_API_PORT"])
        made.start("sidecar", "-m", "postprober.api", ready=f"http://127.0.0.1:{port}/healthz")
        post_id = plan(made, 0)
        token = sessions.log_in(core, "bench@example.org", "0123456789abc", "").access
        with core.db.read() as conn:
            delivery = deliveries.of_post(conn, post_id)[0]

        def send(number: int) -> float:
            with core.db.write() as conn:
                conn.execute(
                    transitions.insert().values(
                        delivery_id=delivery.id,
                        post_id=post_id,
                        user_id=1,
                        old="scheduled",
                        new="scheduled",
                        reason=str(number),
                        at=core.clock.now(),
                    )
                )
            return time.monotonic()

        return _measure(made, port, clients, token, post_id, send)


def _bare(clients: int) -> list[float]:
    with stage() as made:
        port = free_port()
        made.start("bare", "-m", "bench.bare", str(port))
        _wait_for(port)
        assert made.core
        at = utc_iso(made.core.clock.now())

        def send(number: int) -> float:
            data = {
                "post_id": 1,
                "delivery_id": 1,
                "platform": "x",
                "old": "scheduled",
                "new": "scheduled",
                "reason": str(number),
                "at": at,
            }
            body = json.dumps({"event": "monitoring_update", "id": 2 * number, "data": data}).encode()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/send", data=body, timeout=30) as reply:
                return float(reply.read())

        return _measure(made, port, clients, "none", 1, send)


def _wait_for(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", data=b"", timeout=1).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError("the bare server did not start")


def _measure(
    made: Stage, port: int, clients: int, token: str, post_id: int, send: Callable[[int], float]
) -> list[float]:
    """Seconds from `send` to each receipt. Raises RuntimeError when one is missing."""
    command = [sys.executable, "-m", "bench.listeners", str(port), str(clients), str(EVENTS), token, str(post_id)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    made.children["listeners"] = child  # type: ignore[assignment]
    assert child.stdout is not None
    if child.stdout.readline().strip() != "ready":
        raise RuntimeError("the clients could not join")
    sent = {}
    for number in range(EVENTS):
        sent[number] = send(number)
        time.sleep(PAUSE.get(clients, clients / 2000))
    receipts = {int(number): times for number, times in json.loads(child.stdout.readline()).items()}
    missing = {number for number in sent if len(receipts.get(number, [])) != clients}
    if missing:
        raise RuntimeError(f"not everybody received events {sorted(missing)}")
    return [received - sent[number] for number, times in receipts.items() for received in times]
