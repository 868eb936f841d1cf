"""An account that the platform has closed is not called one that needs linking again."""

from __future__ import annotations

import pytest

from postprober.domain.account import Credentials
from postprober.domain.platform import Platform
from postprober.errors import ReconnectNeeded, Suspended
from tests.platforms.adapter_kit import Answer, Scripted


@pytest.mark.parametrize(
    ("platform", "status", "body"),
    [
        (Platform("x"), 403, {"detail": "Your account is suspended and is not permitted to access this feature."}),
        (Platform("mastodon"), 403, {"error": "Your login is currently disabled"}),
        (Platform("mastodon"), 403, {"error": "Your login is currently pending approval"}),
        (Platform("bluesky"), 400, {"error": "AccountTakedown", "message": "Account has been taken down"}),
        (Platform("bluesky"), 401, {"error": "AccountDeactivated", "message": "Account is deactivated"}),
    ],
)
def test_a_closed_account_is_to_be_settled_with_the_platform(
    scripted: Scripted, platform: Platform, status: int, body: dict[str, str]
) -> None:
    adapter, _ = scripted(platform, Answer(status, body))
    with pytest.raises(Suspended) as caught:
        adapter.identify(Credentials("t", remote_id="5", secret={"identifier": "a", "password": "b"}))
    assert "link" not in caught.value.message and "first." in caught.value.message


@pytest.mark.parametrize(
    ("platform", "status", "body"),
    [
        (Platform("x"), 401, {"detail": "Unauthorized"}),
        (Platform("mastodon"), 403, {"error": "This action is outside the authorized scopes"}),
        (Platform("bluesky"), 401, {"error": "InvalidToken", "message": "Token is invalid"}),
    ],
)
def test_a_token_that_is_refused_is_no_suspension(
    scripted: Scripted, platform: Platform, status: int, body: dict[str, str]
) -> None:
    """The control."""
    adapter, _ = scripted(platform, Answer(status, body))
    with pytest.raises(ReconnectNeeded) as caught:
        adapter.identify(Credentials("t", remote_id="5"))
    assert not isinstance(caught.value, Suspended)
