"""What worked in a period: charts and tables, each with its numbers as a file."""

from __future__ import annotations

from typing import Any

import streamlit as st

from postprober.errors import PostProberError
from postprober.services.reports import analytics
from postprober.services.reports.analytics import Board, Figures
from postprober.ui import acts, frame
from postprober.ui.components.analytics import analytics_charts as charts
from postprober.ui.components.shared import report_buttons
from postprober.ui.guard import Visit
from postprober.ui.words import COUNT_WORDS, plain

USUAL_DAYS = 28
METRIC_WORDS = {"engagement": "Engagement", **COUNT_WORDS}
HEADINGS = {  # where capitals alone do not explain a column; the files keep the short names
    "count": "",
    "unknown": "No data",
    "late p50 (s)": "Median delay (s)",
    "late p90 (s)": "90th percentile delay (s)",
    "late p99 (s)": "99th percentile delay (s)",
    "what": "For",
    "went out": "Published",
    "ghosts": "Not visible",
    "proved": "Verified",
    "proof rate": "Verified rate",
    "out after it": "Published after it",
    "refused": "Dismissed",
}
_EXPLAINED = (
    "Engagement is likes, reposts, replies, quotes and bookmarks together. Metrics a platform does not "
    "report are left out, not counted as 0."
)


def draw(visit: Visit) -> None:
    """The choice, then everything about it."""
    report_buttons.of_period(visit)
    metric, days = _choice()
    try:
        board = analytics.take(visit.core, visit.actor, days, metric)
        readings = analytics.readings(visit.core, visit.actor)
        costs = analytics.costs(visit.core, visit.actor, days)
    except PostProberError as error:
        acts.refuse(error)
        return
    if board.missing:
        named = ", ".join(day.isoformat() for day in board.missing[:10])
        st.warning(f"Metrics of {len(board.missing)} days are missing (their files were deleted): {named}.")
    if board.empty:
        st.info("Nothing was published in this period. Publish a post, or choose a longer period.")
        frame.link("compose", "Write a post", ":material/edit_square:")
    else:
        _engagement(board, METRIC_WORDS[metric])
        _reliability(board)
    _calls(board)
    if readings.rows:
        st.subheader("Reading for metrics, this month", anchor=False)
        st.caption(
            "Calls made as the account's owner, and their cost where the platform bills them. When an account's allowance "
            "is used up, metrics are read less often; checks whether posts are still public continue."
        )
        _table(readings, "readings")
    if costs is not None and costs.rows:
        st.subheader("AI model costs", anchor=False)
        st.caption("For the whole installation, by UTC day, in the currency of your price settings.")
        _table(costs, "costs")


def _heading(column: str, word: str) -> str:
    """What a person reads over a column; `word`: what is counted."""
    return HEADINGS.get(column, column.capitalize()) or word


def _choice() -> tuple[str, int]:
    with st.container(horizontal=True, key="pp-analytics-choice"):
        metric = st.segmented_control(
            "Metric",
            list(METRIC_WORDS),
            default="engagement",
            required=True,
            key="analytics-metric",
            format_func=lambda name: METRIC_WORDS[name],
            wrap=True,
            help=_EXPLAINED,
        )
        days = st.segmented_control(
            "Period",
            list(analytics.PERIODS),
            default=USUAL_DAYS,
            required=True,
            key="analytics-days",
            format_func=lambda n: f"{n} days",
            wrap=True,
        )
    return metric or "engagement", days or USUAL_DAYS


def _engagement(board: Board, word: str) -> None:
    none = "No metrics for these posts yet."
    _chart(charts.over_time(board.over_time, word), board.over_time, "over-time", f"{word} gained each day", none)
    if any((row["gained"] or 0) < 0 for row in board.over_time.dicts()):
        st.caption("Negative days: more reactions were removed than added.")
    left, right = st.columns(2, gap="medium")
    with left:
        drawn, said = charts.by_platform(board.by_platform, word), f"{word} by platform"
        _chart(drawn, board.by_platform, "platforms", said, none)
    with right:
        drawn, said = charts.best_hours(board.best_hours, word), f"{word} by hour published"
        _chart(drawn, board.best_hours, "best-hours", said, "No post in this period is 24 hours old and has metrics.")
    left, right = st.columns(2, gap="medium")
    with left:
        drawn, said = charts.growth(board.growth, board.titles, word), f"{word} since publishing: top posts"
        _chart(drawn, board.growth, "growth", said, none)
    with right:
        drawn, said = charts.typical_growth(board.typical_growth, word), f"{word} since publishing: median"
        young = "No post in this period is an hour old and has metrics."
        _chart(drawn, board.typical_growth, "typical-growth", said, young)
    left, right = st.columns(2, gap="medium")
    with left:
        _ranked("Top posts", board.top, board.titles, word)
    with right:
        _ranked("Bottom posts", board.bottom, board.titles, word)
    _download(board.by_post, "posts")
    st.subheader("Accounts", anchor=False)
    _table(board.by_account, "accounts", word)


def _reliability(board: Board) -> None:
    st.subheader("Delivery reliability", anchor=False)
    st.caption("For posts due in the period. Delay: seconds from the scheduled time to the first byte sent.")
    _table(board.reliability, "reliability")
    if board.repairs.rows:
        st.subheader("Repairs", anchor=False)
        _table(board.repairs, "repairs")


def _calls(board: Board) -> None:
    """Also of a period in which nothing went out: what went out before is read on."""
    if board.calls.rows:
        st.subheader("Platform API costs", anchor=False)
        st.caption(
            "Based on your price settings: posts published, and posts read for metrics, changes and platform health "
            "(each at most once per UTC day). Searches after a lost response are extra."
        )
        _table(board.calls, "calls")


def _ranked(title: str, rows: list[tuple[int, int]], titles: dict[int, str], word: str) -> None:
    st.subheader(title, anchor=False)
    if not rows:
        st.caption("Not enough posts with metrics.")
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
    money = {c: st.column_config.NumberColumn(format="%.3f") for c in found.columns if c.startswith(("price", "cost"))}
    shaped = {_heading(c, word): shape for c, shape in (rates | seconds | money).items()}
    columns = {_heading(c, word): [_cell(c, row[i]) for row in found.rows] for i, c in enumerate(found.columns)}
    st.dataframe(columns, width="stretch", hide_index=True, column_config=shaped)
    _download(found, name)


def _cell(column: str, value: Any) -> Any:
    """What a person reads in a table; the files keep the short names."""
    if column == "platform":
        return charts.name_of(value)
    return str(value).replace("_", " ").capitalize() if column == "cause" else value


def _download(found: Figures, name: str) -> None:
    st.download_button(
        "Download CSV",
        found.csv,
        f"postprober-{name}.csv",
        "text/csv",
        on_click="ignore",
        key=f"csv-{name}",
        icon=":material/download:",
        type="tertiary",
    )
