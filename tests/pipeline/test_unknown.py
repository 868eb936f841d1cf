"""An unknown outcome is never sent again before two proofs of absence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from postprober.domain.delivery import DeliveryState
from postprober.domain.platform import ReconcileMode
from postprober.errors import PlatformError, Unavailable
from postprober.pipeline.core import transitions
from postprober.pipeline.core.context import Context
from postprober.pipeline.publishing.reconcile import READINGS_FOR_ABSENCE, reconcile
from postprober.pipeline.verification.follow_up import follow
from postprober.storage import deliveries
from postprober.storage.tables import posts
from tests.pipeline.fake import TRAITS, Way, cut, world_duplicate
from tests.pipeline.stage import Stage

S = DeliveryState
TEXT = "Hello world"


def copies(stage: Stage) -> int:
    return stage.platform.texts().count(TEXT)


def test_a_post_that_landed_is_found_and_adopted_and_not_sent_again(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(lose=cut()))
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED
    assert (len(stage.platform.sends), copies(stage)) == (1, 1)
    assert stage.get(delivery).remote_id == stage.platform.posts[-1].id


def test_a_post_that_did_not_land_is_sent_again_after_two_proofs_of_absence(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(refuse=cut()))
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED
    assert (len(stage.platform.sends), copies(stage)) == (2, 1)
    kinds = [(a.act, a.outcome) for a in stage.attempts(delivery)]
    assert kinds == [("publish", "unknown"), *[("reconcile", "absent")] * READINGS_FOR_ABSENCE, ("publish", "success")]


def test_a_naive_loop_on_the_same_platform_doubles_so_the_truth_can_tell(stage: Stage, ctx: Context) -> None:
    """The control of every test here: who sends again after a cut makes two posts, and the platform counts them."""
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(lose=cut()))
    stage.ring(ctx)
    with ctx.db.write() as conn:
        deliveries.change(
            conn,
            stage.get(delivery),
            S.SCHEDULED,
            reason="naive",
            now=ctx.clock.now(),
            columns={"next_at": ctx.clock.now(), "unknown_at": None},
        )
    stage.ring(ctx)
    assert (len(stage.platform.sends), copies(stage)) == (2, 2)


def test_nothing_is_read_before_the_settle_time_is_over(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(lose=cut()))
    stage.ring(ctx)
    began = stage.clock.now()
    stage.manual.advance(TRAITS.settle.total_seconds() - 0.1)
    stage.ring(ctx)
    assert stage.platform.looks == []
    stage.settle(ctx, delivery)
    assert stage.platform.looks[0][0] >= began + TRAITS.settle


def test_a_post_that_lands_late_but_within_the_settle_time_is_found(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(late=29.0, lose=cut()))
    stage.settle(ctx, delivery)
    assert (len(stage.platform.sends), copies(stage)) == (1, 1)
    assert stage.state(delivery) is S.VERIFIED


def test_a_post_that_lands_between_the_two_readings_is_found_by_the_second(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(late=33.0, lose=cut()))
    stage.settle(ctx, delivery)
    assert [a.outcome for a in stage.attempts(delivery, "reconcile")] == ["absent", "found"]
    assert (len(stage.platform.sends), copies(stage)) == (1, 1)


def test_a_list_without_the_canary_is_stale_and_proves_nothing(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    stage.settle(ctx, earlier := stage.plan(account, "the canary"))
    assert stage.account(account.id).newest_known_post == stage.get(earlier).remote_id
    delivery = stage.plan(stage.account(account.id))
    stage.platform.ways.append(Way(lose=cut()))
    stage.platform.listings.extend(["stale"] * 3)
    stage.settle(ctx, delivery)
    assert [a.outcome for a in stage.attempts(delivery, "reconcile")] == ["unsure", "unsure", "unsure", "found"]
    assert (stage.state(delivery), copies(stage)) == (S.VERIFIED, 1)


def test_one_proof_of_absence_and_one_unsure_reading_are_not_two_proofs(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(refuse=cut()))
    stage.platform.listings.extend(["", "cut", ""])
    stage.settle(ctx, delivery)
    outcomes = [a.outcome for a in stage.attempts(delivery, "reconcile")]
    assert outcomes == ["absent", "unsure", "absent", "absent"]
    assert copies(stage) == 1


@pytest.mark.parametrize("how", ["cut", "stale", Unavailable("The list is down.")], ids=["cut", "stale", "down"])
def test_what_cannot_be_told_is_held_within_a_minute_with_one_alert(
    stage: Stage, ctx: Context, how: PlatformError | str
) -> None:
    account = stage.link()
    stage.settle(ctx, stage.plan(account, "the canary"))
    delivery = stage.plan(account)
    stage.platform.ways.append(Way(lose=cut()))
    stage.platform.listings.extend([how] * 20)
    stage.ring(ctx)
    ready = stage.clock.now() + TRAITS.settle
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.HELD
    assert stage.clock.now() - ready <= timedelta(seconds=60)
    assert len(stage.platform.sends) == 2
    assert len(stage.alerts()) == 1 and "held" in stage.alerts()[0]


def test_a_held_post_that_turns_up_later_is_adopted_and_the_alert_is_taken_back(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(lose=cut()))
    stage.platform.listings.extend(["cut"] * 7)
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.HELD
    stage.settle(ctx, delivery, until=lambda d: d.state is S.VERIFIED)
    assert (len(stage.platform.sends), copies(stage)) == (1, 1)
    assert "resolved" in stage.alerts()[-1]


@pytest.mark.parametrize("how", ["cut", Unavailable("The list is down.")], ids=["cut", "down"])
def test_a_held_post_is_sent_once_the_list_proves_twice_that_it_never_arrived(
    stage: Stage, ctx: Context, how: PlatformError | str
) -> None:
    """As after an outage of the platform that follows a lost answer."""
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(refuse=cut()))
    stage.platform.listings.extend([how] * 5)
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.HELD and len(stage.platform.sends) == 1
    stage.settle(ctx, delivery, until=lambda d: d.state is S.VERIFIED)
    assert (len(stage.platform.sends), copies(stage)) == (2, 1)
    assert [a.outcome for a in stage.attempts(delivery, "reconcile")][-2:] == ["absent", "absent"]


def test_a_held_post_that_is_proved_absent_too_late_is_asked_about_and_not_sent(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(refuse=cut()))
    stage.platform.listings.extend(["cut"] * 5)
    stage.settle(ctx, delivery)
    for _ in range(12):
        stage.manual.advance(86_400)
        stage.ring(ctx)
    assert stage.state(delivery) is S.HELD and stage.get(delivery).cause == "late"
    assert len(stage.platform.sends) == 1


def test_a_held_post_on_a_platform_without_bounds_is_looked_for_but_never_sent(stage: Stage, ctx: Context) -> None:
    stage.platform.traits = replace(TRAITS, mode=ReconcileMode.STRICT)
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(refuse=cut()))
    stage.settle(ctx, delivery)
    looks = len(stage.platform.looks)
    for _ in range(12):
        stage.manual.advance(86_400)
        stage.ring(ctx)
    assert stage.state(delivery) is S.HELD
    assert len(stage.platform.looks) >= looks + 10 and len(stage.platform.sends) == 1


def test_strict_mode_holds_instead_of_sending_again(stage: Stage, ctx: Context) -> None:
    stage.platform.traits = replace(TRAITS, mode=ReconcileMode.STRICT)
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(refuse=cut()))
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.HELD
    assert len(stage.platform.sends) == 1
    assert "cannot be ruled out" in stage.get(delivery).reason


def test_strict_mode_adopts_what_it_finds(stage: Stage, ctx: Context) -> None:
    stage.platform.traits = replace(TRAITS, mode=ReconcileMode.STRICT)
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(lose=cut()))
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), copies(stage)) == (S.VERIFIED, 1)


def test_a_refusal_as_duplicate_after_an_unknown_outcome_leads_to_the_earlier_post(stage: Stage, ctx: Context) -> None:
    """Both readings missed it, so it was sent again, and the platform says that it is there."""
    stage.platform.refuses_duplicates = True
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(lose=cut()))
    stage.platform.listings.extend(["lagging", "lagging"])
    stage.settle(ctx, delivery)
    assert (len(stage.platform.sends), copies(stage)) == (2, 1)
    assert stage.state(delivery) is S.VERIFIED
    assert [a.outcome for a in stage.attempts(delivery, "publish")] == ["unknown", "rejected"]


@pytest.mark.parametrize("unreadable", [False, True])
def test_a_post_that_was_there_before_is_not_taken_because_a_refusal_names_it(
    stage: Stage, ctx: Context, unreadable: bool
) -> None:
    """Nor is one that cannot be read just then. The control, one of ours that is named, is the test above."""
    stage.platform.refuses_duplicates = True
    account = stage.link()
    by_hand = stage.platform.post("owner", TEXT, age=600)
    delivery = stage.plan(account)
    stage.platform.ways.append(Way(refuse=cut()))
    stage.settle(ctx, delivery, until=lambda d: d.tries > 0 and d.state is S.SCHEDULED)
    if unreadable:
        stage.platform.reads.append(Unavailable("The post cannot be read."))
    stage.settle(ctx, delivery, until=lambda d: d.state in (S.HELD, S.VERIFIED))
    assert not stage.platform.reads
    assert (stage.state(delivery), copies(stage), len(stage.platform.sends)) == (S.HELD, 1, 2)
    assert by_hand.id not in {part.ref.remote_id for part in stage.get(delivery).parts if part.ref}
    assert "there already" in stage.get(delivery).reason


def test_a_refusal_as_duplicate_whose_post_is_not_found_is_held(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.extend([Way(refuse=cut()), Way(refuse=world_duplicate(""))])
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.HELD
    assert "there already" in stage.get(delivery).reason
    assert len(stage.platform.sends) == 2


def test_a_refusal_as_duplicate_of_something_else_is_a_failure(stage: Stage, ctx: Context) -> None:
    stage.platform.refuses_duplicates = True
    account = stage.link()
    stage.platform.post("owner", TEXT, age=300)
    delivery = stage.plan(account)
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.FAILED
    assert copies(stage) == 1


def test_a_post_made_by_hand_before_the_intent_is_not_mistaken_for_ours(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    by_hand = stage.platform.post("owner", TEXT, age=600)
    delivery = stage.plan(account)
    stage.platform.ways.append(Way(refuse=cut()))
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.VERIFIED
    assert stage.get(delivery).remote_id != by_hand.id
    assert len(stage.platform.sends) == 2


def test_a_post_of_another_delivery_with_the_same_text_is_not_adopted(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    first, second = stage.plan(account), stage.plan(account)
    stage.platform.ways.extend([Way(), Way(refuse=cut())])
    stage.settle(ctx, first, second)
    assert stage.get(first).remote_id != stage.get(second).remote_id
    assert copies(stage) == 2


def test_the_part_of_an_unfinished_thread_is_not_adopted_by_another_delivery(stage: Stage, ctx: Context) -> None:
    """The thread's first part is out and its second waits; a post with the text of the first gets lost meanwhile."""
    account = stage.link()
    thread = stage.plan(account, TEXT, "and more")
    stage.platform.ways.extend([Way(), Way(refuse=Unavailable("away"))])
    stage.ring(ctx)
    assert stage.state(thread) is S.WAITING
    single = stage.plan(account)
    stage.platform.ways.append(Way(refuse=cut()))
    stage.act(ctx, single)
    stage.settle(ctx, thread, single)
    assert copies(stage) == 2
    assert stage.get(single).remote_id != stage.get(thread).remote_id


