"""Verdicts about platforms: quick to stop what cannot work, slow to cry, and never moved by one account's token."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from postprober.domain.health import (
    HealthSample,
    HealthSign,
    HealthVerdict,
    Quota,
    ServerHealth,
    account_verdict,
    assess,
    delay_look,
    freshness,
    pace,
    sign_of,
)
from postprober.domain.platform import Platform
from postprober.errors import (
    OutcomeUnknown,
    PlatformError,
    PostRejected,
    ReconnectNeeded,
    Throttled,
    Unavailable,
    UnexpectedReply,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FRESH, SPAN, STEP = timedelta(minutes=45), timedelta(minutes=1), timedelta(minutes=1)
W, A, T, R, X, L = (
    HealthSign.WELL,
    HealthSign.AWAY,
    HealthSign.THROTTLED,
    HealthSign.REFUSED,
    HealthSign.STRANGE,
    HealthSign.SLOW,
)


def played(*signs: HealthSign, step: timedelta = STEP, accounts: int = 1) -> list[ServerHealth]:
    """The standings after each sign, one every `step`."""
    seen: list[HealthSample] = []
    found: list[ServerHealth] = []
    for number, sign in enumerate(signs):
        at = NOW + number * step
        seen.append(HealthSample(at, number % accounts, sign))
        found.append(assess(seen, found[-1] if found else None, at, fresh=FRESH, span=SPAN))
    return found


def verdict(*signs: HealthSign, **kw: timedelta) -> HealthVerdict:
    return played(*signs, **kw)[-1].verdict  # type: ignore[arg-type]


def test_nothing_is_said_before_there_are_two_signs() -> None:
    assert [one.verdict for one in played(W, W)] == [HealthVerdict.UNKNOWN, HealthVerdict.WELL]
    assert assess([], None, NOW, fresh=FRESH, span=SPAN).verdict is HealthVerdict.UNKNOWN


def test_five_wrong_looks_in_a_row_are_failing_and_four_are_not() -> None:
    assert verdict(W, W, A, A, A, A) is HealthVerdict.DEGRADED
    last = played(W, W, A, A, A, A, A)[-1]
    assert (last.verdict, last.blocking) == (HealthVerdict.FAILING, True)


def test_many_posts_that_meet_the_same_broken_second_are_one_accident() -> None:
    assert verdict(W, W, *[A] * 12, step=timedelta(seconds=1)) is HealthVerdict.DEGRADED
    assert verdict(W, W, *[A] * 61, step=timedelta(seconds=1)) is HealthVerdict.FAILING


def test_the_first_good_look_lets_posts_go_and_the_second_takes_failing_back() -> None:
    first, second = played(*[A] * 6, W, W)[-2:]
    assert (first.verdict, first.blocking) == (HealthVerdict.FAILING, False)
    assert (second.verdict, second.blocking) == (HealthVerdict.DEGRADED, False)


def test_a_wrong_look_after_the_first_good_one_stops_posts_again() -> None:
    last = played(*[A] * 6, W, A)[-1]
    assert (last.verdict, last.blocking) == (HealthVerdict.FAILING, True)


def test_it_is_well_again_when_the_wrong_looks_have_left_the_window_and_says_since_when() -> None:
    found = played(*[A] * 6, *[W] * 16)
    assert found[-1].verdict is HealthVerdict.DEGRADED, "wrong looks are still in the window"
    found = played(*[A] * 6, *[W] * 20)
    assert found[-1].verdict is HealthVerdict.WELL
    turned = next(one for one in found if one.verdict is HealthVerdict.WELL)
    assert found[-1].since == turned.since


@pytest.mark.parametrize("sign", [T, R])
def test_one_accounts_quota_or_token_neither_helps_nor_harms_the_platform(sign: HealthSign) -> None:
    assert verdict(W, W, *[sign] * 30) is HealthVerdict.WELL
    assert played(*[A] * 6, *[sign] * 5)[-1].blocking, "an account's refusal is no sign that it works again"


def test_a_platform_that_refuses_every_account_is_degraded_and_blocks_nothing() -> None:
    assert verdict(R, R) is HealthVerdict.UNKNOWN
    last = played(R, R, R, R, accounts=4)[-1]
    assert (last.verdict, last.blocking) == (HealthVerdict.DEGRADED, False)
    assert "registration" in last.reason


def test_answers_that_we_cannot_read_degrade_but_never_block() -> None:
    last = played(W, W, *[X] * 25)[-1]
    assert (last.verdict, last.blocking) == (HealthVerdict.DEGRADED, False)


def test_slow_answers_degrade() -> None:
    assert verdict(W, L, L, L) is HealthVerdict.DEGRADED


def test_what_is_old_does_not_count() -> None:
    seen = [HealthSample(NOW, 1, A)] * 9
    before = ServerHealth(HealthVerdict.FAILING, True, NOW, "")
    late = assess(seen, before, NOW + timedelta(hours=1), fresh=FRESH, span=SPAN)
    assert (late.verdict, late.blocking) == (HealthVerdict.UNKNOWN, False)


def test_an_hour_of_outage_is_told_once_and_stops_posts_within_five_looks() -> None:
    found = played(*[W] * 20, *[A] * 60, *[W] * 60)
    turns = [one.verdict for one, before in zip(found[1:], found, strict=False) if one.verdict is not before.verdict]
    assert turns == [
        HealthVerdict.WELL,
        HealthVerdict.DEGRADED,
        HealthVerdict.FAILING,
        HealthVerdict.DEGRADED,
        HealthVerdict.WELL,
    ]
    blocked = [number for number, one in enumerate(found) if one.blocking]
    assert (blocked[0], blocked[-1]) == (24, 79)


def test_a_platform_that_fails_one_look_in_five_is_almost_never_called_failing() -> None:
    """A month of looks, one a minute: by chance five in a row fail about once in 3,000 (0.2 to the fifth)."""
    rng = random.Random(4)
    seen: list[HealthSample] = []
    now: ServerHealth | None = None
    failing = blocked = degraded = 0
    for number in range(10_000):
        at = NOW + number * STEP
        seen = [*seen[-25:], HealthSample(at, number % 3, A if rng.random() < 0.2 else W)]
        after = assess(seen, now, at, fresh=FRESH, span=SPAN)
        failing += after.verdict is HealthVerdict.FAILING and (now is None or now.verdict is not HealthVerdict.FAILING)
        blocked += after.blocking
        degraded += after.verdict is HealthVerdict.DEGRADED
        now = after
    assert failing <= 6 and blocked <= 30
    assert degraded > 7000, "it is called what it is"


def test_the_same_measure_does_call_an_outage_of_nine_in_ten_failing() -> None:
    rng = random.Random(4)
    signs = [A if rng.random() < 0.9 else W for _ in range(200)]
    assert sum(one.verdict is HealthVerdict.FAILING for one in played(*signs)) > 120


@pytest.mark.parametrize(
    ("error", "sign"),
    [
        (None, W),
        (Throttled("x"), T),
        (ReconnectNeeded("x"), R),
        (Unavailable("x"), A),
        (Unavailable("x", http_status=503), A),
        (Unavailable("x", http_status=400), None),
        (OutcomeUnknown("x"), A),
        (UnexpectedReply("x"), X),
        (PostRejected("x"), None),
    ],
)
def test_every_answer_says_what_it_says_about_the_platform(
    error: PlatformError | None, sign: HealthSign | None
) -> None:
    assert sign_of(error, timedelta(milliseconds=80)) is sign


def test_a_good_answer_that_took_long_is_slow() -> None:
    assert sign_of(None, timedelta(seconds=6)) is L


def test_an_accounts_access_is_judged_by_its_own_signs() -> None:
    assert account_verdict([]) is HealthVerdict.UNKNOWN
    assert account_verdict([A, T, W]) is HealthVerdict.WELL
    assert account_verdict([R, W]) is HealthVerdict.DEGRADED
    assert account_verdict([A, R, T, R]) is HealthVerdict.FAILING


def test_a_canary_leaves_the_last_calls_to_posts() -> None:
    later = NOW + timedelta(minutes=5)
    assert Quota(300, 30, later).spent(NOW) and not Quota(300, 31, later).spent(NOW)
    assert Quota(10, 3, later).spent(NOW) and not Quota(10, 4, later).spent(NOW)
    assert not Quota(300, 0, NOW).spent(later), "the limit has begun anew"


def test_platforms_that_bill_or_count_reads_are_looked_at_more_rarely() -> None:
    every = timedelta(minutes=15)
    assert pace(Platform("x"), every) == timedelta(hours=1) and pace(Platform("mastodon"), every) == every
    assert freshness(Platform("x"), every) == timedelta(hours=3)


def test_a_waiting_post_is_looked_at_after_two_minutes_at_first_and_fifteen_at_last() -> None:
    short, long = timedelta(minutes=2), timedelta(minutes=15)
    waits = [delay_look(timedelta(minutes=m), short, long) / timedelta(minutes=1) for m in (0, 8, 20, 60, 600)]
    assert waits == [2, 2, 5, 15, 15]
