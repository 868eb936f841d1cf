"""Discord in the pipeline, over HTTP: a handle that ends, a second witness, and no call with an access that was refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from postprober.domain.delivery import TRAITS, DeliveryState, Proof, StateCause
from postprober.pipeline.core.tokens import open_credentials, secrets_of
from postprober.pipeline.health import account_checks
from postprober.pipeline.publishing.publish import publish
from postprober.services.accounts.accounts import add_by_token
from postprober.services.posts import delivery_actions
from postprober.storage import accounts, attempts, deliveries, step_log
from postprober.storage.records import Account, Delivery
from tests.installed import Installation
from tests.people import acting
from tests.pipeline.test_on_the_sandbox import TIMING, accounts_name, context, drive, everything_written, plan

S = DeliveryState
HOOK = ["webhook.incoming"]
NO_HISTORY = ["bot", "VIEW_CHANNEL", "SEND_MESSAGES"]
READER = ["bot", "VIEW_CHANNEL", "READ_MESSAGE_HISTORY"]


@pytest.fixture
def forgetful(installation: Installation) -> Iterator[None]:
    """Discord forgets every nonce at once."""
    installation.sandbox.control.settings(nonce_seconds=0)
    yield
    installation.sandbox.control.settings(nonce_seconds=180)


def read(inst: Installation, delivery_id: int) -> Delivery:
    with inst.core.db.read() as conn:
        return deliveries.get(conn, delivery_id)


def sandbox_name(inst: Installation, account: Account) -> str:
    """The sandbox's name of an account that may post in another one's channel."""
    author = account.remote_id.partition("@")[0]
    return next(one.name for one in inst.sandbox.world.accounts_of("discord") if one.id.startswith(f"{author}@"))


def proved(inst: Installation, delivery_id: int) -> dict[str, Any]:
    """What the last look of the proof saw."""
    with inst.core.db.read() as conn:
        found = deliveries.get(conn, delivery_id)
        rows = [row for row in step_log.of_post(conn, found.post_id) if row.step == "verification"]
    return dict(rows[-1].details or {})


def creates(inst: Installation, name: str) -> list[dict[str, Any]]:
    return [row for row in inst.sandbox.control.log(platform="discord", account=name) if row["operation"] == "create"]


def ended(inst: Installation, delivery_id: int) -> Delivery:
    """Driven until it is at rest, or published and looked at often enough."""

    def over() -> bool:
        found = read(inst, delivery_id)
        looked = found.state is S.PUBLISHED and found.readings >= len(TIMING.verify_after)
        return TRAITS[found.state].at_rest or looked

    drive(context(inst), [delivery_id], over)
    return read(inst, delivery_id)


def lost(inst: Installation, account: Account, text: str, kind: str = "cut_after_accept") -> int:
    """A delivery whose answer was lost."""
    inst.sandbox.control.fault("discord", kind, account=sandbox_name(inst, account))
    delivery = plan(inst, account, text)
    publish(context(inst), delivery)
    assert read(inst, delivery).state is S.UNCONFIRMED
    return delivery


# The handle


@pytest.mark.parametrize("kind", ["cut_after_accept", "error_before_accept"])
def test_a_bot_that_can_look_for_nothing_repeats_its_nonce_and_makes_one_post(
    installation: Installation, kind: str
) -> None:
    """Without the history the list is empty; the second case did not arrive, so the repeat is the first that does."""
    account = installation.link("discord")
    name = accounts_name(installation, account)
    installation.sandbox.control.account("discord", name, scopes=NO_HISTORY)
    delivery = lost(installation, account, f"Once {name}", kind)
    drive(context(installation), [delivery], lambda: read(installation, delivery).remote_id is not None)
    truth = installation.sandbox.control.posts("discord", name)
    assert [post["id"] for post in truth] == [read(installation, delivery).remote_id]
    assert len(creates(installation, name)) == 2, "it was sent twice, with one nonce"


@pytest.mark.usefixtures("forgetful")
def test_past_the_handles_life_it_is_held_and_not_sent_again(installation: Installation) -> None:
    account = installation.link("discord")
    name = accounts_name(installation, account)
    installation.sandbox.control.account("discord", name, scopes=NO_HISTORY)
    delivery = lost(installation, account, f"Once {name}")
    _age(installation, delivery, timedelta(minutes=2))
    assert ended(installation, delivery).state is S.HELD
    assert len(creates(installation, name)) == 1
    assert len(installation.sandbox.control.posts("discord", name)) == 1


@pytest.mark.usefixtures("forgetful")
def test_a_person_who_sends_it_all_the_same_makes_the_second_post(installation: Installation) -> None:
    """The control of the test before: nothing but the program's patience kept the post from appearing twice."""
    account = installation.link("discord")
    name = accounts_name(installation, account)
    installation.sandbox.control.account("discord", name, scopes=NO_HISTORY)
    delivery = lost(installation, account, f"Twice {name}")
    _age(installation, delivery, timedelta(minutes=2))
    assert ended(installation, delivery).state is S.HELD
    delivery_actions.send_held(installation.core, acting(installation.core, installation.owner), delivery)
    drive(context(installation), [delivery], lambda: read(installation, delivery).remote_id is not None)
    assert len(installation.sandbox.control.posts("discord", name)) == 2


