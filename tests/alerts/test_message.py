"""What an alert says in a chat: the same words, and nobody is called by them."""

from __future__ import annotations

from typing import Any

import pytest

from postprober.alerts import message


def _row(**told: Any) -> dict[str, Any]:
    plain = {
        "why": "new",
        "alert_kind": "failed",
        "alert_message": "m",
        "alert_post_id": None,
        "alert_subject": "",
        "delivery_url": None,
        "delivery_platform": "mastodon",
        "post_content": "",
    }
    return {**plain, **told}


CALLS = ("@everyone", "@here", "<@123>", "<!channel>", "<!here|here>", "<@&9>")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "told",
    [
        {"alert_message": "Mastodon (CALL): not published. No."},
        {"alert_message": "The channel “CALL” was switched off."},
        {"alert_message": "Mastodon (ada): not published. The server says CALL"},
        {"alert_kind": message.SUMMARY, "alert_message": "This week\nCALL: 3 posts"},
        {"alert_post_id": 7, "post_content": "CALL"},
    ],
)
def test_nothing_that_others_wrote_calls_anybody(call: str, told: dict[str, Any]) -> None:
    row = _row(**{key: value.replace("CALL", call) if isinstance(value, str) else value for key, value in told.items()})
    said = message.chat([row], "http://app")
    assert call in message.text([row], "http://app"), "the control: a mail says it as it is"
    assert call not in said
    assert call in said.replace("\u200b", ""), "it can still be read"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://m.example/@everyone/1", "https://m.example/%40everyone/1"),
        ("https://m.example/@Here/1", "https://m.example/%40Here/1"),
        ("https://m.example/@ada/1", "https://m.example/@ada/1"),
    ],
)
def test_the_address_of_an_account_with_such_a_name_calls_nobody_and_leads_there(url: str, shown: str) -> None:
    row = _row(alert_post_id=7, delivery_url=url)
    assert f"See it on Mastodon: {shown}\n" in message.chat([row], "http://app")
    assert url in message.text([row], "http://app")
