"""The charts of the Analytics page: each says what it counts, in which unit, and what its colours mean."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas  # noqa: F401 (altair asks whether it is loaded, and breaks on one that another thread is still loading)

from postprober.analytics.figures import Figures
from postprober.analytics.palette import colours
from postprober.domain.platform import NAMES, Platform

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HEIGHT = 400  # pixels, with title, axes and legend
SHORT = 22  # characters of a post in a legend, so that a phone shows what follows them, too
TALL = 600  # with a legend of eight lines
_LEGEND = alt.Legend(orient="bottom", title="Platform", columns=3)


def name_of(platform: str) -> str:
    return NAMES[Platform(platform)]


def _colour(rows: list[dict[str, Any]]) -> Any:
    """By platform; the legend names those that are drawn."""
    drawn = colours(row["platform"] for row in rows)
    return alt.Color("platform:N", legend=_LEGEND, scale=alt.Scale(domain=list(drawn), range=list(drawn.values())))


def over_time(found: Figures, word: str) -> Any:
    """A line for each platform; it breaks where nothing was told."""
    rows = [
        # without offset: the person's day, whatever zone the browser is in
        {"day": f"{day.isoformat()}T00:00:00", "platform": name_of(platform), "gained": gained}
        for day, platform, gained, _ in found.rows
    ]
    return _base(rows, f"{word} gained each day", "line").encode(
        x=alt.X("day:T", title="Date", axis=alt.Axis(format="%-d %b", labelOverlap=True)),
        y=alt.Y("gained:Q", title=f"{word} a day", axis=_WHOLE),
        color=_colour(rows),
        tooltip=[
            alt.Tooltip("platform:N", title="Platform"),
            alt.Tooltip("day:T", title="Day", format="%-d %b %Y"),
            alt.Tooltip("gained:Q", title=word, format=","),
        ],
    )


def by_platform(found: Figures, word: str) -> Any:
    """A bar for each platform that told a count."""
    rows = [{"platform": name_of(row[0]), "count": row[1], "posts": row[3]} for row in found.rows]
    return _base(rows, f"{word} by platform", "bar").encode(
        x=alt.X("count:Q", title=f"{word}, posts in the period", axis=_WHOLE),
        y=alt.Y("platform:N", title="Platform", sort="-x", axis=alt.Axis(labelOverlap=False)),
        color=_colour(rows),
        tooltip=[alt.Tooltip("platform:N", title="Platform"), alt.Tooltip("count:Q", title=word, format=",")],
    )


def growth(found: Figures, titles: dict[int, str], word: str) -> Any:
    """A curve for each of the best posts."""
    rows = [
        {"hours": hours, "post": f"{_short(titles.get(post, ''))} ({name_of(platform)}, {post})", "count": count}
        for hours, post, platform, count in found.rows
    ]
    legend = alt.Legend(orient="bottom", title="Post", columns=1, labelLimit=400)
    return _base(rows, f"{word} since publishing: top posts", "line", TALL).encode(
        x=_AGE,
        y=alt.Y("count:Q", title=word, axis=_WHOLE),
        color=alt.Color("post:N", legend=legend),
        tooltip=[
            alt.Tooltip("post:N", title="Post"),
            alt.Tooltip("hours:Q", title="Hours"),
            alt.Tooltip("count:Q", title=word),
        ],
    )


def _short(title: str) -> str:
    return title if len(title) <= SHORT else title[: SHORT - 1].rstrip() + "…"


def typical_growth(found: Figures, word: str) -> Any:
    """The median curve of each platform."""
    rows = [
        {"hours": hours, "platform": name_of(platform), "median": median, "posts": posts}
        for hours, platform, median, posts in found.rows
    ]
    return _base(rows, f"{word} since publishing: median", "line", TALL).encode(
        x=_AGE,
        y=alt.Y("median:Q", title=f"{word}, median", axis=_WHOLE),
        color=_colour(rows),
        tooltip=[
            alt.Tooltip("platform:N", title="Platform"),
            alt.Tooltip("hours:Q", title="Hours"),
            alt.Tooltip("median:Q", title="Median", format=","),
            alt.Tooltip("posts:Q", title="Posts"),
        ],
    )


def best_hours(found: Figures, word: str) -> Any:
    """Weekday by hour; a cell without a known count is not drawn."""
    rows = [
        {"weekday": WEEKDAYS[weekday - 1], "hour": hour, "mean": mean, "posts": counted}
        for weekday, hour, mean, counted, _ in found.rows
        if mean is not None
    ]
    return _base(rows, f"{word} after 24 hours, by hour published", "rect").encode(
        x=alt.X("hour:O", title="Hour published (your time zone)", scale=alt.Scale(domain=list(range(24)))),
        y=alt.Y(
            "weekday:O", title="Weekday", axis=alt.Axis(labelOverlap=False), scale=alt.Scale(domain=list(WEEKDAYS))
        ),
        color=alt.Color("mean:Q", title=f"{word}, mean", legend=alt.Legend(orient="bottom"), scale=_HEAT),
        tooltip=[
            alt.Tooltip("weekday:O", title="Weekday"),
            alt.Tooltip("hour:O", title="Hour"),
            alt.Tooltip("mean:Q", title=f"{word}, mean", format=",.1f"),
            alt.Tooltip("posts:Q", title="Posts"),
        ],
    )


_WHOLE = alt.Axis(tickMinStep=1, format="~s")
_AGE = alt.X(
    "hours:Q", title="Hours since publishing", axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(domainMin=0)
)
_HEAT = alt.Scale(scheme="blues")


def _base(rows: list[dict[str, Any]], title: str, mark: str, height: int = HEIGHT) -> Any:
    chart = alt.Chart(alt.InlineData(values=rows), height=height, title=title)
    if mark == "line":
        return chart.mark_line(point=True)
    return chart.mark_bar() if mark == "bar" else chart.mark_rect()
