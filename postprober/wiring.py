"""Builds the parts and puts them together; the only place that knows all of them."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from postprober import extras
from postprober.agent.advisor import Advisor
from postprober.agent.language_model import LanguageModel
from postprober.analytics import compaction, folding
from postprober.browser import Browser
from postprober.clock import Clock, SystemClock
from postprober.errors import BadInput
from postprober.http import HttpClient, Pools
from postprober.pipeline.core.context import Context
from postprober.pipeline.repairs.model_budget import Budget, DbTokenBudget
from postprober.pipeline.repairs.model_use import DbModelUse
from postprober.pipeline.scheduler.scheduler import Scheduler
from postprober.security import log_redaction
from postprober.services.core import Core
from postprober.services.media import media
from postprober.services.operations import backup_set, upgrade
from postprober.services.pipeline_context import context_of
from postprober.services.posts import advice as advice_service
from postprober.services.reports import report_schedule
from postprober.settings import Settings, load_settings
from postprober.storage import move, retention
from postprober.storage.database import Database

if TYPE_CHECKING:
    from postprober.agent.model_client import TokenBudget

DEFAULT_MODEL = "gpt-4.1-mini"  # small, cheap, takes structured outputs (developers.openai.com, models)
SANDBOX_MODEL = "sandbox-model"  # what the sandbox calls its own (sandbox/openai/api.py)
COMPACT_EVERY = 3600.0  # seconds
FOLD_EVERY = 6 * 3600.0  # seconds
REPORTS_EVERY = 5.0  # seconds
BACKUP_EVERY = 60.0  # seconds between two looks whether a backup is due


def build_core(
    settings: Settings | None = None, *, clock: Clock | None = None, migrate: bool = True, **kw: Any
) -> Core:
    """One installation. Raises ConfigurationError when settings or database are unusable."""
    chosen = settings or load_settings(**kw)
    log_redaction.shape(chosen.log_format, chosen.log_fold_seconds)
    chosen.data_dir.mkdir(parents=True, exist_ok=True)
    vault = chosen.vault()
    db = Database(chosen.database, pool_size=chosen.workers + 8)
    if migrate:
        upgrade.migrate(chosen, db, (clock or SystemClock()).now())
    move.refuse_moved(db)
    move.forget_abandoned(db)
    pools = Pools(
        allow_private=chosen.sandbox,
        timeout=chosen.timing.http_timeout,
        trusted_hosts=chosen.trusted_hosts(),
        inside=chosen.sandbox,
    )
    if chosen.redis_url:
        extras.need("redis")
        from postprober.wakeup import WakeSignal

        db.on_write = WakeSignal(chosen.redis_url.get_secret_value()).wake
    http, time = HttpClient(pools), clock or SystemClock()
    return Core(chosen, db, vault, http, time, build_advisor(chosen, db, http, time), Browser(chosen))


def build_advisor(settings: Settings, db: Database, http: HttpClient, clock: Clock) -> Advisor:
    """The agent: rules, and a model where a key or the address of a server is set, for spaces that have agreed. Raises
    NotInstalled when the model's library is missing then."""
    if not (settings.ai_api_key or settings.ai_base_url):
        return Advisor()
    extras.need("ai")
    from postprober.agent.model_client import OPENAI_URL  # loads the library, which takes as long as everything else

    budget = Budget(
        settings.ai_tokens_per_day, settings.ai_money_per_day, settings.ai_input_price, settings.ai_output_price
    )
    name, url, here = _which_model(settings)
    use = DbModelUse(db, name, http.redactor.url(url or OPENAI_URL), here)
    return Advisor(_model(settings, DbTokenBudget(db, clock, budget, use.spaces), http, clock), use)


