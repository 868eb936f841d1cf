"""Owner in New York, editor in Berlin: every local time is on the clock of the person who types or reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from zoneinfo import ZoneInfo

import pytest

from postprober.clock import utc_iso
from postprober.domain.advice import RULES, Advice, Suggestion
from postprober.domain.alert import Preferences
from postprober.errors import Conflict
from postprober.services.notifications import channels
from postprober.services.posts import advice, drafts, queue
from postprober.services.posts.posts import NewPost
from postprober.storage import accounts, posts, users
from postprober.storage.records import User
from tests.installed import Installation
from tests.people import acting


@pytest.fixture
def house(installation: Installation) -> Installation:
    """The teammate is an editor of the owner's space, which has an account on LinkedIn."""
    now = installation.core.clock.now()
    with installation.core.db.write() as conn:
        users.write(conn, installation.owner, now, zone="America/New_York")
        users.write(conn, installation.teammate, now, zone="Europe/Berlin", owner_id=installation.owner, role="editor")
        accounts.add(
            conn, space=installation.owner, platform="linkedin", account_name="demo", now=now, remote_id="demo"
        )
    return installation


def _user(house: Installation, user_id: int) -> User:
    with house.core.db.read() as conn:
        return users.get(conn, user_id)


def _draft(house: Installation) -> NewPost:
    with house.core.db.read() as conn:
        return NewPost(("Words",), tuple(a.id for a in accounts.of_user(conn, house.owner)))


def test_everybody_has_slots_of_their_own_on_their_own_clock(house: Installation) -> None:
    week = dict.fromkeys(range(7), "9:00")
    queue.choose(house.core, acting(house.core, house.owner), week)
    queue.choose(house.core, acting(house.core, house.teammate), dict.fromkeys(range(7), "10:30"))
    assert queue.slots_of(house.core, acting(house.core, house.owner))[0] == (time(9),)
    assert queue.slots_of(house.core, acting(house.core, house.teammate))[0] == (time(10, 30),)
    for person, zone, local in (
        (house.owner, "America/New_York", time(9)),
        (house.teammate, "Europe/Berlin", time(10, 30)),
    ):
        found = queue.next_free(house.core, acting(house.core, person))
        assert found.astimezone(ZoneInfo(zone)).time() == local


def test_a_slot_that_a_teammate_took_is_taken(house: Installation) -> None:
    first = queue.next_free(house.core, acting(house.core, house.teammate))
    drafts.save(house.core, acting(house.core, house.owner), replace(_draft(house), at=first))
    assert queue.next_free(house.core, acting(house.core, house.teammate)) > first


def test_the_agent_is_asked_on_the_clock_of_whoever_asks(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    told = Advice.from_json(drafts.save(house.core, acting(house.core, house.owner), _draft(house)).ai_suggestions)
    assert told is not None
    monkeypatch.setattr(type(house.core.advisor), "advise", lambda _self, brief, *_: seen.append(brief.zone) or told)
    post = drafts.save(house.core, acting(house.core, house.teammate), _draft(house))
    advice.ask(house.core, acting(house.core, house.teammate), post.id)
    advice.preview(house.core, acting(house.core, house.teammate), _draft(house))
    advice.ask(house.core, acting(house.core, house.owner), post.id)
    assert seen == ["Europe/Berlin", "Europe/Berlin", "America/New_York"]


def test_quiet_hours_are_on_the_clock_of_whoever_set_them_and_shown_on_that_of_whoever_looks(
    house: Installation,
) -> None:
    owner, editor = _user(house, house.owner), _user(house, house.teammate)
    channels.set_preferences(house.core, acting(house.core, editor), Preferences("22:00", "07:00"))
    mine, theirs = (channels.preferences(house.core, acting(house.core, person)) for person in (editor, owner))
    assert (mine.quiet_from, mine.quiet_to) == ("22:00", "07:00")
    assert (theirs.quiet_from, theirs.quiet_to) == ("16:00", "01:00")
    channels.set_preferences(
        house.core, acting(house.core, owner), replace(theirs, again_minutes=30)
    )  # the hours stay the editor's
    mine = channels.preferences(house.core, acting(house.core, editor))
    assert (mine.quiet_from, mine.quiet_to, mine.again_minutes, mine.by) == ("22:00", "07:00", 30, editor.id)
    channels.set_preferences(house.core, acting(house.core, owner), replace(theirs, quiet_from="20:00"))
    assert channels.preferences(house.core, acting(house.core, owner)).by == owner.id


def test_hours_that_were_set_before_this_was_known_are_the_owners(house: Installation) -> None:
    with house.core.db.write() as conn:
        old = {
            "quiet_from": "22:00",
            "quiet_to": "07:00",
            "urgent": True,
            "again_minutes": 0,
            "again_times": 3,
            "escalate_minutes": 0,
        }
        users.write(conn, house.owner, house.core.clock.now(), notify=old)
    assert channels.preferences(house.core, acting(house.core, _user(house, house.owner))).quiet_from == "22:00"
    assert channels.preferences(house.core, acting(house.core, _user(house, house.teammate))).quiet_from == "04:00"


@pytest.mark.parametrize(("ahead", "words"), [(timedelta(hours=-1), "has passed"), (timedelta(hours=1), "")])
def test_a_suggested_time_that_has_passed_is_not_accepted(house: Installation, ahead: timedelta, words: str) -> None:
    post = drafts.save(house.core, acting(house.core, house.owner), _draft(house))
    account = post.options["accounts"][0]
    at = house.core.clock.now() + ahead
    one = Suggestion("s1", account, "linkedin", "time", (), (), "Because.", RULES, 0.5, at=utc_iso(at))
    told = Advice.from_json(post.ai_suggestions)
    assert told is not None
    with house.core.db.write() as conn:
        assert posts.advise(conn, post.id, post.version, replace(told, suggestions=(one,), pending=False).to_json())
    if words:
        with pytest.raises(Conflict, match=words):
            advice.accept(house.core, acting(house.core, house.owner), post.id, "s1")
        assert drafts.get(house.core, acting(house.core, house.owner), post.id).scheduled_at is None
    else:
        changed = advice.accept(house.core, acting(house.core, house.owner), post.id, "s1")
        assert changed.scheduled_at is not None and abs(changed.scheduled_at - at) < timedelta(seconds=1)
