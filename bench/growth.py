"""What a delivery takes in the database: when it is verified, and when its details are folded into a file."""

from __future__ import annotations

import time
from datetime import timedelta

from sqlalchemy import text

from bench.stage import Stage, plan, stage, wait_until_verified
from postprober.analytics import folding
from postprober.services.operations import growth as service
from postprober.services.operations.growth import Growth
from postprober.storage import archive

COUNT = 300
LEAST = 20  # bytes a delivery that are worth a line
READINGS = 8  # a delivery
PATIENCE = 120.0  # seconds for them


def growth() -> None:
    """Prints bytes a delivery by table, before and after folding, and what one takes in the file."""
    with stage(accounts=2) as made:
        core = made.core
        assert core
        empty = {one.name: one.bytes for one in service.measure(core).tables}
        for number in range(COUNT):
            plan(made, number)
        made.deliver()
        wait_until_verified(made, COUNT, 600)
        followed = _follow(made)
        made.kill("scheduler")
        before = service.measure(core)
        with core.db.write() as conn:  # as it is once nothing is watched any more
            conn.exec_driver_sql("UPDATE deliveries SET next_at = NULL, lease_until = NULL")
        later = core.clock.now() + timedelta(days=91)
        done = folding.run(core.db, made.folder, later, timedelta(days=90), fewest=1)
        with core.db.write() as conn:
            conn.exec_driver_sql("UPDATE attempts SET reply = ''")  # as retention does by then
        core.db.checkpoint_wal()
        with core.db.engine.connect() as raw:
            raw.exec_driver_sql("VACUUM")
        after = service.measure(core)
        files = sum(file.stat().st_size for file in archive.folder(made.folder).iterdir())
        print(
            f"growth: {COUNT} deliveries of one part, text and a link, each followed by {followed:.1f} readings on average;"
        )
        print(f"{done} of them folded; bytes a delivery, with indexes")
        print(f"{'':<18}{'before':>10}{'folded':>10}")
        then, now = _each(before, empty), _each(after, empty)
        for name, each in then.items():
            if each > LEAST:
                print(f"{name:<18}{each:>10,.0f}{now[name]:>10,.0f}")
        print(f"{'all tables':<18}{sum(then.values()):>10,.0f}{sum(now.values()):>10,.0f}")
        print(f"{'file':<18}{0:>10,.0f}{files / COUNT:>10,.0f}")


def _follow(made: Stage) -> float:
    """Let the scheduler read engagement for a while, as it does for weeks; returns how many readings a delivery has had."""
    assert made.core
    end, read = time.monotonic() + PATIENCE, 0.0
    while read < READINGS and time.monotonic() < end:
        time.sleep(1)
        with made.core.db.read() as conn:
            read = (
                conn.execute(text("SELECT count(*) FROM monitoring_logs WHERE step = 'engagement'")).scalar_one()
                / COUNT
            )
    return read


def _each(found: Growth, empty: dict[str, int]) -> dict[str, float]:
    """Bytes a delivery, by table, beyond what an empty one takes."""
    return {one.name: (one.bytes - empty[one.name]) / COUNT for one in found.tables}
