"""The pipeline with the real adapters, over HTTP, on the sandbox; and no secret is ever seen outside the vault."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import inspect

from postprober.domain.account import NO_SECRETS
from postprober.domain.delivery import DUE_TO_RECONCILE, TRAITS, DeliveryState, Proof
from postprober.domain.platform import Platform, known
from postprober.domain.timing import Timing
from postprober.errors import PostProberError
from postprober.pipeline.core.context import Context
from postprober.pipeline.core.tokens import open_credentials
from postprober.pipeline.health import account_checks
from postprober.pipeline.publishing.publish import publish
from postprober.pipeline.publishing.reconcile import reconcile
from postprober.pipeline.publishing.recovery import recover_lost
from postprober.pipeline.verification.follow_up import follow
from postprober.platforms.registry import adapter_for
from postprober.services.accounts.accounts import add_by_token
from postprober.services.core import Core
from postprober.services.pipeline_context import context_of
from postprober.services.posts import delivery_actions, posts
from postprober.services.posts.posts import PreflightFailed
from postprober.storage import accounts, alert_log, deliveries
from postprober.storage.records import Account
from tests.installed import Installation
from tests.people import acting

S = DeliveryState
TIMING = Timing(
    lease=timedelta(seconds=3),
    lease_margin=timedelta(seconds=0.1),
    reread=timedelta(seconds=0.1),
    unsure_retries=(timedelta(seconds=0.2),) * 3,
    verify_after=tuple(timedelta(seconds=s) for s in (0, 0.1, 0.4, 0.8)),
    http_timeout=2.0,
)
SETTLE = {"settle_seconds": "0.4"}
TEXT_ONLY = ("x", "linkedin", "mastodon", "bluesky", "telegram", "discord", "nostr", "wordpress")


def context(inst: Installation) -> Context:
    ctx = context_of(inst.core, worker="w", timing=TIMING)

    def config(platform: Platform) -> Any:
        found = inst.core.settings.platform(platform)
        return replace(found, settings=found.settings | SETTLE)

    return replace(
        ctx, adapter_for=lambda platform, http: adapter_for(platform, http, config(platform), inst.core.clock)
    )


def drive(ctx: Context, ids: list[int], over: Callable[[], bool] | None = None, limit: float = 60.0) -> None:
    """Work until all have ended."""

    def ended() -> bool:
        with ctx.db.read() as conn:
            return all(TRAITS[deliveries.get(conn, i).state].at_rest for i in ids)

    end, pause = time.monotonic() + limit, threading.Event()
    while not (over or ended)():
        assert time.monotonic() < end, "it did not end in time"
        recover_lost(ctx)
        with ctx.db.read() as conn:
            first, second = deliveries.due(conn, ctx.clock.now(), publish=9, follow=9)
        for delivery_id, state in first:
            (reconcile if state in DUE_TO_RECONCILE else publish)(ctx, delivery_id)
        for delivery_id in second:
            follow(ctx, delivery_id)
        if not first and not second:
            pause.wait(0.02)


def plan(inst: Installation, account: Account, *texts: str) -> int:
    post = posts.create(inst.core, acting(inst.core, inst.owner), posts.NewPost(texts, (account.id,)))
    with inst.core.db.read() as conn:
        return deliveries.of_post(conn, post.id)[0].id


def visible(inst: Installation, platform: str, *texts: str) -> int:
    """How many posts with these texts a stranger can see."""
    found = [p for p in inst.sandbox.control.posts(platform) if p["visible"] and p["text"] in texts]
    return len(found)


def state(inst: Installation, delivery_id: int) -> DeliveryState:
    with inst.core.db.read() as conn:
        return deliveries.get(conn, delivery_id).state


@pytest.mark.parametrize("platform", TEXT_ONLY)
@pytest.mark.parametrize(
    "fault", ["", "cut_after_accept", "error_after_accept", "malformed_2xx", "unauthorized", "late_create"]
)
def test_exactly_one_post_is_visible_after_a_fault(installation: Installation, platform: str, fault: str) -> None:
    scopes = {"scopes": ["openid", "profile", "w_member_social", "r_member_social"]} if platform == "linkedin" else {}
    account = installation.link(platform, **scopes)
    if fault:
        params = {"seconds": 0.2} if fault == "late_create" else {}
        planned = installation.sandbox.control.fault(platform, fault, params=params)
    text = f"One post on {platform} 世界 👋 https://www.iana.org/{fault or 'plain'}/{account.account_name}"
    delivery = plan(installation, account, text)
    drive(context(installation), [delivery])
    assert state(installation, delivery) is S.VERIFIED
    assert visible(installation, platform, text) == 1
    if fault:
        (told,) = [one for one in installation.sandbox.control.faults() if one["id"] == planned["id"]]
        assert told["used"] == 1, "the fault has happened"


@pytest.mark.parametrize("platform", ["x", "mastodon", "bluesky", "telegram", "discord", "nostr"])
def test_a_thread_is_verified_as_a_whole(installation: Installation, platform: str) -> None:
    account = installation.link(platform)
    texts = [f"{number} of three by {account.account_name}" for number in ("first", "second", "third")]
    delivery = plan(installation, account, *texts)
    drive(context(installation), [delivery])
    assert state(installation, delivery) is S.VERIFIED
    assert visible(installation, platform, *texts) == 3


def _secrets(inst: Installation) -> set[str]:
    """Everything in the vault at this moment."""
    found: set[str] = set()
    with inst.core.db.read() as conn:
        for row in conn.execute(accounts.accounts.select()):
            cred = open_credentials(inst.core.vault, accounts.get(conn, row.id))
            found |= {
                cred.access_token,
                cred.refresh_token,
                *(v for k, v in cred.secret.items() if k not in NO_SECRETS),
            }
    return {s for s in found if s}


def everything_written(core: Core) -> bytes:
    """The data folder, which holds the database on SQLite; on PostgreSQL every row besides."""
    folder = core.settings.data_dir
    files = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "secrets.json")
    if core.db.is_sqlite:
        return files
    with core.db.read() as conn:
        tables = inspect(conn).get_table_names()
        rows = [str(row) for name in tables for row in conn.exec_driver_sql(f"SELECT t::text FROM {name} t")]
    return files + "\n".join(rows).encode()


def test_no_token_is_ever_seen_outside_the_vault(
    installation: Installation, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Publishing with refreshes that work, are cut and are refused, with refused tokens and broken answers; then the
    whole database, the log, the output and every error text are searched for every token there ever was."""
    control, core = installation.sandbox.control, installation.core
    needles: set[str] = set()
    texts: list[str] = []
    ids: list[int] = []
    caplog.set_level(logging.DEBUG)
    ctx = context(installation)
    for platform in TEXT_ONLY:
        made = installation.made(platform)
        needles |= {str(made[k]) for k in ("access_token", "refresh_token", "password") if made.get(k)}
        for fault in ("unauthorized", "malformed_2xx", "cut_after_accept"):
            control.fault(platform, fault, account=made["name"])
        data = made["typed"] or {key: made[key] for key in ("access_token", "refresh_token", "expires_at")}
        account = add_by_token(core, acting(core, installation.owner), Platform(platform), data, name=made["name"])
        needles |= _secrets(installation)
        with core.db.write() as conn:  # the token has to be renewed
            accounts.write(conn, account.id, token_expires_at=core.clock.now() + timedelta(seconds=30))
        ids.append(plan(installation, account, f"Poison on {platform}"))
    control.fault("x", "refresh_cut", operation="token")

    def settled() -> bool:
        needles.update(_secrets(installation))
        with core.db.read() as conn:
            found = [deliveries.get(conn, i) for i in ids]
            waiting = {accounts.get(conn, d.account_id).status for d in found if d.state is S.WAITING}
        return all(TRAITS[d.state].at_rest or (d.state is S.WAITING and waiting == {"reconnect"}) for d in found)

    drive(ctx, ids, settled, 30)
    for platform in known():
        for token in ("POISON-token-000000000000", "POISON-ü"):
            try:
                typed = {"access_token": token, "refresh_token": token, "channel": "@poison", "user": "poison"}
                typed["password"] = token
                add_by_token(core, acting(core, installation.owner), platform, typed)
            except PostProberError as error:
                texts += [str(error), error.detail, repr(error)]
            needles.add(token)
    core.db.checkpoint_wal()
    written = everything_written(core)
    out, err = capfd.readouterr()
    with core.db.read() as conn:
        seen = repr(alert_log.of_user(conn, installation.owner)) + repr([deliveries.history(conn, i) for i in ids])
    everything = written.decode("utf-8", "replace") + caplog.text + out + err + seen + "".join(texts)
    assert len(needles) >= 12
    assert len(written) > (100_000 if core.db.is_sqlite else 10_000), "the search has something to search"
    leaked = [n for n in needles if n in everything]
    assert leaked == []