def _age(inst: Installation, delivery_id: int, by: timedelta) -> None:
    """The first try was so much earlier."""
    found = read(inst, delivery_id)
    part = found.parts[0]
    earlier = {
        name: (datetime.fromisoformat(getattr(part, name)) - by).isoformat()
        for name in ("intent_at", "intent_remote_at")
        if getattr(part, name)
    }
    assert len(earlier) == 2
    with inst.core.db.write() as conn:
        deliveries.touch(conn, found, inst.core.clock.now(), parts=found.with_part(replace(part, **earlier)))


def test_what_was_deleted_behind_our_back_is_held_and_not_published_again(installation: Installation) -> None:
    account = installation.link("discord")
    name = accounts_name(installation, account)
    installation.sandbox.control.account("discord", name, scopes=NO_HISTORY)
    delivery = lost(installation, account, f"Taken down {name}")
    (made,) = installation.sandbox.control.posts("discord", name)
    installation.sandbox.control.delete_post("discord", made["id"])
    found = ended(installation, delivery)
    assert (found.state, found.cause) == (S.HELD, StateCause.REMOVED)
    assert len(installation.sandbox.control.posts("discord", name)) == 1


@pytest.mark.parametrize("kind", ["", "cut_after_accept", "error_after_accept"])
def test_a_webhooks_lost_answer_is_held_and_its_post_exists_otherwise(installation: Installation, kind: str) -> None:
    account = installation.link("discord", scopes=HOOK)
    name = accounts_name(installation, account)
    delivery = lost(installation, account, f"Hooked {name}", kind) if kind else plan(installation, account, "Hooked")
    found = ended(installation, delivery)
    assert (found.state, found.proof) == ((S.HELD, Proof.NONE) if kind else (S.VERIFIED, Proof.EXISTS))
    assert len(installation.sandbox.control.posts("discord", name)) == 1
    assert len(creates(installation, name)) == 1


