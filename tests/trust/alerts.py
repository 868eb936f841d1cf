"""I13: the alerts' own campaign (tests.crash.alerts), counted."""

from __future__ import annotations

from tests.crash.alerts import run
from tests.trust.base import Found, Turns

BATCH = 50
CONTROL = 150  # kills; one in 15 hits the moment between the mark and the sending
MORE = 2  # further rounds of the control, while it has lost nothing


def told(turns: Turns) -> Found:
    alerts = doubled = 0
    failures: list[str] = []
    for numbers in turns.batches(BATCH):
        count = run(len(numbers), seed=numbers.start + 1)
        alerts, doubled = alerts + count.alerts, doubled + count.doubled
        if not count.good:
            failures.append(f"kills {numbers.start} to {numbers.stop}: {count}")
    control = run(CONTROL, naive=True)
    killed = control.killed
    for seed in range(2, 2 + MORE):  # on a busy machine all of them may miss the moment
        if control.lost:
            break
        control = run(CONTROL, naive=True, seed=seed)
        killed += control.killed
    note = f"{alerts:,} alerts, {doubled:,} told twice under one key, which is allowed; the control's are of {control.alerts}"
    return Found(failures, "marks a message before it is sent", control.lost, killed, note)
