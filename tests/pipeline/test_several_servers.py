"""A post that goes to several servers: published once enough have it, given to the others later, never doubled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.health import HealthSign
from postprober.errors import ReconnectNeeded, Unavailable
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery
from postprober.pipeline.core.tokens import open_credentials
from postprober.pipeline.health.platform_health import sign_about
from postprober.pipeline.verification import completing
from postprober.storage import accounts, deliveries, step_log
from postprober.storage.records import Delivery
from tests.installed import Installation
from tests.pipeline.test_on_the_sandbox import context, drive, plan, visible

S = DeliveryState
PLATFORM = "nostr"


@pytest.fixture
def servers(installation: Installation) -> Iterator[Installation]:
    """Of its two servers the second is down."""
    installation.sandbox.control.settings(nostr_down="second")
    yield installation
    installation.sandbox.control.settings(nostr_down="")


def get(inst: Installation, delivery_id: int) -> Delivery:
    with inst.core.db.read() as conn:
        return deliveries.get(conn, delivery_id)


def messages(inst: Installation, delivery_id: int) -> list[str]:
    with inst.core.db.read() as conn:
        rows = step_log.of_post(conn, deliveries.get(conn, delivery_id).post_id)
    return [str(row.details.get("message") or row.details.get("public_reason", "")) for row in rows]


def on(inst: Installation, text: str) -> list[str]:
    """On which of its servers the post is."""
    (post,) = [one for one in inst.sandbox.control.posts(PLATFORM) if one["text"] == text]
    return list(post["extra"]["relays"])


def test_it_is_proved_on_the_half_that_has_it_and_given_to_the_rest_later(servers: Installation) -> None:
    ctx, text = context(servers), "For both servers"
    delivery = plan(servers, servers.link(PLATFORM), text)
    drive(ctx, [delivery])
    assert (get(servers, delivery).state, get(servers, delivery).proof) == (S.VERIFIED, Proof.MATCHES)
    assert on(servers, text) == ["one"]
    assert any("1 of 2 relays show the post" in one and "did not answer" in one for one in messages(servers, delivery))
    servers.sandbox.control.settings(nostr_down="")
    _look(servers, delivery)
    assert on(servers, text) == ["one", "second"]
    assert any("given to" in one for one in messages(servers, delivery))
    assert visible(servers, PLATFORM, text) == 1


@pytest.mark.parametrize("end", ["deleted", "too late"])
def test_what_was_deleted_or_is_too_old_is_given_to_nobody(servers: Installation, end: str) -> None:
    ctx, text = context(servers), f"Not for both: {end}"
    delivery = plan(servers, servers.link(PLATFORM), text)
    drive(ctx, [delivery])
    servers.sandbox.control.settings(nostr_down="")
    if end == "deleted":
        servers.sandbox.control.delete_post(PLATFORM, get(servers, delivery).remote_id or "")
    else:
        with servers.core.db.write() as conn:
            found = get(servers, delivery)
            assert found.published_at is not None
            long_ago = found.published_at - 2 * ctx.adapter_for(found.platform, ctx.http).traits.completes  # type: ignore[operator]
            conn.execute(deliveries.deliveries.update().values(published_at=long_ago))
    _look(servers, delivery)
    assert on(servers, text) == ["one"]


def test_an_account_whose_servers_are_away_holds_up_no_other(installation: Installation) -> None:
    own, other = installation.link(PLATFORM), installation.link("mastodon")
    away, took = Unavailable("The relay could not be reached."), timedelta(seconds=1)
    assert sign_about(own, away, took) is None
    assert sign_about(own, None, took) is HealthSign.WELL
    assert sign_about(own, ReconnectNeeded("no"), took) is HealthSign.REFUSED
    assert sign_about(other, away, took) is HealthSign.AWAY, "the control: one server is everybody's"


def _look(inst: Installation, delivery_id: int) -> None:
    """What every look at a delivery that is out begins with."""
    ctx = context(inst)
    with inst.core.db.read() as conn:
        delivery = deliveries.get(conn, delivery_id)
        account = accounts.get(conn, delivery.account_id)
    completing.complete(ClaimedDelivery(ctx, delivery, account, open_credentials(ctx.vault, account)))
