"""What was seen of the platforms, how they stand, when accounts are checked, and what waits for a failing platform."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, func, insert, or_, select, update

from postprober.domain.health import HealthSample, HealthSign, HealthVerdict, ServerHealth
from postprober.domain.platform import Platform
from postprober.storage import sql
from postprober.storage.tables import account_checks, accounts, delays, deliveries, health_signs, platform_health

Server = tuple[Platform, str]  # platform and base URL of the server, "" where there is only one
MESSAGE = 300  # characters kept of an error's sentence


CHECK, DELIVERY = "canary", "delivery"  # sources of signs, as they are stored: an account check, a real delivery


@dataclass(frozen=True)
class NewSign:
    """One sign on its way into the database. `source`: CHECK | DELIVERY; `latency_ms` None: not measured."""

    account_id: int
    server: Server
    at: datetime
    source: str
    sign: HealthSign
    latency_ms: int | None = None
    message: str = ""


@dataclass(frozen=True)
class Kept:
    """How a server stands, as stored. `checked_at`: of the newest sign."""

    server: Server
    standing: ServerHealth
    checked_at: datetime


@dataclass(frozen=True)
class Candidate:
    """An account that can be checked. `next_at` None: it was never planned."""

    account_id: int
    server: Server
    next_at: datetime | None
    looked_at: datetime | None


def add_signs(conn: Connection, notes: Sequence[NewSign]) -> None:
    if notes:
        conn.execute(
            insert(health_signs),
            [
                {
                    "account_id": n.account_id,
                    "platform": n.server[0].value,
                    "instance": n.server[1],
                    "at": n.at,
                    "source": n.source,
                    "sign": n.sign.value,
                    "latency_ms": n.latency_ms,
                    "message": n.message[:MESSAGE],
                }
                for n in notes
            ],
        )


def newest_signs(conn: Connection, server: Server, since: datetime, most: int) -> list[HealthSample]:
    """Signs of one server after `since`, newest first, at most `most`."""
    rows = conn.execute(
        select(health_signs.c.at, health_signs.c.account_id, health_signs.c.sign)
        .where(health_signs.c.platform == server[0].value, health_signs.c.instance == server[1])
        .where(health_signs.c.at > since)
        .order_by(health_signs.c.at.desc(), health_signs.c.id.desc())
        .limit(most)
    )
    return [HealthSample(row.at, row.account_id, HealthSign(row.sign)) for row in rows]


def signs_of_account(conn: Connection, account_id: int, most: int) -> list[HealthSign]:
    """Newest first."""
    rows = conn.execute(
        select(health_signs.c.sign)
        .where(health_signs.c.account_id == account_id)
        .order_by(health_signs.c.at.desc(), health_signs.c.id.desc())
        .limit(most)
    )
    return [HealthSign(row.sign) for row in rows]


def signs_since(
    conn: Connection, account_ids: Iterable[int], since: datetime
) -> list[tuple[int, datetime, HealthSign]]:
    """(account, time, sign) of these accounts after `since`, oldest first."""
    rows = conn.execute(
        select(health_signs.c.account_id, health_signs.c.at, health_signs.c.sign)
        .where(health_signs.c.account_id.in_(list(account_ids)), health_signs.c.at > since)
        .order_by(health_signs.c.at, health_signs.c.id)
    )
    return [(row.account_id, row.at, HealthSign(row.sign)) for row in rows]


def standing(conn: Connection, server: Server) -> Kept | None:
    """How the server stands; locks the row, so that of two processes only one sees each change."""
    row = conn.execute(select(platform_health).where(*_is(platform_health, server)).with_for_update()).one_or_none()
    return _kept(row) if row else None


def standings(conn: Connection) -> dict[Server, Kept]:
    return {(kept := _kept(row)).server: kept for row in conn.execute(select(platform_health))}


def put_standing(conn: Connection, server: Server, now: ServerHealth, checked_at: datetime) -> None:
    values = {
        "verdict": now.verdict.value,
        "blocking": now.blocking,
        "since": now.since,
        "reason": now.reason,
        "checked_at": checked_at,
    }
    conn.execute(
        sql.upsert(conn, platform_health)
        .values(platform=server[0].value, instance=server[1], **values)
        .on_conflict_do_update(index_elements=["platform", "instance"], set_=values)
    )


def number(conn: Connection, server: Server) -> int:
    """The id of the row that says how it stands."""
    return int(conn.execute(select(platform_health.c.id).where(*_is(platform_health, server))).scalar_one())


def owners_on(conn: Connection, server: Server) -> list[int]:
    """Whose accounts are on this server."""
    rows = conn.execute(
        select(accounts.c.user_id).where(*_is(accounts, server), accounts.c.is_active).distinct().order_by("user_id")
    )
    return [int(row[0]) for row in rows]


def candidates(conn: Connection, now: datetime) -> list[Candidate]:
    """Active accounts that can be read now: linked, and not waiting for a limit to end."""
    rows = conn.execute(
        select(
            accounts.c.id,
            accounts.c.platform,
            accounts.c.instance,
            account_checks.c.next_at,
            account_checks.c.looked_at,
        )
        .join(account_checks, account_checks.c.account_id == accounts.c.id, isouter=True)
        .where(accounts.c.is_active, accounts.c.status == "ok")
        .where(or_(accounts.c.throttled_until.is_(None), accounts.c.throttled_until <= now))
        .order_by(accounts.c.id)
    )
    return [Candidate(r.id, (Platform(r.platform), r.instance), r.next_at, r.looked_at) for r in rows]


def plan(conn: Connection, account_id: int, next_at: datetime, looked_at: datetime | None = None) -> None:
    values = {"next_at": next_at, **({"looked_at": looked_at} if looked_at else {})}
    conn.execute(
        sql.upsert(conn, account_checks)
        .values(account_id=account_id, **values)
        .on_conflict_do_update(index_elements=["account_id"], set_=values)
    )


def delay(conn: Connection, delivery_id: int, server: Server, now: datetime) -> bool:
    """Note that the delivery waits for its platform; returns whether that is new."""
    done = conn.execute(
        sql.upsert(conn, delays)
        .values(delivery_id=delivery_id, platform=server[0].value, instance=server[1], since=now)
        .on_conflict_do_nothing(index_elements=["delivery_id"])
        .returning(delays.c.delivery_id)
    ).first()
    return done is not None


def goes_anyway(conn: Connection, delivery_id: int) -> bool:
    query = select(delays.c.delivery_id).where(delays.c.delivery_id == delivery_id, delays.c.anyway)
    return conn.execute(query).first() is not None


def send_anyway(conn: Connection, delivery_id: int) -> bool:
    """Whether it was waiting for its platform."""
    return conn.execute(update(delays).where(delays.c.delivery_id == delivery_id).values(anyway=True)).rowcount == 1


def delayed(conn: Connection, delivery_ids: Iterable[int]) -> set[int]:
    """Which of these wait for their platform and for no person's word."""
    query = select(delays.c.delivery_id).where(delays.c.delivery_id.in_(list(delivery_ids)), delays.c.anyway.is_(False))
    return {int(row[0]) for row in conn.execute(query)}


