"""The scheduler process: APScheduler starts the due poll, a lease in the database makes a second scheduler a standby."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import SQLAlchemyError

from postprober.errors import PostProberError
from postprober.pipeline.core.context import Context
from postprober.pipeline.health import platform_health
from postprober.pipeline.health.account_checks import AccountChecks
from postprober.pipeline.notifications import notify
from postprober.pipeline.notifications.outbox import send_due
from postprober.pipeline.notifications.sender_pool import SenderPool
from postprober.pipeline.publishing.conversions import Converter
from postprober.pipeline.publishing.recovery import HighWater, guard_against_restore, recover_lost
from postprober.pipeline.repairs.diagnosis_job import tend
from postprober.pipeline.scheduler.deliverer import Deliverer
from postprober.pipeline.scheduler.dispatcher import Dispatcher, Queue
from postprober.pipeline.scheduler.worker_pool import WorkerPool
from postprober.pipeline.verification.browser_checks import BrowserChecks
from postprober.pipeline.verification.success_criteria import judge_due
from postprober.processes.stopping import Stopping
from postprober.storage import deliveries, meters, processes
from postprober.storage.database import said
from postprober.storage.retention import tidy

log = logging.getLogger("postprober.scheduler")

Job = tuple[str, Callable[[], Any], float]

TICK = 0.25  # seconds; how soon something is noticed that another process has just made due
BEAT = 2.0
PING = 60.0
HEALTH = 1.0
FAREWELL = 40.0  # seconds for what is in hand after SIGTERM; `up` kills after 45, what deploy/ describes after 60
LOOK = 0.05  # seconds between two looks whether it has ended
LEADER = "scheduler"


class Scheduler:
    """Start, run until `stop` is called, finish what is in hand, say goodbye."""

    def __init__(self, ctx: Context, workers: int, more: Sequence[Job] = (), queue: Queue | None = None) -> None:
        """`more`: further jobs (name, act, seconds) that only the leader does. `queue`: to workers in other processes;
        without one the deliveries are done on `workers` threads here."""
        self._ctx = ctx
        self._more = more
        own = WorkerPool(ctx, workers)
        self._deliverer: Deliverer = own if queue is None else Dispatcher(ctx, queue, own)
        self._deliverer.on_idle = self._wake
        self._account_checks = AccountChecks(ctx)
        self._senders = SenderPool(ctx)
        self._converter = Converter(ctx)
        self._started_at = ctx.clock.now()
        self._leader = False
        self._renew_lead_at = 0.0  # monotonic
        self._leading = threading.Lock()  # between taking the lead and handing it over
        self._guarded = False
        self._again = False
        self._note = HighWater(ctx.data_dir)
        self._note_known = False
        self._browser_checks = BrowserChecks(ctx)
        self._done = Stopping()
        self._at_work: set[str] = set()  # jobs
        self._threads = ThreadPoolExecutor(8)
        self._jobs = BackgroundScheduler(
            executors={"default": self._threads},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )

    def run(self) -> bool:
        """Blocks until `stop`; returns whether everything that was in hand then came to its end. What did not is still
        on its threads: the caller ends the process without waiting for them, and recovery takes it over."""
        ctx = self._ctx
        self._lead()
        self._beat()
        lease = self._ctx.timing.lease.total_seconds()
        for name, job, seconds in (
            ("due-poll", self._poll_due, TICK),
            ("lead", self._lead, lease / 10),  # so soon does a standby notice; who leads renews less often
            ("leases", self._deliverer.renew_leases, lease / 3),
            ("recover", self._recover, min(1.0, lease / 4)),
            ("outbox", self._outbox, 0.5),
            ("notify", self._notify, 0.5),
            ("attend", self._attend, 5.0),
            ("ping", self._ping, PING),
            ("agent", self._agent, 0.5),
            ("health", self._as_leader(lambda: platform_health.tick(ctx)), HEALTH),
            ("account-checks", self._as_leader(self._account_checks.check_due), HEALTH),
            ("browser-checks", self._look, 1.0),
            ("conversions", self._as_leader(self._converter.tick), 1.0),
            ("beat", self._beat, BEAT),
            ("wal", self._ctx.db.checkpoint_wal, 30.0),
            ("tidy", self._tidy, 3600.0),
        ):
            self._jobs.add_job(self._job(name, job), "interval", seconds=seconds, id=name, name=name)
        for name, job, seconds in self._more:
            self._jobs.add_job(self._job(name, self._as_leader(job)), "interval", seconds=seconds, id=name, name=name)
        self._jobs.start()
        log.info("scheduler started as %s", self._ctx.worker)
        self._done.wait()
        return self._finish()

    def stop(self) -> None:
        """Ask `run` to end; safe from a signal handler."""
        self._done.set()

    def _finish(self) -> bool:
        """Leases are renewed to the end, because the item at hand may take longer than one."""
        ended = threading.Event()

        def renew() -> None:
            while not ended.wait(self._ctx.timing.lease.total_seconds() / 3):
                _guarded("leases", self._deliverer.renew_leases)()

        keeper = threading.Thread(target=renew, name="leases", daemon=True)
        keeper.start()
        self._deliverer.take_nothing_new()
        self._senders.close()
        self._converter.stop()
        _guarded("handing over", self._hand_over)()
        # With `wait=True` it would wait under the lock that the due poll needs to plan its next run: for ever.
        self._jobs.shutdown(wait=False)
        left = self._await_ends()
        if left:
            log.warning("left in hand after %s s, to be taken over: %s", FAREWELL, ", ".join(left))
        else:
            self._threads.shutdown(wait=True)
            self._deliverer.stop()
            self._account_checks.stop()
        ended.set()
        keeper.join()
        _guarded("goodbye", self._say_goodbye)()
        log.info("scheduler stopped")
        return not left

    def _await_ends(self) -> list[str]:
        """What is still in hand when there is nothing or the time is over."""
        end, pause = time.monotonic() + FAREWELL, threading.Event()
        looking = True
        while (left := self._in_hand()) and time.monotonic() < end:
            if looking and not self._deliverer.busy():  # which may be posting with the same browser
                looking = False
                self._browser_checks.close()
            pause.wait(LOOK)
        return left

    def _in_hand(self) -> list[str]:
        counts = {
            "deliveries": self._deliverer.busy(),
            "account checks": self._account_checks.busy(),
            "messages": self._senders.busy(),
            "conversions": self._converter.busy(),
        }
        return [*(f"{count} {what}" for what, count in counts.items() if count), *sorted(self._at_work)]

    def _hand_over(self) -> None:
        """The standby leads from its next look on, while this one still finishes what it has in hand."""
        with self._leading:
            self._leader = False
            with self._ctx.db.write() as conn:
                processes.drop_lease(conn, LEADER, self._ctx.worker)

    def _say_goodbye(self) -> None:
        counted = self._ctx.tally.pending()
        with self._ctx.db.write() as conn:
            meters.add(conn, counted)
            processes.gone(conn, self._ctx.worker)
        self._ctx.tally.stored(counted)

    def _lead(self) -> None:
        with self._leading:
            begun, now, lease = self._ctx.clock.monotonic(), self._ctx.clock.now(), self._ctx.timing.lease
            if self._done.is_set() or (self._leader and begun < self._renew_lead_at):
                return
            with self._ctx.db.write() as conn:
                self._leader = processes.hold_lease(conn, LEADER, self._ctx.worker, now=now, until=now + lease)
            self._renew_lead_at = begun + lease.total_seconds() / 4
        if self._leader and not self._guarded:
            with self._ctx.db.write() as conn:
                deliveries.free_orphaned_accounts(conn)
            doubted = guard_against_restore(self._ctx, self._note)
            if doubted:
                log.warning("the database is older than its note: %s deliveries are looked for first", doubted)
            notify.scheduler_back(self._ctx)
            platform_health.reload(self._ctx)
            self._guarded = True

    def _poll_due(self) -> None:
        if not self._leader or not self._guarded:
            return
        self._again = True
        upcoming = None
        while self._again:
            self._again = False  # before the look: a worker that ends during it sets it again
            upcoming = self._deliverer.poll_due()
        if upcoming is None:
            return
        wait = upcoming - self._ctx.clock.now()
        if timedelta(0) < wait < timedelta(seconds=TICK):
            # Between two ticks: poll at the very moment.
            self._jobs.add_job(
                self._job("next", self._poll_due),
                "date",
                run_date=upcoming,
                id="next",
                name="next",
                replace_existing=True,
            )

    def _wake(self) -> None:
        """A worker is free: look at once whether somebody waits."""
        self._again = True
        try:
            self._jobs.modify_job("due-poll", next_run_time=self._ctx.clock.now())
        except JobLookupError:
            return  # shutting down

    def _recover(self) -> None:
        if self._leader:
            recover_lost(self._ctx)

    def _outbox(self) -> None:
        if self._leader:
            send_due(self._ctx)

    def _notify(self) -> None:
        if self._leader:
            self._senders.tick()

    def _attend(self) -> None:
        if self._leader:
            notify.attend(self._ctx)

    def _ping(self) -> None:
        """The dead-man's switch: whoever listens there misses it when we are gone."""
        if self._leader and self._guarded and self._ctx.ping_url:
            self._ctx.http.bound().read("GET", self._ctx.ping_url, timeout=10)

    def _tidy(self) -> None:
        if self._leader:
            tidy(self._ctx.db, self._ctx.clock.now(), self._ctx.data_dir)

    def _agent(self) -> None:
        if self._leader and self._guarded:
            tend(self._ctx)
            judge_due(self._ctx)

    def _look(self) -> None:
        if self._leader and self._guarded:
            self._browser_checks.look()

    def _job(self, name: str, job: Callable[[], Any]) -> Callable[[], None]:
        """As APScheduler is given it: known while it is at work, and not begun any more when the end was asked for."""
        guarded = _guarded(name, job)

        def run() -> None:
            self._at_work.add(name)
            try:
                if not self._done.is_set():
                    guarded()
            finally:
                self._at_work.discard(name)

        return run

    def _as_leader(self, job: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: job() if self._leader and self._guarded else None

    def _beat(self) -> None:
        detail: dict[str, Any] = {"pid": os.getpid(), "leader": self._leader, "busy": self._deliverer.busy()}
        counted = self._ctx.tally.pending()
        with self._ctx.db.write() as conn:
            meters.add(conn, counted)
            processes.beat(conn, self._ctx.worker, "scheduler", self._started_at, self._ctx.clock.now(), detail)
            if self._note.written and not self._note_known:
                self._note.remember(conn)
                self._note_known = True
            installation, newest = processes.get_fact(conn, "installation"), processes.newest_transition(conn)
        self._ctx.tally.stored(counted)
        if self._leader and installation and self._guarded:
            self._note.write(installation, newest)


def _guarded(name: str, job: Callable[[], Any]) -> Callable[[], None]:
    """A job whose failure is logged and does not end the others: after a pause that grows it is tried again, and the
    same failure is logged once a minute."""
    return _Guarded(name, job)


PAUSE, LONGEST_PAUSE = 0.25, 2.0  # seconds; ours: short enough that an outage of the database delays no post noticeably
SAY_AGAIN = 60.0  # seconds


class _Guarded:
    def __init__(self, name: str, job: Callable[[], Any]) -> None:
        self._name, self._job = name, job
        self._failures = 0
        self._pause = PAUSE
        self._not_before = 0.0  # monotonic, as the next one
        self._said_at, self._said = 0.0, ""

    def __call__(self) -> None:
        if self._failures and time.monotonic() < self._not_before:
            return
        try:
            self._job()
        except (SQLAlchemyError, PostProberError, OSError) as error:
            self._failed(said(error))
        except Exception as error:  # noqa: BLE001 - a mistake of ours in one job must not end the clock of the others
            self._failed(f"{said(error)} (a mistake of ours)", error)
        else:
            if self._failures:
                log.info("%s works again after %s failures", self._name, self._failures)
            self._failures = 0

    def _failed(self, words: str, mistake: Exception | None = None) -> None:
        now = time.monotonic()
        self._pause = min(self._pause * 2, LONGEST_PAUSE) if self._failures else PAUSE
        self._not_before = now + self._pause
        self._failures += 1
        if words != self._said or now - self._said_at >= SAY_AGAIN:
            where = mistake if words != self._said else None
            log.error("%s failed (%s in a row): %s", self._name, self._failures, words, exc_info=where)
            self._said, self._said_at = words, now
