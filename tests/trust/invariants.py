"""The twenty promises, how each is tried, and how often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Invariant:
    """`where`: module and function of tests.trust; `asked`: rounds of the full campaign."""

    id: str
    says: str
    how: str
    asked: int
    where: str


def _row(id_: str, says: str, how: str, asked: int, where: str) -> Invariant:
    return Invariant(id_, says, how, asked, where)


ALL = (
    _row(
        "I1",
        "every accepted post reaches a final or held state",
        "SIGKILL of sidecar, scheduler and app at random while posts keep coming; the client's log of 201s",
        10_000,
        "kills:ends",
    ),
    _row(
        "I2",
        "at most one visible object per delivery",
        "8 crash points × 11 faults × 6 adapters × 20, real processes",
        10_560,
        "kills:once",
    ),
    _row("I3", "no verdict contradicts the platform", "the sandbox's truth for each of these", 10_560, "kills:truth"),
    _row(
        "I4",
        "no send between unknown and the end of reconciliation",
        "order in the sandbox's request log of these",
        10_560,
        "kills:patience",
    ),
    _row(
        "I5",
        "a hold is alarmed within 60 s",
        "the answer is lost and timelines are down; a webhook hears of it",
        1000,
        "holds:alarmed",
    ),
    _row(
        "I6",
        "no request before a rate limit's reset",
        "429 in seconds, date, epoch, ISO, missing, past, ten years, on every platform",
        1000,
        "limits:waited",
    ),
    _row(
        "I7",
        "one refresh for many 401s; killed after rotation → reconnect alert",
        "8 workers refused at once; a refresher dies between the platform's answer and its commit",
        1000,
        "tokens:once",
    ),
    _row(
        "I8",
        "ghosts flagged, never re-posted, also when they appear late",
        "half stay away, half appear minutes later",
        1000,
        "ghosts:flagged",
    ),
    _row(
        "I9",
        "clock jumps fire nothing twice and skip nothing",
        "−3 h, +25 h and both changes of daylight saving, 300 each",
        1200,
        "clocks:jumped",
    ),
    _row(
        "I10",
        "a paused worker cannot act after losing its lease",
        "SIGSTOP of a worker process for two leases, while another one works",
        1000,
        "frozen:paused",
    ),
    _row(
        "I11",
        "a 201 survives SIGKILL at every k-th write or sync call",
        "strace kills the process at the k-th call on the database's files, until a run ends untouched",
        60,
        "disks:killed",
    ),
    _row(
        "I12",
        "full disk, I/O error, locked database: 503, never a false 201",
        "strace fails the k-th call, once and for good; another process holds the lock",
        200,
        "disks:refused",
    ),
    _row(
        "I13",
        "no alert lost",
        "SIGKILL between the change and the end of the sending",
        1000,
        "alerts:told",
    ),
    _row(
        "I14",
        "equal Idempotency-Keys make one post",
        "100 requests at once on 20 threads",
        500,
        "keys:one",
    ),
    _row(
        "I15",
        "an accepted cancel or edit wins",
        "at every checkpoint of the worker, and on two threads",
        1000,
        "races:won",
    ),
    _row(
        "I16",
        "key rotation killed at each row leaves every token readable; swapped ciphertexts refused",
        "every write of a rotation, before and after its commit; every pair of values",
        650,
        "vaults:rotated",
    ),
    _row(
        "I17",
        "Redis or PostgreSQL restarted, a worker or the scheduler killed: nothing lost or doubled",
        "five kinds of fault under load, on in 15 s; PostgreSQL, Redis, two schedulers and two workers",
        200,
        "queues:emptied",
    ),
    _row(
        "I18",
        "a restored older database publishes nothing before reconciling",
        "copied at a random moment, put back after others were sent",
        200,
        "restores:looked",
    ),
    _row(
        "I19",
        "repairs stay within their cap and policy under an adversarial model",
        "a model that obeys injected texts; a model that orders the same repair for ever",
        500,
        "repairs:bounded",
    ),
    _row(
        "I20",
        "a poison post is quarantined, the others go on",
        "it takes its worker down whenever it is touched",
        50,
        "poison:apart",
    ),
)
