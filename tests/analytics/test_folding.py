"""Details of ended posts move into files: nothing is lost or doubled, wherever it is killed, and pages show the same as before."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from postprober.analytics import folding, report_rows
from postprober.analytics.report_queries import Reached
from postprober.clock import ManualClock
from postprober.domain.delivery import DeliveryState
from postprober.services.core import Core
from postprober.services.monitoring import details, monitoring
from postprober.services.operations import backup_set, doctor, restore_set
from postprober.settings import Settings
from postprober.storage import archive, attempts, retention
from postprober.storage.database import Database
from postprober.storage.retention import Keep
from postprober.storage.tables import archives, deliveries, folded, monitoring_logs, posts, transitions
from postprober.storage.tables import attempts as attempts_table
from postprober.wiring import build_scheduler
from tests.installed import Installation
from tests.people import acting

KEPT = timedelta(days=90)
POSTS = 9  # more than two transactions
DETAILS = (monitoring_logs, transitions, attempts_table)


class Killed(Exception):  # it is no error
    pass


@pytest.fixture(autouse=True)
def _small_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "AT_ONCE", 4)


@pytest.fixture
def core(installation: Installation) -> Core:
    return replace(installation.core, clock=ManualClock(installation.core.clock.now()))


@pytest.fixture
def account(installation: Installation) -> int:
    return installation.link("mastodon").id


def _post(
    core: Core, installation: Installation, account: int, at: datetime, state: str = "verified", **columns: Any
) -> int:
    """A post as the pipeline leaves it: its delivery, 5 steps, 4 changes and 4 attempts, all at that time."""
    with core.db.write() as conn:
        (post,) = conn.execute(
            insert(posts).values(
                user_id=installation.owner, content="Words", platforms=["mastodon"], status="posted", options={}
            )
        ).inserted_primary_key
        (one,) = conn.execute(
            insert(deliveries).values(
                post_id=post,
                account_id=account,
                user_id=installation.owner,
                platform="mastodon",
                key=f"key-{post}",
                state=state,
                due_at=at,
                updated_at=at,
                parts=[{"index": 0, "text": "Words"}],
                **columns,
            )
        ).inserted_primary_key
        for step, status in (
            ("authentication", "pending"),
            ("posting", "pending"),
            ("authentication", "success"),
            ("posting", "success"),
            ("verification", "success"),
        ):
            conn.execute(
                insert(monitoring_logs).values(
                    post_id=post,
                    delivery_id=one,
                    platform="mastodon",
                    step=step,
                    status=status,
                    timestamp=at,
                    details={"message": "Ünïcode \x00?".replace("\x00", "")},
                )
            )
        for old, new in (("scheduled", "claimed"), ("claimed", "held"), ("held", "published"), ("published", state)):
            conn.execute(
                insert(transitions).values(
                    delivery_id=one, post_id=post, user_id=installation.owner, old=old, new=new, reason="r", at=at
                )
            )
        for number, act in enumerate(("stage", "publish", "verify", "engagement"), 1):
            conn.execute(
                insert(attempts_table).values(
                    delivery_id=one,
                    act=act,
                    number=number,
                    fence=1,
                    request_id="r",
                    started_at=at,
                    outcome="success",
                    intent={"text": "Words"},
                    reply="what the platform said",
                )
            )
    return int(post)


def _counts(db: Database) -> dict[str, int]:
    with db.read() as conn:
        return {
            table.name: conn.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (*DETAILS, folded, archives)
        }


def _seen(core: Core, installation: Installation, post: int) -> Any:
    """All that pages, API and reports show of the details of a post."""
    actor = acting(core, installation.owner)
    view = monitoring.post_view(core, actor, post)
    (delivery,) = view.deliveries
    rows = monitoring.step_rows(core, actor, post)
    with core.db.read() as conn:
        (line,) = report_rows.of_post(
            conn, actor.space, post, [Reached(delivery.delivery.id, dict.fromkeys(report_rows.COUNTS), None, None)]
        )
    return (
        view,
        monitoring.views_of(core, actor, [post]),
        rows,
        monitoring.step_rows(core, actor, post, after=rows[1].id, limit=2),
        monitoring.attempts_of(core, actor, delivery.delivery.id),
        details.of(core, actor, delivery.delivery.id).tries,
        line,
    )


def _fold(core: Core, **more: Any) -> int:
    return folding.run(core.db, core.settings.data_dir, core.clock.now(), KEPT, **{"fewest": 1, **more})


@pytest.fixture
def old(core: Core, installation: Installation, account: int) -> list[int]:
    return [
        _post(core, installation, account, core.clock.now() - KEPT - timedelta(days=POSTS - number))
        for number in range(POSTS)
    ]


def test_what_is_folded_leaves_the_tables_and_is_shown_as_before(
    core: Core, installation: Installation, old: list[int]
) -> None:
    seen, before = [_seen(core, installation, post) for post in old], _counts(core.db)
    assert before["attempts"] == 4 * POSTS and seen[0][-1].attempts == 4 and len(seen[0][2]) == 5
    assert _fold(core) == POSTS
    after = _counts(core.db)
    # Of each: the newest step of three kinds, the newest change and the one to trouble, the send.
    assert after == {
        "monitoring_logs": 3 * POSTS,
        "transitions": 2 * POSTS,
        "attempts": POSTS,
        "folded": POSTS,
        "archives": 1,
    }
    assert [_seen(core, installation, post) for post in old] == seen
    assert _fold(core) == 0 and _counts(core.db) == after, "there is nothing left to do"
    (file,) = archive.folder(core.settings.data_dir).glob("*")
    assert doctor._archive(core) == []
    file.unlink()
    (finding,) = doctor._archive(core)
    assert not finding.ok and "1 of 1 files with details of old posts are missing" in finding.message
    lost = _seen(core, installation, old[0])
    assert len(lost[2]) == 3 and lost != seen[0], "the control: it is from the file that the rest was read"


def test_what_a_decision_about_sending_rests_on_stays(core: Core, old: list[int]) -> None:
    def known() -> list[Any]:
        with core.db.read() as conn:
            ids = conn.execute(select(deliveries.c.id)).scalars().all()
            asked = [(attempts.sends(conn, one, 0), attempts.doubtful_parts(conn, one)) for one in ids]
            newest = [conn.execute(select(func.max(table.c.id))).scalar() for table in (monitoring_logs, transitions)]
            return [asked, newest, attempts.any_sent(conn)]

    with core.db.write() as conn:
        conn.execute(update(attempts_table).where(attempts_table.c.id.in_([2, 6])).values(outcome="unknown"))
    before = known()
    assert before[0][0] == (1, {0}) and _fold(core) == POSTS
    assert known() == before


@pytest.mark.parametrize(
    ("state", "columns"),
    [
        *(
            (state.value, {})
            for state in DeliveryState
            if state not in (DeliveryState.VERIFIED, DeliveryState.CANCELLED)
        ),
        ("verified", {"next_at": "watched"}),
        ("verified", {"lease_until": "in hand"}),
        ("verified", {"updated_at": "young"}),
    ],
)
def test_what_may_still_move_is_left_alone(
    core: Core, installation: Installation, account: int, state: str, columns: dict[str, str]
) -> None:
    at = core.clock.now() - KEPT - timedelta(days=1)
    young = core.clock.now() - KEPT + timedelta(hours=1)
    if "updated_at" in columns:
        _post(core, installation, account, young)
    else:
        _post(core, installation, account, at, state, **dict.fromkeys(columns, core.clock.now()))
    before = _counts(core.db)
    assert _fold(core) == 0 and _counts(core.db) == before
    _post(core, installation, account, at)
    assert _fold(core) == 1, "the control"


def test_a_post_goes_whole_or_not_at_all(core: Core, installation: Installation, account: int) -> None:
    at = core.clock.now() - KEPT - timedelta(days=1)
    post, other = (_post(core, installation, account, at, state) for state in ("verified", "failed"))
    with core.db.write() as conn:
        conn.execute(update(deliveries).where(deliveries.c.post_id == other).values(post_id=post))
    assert _fold(core) == 0


@pytest.mark.parametrize("step", ["written", "named", "moved", "committed"])
@pytest.mark.parametrize("times", [1, 2])
def test_killed_anywhere_nothing_is_lost_or_doubled(
    core: Core, installation: Installation, old: list[int], step: str, times: int
) -> None:
    seen = [_seen(core, installation, post) for post in old]
    left = times

    def kill(done: str) -> None:
        nonlocal left
        left -= done == step
        if left <= 0:
            raise Killed

    runs = 0
    while runs < 5:
        runs += 1
        try:
            _fold(core, checkpoint=kill)
        except Killed:
            assert [_seen(core, installation, post) for post in old] == seen
            left = 10**6  # the next run lives
        else:
            break
    assert runs == (2 if step in ("moved", "committed") or times == 1 else 1)
    assert [_seen(core, installation, post) for post in old] == seen
    assert _counts(core.db)["folded"] == POSTS and not list(archive.folder(core.settings.data_dir).glob(".*"))


def test_what_is_written_meanwhile_is_not_lost(core: Core, installation: Installation, old: list[int]) -> None:
    def meanwhile(step: str) -> None:
        if step == "named":
            with core.db.write() as conn:
                first = conn.execute(select(deliveries.c.id).where(deliveries.c.post_id == old[0])).scalar_one()
                conn.execute(
                    insert(attempts_table).values(
                        delivery_id=first,
                        act="verify",
                        number=9,
                        fence=1,
                        request_id="late",
                        started_at=core.clock.now(),
                        outcome="success",
                        intent={},
                    )
                )
                conn.execute(update(deliveries).where(deliveries.c.post_id == old[1]).values(state="ghost"))

    assert _fold(core, checkpoint=meanwhile) == POSTS - 2
    assert [one.request_id for one in _seen(core, installation, old[0])[4]][-1] == "late"
    assert len(_seen(core, installation, old[1])[4]) == 4
    assert _fold(core) == 1, "the first in the next run; the other one is not visible, and stays"
    assert len(_seen(core, installation, old[0])[4]) == 5


def test_few_wait_for_more_but_not_for_ever(core: Core, installation: Installation, account: int) -> None:
    _post(core, installation, account, core.clock.now() - KEPT - timedelta(days=1))
    assert _fold(core, fewest=2) == 0
    assert isinstance(core.clock, ManualClock)
    core.clock.advance((folding.PATIENCE + timedelta(days=1)).total_seconds())
    assert _fold(core, fewest=2) == 1


def test_files_are_kept_as_long_as_the_owner_says_and_strays_go(
    core: Core, installation: Installation, old: list[int]
) -> None:
    _fold(core)
    where = archive.folder(core.settings.data_dir)
    stray = where / "stray.parquet"
    stray.write_bytes(b"x")
    retention.tidy(core.db, core.clock.now(), core.settings.data_dir)
    assert stray.exists(), "it may be that of a database that is put back"
    assert isinstance(core.clock, ManualClock)
    core.clock.advance(archive.UNNAMED.total_seconds() * 2)
    later = datetime.now(core.clock.now().tzinfo) + 2 * archive.UNNAMED
    retention.tidy(core.db, later, core.settings.data_dir)
    assert not stray.exists() and len(list(where.iterdir())) == 1
    with core.db.write() as conn:
        retention.put(conn, Keep(archive=30))
    retention.tidy(core.db, later + timedelta(days=400), core.settings.data_dir)
    counts = _counts(core.db)
    assert not list(where.iterdir()) and counts["archives"] == counts["folded"] == 0
    assert len(_seen(core, installation, old[0])[2]) == 3, "what stayed in the tables is shown"


@pytest.mark.embedded("PostgreSQL is dumped by its own program")
def test_a_backup_has_the_files_and_brings_them_back(
    core: Core, installation: Installation, old: list[int], tmp_path: Path
) -> None:
    seen = _seen(core, installation, old[0])
    _fold(core)
    backup_set.make(core, tmp_path / "backups")
    shutil.rmtree(archive.folder(core.settings.data_dir))
    fresh = Settings(_env_file=None, mode="sandbox", data_dir=tmp_path / "new", secret_key="s" * 40)  # type: ignore[call-arg,arg-type]
    done, files = restore_set.restore_backup(fresh, tmp_path / "backups", core.clock.now())
    assert done is not None and not files.lacking
    back = Database(f"sqlite:///{done.path}")
    assert _seen(replace(core, db=back, settings=fresh), installation, old[0]) == seen
    back.close()


def test_the_scheduler_folds_as_the_owner_says(core: Core, installation: Installation, account: int) -> None:
    for _ in range(3):
        _post(core, installation, account, core.clock.now() - timedelta(days=200))
    jobs: dict[str, Callable[[], object]] = {name: job for name, job, _ in build_scheduler(core, 1)._more}
    with core.db.write() as conn:
        retention.put(conn, Keep(details=0))
    jobs["folding"]()
    assert _counts(core.db)["folded"] == 0
    with core.db.write() as conn:
        retention.put(conn, Keep(details=90))
    jobs["folding"]()
    assert _counts(core.db)["folded"] == 3
