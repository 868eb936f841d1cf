"""`docs/api.md` is true: it names every route, every metric and every kind of problem, and its examples run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from postprober.api import problems
from postprober.api.live import RESTART, SIGNED_OUT
from postprober.domain.delivery import Proof
from postprober.domain.diagnosis import Cause, Diagnosis, Fix
from postprober.pipeline.core import transitions
from postprober.storage import alert_log, deliveries, evidence_log, pictures, repairs
from tests.api.live_kit import Live, S, hear, say
from tests.api.rest_kit import png, rest_on
from tests.api.serving import serving
from tests.installed import Installation
from tests.pipeline.test_adopt_by_link import held, post_by_hand

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
_CLIENT = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```(sh|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = "=== end of example"


def blocks() -> list[tuple[str, str]]:
    """(kind, text) of every example of a REST call, in order."""
    return _BLOCK.findall(PAGE.read_text().partition("## Live events")[0])


def test_every_route_is_on_the_page_and_every_route_on_the_page_is_there(installation: Installation) -> None:
    schema = rest_on(installation).client.get("/api/openapi.json").json()
    there = {f"{method.upper()} {path}" for path, methods in schema["paths"].items() for method in methods}
    named = set(re.findall(r"`((?:GET|HEAD|POST|PUT|DELETE|PATCH) /[^`?]*)`", PAGE.read_text()))
    assert named == there


def test_every_route_is_called_by_an_example(installation: Installation) -> None:
    """A call that browsers make for themselves has none."""
    schema = rest_on(installation).client.get("/api/openapi.json").json()
    told = "\n".join(code for kind, code in blocks() if kind == "sh")
    for path, methods in schema["paths"].items():
        for method in set(methods) - ({"get"} if path in _FOR_BROWSERS else set()):
            address = re.sub(r"/\{\w+\}", r"/\\$[^/\\s?\"]+", path)
            lines = [line for line in _calls(told) if re.search(rf"\$API{address}(?![\w/])", line)]
            assert any(_method(line) == method for line in lines), f"{method} {path}"


_FOR_BROWSERS = {
    "/api/session/begin",
    "/api/session/end",
    "/oauth/{platform}/callback",
    "/oauth/{platform}/callback/{issuer}",
    "/api/media/public/{name}",
}


def _calls(told: str) -> list[str]:
    """One line a call; the ids that are taken out of an answer are variables too."""
    joined = re.sub(r"\$\(field [^)]*\)", "$ID", told.replace("\\\n", " "))
    return [line for line in joined.splitlines() if "curl" in line]


def _method(line: str) -> str:
    named = re.search(r"-X (\w+)", line)
    return named[1].lower() if named else "post" if re.search(r"--json|-F ", line) else "get"


def test_every_metric_and_every_kind_of_problem_is_on_the_page(installation: Installation) -> None:
    text = PAGE.read_text()
    found = set(re.findall(r"^# TYPE (\S+)", rest_on(installation).client.get("/metrics").text, re.MULTILINE))
    names = {name for name in found if not name.endswith("_created")} | {"postprober_scheduler_heartbeat_age_seconds"}
    assert {name for name in names if f"`{name}" not in text} == set()
    kinds = {kind for _, _, kind, _ in problems._KINDS} | {"internal", "unavailable"}
    assert {kind for kind in kinds if f"`{kind}`" not in text} == set()


_TOLD = ("status", "state", "proof", "kind", "mime", "label", "version", "explanation")  # the page means these words


def shape(value: Any, name: str = "") -> Any:
    """The keys of an answer, and the values that do not depend on who asks; of a list its first item."""
    if isinstance(value, dict):
        return {key: shape(item, key) for key, item in value.items() if key != "counts"}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [shape(value[0])]
    return value if name in _TOLD or str(value).startswith("urn:") else ...


def decisions(inst: Installation) -> tuple[str, str, str]:
    """One delivery that failed, four that are held, and the link of the post that the last of them became."""
    account = inst.link("bluesky")
    rows = [held(inst, account, f"Held {number}") for number in range(4)]
    lost = held(inst, account, "Refused", unknown=False)
    with inst.core.db.write() as conn:
        transitions.move(conn, lost, S.FAILED, reason="The text was refused.", now=inst.core.clock.now(), next_at=None)
    return str(lost.id), f"({' '.join(str(row.id) for row in rows)})", post_by_hand(inst, account, "Held 3").url


def refused(inst: Installation) -> str:
    """Another delivery that failed."""
    one = held(inst, inst.link("bluesky"), "Refused too", unknown=False)
    with inst.core.db.write() as conn:
        transitions.move(conn, one, S.FAILED, reason="The text was refused.", now=inst.core.clock.now(), next_at=None)
    return str(one.id)


def invisible(inst: Installation) -> str:
    """Three deliveries that were accepted and that nobody can see."""
    rows = [held(inst, inst.link("bluesky"), f"Invisible {number}", unknown=False) for number in range(3)]
    now = inst.core.clock.now()
    with inst.core.db.write() as conn:
        for row in rows:
            for state in (S.PUBLISHED, S.GHOST):
                transitions.move(
                    conn,
                    deliveries.get(conn, row.id),
                    state,
                    reason="Nobody can see it.",
                    now=now,
                    next_at=None,
                    proof=Proof.ACCEPTED,
                    published_at=now,
                )
    return f"({' '.join(str(row.id) for row in rows)})"


def repairable(inst: Installation) -> str:
    """A post of two deliveries that failed, each with a repair that waits for a word."""
    bluesky = inst.link("bluesky")
    first = held(inst, bluesky, "Blocked", unknown=False)
    second = inst.link("bluesky").id
    with inst.core.db.write() as conn:
        deliveries.add(
            conn,
            post_id=first.post_id,
            account_id=second,
            space=inst.owner,
            platform="bluesky",
            key="second",
            due_at=inst.core.clock.now(),
            parts=list(first.parts),
            now=inst.core.clock.now(),
        )
        for one in deliveries.of_post(conn, first.post_id):
            transitions.move(conn, one, S.FAILED, reason="Blocked.", now=inst.core.clock.now(), next_at=None)
            row = repairs.of_delivery(conn, one.id)[-1]
            told = Diagnosis(Cause.BLOCKED_AS_SPAM, 0.9, (), True, Fix.CHANGE_TIME, "Blocked.", "rules")
            until = {"until": "2099-01-01T00:00:00.000Z"}
            repairs.diagnosed(conn, row, told, "proposed", until, inst.core.clock.now())
    return str(first.post_id)


def proved(inst: Installation) -> str:
    """A post that is live."""
    one = held(inst, inst.link("bluesky"), "Proved", unknown=False)
    with inst.core.db.write() as conn:
        now = inst.core.clock.now()
        for state in (S.PUBLISHED, S.VERIFIED):
            transitions.move(
                conn,
                deliveries.get(conn, one.id),
                state,
                reason="seen",
                now=now,
                next_at=None,
                proof=Proof.MATCHES,
                published_at=now,
            )
    return str(one.post_id)


def seen(inst: Installation) -> str:
    """A delivery with a picture."""
    one = held(inst, inst.link("bluesky"), "Seen", unknown=False)
    name = pictures.keep(pictures.folder(inst.core.settings.data_dir), png())
    with inst.core.db.write() as conn:
        evidence_log.keep(conn, one.id, "browser", {"verdict": "found"}, inst.core.clock.now(), name)
    return str(one.id)


def script(url: str, inst: Installation) -> str:
    """All examples as one bash script; the placeholders are filled in, and a mark ends each answer."""
    made = inst.made("bluesky")
    failed, held, link = decisions(inst)
    values = {
        "SEEN": seen(inst),
        "FAILED": failed,
        "HELD": held,
        "LINK": link,
        "REPAIRED": repairable(inst),
        "PROVED": proved(inst),
        "REFUSED": refused(inst),
        "INVISIBLE": invisible(inst),
        "API": url,
        "EMAIL": "owner@example.org",
        "PASSWORD": inst.password,
        "HANDLE": made["id"],
        "APP_PASSWORD": made["password"],
    }
    text = "\n".join(f"{code}\necho; echo '{_MARK}'" for kind, code in blocks() if kind == "sh")
    for name, value in values.items():
        line = (f"{name}={value}" if value.startswith("(") else f"{name}='{value}'").replace("\\", r"\\")
        text, count = re.subn(rf"^{name}=.*$", line, text, flags=re.MULTILINE)
        assert count == 1, name
    return f"set -euo pipefail\n{text}"


def _expected() -> list[str]:
    """For each shell example the answer that the page shows after it, "" where it shows none."""
    found: list[str] = []
    for kind, code in blocks():
        if kind == "sh":
            found.append("")
        else:
            found[-1] = code
    return found


@pytest.mark.timeout(300)  # nearly a hundred programs, one after the other
def test_every_example_runs_and_answers_what_the_page_says(installation: Installation, tmp_path: Path) -> None:
    if not shutil.which("curl") or not shutil.which("bash"):
        pytest.skip("curl or bash is not installed")
    rest = rest_on(installation)
    (tmp_path / "cat.png").write_bytes(png())
    with rest.core.db.write() as conn:
        alert_log.add(
            conn,
            user_id=installation.owner,
            post_id=None,
            delivery_id=None,
            type="error",
            message="m",
            dedupe_key="k",
            now=rest.core.clock.now(),
        )
    with serving(rest.client.app) as url:  # type: ignore[arg-type]
        done = subprocess.run(
            ["bash", "-c", script(url, installation)], cwd=tmp_path, capture_output=True, text=True, timeout=280
        )
    assert done.returncode == 0, done.stderr + done.stdout[-2000:]
    answers = done.stdout.split(_MARK)
    examples = [code for kind, code in blocks() if kind == "sh"]
    assert len(answers) == len(examples) + 1
    checked = 0
    for code, answer, told in zip(examples, answers, _expected(), strict=False):
        if not told:
            assert "urn:postprober:problem" not in answer, (code, answer)
            continue
        last = answer.strip().splitlines()[-1]
        assert shape(json.loads(last)) == shape(json.loads(told)), (code, last)
        checked += 1
    assert checked >= 10


# The WebSocket client


def _read(client: subprocess.Popen[str], event: str) -> dict[str, Any]:
    """The client's next line, which must be this event."""
    assert client.stdout is not None
    line = client.stdout.readline()
    assert line, client.stderr.read() if client.stderr else ""
    told: dict[str, Any] = json.loads(line)
    assert told["event"] == event, told
    return told


