"""`publish`, its live display, and `report`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.live import Live
from rich.table import Table

from postprober.cli.output import console, emit, say
from postprober.clock import utc_iso
from postprober.domain.actor import Actor
from postprober.domain.advice import Advice
from postprober.domain.card import AS_THE_PAGE_SAYS, CardChoice
from postprober.domain.delivery import TRAITS, DeliveryState
from postprober.domain.post import PostStatus
from postprober.errors import BadInput, PostProberError
from postprober.pipeline.scheduler.scheduler import Scheduler
from postprober.services.core import Core
from postprober.services.media import media
from postprober.services.monitoring import monitoring
from postprober.services.monitoring.monitoring import HEARTBEAT_LIMIT, PostView
from postprober.services.posts import posts, proposals
from postprober.services.posts.times import parse_time
from postprober.wiring import build_scheduler

DONE, FAILED, UNDECIDED = 0, 3, 4
POLL = 0.2
_MARKS = {"": "·", "pending": "…", "success": "✓", "failed": "✗", "warning": "!"}
_COLOURS = {"": "dim", "pending": "blue", "success": "green", "failed": "red", "warning": "yellow"}


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line. Several texts make a thread; alts belong to the files in order; `propose`: a
    person decides; `key`: the caller's own name for the post; `options`, `card`: as in `NewPost`."""

    account_ids: tuple[int, ...]
    texts: tuple[str, ...]
    files: tuple[Path, ...]
    alts: tuple[str, ...]
    at: str
    late_minutes: int | None = None
    propose: bool = False
    key: str = ""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    card: CardChoice = AS_THE_PAGE_SAYS


def targets(
    account_ids: Sequence[int], groups: Sequence[str], known: Callable[[], Sequence[Mapping[str, Any]]]
) -> list[int]:
    """Ids of the accounts that were given, as they were, and of those in these groups, each once. `known`: all groups, asked only
    for a name. Raises BadInput."""
    found = list(account_ids)
    by_name = {one["name"].casefold(): one["account_ids"] for one in known()} if groups else {}
    for name in groups:
        told = " ".join(name.split())
        if told.casefold() not in by_name:
            raise BadInput(f"There is no group of accounts “{told}”; `accounts groups` lists them.", field="group")
        if not by_name[told.casefold()]:
            raise BadInput(f"The group “{told}” has no linked account any more.", field="group")
        found += (one for one in by_name[told.casefold()] if one not in found)
    if not found:
        raise BadInput("Name at least one account: --account ID or --group NAME.", field="account")
    return found


def create(core: Core, actor: Actor, request: Request) -> int:
    """Check everything, then plan the post; returns its id. Raises BadInput; then nothing was written."""
    if len(request.alts) > len(request.files):
        raise BadInput("There are more alt texts than files.")
    named = posts.client_key(actor, request.key) if request.key else ""
    if named and (known := posts.known_by(core, actor, named)) is not None:
        return known.id  # whatever its time is by now
    at = parse_time(request.at, core.clock.now()) if request.at else None
    alts = (*request.alts, *[""] * (len(request.files) - len(request.alts)))
    ids: list[int] = []
    try:
        for path, alt in zip(request.files, alts, strict=True):
            ids.append(media.add_file(core, actor, path, alt))
        new = posts.NewPost(request.texts, request.account_ids, tuple(ids), at, late_minutes=request.late_minutes)
        new = replace(new, options=request.options, card=request.card)
        if request.propose:
            return proposals.propose(core, actor, new, key=request.key).post.id
        return posts.create(core, actor, new, named=named).id
    except PostProberError:
        media.discard(core, actor, ids)
        raise


def follow(core: Core, actor: Actor, post_id: int, *, wait: bool, as_json: bool, limit: float) -> int:
    """Show the post's way until it ends (or at once without `wait`); returns the exit code."""
    scheduler = _own_scheduler(core) if wait else None
    try:
        if wait:
            if as_json:
                _stream(core, actor, post_id, limit)
            else:
                _live(core, actor, post_id, limit)
    finally:
        if scheduler is not None:
            scheduler[0].stop()
            scheduler[1].join()
    view = monitoring.post_view(core, actor, post_id)
    if as_json:
        emit(_result(view))
    elif view.post.status == PostStatus.REVIEW:
        advice = Advice.from_json(view.post.ai_suggestions)
        say(f"Post {post_id} is held for review. {' '.join(advice.review.reasons) if advice else ''}")
    elif not wait:
        say(f"Post {post_id} is scheduled for {utc_iso(view.post.scheduled_at) if view.post.scheduled_at else 'now'}.")
        _say_cards(view)
    else:
        for item in view.deliveries:
            say(f"{item.platform} ({item.account}): {item.explanation} {item.delivery.url or ''}")
        _say_cards(view)
    return _code(view) if wait or view.post.status == PostStatus.REVIEW else DONE