def test_two_posts_with_the_same_text_are_too_many_to_choose_from(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    delivery = stage.plan(account)
    stage.platform.ways.append(Way(lose=cut(), after=lambda: stage.platform.post("owner", TEXT, age=0) and None))
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.HELD
    assert len(stage.platform.sends) == 1


def test_an_account_with_an_unconfirmed_post_publishes_nothing_else(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    first = stage.plan(account, "first")
    stage.platform.ways.append(Way(lose=cut()))
    stage.ring(ctx)
    second = stage.plan(account, "second")
    stage.ring(ctx)
    stage.manual.advance(20)
    stage.ring(ctx)
    assert (stage.state(first), stage.state(second)) == (S.UNCONFIRMED, S.SCHEDULED)
    stage.settle(ctx, first, second)
    assert sorted(stage.platform.texts()) == ["An earlier post", "first", "second"]


def test_a_platform_with_handles_is_asked_by_handle_and_a_repeat_makes_no_second_post(
    stage: Stage, ctx: Context
) -> None:
    stage.platform.uses_handles = True
    delivery = stage.plan(stage.link())
    stage.platform.ways.extend([Way(refuse=cut()), Way(lose=cut())])
    stage.settle(ctx, delivery)
    assert (len(stage.platform.sends), copies(stage)) == (2, 1)
    handles = {a.intent["handle"] for a in stage.attempts(delivery, "publish")}
    assert len(handles) == 1 and handles != {""}


def test_losing_every_answer_ends_after_eight_tries_without_a_double(stage: Stage, ctx: Context) -> None:
    delivery = stage.plan(stage.link())
    stage.platform.ways.extend([Way(refuse=cut())] * 20)
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.FAILED
    assert len(stage.platform.sends) == 8
    assert copies(stage) == 0
    assert stage.rows(posts)[0]["status"] == "failed"


def test_what_is_on_some_of_several_servers_is_asked_about_and_never_called_unpublished(
    stage: Stage, ctx: Context
) -> None:
    """The control is the test before: what is nowhere ends as failed."""
    stage.platform.partly = True
    delivery = stage.plan(stage.link())
    stage.platform.ways.extend([Way(refuse=cut())] * 20)
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.HELD
    assert stage.get(delivery).reason == "It was sent 8 times: 1 of 3 servers has it; 2 are needed."
    assert len(stage.platform.sends) == 8
    looks = stage.get(delivery).readings
    stage.settle(ctx, delivery, until=lambda d: d.readings >= looks + 3)
    assert (stage.state(delivery), len(stage.platform.sends)) == (S.HELD, 8), "it is looked for, and not sent"
    stage.platform.partly = False
    stage.platform.make("owner", "Hello world", stage.clock.now())
    stage.settle(ctx, delivery, until=lambda d: d.state is S.VERIFIED)
    assert len(stage.platform.sends) == 8


def test_an_id_named_by_a_broken_answer_is_kept(stage: Stage, ctx: Context) -> None:
    """The reply said which post it is before it broke: on a platform that cannot be read, that is all there is."""
    stage.platform.traits = replace(TRAITS, mode=ReconcileMode.STRICT)
    delivery = stage.plan(stage.link())
    error = cut()
    error.remote_id = "2"
    stage.platform.ways.append(Way(lose=error))
    stage.platform.listings.extend(["cut"] * 9)
    stage.settle(ctx, delivery, until=lambda d: d.state in (S.HELD, S.VERIFIED, S.GHOST))
    assert stage.state(delivery) is S.HELD
    assert stage.evidence(delivery, "named") == [{"part": 0, "remote_id": "2"}]


def test_a_post_found_while_a_person_decides_to_send_it_is_adopted_and_not_sent(stage: Stage, ctx: Context) -> None:
    """The look is under way when the person presses 'send': what it finds must not be thrown away."""
    delivery = stage.plan(stage.link())
    stage.platform.ways.append(Way(lose=cut()))
    stage.platform.listings.extend(["cut"] * 5)
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.HELD

    def decide(where: str) -> None:
        if where == "reconcile_matched":
            now = stage.clock.now()
            with stage.db.write() as conn:
                transitions.move(
                    conn,
                    stage.get(delivery),
                    S.SCHEDULED,
                    reason="a user decided to publish it",
                    now=now,
                    next_at=now,
                    due_at=now,
                    unknown_at=None,
                    tries=0,
                )

    looking = stage.worker("looking", checkpoint=decide)
    stage.manual.advance(61)
    stage.act(looking, delivery)
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), copies(stage), len(stage.platform.sends)) == (S.VERIFIED, 1, 1)


def test_looking_for_what_was_scheduled_meanwhile_claims_nothing(stage: Stage, ctx: Context) -> None:
    """The engine read 'held', a person pressed 'send', and only then the look begins."""
    delivery = stage.plan(stage.link())
    reconcile(ctx, delivery)
    follow(ctx, delivery)
    assert stage.state(delivery) is S.SCHEDULED
    assert stage.get(delivery).lease_until is None
    stage.settle(ctx, delivery)
    assert (stage.state(delivery), stage.get(delivery).crashes) == (S.VERIFIED, 0)
