"""Accepted, not public, through the whole pipeline on an emulated site: kept back by a person, by the site, and by a curtain."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.withheld import Withheld, told
from postprober.pipeline.core.tokens import open_credentials
from postprober.services.monitoring import monitoring
from postprober.storage import deliveries
from postprober.storage.records import Account, Delivery
from tests.installed import Installation
from tests.people import acting
from tests.pipeline.test_on_the_sandbox import context, drive, plan

S = DeliveryState


def read(inst: Installation, delivery_id: int) -> Delivery:
    with inst.core.db.read() as conn:
        return deliveries.get(conn, delivery_id)


def until(inst: Installation, delivery_id: int, state: DeliveryState, proof: Proof) -> Delivery:
    """Looked at again and again, as if its next look were due now."""

    def over() -> bool:
        found = read(inst, delivery_id)
        if (found.state, found.proof) == (state, proof):
            return True
        if found.next_at is not None and found.state in (S.PUBLISHED, S.VERIFIED):
            now = inst.core.clock.now()
            with inst.core.db.write() as conn:
                deliveries.touch(conn, found, now, next_at=now)
        return False

    drive(context(inst), [delivery_id], over)
    return read(inst, delivery_id)


def as_its_editor(inst: Installation, account: Account, delivery: Delivery, **fields: Any) -> None:
    cred = open_credentials(inst.core.vault, account)
    address = f"{cred.secret['api_root']}wp/v2/posts/{delivery.remote_id}"
    reply = httpx2.post(address, json=fields, headers={"Authorization": f"Basic {cred.access_token}"})
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("fields", "back", "cause"),
    [
        ({"status": "private"}, {"status": "publish"}, Withheld.PRIVATE),
        ({"status": "pending"}, {"status": "publish"}, Withheld.REVIEW),
        ({"password": "open"}, {"password": ""}, Withheld.PASSWORD),
    ],
)
def test_what_is_kept_back_after_its_proof_is_told_and_verified_again_once_it_is_public(
    installation: Installation, fields: dict[str, str], back: dict[str, str], cause: Withheld
) -> None:
    account = installation.link("wordpress")
    delivery_id = plan(installation, account, f"Kept back {account.account_name} {cause}")
    drive(context(installation), [delivery_id])
    delivery = read(installation, delivery_id)
    assert (delivery.state, delivery.proof) == (S.VERIFIED, Proof.MATCHES)
    as_its_editor(installation, account, delivery, **fields)
    delivery = until(installation, delivery_id, S.PUBLISHED, Proof.NOT_PUBLIC)
    assert delivery.cause is cause
    view = monitoring.delivery_view(installation.core, acting(installation.core, installation.owner), delivery_id)
    assert view.explanation == told(cause) and view.repair == ""
    alerts = monitoring.alerts(installation.core, acting(installation.core, installation.owner))
    assert [one.kind for one in alerts if one.delivery_id == delivery_id] == ["not_public"]
    as_its_editor(installation, account, delivery, **back)
    assert until(installation, delivery_id, S.VERIFIED, Proof.MATCHES).cause == ""
    assert len(installation.sandbox.control.posts("wordpress", account.account_name)) == 1


def test_a_site_behind_a_curtain_is_no_ghost(installation: Installation) -> None:
    account = installation.link("wordpress")
    installation.sandbox.control.settings(site_closed=True)
    try:
        delivery_id = plan(installation, account, f"Behind the curtain {account.account_name}")
        delivery = until(installation, delivery_id, S.PUBLISHED, Proof.NOT_PUBLIC)
        assert delivery.cause is Withheld.CLOSED
    finally:
        installation.sandbox.control.settings(site_closed=False)
    until(installation, delivery_id, S.VERIFIED, Proof.MATCHES)


def test_the_control_what_is_hidden_without_a_word_is_a_ghost(installation: Installation) -> None:
    account = installation.link("wordpress")
    installation.sandbox.control.fault("wordpress", "shadow", account=account.account_name)
    delivery_id = plan(installation, account, f"Hidden {account.account_name}")
    drive(context(installation), [delivery_id])
    assert read(installation, delivery_id).state is S.GHOST
