"""A remote post belongs to one delivery of the whole installation, and nobody takes one by its words while another
delivery with the same words may have made it (docs/decisions/0021-whose-post-and-whose-time.md)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from postprober.domain.delivery import DeliveryState, StateCause
from postprober.domain.platform import ReconcileMode
from postprober.pipeline.core import transitions
from postprober.pipeline.core.context import Context
from postprober.pipeline.core.tokens import open_credentials, seal
from postprober.pipeline.publishing.adopt_by_link import adopt_pointed
from postprober.pipeline.publishing.publish import publish
from postprober.pipeline.publishing.reconcile import reconcile
from postprober.storage import accounts, deliveries
from postprober.storage import remote_posts as storage
from postprober.storage.records import Account
from postprober.storage.tables import remote_posts
from tests.pipeline.fake import BASE, TRAITS, Way, cut
from tests.pipeline.stage import Stage

S = DeliveryState
TEXT = "Hello world"


def copies(stage: Stage) -> int:
    return stage.platform.texts().count(TEXT)


def lost_and_held(stage: Stage, ctx: Context, account: Account) -> int:
    """A delivery that never arrived, and whose account could not be read to its end."""
    delivery = stage.plan(account)
    stage.platform.ways.append(Way(refuse=cut()))
    stage.platform.listings.extend(["cut"] * 5)
    stage.settle(ctx, delivery)
    assert stage.state(delivery) is S.HELD
    return delivery


def test_what_a_look_found_by_its_words_is_not_taken_beside_one_in_doubt_because_a_person_decided_meanwhile(
    stage: Stage, ctx: Context
) -> None:
    """The control, without another one in doubt: tests/pipeline/test_unknown, a post found while a person decides."""
    account = stage.link()
    first = lost_and_held(stage, ctx, account)
    second = stage.plan(account)
    stage.platform.ways.append(Way(lose=cut()))
    publish(ctx, second)
    assert (stage.state(second), copies(stage)) == (S.UNCONFIRMED, 1)
    decided = []

    def decide(where: str) -> None:
        if where == "reconcile_matched":
            now = stage.clock.now()
            with stage.db.write() as conn:
                transitions.move(
                    conn,
                    stage.get(first),
                    S.SCHEDULED,
                    reason="a user decided to publish it",
                    now=now,
                    next_at=now + timedelta(days=1),
                    due_at=now,
                    unknown_at=None,
                    tries=0,
                )
            decided.append(where)

    looking = stage.worker("looking", checkpoint=decide)
    stage.manual.advance(3600)
    reconcile(looking, first)
    assert decided == ["reconcile_matched"]
    assert stage.get(first).parts[0].ref is None and stage.state(first) is S.SCHEDULED


@pytest.mark.parametrize("mode", list(ReconcileMode))
def test_a_held_delivery_does_not_take_the_post_of_one_with_the_same_words(
    stage: Stage, ctx: Context, mode: ReconcileMode
) -> None:
    """The second arrives and its answer is lost; the first one's look falls due before the second's."""
    account = stage.link()
    first = lost_and_held(stage, ctx, account)
    stage.platform.traits = replace(TRAITS, mode=mode)
    second = stage.plan(account)
    stage.platform.ways.append(Way(lose=cut()))
    publish(ctx, second)
    assert stage.state(second) is S.UNCONFIRMED
    stage.manual.advance(61)
    reconcile(ctx, first)
    stage.settle(ctx, second)
    for _ in range(6):
        stage.manual.advance(3600)
        stage.ring(ctx)
    assert copies(stage) == 1
    ids = [stage.get(one).remote_id for one in (first, second)]
    assert len([one for one in ids if one]) <= 1
    assert {stage.state(first), stage.state(second)} == {S.HELD}, "which of the two it is, a person decides"
    assert stage.get(second).cause is StateCause.TIE


def test_once_a_person_settled_the_one_the_other_takes_the_post(stage: Stage, ctx: Context) -> None:
    """The control: the look goes on, and finds when nothing stands in its way."""
    account = stage.link()
    first = lost_and_held(stage, ctx, account)
    second = stage.plan(account)
    stage.platform.ways.append(Way(lose=cut()))
    stage.settle(ctx, second)
    with stage.db.write() as conn:
        transitions.move(
            conn,
            stage.get(first),
            S.CANCELLED,
            reason="a person says so",
            now=stage.clock.now(),
            unknown_at=None,
            next_at=None,
        )
    stage.settle(ctx, second, until=lambda d: d.state is S.VERIFIED)
    assert (copies(stage), stage.get(first).remote_id) == (1, None)


def test_one_remote_account_linked_in_two_spaces_never_gives_one_post_to_two(stage: Stage, ctx: Context) -> None:
    """The first one's request is answered by a 5xx and never lands; the other space posts the same words."""
    here, there = stage.link("owner"), stage.link("owner", newest_known_post=False)
    stage.set_account(there.id, instance="https://FAKE.example.:443/")
    assert here.user_id != there.user_id
    first, second = stage.plan(here), stage.plan(stage.account(there.id))
    stage.platform.ways.append(Way(refuse=cut()))
    publish(ctx, first)
    publish(ctx, second)
    stage.settle(ctx, first, second)
    ids = [stage.get(one).remote_id for one in (first, second)]
    assert copies(stage) == 2
    assert len(set(ids)) == 2, "each has its own post"


