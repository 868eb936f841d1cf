"""The pipeline with tokens that are bound to a key: published, looked for after a cut, renewed, withdrawn; no secret is seen."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.platform import Platform
from postprober.pipeline.core.tokens import ensure_valid, open_credentials, secrets_of
from postprober.services.accounts import accounts as account_service
from postprober.services.accounts import linking
from postprober.storage import accounts, deliveries
from postprober.storage.records import Account
from tests.installed import Installation
from tests.people import acting
from tests.pipeline.test_on_the_sandbox import context, drive, everything_written, plan, visible

BLUESKY = Platform("bluesky")


@pytest.fixture
def linked(installation: Installation) -> Account:
    """An account of the owner, linked by consent."""
    made, core = installation.made("bluesky"), installation.core
    who = acting(core, installation.owner)
    url = linking.start(core, who, BLUESKY, made["id"])
    form = {
        "request_uri": dict(parse_qsl(urlsplit(url).query))["request_uri"],
        "account": made["name"],
        "decision": "allow",
    }
    with httpx2.Client(trust_env=False) as browser:
        where = urlsplit(browser.post(f"{installation.sandbox.url}/bluesky/_consent", data=form).headers["location"])
    return linking.finish(core, who, BLUESKY, dict(parse_qsl(where.query)), where.path.rpartition("/")[2])


def test_a_post_goes_out_and_is_proved(installation: Installation, linked: Account) -> None:
    ctx = context(installation)
    delivery = plan(installation, linked, "Bound to a key")
    drive(ctx, [delivery])
    with ctx.db.read() as conn:
        found = deliveries.get(conn, delivery)
    assert found.state is DeliveryState.VERIFIED and found.proof is Proof.MATCHES
    assert visible(installation, "bluesky", "Bound to a key") == 1


@pytest.mark.parametrize("kind", ["cut_after_accept", "error_after_accept", "late_create", "unauthorized"])
def test_after_a_fault_there_is_one_post(installation: Installation, linked: Account, kind: str) -> None:
    """A refused token is renewed with its key, and the post goes out with the new one."""
    ctx, control = context(installation), installation.sandbox.control
    params = {"seconds": 0.2} if kind == "late_create" else {}
    planned = control.fault("bluesky", kind, operation="create", params=params)
    delivery = plan(installation, linked, f"After {kind}")
    drive(ctx, [delivery])
    (told,) = [one for one in control.faults() if one["id"] == planned["id"]]
    assert told["used"] == 1, "the fault has happened"
    with ctx.db.read() as conn:
        assert deliveries.get(conn, delivery).state is DeliveryState.VERIFIED
    assert visible(installation, "bluesky", f"After {kind}") == 1


def test_tokens_that_end_are_renewed_with_their_key(installation: Installation, linked: Account) -> None:
    ctx = context(installation)
    with ctx.db.write() as conn:
        accounts.write(conn, linked.id, token_expires_at=ctx.clock.now() + timedelta(seconds=5))
        account = accounts.get(conn, linked.id)
    before = open_credentials(ctx.vault, account)
    account, fresh = ensure_valid(ctx, None, account)
    assert fresh.access_token != before.access_token and fresh.secret == before.secret
    delivery = plan(installation, account, "With renewed tokens")
    drive(ctx, [delivery])
    assert visible(installation, "bluesky", "With renewed tokens") == 1


def test_disconnecting_ends_the_tokens_at_the_platform(installation: Installation, linked: Account) -> None:
    core = installation.core
    cred = open_credentials(core.vault, linked)
    assert core.adapter(BLUESKY, cred).identify(cred).remote_id == linked.remote_id
    assert account_service.remove(core, acting(core, installation.owner), linked.id) is True
    assert installation.sandbox.control.log(platform="bluesky")[-1]["path"].endswith("/oauth/revoke")


def test_neither_key_nor_tokens_are_seen_outside_the_vault(installation: Installation, linked: Account) -> None:
    """Control: what is no secret is."""
    ctx = context(installation)
    drive(ctx, [plan(installation, linked, "No secret is seen")])
    ctx.db.checkpoint_wal()
    told = everything_written(installation.core)
    assert linked.remote_id.encode() in told
    secrets = [one for one in secrets_of(open_credentials(ctx.vault, linked)) if one]
    assert len(secrets) == 3, "both tokens and the key"
    for secret in secrets:
        assert secret.encode() not in told
