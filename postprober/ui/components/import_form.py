"""Bring in many posts from a CSV file: see each row with what is wrong with it, then create the good ones."""

from __future__ import annotations

import threading

import streamlit as st

from postprober.errors import PostProberError
from postprober.services import imports
from postprober.services.imports import Batch, Row
from postprober.storage.records import Account
from postprober.ui import acts, frame
from postprober.ui.guard import Visit
from postprober.ui.text import safe

_BATCH = "pp_import"
_LOCK = threading.Lock()  # one import at a time in this process; the database holds each row to once anyway


def draw(visit: Visit, linked: list[Account]) -> None:
    """The button that opens the dialog."""
    if visit.button("Import many", "posts:write", "import-open", icon=":material/upload_file:"):
        st.session_state.pop(_BATCH, None)
        _dialog(visit, linked)


@st.dialog("Import many posts", width="large")
def _dialog(visit: Visit, linked: list[Account]) -> None:
    names = ", ".join(f"{a.platform.value}:{a.account_name}" for a in linked)
    st.caption("A table with the columns text, accounts, time and language, as CSV in UTF-8. Times are in your zone.")
    st.text(f"Your accounts: {names}")
    st.download_button(
        "Download the template", imports.TEMPLATE, "postprober-template.csv", "text/csv", on_click="ignore",
        icon=":material/download:",
    )  # fmt: skip
    file = st.file_uploader("CSV file", type=["csv"], key="import-file")
    if file is None:
        return
    try:
        batch = _batch(visit, file.getvalue())
    except PostProberError as error:
        acts.refuse(error)
        return
    good = [row for row in batch.rows if row.ok and row.made is None]
    done = [row for row in batch.rows if row.made is not None]
    st.html(table_html(batch))
    _confirm(visit, batch, len(good))
    if done:
        st.success(
            f"{len(done)} of {len(batch.rows)} rows are posts or drafts now. A second press creates nothing twice."
        )
        if st.button("See them in the calendar"):
            frame.switch("calendar")


def _batch(visit: Visit, content: bytes) -> Batch:
    """The file as read; read once, because every row asks each platform's limits."""
    known = st.session_state.get(_BATCH)
    if known is None or known[0] != content:
        with st.spinner("Checking every row …"):
            known = (content, imports.read(visit.core, visit.user.id, content))
        st.session_state[_BATCH] = known
    batch: Batch = known[1]
    return batch


def _confirm(visit: Visit, batch: Batch, good: int) -> None:
    wrong = sum(1 for row in batch.rows if not row.ok)
    if wrong:
        st.caption(f"{wrong} {'row is' if wrong == 1 else 'rows are'} left out until corrected; the others can go.")
    label = f"Create {good} {'post' if good == 1 else 'posts'}" if good else "Nothing to create"
    if not visit.button(label, "posts:write", "import-go", off=not good, type="primary"):
        return
    bar = st.progress(0.0, "Creating …")
    try:
        with _LOCK:
            made = imports.create(
                visit.core, visit.user.id, batch, lambda done, of: _show(bar, done, of)
            )  # fmt: skip
    except PostProberError as error:
        acts.refuse(error)
        return
    st.session_state[_BATCH] = (st.session_state[_BATCH][0], made)
    st.rerun(scope="fragment")


def _show(bar: st.delta_generator.DeltaGenerator, done: int, of: int) -> None:
    bar.progress(done / of, f"Row {done} of {of} …")


def table_html(batch: Batch) -> str:
    """Row by row: what it says, and what is wrong with it."""
    body = "".join(_row(row) for row in batch.rows)
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Row", "Text", "Accounts", "Time", "Result"))
    return f'<div class="pp-scroll pp-import"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(row: Row) -> str:
    if row.made is not None:
        label, colour, words = "Created", "green", f"Post {row.made}"
    elif row.ok:
        label, colour, words = "Good", "blue", "" if row.time else "As a draft"
    else:
        label, colour, words = "Left out", "red", " ".join(row.problems)
    return (
        f"<tr><td>{row.number}</td><td>{safe(row.text[:200])}</td><td>{safe(row.accounts)}</td><td>{safe(row.time)}</td>"
        f'<td><span class="pp-state pp-{colour}">{label}</span> {safe(words)}</td></tr>'
    )
