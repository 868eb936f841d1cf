"""What a person reads about a failure: the right cause, what to do, which file and into what, and no more than is known."""

from __future__ import annotations

import pytest

from postprober.agent.advisor import Advisor
from postprober.agent.diagnose import diagnose
from postprober.domain.attempt import Act, Outcome
from postprober.domain.delivery import DeliveryState
from postprober.domain.diagnosis import MAX_REPAIRS, Cause, Fix
from postprober.domain.platform import NAMES, Platform, known
from postprober.domain.post import MediaKind
from postprober.platforms.registry import LIMITS
from postprober.sandbox.serve import SandboxServer
from tests.agent.agent_kit import evidence, model

S = DeliveryState


@pytest.mark.parametrize("words", ["Text has already been taken", "Status is a duplicate", "same text posted already"])
@pytest.mark.parametrize("status", [422, 409])
def test_a_duplicate_on_mastodon_is_called_one(status: int, words: str) -> None:
    told = diagnose(evidence(Platform("mastodon"), status, f'{{"error": "Validation failed: {words}"}}'))
    assert told.cause is Cause.DUPLICATE and "same text before" in told.explanation
    assert "options" not in told.explanation and "change the text" in told.explanation


def test_another_refusal_there_still_lies_in_the_options() -> None:
    """The control of the test above."""
    told = diagnose(evidence(Platform("mastodon"), 422, '{"error": "Validation failed: Visibility is not included"}'))
    assert told.cause is Cause.REQUEST_INVALID and "options or settings" in told.explanation


@pytest.mark.parametrize("renewable", [True, False])
@pytest.mark.parametrize("repaired", [("refresh_token",), ("wait_until",) * MAX_REPAIRS, ("refresh_token",) * 3])
@pytest.mark.parametrize("state", [S.FAILED, S.WAITING])
def test_the_last_401_of_x_is_mended_by_reconnecting(state: S, repaired: tuple[str, ...], renewable: bool) -> None:
    reply = '{"title": "Unauthorized", "status": 401, "detail": "Unauthorized"}'
    told = diagnose(evidence(reply=reply, status=401, state=state, repaired=repaired, renewable=renewable))
    assert told.fix is Fix.ASK_RECONNECT and "Reconnect the account" in told.explanation
    assert "decide" not in told.explanation


def test_the_first_401_of_x_is_renewed_without_anybody() -> None:
    told = diagnose(evidence(status=401, reply="{}", renewable=True))
    assert told.fix is Fix.REFRESH_TOKEN


DOWN = '{"title": "Service Unavailable", "status": 503}'


@pytest.mark.parametrize("how", ["unknown", "doubted", "partly_out"])
@pytest.mark.parametrize("platform", known())
def test_nothing_was_published_is_not_said_beside_an_unknown_outcome(platform: Platform, how: str) -> None:
    sure = diagnose(evidence(platform, 503, DOWN, outcome=Outcome.UNAVAILABLE))
    told = diagnose(evidence(platform, 503, DOWN, outcome=Outcome.UNAVAILABLE, **{how: True}))
    assert "Nothing was published" not in told.explanation
    assert sure.cause is not Cause.PLATFORM_DOWN or "Nothing was published" in sure.explanation, "the control"


def test_an_unsupported_file_is_named_with_the_format_to_convert_it_to() -> None:
    told = diagnose(
        evidence(
            Platform("mastodon"),
            422,
            '{"error": "Validation failed: File content type is invalid"}',
            media=(MediaKind.VIDEO,),
            files=("clip.avi (X-MSVIDEO)",),
        )
    )
    assert told.cause is Cause.MEDIA_FORMAT and told.fix is Fix.ASK_PERSON
    assert "clip.avi (X-MSVIDEO)" in told.explanation and "convert" in told.explanation and "MP4" in told.explanation


def test_of_several_files_only_the_one_that_is_not_taken_is_named() -> None:
    told = diagnose(
        evidence(
            Platform("mastodon"),
            422,
            '{"error": "File content type is invalid"}',
            media=(MediaKind.IMAGE, MediaKind.VIDEO),
            files=("a.jpg (JPEG)", "clip.avi (X-MSVIDEO)"),
        )
    )
    assert "clip.avi" in told.explanation and "a.jpg" not in told.explanation


@pytest.mark.parametrize("platform", known())
@pytest.mark.parametrize("kind", list(MediaKind))
def test_what_could_not_be_prepared_here_says_which_file_and_into_what(platform: Platform, kind: MediaKind) -> None:
    about = evidence(
        platform,
        None,
        act=Act.STAGE,
        message="A file could not be prepared.",
        media=(kind,),
        files=("scan.tiff (TIFF)",),
    )
    told = diagnose(about)
    assert told.cause is Cause.MEDIA_UNUSABLE and "scan.tiff (TIFF)" in told.explanation
    limits = LIMITS[platform]
    rules = {MediaKind.VIDEO: limits.video, MediaKind.DOCUMENT: limits.document}
    mimes = (rules.get(kind) or limits.images).mimes
    assert any(mime.rpartition("/")[2].upper() in told.explanation for mime in mimes), told.explanation
    assert NAMES[platform] in told.explanation and "{" not in told.explanation


def test_a_video_that_is_too_large_says_how_large_it_may_be() -> None:
    told = diagnose(evidence(Platform("mastodon"), 413, "{}", media=(MediaKind.VIDEO,), files=("film.mp4 (MP4)",)))
    assert told.cause is Cause.MEDIA_TOO_LARGE
    assert "film.mp4 (MP4)" in told.explanation and "smaller than 103 MB" in told.explanation


def test_a_model_that_agrees_takes_no_word_of_the_rules_away(sandbox: SandboxServer) -> None:
    advisor = Advisor(model(sandbox.url))
    duplicate = evidence(Platform("mastodon"), 422, '{"error": "Text has already been taken (duplicate)"}')
    assert advisor.diagnose(duplicate).explanation == diagnose(duplicate).explanation
    unknown = evidence(Platform("mastodon"), 418, '{"error": "I am a teapot"}')
    ours, told = diagnose(unknown), advisor.diagnose(unknown)
    assert told.by == "model sandbox-model and rules", "they agree"
    assert told.explanation.startswith(ours.explanation)
