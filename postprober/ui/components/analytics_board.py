"""What worked in a period: charts and tables, each with its numbers as a file."""

from __future__ import annotations

from typing import Any

import streamlit as st

from postprober.errors import PostProberError
from postprober.services import analytics
from postprober.services.analytics import Board, Figures
from postprober.ui import acts, frame
from postprober.ui.components import analytics_charts as charts
from postprober.ui.components import report_buttons
from postprober.ui.guard import Visit
from postprober.ui.text import COUNT_WORDS, plain

USUAL_DAYS = 28
METRIC_WORDS = {"engagement": "Engagement", **COUNT_WORDS}
HEADINGS = {  # where capitals alone do not explain a column; the files keep the short names
    "count": "", "unknown": "Not told", "late p50 (s)": "Late, median (s)", "late p90 (s)": "Late, 90 % (s)",
    "late p99 (s)": "Late, 99 % (s)", "what": "For",
}  # fmt: skip
_EXPLAINED = (
    "Engagement is likes, reposts, replies, quotes and bookmarks together. Counts that a platform does not tell are "
    "left out and never taken for zero."
)


def draw(visit: Visit) -> None:
    """The choice, then everything about it."""
    report_buttons.of_period(visit)
    metric, days = _choice()
    try:
        board = analytics.take(visit.core, visit.user.id, visit.user.zone, days, metric)
        costs = analytics.costs(visit.core, visit.user, visit.user.zone, days)
    except PostProberError as error:
        acts.refuse(error)
        return
    if board.missing:
        named = ", ".join(day.isoformat() for day in board.missing[:10])
        st.warning(f"The counts of {len(board.missing)} days are lost (their files are gone): {named}.")
    if board.empty:
        st.info("Nothing went out in this period. Publish a post, or choose a longer period.")
        frame.link("compose", "Write a post", ":material/edit_square:")
    else:
        _engagement(board, METRIC_WORDS[metric])
        _reliability(board)
    if costs is not None and costs.rows:
        st.subheader("Costs of the model", anchor=False)
        st.caption("Of this whole installation, by UTC day, in the currency of your price settings.")
        _table(costs, "costs")


def _heading(column: str, word: str) -> str:
    """What a person reads over a column; `word`: what is counted."""
    return HEADINGS.get(column, column.capitalize()) or word


def _choice() -> tuple[str, int]:
    with st.container(horizontal=True, key="pp-analytics-choice"):
        metric = st.segmented_control(
            "Count", list(METRIC_WORDS), default="engagement", required=True, key="analytics-metric",
            format_func=lambda name: METRIC_WORDS[name], wrap=True, help=_EXPLAINED,
        )  # fmt: skip
        days = st.segmented_control(
            "Period", list(analytics.PERIODS), default=USUAL_DAYS, required=True, key="analytics-days",
            format_func=lambda n: f"{n} days", wrap=True,
        )  # fmt: skip
    return metric or "engagement", days or USUAL_DAYS


def _engagement(board: Board, word: str) -> None:
    none = "No platform has told a count of these posts yet."
    _chart(charts.over_time(board.over_time, word), board.over_time, "over-time", f"{word} gained each day", none)
    left, right = st.columns(2, gap="medium")
    with left:
        drawn, said = charts.by_platform(board.by_platform, word), f"{word} by platform"
        _chart(drawn, board.by_platform, "platforms", said, none)
    with right:
        drawn, said = charts.best_hours(board.best_hours, word), f"{word} by hour of posting"
        _chart(
            drawn, board.best_hours, "best-hours", said, "No post of this period is 24 hours old and has a known count."
        )
    left, right = st.columns(2, gap="medium")
    with left:
        drawn, said = charts.growth(board.growth, board.titles, word), f"{word} of the best posts by age"
        _chart(drawn, board.growth, "growth", said, none)
    with right:
        drawn, said = charts.typical_growth(board.typical_growth, word), f"Median {word.lower()} by age"
        _chart(drawn, board.typical_growth, "typical-growth", said, none)
    left, right = st.columns(2, gap="medium")
    with left:
        _ranked("Top posts", board.top, board.titles, word)
    with right:
        _ranked("Bottom posts", board.bottom, board.titles, word)
    _download(board.by_post, "posts")
    st.subheader("Accounts", anchor=False)
    _table(board.by_account, "accounts", word)


def _reliability(board: Board) -> None:
    st.subheader("Did it go out, was it proved, was it on time?", anchor=False)
    st.caption("Of what was due in the period. Late: seconds from the planned time to the first byte.")
    _table(board.reliability, "reliability")
    if board.repairs.rows:
        st.subheader("Repairs", anchor=False)
        _table(board.repairs, "repairs")
    if board.calls.rows:
        st.subheader("Costs of the platforms’ APIs", anchor=False)
        st.caption(
            "By the prices in the settings, for what came out and for the readings of counts. At least that much: "
            "searches for a lost answer are not in it."
        )
        _table(board.calls, "calls")


def _ranked(title: str, rows: list[tuple[int, int]], titles: dict[int, str], word: str) -> None:
    st.subheader(title, anchor=False)
    if not rows:
        st.caption("There are not enough posts with known counts.")
    for post, count in rows:
        st.markdown(f"**{count:,}** {word.lower()}: {plain(titles.get(post, ''))}")


def _chart(chart: Any, found: Figures, name: str, said: str, lacking: str) -> None:
    """The chart, or why there is none: `lacking`, where nothing is known that could be drawn."""
    if not _known(found):
        st.subheader(said, anchor=False)
        st.caption(lacking)
        return
    st.altair_chart(chart, width="stretch", alt=said)
    _download(found, name)


def _known(found: Figures) -> bool:
    """Whether any row has the value that is drawn."""
    drawn = [name in ("gained", "count", "median", "mean") for name in found.columns].index(True)
    return any(row[drawn] is not None for row in found.rows)


def _table(found: Figures, name: str, word: str = "Count") -> None:
    rates = {c: st.column_config.NumberColumn(format="percent") for c in found.columns if c.endswith("rate")}
    seconds = {c: st.column_config.NumberColumn(format="%.1f") for c in found.columns if c.endswith("(s)")}
    money = {c: st.column_config.NumberColumn(format="%.3f") for c in found.columns if c in ("price", "cost")}
    shaped = {_heading(c, word): shape for c, shape in (rates | seconds | money).items()}
    columns = {
        _heading(c, word): [charts.name_of(row[i]) if c == "platform" else row[i] for row in found.rows]
        for i, c in enumerate(found.columns)
    }
    st.dataframe(columns, width="stretch", hide_index=True, column_config=shaped)
    _download(found, name)


def _download(found: Figures, name: str) -> None:
    st.download_button(
        "Numbers as CSV", found.csv, f"postprober-{name}.csv", "text/csv", on_click="ignore", key=f"csv-{name}",
        icon=":material/download:", type="tertiary",
    )  # fmt: skip
