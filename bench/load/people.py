"""The people: users with one linked account each, and what they have written in the hour before."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection

from bench.acting import acting
from bench.load.plan import Load, written_before
from bench.load.record import Accepted
from bench.stage import TEXT_PLATFORMS, Stage
from postprober.domain.platform import Platform
from postprober.security.passwords import hash_password
from postprober.security.tokens import keyed_hash, opaque
from postprober.services.accounts import accounts
from postprober.services.core import Core
from postprober.services.people import sessions
from postprober.services.posts import posts
from postprober.storage import users

PASSWORD = "a password for the load"
YESTERDAY = timedelta(days=1)
AT_ONCE = 8  # threads that prepare
BATCH = 500  # users of one transaction
T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Person:
    """`rng` is the person's own, so that what one does never depends on how fast another one was."""

    number: int
    user: int
    rng: random.Random
    account: int = 0
    access: str = ""
    refresh: str = ""
    signed_in: float = 0.0  # monotonic
    posts: list[int] = field(default_factory=list)  # newest last
    written: int = 0

    @property
    def email(self) -> str:
        return email(self.number)

    def text(self) -> str:
        """Every post has words of its own: by them it is found on the platform."""
        self.written += 1
        return f"Load {self.number}-{self.written} with a thought and a link https://www.iana.org/{self.number}/{self.written}"


def email(number: int) -> str:
    return f"load{number}@example.org"


def prepare(made: Stage, load: Load) -> list[Person]:
    """Users are rows with one password hash for all: hashing 10,000 would take longer than everything else. Signing in
    checks it as ever."""
    assert made.core
    core, now = made.core, made.core.clock.now()
    hashed = hash_password(PASSWORD)
    people: list[Person] = []
    for start in range(0, load.users, BATCH):
        with core.db.write() as conn:
            for number in range(start, min(start + BATCH, load.users)):
                user = users.add(conn, email=email(number), password_hash=hashed, now=now, name=f"Person {number}")
                person = Person(number, user, random.Random(load.seed * 1_000_003 + number))
                if number >= load.sign_ins:
                    person.refresh = _signed_in(conn, core, user, now - YESTERDAY)
                people.append(person)
    control = made.control

    def link(person: Person) -> None:
        platform = TEXT_PLATFORMS[person.number % len(TEXT_PLATFORMS)]
        told = control.account(platform.value, f"load{person.number}", fresh=True)
        keys = ("access_token", "refresh_token", "expires_at")
        data = {key: told[key] for key in keys}
        if platform is Platform("bluesky"):
            data = {"identifier": told["id"], "password": told["password"]}
        person.account = accounts.add_by_token(
            core, acting(core, person.user), platform, data, name=f"load{person.number}"
        ).id

    _all(link, people)
    return people


def _signed_in(conn: Connection, core: Core, user: int, when: datetime) -> str:
    """The rows of a sign-in over the API at `when` (services.sessions); returns its refresh token, still good for weeks."""
    until = when + sessions.REFRESH_LIFE
    family = users.add_session(
        conn,
        user_id=user,
        kind="login",
        token_hash=_hash(core, opaque()),
        now=when,
        expires_at=until,
        data={"address": ""},
    )
    token = opaque()
    users.add_session(
        conn,
        user_id=user,
        kind="refresh",
        token_hash=_hash(core, token),
        now=when,
        expires_at=until,
        data={"family": family},
    )
    return token


def _hash(core: Core, token: str) -> str:
    return keyed_hash(core.settings.secret_key, token)


def write_before(core: Core, people: Sequence[Person], load: Load, start: datetime) -> list[Accepted]:
    """Plan what becomes due during the run; in the log it counts as accepted."""
    jobs = [(person, due, person.text()) for person in people for due in written_before(person.rng, load, start)]

    def one(job: tuple[Person, datetime, str]) -> Accepted:
        person, due, text = job
        post = posts.create(core, acting(core, person.user), posts.NewPost((text,), (person.account,), at=due))
        person.posts.append(post.id)
        return Accepted(post.id, text, due, False)

    return list(_all(one, jobs))


def _all(act: Callable[[T], R], items: Iterable[T]) -> list[R]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(act, items))
