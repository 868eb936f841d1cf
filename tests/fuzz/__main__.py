"""`python -m tests.fuzz --schemathesis .venv-fuzz/bin/schemathesis [--seconds 120]`.

Steps: a sidecar with two people → schemathesis as the stranger, who is offered the owner's ids: no 5xx, every answer as
the OpenAPI file says, nothing of the owner's seen or changed → the same as the owner, where the same check must find
every operation that takes an id, or it could not have found a hole.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.stage import Stage, stage
from postprober.services.core import Core
from postprober.services.people import sessions
from postprober.storage import processes
from tests.fuzz.house import CANARY, PASSWORD, Person, fingerprint, post_by_hand, settle
from tests.receivers import Receiver

HERE = Path(__file__).resolve().parent
CONTROL_ROUNDS = 3
CONTROL_CHECK = "nothing_of_the_other_person"


def main() -> int:
    """Exit code 0 when nothing was found and the control found everything."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--schemathesis", type=Path, required=True)
    asked.add_argument("--seconds", type=int, default=120, help="for the stranger's run")
    options = asked.parse_args()
    with stage() as made, contextlib.closing(Receiver()) as hook:
        core = made.core
        assert core
        owner = settle(core, made.control, "house-owner", CANARY, hook.url)
        link = post_by_hand(core, owner)
        stranger = settle(core, made.control, "house-stranger", "word of the stranger", hook.url)
        url = f"http://127.0.0.1:{made.env['POSTPROBER_API_PORT']}"
        made.env["POSTPROBER_BROWSER"] = "off"  # a printer would take longer than the fuzzer waits; 502 is documented
        made.start("sidecar", "-m", "postprober.api", ready=f"{url}/healthz")
        before = fingerprint(core, owner.user_id)
        house = _house(made, url, owner, stranger, link)
        with _beating(core):
            there = _operations(url)
            found = _stranger(options.schemathesis, made, house, stranger, there, options.seconds)
            wrong = [] if found["code"] == 0 else ["schemathesis found something; see above"]
            if fingerprint(core, owner.user_id) != before:
                wrong.append("the stranger changed something of the owner's")
            control = _control(options.schemathesis, made, house, owner, _with_id(there), hook.url)
        wrong += _judge(there, found, control)
        log = (made.folder / "sidecar.log").read_text()
        if "Traceback" in log:
            wrong.append(f"the sidecar's log has a traceback:\n{log[-4000:]}")
    for line in wrong:
        print(f"fuzz: {line}")
    print(
        f"fuzz: {len(found['asked'])} operations, {len(found['offered'])} of them with the owner's ids, "
        f"{len(found['holes']) + len(found['leaks'])} holes; the control found {len(control['holes'])} in {control['rounds']} round(s)"
    )
    return 1 if wrong else 0


def _stranger(
    program: Path, made: Stage, house: dict[str, Any], stranger: Person, there: set[str], seconds: int
) -> dict[str, Any]:
    """All operations for so long; then once more the ones for which a busy machine left no time."""
    core = made.core
    assert core
    found = _run(program, made, {**house, **_who(core, stranger)}, "--max-time", str(seconds))
    rest = (there - set(found["asked"])) | (_with_id(there) - set(found["offered"]))
    if rest:
        more = _run(program, made, {**house, **_who(core, stranger)}, *_only(rest), "--max-time", str(seconds))
        found = {key: found[key] or more[key] if key == "code" else sorted({*found[key], *more[key]}) for key in found}
    return found


def _only(operations: set[str]) -> list[str]:
    return [word for name in sorted(operations) for word in ("--include-name", name)]


def _control(
    program: Path, made: Stage, house: dict[str, Any], owner: Person, with_id: set[str], hook: str
) -> dict[str, Any]:
    """The owner asks for what is theirs, and the same check must call each operation of `with_id` a hole. What it deletes
    on its way may be what another one needs, so the ones not found are asked once more for a person whose things are
    all there."""
    core = made.core
    assert core
    holes: set[str] = set()
    leaks: set[str] = set()
    for round_ in range(CONTROL_ROUNDS):
        if round_:
            owner = settle(core, made.control, f"house-owner-{round_}", CANARY, hook)
            house = {**house, **_things(owner, post_by_hand(core, owner))}
        found = _run(
            program,
            made,
            {**house, **_who(core, owner), "own": {}},
            "--checks",
            CONTROL_CHECK,
            "--phases",
            "fuzzing",
            "--mode",
            "positive",
            "--max-examples",
            "100",
            "--no-shrink",
            "--workers",
            "1",
            *_only(with_id - holes),
            "--max-time",
            "45",
            quiet=True,
        )
        holes |= set(found["holes"])
        leaks |= set(found["leaks"])
        if with_id <= holes:
            break
    return {"holes": sorted(holes), "leaks": sorted(leaks), "rounds": round_ + 1}


