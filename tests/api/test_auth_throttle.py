"""Guessing is slowed down; a stranger's guesses lock nobody out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from postprober.api.app import create_app
from postprober.clock import ManualClock
from postprober.errors import Forbidden, TooManyTries
from postprober.security.proxies import client_address
from postprober.services.core import Core
from postprober.services.people import throttle, users
from postprober.storage import users as user_storage
from postprober.storage.database import Database
from postprober.storage.tables import leases
from tests.conftest import PASSWORD, Installation

OWNER = "owner@example.org"


@pytest.fixture
def core(installation: Installation, database: Database, password_hash: str) -> Core:
    made = replace(installation.core, db=database, clock=ManualClock(installation.core.clock.now()))
    with database.write() as conn:
        user_storage.add(conn, email=OWNER, password_hash=password_hash, now=made.clock.now())
    return made


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Passwords that were really compared; the comparison is made cheap."""
    seen: list[str] = []

    def compare(stored: str | None, password: str) -> bool:
        seen.append(password)
        return stored is not None and password == PASSWORD

    monkeypatch.setattr(users, "verify_password", compare)
    return seen


@pytest.fixture
def client(core: Core) -> Iterator[TestClient]:
    with TestClient(create_app(core), base_url="http://127.0.0.1:8000", client=("203.0.113.9", 4000)) as made:
        yield made


def advance(core: Core, seconds: float) -> None:
    assert isinstance(core.clock, ManualClock)
    core.clock.advance(seconds)


def guess(core: Core, address: str, password: str = "wrong", email: str = OWNER) -> str:
    try:
        users.authenticate(core, email, password, address)
    except TooManyTries:
        return "wait"
    except Forbidden:
        return "wrong"
    return "in"


def test_the_first_wrong_ones_cost_nothing_then_the_waiting_doubles(core: Core, looked_at: list[str]) -> None:
    answers = [guess(core, "198.51.100.1") for _ in range(7)]
    assert answers == ["wrong"] * throttle.FREE_PER_PAIR + ["wait"] * 2
    waits = []
    for _ in range(12):
        with pytest.raises(TooManyTries) as caught:
            users.authenticate(core, OWNER, "wrong", "198.51.100.1")
        waits.append(caught.value.retry_after)
        advance(core, waits[-1])
        assert guess(core, "198.51.100.1") == "wrong"
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert waits[-1] == throttle.LONGEST.total_seconds()
    assert str(waits[-1]) in str(caught.value) or "wait" in str(caught.value)


def test_a_stranger_locks_nobody_out(core: Core, looked_at: list[str]) -> None:
    for _ in range(200):
        guess(core, "198.51.100.1")
    assert guess(core, "198.51.100.1", PASSWORD) == "wait", "where the guesses come from even the right one waits"
    assert guess(core, "192.0.2.77", PASSWORD) == "in"


def test_a_right_password_forgives_the_wrong_ones_before(core: Core, looked_at: list[str]) -> None:
    for _ in range(20):
        for _ in range(throttle.FREE_PER_PAIR - 1):
            assert guess(core, "192.0.2.77") == "wrong"
        assert guess(core, "192.0.2.77", PASSWORD) == "in"
        advance(core, throttle.FORGET.total_seconds() + 1)  # the address's own count
    with core.db.read() as conn:
        assert conn.execute(select(func.max(leases.c.fence))).scalar_one() <= throttle.FREE_PER_PAIR


def test_guessing_many_accounts_from_one_address_is_slowed_down_too(core: Core, looked_at: list[str]) -> None:
    answers = [guess(core, "198.51.100.1", email=f"person{n}@example.org") for n in range(100)]
    assert answers.count("wrong") == throttle.FREE_PER_ADDRESS
    assert guess(core, "198.51.100.2", email="person1@example.org") == "wrong"


def test_an_unknown_account_is_throttled_like_a_known_one(core: Core, looked_at: list[str]) -> None:
    known = [guess(core, "198.51.100.1") for _ in range(10)]
    assert [guess(core, "198.51.100.3", email="nobody@example.org") for _ in range(10)] == known


def test_a_customer_with_a_whole_ipv6_network_counts_as_one(core: Core, looked_at: list[str]) -> None:
    answers = [guess(core, f"2001:db8:1:2::{n:x}") for n in range(1, 50)]
    assert answers.count("wrong") == throttle.FREE_PER_PAIR
    assert guess(core, "2001:db8:1:3::1", PASSWORD) == "in"
    assert throttle.network("::ffff:192.0.2.1") == throttle.network("192.0.2.1")


