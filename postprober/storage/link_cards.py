"""What pages said of themselves, by link and day, and the pictures of their cards: JPEG files in the data folder, each named
by the SHA-256 of its bytes.

The file is written first and the row that names it afterwards; a planned delivery names it, too, until it is out. `sweep`
removes files that neither does.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, select

from postprober.domain.card import CardPicture
from postprober.domain.delivery import DeliveryState
from postprober.storage import sql
from postprober.storage.database import Database
from postprober.storage.tables import deliveries, link_cards

MIME, SUFFIX = "image/jpeg", ".jpg"
AGAIN = timedelta(minutes=5)  # ours: a page that did not answer may do so now
YOUNG = timedelta(hours=1)  # a file this young may be waiting for its row
_OUT = (DeliveryState.VERIFIED, DeliveryState.PUBLISHED, DeliveryState.GHOST, DeliveryState.CANCELLED)


@dataclass(frozen=True)
class KnownPage:
    """What a page said of itself on a day. `problem`: why there is no card; `passing`: a later reading may well succeed."""

    title: str = ""
    description: str = ""
    picture: CardPicture | None = None
    problem: str = ""
    passing: bool = False


def get(conn: Connection, link: str, now: datetime) -> KnownPage | None:
    """What is known of the page of that link by today, or by yesterday where the day has just changed. None: it has to be
    read."""
    days = [now.date().isoformat(), (now - AGAIN).date().isoformat()]
    query = select(link_cards).where(link_cards.c.link == _key(link), link_cards.c.day.in_(days))
    row = conn.execute(query.order_by(link_cards.c.day.desc()).limit(1)).first()
    if row is None or (row.passing and row.at < now - AGAIN):
        return None
    picture = CardPicture(row.picture, MIME, row.width, row.height, row.size) if row.picture else None
    return KnownPage(row.title, row.description, picture, row.problem, row.passing)


def put(conn: Connection, link: str, page: KnownPage, now: datetime) -> None:
    """Keep what was read; what was read of it earlier that day is replaced."""
    picture = page.picture
    values = {
        "at": now,
        "title": page.title,
        "description": page.description,
        "picture": picture.sha256 if picture else "",
        "width": picture.width if picture else 0,
        "height": picture.height if picture else 0,
        "size": picture.size if picture else 0,
        "problem": page.problem,
        "passing": page.passing,
    }
    new = sql.upsert(conn, link_cards).values(link=_key(link), day=now.date().isoformat(), **values)
    conn.execute(new.on_conflict_do_update(index_elements=["link", "day"], set_=values))


def _key(link: str) -> str:
    """Links may hold secrets, and nobody needs them here."""
    return hashlib.sha256(link.encode("utf-8", "surrogatepass")).hexdigest()


def folder(data_dir: Path) -> Path:
    """Where the pictures are."""
    return data_dir / "cards"


def path_of(data_dir: Path, picture: CardPicture) -> Path:
    """Where this one is."""
    return folder(data_dir) / f"{picture.sha256}{SUFFIX}"


def keep_picture(data_dir: Path, jpeg: bytes, width: int, height: int) -> CardPicture:
    """Write the picture, whole or not at all. Raises OSError."""
    picture = CardPicture(hashlib.sha256(jpeg).hexdigest(), MIME, width, height, len(jpeg))
    path = path_of(data_dir, picture)
    if path.exists():
        os.utime(path)  # young again: another row is about to name it
        return picture
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{picture.sha256[:16]}-{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as stream:
            stream.write(jpeg)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return picture


def sweep(db: Database, where: Path, now: datetime) -> int:
    """Remove pictures that no row and no delivery that may still be sent names; returns how many went."""
    if not where.is_dir():
        return 0
    before = (now - YOUNG).timestamp()
    old = [file for file in where.iterdir() if file.is_file() and file.stat().st_mtime < before]
    if not old:
        return 0
    gone = 0
    with db.read() as conn:
        named = set(conn.execute(select(link_cards.c.picture).where(link_cards.c.picture != "")).scalars())
        named |= set(_of_parts(conn.execute(select(deliveries.c.parts).where(~deliveries.c.state.in_(_OUT))).scalars()))
    for file in old:
        if file.suffix != SUFFIX or file.stem not in named:
            with suppress(FileNotFoundError):
                if file.stat().st_mtime < before:  # else somebody has just taken it for another row
                    file.unlink()
                    gone += 1
    return gone


def _of_parts(rows: Iterable[list[dict[str, object]]]) -> Iterable[str]:
    for parts in rows:
        for part in parts:
            card = part.get("card")
            picture = card.get("picture") if isinstance(card, dict) else None
            if isinstance(picture, dict):
                yield str(picture.get("sha256", ""))