def _close_all(live: Live, code: int) -> None:
    for one in list(live.hub.clients):
        one.ended.get_loop().call_soon_threadsafe(one.end, code, "test")


@pytest.fixture
def client(live: Live, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The page's client at work on a post."""
    (code,) = _CLIENT.findall(PAGE.read_text())
    assert len(code.strip().splitlines()) <= 21, "a client of twenty lines"
    (tmp_path / "client.py").write_text(code)
    post_id = live.post()
    url = live.url.replace("ws:", "http:").removesuffix("/api/ws")
    command = [sys.executable, str(tmp_path / "client.py"), url, live.token(), str(post_id)]
    started = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "no_proxy": "127.0.0.1"}
    )
    yield started, post_id
    started.kill()
    started.communicate()


def test_the_pages_client_hears_every_event_once_though_it_is_cut_off(
    live: Live, client: tuple[subprocess.Popen[str], int]
) -> None:
    process, post_id = client
    heard = [_read(process, "joined"), _read(process, "joined")]
    live.move(post_id, S.CLAIMED)
    heard.append(_read(process, "monitoring_update"))
    live.alert("owner", "first")
    heard.append(_read(process, "alert_notification"))
    _close_all(live, RESTART)
    live.move(post_id, S.SUBMITTING)  # while it is away
    live.alert("owner", "second")
    heard += [_read(process, "monitoring_update"), _read(process, "post_status_change"), _read(process, "joined")]
    heard += [_read(process, "alert_notification"), _read(process, "joined")]
    ids = [message["id"] for message in heard if "id" in message and message["event"] != "alert_notification"]
    assert len(ids) == 3 and ids == sorted(set(ids))
    _close_all(live, SIGNED_OUT)
    assert process.wait(60) == 1 and "signed out" in process.communicate()[1]
    _look_as_told(heard)


def test_the_page_shows_what_is_answered_to_a_client(live: Live) -> None:
    post_id, socket = live.post(), live.open(live.token())
    answers = []
    for name, data in (("ping", {}), ("leave_monitoring", {"post_id": post_id}), ("join_monitoring", {"post_id": 99})):
        say(socket, name, **data)
        answers.append(hear(socket))
    assert [answer["event"] for answer in answers] == ["pong", "left", "error"]
    _look_as_told(answers)


def _look_as_told(heard: list[dict[str, Any]]) -> None:
    """Each event has exactly the fields that the page shows for it."""
    section = PAGE.read_text().partition("## Live events")[2]
    (lines,) = [code for kind, code in _BLOCK.findall(section) if kind == "json"]
    told = {_fields(json.loads(line)) for line in lines.strip().splitlines()}
    assert {_fields(message) for message in heard} <= told


def _fields(message: dict[str, Any]) -> tuple[Any, ...]:
    return (message["event"], "id" in message, *sorted(message["data"]))
