"""The Calendar: month, week, list; opening a post and moving it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from postprober.domain.delivery import DeliveryState as S
from postprober.domain.platform import Platform
from postprober.domain.post import PostStatus
from postprober.errors import BadInput, Conflict, Stale
from postprober.services.posts import calendar, drafts, posts
from postprober.services.posts.posts import NewPost, PreflightFailed
from postprober.storage import accounts, deliveries
from postprober.storage import posts as storage
from postprober.storage.records import Post
from postprober.ui.components.calendar.calendar_bar import step
from postprober.ui.components.calendar.calendar_view import span_of
from tests.pages.conftest import House, everything
from tests.people import acting

Show = Callable[[str], AppTest]
ZONE = ZoneInfo("Europe/Berlin")


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    return house


def _soon(house: House) -> datetime:
    """Still in the current day, and so week and month, of the person: a few minutes ahead."""
    now = house.core.clock.now()
    soon = (now + timedelta(minutes=7)).replace(second=0, microsecond=0)
    if soon.astimezone(ZONE).date() != now.astimezone(ZONE).date():
        pytest.skip("a few minutes before midnight there is no later time today")
    return soon


def _plan(house: House, text: str = "Planned", at: datetime | None = None) -> Post:
    account = house.account(Platform("x"), name=text[:20])
    return posts.create(
        house.core, acting(house.core, house.owner), NewPost((text,), (account,), at=at or _soon(house))
    )


def _press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def _entries(app: AppTest) -> list[str]:
    return [
        button.label for button in app.button if button.key and button.key.startswith("cal-") and "**" in button.label
    ]


def _view(app: AppTest, view: str) -> AppTest:
    app.segmented_control[0].set_value(view)
    return app.run()


@pytest.mark.parametrize("view", ["month", "week", "list"])
def test_an_empty_calendar_says_what_to_do_next(owner: House, show: Show, view: str) -> None:
    app = _view(show("calendar"), view)
    assert "Schedule a post to see it here" in app.info[0].value


@pytest.mark.parametrize("view", ["month", "week", "list"])
def test_a_post_stands_in_its_day_with_its_time_in_the_persons_zone(owner: House, show: Show, view: str) -> None:
    at = _soon(owner)
    _plan(owner, "Spring *notes*", at)
    (label,) = _entries(_view(show("calendar"), view))
    assert label == rf"**{at.astimezone(ZONE):%H:%M}** Spring \*notes\*"


def test_filters_leave_out_other_states_and_platforms(owner: House, show: Show) -> None:
    _plan(owner)
    app = show("calendar")
    app.pills[1].set_value([Platform("mastodon")])
    app.run()
    assert not _entries(app) and "fits these filters" in app.info[0].value
    app.pills[1].set_value([Platform("x")])
    app.run()
    assert len(_entries(app)) == 1


def test_nobody_sees_the_posts_of_others(owner: House, show: Show) -> None:
    _plan(owner, "SECRET plan")
    for other in (owner.teammate, owner.stranger):
        owner.sign_in(other)
        assert "SECRET" not in everything(show("calendar"))


def _open(app: AppTest) -> AppTest:
    return next(b for b in app.button if b.key and b.key.startswith("cal-") and "**" in b.label).click().run()


def test_a_post_is_moved_in_its_dialog_and_its_delivery_with_it(owner: House, show: Show) -> None:
    post = _plan(owner)
    app = _open(show("calendar"))
    target = (
        (owner.core.clock.now() + timedelta(days=3))
        .astimezone(ZONE)
        .replace(hour=8, minute=15, second=0, microsecond=0)
    )
    app.date_input[0].set_value(target.date())
    app.time_input[0].set_value(target.time())
    _press(app, "Reschedule")
    with owner.core.db.read() as conn:
        assert storage.get(conn, post.id).scheduled_at == target
        (delivery,) = deliveries.of_post(conn, post.id)
    assert delivery.due_at == delivery.next_at == target and delivery.state is S.SCHEDULED


def test_a_time_in_the_past_is_refused_in_the_dialog(owner: House, show: Show) -> None:
    post = _plan(owner)
    app = _open(show("calendar"))
    app.date_input[0].set_value((owner.core.clock.now() - timedelta(days=3)).date())
    app = _press(app, "Reschedule")
    assert "in the past" in app.error[0].value
    assert drafts.get(owner.core, acting(owner.core, owner.owner), post.id).scheduled_at == post.scheduled_at


def test_a_post_that_a_worker_has_taken_is_not_moved(owner: House) -> None:
    post = _plan(owner)
    with owner.core.db.read() as conn:
        (delivery,) = deliveries.of_post(conn, post.id)
    owner.move(delivery, S.CLAIMED)
    with pytest.raises(Conflict, match="on its way"):
        calendar.move(
            owner.core, acting(owner.core, owner.owner), post.id, _soon(owner) + timedelta(days=1), post.version
        )
    with owner.core.db.read() as conn:
        assert deliveries.get(conn, delivery.id).due_at == delivery.due_at


def test_moving_what_somebody_changed_meanwhile_is_refused(owner: House) -> None:
    post = _plan(owner)
    drafts.change(owner.core, acting(owner.core, owner.owner), post.id, drafts.wish_of(post))
    with pytest.raises(Stale):
        calendar.move(
            owner.core, acting(owner.core, owner.owner), post.id, _soon(owner) + timedelta(days=1), post.version
        )


def test_moving_asks_the_platforms_again_for_that_time(owner: House) -> None:
    post = _plan(owner)
    ends = owner.core.clock.now() + timedelta(days=5)
    with owner.core.db.write() as conn:  # an access that cannot renew itself
        accounts.write(conn, post.options["accounts"][0], token_expires_at=ends, refresh_token=None)
    with pytest.raises(PreflightFailed, match="ends before that time"):
        calendar.move(owner.core, acting(owner.core, owner.owner), post.id, ends + timedelta(days=1), post.version)
    assert drafts.get(owner.core, acting(owner.core, owner.owner), post.id).scheduled_at == post.scheduled_at
    moved = calendar.move(owner.core, acting(owner.core, owner.owner), post.id, ends - timedelta(days=1), post.version)
    assert moved.scheduled_at == ends - timedelta(days=1)


def test_the_same_time_again_is_no_move(owner: House) -> None:
    post = _plan(owner)
    assert post.scheduled_at
    with pytest.raises(BadInput, match="already"):
        calendar.move(owner.core, acting(owner.core, owner.owner), post.id, post.scheduled_at, post.version)


def test_a_viewer_opens_posts_and_cannot_move_them(owner: House, show: Show) -> None:
    _plan(owner)
    owner.become("viewer")
    app = _open(show("calendar"))
    assert next(b for b in app.button if b.label == "Reschedule").disabled
    assert next(b for b in app.button if b.label == "Cancel post").disabled


def test_a_post_is_duplicated_into_a_new_draft(owner: House, show: Show) -> None:
    post = _plan(owner, "Say it again")
    app = _press(_open(show("calendar")), "Duplicate")
    assert app.title[0].value == "Compose" and app.text_area[0].value == "Say it again"
    assert [p.status for p in posts.listing(owner.core, acting(owner.core, owner.owner))[0]] == [
        PostStatus.DRAFT,
        PostStatus.SCHEDULED,
    ]
    assert drafts.get(owner.core, acting(owner.core, owner.owner), post.id).status == PostStatus.SCHEDULED


def test_a_month_is_shown_in_whole_weeks() -> None:
    for day in (date(2026, 2, 14), date(2026, 11, 22), date(2027, 1, 1), date(2027, 2, 28)):
        start, count = span_of("month", day)
        last = start + timedelta(days=count - 1)
        assert start.weekday() == 0 and last.weekday() == 6 and count in (28, 35, 42)
        assert start <= day.replace(day=1) and step("month", day, 1) - timedelta(days=1) <= last


def test_days_of_a_clock_change_hold_what_belongs_to_them(owner: House) -> None:
    """Berlin's 28 March 2027 has 23 hours; a post at its last minute is still in it."""
    at = datetime(2027, 3, 28, 21, 59, tzinfo=UTC)
    _plan(owner, "Last minute", at)
    found = calendar.days(owner.core, acting(owner.core, owner.owner), date(2027, 3, 27), 3)
    assert [len(day.posts) for day in found] == [0, 1, 0]
