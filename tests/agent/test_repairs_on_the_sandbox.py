"""Faults that can be repaired end proved live without a person, and nothing ends doubled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from postprober.domain.delivery import DeliveryState
from postprober.domain.platform import Platform, ReconcileMode, known
from postprober.errors import Conflict
from postprober.pipeline.repairs import diagnosis_job
from postprober.platforms.registry import SPECS
from postprober.services.core import Core
from postprober.services.monitoring import repairs as repair_service
from postprober.settings import Settings
from postprober.storage import alert_log, deliveries, media, step_log
from tests.agent.agent_kit import SHARES
from tests.agent.sandbox_kit import Scene, scene
from tests.people import acting

S = DeliveryState
P = Platform
READS_BACK = ["openid", "profile", "w_member_social", "r_member_social"]  # what few LinkedIn apps may
# What can be cured without a person. In strict mode an unknown outcome asks one by design, so the faults that leave one are
# not repairable there.
UNCLEAR: tuple[tuple[str, dict[str, Any]], ...] = (
    ("error_before_accept", {}),
    ("error_after_accept", {}),
    ("html_error", {}),
    ("cut_after_accept", {}),
    ("timeout_after_accept", {"params": {"seconds": 4}}),
    ("malformed_2xx", {}),
    ("late_create", {"params": {"seconds": 2}}),
    ("error_before_accept", {"times": 8}),  # until the pipeline gives up; then the agent waits and tries again
)
CLEAR: tuple[tuple[str, dict[str, Any]], ...] = (
    ("rate_limited", {"params": {"form": "seconds", "seconds": 30}}),
    ("rate_limited", {"times": 3, "params": {"form": "missing"}}),
    ("unauthorized", {}),
    ("slow", {"params": {"seconds": 0.2}}),
)
MEDIA: tuple[tuple[str, dict[str, Any]], ...] = (
    ("media_failed", {}),
    ("media_failed", {"times": 9}),  # then the agent writes the picture anew
    ("slow_media", {"params": {"seconds": 1}}),
)


def repairable() -> list[tuple[Platform, str, dict[str, Any]]]:
    found = [(p, kind, options) for p in known() for kind, options in CLEAR]
    # Where absence cannot be proved, an unclear answer is a person's.
    sure = [p for p in known() if SPECS[p].traits.mode is ReconcileMode.RECONCILE]
    found += [(p, kind, options) for p in sure for kind, options in UNCLEAR]
    found += [(p, kind, options) for p in (P("instagram"), P("x"), P("linkedin")) for kind, options in MEDIA]
    return found


@pytest.fixture
def stage(tmp_path: Path, profiled: None) -> Iterator[Scene]:
    with scene(tmp_path) as made:
        yield made


@pytest.mark.timeout(400)  # a minute on a quiet machine
def test_at_least_nine_in_ten_repairable_faults_end_proved_live_and_none_doubled(stage: Scene) -> None:
    failed: list[str] = []
    doubled: list[str] = []
    cases = repairable()
    for platform, kind, options in cases:
        account = stage.link(platform, scopes=READS_BACK if platform is P("linkedin") else None)
        stage.fault(account, platform, kind, **options)
        media = platform is P("instagram") or kind in ("media_failed", "slow_media")
        text = f"Case {account} of {kind} on {platform.value} https://www.iana.org/{account}"
        delivery = stage.run(stage.plan(account, platform, text, with_picture=media))
        stage.rest(delivery.id)
        seen = stage.visible(account, platform)
        where = f"{platform.value} {kind} {options}: {delivery.state.value} ({delivery.reason}), {len(seen)} visible"
        if delivery.state is not S.VERIFIED or len(seen) != 1:
            failed.append(where)
        if len(seen) > 1:
            doubled.append(where)
    share = 100 * (len(cases) - len(failed)) / len(cases)
    SHARES.append(
        f"repairable sandbox faults proved live without a person: {len(cases) - len(failed)} of {len(cases)} "
        f"({share:.1f} %), doubled: {len(doubled)}"
    )
    SHARES.extend(f"  not: {line}" for line in failed)
    assert doubled == []
    assert share >= 90, failed


def test_the_harness_sees_a_double_and_a_post_that_is_not_there(stage: Scene) -> None:
    """The positive control of the measurement above."""
    account = stage.link(P("mastodon"))
    first = stage.run(stage.plan(account, P("mastodon"), "Said once"))
    stage.rest(first.id)
    second = stage.run(stage.plan(account, P("mastodon"), "Said once more"))
    assert len(stage.visible(account, P("mastodon"))) == 2
    assert second.remote_id is not None
    stage.control.delete_post("mastodon", second.remote_id)
    assert len(stage.visible(account, P("mastodon"))) == 1


LONG = "The bridge of Oslo is open. " * 20 + "See https://www.iana.org/bridge and thank @bob for it."


def shrunk(stage: Scene, *, repair_words: bool) -> tuple[int, int]:
    """A delivery that fitted when it was planned, on a server that has lowered its limit since."""
    account = stage.link(P("mastodon"), repair_words=repair_words)
    stage.control.settings(max_characters=300)
    return account, stage.plan(account, P("mastodon"), LONG[:490] + " https://www.iana.org/bridge")


def test_a_text_that_has_become_too_long_goes_out_as_a_thread_where_that_is_permitted(stage: Scene) -> None:
    account, delivery_id = shrunk(stage, repair_words=True)
    before = [part.text for part in stage.get(delivery_id).parts]
    delivery = stage.run(delivery_id)
    assert delivery.state is S.VERIFIED and len(delivery.parts) > 1
    (row,) = stage.repairs(delivery_id)
    assert (row.state, row.fix, row.cause, row.by) == ("applied", "split_thread", "text_too_long", "rules")
    assert " ".join(part.text for part in delivery.parts).split() == before[0].split(), "word for word"
    assert len(stage.visible(account, P("mastodon"))) == len(delivery.parts)


def test_without_permission_the_thread_is_only_proposed_and_goes_out_when_a_person_says_so(stage: Scene) -> None:
    account, delivery_id = shrunk(stage, repair_words=False)
    delivery = stage.run(delivery_id)
    assert delivery.state is S.FAILED and stage.visible(account, P("mastodon")) == []
    (row,) = stage.repairs(delivery_id)
    assert (row.state, row.fix) == ("proposed", "split_thread")
    assert row.plan["before"] == [part.text for part in delivery.parts] and len(row.plan["after"]) > 1
    core = replace_core(stage)
    repair_service.apply(core, acting(core, 1), row.id)
    delivery = stage.run(delivery_id)
    assert delivery.state is S.VERIFIED and len(stage.visible(account, P("mastodon"))) == len(row.plan["after"])
    with pytest.raises(Conflict):
        repair_service.apply(core, acting(core, 1), row.id)


def test_a_refused_repair_changes_nothing(stage: Scene) -> None:
    account, delivery_id = shrunk(stage, repair_words=False)
    delivery = stage.run(delivery_id)
    (row,) = stage.repairs(delivery_id)
    repair_service.refuse(replace_core(stage), acting(replace_core(stage), 1), row.id)
    assert stage.get(delivery_id) == delivery and stage.visible(account, P("mastodon")) == []
    with pytest.raises(Conflict):
        repair_service.apply(replace_core(stage), acting(replace_core(stage), 1), row.id)


def test_a_picture_that_cannot_be_processed_is_written_anew_with_its_description(stage: Scene) -> None:
    account = stage.link(P("instagram"))
    stage.fault(account, P("instagram"), "media_failed", times=9)
    delivery_id = stage.plan(account, P("instagram"), "A picture")
    delivery = stage.run(delivery_id)
    applied = [row for row in stage.repairs(delivery_id) if row.state == "applied"]
    assert [row.fix for row in applied] == ["reencode_media"]
    assert delivery.state is S.VERIFIED and delivery.parts[0].media != (stage.picture,)
    with stage.ctx.db.read() as conn:
        (record,) = media.get_many(conn, delivery.parts[0].media)
    assert record.alt == "A green tick" and record.mime == "image/jpeg"
    (seen,) = stage.visible(account, P("instagram"))
    assert seen["media"][0]["alt"] == "A green tick"


def test_after_three_repairs_a_person_is_asked(stage: Scene) -> None:
    account = stage.link(P("bluesky"))
    stage.fault(account, P("bluesky"), "error_before_accept", times=0)
    delivery_id = stage.plan(account, P("bluesky"), "Never gets through")
    delivery = stage.run(delivery_id, steps=2000)
    rows = stage.repairs(delivery_id)
    assert delivery.state is S.FAILED
    assert [row.state for row in rows] == ["applied", "applied", "applied", "needs_person"]
    assert rows[-1].fix == "ask_person" and stage.visible(account, P("bluesky")) == []


def test_an_account_whose_token_can_be_renewed_is_not_left_waiting_for_a_person(stage: Scene) -> None:
    account = stage.link(P("x"))
    delivery_id = stage.plan(account, P("x"), "Hello")
    stage.fault(account, P("x"), "unauthorized", times=3)
    assert stage.run(delivery_id).state is S.VERIFIED
    assert len(stage.visible(account, P("x"))) == 1


def test_a_withdrawn_access_is_explained_and_left_to_the_person(stage: Scene) -> None:
    account = stage.link(P("x"))
    stage.control.revoke("x", stage.names[account])
    delivery_id = stage.plan(account, P("x"), "Hello")
    assert stage.run(delivery_id).state is S.WAITING
    (row,) = stage.repairs(delivery_id)
    assert (row.state, row.cause, row.fix) == ("needs_person", "access_revoked", "ask_reconnect")


def test_an_unknown_outcome_is_never_repaired(stage: Scene) -> None:
    account = stage.link(P("linkedin"))
    stage.fault(account, P("linkedin"), "cut_after_accept")
    delivery_id = stage.plan(account, P("linkedin"), "Is it there?")
    delivery = stage.run(delivery_id)
    assert delivery.state is S.HELD and delivery.unknown_at is not None
    (row,) = stage.repairs(delivery_id)
    assert (row.state, row.cause, row.fix) == ("needs_person", "outcome_unknown", "ask_person")
    assert len(stage.visible(account, P("linkedin"))) == 1


def test_the_diagnosis_stands_in_the_step_log_in_plain_language(stage: Scene) -> None:
    _, delivery_id = shrunk(stage, repair_words=False)
    delivery = stage.run(delivery_id)
    with stage.ctx.db.read() as conn:
        rows = [row for row in step_log.of_post(conn, delivery.post_id) if row.ai_analysis]
        told = alert_log.of_user(conn, 1)
    assert rows[-1].ai_analysis.startswith("The text is longer than Mastodon allows here.")
    assert rows[-1].details["by"] == "rules" and rows[-1].details["fix"] == "split_thread"
    assert any("a repair needs your approval" in alert.message for alert in told)


@pytest.mark.parametrize("where", ["diagnosed", "repaired"])
def test_a_kill_around_the_repair_loses_nothing_and_applies_it_once(stage: Scene, where: str) -> None:
    account, delivery_id = shrunk(stage, repair_words=True)
    stage.run(delivery_id, until=lambda d: d.state is S.FAILED)
    killed: list[str] = []

    def checkpoint(name: str) -> None:
        if name == where and not killed:
            killed.append(name)
            raise KeyboardInterrupt

    stage.ctx.checkpoint = checkpoint
    with pytest.raises(KeyboardInterrupt):
        diagnosis_job.tend(stage.ctx)
    states = [row.state for row in stage.repairs(delivery_id)]
    assert states == (["open"] if where == "diagnosed" else ["applied"])
    stage.clock.added += 10  # what was claimed is free again after a moment
    delivery = stage.run(delivery_id)
    assert delivery.state is S.VERIFIED and len(stage.visible(account, P("mastodon"))) == len(delivery.parts)
    assert [row.state for row in stage.repairs(delivery_id)] == ["applied"]


def test_two_workers_diagnose_and_apply_once(stage: Scene) -> None:
    _, delivery_id = shrunk(stage, repair_words=True)
    stage.run(delivery_id, until=lambda d: d.state is S.FAILED)
    second = diagnosis_job.tend
    nested: list[int] = []
    entered: list[str] = []

    def checkpoint(name: str) -> None:
        if name == "diagnosed" and not entered:
            entered.append(name)
            nested.append(second(stage.ctx))

    stage.ctx.checkpoint = checkpoint
    diagnosis_job.tend(stage.ctx)
    assert nested == [0], "it was claimed before it was touched"
    assert [r.state for r in stage.repairs(delivery_id)] == ["applied"]
    with stage.ctx.db.read() as conn:
        moves = [c for c in deliveries.history(conn, stage.get(delivery_id).post_id) if c["old"] == "failed"]
    assert len(moves) == 1


def replace_core(stage: Scene) -> Core:
    """The services of the same installation."""
    ctx = stage.ctx
    settings = Settings(data_dir=ctx.data_dir, secret_key="s" * 40, _env_file=None)  # type: ignore[call-arg]
    return Core(settings, ctx.db, ctx.vault, ctx.http, ctx.clock)
