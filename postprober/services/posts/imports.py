"""Many posts from one CSV file: read and checked row by row first, created only when a person says so.

A row is known by what it would publish: the text, the account and the time. Where that was imported before, from this
file, a corrected one or another, or stands twice in the file, it is said and created only on a person's word. A row that
may correct one that is planned already is said to: what was planned stays until a person cancels it.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from postprober.domain import csv_table
from postprober.domain.actor import Actor
from postprober.domain.csv_table import CsvLine
from postprober.domain.delivery import DeliveryState
from postprober.domain.options import Given
from postprober.domain.platform import NAMES, known
from postprober.domain.post import PostStatus, language_tag
from postprober.domain.typed_time import Order, UnclearOrder, order_in
from postprober.errors import BadInput, PostProberError
from postprober.services.accounts import account_names, accounts
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.services.posts import drafts, options, posts
from postprober.services.posts.posts import Known, NewPost, PreflightFailed
from postprober.services.posts.times import check_time, parse_time
from postprober.storage import deliveries, preferences
from postprober.storage import posts as post_storage
from postprober.storage.records import Account

log = logging.getLogger("postprober.imports")

MAX_BYTES = 1024 * 1024
MAX_ROWS = 500
_FIRST, _SECOND, _THIRD = (*known(), *known(), *known())[:3]
TEMPLATE = (
    "text,accounts,time,language\r\n"
    f'"Our spring notes are out: https://www.iana.org/notes",{_FIRST};{_SECOND},2030-03-02 09:00,en\r\n'
    f'"Without a time a row becomes a draft.",{_THIRD},,\r\n'
)
_EVERY_POST = 100_000  # more than a space plans
_MARK = "import:"  # the names of the marks that rows leave in `preferences`


@dataclass(frozen=True)
class ImportRow:
    """`number`: row of the table, the first below the head is 1; `line`: where it begins in the file. `to`: the accounts
    that it would be sent to, by name; `at`: when, aware UTC, None for a draft. `new` None: it cannot be used.
    `problems`: sentences, empty when it can be created; `notes`: sentences that do not stop it. `made`: id of the post
    that came of it, now or in an earlier import, None while there is none. `twice`: all of it was imported before or stands further up, so it is
    created only when a person says so. `marks`: what it leaves behind, by account id."""

    number: int
    line: int
    text: str
    accounts: str
    time: str
    to: tuple[str, ...] = ()
    at: datetime | None = None
    new: NewPost | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    made: int | None = None
    twice: bool = False
    marks: Mapping[int, str] | None = None

    @property
    def ok(self) -> bool:
        return self.new is not None and not self.problems

    @property
    def ready(self) -> bool:
        """Whether it is created without a further word."""
        return self.ok and self.made is None and not self.twice


@dataclass(frozen=True)
class Batch:
    """A file that was read. `encoding`: a key of `csv_table.NAMES`, `sure` when it was not guessed; `order`: how
    02/03/2027 was read, `unclear` when a row needs to know and nobody has said; `zone`: that of the times without an
    offset; `ignored`: columns that are not ours."""

    rows: tuple[ImportRow, ...]
    encoding: str = "utf-8"
    sure: bool = True
    separator: str = ","
    order: Order = ""
    unclear: bool = False
    zone: str = "UTC"
    ignored: tuple[str, ...] = ()


@permits.needs("posts:read")
def read(core: Core, actor: Actor, content: bytes, *, encoding: str = "", order: Order = "") -> Batch:
    """Every row with what is wrong with it; nothing is written. `encoding`, `order`: what a person chose where a file
    does not say. Times without an offset are in the person's own zone. Raises BadInput when the file as a whole is
    unusable."""
    if len(content) > MAX_BYTES:
        raise BadInput(f"The file has more than {MAX_BYTES // 1024:,} kB; split it.", field="file")
    table = csv_table.read(content, encoding)
    if not table.lines:
        raise BadInput("The table has no rows.", field="file")
    if len(table.lines) > MAX_ROWS:
        raise BadInput(f"The table has {len(table.lines):,} rows; at most {MAX_ROWS} at once.", field="file")
    linked = accounts.listing(core, actor)
    used = order or order_in(_when(line) for line in table.lines)
    with core.db.read() as conn:
        imported = frozenset(preferences.named(conn, actor.space, _MARK).values())
    reader = _Reader(core, actor, linked, used, imported)
    rows = [reader.row(number, line) for number, line in enumerate(table.lines, 1)]
    with core.db.read() as conn:
        marks = preferences.named(conn, actor.space, _MARK)
        planned = _planned(conn, actor.space, frozenset(marks.values()))
    told = _Told(marks, hashlib.sha256(content).hexdigest()[:16], {a.id: a for a in linked})
    rows = [told.otherwise(told.seen(row), row.new.options if row.new else {}, planned) for row in rows]
    return Batch(
        tuple(told.beside(row, planned) for row in rows),
        table.encoding,
        table.sure,
        table.separator,
        used,
        reader.unclear,
        actor.zone,
        table.ignored,
    )


@permits.needs("posts:publish")
def create(
    core: Core,
    actor: Actor,
    batch: Batch,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    *,
    twice: Collection[int] = (),
) -> Batch:
    """Create what can be created; rows with problems, and rows that were created before, are left alone, unless their
    numbers are in `twice`. Each row is a transaction of its own, with the note that it is done, and asks the permission
    anew. `progress`: called with
    (rows done, rows in all). Raises Forbidden."""
    rows = list(batch.rows)
    for index, row in enumerate(rows):
        if row.new is not None and (row.ready or (row.twice and row.ok and row.number in twice)):
            rows[index] = _create(core, permits.again(actor), row, row.new)
        progress(index + 1, len(rows))
    return replace(batch, rows=tuple(rows))


def _create(core: Core, actor: Actor, row: ImportRow, new: NewPost) -> ImportRow:
    marks = row.marks or {}

    def mark(conn: Connection, post_id: int) -> None:
        for name in marks.values():
            preferences.put_once(conn, actor.space, name, post_id)

    try:
        if new.at:
            check_time(new.at, core.clock.now())  # it may have passed since the file was read
        made = posts.create(core, actor, new, mark) if new.at else drafts.save(core, actor, new, mark)
        return replace(row, made=made.id, twice=False, notes=())
    except (IntegrityError, PreflightFailed) as error:
        with core.db.read() as conn:
            found = [preferences.get(conn, actor.space, name) for name in marks.values()]
        known = [one for one in found if one is not None]
        if known and len(known) == len(found):  # somebody imported the same at this moment and was faster
            return replace(row, made=known[0], twice=False)
        if known:
            return replace(row, problems=("Part of this row was imported meanwhile; choose the file again.",))
        if isinstance(error, PreflightFailed):
            return replace(row, problems=(str(error),))
        # Nobody did: something that the row names is gone, or the program has a fault. The row is one transaction.
        log.warning("row %s of an import was refused by the database: %s", row.number, type(error.orig).__name__)
        return replace(
            row, problems=("The database refused this row, nothing of it was created; choose the file again.",)
        )
    except PostProberError as error:
        return replace(row, problems=(str(error),))


class _Reader:
    """Lines to rows: accounts found, times understood, limits asked."""

    def __init__(self, core: Core, actor: Actor, linked: list[Account], order: Order, imported: frozenset[int]) -> None:
        self._core, self._actor, self._linked, self._order = core, actor, linked, order
        self._ways = account_names.ways(linked)
        self._known, self._imported = Known(), imported
        self.unclear = False

    def row(self, number: int, line: CsvLine) -> ImportRow:
        cells, when = line.cells, _when(line)
        row = ImportRow(number, line.lines.start, cells.get("text", ""), cells.get("accounts", ""), when)
        if line.problem:
            there = f"Lines {line.lines.start} to {line.lines[-1]}" if len(line.lines) > 1 else f"Line {line.lines[0]}"
            return replace(row, problems=(f"{there}: {line.problem}",))
        chosen, problems = account_names.accounts_in(row.accounts, self._linked)
        at, language = None, ""
        try:
            at = parse_time(when, self._core.clock.now(), self._actor.zone, self._order) if when else None
        except BadInput as error:
            self.unclear = self.unclear or isinstance(error, UnclearOrder)
            problems.append(str(error))
        try:
            language = language_tag(cells.get("language", ""))
        except BadInput as error:
            problems.append(str(error))
        asked: dict[str, dict[str, Any]] = {}
        try:
            asked = options.of_row(cells)
            if not problems:
                options.check(asked, chosen, all_used=True)
        except BadInput as error:
            problems.append(str(error))
        if not row.text:
            problems.append("The text is empty.")
        new = NewPost((row.text,), tuple(a.id for a in chosen), at=at, language=language, options=asked)
        notes: list[str] = []
        if not problems:
            problems, notes = self._said(new, chosen)
        to = tuple(self._ways[a.id] for a in chosen)
        return replace(row, to=to, at=at, new=new, problems=tuple(problems), notes=tuple(notes))

    def _said(self, new: NewPost, chosen: list[Account]) -> tuple[list[str], list[str]]:
        """(what the platforms would refuse, what a person should know). Of posts that came of an import the file tells
        itself whether a row is the same."""
        try:
            results = posts.check(self._core, self._actor, new, self._known, but=self._imported)
        except PostProberError as error:
            return [str(error)], []
        names = {a.id: NAMES[a.platform] for a in chosen}
        wrong = [f"{names[i]}: {v.message}" for i, result in results.items() for v in result.violations]
        return wrong, [f"{names[i]}: {note.message}" for i, result in results.items() for note in result.notes]


@dataclass(frozen=True)
class _Planned:
    """One account of a post that came of an earlier import and is still planned, as it is now."""

    post_id: int
    account_id: int
    texts: tuple[str, ...]
    at: datetime | None
    asked: Given


def _planned(conn: Connection, space: int, imported: Collection[int]) -> list[_Planned]:
    scheduled = post_storage.in_status(conn, space, (PostStatus.SCHEDULED,), _EVERY_POST)
    found: list[_Planned] = []
    for post in scheduled:
        if post.id not in imported:
            continue
        wish = drafts.wish_of(post)
        going = (d.account_id for d in deliveries.of_post(conn, post.id) if d.state is DeliveryState.SCHEDULED)
        found += [
            _Planned(post.id, account, wish.texts_for(account), post.scheduled_at, wish.options) for account in going
        ]
    return found


class _Told:
    """What was imported before, and what stood further up in this file. `marks`: name -> post id."""

    def __init__(self, marks: Mapping[str, int], file_key: str, linked: Mapping[int, Account]) -> None:
        self._marks, self._file_key, self._linked = marks, file_key, linked
        self._names = {account: NAMES[one.platform] for account, one in linked.items()}
        self._before = Counter(name.rpartition(":")[0] for name in marks)
        self._here: Counter[str] = Counter()
        self._first: dict[str, int] = {}  # identity -> number of the row in which it stood first
        self._became: dict[tuple[int, int], int] = {}  # row and account -> the post that it came to
        self._still_here: set[int] = set()  # posts that came of rows of this file

    def seen(self, row: ImportRow) -> ImportRow:
        """`row` with what of it is new, and what is not."""
        if row.new is None or not row.ok:
            return row
        earlier = self._marks.get(f"{_MARK}{self._file_key}:{row.number}")  # how rows were marked until release 0.2
        fresh: dict[int, str] = {}
        again: dict[int, str] = {}
        notes: list[str] = []
        made: list[int] = []
        for account in row.new.account_ids:
            name = identity(row.text, account, row.new.at)
            self._here[name] += 1
            copy, known = self._here[name], self._before[name]
            post_id = self._marks.get(f"{name}:{copy}", earlier)
            if post_id is not None:
                again[account] = f"{name}:{known}+{copy}"
                made.append(post_id)
                self._became[row.number, account] = post_id
                self._still_here.add(post_id)
                notes.append(f"Imported before to {self._names[account]}: post {post_id}.")
            elif copy > 1:
                again[account] = f"{name}:{copy}"
                notes.append(f"The same as row {self._first[name]} ({self._names[account]}).")
            else:
                fresh[account] = f"{name}:{copy}"
            self._first.setdefault(name, row.number)
        if fresh:
            left = replace(row.new, account_ids=tuple(fresh), options=self._options(row.new.options, fresh))
            return replace(row, new=left, marks=fresh, notes=(*row.notes, *notes))
        whole = made[0] if len(made) == len(again) else None
        return replace(row, marks=again, twice=True, notes=tuple(notes), made=whole)

    def _options(self, asked: Given, accounts: Iterable[int]) -> Given:
        """What of a row's options is for the accounts that are left of it."""
        there = {self._linked[account].platform.value for account in accounts}
        return {target: values for target, values in asked.items() if target in there}

    def otherwise(self, row: ImportRow, asked: Given, planned: Sequence[_Planned]) -> ImportRow:
        """`row`, which was `seen` and asks for `asked`, with a note where what it came to is still planned with other options: it is not
        made anew, so what it asks for now would be lost unsaid."""
        notes = [
            f"Post {one.post_id} was planned with other options on {self._names[one.account_id]}; change them there."
            for one in planned
            if self._became.get((row.number, one.account_id)) == one.post_id
            and not self._alike(self._linked[one.account_id], asked, one.asked)
        ]
        return replace(row, notes=(*row.notes, *notes))

    def _alike(self, account: Account, now: Given, then: Given) -> bool:
        try:
            return options.stored_for(account, now) == options.stored_for(account, then)
        except BadInput:  # of a platform whose package was changed meanwhile
            return False

    def beside(self, row: ImportRow, planned: Sequence[_Planned]) -> ImportRow:
        """`row`, once all rows were `seen`, with a note where it may correct one that is planned and no longer in the
        file."""
        if row.new is None or not row.ready:
            return row
        notes: list[str] = []
        for one in planned:
            if one.account_id not in row.new.account_ids or one.post_id in self._still_here:
                continue
            same = "text" if one.texts == row.new.parts else "time" if one.at and one.at == row.new.at else ""
            if same:
                notes.append(
                    f"Post {one.post_id} with the same {same} is still scheduled on {self._names[one.account_id]}. "
                    "Cancel it if this row replaces it."
                )
        return replace(row, notes=(*row.notes, *notes))


def identity(text: str, account_id: int, at: datetime | None) -> str:
    """The name, without the number of the copy, under which it is noted that this text went to this account for this
    time."""
    told = json.dumps([text, account_id, at.astimezone(UTC).isoformat() if at else ""])
    return _MARK + hashlib.sha256(told.encode()).hexdigest()[:24]


def _when(line: CsvLine) -> str:
    """Date and time, which may stand in two columns."""
    return f"{line.cells.get('date', '')} {line.cells.get('time', '')}".strip()