def test_the_search_would_find_a_token(installation: Installation) -> None:
    """The control of the test above."""
    account = installation.link("x")
    token = open_credentials(installation.core.vault, account).access_token
    with installation.core.db.write() as conn:
        accounts.write(conn, account.id, status_reason=f"oops {token}")
    installation.core.db.checkpoint_wal()
    assert token.encode() in everything_written(installation.core)


@pytest.mark.parametrize("fault", ["", "cut_after_accept", "late_create"])
def test_a_post_in_a_private_channel_is_accepted_and_nobody_claims_more(installation: Installation, fault: str) -> None:
    """No stranger and no bot can read it: published and unproved, which is neither a ghost nor a failure. Where the answer
    was lost, nothing can be looked for, so it is held."""
    account = installation.link("telegram", scopes=["can_post_messages"])
    if fault:
        name = accounts_name(installation, account)
        installation.sandbox.control.fault("telegram", fault, account=name, params={"seconds": 0.2})
    delivery = plan(installation, account, f"For members only {account.account_name} {fault}")

    def over() -> bool:
        with installation.core.db.read() as conn:
            found = deliveries.get(conn, delivery)
        return found.state is S.HELD or (found.state is S.PUBLISHED and found.readings >= len(TIMING.verify_after))

    drive(context(installation), [delivery], over)
    with installation.core.db.read() as conn:
        ended = deliveries.get(conn, delivery)
    assert (ended.state, ended.proof.value) == ((S.HELD, "none") if fault else (S.PUBLISHED, "not_public"))
    own = installation.sandbox.control.posts("telegram", accounts_name(installation, account))
    assert len(own) == 1


