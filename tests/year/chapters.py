"""What happens in the year. Each chapter acts on a house that runs, leaves it running, and says in one line what it saw; it raises
Fault when a post was lost, doubled or contradicted, or when a command did not do what it is for."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.year.house import Fault, House, secret, status, wait_until
from tests.year.programs import Program

BACKUP_SECONDS = 4.0  # of traffic on each side of a backup
SOON = 12  # seconds after a backup is begun that planned posts fall due
AWAY = 8.0  # seconds that an engine stays away
HOUR = 3600.0
DISK_MB = 160
CATCH_UP = 120.0  # seconds with the start of a process; a lease of a dead scheduler is 15 s at most
PLANNED = 10_000  # posts in the installation that is upgraded


def need(holds: bool, sentence: str) -> None:
    if not holds:
        raise Fault(sentence)


def first_posts(house: House) -> str:
    """Installed, furnished by commands, and the doctor finds nothing."""
    house.world()
    house.start()
    house.furnish()
    for _ in range(10):
        house.post()
    took = house.settled()
    told = json.loads(house.run("doctor", "--json", codes=(0, 3)))
    ill = [one for one in told if not one["ok"]]
    need(not ill, f"the doctor finds {ill}")
    truth = house.truth()
    need(truth.verified == 30, f"of 30 deliveries {truth}")
    return f"30 deliveries proved within {took:.0f} s; doctor: {len(told)} checks, all well"


def lost_machine(house: House) -> str:
    """A backup under traffic; the machine is lost afterwards; what went out since is looked for, and never sent again."""
    sets = house.outside / "backups"
    with house.traffic():
        wait = threading.Event()
        wait.wait(BACKUP_SECONDS)
        soon = (datetime.now(UTC) + timedelta(seconds=SOON)).isoformat()
        planned = [house.post(at=soon) for _ in range(6)]
        before = len(house.posts)
        owed = list(house.posts)
        begun = time.monotonic()
        said = house.run("backup", str(sets))
        took = time.monotonic() - begun
        wait.wait(BACKUP_SECONDS)
    need("Wrote" in said, said)
    rehearsed = house.run("restore", "--check", str(sets))
    need("is sound" in rehearsed, rehearsed)
    house.settled()  # what was planned has gone out since the backup
    house.truth().check()
    newest = len(house.posts)
    house.lose()
    house.folder.mkdir()
    restored = house.run("restore", str(sets))
    lacking = {(one.post, one.words) for one in owed} - {
        tuple(row) for row in house.rows("SELECT id, content FROM posts")
    }
    need(not lacking, f"{len(lacking)} posts of before the backup are not in it")
    sent = {one.words for one in planned}
    doubtful = [
        row
        for row in house.rows(
            "SELECT p.content, d.state FROM deliveries d JOIN posts p ON p.id = d.post_id WHERE d.state = 'scheduled'"
        )
        if row[0] in sent
    ]
    need(bool(doubtful), "nothing had gone out between the backup and the loss, so nothing was tried")
    forgotten = house.forget()
    need(forgotten > 0, "nothing was written after the backup, so nothing was tried")
    house.start()
    for _ in range(5):
        house.post()
    house.settled()
    truth = house.truth()
    truth.check()
    need(not truth.waiting, f"{truth.waiting} deliveries wait for a person")
    return (
        f"backup of {before} posts under traffic in {took:.1f} s, {newest - before} written after it; {len(doubtful)} deliveries that had "
        f"gone out since were planned in it, and found; {forgotten} posts are known to the platforms alone ({restored.splitlines()[-2][:80]}…)"
    )


def keys(house: House) -> str:
    """A new vault key, everything sealed with it, the old one taken away."""
    new = f"second:{secret()}"
    house.settings["VAULT_KEYS"] = f"{new},{house.settings['VAULT_KEYS']}"
    house.stop()
    house.start()
    with house.traffic():
        said = house.run("keys", "rotate")
    need("0 left on older keys" in said, said)
    house.settled()
    house.stop()
    house.settings["VAULT_KEYS"] = new
    house.start()
    for _ in range(3):
        house.post()
    house.settled()
    truth = house.truth()
    truth.check()
    need(truth.verified >= 9, str(truth))
    return said.strip().splitlines()[0]


def wrong_clock(house: House) -> str:
    """The scheduler's clock is an hour wrong, it is killed so, and another one with the right clock goes on."""
    lines = []
    for ahead, name in ((HOUR, "ahead"), (-HOUR, "behind")):
        house.kill("scheduler")
        house.serve("scheduler", ahead=ahead)
        pause = threading.Event()
        later = house.post(at=(datetime.now(UTC) + timedelta(minutes=30)).isoformat())
        for _ in range(3):
            house.post()
        pause.wait(20.0)
        states = [state for _, state in house.states()[later.post]]
        need(
            set(states) == {"scheduled"},
            f"half an hour before it is due, with a clock an hour {name}, a post is {states}",
        )
        house.kill("scheduler")
        house.serve("scheduler")
        begun = time.monotonic()
        fresh = house.post()
        wait_until(
            lambda post=fresh.post: all(state == "verified" for _, state in house.states().get(post, [("", "")])),  # type: ignore[misc]
            CATCH_UP,
            f"after a clock that was an hour {name}, a new post did not go out",
        )
        took = time.monotonic() - begun
        house.cancel(later)
        house.settled()
        house.truth().check()
        lines.append(f"{name}: nothing early, the next one live {took:.0f} s after the right clock")
    return "; ".join(lines)


