"""Many posts from one CSV file: read and checked row by row first, created only when a person says so, each row once."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from postprober.domain.platform import NAMES
from postprober.errors import BadInput, PostProberError
from postprober.services import accounts, drafts, permits, posts
from postprober.services.core import Core
from postprober.services.posts import Known, NewPost
from postprober.services.times import parse_time
from postprober.storage import preferences, users
from postprober.storage.records import Account

COLUMNS = ("text", "accounts", "time", "language")
MAX_BYTES = 1024 * 1024
MAX_ROWS = 500
TEMPLATE = (
    "text,accounts,time,language\r\n"
    '"Our spring notes are out: https://example.com/notes",x;mastodon,2030-03-02 09:00,en\r\n'
    '"Without a time a row becomes a draft.",linkedin,,\r\n'
)
_CONTROL = dict.fromkeys(range(0xD800, 0xE000))  # lone surrogates cannot be stored


@dataclass(frozen=True)
class Row:
    """`number`: line of the table, the first below the head is 1. `new` None: it cannot be used. `problems`: sentences,
    empty when it can be created. `made`: id of the post that came of it, None while there is none."""

    number: int
    text: str
    accounts: str
    time: str
    new: NewPost | None = None
    problems: tuple[str, ...] = ()
    made: int | None = None

    @property
    def ok(self) -> bool:
        return self.new is not None and not self.problems


@dataclass(frozen=True)
class Batch:
    """A file that was read. `key`: hash of its content, by which a row is created once however often it is asked for."""

    key: str
    rows: tuple[Row, ...]


@permits.asks("posts:read")
def read(core: Core, user_id: int, content: bytes) -> Batch:
    """Every row with what is wrong with it; nothing is written. Raises BadInput when the file as a whole is unusable."""
    if len(content) > MAX_BYTES:
        raise BadInput(f"The file has more than {MAX_BYTES // 1024:,} kB; split it.", field="file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput("The file is not UTF-8 text; save it as “CSV UTF-8”.", field="file") from None
    lines = _lines(text)
    linked = accounts.listing(core, user_id)
    with core.db.read() as conn:
        zone = users.get(conn, user_id).zone
        key = hashlib.sha256(content).hexdigest()[:16]
        made = preferences.named(conn, user_id, _name(key, ""))
    known = Known()
    rows = [_row(core, user_id, number, line, linked, zone, known) for number, line in enumerate(lines, 1)]
    return Batch(key, tuple(replace(row, made=made.get(_name(key, row.number))) for row in rows))


@permits.asks("posts:write")
def create(
    core: Core, user_id: int, batch: Batch, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Batch:
    """Create what can be created; rows with problems, and rows that were created before, are left alone. Each row is a
    transaction of its own, with the note that it is done. `progress`: called with (rows done, rows in all). Raises
    Forbidden."""
    rows = list(batch.rows)
    for index, row in enumerate(rows):
        if row.new is not None and row.ok and row.made is None:
            rows[index] = _create(core, user_id, batch.key, row, row.new)
        progress(index + 1, len(rows))
    return Batch(batch.key, tuple(rows))


def _create(core: Core, user_id: int, key: str, row: Row, new: NewPost) -> Row:
    def mark(conn: Connection, post_id: int) -> None:
        preferences.put_once(conn, user_id, _name(key, row.number), post_id)

    make = posts.create if new.at else drafts.save
    try:
        return replace(row, made=make(core, user_id, new, mark).id)
    except IntegrityError:  # somebody imports the same file at this moment and was faster
        with core.db.read() as conn:
            return replace(row, made=preferences.get(conn, user_id, _name(key, row.number)))
    except PostProberError as error:
        return replace(row, problems=(str(error),))


def _lines(text: str) -> list[dict[str, str]]:
    try:
        dialect: Any = csv.Sniffer().sniff(text[:4096], delimiters=",;\t")
    except csv.Error:
        dialect = csv.excel
    dialect.doublequote, dialect.escapechar = True, None
    reader = csv.DictReader(io.StringIO(text.translate(_CONTROL), newline=""), dialect=dialect, strict=False)
    try:
        names = [(name or "").strip().lower() for name in reader.fieldnames or ()]
        missing = [name for name in ("text", "accounts") if name not in names]
        if missing:
            raise BadInput(
                f"The first line must name the columns; missing: {', '.join(missing)}. Start from the template.",
                field="file",
            )
        reader.fieldnames = names
        found = [line for line in _plain(reader) if any(line.values())]
    except csv.Error as error:
        raise BadInput(f"The file is no CSV table: {error}.", field="file") from None
    if not found:
        raise BadInput("The table has no rows.", field="file")
    if len(found) > MAX_ROWS:
        raise BadInput(f"The table has {len(found):,} rows; at most {MAX_ROWS} at once.", field="file")
    return found


def _plain(reader: csv.DictReader[str]) -> Iterator[dict[str, str]]:
    for line in reader:
        yield {name: str(line.get(name) or "").strip() for name in COLUMNS}


def _row(
    core: Core, user_id: int, number: int, line: dict[str, str], linked: list[Account], zone: str, known: Known
) -> Row:
    row = Row(number, line["text"], line["accounts"], line["time"])
    problems: list[str] = []
    chosen = _accounts(line["accounts"], linked, problems)
    at = None
    if line["time"]:
        try:
            at = parse_time(line["time"], core.clock.now(), zone)
        except BadInput as error:
            problems.append(str(error))
    if not line["text"]:
        problems.append("The text is empty.")
    new = NewPost((line["text"],), tuple(a.id for a in chosen), at=at, language=line["language"])
    if not problems:
        problems = _violations(core, user_id, new, chosen, known)
    return replace(row, new=new, problems=tuple(problems))


def _accounts(typed: str, linked: list[Account], problems: list[str]) -> list[Account]:
    """The accounts that are meant: `x`, `X`, `x:name` or `name`, with ; between. What is unclear becomes a problem."""
    found: dict[int, Account] = {}
    names = [piece.strip() for piece in typed.replace(",", ";").split(";") if piece.strip()]
    if not names:
        problems.append("No account is named; write for example x;mastodon.")
    for name in names:
        platform, colon, who = name.lower().partition(":")
        hits = [
            a
            for a in linked
            if (
                platform.strip() in (a.platform.value, NAMES[a.platform].lower())
                and who.strip() in ("", a.account_name.lower())
            )
            or (not colon and name.lower() == a.account_name.lower())
        ]
        if not hits:
            problems.append(f"There is no linked account {name!r}.")
        elif len(hits) > 1:
            ways = " or ".join(f"{a.platform.value}:{a.account_name}" for a in hits)
            problems.append(f"{name!r} could be several accounts; write {ways}.")
        else:
            found[hits[0].id] = hits[0]
    return list(found.values())


def _violations(core: Core, user_id: int, new: NewPost, chosen: list[Account], known: Known) -> list[str]:
    try:
        results = posts.check(core, user_id, new, known)
    except PostProberError as error:
        return [str(error)]
    names = {a.id: NAMES[a.platform] for a in chosen}
    return [f"{names[i]}: {v.message}" for i, result in results.items() for v in result.violations]


def _name(key: str, number: int | str) -> str:
    return f"import:{key}:{number}"
