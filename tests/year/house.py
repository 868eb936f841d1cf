"""One installation that is run by commands, beside platforms that outlive it, and the truth about its posts."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from bench.ports import free_port
from postprober.domain.delivery import TRAITS
from postprober.sandbox.control.client import Control
from tests.scaled.house import RedisServer
from tests.scaled.postgres import PostgresServer
from tests.year.programs import ROOT, Program

EMAIL = "year@example.org"
PASSWORD = "correct horse battery"
# Every second handle or list: X (list), Mastodon (key and list), Bluesky (record key).
PLATFORMS = ("x", "mastodon", "bluesky")
LIMIT = 120.0  # seconds for a process to answer, or for a command
SETTLE = 300.0  # seconds for everything that was accepted to come to its end
AT_REST = frozenset(state.value for state, traits in TRAITS.items() if traits.at_rest)


class Fault(AssertionError):
    """The year went wrong; says what was expected and what was found."""


@dataclass
class Written:
    """A post that the installation has accepted. `shown`: on how many platforms it stood when the installation was lost, for one
    that no database knows any more."""

    post: int
    words: str
    shown: int = 0


@dataclass(frozen=True)
class Truth:
    """By what the platforms show: `lost`: said to be proved and not there; `doubled`: there more than once; `contradicted`: said
    to have failed and there; `gone`: of posts that no database knows, those that are there no longer."""

    verified: int
    waiting: int
    lost: int
    doubled: int
    contradicted: int
    gone: int

    def check(self) -> None:
        if self.lost or self.doubled or self.contradicted or self.gone:
            raise Fault(str(self))


def secret() -> str:
    return b64encode(os.urandom(32)).decode()


@dataclass
class House:
    """`outside` is what an operator keeps elsewhere, and the platforms; it survives the machine. `old`: an earlier version, from
    which is upgraded."""

    outside: Path
    folder: Path
    program: Program
    postgres: PostgresServer | None = None
    redis: RedisServer | None = None
    old: Program | None = None
    settings: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    posts: list[Written] = field(default_factory=list)
    unknown: list[Written] = field(default_factory=list)
    accounts: list[int] = field(default_factory=list)
    _number: int = 0
    _token: tuple[str, float] = ("", 0.0)

    def __post_init__(self) -> None:
        self.outside.mkdir(parents=True, exist_ok=True)
        self.settings |= {
            "MODE": "sandbox",
            "DATA_DIR": str(self.folder),
            "SECRET_KEY": secret(),
            "VAULT_KEYS": f"first:{secret()}",
            "SANDBOX_PORT": str(free_port()),
            "API_PORT": str(free_port()),
            "APP_PORT": str(free_port()),
            "BROWSER": "off",
            "WORKERS": "8",
            "REDIS_URL": self.redis.url if self.redis else "",
            "DATABASE_URL": self.fresh_database(),
        }

    def fresh_database(self) -> str:
        """The address of an empty one; "" where SQLite is used."""
        if self.postgres is None:
            return ""
        url, name = make_url(self.postgres.url), f"year{uuid.uuid4().hex[:12]}"
        admin = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        admin.dispose()
        return url.set(database=name).render_as_string(False)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("POSTPROBER_")}
        if self.postgres:  # pg_dump has to be as new as the server
            kept["PATH"] = f"{self.postgres.programs}{os.pathsep}{kept['PATH']}"
        return kept | {f"POSTPROBER_{name}": value for name, value in self.settings.items()}

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.settings['API_PORT']}"

    @property
    def control(self) -> Control:
        return Control(f"http://127.0.0.1:{self.settings['SANDBOX_PORT']}")

    # Commands and processes

    def run(
        self,
        *words: str,
        stdin: str = "",
        codes: Sequence[int] = (0,),
        program: Program | None = None,
        limit: float = LIMIT,
    ) -> str:
        """What a command printed. Raises Fault when it ends with another code."""
        done = subprocess.run(
            [*(program or self.program).words, *words],
            env=self.environment,
            cwd=(program or self.program).folder(self.outside),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
        if done.returncode not in codes:
            raise Fault(f"`{' '.join(words)}` ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
        return done.stdout + done.stderr

    def world(self) -> None:
        """Start the platforms, which keep what they have beside the installation."""
        command = ["-m", "postprober.sandbox", "--port", self.settings["SANDBOX_PORT"], "--data-dir", str(self.outside)]
        self._begin("world", [sys.executable, *command], cwd=ROOT)
        self._answers(f"http://127.0.0.1:{self.settings['SANDBOX_PORT']}/_sandbox/settings", "world")

    def serve(self, *names: str, ahead: float = 0.0) -> None:
        """Start these, each as a service does; `ahead`: so many seconds is the clock of the scheduler wrong."""
        for name in names:
            command = self.program.serve(name)
            if ahead:
                command = [str(self.program.python), "-c", _WRONG_CLOCK, str(ahead)]
            self._begin(name, command, cwd=self.program.folder(self.outside))
            if name == "sidecar":
                self._answers(f"{self.api}/healthz", name)

    def start(self) -> None:
        """Everything that publishes; returns when the sidecar says that it is ready."""
        self._token = ("", 0.0)  # another database may not know it
        self.serve("sidecar", "scheduler", *(["worker"] if self.redis else []))
        self._answers(f"{self.api}/readyz", "scheduler")

    def _begin(self, name: str, command: list[str], cwd: Path) -> None:
        with (self.outside / f"{name}.log").open("ab") as out:
            self.processes[name] = subprocess.Popen(
                command, cwd=cwd, env=self.environment, stdout=out, stderr=out, start_new_session=True
            )

    def kill(self, *names: str) -> None:
        """SIGKILL, with its children; all but the platforms when none is named."""
        for name in names or [name for name in self.processes if name != "world"]:
            process = self.processes.pop(name)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        """SIGTERM to all but the platforms, and wait."""
        names = [name for name in self.processes if name != "world"]
        for name in names:
            self.processes[name].terminate()
        for name in names:
            self.processes.pop(name).wait(LIMIT)

    def _answers(self, url: str, name: str) -> None:
        def does() -> bool:
            if name in self.processes and self.processes[name].poll() is not None:
                raise Fault(f"{name} ended by itself: {self.said(name)}")
            return status(url) == 200

        wait_until(does, LIMIT, f"{name} does not answer at {url}")

    def said(self, name: str, most: int = 2000) -> str:
        return (self.outside / f"{name}.log").read_text(errors="replace")[-most:]

    # A person's work

    def furnish(self, name: str = "year") -> None:
        """A person with an account `name` on each platform, all by commands."""
        self.run("user", "create", EMAIL, "--name", "Year", stdin=PASSWORD + "\n")
        for platform in PLATFORMS:
            made = self.control.account(platform, name, fresh=True)
            data = made["typed"] or {key: made[key] for key in ("access_token", "refresh_token", "expires_at")}
            told = self.run(
                "accounts", "add", "--platform", platform, "--user", EMAIL, "--json", stdin=json.dumps(data)
            )
            self.accounts.append(json.loads(told)["account_id"])

    def call(self, path: str, body: Any = None, method: str = "") -> Any:
        """The JSON answer of the API to the person. Raises OSError (HTTPError among them) when it does not take the call."""
        token, until = self._token
        if time.monotonic() > until:
            token = _json(f"{self.api}/api/auth/login", {"email": EMAIL, "password": PASSWORD})["access_token"]
            self._token = (token, time.monotonic() + 300)
        return _json(f"{self.api}{path}", body, token, method)

    def post(self, at: str = "") -> Written:
        """One post to all platforms, now or `at` a time (ISO 8601)."""
        self._number += 1
        words = f"Post {self._number} {uuid.uuid4().hex}"
        asked: dict[str, Any] = {"content": words, "account_ids": self.accounts}
        if at:
            asked["scheduled_at"] = at
        try:
            made = Written(self.call("/api/posts", asked | {"submit": True})["id"], words)
        except urllib.error.HTTPError:
            raise  # it was refused, so there is none
        except OSError:
            self.unknown.append(Written(0, words))  # there may be one, but never two
            raise
        self.posts.append(made)
        return made

    def cancel(self, one: Written) -> None:
        """Of a post that is not due yet; nothing is owed of it any more."""
        self.call(f"/api/posts/{one.post}", method="DELETE")
        self.posts.remove(one)

    @contextlib.contextmanager
    def traffic(self, pause: float = 0.3) -> Iterator[None]:
        """Posts come all the time; what the API does not accept is not owed."""
        over = threading.Event()

        def write() -> None:
            while not over.wait(pause):
                with contextlib.suppress(OSError):
                    self.post()

        thread = threading.Thread(target=write)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    # What became of it

    def rows(self, statement: str) -> list[Any]:
        """Of the installation's database; empty when it does not answer."""
        url = self.settings["DATABASE_URL"] or f"sqlite:///{self.folder / 'postprober.sqlite'}"
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg") if self.postgres else url)
        try:
            with engine.connect() as connection:
                return list(connection.execute(text(statement)))
        finally:
            engine.dispose()

    def states(self) -> dict[int, list[tuple[str, str]]]:
        """For each post the platform and the state of its deliveries."""
        found: dict[int, list[tuple[str, str]]] = {}
        for post, platform, state in self.rows("SELECT post_id, platform, state FROM deliveries"):
            found.setdefault(post, []).append((platform, state))
        return found

    def settled(self, limit: float = SETTLE) -> float:
        """Wait until nothing that was accepted moves any more; seconds. Raises Fault when it does not come about."""

        def all_rest() -> bool:
            try:
                states = self.states()
            except SQLAlchemyError:
                return False
            return all(
                one.post in states and all(state in AT_REST for _, state in states[one.post]) for one in self.posts
            )

        return wait_until(all_rest, limit, "not everything that was accepted came to its end", self._unsettled)

    def _unsettled(self) -> str:
        states = self.states()
        return str(Counter(state for one in self.posts for _, state in states.get(one.post, [("", "unknown")])))

    def truth(self) -> Truth:
        shown = Counter((one["platform"], one["text"].strip()) for one in self.control.posts() if one["visible"])
        states = self.states()
        verified = waiting = lost = doubled = contradicted = gone = 0
        for one in self.posts:
            for platform, state in states[one.post]:
                there = shown[platform, one.words]
                verified += state == "verified"
                waiting += state not in ("verified", "failed", "cancelled")
                lost += state == "verified" and not there
                doubled += there > 1
                contradicted += state in ("failed", "cancelled") and there > 0
        for one in self.unknown:
            there = [shown[platform, one.words] for platform in PLATFORMS]
            doubled += sum(count > 1 for count in there)
            gone += sum(map(bool, there)) < one.shown
        return Truth(verified, waiting, lost, doubled, contradicted, gone)

    def forget(self) -> int:
        """Posts that the database of now does not know are known to the platforms alone from here on; how many."""
        known = {(row[0], row[1]) for row in self.rows("SELECT id, content FROM posts")}
        shown = Counter(one["text"].strip() for one in self.control.posts() if one["visible"])
        lost = [one for one in self.posts if (one.post, one.words) not in known]
        for one in lost:
            one.shown = shown[one.words]
        self.posts = [one for one in self.posts if (one.post, one.words) in known]
        self.unknown += lost
        return len(lost)

    def lose(self) -> None:
        """The machine is gone: every process, the data folder, the database. What is kept elsewhere stays."""
        self.kill()
        shutil.rmtree(self.folder)
        if self.redis:
            self.redis.client.flushall()
        self.settings["DATABASE_URL"] = self.fresh_database()

    def close(self) -> None:
        self.kill(*self.processes)


# Runs the scheduler with a clock that is wrong by the seconds in its first argument.
_WRONG_CLOCK = """
import sys
from datetime import UTC, datetime, timedelta
from postprober.clock import SystemClock
ahead = timedelta(seconds=float(sys.argv.pop(1)))
SystemClock.now = lambda self: datetime.now(UTC) + ahead
from postprober.cli.main import main
sys.argv[1:] = ["scheduler"]
main()
"""


def wait_until(holds: Callable[[], bool], limit: float, failure: str, more: Callable[[], str] = str) -> float:
    """Seconds it took. Raises Fault with `failure` when it does not come about."""
    begun, pause = time.monotonic(), threading.Event()
    while not holds():
        if time.monotonic() - begun > limit:
            raise Fault(f"{failure} within {limit:.0f} s {more()}".strip())
        pause.wait(0.1)
    return time.monotonic() - begun


def status(url: str) -> int:
    """0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def _json(url: str, body: Any = None, token: str = "", method: str = "") -> Any:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, headers, method=method or None)
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.loads(reply.read() or "null")
