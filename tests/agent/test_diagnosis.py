"""What a diagnosis may rest on and lead to: redacted evidence, one fix of the closed set, the more cautious of two minds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from postprober.agent.advisor import Advisor
from postprober.agent.diagnose import CURES, SENTENCES, diagnose, explain, may
from postprober.agent.evidence import MOST_TRIES, REPLY_CHARS, Try, collect
from postprober.agent.model_answers import DiagnosisAnswer
from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import DeliveryState
from postprober.domain.diagnosis import AUTHORITY, CAUTION, MAX_REPAIRS, Authority, Cause, Fix
from postprober.domain.platform import Platform, known
from postprober.domain.post import MediaKind
from postprober.pipeline.repairs import diagnosis_job as repair
from postprober.platforms.registry import LIMITS
from postprober.services.core import Core
from postprober.services.monitoring import repairs as service
from postprober.services.posts import delivery_actions
from postprober.settings import Settings
from postprober.storage import alert_log
from tests.agent.agent_kit import Scripted, evidence
from tests.agent.sandbox_kit import Scene, scene
from tests.people import acting

S = DeliveryState
ASKS = (Fix.ASK_PERSON, Fix.ASK_RECONNECT)


def test_every_cause_and_fix_has_words_and_every_fix_an_authority() -> None:
    assert set(SENTENCES) == set(Cause) and set(CURES) == set(AUTHORITY) == set(Fix)
    for cause in Cause:
        for fix in Fix:
            words = explain(cause, fix, evidence())
            assert "{" not in words and words.endswith(".") and words[0].isupper()


def test_evidence_is_redacted_shortened_and_the_newest() -> None:
    tries = tuple(
        Try(
            i,
            Act.PUBLISH,
            Outcome.REJECTED,
            400,
            f'{{"access_token": "abcdefgh{i}", "x": "my-secret-token"}}' + "y" * 900,
            "",
        )
        for i in range(30)
    )
    shown = collect(replace(evidence(), tries=tries, reason="Bearer abcdefghijkl"), ["my-secret-token"])
    text = repr(shown)
    assert "my-secret-token" not in text and "abcdefgh1" not in text and "abcdefghijkl" not in text
    assert [t.id for t in shown.tries] == list(range(30 - MOST_TRIES, 30))
    assert all(len(t.reply) <= REPLY_CHARS for t in shown.tries)


@pytest.mark.parametrize("fix", sorted(set(Fix) - set(ASKS)))
@pytest.mark.parametrize(
    "state", [S.HELD, S.GHOST, S.PUBLISHED, S.VERIFIED, S.CANCELLED, S.SCHEDULED, S.CLAIMED, S.PROCESSING]
)
def test_nothing_is_repaired_but_what_has_failed(fix: Fix, state: DeliveryState) -> None:
    assert not may(fix, evidence(state=state, unknown=state is S.HELD, renewable=True, media=(MediaKind.IMAGE,)))


@pytest.mark.parametrize("fix", sorted(Fix))
def test_an_unknown_outcome_is_only_looked_at(fix: Fix) -> None:
    assert may(fix, evidence(state=S.UNCONFIRMED, unknown=True)) is (fix in (*ASKS, Fix.WAIT_UNTIL))
    assert may(fix, evidence(state=S.FAILED, unknown=True)) is (fix in ASKS)


@pytest.mark.parametrize("fix", [Fix.SHORTEN, Fix.SPLIT_THREAD, Fix.CUT_LINK])
def test_words_are_not_changed_after_a_try_that_ended_without_an_answer(fix: Fix) -> None:
    assert may(fix, evidence()) and not may(fix, evidence(doubted=True))
    assert may(Fix.WAIT_UNTIL, evidence(doubted=True))


def test_a_fix_that_did_not_help_is_not_taken_again_and_three_are_enough() -> None:
    assert not may(Fix.REUPLOAD, evidence(repaired=("reupload",)))
    assert may(Fix.WAIT_UNTIL, evidence(repaired=("wait_until",)))
    assert not may(Fix.WAIT_UNTIL, evidence(repaired=("wait_until",) * MAX_REPAIRS))
    told = diagnose(evidence(status=503, outcome=Outcome.UNAVAILABLE, repaired=("wait_until",) * MAX_REPAIRS))
    assert (told.cause, told.fix) == (Cause.PLATFORM_DOWN, Fix.ASK_PERSON)


@pytest.mark.parametrize(
    ("outcome", "message", "fix"),
    [
        (Outcome.REJECTED, "The image is damaged or cut off; choose another file.", Fix.ASK_PERSON),
        (Outcome.UNAVAILABLE, "The picture could not be prepared. Try again later.", Fix.WAIT_UNTIL),
        (Outcome.UNAVAILABLE, "Too many pictures are being prepared. Try again later.", Fix.WAIT_UNTIL),
        (Outcome.UNAVAILABLE, "A file of this post cannot be read.", Fix.WAIT_UNTIL),
    ],
)
def test_no_platform_is_blamed_for_a_file_that_could_not_be_prepared_here(
    outcome: Outcome, message: str, fix: Fix
) -> None:
    shown = evidence(
        status=None, act=Act.STAGE, outcome=outcome, message=message, media=(MediaKind.IMAGE,), files=("cat.png (PNG)",)
    )
    told = diagnose(shown)
    assert (told.cause, told.fix) == (Cause.MEDIA_UNUSABLE, fix)
    assert told.explanation.startswith("PostProber could not prepare cat.png (PNG) for X.")


@pytest.mark.parametrize(
    ("status", "outcome", "cause"),
    [(400, Outcome.REJECTED, Cause.REQUEST_INVALID), (None, Outcome.UNAVAILABLE, Cause.PLATFORM_DOWN)],
)
def test_a_platform_that_was_asked_is(status: int | None, outcome: Outcome, cause: Cause) -> None:
    """The control of the one above."""
    shown = evidence(status=status, act=Act.STAGE, outcome=outcome, media=(MediaKind.IMAGE,), files=("cat.png (PNG)",))
    assert diagnose(shown).cause is cause


def test_a_platform_without_threads_gets_none_and_a_video_is_not_written_anew() -> None:
    assert not may(Fix.SPLIT_THREAD, evidence(Platform("linkedin")))
    assert not may(Fix.REENCODE_MEDIA, evidence(media=(MediaKind.VIDEO,)))
    assert not may(Fix.REFRESH_TOKEN, evidence(renewable=False))


@pytest.mark.parametrize(
    "reply", ["", "not json", "[]", '{"errors": 5}', "[" * 5000, '{"error": {"code": "x"}}', "null"]
)
@pytest.mark.parametrize("platform", list(known()))
@pytest.mark.parametrize("status", [None, 200, 400, 403, 418, 500])
def test_rules_answer_whatever_the_platform_wrote(platform: Platform, reply: str, status: int | None) -> None:
    told = diagnose(evidence(platform, status, reply))
    assert told.explanation and 0 < told.confidence <= 1 and told.fix in Fix


def _merged(ours: Any, fix: Fix, **more: Any) -> Any:
    answer = DiagnosisAnswer(
        cause=more.get("cause", Cause.PLATFORM_DOWN),
        fix=fix,
        confidence=more.get("confidence", 1.0),
        explanation=more.get("explanation", "The text is too long for this place."),
    )
    return Advisor(Scripted(diagnosed=answer)).diagnose(ours)


@pytest.mark.parametrize("fix", sorted(Fix))
@pytest.mark.parametrize(
    "case",
    [
        {"status": 400, "reply": '{"detail": "too long"}'},
        {"status": 403, "reply": '{"detail": "not permitted to perform this"}'},
        {"status": 503, "reply": "", "outcome": Outcome.UNAVAILABLE},
    ],
)
def test_a_model_can_only_ask_for_more_authority_never_for_less(fix: Fix, case: dict[str, Any]) -> None:
    about = evidence(Platform("x"), **case)
    ours, told = diagnose(about), _merged(about, fix)
    assert CAUTION.index(told.authority) >= CAUTION.index(ours.authority)
    assert told.fix in (ours.fix, fix) and (told.fix is ours.fix or may(told.fix, about))


def test_agreement_is_said_and_disagreement_too() -> None:
    about = evidence(Platform("x"), 400, '{"detail": "too long"}')
    agreed = _merged(about, Fix.SPLIT_THREAD)
    assert agreed.by == "model test and rules" and agreed.explanation == diagnose(about).explanation
    doubted = _merged(about, Fix.ASK_PERSON)
    assert doubted.fix is Fix.ASK_PERSON and "disagree" in doubted.note


@pytest.mark.parametrize(
    "sentence",
    ["Open https://evil.example", "Ask @mallory", "Write to a@evil.example", "x" * 500, "", "Go to evil.example now"],
)
def test_a_model_s_sentence_that_leads_somewhere_is_not_shown(sentence: str) -> None:
    about = evidence(Platform("x"), 400, '{"detail": "too long"}')
    assert _merged(about, Fix.SPLIT_THREAD, explanation=sentence).explanation == diagnose(about).explanation


def test_authority_is_a_property_of_the_fix_alone() -> None:
    assert {fix for fix, authority in AUTHORITY.items() if authority is Authority.STANDING_PERMISSION} == {
        Fix.SHORTEN,
        Fix.SPLIT_THREAD,
        Fix.CUT_LINK,
    }


@pytest.fixture
def both(tmp_path: Path, database_url: str) -> Iterator[Scene]:
    with scene(tmp_path, database_url) as made:
        yield made


def test_a_repair_is_proposed_and_applied_on_both_databases(both: Scene) -> None:
    account = both.link(Platform("mastodon"))
    both.control.settings(max_characters=200)
    text = "The bridge of Oslo is open. " * 12 + "See https://www.iana.org/bridge"
    delivery_id = both.plan(account, Platform("mastodon"), text)
    assert both.run(delivery_id).state is S.FAILED
    (row,) = both.repairs(delivery_id)
    assert (row.state, row.fix, row.cited) == (
        "proposed",
        "split_thread",
        [a.id for a in both.evidence(delivery_id).tries],
    )
    settings = Settings(data_dir=both.ctx.data_dir, secret_key="s" * 40, _env_file=None)  # type: ignore[call-arg]
    core = Core(settings, both.ctx.db, both.ctx.vault, both.ctx.http, both.ctx.clock)
    view = service.apply(core, acting(core, 1), row.id)
    assert view.state == "applied" and view.before == (text,) and len(view.after) > 1
    delivery = both.run(delivery_id)
    assert delivery.state is S.VERIFIED
    assert len(both.visible(account, Platform("mastodon"))) == len(delivery.parts) == len(view.after)
    assert repair.tend(both.ctx) == 0


def test_trying_again_by_hand_ends_a_proposal(both: Scene) -> None:

    account = both.link(Platform("mastodon"))
    both.control.settings(max_characters=200)
    delivery_id = both.plan(account, Platform("mastodon"), "The bridge of Oslo is open. " * 12)
    both.run(delivery_id)
    settings = Settings(data_dir=both.ctx.data_dir, secret_key="s" * 40, _env_file=None)  # type: ignore[call-arg]
    core = Core(settings, both.ctx.db, both.ctx.vault, both.ctx.http, both.ctx.clock)
    delivery_actions.retry(core, acting(core, 1), both.get(delivery_id).post_id)
    assert [row.state for row in both.repairs(delivery_id)] == ["superseded"]
    both.control.settings(max_characters=500)
    assert both.run(delivery_id).state is S.VERIFIED
    assert LIMITS[Platform("mastodon")].threads


def _told(both: Scene, delivery_id: int) -> list[tuple[str, bool]]:
    """Kind of what was told about it, and whether that is still open."""
    with both.ctx.db.read() as conn:
        rows = alert_log.of_user(conn, 1)
    return [(r.kind, r.closed_at is None) for r in reversed(rows) if r.delivery_id == delivery_id]


@pytest.mark.parametrize("end", ["apply", "refuse", "retry", "cancel"])
def test_that_a_repair_waits_for_a_word_is_told_no_longer_than_it_does(both: Scene, end: str) -> None:
    account = both.link(Platform("mastodon"))
    both.control.settings(max_characters=200)
    delivery_id = both.plan(account, Platform("mastodon"), "The bridge of Oslo is open. " * 12)
    both.run(delivery_id)
    (row,) = both.repairs(delivery_id)
    assert row.state == "proposed" and _told(both, delivery_id) == [("failed", True), ("repair", True)]
    settings = Settings(data_dir=both.ctx.data_dir, secret_key="s" * 40, _env_file=None)  # type: ignore[call-arg]
    core = Core(settings, both.ctx.db, both.ctx.vault, both.ctx.http, both.ctx.clock)
    acts = {
        "apply": lambda: service.apply(core, acting(core, 1), row.id),
        "refuse": lambda: service.refuse(core, acting(core, 1), row.id),
        "retry": lambda: delivery_actions.retry_one(core, acting(core, 1), delivery_id),
        "cancel": lambda: delivery_actions.cancel_one(core, acting(core, 1), delivery_id),
    }
    acts[end]()
    # Who says no to a repair is still told that the post has failed.
    assert _told(both, delivery_id) == [("failed", end == "refuse"), ("repair", False)]


@pytest.mark.parametrize(
    ("platform", "status", "reply"),
    [
        (Platform("mastodon"), 422, '{"error": "Validation failed: Text has already been taken"}'),
        (Platform("mastodon"), 422, '{"error": "Duplicate status"}'),
        (Platform("bluesky"), 400, '{"error": "InvalidRequest", "message": "duplicate record"}'),
        (Platform("linkedin"), 422, '{"message": "Content is a duplicate of urn:li:share:1"}'),
        (Platform("x"), 403, '{"detail": "You are not allowed to create a Tweet with duplicate content."}'),
    ],
)
def test_a_duplicate_is_called_one_on_every_platform(platform: Platform, status: int, reply: str) -> None:
    told = diagnose(evidence(platform, status, reply))
    assert told.cause is Cause.DUPLICATE and "Please change the text" in told.explanation


@pytest.mark.parametrize("platform", [Platform("x"), Platform("bluesky"), Platform("linkedin")])
def test_a_sign_in_that_renewing_did_not_mend_is_asked_for_anew(platform: Platform) -> None:
    reply = {Platform("bluesky"): '{"error": "ExpiredToken"}', Platform("linkedin"): '{"code": "EXPIRED_ACCESS_TOKEN"}'}
    about = evidence(platform, 401, reply.get(platform, "{}"), outcome=Outcome.RECONNECT, renewable=True)
    assert diagnose(about).fix is Fix.REFRESH_TOKEN
    told = diagnose(replace(about, repaired=("refresh_token",)))
    assert told.fix is Fix.ASK_RECONNECT and "Reconnect the account" in told.explanation


def test_nothing_was_published_is_said_only_where_that_is_known() -> None:
    about = evidence(Platform("mastodon"), 503, "", outcome=Outcome.UNAVAILABLE)
    assert "Nothing was published." in diagnose(about).explanation
    for doubt in ({"doubted": True}, {"unknown": True}, {"partly_out": True}):
        assert "othing was published" not in diagnose(replace(about, **doubt)).explanation


def test_a_file_that_a_platform_refuses_is_named_and_so_is_its_new_form() -> None:
    about = evidence(
        Platform("mastodon"),
        422,
        '{"error": "Validation failed: File content type is invalid"}',
        media=(MediaKind.IMAGE,),
        files=("team.bmp (BMP)",),
    )
    told = diagnose(about)
    assert (
        told.explanation == "Mastodon could not process team.bmp (BMP). Converting team.bmp (BMP) to JPEG would fix it."
    )
