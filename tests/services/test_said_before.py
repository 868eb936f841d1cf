"""The same text on the same account is known before: told as a note, refused where the platform refuses it, held by the
review where it went out lately; and all three by one finding."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from postprober.domain.delivery import DeliveryState
from postprober.domain.post import PostStatus
from postprober.domain.remote import Ref
from postprober.pipeline.core import transitions
from postprober.services.posts import advice, drafts, edit_failed, posts
from postprober.services.posts.posts import NewPost, PreflightFailed
from postprober.storage import deliveries, users
from postprober.storage.database import Database
from postprober.storage.records import Post
from tests.installed import Installation
from tests.people import acting

S = DeliveryState


@pytest.fixture
def installation(installation: Installation, database: Database, password_hash: str) -> Installation:
    """The same, once on each database."""
    core = replace(installation.core, db=database)
    with database.write() as conn:
        ids = [
            users.add(conn, email=f"{name}@example.org", password_hash=password_hash, now=core.clock.now(), name=name)
            for name in ("owner", "teammate", "stranger")
        ]
    return replace(installation, core=core, owner=ids[0], teammate=ids[1], stranger=ids[2])


NOTICE = "The library is open again from Monday on, at the usual hours."
LIVE = (S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.VERIFIED)


def plan(inst: Installation, new: NewPost) -> Post:
    return posts.create(inst.core, acting(inst.core, inst.owner), new)


def move(inst: Installation, post: Post, *states: DeliveryState) -> int:
    core = inst.core
    for state in states:
        with core.db.write() as conn:
            found = deliveries.of_post(conn, post.id)[0]
            more = {"published_at": core.clock.now()} if state is S.PUBLISHED else {}
            transitions.move(conn, found, state, reason="test", now=core.clock.now(), next_at=None, **more)
    return found.id


def said(inst: Installation, new: NewPost, **but: object) -> tuple[list[str], list[str]]:
    """Codes of what is refused, and the notes."""
    found = posts.check(inst.core, acting(inst.core, inst.owner), new, **but)  # type: ignore[arg-type]
    (one,) = found.values()
    return [v.code for v in one.violations], [note.message for note in one.notes]


@pytest.mark.parametrize("platform", ["bluesky", "mastodon", "telegram", "discord", "nostr"])
def test_a_text_that_is_planned_or_live_is_told_and_stops_nothing(installation: Installation, platform: str) -> None:
    account, other = installation.link(platform).id, installation.link(platform).id
    first = plan(installation, NewPost((NOTICE,), (account,)))
    codes, (note,) = said(installation, NewPost((NOTICE.upper() + " ",), (account,)))
    assert codes == [] and "is planned for" in note and f"post {first.id}" in note and NOTICE[:40] in note
    move(installation, first, *LIVE)
    assert "is live since" in said(installation, NewPost((NOTICE,), (account,)))[1][0]
    assert said(installation, NewPost((NOTICE,), (other,))) == ([], []), "another account"
    assert said(installation, NewPost(("Other words.",), (account,))) == ([], [])
    own = NewPost((NOTICE,), (account,), variants={account: ("A text of its own.",)})
    assert said(installation, own) == ([], []), "a variant"


@pytest.mark.parametrize("end", [(S.CANCELLED,), (S.CLAIMED, S.FAILED)])
def test_what_never_went_out_is_no_earlier_post(installation: Installation, end: tuple[DeliveryState, ...]) -> None:
    account = installation.link("x").id
    move(installation, plan(installation, NewPost((NOTICE,), (account,))), *end)
    assert said(installation, NewPost((NOTICE,), (account,))) == ([], [])


@pytest.mark.parametrize(("platform", "hours"), [("x", 12), ("linkedin", 24)])
def test_inside_the_window_in_which_the_platform_refuses_it_is_an_error(
    installation: Installation, platform: str, hours: int
) -> None:
    account, now = installation.link(platform).id, installation.core.clock.now()
    plan(installation, NewPost((NOTICE,), (account,), at=now + timedelta(hours=1)))
    before = installation.counts()
    with pytest.raises(
        PreflightFailed, match=f"refuses the same one within about {hours} hours, and it is planned for"
    ):
        plan(installation, NewPost((NOTICE,), (account,)))
    assert installation.counts() == before
    late = NewPost((NOTICE,), (account,), at=now + timedelta(hours=hours + 2))
    assert said(installation, late)[0] == [] and len(said(installation, late)[1]) == 1
    assert plan(installation, late).status == PostStatus.SCHEDULED


def test_a_retry_and_an_edit_of_the_same_post_are_not_refused(installation: Installation) -> None:
    core, account = installation.core, installation.link("x").id
    actor = acting(core, installation.owner)
    post = plan(installation, NewPost((NOTICE,), (account,), at=core.clock.now() + timedelta(hours=1)))
    moved = NewPost((NOTICE,), (account,), at=core.clock.now() + timedelta(hours=2))
    assert said(installation, moved)[0] == ["duplicate_text"], "the control: it would be another post"
    assert said(installation, moved, but=(post.id,)) == ([], [])
    assert drafts.change(core, actor, post.id, moved).status == PostStatus.SCHEDULED
    delivery = move(installation, post, S.CLAIMED, S.FAILED)
    edit_failed.rewrite(core, actor, delivery, (NOTICE,))
    with core.db.read() as conn:
        assert deliveries.get(conn, delivery).state is S.SCHEDULED


def test_a_thread_that_is_out_in_part_can_be_sent_again(installation: Installation) -> None:
    core, account = installation.core, installation.link("x").id
    post = plan(installation, NewPost(("One", "Two"), (account,)))
    assert said(installation, NewPost(("Two",), (account,)))[0] == ["duplicate_text"]
    delivery = move(installation, post, S.CLAIMED, S.FAILED)
    edit_failed.rewrite(core, acting(core, installation.owner), delivery, ("One", "Three"))


def test_the_parts_that_are_out_of_a_thread_that_stopped_midway_are_live(installation: Installation) -> None:
    core, account = installation.core, installation.link("x").id
    post = plan(installation, NewPost((NOTICE, "Never sent"), (account,)))
    delivery = move(installation, post, S.CLAIMED, S.SUBMITTING)
    with core.db.write() as conn:
        found = deliveries.get(conn, delivery)
        part = replace(found.parts[0], ref=Ref("1", "https://x.com/i/status/1"))
        deliveries.touch(conn, found, core.clock.now(), parts=found.with_part(part))
    move(installation, post, S.PARTIAL)
    codes, _ = said(installation, NewPost((NOTICE,), (account,)))
    assert codes == ["duplicate_text"]
    assert said(installation, NewPost(("Never sent",), (account,))) == ([], [])
    edit_failed.rewrite(core, acting(core, installation.owner), delivery, (NOTICE, "Sent now"))


def test_of_two_posts_planned_at_once_the_second_is_told(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have passed their checks before either is planned."""
    account, both = installation.link("x").id, threading.Barrier(2, timeout=30)
    judged = posts.review_gate.judged

    def wait(*args: object, **kwargs: object) -> object:
        both.wait()
        return judged(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(posts.review_gate, "judged", wait)
    ends: list[object] = []

    def one() -> None:
        try:
            ends.append(plan(installation, NewPost((NOTICE,), (account,))))
        except PreflightFailed as error:
            ends.append(error)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    refused = [end for end in ends if isinstance(end, PreflightFailed)]
    assert len(ends) == 2 and len(refused) == 1 and "refuses the same one" in refused[0].message
    with installation.core.db.read() as conn:
        rows = conn.exec_driver_sql("SELECT count(*) FROM deliveries").scalar_one()
    assert rows == 1


def test_the_review_says_the_same_as_the_note(installation: Installation) -> None:
    account = installation.link("bluesky").id
    move(installation, plan(installation, NewPost((NOTICE,), (account,))), *LIVE)
    (note,) = said(installation, NewPost((NOTICE,), (account,)))[1]
    post = plan(installation, NewPost((NOTICE,), (account,)))
    assert post.status == PostStatus.REVIEW
    (reason,) = post.ai_suggestions["review"]["reasons"]
    assert note.removeprefix("The same text ").partition(" Give this account")[0] in reason


def test_the_same_request_twice_at_once_is_one_post_and_no_refusal(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second has looked for a post with its name before the first was there."""
    core, actor = installation.core, acting(installation.core, installation.owner)
    new = NewPost((NOTICE,), (installation.link("x").id,))
    first = posts.create(core, actor, new, named="k:one")
    look, asked = posts.known_by, []

    def late(*args: object) -> Post | None:
        asked.append(args)
        return None if len(asked) == 1 else look(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(posts, "known_by", late)
    assert posts.create(core, actor, new, named="k:one").id == first.id and len(asked) == 2
    with pytest.raises(PreflightFailed):
        posts.create(core, actor, new, named="k:other")


def test_of_two_that_were_planned_with_the_same_words_the_second_is_not_held_when_the_first_is_out(
    installation: Installation,
) -> None:
    """They were noted and planned; the agent's later look judges the words, and not what went out since."""
    account = installation.link("mastodon").id
    first = plan(installation, NewPost((NOTICE,), (account,)))
    second = plan(installation, NewPost((NOTICE,), (account,)))
    move(installation, first, *LIVE)
    advice.make_pending(installation.core)
    with installation.core.db.read() as conn:
        (delivery,) = deliveries.of_post(conn, second.id)
    assert delivery.state is S.SCHEDULED
    third = plan(installation, NewPost((NOTICE,), (account,)))
    assert third.status == PostStatus.REVIEW, "the control: what is planned now is held"
