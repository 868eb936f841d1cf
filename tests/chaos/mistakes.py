"""Deliberate mistakes. A campaign that does not find each of them within `within` runs proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection, bindparam, update

from postprober.domain.attempt import Outcome
from postprober.domain.delivery import DeliveryState
from postprober.domain.remote import RemotePost, Search
from postprober.errors import OutcomeUnknown, PlatformError
from postprober.pipeline.core import transitions, unlinked
from postprober.pipeline.core.context import LeaseKeeper
from postprober.pipeline.core.platform_time import Patience
from postprober.pipeline.publishing import failures, locate, publish, reconcile, recovery
from postprober.platforms.common import adapter as base
from postprober.services.posts import delivery_actions, drafts, edit_failed, gate, posts
from postprober.storage import deliveries, remote_posts
from postprober.storage.records import Delivery
from postprober.storage.tables import deliveries as table
from tests.chaos import world
from tests.chaos.run import Plan
from tests.chaos.world import MODES

S = DeliveryState


@dataclass(frozen=True)
class Mistake:
    """`make()`: a context in which the program makes it. Only runs in which it can show count: on a platform that works in
    one of `modes`, refuses no duplicates (`plain`), and with each of `needs` in some operation. `within` so many of these
    it has to be found."""

    name: str
    make: Callable[[], Any]
    modes: tuple[str, ...] = MODES
    needs: tuple[str | float, ...] = ()
    plain: bool = False
    within: int = 300

    def fits(self, plan: Plan) -> bool:
        """Whether the run counts."""
        if plan.nature.mode not in self.modes or (self.plain and plan.nature.duplicates):
            return False
        return all(any(need in op for op in plan.ops) for need in self.needs)


def _instead(*changes: tuple[Any, str, Any]) -> Callable[[], Any]:
    """A context in which attributes are others."""

    @contextmanager
    def made() -> Iterator[None]:
        with ExitStack() as stack:
            for target, name, value in changes:
                stack.enter_context(patch.object(target, name, value))
            yield

    return made


def _raw(conn: Connection, delivery: Delivery, **columns: Any) -> None:
    conn.execute(update(table).where(table.c.id == delivery.id).values(**columns))


def _forget(ctx: Any, delivery: Delivery) -> None:
    """A lost worker's send is taken for one that never was."""
    with ctx.db.write() as conn:
        deliveries._release(conn, delivery)
        _raw(
            conn,
            delivery,
            state=S.SCHEDULED,
            lease_until=None,
            lease_owner=None,
            fence=delivery.fence + 1,
            next_at=ctx.clock.now(),
        )


_NO_FENCE = update(table).where(table.c.id == bindparam("b_id"), bindparam("b_fence") >= 0, bindparam("b_state") != "")


def _careless_outcome(error: PlatformError) -> Outcome:
    return Outcome.UNAVAILABLE if isinstance(error, OutcomeUnknown) else _outcome(error)


def _undated(post: RemotePost, search: Search, own_apps: Any) -> str:
    return "" if post.created_at is None else _unclear(post, search, own_apps)


def _stop_anyway(core: Any, actor: Any, post_id: int) -> int:
    """Says yes whatever a worker is doing."""
    with core.db.write() as conn:
        for delivery in deliveries.of_post(conn, post_id):
            _raw(conn, delivery, state=S.CANCELLED, next_at=None, unknown_at=None)
            deliveries._release(conn, delivery)
            transitions.alert_log.close(conn, f"delivery:{delivery.id}", core.clock.now())
        deliveries.refresh_post(conn, post_id, core.clock.now())
    return 1


def _edit_anyway(core: Any, actor: Any, post_id: int, new: posts.NewPost, *_: Any, **__: Any) -> None:
    """Says yes whatever a worker is doing."""
    with core.db.write() as conn:
        for delivery in deliveries.of_post(conn, post_id):
            parts = [replace(p, text=t).to_json() for p, t in zip(delivery.parts, new.parts, strict=True)]
            _raw(conn, delivery, parts=parts)