def test_guesses_sent_at_once_do_not_slip_through_together(core: Core, looked_at: list[str]) -> None:
    start = threading.Barrier(16)

    def many() -> None:
        start.wait()
        for _ in range(4):
            guess(core, "198.51.100.1")

    threads = [threading.Thread(target=many) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(looked_at) == throttle.FREE_PER_PAIR


def test_an_hour_without_a_failure_is_forgotten_and_the_rows_go(core: Core, looked_at: list[str]) -> None:
    for _ in range(10):
        guess(core, "198.51.100.1")
    advance(core, throttle.FORGET.total_seconds() + throttle.LONGEST.total_seconds())
    assert [guess(core, "198.51.100.1") for _ in range(6)] == ["wrong"] * 5 + ["wait"]
    advance(core, throttle.FORGET.total_seconds() + throttle.LONGEST.total_seconds())
    guess(core, "203.0.113.50", email="other@example.org")
    with core.db.read() as conn:
        rows = conn.execute(select(leases.c.name)).scalars().all()
    assert len(rows) == 2 and not any("198." in name or "owner@" in name for name in rows)


def test_fifty_forged_addresses_and_a_thousand_guesses_get_five_looks(
    client: TestClient, core: Core, looked_at: list[str]
) -> None:
    statuses = []
    for number in range(1000):
        forged = f"10.0.{number % 50}.7"
        reply = client.post(
            "/api/auth/login",
            json={"email": OWNER, "password": f"guess {number}"},
            headers={"X-Forwarded-For": forged, "X-Real-IP": forged, "Forwarded": f"for={forged}"},
        )
        statuses.append(reply.status_code)
    assert statuses.count(401) == throttle.FREE_PER_PAIR == len(looked_at)
    assert statuses.count(429) == 995 and int(reply.headers["retry-after"]) >= 1
    assert guess(core, "192.0.2.77", PASSWORD) == "in", "the owner at home notices nothing"


def test_a_proxy_that_the_operator_trusts_names_the_address(core: Core, looked_at: list[str]) -> None:
    core.settings.trusted_proxies = "203.0.113.0/24"
    with TestClient(create_app(core), base_url="http://127.0.0.1:8000", client=("203.0.113.9", 4000)) as client:

        def ask(forwarded: str, password: str) -> int:
            body = {"email": OWNER, "password": password}
            return client.post("/api/auth/login", json=body, headers={"X-Forwarded-For": forwarded}).status_code

        for number in range(20):  # the left is what the client made up, the right is what the proxy saw
            last = ask(f"10.0.0.{number}, 198.51.100.1", "wrong")
        assert last == 429
        assert ask("198.51.100.2", PASSWORD) == 200


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("192.0.2.1", "10.1.1.1", "192.0.2.1"),
        ("10.0.0.1", "192.0.2.5", "192.0.2.5"),
        ("10.0.0.1", "1.2.3.4, 192.0.2.5", "192.0.2.5"),
        ("10.0.0.1", "192.0.2.5, 10.0.0.2", "192.0.2.5"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "unknown", "10.0.0.1"),
        ("10.0.0.1", "192.0.2.5, unknown", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("::ffff:10.0.0.1", "2001:db8::5", "2001:db8::5"),
        ("", "192.0.2.5", ""),
        ("testclient", "192.0.2.5", "testclient"),
    ],
)
def test_the_address_behind_proxies(peer: str, forwarded: str, found: str) -> None:
    trusted = [ip_network("10.0.0.0/8")]
    assert client_address(trusted, peer, forwarded) == found


def test_nobody_waits_because_a_neighbour_who_read_the_clock_later_was_written_first(
    core: Core,
) -> None:
    """Many people behind one address sign in at the same time; each right password writes down when it was right."""
    for number in range(throttle.FREE_PER_ADDRESS + 5):
        throttle.count(core, f"p{number}@example.org", "203.0.113.9")
        throttle.forgive(core, f"p{number}@example.org", "203.0.113.9")
        assert isinstance(core.clock, ManualClock)
        core.clock.jump(-0.005)
    for number in range(throttle.FREE_PER_ADDRESS):
        throttle.count(core, f"q{number}@example.org", "203.0.113.9")
    with pytest.raises(TooManyTries):
        throttle.count(core, OWNER, "203.0.113.9")
