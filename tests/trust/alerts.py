"""I13: the alerts' own campaign (tests.crash.alerts), counted."""

from __future__ import annotations

from tests.crash.alerts import run
from tests.trust.base import Found, Turns

BATCH = 50
CONTROL = 150  # kills; one in 15 hits the moment between the mark and the sending


def told(turns: Turns) -> Found:
    alerts = doubled = 0
    failures: list[str] = []
    for numbers in turns.batches(BATCH):
        count = run(len(numbers), seed=numbers.start + 1)
        alerts, doubled = alerts + count.alerts, doubled + count.doubled
        if not count.good:
            failures.append(f"kills {numbers.start} to {numbers.stop}: {count}")
    control = run(CONTROL, naive=True)
    note = f"{alerts:,} alerts, {doubled:,} told twice under one key, which is allowed; the control's are of {control.alerts}"
    return Found(failures, "marks a message before it is sent", control.lost, control.killed, note)
