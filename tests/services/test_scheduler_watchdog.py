"""Another process notices that the scheduler is gone, and tells people although the scheduler cannot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from postprober.clock import ManualClock
from postprober.domain.alert import AlertKind
from postprober.pipeline.notifications import notify
from postprober.services.core import Core
from postprober.services.notifications import channels
from postprober.services.operations import scheduler_watchdog
from postprober.services.pipeline_context import context_of
from postprober.services.posts.posts import NewPost, create
from postprober.storage import alert_log, processes, users
from postprober.storage.tables import alerts
from tests.installed import Installation
from tests.people import acting
from tests.receivers import Receiver


@pytest.fixture
def core(installation: Installation) -> Core:
    return replace(installation.core, clock=ManualClock(installation.core.clock.now()))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def _beat(core: Core) -> None:
    now = core.clock.now()
    with core.db.write() as conn:
        processes.beat(conn, "w1", "scheduler", now, now, {})


def _wait(core: Core, pause: timedelta) -> None:
    assert isinstance(core.clock, ManualClock)
    core.clock.advance(pause.total_seconds())


def _told(core: Core, user_id: int) -> list[str]:
    with core.db.read() as conn:
        rows = conn.execute(select(alerts).where(alerts.c.user_id == user_id).order_by(alerts.c.id)).all()
    return [row.kind for row in rows]


def test_a_scheduler_that_is_gone_without_a_word_is_told_once_also_outside_and_so_is_its_return(
    core: Core, installation: Installation, receiver: Receiver
) -> None:
    with core.db.read() as conn:
        owner = users.get(conn, installation.owner)
    channels.add(core, acting(core, owner), kind="webhook", name="hook", url=receiver.url)
    _beat(core)
    assert scheduler_watchdog.look(core) is False
    _wait(core, scheduler_watchdog.LOST_AFTER + timedelta(seconds=1))
    assert scheduler_watchdog.look(core) is True
    _wait(core, scheduler_watchdog.EVERY)
    assert scheduler_watchdog.look(core) is True
    assert _told(core, owner.id) == [AlertKind.HEARTBEAT]
    assert [call.json()["data"]["kind"] for call in receiver.calls] == ["heartbeat"]
    _beat(core)
    notify.scheduler_back(context_of(core))
    assert scheduler_watchdog.look(core) is False
    assert _told(core, owner.id) == [AlertKind.HEARTBEAT, AlertKind.RECOVERED]
    notify.scheduler_back(context_of(core))
    assert len(_told(core, owner.id)) == 2


def test_a_scheduler_that_only_stalled_is_told_to_be_back(core: Core, installation: Installation) -> None:
    _beat(core)
    _wait(core, scheduler_watchdog.LOST_AFTER + timedelta(seconds=1))
    assert scheduler_watchdog.look(core) is True
    _beat(core)
    assert scheduler_watchdog.look(core) is False
    assert _told(core, installation.owner) == [AlertKind.HEARTBEAT, AlertKind.RECOVERED]
    assert scheduler_watchdog.look(core) is False
    assert len(_told(core, installation.owner)) == 2
    with core.db.read() as conn:
        assert not alert_log.has_open(conn, notify.scheduler_subject(installation.owner))


def test_a_scheduler_that_was_stopped_is_missed_only_when_something_waits_in_vain(
    core: Core, installation: Installation
) -> None:
    assert scheduler_watchdog.look(core) is False
    account = installation.link("mastodon")
    create(core, acting(core, installation.owner), NewPost(("Hello",), (account.id,)))
    assert scheduler_watchdog.look(core) is False
    _wait(core, scheduler_watchdog.LOST_AFTER + timedelta(seconds=1))
    assert scheduler_watchdog.look(core) is True and _told(core, installation.owner) == [AlertKind.HEARTBEAT]