def _say_cards(view: PostView) -> None:
    """Where the post goes without the card of its link, and why."""
    for item in view.deliveries:
        card = item.delivery.parts[0].card if item.delivery.parts else None
        if card is not None and card.problem:
            say(f"{item.platform} ({item.account}): {card.problem}")


def _own_scheduler(core: Core) -> tuple[Scheduler, threading.Thread] | None:
    """Without a living scheduler this process does the work while it waits."""
    age = monitoring.heartbeat_age(core)
    if age is not None and age < HEARTBEAT_LIMIT:
        return None
    scheduler = build_scheduler(core, min(4, core.settings.workers))
    thread = threading.Thread(target=scheduler.run, name="scheduler")
    thread.start()
    return scheduler, thread


def _changes(core: Core, actor: Actor, post_id: int, limit: float) -> Any:
    """Yields the view each time it is looked at, until it is finished or the time is over."""
    deadline = time.monotonic() + limit
    pause = threading.Event()
    while True:
        view = monitoring.post_view(core, actor, post_id)
        yield view
        if monitoring.finished(view) or time.monotonic() > deadline:
            return
        pause.wait(POLL)


def _stream(core: Core, actor: Actor, post_id: int, limit: float) -> None:
    last = 0
    for _ in _changes(core, actor, post_id, limit):
        for row in monitoring.step_rows(core, actor, post_id, after=last):
            last = row.id
            emit(
                {
                    "event": "step",
                    "delivery_id": row.delivery_id,
                    "platform": row.platform,
                    "step": row.step,
                    "status": row.status,
                    "at": row.timestamp,
                    "detail": row.details,
                }
            )


def _live(core: Core, actor: Actor, post_id: int, limit: float) -> None:
    with Live(console=console, refresh_per_second=8) as live:
        for view in _changes(core, actor, post_id, limit):
            live.update(_table(view))
    console.print()


def _table(view: PostView) -> Table:
    table = Table(title=f"Post {view.post.id}")
    for heading in ("Platform", "auth", "post", "verify", "count", "state", "proof"):  # the four steps, short
        table.add_column(heading)
    for item in view.deliveries:
        marks = [f"[{_COLOURS[s.status]}]{_MARKS[s.status]}[/]" for s in item.steps]
        label = TRAITS[item.delivery.state].label
        table.add_row(f"{item.platform} ({item.account})", *marks, label, item.delivery.proof.value)
    return table


def _result(view: PostView) -> dict[str, Any]:
    return {
        "event": "result",
        "post_id": view.post.id,
        "deliveries": [
            {
                "delivery_id": d.delivery.id,
                "account_id": d.delivery.account_id,
                "platform": d.delivery.platform.value,
                "state": d.delivery.state.value,
                "proof": d.delivery.proof.value,
                "remote_id": d.delivery.remote_id,
                "url": d.delivery.url,
            }
            for d in view.deliveries
        ],
    }


def code_of(status: str, deliveries: Iterable[tuple[int, int, str]]) -> int:
    """The exit code for a post with these (delivery id, account id, state): the newest delivery of each account counts. A post
    that was held once and then approved has an older, cancelled one."""
    if status == PostStatus.REVIEW:
        return UNDECIDED
    newest = {account_id: state for _, account_id, state in sorted(deliveries)}
    states = set(newest.values())
    if states <= {DeliveryState.VERIFIED, DeliveryState.PUBLISHED}:
        return DONE
    if states & {DeliveryState.FAILED, DeliveryState.GHOST, DeliveryState.CANCELLED, DeliveryState.PARTIAL}:
        return FAILED
    return UNDECIDED


def _code(view: PostView) -> int:
    told = [(item.delivery.id, item.delivery.account_id, item.delivery.state) for item in view.deliveries]
    return code_of(view.post.status, told)


def report(core: Core, actor: Actor, view: PostView, as_json: bool) -> None:
    """Steps, proof and attempts of one post."""
    if as_json:
        result = _result(view)
        for row, item in zip(result["deliveries"], view.deliveries, strict=True):
            row["steps"] = [vars(step) for step in item.steps]
            row["attempts"] = [vars(a) for a in monitoring.attempts_of(core, actor, item.delivery.id)]
            row["engagement"] = item.counts
        emit({**result, "event": "report", "text": view.post.content, "window": str(timedelta(days=30))})
        return
    say(view.post.content)
    console.print(_table(view))
    for item in view.deliveries:
        say(f"{item.platform}: {item.explanation} {item.delivery.url or ''}")
        for attempt in monitoring.attempts_of(core, actor, item.delivery.id):
            say(
                f"  {utc_iso(attempt.started_at)}  {attempt.act} {attempt.number}: {attempt.outcome}"
                f"  {attempt.http_status or ''}  {attempt.message}"
            )


def show_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Rows of one kind as a table, or as JSON."""
    if as_json:
        emit(rows)
        return
    if not rows:
        say("None yet.")
        return
    table = Table()
    for heading in rows[0]:
        table.add_column(heading)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console.print(table)