def test_a_webhooks_token_is_never_seen_outside_the_vault(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    """It stands in the address of every call, and in the answer that tells of the webhook."""
    caplog.set_level("DEBUG")
    account = installation.link("discord", scopes=HOOK)
    name = accounts_name(installation, account)
    with installation.core.db.read() as conn:
        cred = open_credentials(installation.core.vault, accounts.get(conn, account.id))
    token = cred.access_token.partition("/")[2]
    assert len(token) > 40 and token in secrets_of(cred)
    lost(installation, account, f"Poison {name}", "malformed_2xx")
    ended(installation, plan(installation, account, f"Fine {name}"))
    account_checks.look(context(installation), account.id)
    installation.core.db.checkpoint_wal()
    written = everything_written(installation.core)
    assert name.encode() in written, "the search has something to search"
    assert token.encode() not in written and token not in caplog.text


# The second witness


def witness(inst: Installation, account: Account, *more: str, user_id: int = 0) -> Account:
    """Another bot that is linked to the channel of `account`."""
    name = accounts_name(inst, account)
    made = inst.made("discord", scopes=[*READER, *more])
    channel = account.remote_id.rpartition("/")[2]
    typed = {"access_token": made["access_token"], "channel": channel}
    assert name
    return add_by_token(inst.core, acting(inst.core, user_id or inst.owner), account.platform, typed)


@pytest.mark.parametrize("scopes", [None, HOOK])
def test_another_bot_in_the_channel_witnesses_the_post(installation: Installation, scopes: list[str] | None) -> None:
    account = installation.link("discord", **({"scopes": scopes} if scopes else {}))
    other = witness(installation, account, "MESSAGE_CONTENT")
    found = ended(installation, plan(installation, account, "Seen by two"))
    assert (found.state, found.proof) == (S.VERIFIED, Proof.WITNESSED)
    told = proved(installation, found.id)
    assert other.account_name in told["witness"] and told["differences"] == []


def test_a_witness_finds_what_was_changed_on_the_way(installation: Installation) -> None:
    account = installation.link("discord")
    witness(installation, account, "MESSAGE_CONTENT")
    params = {"fields": [], "instead": {"content": "Other words"}}
    installation.sandbox.control.fault("discord", "dropped_fields", params=params)
    found = ended(installation, plan(installation, account, "These words"))
    assert found.proof is Proof.WITNESSED
    assert proved(installation, found.id)["differences"] == ["The text differs from what was sent."]


def test_a_witness_without_the_intent_proves_that_it_is_there_and_not_its_words(installation: Installation) -> None:
    account = installation.link("discord")
    witness(installation, account)
    found = ended(installation, plan(installation, account, "Not for every eye"))
    told = proved(installation, found.id)
    assert found.proof is Proof.WITNESSED and "may not read its words" in told["witness"]
    assert told["differences"] == []


def test_a_witness_that_does_not_see_it_proves_nothing(installation: Installation) -> None:
    account = installation.link("discord")
    witness(installation, account, "MESSAGE_CONTENT")
    installation.sandbox.control.fault("discord", "shadow", account=accounts_name(installation, account))
    found = ended(installation, plan(installation, account, "Hidden from others"))
    assert (found.state, found.proof) == (S.VERIFIED, Proof.EXISTS)
    assert "does not see it" in proved(installation, found.id)["witness"]


def test_a_witness_whose_access_was_withdrawn_is_marked_and_asked_no_more(installation: Installation) -> None:
    account = installation.link("discord")
    other = witness(installation, account, "MESSAGE_CONTENT")
    name = sandbox_name(installation, other)
    installation.sandbox.control.revoke("discord", name)
    assert ended(installation, plan(installation, account, "First")).proof is Proof.EXISTS
    with installation.core.db.read() as conn:
        assert accounts.get(conn, other.id).status == "reconnect"
    asked = len(installation.sandbox.control.log(platform="discord", account=name))
    assert ended(installation, plan(installation, account, "Second")).proof is Proof.EXISTS
    assert len(installation.sandbox.control.log(platform="discord", account=name)) == asked


def test_an_account_of_another_space_or_channel_is_no_witness(installation: Installation) -> None:
    account = installation.link("discord")
    elsewhere = installation.link("discord")
    with installation.core.db.write() as conn:
        accounts.write(conn, elsewhere.id, account_name="elsewhere")
    witness(installation, account, "MESSAGE_CONTENT", user_id=installation.stranger)
    found = ended(installation, plan(installation, account, "Only its own"))
    assert found.proof is Proof.EXISTS and "witness" not in proved(installation, found.id)


# An access that was refused


@pytest.mark.parametrize("scopes", [None, HOOK])
def test_after_the_first_refusal_nothing_is_called_any_more(
    installation: Installation, scopes: list[str] | None
) -> None:
    """Ten thousand refused calls within ten minutes shut the address out."""
    account = installation.link("discord", **({"scopes": scopes} if scopes else {}))
    name = accounts_name(installation, account)
    ids = [plan(installation, account, f"Number {n} {name}") for n in range(5)]
    installation.sandbox.control.revoke("discord", name)
    ctx, rounds = context(installation), [0]

    def over() -> bool:
        rounds[0] += 1
        return rounds[0] > 60

    drive(ctx, ids, over)
    refused = [
        row for row in installation.sandbox.control.log(platform="discord", account=name) if row["status"] in (401, 403)
    ]
    assert 1 <= len(refused) <= 2, "the publish, and one question whether the token really is bad"
    assert {read(installation, one).state for one in ids} <= {S.WAITING, S.SCHEDULED}
    with installation.core.db.read() as conn:
        assert accounts.get(conn, account.id).status == "reconnect"
        sent = [one for delivery in ids for one in attempts.of_delivery(conn, delivery) if one.act == "publish"]
    assert len(sent) == 1