def waiting_for(conn: Connection, server: Server, most: int) -> list[int]:
    """Deliveries that wait for this server, the one that has waited longest first."""
    rows = conn.execute(select(delays.c.delivery_id).where(*_is(delays, server)).order_by(delays.c.since).limit(most))
    return [int(row[0]) for row in rows]


def servers_waited_for(conn: Connection) -> list[Server]:
    rows = conn.execute(select(delays.c.platform, delays.c.instance).distinct())
    return [(Platform(row.platform), row.instance) for row in rows]


def how_many_wait(conn: Connection, space: int) -> dict[Server, int]:
    """How many of the user's deliveries wait for which server."""
    rows = conn.execute(
        select(delays.c.platform, delays.c.instance, func.count())
        .join(deliveries, deliveries.c.id == delays.c.delivery_id)
        .where(deliveries.c.user_id == space, delays.c.anyway.is_(False))
        .group_by(delays.c.platform, delays.c.instance)
    )
    return {(Platform(row[0]), row[1]): int(row[2]) for row in rows}


def end_delays(conn: Connection, delivery_ids: Iterable[int]) -> None:
    conn.execute(delete(delays).where(delays.c.delivery_id.in_(list(delivery_ids))))


def _is(table: Table, server: Server) -> tuple[ColumnElement[bool], ...]:
    return (table.c.platform == server[0].value, table.c.instance == server[1])


def _kept(row: Row[Any]) -> Kept:
    standing = ServerHealth(HealthVerdict(row.verdict), row.blocking, row.since, row.reason)
    return Kept((Platform(row.platform), row.instance), standing, row.checked_at)
