"""Charts of reports, as SVG: made here, so that a report needs no script. Each has a title, units and a legend.

Altair describes them; vl-convert (https://github.com/vega/vl-convert) draws them without a browser and, as it is used
here, without a network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import cycle
from typing import Any

import altair as alt
import pandas  # noqa: F401 (altair asks whether it is loaded, and breaks on one that another thread is still loading)

from postprober.analytics.figures import Figures
from postprober.analytics.palette import colours
from postprober.analytics.report_queries import Usual
from postprober.domain.platform import NAMES, Platform

WIDTH, HEIGHT = 560, 220  # of the plot, in CSS pixels; with axes it fits the 180 mm between the margins of A4
BAR = 34  # height of a pair of bars
_BLUE, _GREY = "#0072b2", "#8a8f98"
_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"  # vl-convert measures its labels with the first
_UNITS = (("Hours", 1, 3.0), ("Minutes", 60, 0.05), ("Seconds", 3600, 0.0))  # of an age of so many hours at least
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
_WHOLE = alt.Axis(tickMinStep=1, format="~s")


def over_time(found: Figures) -> str:
    """What came in on each day, a line for each platform; it breaks where nothing was told. `found`: as
    `queries.over_time` gives it."""
    rows = [
        {"day": f"{day.isoformat()}T00:00:00", "platform": _name(platform), "gained": gained}
        for day, platform, gained, _ in found.rows
    ]
    if not _known(rows, "gained"):
        return ""
    days = sorted({row[0] for row in found.rows})
    return _svg(
        alt.Chart(alt.InlineData(values=rows), title="Engagement gained each day")
        .mark_line(point=alt.OverlayMarkDef(size=36), strokeWidth=2, strokeJoin="round")
        .encode(
            x=alt.X("day:T", title="Day", axis=_days(days)),
            y=alt.Y("gained:Q", title="Engagement a day", axis=_WHOLE),
            color=_by_platform(row["platform"] for row in rows),
            shape=_shapes(row["platform"] for row in rows),
        )
    )


def compared(found: Figures) -> str:
    """A pair of bars for each platform: this period and the one before. `found`: PeriodReport.platforms."""
    kinds = ("This period", "The period before")
    rows = [
        {"platform": _name(row[0]), "when": kind, "count": count}
        for row in found.rows
        for kind, count in zip(kinds, (row[1], row[5]), strict=True)
        if count is not None
    ]
    if not rows:
        return ""
    platforms = sorted({row["platform"] for row in rows})
    return _svg(
        alt.Chart(
            alt.InlineData(values=rows),
            title="Engagement by platform, against the period before",
            height=BAR * max(2, len(platforms)),
        )
        .mark_bar()
        .encode(
            x=alt.X(
                "count:Q",
                title="Engagement of what went out in the period",
                axis=alt.Axis(tickMinStep=1, tickCount=8, format="~s"),
            ),
            y=alt.Y("platform:N", title="Platform", axis=alt.Axis(labelOverlap=False)),
            yOffset=alt.YOffset("when:N", sort=list(kinds)),
            color=alt.Color(
                "when:N",
                sort=list(kinds),
                title=None,
                scale=alt.Scale(domain=list(kinds), range=[_BLUE, "#b9c6d3"]),
                legend=alt.Legend(orient="bottom"),
            ),
        )
    )


def grown(curve: Sequence[tuple[float, int]], usual: Sequence[Usual]) -> str:
    """A post's engagement by its age, beside what is usual for the account at that age; "" without any count."""
    if not curve:
        return ""
    mine, other = "This post", "Usual for this account (median)"
    last = max(hours for hours, _ in curve)
    unit, times = next((word, n) for word, n, least in _UNITS if last >= least)
    rows = [{"age": round(hours * times, 2), "line": mine, "count": count} for hours, count in curve]
    shown = [one for one in usual if one.hours <= last * 1.5]
    rows += [{"age": one.hours * times, "line": other, "count": one.median} for one in shown]
    names = [mine, other] if shown else [mine]
    return _svg(
        alt.Chart(alt.InlineData(values=rows), title="Engagement since publishing")
        .mark_line(point=alt.OverlayMarkDef(size=30), strokeWidth=2, strokeJoin="round")
        .encode(
            x=alt.X(
                "age:Q", title=f"{unit} since publishing", axis=alt.Axis(tickMinStep=1), scale=alt.Scale(domainMin=0)
            ),
            y=alt.Y("count:Q", title="Likes, reposts, replies, quotes, bookmarks", axis=_WHOLE),
            color=alt.Color(
                "line:N",
                sort=names,
                title=None,
                scale=alt.Scale(domain=names, range=[_BLUE, _GREY]),
                legend=alt.Legend(orient="bottom", labelLimit=300, symbolType="stroke", symbolSize=400),
            ),
            strokeDash=alt.StrokeDash(
                "line:N", sort=names, legend=None, scale=alt.Scale(domain=names, range=[[1, 0], [6, 4]])
            ),
        )
    )


def _svg(chart: Any) -> str:
    """Drawn on white, without a size in its way: the page's width decides."""
    import vl_convert  # loads a JavaScript engine, which only this needs

    spec = (
        chart.configure(font=_FONT, background="#ffffff")
        .configure_view(stroke=None)
        .configure_title(anchor="start", fontSize=14, fontWeight="bold", color="#1c2530", offset=10)
        .configure_axis(
            labelColor="#3c4653",
            titleColor="#3c4653",
            gridColor="#e4e8ed",
            domainColor="#8a8f98",
            labelFontSize=11,
            titleFontSize=11,
            titleFontWeight="normal",
        )
        .configure_legend(labelColor="#1c2530", titleColor="#3c4653", labelFontSize=11, titleFontSize=11)
        .to_dict()
    )
    spec.setdefault("width", WIDTH)
    spec.setdefault("height", HEIGHT)
    made: str = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    return made


def _name(platform: str) -> str:
    return NAMES[Platform(platform)]


def _known(rows: Iterable[dict[str, Any]], name: str) -> bool:
    return any(row[name] is not None for row in rows)


def _by_platform(names: Iterable[str]) -> alt.Color:
    drawn = colours(names)
    scale = alt.Scale(domain=list(drawn), range=list(drawn.values()))
    return alt.Color("platform:N", scale=scale, legend=alt.Legend(orient="bottom", title="Platform"))


def _shapes(names: Iterable[str]) -> alt.Shape:
    """Black and white prints tell the lines apart, too."""
    drawn = list(colours(names))
    marks = [shape for _, shape in zip(drawn, cycle(_SHAPES), strict=False)]
    scale = alt.Scale(domain=drawn, range=marks)
    return alt.Shape("platform:N", scale=scale, legend=alt.Legend(orient="bottom", title="Platform"))


def _days(days: Sequence[date]) -> alt.Axis:
    """Whole days only, as many as are readable."""
    step = max(1, -(-len(days) // 10))
    ticks = [alt.DateTime(year=day.year, month=day.month, date=day.day) for day in days[::step]]
    return alt.Axis(format="%-d %b", labelOverlap=True, values=ticks)
