"""A post's way through review and suggestions, and what people decide about them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from postprober.agent.advisor import Advisor
from postprober.agent.model_answers import ReviewAnswer, Rewrite
from postprober.agent.review import review
from postprober.clock import ManualClock
from postprober.domain.advice import Advice, Review, cautious
from postprober.domain.delivery import DeliveryState
from postprober.errors import BadInput, Conflict, NotFound
from postprober.services.core import Core
from postprober.services.media import media as media_service
from postprober.services.posts import advice, drafts, posts, review_gate
from postprober.services.posts.posts import NewPost
from postprober.storage import deliveries
from postprober.storage import posts as stored_posts
from postprober.storage.records import Delivery, Post
from tests.agent.agent_kit import Scripted, brief
from tests.installed import Installation
from tests.people import acting
from tests.services.test_accounts_and_posts import png

S = DeliveryState
FLAGGED = "Our password is: hunter22 please keep it"
LONG = "The bridge of Oslo is open. " * 14 + "See https://www.iana.org/bridge"


@pytest.fixture
def core(installation: Installation) -> Core:
    return installation.core


@pytest.fixture
def account(installation: Installation) -> int:
    return installation.link("bluesky").id


def planned(core: Core, post: Post) -> list[Delivery]:
    with core.db.read() as conn:
        return [d for d in deliveries.of_post(conn, post.id) if d.state is not S.CANCELLED]


# What the rules see


@pytest.mark.parametrize(
    "text",
    [
        FLAGGED,
        "Use AKIAIOSFODNN7EXAMPLE for now",
        "-----BEGIN RSA PRIVATE KEY-----",
        "Card 4111 1111 1111 1111 works",
        "His number is 078-05-1120",
        "I will kill you",
        "Double your bitcoin today",
        "Log in at https://paypal.com@evil.example/x",
        "See http://203.0.113.10/login",
        "Visit аpple.com now",
        "An \u202eeslaf\u202c text",
    ],
)
def test_the_rules_flag_what_nobody_wants_out_by_accident(text: str) -> None:
    told = review(brief(text))
    assert told.verdict == "flagged" and told.reasons[0].endswith(".") and told.by == "rules"


@pytest.mark.parametrize(
    "text",
    [
        "Hello {{name}}",
        "TODO: write this",
        "Lorem ipsum dolor",
        "",
        "What a shitty day",
        "Account DE89 3704 0044 0532 0130 00",
        "See http://192.168.1.10/login",
    ],
)
def test_the_rules_are_unsure_about_what_looks_unfinished_or_coarse(text: str) -> None:
    assert review(brief(text)).verdict == "unsure"


@pytest.mark.parametrize(
    "text",
    [
        "Fixed in b3168367473040bfb30063fead9da873",  # has a number inside that a card could have
        "Our bridge is open. See https://bridge.example/open",
        "Call 22 33 44 55 or write to info@bridge.example",
        "ISBN 978-3-16-148410-0, 300 pages, 2026-03-02",
        "Todo list apps compared",
        "We kill bugs every day",
        "1234567890123456 views",
        "Released in v2.0beta of the app",
        "Version 10.0.0.1 is out",
        "Reset your password in the settings",
        "Дом and home in one sentence",
    ],
)
def test_the_rules_leave_harmless_posts_alone(text: str) -> None:
    told = review(brief(text))
    assert told.verdict == "appropriate" and told.confidence is None


def test_the_more_cautious_of_several_reviews_holds() -> None:
    good, bad = Review("appropriate", ("a",), "rules", 0.6), Review("flagged", ("b",), "model m", 0.7)
    unsure = Review("unsure", ("c",), "x", 0.2)
    assert cautious([good, bad]).verdict == cautious([bad, good]).verdict == "flagged"
    assert cautious([good, unsure]).verdict == "unsure"
    assert cautious([good, replace(good, by="model m")]).by == "rules and model m"


# Review


def test_a_flagged_post_waits_for_a_person_and_nothing_of_it_is_planned(
    core: Core, installation: Installation, account: int
) -> None:
    post = posts.create(core, acting(core, installation.owner), NewPost((FLAGGED,), (account,)))
    assert post.status == "review" and planned(core, post) == []
    told = advice.of(core, acting(core, installation.owner), post.id)
    assert told is not None and told.review.verdict == "flagged" and told.by == "rules"
    again = drafts.submit(core, acting(core, installation.owner), post.id)
    assert again.status == "review" and planned(core, post) == [], "submitting again is no approval"


def test_an_approved_post_is_planned_and_stays_approved_while_nothing_of_it_changes(
    core: Core, installation: Installation, account: int
) -> None:
    post = posts.create(core, acting(core, installation.owner), NewPost((FLAGGED,), (account,)))
    done = advice.decide_review(core, acting(core, installation.owner), post.id, True)
    assert done.status == "scheduled" and len(planned(core, post)) == 1
    wish = replace(drafts.wish_of(done), at=core.clock.now() + timedelta(hours=3))
    later = drafts.change(core, acting(core, installation.owner), post.id, wish)
    assert later.status == "scheduled" and len(planned(core, post)) == 1
    other = drafts.change(core, acting(core, installation.owner), post.id, replace(wish, parts=(FLAGGED + " friends",)))
    assert other.status == "review" and planned(core, post) == []


def test_a_post_that_a_person_turns_down_is_a_draft_again(core: Core, installation: Installation, account: int) -> None:
    post = posts.create(core, acting(core, installation.owner), NewPost((FLAGGED,), (account,)))
    assert advice.decide_review(core, acting(core, installation.owner), post.id, False).status == "draft"
    with pytest.raises(Conflict):
        advice.decide_review(core, acting(core, installation.owner), post.id, True)
    wish = replace(drafts.wish_of(post), parts=("All is well",))
    drafts.change(core, acting(core, installation.owner), post.id, wish)
    assert drafts.submit(core, acting(core, installation.owner), post.id).status == "scheduled"


def test_nobody_else_decides(core: Core, installation: Installation, account: int) -> None:
    post = posts.create(core, acting(core, installation.owner), NewPost((FLAGGED,), (account,)))
    for act in (
        lambda: advice.decide_review(core, acting(core, installation.stranger), post.id, True),
        lambda: advice.ask(core, acting(core, installation.stranger), post.id),
        lambda: advice.of(core, acting(core, installation.stranger), post.id),
        lambda: advice.accept(core, acting(core, installation.stranger), post.id, "0" * 12),
    ):
        with pytest.raises(NotFound):
            act()
    assert planned(core, post) == []


@pytest.mark.parametrize(
    ("verdict", "status"), [("appropriate", "scheduled"), ("unsure", "review"), ("flagged", "review")]
)
def test_with_a_model_only_a_clear_yes_of_both_plans_a_post(
    core: Core, installation: Installation, account: int, verdict: str, status: str
) -> None:
    answer = ReviewAnswer.model_validate({"verdict": verdict, "reasons": ["Because."], "confidence": 0.9})
    smart = replace(core, advisor=Advisor(Scripted(reviewed=answer)))
    assert posts.create(smart, acting(smart, installation.owner), NewPost(("Hello",), (account,))).status == status
    assert posts.create(smart, acting(smart, installation.owner), NewPost((FLAGGED,), (account,))).status == "review"


def test_an_objection_of_the_moderation_service_holds_a_post_back(
    core: Core, installation: Installation, account: int
) -> None:
    smart = replace(core, advisor=Advisor(Scripted(objections=("hate",))))
    post = posts.create(smart, acting(smart, installation.owner), NewPost(("Hello",), (account,)))
    told = Advice.from_json(post.ai_suggestions)
    assert post.status == "review" and told is not None and "hate" in told.review.reasons[0]


# Suggestions


def test_suggestions_stored_by_earlier_versions_are_still_read() -> None:
    item = {
        "id": "a" * 12,
        "account_id": 1,
        "platform": "bluesky",
        "kind": "hook",
        "before": ["x"],
        "after": ["y"],
        "reason": "Because.",
        "by": "rules",
        "confidence": 0.5,
        "decision": "",
        "media_id": None,
        "at": None,
    }
    review = {"verdict": "appropriate", "reasons": [], "by": "rules", "confidence": 0.6}
    stored = {"status": "ready", "review": review, "items": [item], "by": "rules", "note": "", "made_at": "2026-03-01"}
    told = Advice.from_json(stored)
    assert told is not None and told.suggestions[0].dropped == () and told.suggestions[0].after == ("y",)
    with_it = replace(told, suggestions=(replace(told.suggestions[0], dropped=("Thank you!",)),))
    assert Advice.from_json(json.loads(json.dumps(with_it.to_json()))) == with_it


def long_draft(core: Core, installation: Installation, account: int) -> tuple[Post, Advice]:
    post = drafts.save(core, acting(core, installation.owner), NewPost((LONG,), (account,)))
    return post, advice.ask(core, acting(core, installation.owner), post.id)


def test_an_accepted_suggestion_stands_in_the_post_and_is_remembered(
    core: Core, installation: Installation, account: int
) -> None:
    post, told = long_draft(core, installation, account)
    chosen = next(s for s in told.suggestions if s.kind in ("variant", "thread"))
    done = advice.accept(core, acting(core, installation.owner), post.id, chosen.id)
    assert drafts.wish_of(done).texts_for(account) == chosen.after
    kept = advice.of(core, acting(core, installation.owner), post.id)
    assert kept is not None
    (mine,) = [s for s in kept.suggestions if s.id == chosen.id]
    assert mine.decision == "accepted"
    with pytest.raises(Conflict):
        advice.accept(core, acting(core, installation.owner), post.id, chosen.id)
    assert drafts.submit(core, acting(core, installation.owner), post.id).status == "scheduled"
    (delivery,) = planned(core, post)
    assert tuple(part.text for part in delivery.parts) == chosen.after


def test_a_refused_suggestion_is_not_made_again(core: Core, installation: Installation, account: int) -> None:
    post, told = long_draft(core, installation, account)
    chosen = next(s for s in told.suggestions if s.kind in ("variant", "thread"))
    advice.refuse(core, acting(core, installation.owner), post.id, chosen.id)
    again = advice.ask(core, acting(core, installation.owner), post.id)
    assert [s.decision for s in again.suggestions if s.id == chosen.id] == ["refused"]
    assert drafts.wish_of(drafts.get(core, acting(core, installation.owner), post.id)).parts == (LONG,)


def test_a_suggestion_for_an_older_text_is_not_put_into_a_newer_one(
    core: Core, installation: Installation, account: int
) -> None:
    post, told = long_draft(core, installation, account)
    chosen = next(s for s in told.suggestions if s.kind in ("variant", "thread"))
    smart = replace(drafts.wish_of(post), parts=("A new text",))
    drafts.change(core, acting(core, installation.owner), post.id, smart)
    with pytest.raises((Conflict, NotFound)):
        advice.accept(core, acting(core, installation.owner), post.id, chosen.id)


def test_a_description_that_was_accepted_goes_with_the_picture(
    core: Core, installation: Installation, account: int
) -> None:
    media_id = media_service.add_bytes(core, acting(core, installation.owner), "red-bicycle-in-the-rain.png", png())
    post = drafts.save(core, acting(core, installation.owner), NewPost(("Look",), (account,), (media_id,)))
    told = advice.ask(core, acting(core, installation.owner), post.id)
    reminder = next(s for s in told.suggestions if s.kind == "alt_text")
    assert not reminder.acceptable, "rules see no pictures"
    chosen = replace(reminder, id="a" * 12, after=("Red bicycle in the rain",), by="model test")
    with core.db.write() as conn:
        stored_posts.advise(conn, post.id, post.version, replace(told, suggestions=(chosen,)).to_json())
    changed = advice.accept(core, acting(core, installation.owner), post.id, chosen.id)
    (described,) = drafts.wish_of(changed).media_ids
    assert media_service.get(core, acting(core, installation.owner), described).alt == "Red bicycle in the rain"
    assert media_service.get(core, acting(core, installation.owner), media_id).alt == "", "another post may use it"


def test_there_is_nothing_to_accept_where_data_is_missing(core: Core, installation: Installation, account: int) -> None:
    post = drafts.save(core, acting(core, installation.owner), NewPost(("Hello",), (account,)))
    told = advice.ask(core, acting(core, installation.owner), post.id)
    (time,) = [s for s in told.suggestions if s.kind == "time"]
    with pytest.raises(BadInput, match="not enough data yet"):
        advice.accept(core, acting(core, installation.owner), post.id, time.id)


def test_pending_suggestions_are_made_by_the_scheduler_once(
    core: Core, installation: Installation, account: int
) -> None:
    post = posts.create(core, acting(core, installation.owner), NewPost(("Hello",), (account,)))
    first = advice.of(core, acting(core, installation.owner), post.id)
    assert first is not None and first.pending
    assert advice.make_pending(core) == 1
    done = advice.of(core, acting(core, installation.owner), post.id)
    assert done is not None and not done.pending and done.suggestions
    assert advice.make_pending(core) == 0
    assert drafts.get(core, acting(core, installation.owner), post.id).version == post.version, (
        "nobody's edit is lost by it"
    )


def test_a_preview_says_the_same_and_writes_nothing(core: Core, installation: Installation, account: int) -> None:
    before = installation.counts()
    told = advice.preview(core, acting(core, installation.owner), NewPost((LONG,), (account,)))
    assert any(s.kind in ("variant", "thread") for s in told.suggestions)
    assert installation.counts() == before


def test_a_model_s_wording_is_marked_as_its_own_and_a_bad_one_is_dropped(
    core: Core, installation: Installation, account: int
) -> None:
    text = "Our bridge of 300 metres is open. Why not visit?"
    rewrites = [
        Rewrite(
            target=0,
            kind="hook",
            texts=["Why not visit?\n\nOur bridge of 300 metres is open."],
            reason="Q.",
            confidence=1,
        ),
        Rewrite(
            target=0,
            kind="variant",
            texts=["Our bridge of 3000 metres is open. Why not visit?"],
            reason="X.",
            confidence=1,
        ),
    ]
    smart = replace(core, advisor=Advisor(Scripted(rewrites=rewrites)))
    post = drafts.save(smart, acting(smart, installation.owner), NewPost((text,), (account,)))
    told = advice.ask(smart, acting(smart, installation.owner), post.id)
    assert [(s.kind, s.by) for s in told.suggestions if s.by != "rules"] == [("hook", "model test")]
    assert not any("3000" in "".join(s.after) for s in told.suggestions)


def test_advice_survives_being_stored() -> None:
    told = Advisor().advise(brief(LONG))
    assert Advice.from_json(told.to_json()) == told
    assert Advice.from_json(None) is None and Advice.from_json({"status": "none"}) is None


def test_a_later_look_that_finds_something_takes_a_planned_post_back(
    core: Core, installation: Installation, account: int
) -> None:
    wish = NewPost(("Hello",), (account,), at=core.clock.now() + timedelta(hours=1))
    post = posts.create(core, acting(core, installation.owner), wish)
    assert len(planned(core, post)) == 1
    doubt = ReviewAnswer(verdict="flagged", reasons=["It may hurt somebody."], confidence=0.9)
    advice.ask(
        replace(core, advisor=Advisor(Scripted(reviewed=doubt))),
        acting(replace(core, advisor=Advisor(Scripted(reviewed=doubt))), installation.owner),
        post.id,
    )
    assert planned(core, post) == []
    assert drafts.get(core, acting(core, installation.owner), post.id).status == "review"


def test_a_post_that_is_gone_or_on_its_way_is_asked_about_no_more(
    core: Core, installation: Installation, account: int
) -> None:
    gone = drafts.save(core, acting(core, installation.owner), NewPost(("Gone",), (account,)))
    sent = posts.create(core, acting(core, installation.owner), NewPost(("Sent",), (account,)))
    with core.db.write() as conn:
        conn.exec_driver_sql(f"UPDATE posts SET status = 'posted' WHERE id = {sent.id}")
        conn.exec_driver_sql(f"UPDATE posts SET user_id = {installation.stranger} WHERE id = {gone.id}")
    assert advice.make_pending(core) == 0
    with core.db.read() as conn:
        left = conn.exec_driver_sql("SELECT count(*) FROM posts WHERE advice_at IS NOT NULL").scalar()
    assert left == 0
    told = advice.of(core, acting(core, installation.owner), sent.id)
    assert told is not None and not told.pending and told.review.verdict == "appropriate"


def test_a_model_is_asked_once_when_typing_pauses(core: Core, installation: Installation, account: int) -> None:
    clock = ManualClock(core.clock.now())
    smart = replace(core, clock=clock, advisor=Advisor(Scripted()))
    draft = drafts.save(smart, acting(smart, installation.owner), NewPost(("H",), (account,)))
    for text in ("He", "Hel", "Hello"):
        clock.advance(2)
        draft = drafts.change(
            smart, acting(smart, installation.owner), draft.id, NewPost((text,), (account,)), frozenset({draft.version})
        )
        assert advice.make_pending(smart) == 0
    clock.advance(review_gate.PAUSE.total_seconds())
    assert advice.make_pending(smart) == 1
    assert advice.make_pending(smart) == 0
