"""Every fault of the sandbox: what the rules say of it when the pipeline first meets it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from postprober.agent.diagnose import diagnose
from postprober.domain.delivery import DeliveryState
from postprober.domain.diagnosis import Authority, Cause, Fix
from postprober.domain.platform import Platform
from postprober.sandbox.engine.faults import KINDS
from postprober.storage import accounts
from postprober.storage.records import Delivery
from tests.agent.agent_kit import SHARES
from tests.agent.sandbox_kit import Scene, scene

S, P, C, F = DeliveryState, Platform, Cause, Fix
AUTO, PERSON = Authority.AUTOMATIC, Authority.PERSON


class Case(NamedTuple):
    """`trouble` False: the fault is overcome without any trouble that would need words."""

    platform: Platform
    cause: Cause | None
    fix: Fix | None
    authority: Authority | None
    options: dict[str, Any] = {}
    expired: bool = False
    also: str = ""


OPEN = (C.OUTCOME_UNKNOWN, F.WAIT_UNTIL, AUTO)
NONE = (None, None, None)
# By what the fault does (postprober/sandbox/engine/faults.py) and what postprober/platforms/NAME/facts.md, 6 says about it.
CASES: dict[str, Case] = {
    "error_before_accept": Case(P("mastodon"), *OPEN),
    "error_after_accept": Case(P("mastodon"), *OPEN),
    "html_error": Case(P("x"), *OPEN),
    "cut_after_accept": Case(P("bluesky"), *OPEN),
    "timeout_after_accept": Case(P("x"), *OPEN, {"params": {"seconds": 4}}),
    "malformed_2xx": Case(P("instagram"), *OPEN),
    "late_create": Case(P("mastodon"), *OPEN, {"params": {"seconds": 2}}),
    "rate_limited": Case(P("x"), C.RATE_LIMITED, F.WAIT_UNTIL, AUTO),
    "unauthorized": Case(P("x"), C.TOKEN_EXPIRED, F.REFRESH_TOKEN, AUTO),
    "revoked": Case(P("x"), C.ACCESS_REVOKED, F.ASK_RECONNECT, PERSON),
    "refresh_refused": Case(P("x"), C.ACCESS_REVOKED, F.ASK_RECONNECT, PERSON, expired=True),
    "refresh_cut": Case(P("x"), C.PLATFORM_DOWN, F.WAIT_UNTIL, AUTO, expired=True),
    "duplicate": Case(P("x"), C.DUPLICATE, F.ASK_PERSON, PERSON),
    "ghost": Case(P("mastodon"), C.INVISIBLE, F.ASK_PERSON, PERSON),
    "shadow": Case(P("mastodon"), C.ONLY_AUTHOR_SEES, F.ASK_PERSON, PERSON),
    "deleted_later": Case(P("mastodon"), C.REMOVED, F.ASK_PERSON, PERSON, {"params": {"seconds": 40}}),
    "hidden_later": Case(P("mastodon"), C.REMOVED, F.ASK_PERSON, PERSON, {"params": {"seconds": 40}}),
    "media_failed": Case(P("instagram"), C.MEDIA_FORMAT, F.REENCODE_MEDIA, AUTO),
    # The list of own posts is read when an answer was lost; what is said then is still "nobody knows yet".
    "timeline_down": Case(P("mastodon"), *OPEN, also="cut_after_accept"),
    "stale_timeline": Case(P("mastodon"), *OPEN, also="cut_after_accept"),
    "truncated_timeline": Case(P("mastodon"), *OPEN, also="cut_after_accept"),
    "slow": Case(P("mastodon"), *NONE, {"params": {"seconds": 0.2}}),
    "slow_media": Case(P("instagram"), *NONE, {"params": {"seconds": 2}}),
}


@pytest.fixture
def stage(tmp_path: Path, profiled: None) -> Iterator[Scene]:
    with scene(tmp_path) as made:
        yield made


def test_every_fault_of_the_platforms_has_an_expectation() -> None:
    elsewhere = {kind for kind in KINDS if kind.startswith("model_")}  # test_model_client.py
    elsewhere |= {"challenge", "sticky_share"}  # of Instagram's pages: platforms/test_instagram_browser.py
    elsewhere |= {"dropped_fields", "quote_state"}  # pipeline/test_options.py
    elsewhere |= {"card_dropped", "card_without_picture"}  # what they spoil is no trouble: pipeline/test_link_cards.py
    elsewhere |= {
        "captions_dropped",
        "mention_dropped",
    }  # no trouble either: pipeline/test_subtitles_sent.py, test_spelled_mentions.py
    assert set(CASES) == set(KINDS) - elsewhere


def trouble(delivery: Delivery) -> bool:
    waits = delivery.state is S.WAITING and delivery.reason != ""
    return waits or delivery.state in (S.UNCONFIRMED, S.FAILED, S.HELD, S.GHOST)


def meet(stage: Scene, kind: str, case: Case) -> str:
    """Plan a post, let the fault act, and compare; returns what is wrong."""
    account = stage.link(case.platform)
    if case.expired:
        with stage.ctx.db.write() as conn:
            accounts.write(conn, account, token_expires_at=stage.ctx.clock.now() - timedelta(minutes=1))
        stage.control.expire(case.platform.value, stage.names[account])
    for one, options in ((case.also, {}), (kind, case.options)):
        if one:
            stage.fault(account, case.platform, one, **options)
    delivery_id = stage.plan(account, case.platform, f"Fault {kind} {account}")
    over = None if case.cause is None else trouble
    delivery = stage.run(delivery_id, until=over)
    if kind in ("deleted_later", "hidden_later"):
        delivery = stage.run(delivery_id, until=lambda d: d.state is S.GHOST)
    stage.rest(delivery_id)
    if case.cause is None:
        return "" if delivery.state is S.VERIFIED else f"{kind}: ended {delivery.state.value}"
    told = diagnose(stage.evidence(delivery_id))
    if (told.cause, told.fix, told.authority) == (case.cause, case.fix, case.authority):
        return ""
    return f"{kind}: {told.cause}, {told.fix} in {delivery.state.value}; expected {case.cause}, {case.fix}"


def test_the_rules_alone_diagnose_at_least_95_percent_of_the_sandbox_faults(stage: Scene) -> None:
    wrong = [said for kind, case in CASES.items() if (said := meet(stage, kind, case))]
    share = 100 * (len(CASES) - len(wrong)) / len(CASES)
    SHARES.append(
        f"sandbox faults diagnosed right by rules alone: {len(CASES) - len(wrong)} of {len(CASES)} ({share:.1f} %)"
    )
    SHARES.extend(f"  wrong: {line}" for line in wrong)
    assert share >= 95, wrong
