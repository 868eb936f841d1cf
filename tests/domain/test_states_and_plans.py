"""The tables beside the enums, retry times, the engagement plan and what people are told."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postprober.domain.alert import DRIFTED, RULES, alert_for
from postprober.domain.delivery import (
    ADOPTABLE,
    DUE_TO_FOLLOW,
    DUE_TO_PUBLISH,
    DUE_TO_RECONCILE,
    OCCUPIES_ACCOUNT,
    TRAITS,
    TRANSITIONS,
    DeliveryState,
    post_status,
)
from postprober.domain.engagement import POLL_AFTER, next_poll
from postprober.domain.post import PostStatus
from postprober.domain.retry import BASE, CAP, JITTER, LONGEST_WAIT, backoff, throttle_until

S = DeliveryState
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def test_every_state_has_its_transitions_and_traits() -> None:
    assert set(TRANSITIONS) == set(TRAITS) == set(S)
    assert all(traits.sentence.endswith(".") and traits.label for traits in TRAITS.values())


def test_every_state_is_reached_and_only_cancelled_is_a_dead_end() -> None:
    reached = {new for allowed in TRANSITIONS.values() for new in allowed}
    assert reached == set(S)
    assert {state for state, allowed in TRANSITIONS.items() if not allowed} == {S.CANCELLED}


def test_a_send_in_flight_never_goes_back_to_be_sent_without_a_look() -> None:
    assert S.SCHEDULED not in TRANSITIONS[S.SUBMITTING]
    assert not TRANSITIONS[S.UNCONFIRMED] & {S.CLAIMED, S.SUBMITTING}
    for state in (S.PUBLISHED, S.VERIFIED, S.GHOST):
        assert TRANSITIONS[state] <= {S.PUBLISHED, S.VERIFIED, S.GHOST}, "what is out is never sent again"


def test_only_a_claim_leads_to_sending_and_it_occupies_the_account() -> None:
    assert {state for state, allowed in TRANSITIONS.items() if S.SUBMITTING in allowed} == {S.CLAIMED}
    assert {S.CLAIMED, S.SUBMITTING, S.UNCONFIRMED} <= OCCUPIES_ACCOUNT


def test_what_is_due_is_due_for_one_thing_only() -> None:
    groups = (DUE_TO_PUBLISH, DUE_TO_RECONCILE, DUE_TO_FOLLOW)
    assert sum(len(group) for group in groups) == len(frozenset().union(*groups))
    assert not frozenset().union(*groups) & {S.FAILED, S.CANCELLED, S.SUBMITTING, S.CLAIMED}


def test_a_late_answer_can_be_adopted_from_every_state_that_says_so() -> None:
    for state in ADOPTABLE:
        assert S.PUBLISHED in TRANSITIONS[state]
        assert state is S.SCHEDULED or S.SCHEDULED in TRANSITIONS[state], "a part of a thread"


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([S.SCHEDULED, S.SCHEDULED], PostStatus.SCHEDULED),
        ([S.SCHEDULED, S.VERIFIED], PostStatus.POSTING),
        ([S.CLAIMED], PostStatus.SCHEDULED),
        ([S.SUBMITTING], PostStatus.POSTING),
        ([S.WAITING, S.FAILED], PostStatus.POSTING),
        ([S.UNCONFIRMED, S.VERIFIED], PostStatus.POSTING),
        ([S.VERIFIED, S.PUBLISHED], PostStatus.POSTED),
        ([S.VERIFIED, S.FAILED], PostStatus.PARTIAL),
        ([S.PUBLISHED, S.GHOST], PostStatus.PARTIAL),
        ([S.FAILED, S.HELD], PostStatus.FAILED),
        ([S.PARTIAL], PostStatus.PARTIAL),
        ([S.PARTIAL, S.FAILED], PostStatus.PARTIAL),
        ([S.PARTIAL, S.VERIFIED], PostStatus.PARTIAL),
        ([S.CANCELLED, S.CANCELLED], PostStatus.CANCELLED),
        ([S.CANCELLED, S.VERIFIED], PostStatus.POSTED),
    ],
)
def test_the_status_of_a_post_follows_from_its_deliveries(states: list[DeliveryState], status: PostStatus) -> None:
    assert post_status(states) is status
    assert post_status(states[::-1]) is status


@given(tries=st.integers(0, 10_000), seed=st.integers(0, 2**32))
def test_backing_off_stays_within_its_bounds(tries: int, seed: int) -> None:
    wait = backoff(tries, random.Random(seed))
    plain = min(CAP, BASE * 2 ** min(max(tries - 1, 0), 20))
    assert plain * (1 - JITTER) <= wait <= plain * (1 + JITTER)


@given(seconds=st.floats(-1e6, 1e6), tries=st.integers(0, 50), seed=st.integers(0, 2**32))
def test_a_reset_is_never_cut_short_and_never_beyond_a_day(seconds: float, tries: int, seed: int) -> None:
    reset = NOW + timedelta(seconds=seconds)
    until = throttle_until(reset, tries, NOW, random.Random(seed))
    assert until >= min(reset, NOW + LONGEST_WAIT) + timedelta(seconds=1)
    assert NOW < until <= NOW + LONGEST_WAIT + timedelta(seconds=5)
    assert throttle_until(None, tries, NOW, random.Random(seed)) >= NOW + timedelta(seconds=60)


def test_accounts_that_failed_together_do_not_come_back_together() -> None:
    assert len({backoff(3, random.Random(seed)) for seed in range(50)}) == 50


def test_the_engagement_plan_is_the_documented_one() -> None:
    minutes = [after.total_seconds() / 60 for after in POLL_AFTER]
    assert minutes[:8] == [1, 5, 15, 60, 180, 360, 720, 1440]
    assert minutes[8:] == [day * 1440 for day in range(2, 31)]


@given(st.floats(0, 40 * 86_400))
def test_the_next_poll_is_the_first_planned_moment_after_now(seconds: float) -> None:
    now = NOW + timedelta(seconds=seconds)
    found = next_poll(NOW, now)
    later = [NOW + after for after in POLL_AFTER if NOW + after > now]
    assert found == (min(later) if later else None)


def test_a_shorter_plan_has_the_same_steps() -> None:
    assert next_poll(NOW, NOW, 0.5) == NOW + timedelta(seconds=30)
    assert next_poll(NOW, NOW + timedelta(days=15), 0.5) is None


def test_people_hear_of_what_needs_them_and_of_nothing_else() -> None:
    for old in (*S, None):
        for new in S:
            rule = alert_for(old, new)
            if (old, new) == (S.VERIFIED, S.GHOST):
                assert rule is DRIFTED
            elif new in (S.FAILED, S.HELD, S.GHOST, S.PARTIAL):
                assert rule is RULES[new]
            else:
                assert rule is None
    assert all(TRAITS[state].needs_person for state in RULES)
