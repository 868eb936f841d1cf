"""A worker of the scaled profile: `dramatiq postprober.worker --processes 1 --threads 8`, on any number of machines.

Each process takes deliveries under leases of its own and renews them; killed at any moment it loses nothing but those.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from datetime import datetime

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware
from sqlalchemy.exc import SQLAlchemyError

from postprober.broker import ACTOR, broker_of
from postprober.errors import ConfigurationError, PostProberError
from postprober.pipeline.core.context import Context
from postprober.pipeline.health import platform_health
from postprober.pipeline.publishing.publish import publish
from postprober.pipeline.publishing.reconcile import reconcile
from postprober.pipeline.scheduler.dispatcher import FOLLOW, PUBLISH
from postprober.pipeline.verification.follow_up import follow
from postprober.security import log_redaction
from postprober.services.core import Core
from postprober.services.pipeline_context import context_of
from postprober.settings import load_settings
from postprober.storage import meters, processes
from postprober.wiring import build_core, calm_garbage_collector, close_core

log = logging.getLogger("postprober.worker")

BEAT = 2.0  # seconds
SHARE = 1.0
_ACTS = {"publish": publish, "reconcile": reconcile, "follow": follow}


class Life(Middleware):
    """What a worker process has from its start to its end."""

    def __init__(self) -> None:
        self._core: Core | None = None
        self.ctx: Context | None = None
        self._ending = threading.Event()
        self._started: datetime | None = None

    def before_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        log_redaction.to_stream("worker")  # instead of Dramatiq's, which knows no format of ours
        try:
            self._core = build_core(migrate=False)
            if not self._core.db.is_current():
                raise ConfigurationError("The database is not of this version; start the scheduler first.")
        except PostProberError as error:
            log.error("%s %s", error, error.detail)
            os.kill(os.getpid(), signal.SIGTERM)
            raise
        name = f"{socket.gethostname()}-{os.getpid()}-worker"
        self.ctx = context_of(self._core, worker=name)
        self._started = self._core.clock.now()
        lease = self.ctx.timing.lease.total_seconds()
        care = ((lease / 3, self.ctx.keeper.renew), (BEAT, self._beat), (SHARE, self._share))
        for each, act in care:
            threading.Thread(target=self._every, args=(each, act), name="worker-care", daemon=True).start()
        calm_garbage_collector()

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        self._ending.set()
        if self._core is not None and self.ctx is not None:
            counted = self.ctx.tally.pending()
            with self._core.db.write() as conn:
                meters.add(conn, counted)
                processes.gone(conn, self.ctx.worker)
            self.ctx.tally.stored(counted)
            close_core(self._core)

    def _every(self, seconds: float, act: Callable[[], None]) -> None:
        while not self._ending.wait(seconds):
            try:  # nosemgrep: every-error-caught # logged whole
                act()
            except (SQLAlchemyError, PostProberError, OSError) as error:
                log.warning("care: %s", error)
            except Exception:  # without this thread no lease is renewed and nobody knows that the worker lives
                log.exception("care")

    def _share(self) -> None:
        """What this process sees of the platforms is for all, and what the others saw for it."""
        if self.ctx is not None:
            platform_health.share(self.ctx)

    def _beat(self) -> None:
        if self.ctx is None or self._started is None:
            return
        detail = {"pid": os.getpid(), "busy": len(self.ctx.keeper.held())}
        counted = self.ctx.tally.pending()
        with self.ctx.db.write() as conn:
            meters.add(conn, counted)
            processes.beat(conn, self.ctx.worker, "worker", self._started, self.ctx.clock.now(), detail)
        self.ctx.tally.stored(counted)


def _broker(life: Life) -> RedisBroker:
    url = load_settings().redis_url
    if not url:
        raise SystemExit("A worker needs POSTPROBER_REDIS_URL; without Redis the scheduler delivers by itself.")
    return broker_of(url.get_secret_value(), life)


_life = Life()
broker = _broker(_life)
dramatiq.set_broker(broker)


def _carry(act: str, delivery_id: int) -> None:
    if _life.ctx is None:
        return  # the worker is ending; the scheduler hands it over again
    try:
        _ACTS[act](_life.ctx, delivery_id)
    except (SQLAlchemyError, PostProberError, OSError) as error:
        # Its lease runs out, and recovery takes the delivery back and counts the crash.
        log.error("delivery %s failed: %s", delivery_id, error)


@dramatiq.actor(actor_name=f"{ACTOR}_{PUBLISH}", queue_name=PUBLISH, broker=broker, priority=0)
def carry_publish(act: str, delivery_id: int) -> None:
    """Publish, or look for what may be out."""
    _carry(act, delivery_id)


@dramatiq.actor(actor_name=f"{ACTOR}_{FOLLOW}", queue_name=FOLLOW, broker=broker, priority=10)
def carry_follow(act: str, delivery_id: int) -> None:
    """Prove and count; fetched posts to publish go first."""
    _carry(act, delivery_id)