def test_a_tie_across_spaces_goes_to_a_person(stage: Stage, ctx: Context) -> None:
    here, there = stage.link("owner"), stage.link("owner", newest_known_post=False)
    first, second = stage.plan(here), stage.plan(there)
    stage.platform.ways.extend([Way(refuse=cut()), Way(lose=cut())])
    publish(ctx, first)
    publish(ctx, second)
    stage.settle(ctx, first, second)
    assert copies(stage) == 1
    assert {stage.state(first), stage.state(second)} == {S.HELD}


def test_other_words_on_the_same_account_stand_in_nobodys_way(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    first = lost_and_held(stage, ctx, account)
    second = stage.plan(account, "Something else")
    stage.platform.ways.append(Way(lose=cut()))
    stage.settle(ctx, second)
    assert stage.state(second) is S.VERIFIED
    assert stage.state(first) is S.HELD


def test_a_handle_is_no_guess_so_the_same_words_stand_in_nobodys_way(stage: Stage, ctx: Context) -> None:
    stage.platform.uses_handles = True
    here, there = stage.link("owner"), stage.link("owner", newest_known_post=False)
    first, second = stage.plan(here), stage.plan(there)
    stage.platform.ways.extend([Way(lose=cut()), Way(lose=cut())])
    publish(ctx, first)
    publish(ctx, second)
    stage.settle(ctx, first, second)
    assert {stage.state(first), stage.state(second)} == {S.VERIFIED}
    assert copies(stage) == 2


def test_an_answer_that_names_another_deliverys_post_is_held_for_a_person(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    first = stage.plan(account)
    stage.settle(ctx, first)
    second = stage.plan(account)
    stage.platform.uses_handles = True
    stage.platform.posts[-1].handle = f"{stage.get(second).key}-0"  # the platform takes it for a repeat of the first
    stage.settle(ctx, second)
    assert (stage.state(second), stage.get(second).cause) == (S.HELD, StateCause.TAKEN)
    assert stage.get(second).remote_id is None
    assert len(stage.rows(remote_posts)) == 1


def test_the_database_itself_refuses_a_second_owner(stage: Stage, ctx: Context) -> None:
    account = stage.link()
    first = stage.plan(account)
    stage.settle(ctx, first)
    second = stage.plan(account, "other")
    (row,) = stage.rows(remote_posts)
    assert (row["delivery_id"], row["remote_id"]) == (first, stage.get(first).remote_id)
    twin = {key: value for key, value in row.items() if key != "id"} | {"delivery_id": second}
    with pytest.raises(IntegrityError), stage.db.write() as conn:
        conn.execute(remote_posts.insert().values(twin))


def test_a_second_post_of_one_delivery_is_kept_from_all_others(stage: Stage, ctx: Context) -> None:
    """Its first answer comes after it was sent anew: both posts are its own, and no other may adopt one."""
    account = stage.link()
    first = stage.plan(account)

    def stolen() -> None:
        stage.manual.advance(ctx.timing.lease.total_seconds() + 1)
        other = stage.worker("w2")
        stage.settle(other, first, until=lambda d: d.state is S.VERIFIED)

    stage.platform.ways.append(Way(after=stolen, late=timedelta(hours=3).total_seconds()))
    publish(ctx, first)
    assert {row["delivery_id"] for row in stage.rows(remote_posts)} == {first}
    assert len(stage.rows(remote_posts)) == 2


def test_a_restored_database_finds_by_the_handle_that_lay_in_the_row(stage: Stage, ctx: Context) -> None:
    """It was planned with its handle before the backup, and sent after it: the row says 'scheduled'."""
    stage.platform.uses_handles = True
    account = stage.link()
    delivery = stage.plan(account)
    found = stage.get(delivery)
    with stage.db.write() as conn:
        parts = tuple(replace(part, handle="chosen-when-planned") for part in found.parts)
        deliveries.touch(conn, found, stage.clock.now(), parts=parts, unknown_at=stage.clock.now())
    out = stage.platform.make("owner", "Words that were changed since", stage.clock.now(), handle="chosen-when-planned")
    stage.settle(ctx, delivery, until=lambda d: d.remote_id is not None)
    assert (stage.get(delivery).remote_id, stage.platform.sends) == (out.id, [])


def test_one_post_that_was_planned_for_two_rows_of_one_account_goes_out_once(stage: Stage, ctx: Context) -> None:
    """Two rows from before servers were asked who they are."""
    first = stage.link("owner")
    with stage.db.write() as conn:
        second_id = accounts.add(
            conn,
            space=first.user_id,
            platform=first.platform.value,
            account_name="again",
            now=stage.clock.now(),
            instance=first.instance,
            remote_id=first.remote_id,
            same_as=first.id,
        )
        cred = open_credentials(stage.vault, first)
        accounts.write(conn, second_id, **seal(stage.vault, second_id, cred))
        second = accounts.get(conn, second_id)
    one = stage.plan(second)
    two = stage.plan(first, post_id=stage.get(one).post_id)
    other = stage.plan(second, "Another post")
    stage.settle(ctx, one)
    stage.settle(ctx, two)
    stage.settle(ctx, other)
    assert [stage.state(d) for d in (one, two, other)] == [S.CANCELLED, S.VERIFIED, S.VERIFIED]
    assert stage.platform.texts().count("Hello world") == 1


@pytest.mark.parametrize("pointed", [False, True], ids=["control", "pointed"])
def test_a_post_that_a_person_pointed_at_does_not_make_its_program_ours(
    stage: Stage, ctx: Context, pointed: bool
) -> None:
    """Two posts made by hand, with another program: a person says that one of them is the first delivery's. The second
    delivery, whose answer is lost, must not take the other one because of that."""
    stage.platform.app = "PostProber"
    account = stage.link()
    stage.settle(ctx, ours := stage.plan(account, "Answered"))
    first = stage.plan(account, "Said by hand")
    stage.platform.ways.append(Way(refuse=cut()))
    stage.platform.listings.extend(["cut"] * 5)
    stage.settle(ctx, first)
    by_hand = stage.platform.make("owner", "Said by hand", stage.clock.now(), app="Web")
    if pointed:
        url = f"{BASE}/@owner/{by_hand.id}"
        assert adopt_pointed(ctx, stage.get(first), url, "request", "Ada").state is S.PUBLISHED
    second = stage.plan(account, TEXT)
    stage.platform.ways.append(Way(refuse=cut()))
    publish(ctx, second)
    stage.platform.make("owner", TEXT, stage.clock.now(), app="Web")
    stage.settle(ctx, second)
    assert (stage.get(second).parts[0].ref, stage.state(second)) == (None, S.HELD)
    with stage.db.read() as conn:
        assert storage.sent_by_us(conn, account.remote) == {stage.get(ours).remote_id}