def accounts_name(inst: Installation, account: Account) -> str:
    """The sandbox's name of a linked account."""
    own = [one for one in inst.sandbox.world.accounts_of(account.platform) if one.id == account.remote_id]
    return own[0].name


def test_linkedin_names_the_post_when_a_held_one_is_sent_after_all(installation: Installation) -> None:
    """Its app may not read back, so a lost answer is held; sent by a person, LinkedIn itself says where the first is."""
    account = installation.link("linkedin")
    installation.sandbox.control.fault("linkedin", "cut_after_accept", account=account.account_name)
    post = posts.create(
        installation.core,
        acting(installation.core, installation.owner),
        posts.NewPost(("Said once, please",), (account.id,)),
    )
    ctx = context(installation)
    with ctx.db.read() as conn:
        (delivery,) = deliveries.of_post(conn, post.id)
    drive(ctx, [delivery.id])
    with ctx.db.read() as conn:
        assert deliveries.get(conn, delivery.id).state is S.HELD
    delivery_actions.send_held(installation.core, acting(installation.core, installation.owner), delivery.id)
    drive(ctx, [delivery.id])
    with ctx.db.read() as conn:
        ended = deliveries.get(conn, delivery.id)
    truth = [p for p in installation.sandbox.control.posts("linkedin", account.account_name) if p["visible"]]
    assert (ended.state, ended.remote_id) == (S.VERIFIED, truth[0]["id"])
    assert len(truth) == 1


def test_what_was_held_without_access_is_looked_for_when_the_account_is_linked_again(
    installation: Installation,
) -> None:
    made = installation.made("mastodon")
    data = {key: made[key] for key in ("access_token", "refresh_token", "expires_at")}
    account = add_by_token(installation.core, acting(installation.core, installation.owner), Platform("mastodon"), data)
    control = installation.sandbox.control
    control.fault("mastodon", "cut_after_accept", account=made["name"])
    post = posts.create(
        installation.core,
        acting(installation.core, installation.owner),
        posts.NewPost(("Held, then found",), (account.id,)),
    )
    ctx = context(installation)
    with ctx.db.read() as conn:
        (delivery,) = deliveries.of_post(conn, post.id)
    publish(ctx, delivery.id)
    control.revoke("mastodon", made["name"])
    drive(ctx, [delivery.id])
    with ctx.db.read() as conn:
        assert deliveries.get(conn, delivery.id).state is S.HELD
    again = control.account("mastodon", made["name"], fresh=True)
    add_by_token(
        installation.core,
        acting(installation.core, installation.owner),
        Platform("mastodon"),
        {"access_token": again["access_token"]},
    )
    drive(ctx, [delivery.id])
    with ctx.db.read() as conn:
        assert deliveries.get(conn, delivery.id).state is S.VERIFIED
    assert sum(p["visible"] for p in control.posts("mastodon", made["name"])) == 1


LONG_TEXT = ("A long post of an account that pays for it, see https://münchen.de/straße?a=b. 日本語も。 " * 400)[
    :20_000
].strip()


def test_an_account_with_a_subscription_writes_a_long_post_that_is_proved(installation: Installation) -> None:
    account = installation.link("x", premium=True)
    assert account.settings["long_posts"] is True
    ctx, delivery_id = context(installation), plan(installation, account, LONG_TEXT)
    drive(ctx, [delivery_id])
    with ctx.db.read() as conn:
        delivery = deliveries.get(conn, delivery_id)
    assert delivery.state is S.VERIFIED and delivery.proof is Proof.MATCHES
    assert visible(installation, "x", LONG_TEXT) == 1


def test_an_account_without_one_is_told_so_and_nothing_is_planned(installation: Installation) -> None:
    account = installation.link("x")
    with pytest.raises(PreflightFailed, match="This account has no subscription for long posts; the limit is 280"):
        plan(installation, account, LONG_TEXT)
    installation.sandbox.control.account("x", account.account_name, premium=True)
    account_checks.look(context(installation), account.id)
    assert plan(installation, account, LONG_TEXT), "a check of the account has noticed it"


def test_a_long_post_whose_answer_is_lost_is_found_again_by_its_whole_text(installation: Installation) -> None:
    account = installation.link("x", premium=True)
    installation.sandbox.control.fault("x", "cut_after_accept", account=account.account_name)
    ctx, delivery_id = context(installation), plan(installation, account, LONG_TEXT[7:])
    drive(ctx, [delivery_id])
    assert state(installation, delivery_id) is S.VERIFIED
    assert visible(installation, "x", LONG_TEXT[7:]) == 1
