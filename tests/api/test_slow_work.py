"""Slow requests hold up their own kind only: reports, tables and pictures have threads of their own and a gate a person."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx2
import pytest

from postprober.api import slow_work
from postprober.api.problems import Overloaded, TooManyAtOnce
from postprober.errors import BadInput
from postprober.security.tokens import sign
from postprober.services.media import media
from postprober.services.reports import analytics, reports
from tests.api.rest_kit import Rest, is_problem, rest_on
from tests.api.serving import serving
from tests.installed import Installation

PERIOD = "/api/reports/period?from=2026-03-01&to=2026-03-02&format=pdf"
WITHIN = 20.0  # seconds


@pytest.fixture
def rest(installation: Installation) -> Rest:
    return rest_on(installation)


class Held:
    """Slow work that ends when the test says so."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Semaphore(0)
        self.running = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, *_args: object, **_named: object) -> object:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.begun.release()
        assert self.go.wait(WITHIN)
        with self._lock:
            self.running -= 1
        raise BadInput("It was only a test.")


def _signed(rest: Rest) -> str:
    core = rest.core
    return sign(core.settings.secret_key, "media", {"id": 1, "p": "x"}, now=core.clock.now().timestamp(), lifetime=60)


@pytest.mark.parametrize(
    ("path", "module", "name"),
    [
        (PERIOD, reports, "of_period"),
        ("/api/reports/posts/1", reports, "of_post"),
        ("/api/analytics", analytics, "take"),
    ],
)
def test_sixty_slow_requests_of_one_person_hold_up_nobody_else(
    rest: Rest, monkeypatch: pytest.MonkeyPatch, path: str, module: object, name: str
) -> None:
    held = Held()
    monkeypatch.setattr(module, name, held)
    mine = {"Authorization": f"Bearer {rest.token('owner')}"}
    with serving(rest.client.app) as url, ThreadPoolExecutor(60) as many:  # type: ignore[arg-type]
        try:
            asked = [many.submit(httpx2.get, url + path, headers=mine, timeout=WITHIN) for _ in range(60)]
            assert held.begun.acquire(timeout=WITHIN)
            theirs = {"Authorization": f"Bearer {rest.token('stranger')}"}
            for other in ("/healthz", "/readyz?part=sidecar", "/api/posts"):
                assert httpx2.get(url + other, headers=theirs, timeout=WITHIN).status_code == 200, other
        finally:
            held.go.set()
        replies = [future.result() for future in asked]
    refused = [reply for reply in replies if reply.status_code == 429]
    assert held.most <= slow_work.SLOW_THREADS
    assert refused and {reply.status_code for reply in replies} == {422, 429}
    assert is_problem(refused[0], 429, "too-many-at-once") and int(refused[0].headers["retry-after"]) > 0
    assert "reports or tables of yours" in refused[0].json()["detail"]


def test_fetches_of_pictures_wait_for_each_other_and_nobody_for_them(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, signed = Held(), _signed(rest)
    monkeypatch.setattr(media, "open_public", held)
    with serving(rest.client.app) as url, ThreadPoolExecutor(50) as many:  # type: ignore[arg-type]
        try:
            picture = f"{url}/api/media/public/{signed}"
            asked = [many.submit(httpx2.get, picture, timeout=WITHIN) for _ in range(50)]
            assert held.begun.acquire(timeout=WITHIN)
            assert httpx2.get(f"{url}/healthz", timeout=WITHIN).status_code == 200
            theirs = {"Authorization": f"Bearer {rest.token('stranger')}"}
            assert httpx2.get(f"{url}/api/posts", headers=theirs, timeout=WITHIN).status_code == 200
        finally:
            held.go.set()
        assert {future.result().status_code for future in asked} == {422}
    assert held.most <= slow_work.SLOW_THREADS


@pytest.mark.parametrize(("most", "of_one"), [(2, 4), (2, 2), (4, 2)])
def test_the_limit_of_everybody_comes_before_ones_own(most: int, of_one: int) -> None:
    """A person who is told that their own requests are the problem waits for those, in vain."""
    place = slow_work.Gate(most, of_one, "reports")
    with ExitStack() as running:
        for _ in range(min(most, of_one)):
            running.enter_context(place.held(1))
        with pytest.raises((Overloaded, TooManyAtOnce)) as refused, place.held(1):
            pass
    assert refused.type is (TooManyAtOnce if of_one < most else Overloaded)
    with place.held(1):
        pass


def test_when_everybodys_places_are_taken_the_answer_is_503_with_a_time_also_for_who_has_used_up_theirs(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held()
    monkeypatch.setattr(analytics, "take", held)
    rest.client.app.state.slow = slow_work.SlowWork(slow_work.Gate(1, 1, "reports or tables"))  # type: ignore[attr-defined]
    mine = {"Authorization": f"Bearer {rest.token('owner')}"}
    with serving(rest.client.app) as url, ThreadPoolExecutor(1) as one:  # type: ignore[arg-type]
        try:
            first = one.submit(httpx2.get, f"{url}/api/analytics", headers=mine, timeout=WITHIN)
            assert held.begun.acquire(timeout=WITHIN)
            reply = httpx2.get(f"{url}/api/analytics", headers=mine, timeout=WITHIN)
        finally:
            held.go.set()
        assert first.result().status_code == 422
    assert is_problem(reply, 503, "overloaded") and int(reply.headers["retry-after"]) > 0


def test_an_address_that_was_not_signed_takes_no_place_among_the_pictures(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, good = Held(), _signed(rest)
    monkeypatch.setattr(media, "open_public", held)
    rest.client.app.state.pictures = slow_work.SlowWork(slow_work.Gate(1, 1, "pictures"))  # type: ignore[attr-defined]
    with serving(rest.client.app) as url, ThreadPoolExecutor(1) as one:  # type: ignore[arg-type]
        try:
            first = one.submit(httpx2.get, f"{url}/api/media/public/{good}", timeout=WITHIN)
            assert held.begun.acquire(timeout=WITHIN)
            for made_up in ("a", "a.b.c", f"{good}x", good[:-1]):
                assert httpx2.get(f"{url}/api/media/public/{made_up}", timeout=WITHIN).status_code == 403
            full = httpx2.get(f"{url}/api/media/public/{good}", timeout=WITHIN)
        finally:
            held.go.set()
        assert first.result().status_code == 422, "the control: a signed one takes a place"
    assert is_problem(full, 503, "overloaded") and int(full.headers["retry-after"]) > 0


def test_a_place_is_given_back(rest: Rest) -> None:
    """Also after a refusal of the work itself: what is counted never runs full."""
    with rest.client:
        for _ in range(slow_work.SLOW_OF_ONE + 2):
            assert rest.ask("GET", "/api/reports/posts/999999").status_code == 404
    assert rest.client.app.state.slow.gate._running.total() == 0  # type: ignore[attr-defined]