def full_disk(house: House) -> str:
    """The data folder's disk is full while posts fall due, and freed again."""
    house.stop()
    aside = house.outside / "aside"
    shutil.move(house.folder, aside)
    house.folder.mkdir()
    with mounted(house.folder, DISK_MB):
        shutil.copytree(aside, house.folder, dirs_exist_ok=True)
        house.start()
        soon = (datetime.now(UTC) + timedelta(seconds=6)).isoformat()
        for _ in range(4):
            house.post(at=soon)
        filler = house.folder / "filler"
        with filler.open("wb", buffering=0) as stream, suppress(OSError):
            while True:
                stream.write(b"\0" * 65536)
        need(shutil.disk_usage(house.folder).free < 65536, "the disk is not full, so nothing was tried")
        refused = taken = 0
        end = time.monotonic() + 12.0
        pause = threading.Event()
        while time.monotonic() < end:
            try:
                house.post()
                taken += 1
            except OSError:
                refused += 1
            pause.wait(0.5)
        ready = status(f"{house.api}/readyz")
        if house.postgres is None:
            need(refused > 0, "the API took every post although the disk of its database was full")
        filler.unlink()
        for name in [name for name, process in house.processes.items() if process.poll() is not None]:
            house.processes.pop(name)
            house.serve(name)  # as a service that is started again
        took = house.settled()
        house.post()
        house.settled()
        truth = house.truth()
        truth.check()
        house.stop()
        shutil.rmtree(aside)
        shutil.copytree(house.folder, aside)
    house.folder.rmdir()
    shutil.move(aside, house.folder)
    house.start()
    return f"{refused} posts refused and {taken} taken while it was full, /readyz {ready}; all settled {took:.0f} s after it was freed"


@contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[None]:
    """A disk of its own at `folder`. Raises PermissionError where that needs a right that we lack."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise PermissionError(done.stderr.strip())
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def engines_away(house: House) -> str:
    """PostgreSQL and Redis are gone while posts fall due, one after the other."""
    if house.postgres is None or house.redis is None:
        return "no engines here"
    lines = []
    pause = threading.Event()
    for name, go, come in (
        ("PostgreSQL", house.postgres.crash, house.postgres.recover),
        ("Redis", house.redis.stop, house.redis.start),
    ):
        soon = (datetime.now(UTC) + timedelta(seconds=4)).isoformat()
        for _ in range(5):
            house.post(at=soon)
        go()
        pause.wait(AWAY)
        ready = status(f"{house.api}/readyz")
        come()
        for dead in [one for one, process in house.processes.items() if process.poll() is not None]:
            house.processes.pop(dead)
            house.serve(dead)
        took = house.settled()
        house.truth().check()
        lines.append(f"{name} {AWAY:.0f} s away: /readyz {ready}, all settled {took:.0f} s later")
    return "; ".join(lines)


def supervisor(house: House) -> str:
    """`up` is killed without a word, another one takes over; a second installation on the folder is refused."""
    house.stop()
    house.kill("world")  # `up` has its own sandbox: it goes on with what the platforms have
    inside = house.folder / "sandbox.sqlite"
    _move_world(house.outside, house.folder)
    try:
        first = _up(house)
        for _ in range(4):
            house.post()
        second = house.run("up", codes=(1, 2, 3))
        need(f"already running on {house.folder}" in second, f"a second `up` says: {second}")
        children = [one["pid"] for one in json.loads(house.run("status", "--json"))["processes"]]
        need(bool(children), "`status` names no process")
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        wait_until(lambda: not any(_lives(pid) for pid in children), 60.0, "children outlive their supervisor")
        begun = time.monotonic()
        again = _up(house)
        took = time.monotonic() - begun
        house.settled()
        house.truth().check()
        said = house.run("stop")
        need("Stopped" in said and again.wait(60) == 0, said)
    finally:
        _move_world(house.folder, house.outside)
    need(not inside.exists(), "the platforms' state was left behind")
    house.world()
    house.start()
    return f"{len(children)} children ended with it, up again after {took:.0f} s; the second installation refused"


def _up(house: House) -> subprocess.Popen[bytes]:
    with (house.outside / "up.log").open("ab") as out:
        process = subprocess.Popen(
            [*house.program.words, "up"], env=house.environment, cwd=house.outside, stdout=out, stderr=out
        )

    def runs() -> bool:
        if process.poll() is not None:
            raise Fault(f"`up` ended with {process.returncode}: {house.said('up')}")
        return status(f"{house.api}/readyz") == 200 and "PostProber is running" in house.said("up", 400)

    wait_until(runs, 180.0, "`up` does not run")
    return process


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _move_world(source: Path, target: Path) -> None:
    for file in source.glob("sandbox.sqlite*"):
        shutil.move(file, target / file.name)


def upgrade(house: House) -> str:
    """An installation of an earlier version with thousands of posts is brought up to date, and back by restoring."""
    if house.old is None:
        return "no earlier version at hand"
    house.stop()
    if house.redis:
        house.redis.client.flushall()
    up = House(house.outside / "upgraded", house.folder.with_name("upgraded"), house.old, house.postgres, house.redis)
    up.settings["SANDBOX_PORT"] = house.settings["SANDBOX_PORT"]  # the same platforms
    try:
        told = _upgraded(up, house.program, house.old)
    finally:
        up.kill()
    house.start()
    return told


def _upgraded(up: House, new: Program, old: Program) -> str:
    up.start()
    up.furnish("upgraded")
    for _ in range(5):
        up.post()
    up.settled()
    begun = time.monotonic()
    script = [str(old.python), "-c", _PLAN, str(PLANNED), str(up.accounts[0])]
    subprocess.run(script, env=up.environment, cwd=old.folder(up.outside), check=True, timeout=1800)
    planned = time.monotonic() - begun
    up.stop()
    before = _counted(up)
    up.program = new
    begun = time.monotonic()
    up.start()
    took = time.monotonic() - begun
    after = _counted(up)
    need(before == after, f"rows before and after the upgrade: {before}, {after}")
    copies = list((up.folder / "backups" / "before-upgrade").glob("2*-*"))
    need(bool(copies), "no copy was made before the upgrade")
    need(len(up.call("/api/posts?limit=100")["items"]) == 100, "the new version does not list the posts")
    for _ in range(5):
        up.post()
    up.settled()
    up.truth().check()
    up.stop()
    refused = up.run("posts", codes=(1, 2, 3), program=old)
    need("newer" in refused, f"the earlier version says of the later schema: {refused}")
    if up.postgres:
        up.settings["DATABASE_URL"] = up.fresh_database()
    up.run("restore", str(up.folder / "backups" / "before-upgrade"))
    up.program = old
    lost = up.forget()
    need(lost == 5, f"{lost} posts are lost by going back instead of the 5 that were written after the upgrade")
    up.start()
    need(_counted(up) == before, "going back did not bring the rows back")
    for _ in range(3):
        up.post()
    up.settled()
    truth = up.truth()
    truth.check()
    return (
        f"{before['posts']:,} posts (planned in {planned:.0f} s) upgraded and serving in {took:.0f} s with a copy made before it; "
        f"refused by the earlier version until it was restored; {truth.verified} deliveries proved there afterwards"
    )


def _counted(house: House) -> dict[str, int]:
    return {
        name: house.rows(f"SELECT count(*) FROM {name}")[0][0]  # names of ours
        for name in ("users", "accounts", "posts", "deliveries", "transitions", "attempts")
    }


# Plans posts with the services of the version before: argv has how many and the account.
_PLAN = """
import sys
from datetime import timedelta
from postprober.services import posts
from postprober.wiring import build_core, close_core
core = build_core()
begin = core.clock.now() + timedelta(days=30)
for number in range(int(sys.argv[1])):
    new = posts.NewPost((f"Planned {number} of a year",), (int(sys.argv[2]),), at=begin + timedelta(minutes=number))
    posts.create(core, 1, new)
close_core(core)
"""

Chapter = Callable[[House], str]
CHAPTERS: dict[str, Chapter] = {
    "first posts": first_posts,
    "a lost machine": lost_machine,
    "new keys": keys,
    "a wrong clock": wrong_clock,
    "a full disk": full_disk,
    "engines away": engines_away,
    "a killed supervisor": supervisor,
    "an upgrade and back": upgrade,
}
