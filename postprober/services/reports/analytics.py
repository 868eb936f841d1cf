"""What worked: engagement, hours, reliability and costs of a space."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import date
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import select

from postprober.analytics import queries, spending
from postprober.analytics.figures import Figures
from postprober.analytics.queries import METRICS, Period
from postprober.analytics.store import SampleStore, account_names
from postprober.domain.actor import Actor
from postprober.domain.prices import Prices
from postprober.domain.read_budget import outlook
from postprober.errors import BadInput
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.storage import accounts, reads
from postprober.storage.tables import posts

__all__ = ["METRICS", "PERIODS", "Board", "Figures", "costs", "readings", "take"]

PERIODS = (7, 28, 90, 365)  # days
BEGINNING = 70  # characters of a post's text
RANKED = 5  # posts at the top and at the bottom


@dataclass(frozen=True)
class Board:
    """Everything about one period. `titles`: how the posts of `top`, `bottom` and the growth curves begin, by id;
    `missing`: days whose samples are lost; `empty`: nothing has gone out in the period."""

    over_time: Figures
    by_platform: Figures
    by_account: Figures
    by_post: Figures
    growth: Figures
    typical_growth: Figures
    best_hours: Figures
    reliability: Figures
    repairs: Figures
    calls: Figures
    titles: dict[int, str]
    missing: tuple[date, ...]

    @property
    def figures(self) -> dict[str, Figures]:
        """All tables by name, as in file names and addresses."""
        return {
            one.name.replace("_", "-"): value
            for one in fields(self)
            if isinstance(value := getattr(self, one.name), Figures)
        }

    @property
    def empty(self) -> bool:
        return not (self.by_post.rows or self.reliability.rows)

    @property
    def top(self) -> list[tuple[int, int]]:
        """(post id, count), most first."""
        return [(row[0], row[1]) for row in self.by_post.rows if row[1] is not None][:RANKED]

    @property
    def bottom(self) -> list[tuple[int, int]]:
        """(post id, count), least first; no post that is at the top."""
        known = [(row[0], row[1]) for row in self.by_post.rows if row[1] is not None]
        return known[RANKED:][-RANKED:][::-1]


@permits.needs("analytics:read")
def take(core: Core, actor: Actor, days: int, metric: str, zone: str = "") -> Board:
    """The last `days` days (one of PERIODS) on the clock of `zone` ("": the person's own), counted in `metric` (a key of
    METRICS). Raises BadInput."""
    zone = zone or actor.zone
    period = _period(core, zone, days, metric)
    space = actor.space
    board = SampleStore.look(
        core.db, core.settings.data_dir, space, period.look_back, lambda store: _board(core, store, space, period)
    )
    shown = {post for post, _ in (*board.top, *board.bottom)} | {row[1] for row in board.growth.rows}
    board.titles.update(_titles(core, space, shown))
    told = {name.replace("-", "_"): replace(found, zone=zone) for name, found in board.figures.items()}
    return replace(board, **told)  # type: ignore[arg-type]


def _board(core: Core, store: SampleStore, space: int, period: Period) -> Board:
    with core.db.read() as conn:
        names = account_names(conn, space)
        mended = spending.repairs_made(conn, space, period.since)
        calls = spending.calls_made(conn, store, space, period, core.settings.api_prices)
    queries.prepare(store, period)
    return Board(
        queries.over_time(store, period),
        queries.by_platform(store),
        queries.by_account(store, names),
        queries.by_post(store),
        queries.growth(store, period),
        queries.typical_growth(store),
        queries.best_hours(store, period),
        queries.reliability(store, period),
        mended,
        calls,
        {},
        store.missing,
    )


@permits.needs("analytics:read")
def readings(core: Core, actor: Actor) -> Figures:
    """How much of each account's posts was read as their owner this month, of how much, and what is expected."""
    now, prices, setting = core.clock.now(), core.settings.api_prices, core.settings.read_budget
    with core.db.read() as conn:
        names, used = account_names(conn, actor.space), reads.of_space(conn, actor.space, now)
        platforms = {one.id: one.platform for one in accounts.of_user(conn, actor.space)}
    told = {
        one: outlook(used[one], prices.get(platforms[one], Prices()), now, setting) for one in used if one in platforms
    }
    return Figures(
        ("account", "calls used", "calls allowed", "calls expected", "cost", "cost allowed", "cost expected"),
        [
            (
                names.get(one, ""),
                it.calls,
                it.calls_allowed,
                it.calls_foreseen,
                it.money,
                it.money_allowed,
                it.money_foreseen,
            )
            for one, it in sorted(told.items())
        ],
    )


@permits.needs("analytics:read")
def costs(core: Core, actor: Actor, days: int) -> Figures | None:
    """What models cost the whole installation; None for who does not run it. Raises BadInput."""
    if not actor.owns or core.settings.registration == "open":  # strangers own their spaces then
        return None
    with core.db.read() as conn:
        return spending.costs(conn, _period(core, actor.zone, days, "engagement").since)


def _period(core: Core, zone: str, days: int, metric: str) -> Period:
    if days not in PERIODS:
        raise BadInput(f"Choose a period of {', '.join(map(str, PERIODS))} days.", field="days")
    if metric not in METRICS:
        raise BadInput(f"Choose one of {', '.join(METRICS)}.", field="metric")
    try:
        return Period(core.clock.now(), ZoneInfo(zone), days, metric)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones, a name that is too long
        raise BadInput(f"There is no time zone {zone[:60]!r}.", field="zone") from None


def _titles(core: Core, space: int, ids: set[int]) -> dict[int, str]:
    with core.db.read() as conn:
        rows = conn.execute(select(posts.c.id, posts.c.content).where(posts.c.user_id == space, posts.c.id.in_(ids)))
        found = {int(row.id): " ".join(str(row.content).split()) for row in rows}
    return {post: text if len(text) <= BEGINNING else f"{text[:BEGINNING].rstrip()}…" for post, text in found.items()}
