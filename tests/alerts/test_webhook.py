"""What a receiver of a webhook checks with the library of the Standard Webhooks specification, and how it was signed so far."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from postprober.alerts import webhook

SECRET = webhook.new_secret()
Sent = tuple[bytes, dict[str, str]]


def sent(data: dict[str, object] | None = None, at: int | None = None) -> Sent:
    stamp = int(time.time()) if at is None else at
    return webhook.request(SECRET, "delivery:1:failed:7:3", stamp, "alert.failed", data or {"message": "Grüße 🐘"})


def test_a_receiver_with_the_library_takes_it() -> None:
    body, headers = sent()
    assert Webhook(SECRET).verify(body, headers) == {"type": "alert.failed", "data": {"message": "Grüße 🐘"}}
    assert {name.lower() for name in headers} >= {"webhook-id", "webhook-timestamp", "webhook-signature"}


CHANGED: dict[str, Callable[[bytes, dict[str, str]], Sent]] = {
    "the body": lambda body, headers: (body.replace(b"failed", b"passed"), headers),
    "the time": lambda body, headers: (body, headers | {"Webhook-Timestamp": str(int(time.time()) - 7)}),
    "the id": lambda body, headers: (body, headers | {"Webhook-Id": "delivery:2:failed:7:3"}),
    "the signature": lambda body, headers: (body, headers | {"Webhook-Signature": "v1," + "A" * 43 + "="}),
    "no signature": lambda body, headers: (body, {n: v for n, v in headers.items() if n != "Webhook-Signature"}),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_receiver_with_the_library_refuses_what_was_changed(what: str) -> None:
    body, headers = CHANGED[what](*sent())
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, headers)


def test_a_receiver_refuses_another_secret_and_what_is_old() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(webhook.new_secret()).verify(*sent())
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(SECRET).verify(*sent(at=int(time.time()) - 600))


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 4_000_000_000))
def test_receivers_that_check_by_hand_find_the_signature_of_always(message: str, stamp: int) -> None:
    """The base64 of HMAC-SHA-256 over id, time and body, as every version of PostProber has sent it."""
    body, headers = sent({"message": message}, stamp)
    assert json.loads(body)["data"] == {"message": message} and headers["Webhook-Timestamp"] == str(stamp)
    signed = b".".join((headers["Webhook-Id"].encode(), str(stamp).encode(), body))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    told = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["Webhook-Signature"] == f"v1,{told}"
