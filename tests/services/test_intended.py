"""What a person has marked as intended raises no doubt again on that account; the same text twice raises one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from postprober.clock import ManualClock
from postprober.domain.advice import Advice, intended_as
from postprober.domain.delivery import DeliveryState
from postprober.errors import BadInput, Forbidden, NotFound
from postprober.pipeline.core import transitions
from postprober.services.posts import advice, drafts, posts, repeats
from postprober.services.posts.posts import NewPost
from postprober.storage import deliveries
from postprober.storage.records import Post
from tests.installed import Installation
from tests.people import acting

S = DeliveryState
DOUBTED = "Our game [[name]] is out"
NOTICE = "The library opens at nine on every day of the week."


def save(inst: Installation, text: str, *accounts: int) -> Post:
    return drafts.save(inst.core, acting(inst.core, inst.owner), NewPost((text,), accounts))


def told(post: Post) -> Advice:
    found = Advice.from_json(post.ai_suggestions)
    assert found is not None
    return found


def intend(inst: Installation, post: Post, user: int | None = None, kind: str = "template") -> Advice:
    who = acting(inst.core, user or inst.owner)
    return advice.intend(inst.core, who, post.id, kind, told(post).review.details[0].piece)


def test_a_piece_that_is_intended_raises_no_doubt_again_on_this_account_and_on_no_other(
    installation: Installation,
) -> None:
    one, other = installation.link("bluesky").id, installation.link("mastodon").id
    post = save(installation, DOUBTED, one)
    assert told(post).review.verdict == "unsure"
    assert intend(installation, post).review.verdict == "appropriate"
    assert told(save(installation, DOUBTED + " today!", one)).review.verdict == "appropriate"
    assert told(save(installation, "Our game [[date]] is out", one)).review.verdict == "unsure", "another piece"
    assert told(save(installation, DOUBTED, other)).review.verdict == "unsure", "another account"
    assert told(save(installation, DOUBTED, one, other)).review.verdict == "unsure", "it is for the other, too"
    assert advice.ask(installation.core, acting(installation.core, installation.owner), post.id).review.passes


def test_a_held_post_stays_where_it_is_and_passes_when_it_is_sent_again(installation: Installation) -> None:
    core, account = installation.core, installation.link("bluesky").id
    post = posts.create(core, acting(core, installation.owner), NewPost((DOUBTED,), (account,)))
    assert post.status == "review"
    intend(installation, post)
    assert drafts.get(core, acting(core, installation.owner), post.id).status == "review"
    assert drafts.submit(core, acting(core, installation.owner), post.id).status == "scheduled"


def test_marking_one_thing_does_not_undo_another(installation: Installation) -> None:
    account = installation.link("bluesky").id
    mine, theirs = save(installation, DOUBTED, account), save(installation, "Our game {{start}} is out", account)
    intend(installation, mine)
    intend(installation, theirs)
    both = save(installation, "Our games [[name]] and {{start}}", account)
    assert told(both).review.verdict == "appropriate"


@pytest.mark.parametrize(
    "text", ["Use AKIAIOSFODNN7EXAMPLE for now", "Card 4111 1111 1111 1111 works", "Her SSN is 078-05-1120"]
)
def test_secrets_and_numbers_of_cards_are_never_intended(installation: Installation, text: str) -> None:
    post = save(installation, text, installation.link("bluesky").id)
    kind = told(post).review.details[0].kind
    with pytest.raises(BadInput, match="cannot be marked"):
        intend(installation, post, kind=kind)
    assert told(drafts.get(installation.core, acting(installation.core, installation.owner), post.id)).review.details


def test_who_may_mark_and_what(installation: Installation) -> None:
    core, account = installation.core, installation.link("bluesky").id
    post = save(installation, DOUBTED, account)
    with pytest.raises(NotFound):
        intend(installation, post, installation.stranger)
    with core.db.write() as conn:
        conn.exec_driver_sql(f"UPDATE users SET role = 'viewer' WHERE id = {installation.teammate}")
    with pytest.raises(Forbidden):
        intend(installation, post, installation.teammate)
    with pytest.raises(NotFound, match="no such reason"):
        advice.intend(core, acting(core, installation.owner), post.id, "template", "[[other]]")
    with pytest.raises(BadInput, match="accounts first"):
        intend(installation, save(installation, DOUBTED))
    assert told(save(installation, DOUBTED, account)).review.verdict == "unsure", "nothing of it was remembered"


def published(inst: Installation, text: str, account: int, platform: DeliveryState = S.VERIFIED) -> Post:
    core = inst.core
    post = posts.create(core, acting(core, inst.owner), NewPost((text,), (account,)))
    assert post.status == "scheduled"
    way = {S.VERIFIED: (S.CLAIMED, S.SUBMITTING, S.PUBLISHED, S.VERIFIED), S.FAILED: (S.CLAIMED, S.FAILED)}[platform]
    for state in way:
        with core.db.write() as conn:
            (found,) = deliveries.of_post(conn, post.id)
            more = {"published_at": core.clock.now()} if state is S.PUBLISHED else {}
            transitions.move(conn, found, state, reason="test", now=core.clock.now(), next_at=None, **more)
    return post


def test_the_same_text_as_a_recent_post_of_the_account_is_asked_about(installation: Installation) -> None:
    account, other = installation.link("bluesky").id, installation.link("mastodon").id
    published(installation, NOTICE, account)
    again = told(save(installation, NOTICE.upper() + " ", account)).review
    assert (again.verdict, again.details[0].kind) == ("unsure", "repeat")
    assert told(save(installation, NOTICE, other)).review.passes, "another account"
    assert told(save(installation, NOTICE + " Come in!", account)).review.passes, "other words"
    published(installation, "Good morning!", account)
    assert told(save(installation, "Good morning!", account)).review.passes, "what is short may be said each day"


def test_a_text_that_never_went_out_or_long_ago_is_no_repeat(installation: Installation) -> None:
    account = installation.link("bluesky").id
    published(installation, NOTICE, account, S.FAILED)
    assert told(save(installation, NOTICE, account)).review.passes
    published(installation, NOTICE + " Today.", account)
    clock = installation.core.clock
    assert isinstance(clock, ManualClock) or timedelta(days=1) < repeats.HELD
    with installation.core.db.write() as conn:
        conn.exec_driver_sql(
            "UPDATE deliveries SET published_at = '2020-01-01T00:00:00.000Z' WHERE published_at IS NOT NULL"
        )
    assert told(save(installation, NOTICE + " Today.", account)).review.passes


def test_reviews_that_were_stored_before_reasons_had_pieces_are_still_read() -> None:
    stored = {
        "status": "ready",
        "review": {"verdict": "unsure", "reasons": ["It looks unfinished."], "by": "rules", "confidence": 0.5},
        "items": [],
        "by": "rules",
        "note": "",
        "made_at": "2026-03-02T09:00:00Z",
    }
    read = Advice.from_json(stored)
    assert read is not None and read.review.reasons == ("It looks unfinished.",)
    assert read.review.details == () and read.review.confidence is None, "nobody had measured it"
    assert Advice.from_json(read.to_json()) == read
    model = {**stored, "review": {**stored["review"], "by": "model m", "confidence": 0.7}}  # type: ignore[dict-item]
    again = Advice.from_json(model)
    assert again is not None and again.review.confidence == 0.7


def test_the_key_of_what_is_intended_fits_its_column() -> None:
    name = f"intended:{2**33}:{intended_as('placeholder', 'x' * 500)}"
    assert len(name) <= 40
    assert intended_as("link", " A  b ") == intended_as("link", "a B") != intended_as("note", "a b")
