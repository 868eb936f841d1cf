"""What a person sees of the platforms' health, and sending a post that waits for one anyway."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from postprober.domain.delivery import DeliveryState as S
from postprober.domain.health import HealthSign, HealthVerdict, ServerHealth
from postprober.domain.platform import Platform
from postprober.errors import Conflict, NotFound
from postprober.pipeline.core import transitions
from postprober.services.monitoring import platform_status
from postprober.services.posts import delivery_actions, posts
from postprober.storage import deliveries
from postprober.storage import health as store
from postprober.storage.health import CHECK, NewSign
from tests.installed import Installation
from tests.people import acting


def signs(inst: Installation, account_id: int, server: store.Server, *found: tuple[float, HealthSign]) -> None:
    """(hours ago, sign)."""
    now = inst.core.clock.now()
    notes = [NewSign(account_id, server, now - timedelta(hours=ago), CHECK, sign) for ago, sign in found]
    with inst.core.db.write() as conn:
        store.add_signs(conn, notes)


def stand(
    inst: Installation, server: store.Server, verdict: HealthVerdict, at: datetime, *, blocking: bool = False
) -> None:
    with inst.core.db.write() as conn:
        store.put_standing(conn, server, ServerHealth(verdict, blocking, at, "Because."), at)


def test_it_shows_every_server_with_its_last_day_and_only_ones_own(installation: Installation) -> None:
    mine, now = installation.link("x"), installation.core.clock.now()
    theirs = installation.link("linkedin", installation.stranger)
    server = (Platform("x"), mine.instance)
    signs(
        installation,
        mine.id,
        server,
        (23.9, HealthSign.WELL),
        (2.2, HealthSign.AWAY),
        (2.1, HealthSign.AWAY),
        (0.1, HealthSign.WELL),
        (0.05, HealthSign.SLOW),
    )
    stand(installation, server, HealthVerdict.DEGRADED, now)
    (one,) = platform_status.take(installation.core, acting(installation.core, installation.owner))
    assert (one.platform, one.verdict, one.reason, one.blocking) == (
        Platform("x"),
        HealthVerdict.DEGRADED,
        "Because.",
        False,
    )
    assert len(one.history) == 48
    assert (one.history[0], one.history[-5], one.history[-1]) == (
        HealthVerdict.WELL,
        HealthVerdict.FAILING,
        HealthVerdict.DEGRADED,
    )
    assert one.history.count(HealthVerdict.UNKNOWN) == 45
    assert [(a.id, a.verdict) for a in one.accounts] == [(mine.id, HealthVerdict.WELL)]
    assert theirs.id not in {a.id for a in one.accounts}


def test_what_is_old_is_called_unknown(installation: Installation) -> None:
    mine = installation.link("x")
    old = installation.core.clock.now() - timedelta(days=1)
    stand(installation, (Platform("x"), mine.instance), HealthVerdict.FAILING, old, blocking=True)
    (one,) = platform_status.take(installation.core, acting(installation.core, installation.owner))
    assert (one.verdict, one.blocking) == (HealthVerdict.UNKNOWN, False)


def test_one_accounts_refused_access_is_shown_with_the_account(installation: Installation) -> None:
    mine, other = installation.link("x"), installation.link("x")
    server = (Platform("x"), mine.instance)
    signs(installation, mine.id, server, (0.3, HealthSign.REFUSED), (0.2, HealthSign.REFUSED))
    signs(installation, other.id, server, (0.2, HealthSign.WELL))
    (one,) = platform_status.take(installation.core, acting(installation.core, installation.owner))
    assert {a.id: a.verdict for a in one.accounts} == {mine.id: HealthVerdict.FAILING, other.id: HealthVerdict.WELL}


def test_a_post_that_waits_for_its_platform_can_be_sent_anyway_by_its_owner_only(installation: Installation) -> None:
    core = installation.core
    account = installation.link("x")
    post = posts.create(core, acting(core, installation.owner), posts.NewPost(("Waits",), (account.id,)))
    with core.db.write() as conn:
        (found,) = deliveries.of_post(conn, post.id)
        later = core.clock.now() + timedelta(minutes=10)
        for state in (S.CLAIMED, S.WAITING):
            found = transitions.move(conn, found, state, reason="It waits: ", now=core.clock.now(), next_at=later)
    with pytest.raises(Conflict, match="not held"):
        delivery_actions.send_held(core, acting(core, installation.owner), found.id)
    with core.db.write() as conn:
        store.delay(conn, found.id, (Platform("x"), account.instance), core.clock.now())
    assert platform_status.take(core, acting(core, installation.owner))[0].waiting == 1
    with pytest.raises(NotFound):
        delivery_actions.send_held(core, acting(core, installation.stranger), found.id)
    delivery_actions.send_held(core, acting(core, installation.owner), found.id)
    with core.db.read() as conn:
        now = deliveries.get(conn, found.id)
        assert now.state is S.WAITING and now.next_at is not None and now.next_at <= core.clock.now()
        assert store.goes_anyway(conn, found.id)
    assert platform_status.take(core, acting(core, installation.owner))[0].waiting == 0