def _fresh_handles(core: Any, account: Any, key: str, parts: Any, due: datetime, before: Any = ()) -> Any:
    """What is edited gets a new handle."""
    return _with_handles(core, account, f"{key}+" if before else key, parts, due)


_outcome, _unclear, _with_handles = failures._outcome, base._unclear, posts.with_handles
_NOW = timedelta(0)
_LIST = {"modes": ("list",), "plain": True}  # where nothing else keeps a second send from being a second post
ALL = (
    Mistake("a lost worker's intent is forgotten", _instead((recovery, "_take_back", _forget))),
    Mistake("no fence", _instead((deliveries, "_UPDATE", _NO_FENCE)), needs=("overtake",)),
    Mistake(
        "no last check before the first byte",
        _instead((LeaseKeeper, "check", lambda *_: None)),
        needs=("overtake",),
        **_LIST,
    ),
    Mistake("a lost answer counts as a refusal", _instead((failures, "_outcome", _careless_outcome))),
    Mistake(
        "one reading proves absence",
        _instead((reconcile, "READINGS_FOR_ABSENCE", 1)),
        needs=("flicker", "mishap"),
        **_LIST,
    ),
    Mistake("nobody waits until a late request has landed", _instead((world, "SETTLE", 0.5)), needs=("late",), **_LIST),
    Mistake("no recovery of lost workers", _instead((recovery.deliveries, "lost", lambda *_: []))),
    Mistake(
        "adoption by words beside another delivery in doubt",
        _instead(*((module, "why_not", lambda *_: "") for module in (reconcile, publish, failures))),
        modes=("list", "strict", "key"),
    ),
    Mistake(
        "a post may belong to several deliveries",
        _instead((remote_posts, "claim", lambda *_, **__: True), (remote_posts, "known", lambda *_, **__: frozenset())),
        modes=("list", "strict", "key"),
    ),
    Mistake(
        "a post without a time counts as made after the intent", _instead((base, "_unclear", _undated)), needs=("twin",)
    ),
    Mistake(
        "times are compared without the platform's clock",
        _instead((locate, "_in_their_time", lambda search, *_: search)),
        needs=("mishap",),
        **_LIST,
    ),
    Mistake(
        "the settle time runs on the wall clock",
        _instead((Patience, "left", lambda *_: _NOW), (reconcile, "too_early", lambda *_: _NOW)),
        needs=("late", 100.0),
        **_LIST,
    ),
    Mistake(
        "new words after a send without an answer get a new handle",
        _instead(
            (gate, "refuse_doubt", lambda *_: None),
            (edit_failed, "with_handles", _fresh_handles),
            (drafts, "with_handles", _fresh_handles),
        ),
        modes=("handle",),
        needs=("rewrite", "late", "422"),
    ),
    Mistake(
        "new words after a send without an answer keep the old handle",
        _instead((gate, "refuse_doubt", lambda *_: None)),
        modes=("handle",),
        needs=("rewrite", "422", "late"),
        within=1500,
    ),
    Mistake(
        "cancelling is accepted whatever a worker is doing",
        _instead((delivery_actions, "cancel", _stop_anyway)),
        needs=("cancel",),
    ),
    Mistake(
        "an edit is accepted whatever a worker is doing", _instead((drafts, "change", _edit_anyway)), needs=("edit",)
    ),
    Mistake(
        "what was told stays open when the state changes", _instead((transitions.alert_log, "close", lambda *_: None))
    ),
    Mistake("the post's status is not kept", _instead((deliveries, "alters_post", lambda *_: False))),
    Mistake(
        "what waits on a disconnected account waits on",
        _instead((unlinked, "settle", lambda *_, **__: None), (unlinked, "is_stale", lambda *_: False)),
        needs=("unlink",),
    ),
)