class _CountedHere:
    """A token budget in memory, for a command without a database."""

    def __init__(self, left: int) -> None:
        self._left = left

    def reserve(self, purpose: str, model: str, tokens: int, space: int | None = None) -> int | None:
        if tokens > self._left:
            return None
        self._left -= tokens
        return 0

    def settle(self, row: int, input_tokens: int, output_tokens: int, outcome: str) -> None:
        """What was reserved stays counted."""


def model_without_installation(settings: Settings, clock: Clock) -> LanguageModel:
    """The model of the settings for one command, within a day's tokens; no database is opened. Whoever runs the command
    agrees to it by asking for it. Raises BadInput when none is set up, NotInstalled when its library is missing."""
    if not (settings.ai_api_key or settings.ai_base_url):
        raise BadInput("No model is set up: set POSTPROBER_AI_API_KEY, or leave --model out.")
    extras.need("ai")
    return _model(
        settings,
        _CountedHere(settings.ai_tokens_per_day),
        HttpClient(
            Pools(allow_private=settings.sandbox, trusted_hosts=settings.trusted_hosts(), inside=settings.sandbox)
        ),
        clock,
    )


def _which_model(settings: Settings) -> tuple[str, str, bool]:
    """(name, address, whether it is the sandbox's own). In sandbox mode nothing leaves this machine, so the model is the
    sandbox's unless another one was named."""
    here = settings.sandbox and not settings.ai_base_url
    url = f"{settings.sandbox_url}/openai/v1" if here else settings.ai_base_url
    return settings.ai_model or (SANDBOX_MODEL if here else DEFAULT_MODEL), url, here


def _model(settings: Settings, token_budget: TokenBudget, http: HttpClient, clock: Clock) -> LanguageModel:
    from postprober.agent.model_client import ModelClient  # loads the library, too

    name, url, _ = _which_model(settings)
    key, seconds = settings.ai_api_key.get_secret_value(), float(settings.ai_timeout_seconds)
    return ModelClient(http, clock, token_budget, name, key, url, seconds)


def build_scheduler(core: Core, workers: int, ctx: Context | None = None) -> Scheduler:
    """The scheduler of this installation, with everything that it does on the side."""
    jobs: list[tuple[str, Callable[[], object], float]] = [
        ("advice", lambda: advice_service.make_pending(core), 0.5),
        ("reports", lambda: report_schedule.tick(core), REPORTS_EVERY),
    ]
    if core.advisor.language_model is not None:
        # A second one, so that drafts are looked at while a slow model keeps the first one waiting.
        jobs.append(("more-advice", lambda: advice_service.make_pending(core), 0.5))
    if extras.has("analytics"):  # else the samples stay in the database, where they count as well
        jobs.append(("compaction", partial(_compact, core), COMPACT_EVERY))
        jobs.append(("folding", partial(_fold, core), FOLD_EVERY))
    jobs.append(("unused-media", lambda: media.drop_unused(core), FOLD_EVERY))
    if core.settings.backup_dir:
        jobs.append(("backup", lambda: backup_set.tick(core), BACKUP_EVERY))
    queue = None
    if core.settings.redis_url:
        from postprober.broker import DeliveryQueue  # loads the queue's libraries, which nobody else needs

        queue = DeliveryQueue(core.settings.redis_url.get_secret_value())
    return Scheduler(ctx or context_of(core), workers, jobs, queue)


def _compact(core: Core) -> None:
    compaction.run(core.db, core.settings.data_dir, core.clock.now())


def _fold(core: Core) -> None:
    with core.db.read() as conn:
        days = retention.get(conn).details
    if days:
        folding.run(core.db, core.settings.data_dir, core.clock.now(), timedelta(days=days))


def calm_garbage_collector() -> None:
    """For processes that run long: what is loaded by now stays out of every collection, and the rest is looked at more
    rarely. A full collection stops all threads, the longer the more there is (450 ms with 5,000 WebSockets)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def close_core(core: Core) -> None:
    if core.browser is not None:
        core.browser.close()
    core.background.close()
    core.http.pools.close()
    core.db.close()