@contextlib.contextmanager
def _beating(core: Core) -> Iterator[None]:
    """As if a scheduler ran, so that /readyz has nothing to complain of; nobody sends anything."""
    began, over = core.clock.now(), threading.Event()

    def beat() -> None:
        with core.db.write() as conn:
            now = core.clock.now()
            processes.beat(conn, "fuzz", "scheduler", began, now, {})
            processes.hold_lease(conn, "scheduler", "fuzz", now=now, until=now + core.settings.timing.lease)

    def go_on() -> None:
        while not over.wait(1.0):
            beat()

    beat()
    heart = threading.Thread(target=go_on, name="heart")
    heart.start()
    try:
        yield
    finally:
        over.set()
        heart.join()


def _who(core: Core, person: Person) -> dict[str, Any]:
    """Who asks. Signed in here: the run itself tries so many wrong passwords that its address has to wait."""
    token, *spare = (sessions.log_in(core, person.email, PASSWORD, "").access for _ in range(20))
    return {"token": token, "spare": spare}


def _things(owner: Person, link: str) -> dict[str, Any]:
    return {
        "theirs": owner.ids,
        "link": link,
        "suggested": owner.suggested,
        "in_review": owner.in_review,
        "doubted": owner.doubted,
        "proposed": owner.proposed,
        "live": owner.live,
        "ghosts": owner.ghosts,
        "failed": owner.failed,
        "with_pages": owner.with_pages,
    }


def _house(made: Stage, url: str, owner: Person, stranger: Person, link: str) -> dict[str, Any]:
    return {
        "url": url,
        "canary": CANARY,
        "own": stranger.ids,
        **_things(owner, link),
        "instance": f"http://127.0.0.1:{made.env['POSTPROBER_SANDBOX_PORT']}/mastodon",
    }


def _run(program: Path, made: Stage, house: dict[str, Any], *more: str, quiet: bool = False) -> dict[str, Any]:
    """What the hooks reported, with schemathesis' exit code as `code`."""
    report = made.folder / "fuzz.json"
    report.write_text(json.dumps({"offered": [], "holes": [], "leaks": [], "asked": []}))
    house_file = made.folder / "house.json"
    house_file.write_text(json.dumps({**house, "report": str(report)}))
    command = [
        str(program.absolute()),
        "--config-file",
        str(HERE / "schemathesis.toml"),
        "run",
        f"{house['url']}/api/openapi.json",
        "--no-color",
        *more,
    ]
    env = {key: value for key, value in os.environ.items() if not key.startswith("POSTPROBER_")}
    env |= {"FUZZ_HOUSE": str(house_file), "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py")}
    done = subprocess.run(
        command, cwd=made.folder, env=env, stdout=subprocess.DEVNULL if quiet else None, timeout=600, check=False
    )
    found: dict[str, Any] = json.loads(report.read_text())
    return {**found, "code": done.returncode}


def _operations(url: str) -> set[str]:
    """All of the OpenAPI file, as "GET /api/posts"."""
    with urllib.request.urlopen(f"{url}/api/openapi.json", timeout=10) as reply:
        paths: dict[str, dict[str, Any]] = json.load(reply)["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def _with_id(there: set[str]) -> set[str]:
    return {name for name in there if "_id}" in name}


def _judge(there: set[str], found: dict[str, Any], control: dict[str, Any]) -> list[str]:
    """What is wrong with the runs themselves: an operation that was not asked, or a check that does not find."""
    with_id = _with_id(there)
    wrong = [f"{name} was never asked" for name in sorted(there - set(found["asked"]))]
    wrong += [f"{name} was never offered an id of the owner's" for name in sorted(with_id - set(found["offered"]))]
    wrong += [f"the control does not find {name}" for name in sorted(with_id - set(control["holes"]))]
    if not control["leaks"]:
        wrong.append("the control sees no canary")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
