"""Bring in many posts from a CSV file: see each row with what is wrong with it, then create the good ones."""

from __future__ import annotations

import threading
from typing import Any

import streamlit as st

from postprober.domain.csv_table import ENCODINGS, NAMES
from postprober.domain.typed_time import Order
from postprober.errors import PostProberError
from postprober.services.accounts import account_names
from postprober.services.posts import imports
from postprober.services.posts.imports import Batch, ImportRow
from postprober.storage.records import Account
from postprober.ui import acts, frame, guard
from postprober.ui.guard import Visit
from postprober.ui.words import plain, safe, weekday_moment

_BATCH = "pp_import"
_LOCK = threading.Lock()  # one import at a time in this process; the database holds each row to once anyway
_ORDERS: dict[str, Order] = {"Day first (31/12/2027)": "day", "Month first (12/31/2027)": "month"}
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def draw(visit: Visit, linked: list[Account]) -> None:
    """The button that opens the dialog."""
    if visit.button("Bulk import (CSV)", "posts:publish", "import-open", icon=":material/upload_file:"):
        st.session_state.pop(_BATCH, None)
        _dialog(visit, linked)


@st.dialog("Bulk import (CSV)", width="large")
def _dialog(visit: Visit, linked: list[Account]) -> None:
    guard.still_in(visit)
    body(visit, linked)


def body(visit: Visit, linked: list[Account]) -> None:
    """What the dialog holds."""
    names = ", ".join(account_names.ways(linked).values())
    st.caption(
        "A CSV table with the columns text, accounts, time and language. "
        f"Times without an offset are in your time zone, {plain(visit.user.zone)}."
    )
    st.text(f"Your accounts: {names}")
    st.download_button(
        "Download the template",
        imports.TEMPLATE,
        "postprober-template.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )
    file = st.file_uploader("CSV file", type=["csv", "tsv", "txt"], key="import-file")
    if file is None:
        return
    batch = _read(visit, file.getvalue())
    if batch is None:
        return
    st.caption(_how_it_was_read(batch))
    st.html(table_html(batch))
    _confirm(visit, batch)
    done = [row for row in batch.rows if row.made is not None]
    if done:
        st.success(f"{len(done)} of {len(batch.rows)} rows imported.")
        if st.button("Open the calendar"):
            frame.switch("calendar")


def _read(visit: Visit, content: bytes) -> Batch | None:
    """The file as read, None when it cannot be; asks what the file does not say."""
    encoding = st.session_state.get("import-encoding") or ""
    order: Order = _ORDERS.get(st.session_state.get("import-order") or "", "")
    try:
        batch = _batch(visit, content, encoding, order)
    except PostProberError as error:
        acts.refuse(error)
        if _other_encodings(content, encoding):
            _ask_encoding()
        return None
    if encoding or not batch.sure:
        _ask_encoding()
    if batch.unclear or order:
        st.radio(
            "How are dates such as 02/03/2027 written?", list(_ORDERS), index=None, key="import-order", horizontal=True
        )
    return batch


def _other_encodings(content: bytes, chosen: str) -> bool:
    """Whether another encoding could help: the bytes are not plain UTF-8."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return bool(chosen)


def _ask_encoding() -> None:
    st.selectbox(
        "Encoding: change it if accents or letters look wrong below",
        ["", *ENCODINGS],
        format_func=lambda name: ENCODINGS.get(name, "Detect automatically"),
        key="import-encoding",
    )


def _batch(visit: Visit, content: bytes, encoding: str, order: Order) -> Batch:
    """Read once for each choice, because every row asks each platform's limits."""
    asked: tuple[Any, ...] = (content, encoding, order)
    known = st.session_state.get(_BATCH)
    if known is None or known[0] != asked:
        with st.spinner("Checking every row …"):
            known = (asked, imports.read(visit.core, visit.actor, content, encoding=encoding, order=order))
        st.session_state[_BATCH] = known
    batch: Batch = known[1]
    return batch


def _how_it_was_read(batch: Batch) -> str:
    separator = _SEPARATORS.get(batch.separator, f"“{plain(batch.separator)}”")
    words = [f"Read as {NAMES[batch.encoding]}, separated by {separator}."]
    if not batch.sure:
        words[0] += " The encoding is a guess: check the accents."
    if batch.order:
        words.append(f"Dates with slashes have the {batch.order} first.")
    if batch.ignored:
        words.append(f"Columns ignored: {plain(', '.join(batch.ignored))}.")
    return " ".join(words)


def _confirm(visit: Visit, batch: Batch) -> None:
    wrong = sum(1 for row in batch.rows if not row.ok)
    if wrong:
        st.caption(f"{wrong} {'row is' if wrong == 1 else 'rows are'} skipped until corrected.")
    repeated = [row.number for row in batch.rows if row.twice and row.ok]
    again = False
    if repeated:
        label = (
            "1 row was imported before or is a duplicate: create it again"
            if len(repeated) == 1
            else (f"{len(repeated)} rows were imported before or are duplicates: create them again")
        )
        again = st.checkbox(label, key="import-twice")
    twice = frozenset(repeated if again else ())
    good = sum(1 for row in batch.rows if row.ready) + len(twice)
    label = f"Create {good} {'post' if good == 1 else 'posts'}" if good else "Nothing to create"
    if not visit.button(label, "posts:publish", "import-go", off=not good, type="primary"):
        return
    bar = st.progress(0.0, "Creating …")
    try:
        with _LOCK:
            made = imports.create(visit.core, visit.actor, batch, lambda done, of: _show(bar, done, of), twice=twice)
    except PostProberError as error:
        acts.refuse(error)
        return
    st.session_state[_BATCH] = (st.session_state[_BATCH][0], made)
    st.rerun(scope="fragment")


def _show(bar: st.delta_generator.DeltaGenerator, done: int, of: int) -> None:
    bar.progress(done / of, f"Row {done} of {of} …")


def table_html(batch: Batch) -> str:
    """Row by row: the whole text that is sent, to whom, when, and what is wrong with it."""
    body = "".join(_row(row, batch.zone) for row in batch.rows)
    head = "".join(f'<th scope="col">{name}</th>' for name in ("ImportRow", "Text", "Accounts", "Time", "Result"))
    return f'<div class="pp-scroll pp-import"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(row: ImportRow, zone: str) -> str:
    if row.made is not None:
        label, colour, words = "Imported", "green", f"Post {row.made}"
    elif not row.ok:
        label, colour, words = "Skipped", "red", " ".join(row.problems)
    elif row.twice:
        label, colour, words = "Duplicate", "orange", ""
    else:
        label, colour, words = "Ready", "blue", "" if row.at else "Saved as a draft."
    words = " ".join(filter(None, (words, *row.notes)))
    when = weekday_moment(row.at, zone) if row.at else row.time
    language = f" ({row.new.language})" if row.new and row.new.language else ""
    return (
        f'<tr><td>{row.number}</td><td class="pp-whole">{safe(row.text)}</td>'
        f"<td>{safe(', '.join(row.to) or row.accounts)}{safe(language)}</td><td>{safe(when)}</td>"
        f'<td><span class="pp-state pp-{colour}">{label}</span> {safe(words)}</td></tr>'
    )
