"""Reports as pages that stand alone: one HTML file without scripts and without anything from elsewhere.

Jinja escapes whatever is put into a page; only our own charts pass as they are. `StrictUndefined` makes a misspelt
name an error and not a gap.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import date, datetime
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from postprober import extras
from postprober.analytics.report_queries import COUNTS
from postprober.analytics.reports import PeriodReport, PostReport
from postprober.domain.addresses import split
from postprober.domain.alert import LATE_AFTER
from postprober.domain.delivery import TRAITS, DeliveryState, Proof, StateTraits
from postprober.domain.platform import NAMES, Platform

TEMPLATES = Path(__file__).with_name("templates")
UNKNOWN = "–"
PROOF_WORDS: dict[str, str] = {
    Proof.NONE.value: "No proof yet",
    Proof.ACCEPTED.value: "Accepted: the platform returned an ID for the post",
    Proof.NOT_PUBLIC.value: "Accepted, not public: the platform says why",
    Proof.EXISTS.value: "Exists: the account can read it",
    Proof.WITNESSED.value: "Seen: another linked account can read it",
    Proof.PUBLIC.value: "Public: visible without signing in",
    Proof.MATCHES.value: "Verified: the public sees exactly what was sent",
}
_POST_STATUS = {
    "draft": "Draft",
    "review": "In review",
    "scheduled": "Scheduled",
    "posting": "Publishing",
    "posted": "Published",
    "partial": "Partially published",
    "failed": "Failed",
    "cancelled": "Cancelled",
}


def post_html(report: PostReport) -> str:
    """The report about one post. Raises NotInstalled where charts cannot be drawn."""
    report_charts = _charts()
    drawn = [Markup(report_charts.grown(one.curve, one.usual)) for one in report.on]  # noqa: S704 # nosec B704 # our own drawing
    return _render("post.html", report, one_charts=drawn, counts=COUNTS)


def period_html(report: PeriodReport) -> str:
    """The report about a period. Raises NotInstalled where charts cannot be drawn."""
    report_charts = _charts()
    drawn = {
        "over_time": Markup(report_charts.over_time(report.over_time)),  # noqa: S704 # nosec B704 # our own drawing
        "compared": Markup(report_charts.compared(report.platforms)),  # noqa: S704 # nosec B704 # our own drawing
    }
    return _render("period.html", report, charts=drawn)


def _charts() -> ModuleType:
    """Loaded here, because a shared proof has none and is shown where nothing can draw."""
    extras.need("reports")
    from postprober.analytics import report_charts

    return report_charts


def proof_html(**values: Any) -> str:
    """The page of a proof that was shared, times in UTC: `values` are what its template names. Without `on` it says that
    there is nothing."""
    return _template("proof.html", ZoneInfo("UTC")).render(css=_css(), **values)


def style_hash() -> str:
    """Of our style, as a Content-Security-Policy names it (https://www.w3.org/TR/CSP3/#grammardef-hash-source)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(_css().encode()).digest()).decode()


@cache
def _css() -> Markup:
    return Markup((TEMPLATES / "report.css").read_text())  # noqa: S704 # nosec B704 # a file of ours


def _render(name: str, report: PostReport | PeriodReport, **more: Any) -> str:
    return _template(name, report.zone).render(report=report, css=_css(), **more)


@cache
def _template(name: str, zone: ZoneInfo) -> Template:
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals.update(
        proof_words=PROOF_WORDS, late_minutes=int(LATE_AFTER.total_seconds() // 60), change=_against, changed=_changed
    )
    env.filters.update(
        num=number,
        pct=percent,
        secs=seconds,
        day=_day,
        counted=_counted,
        data_uri=_data_uri,
        web=is_web,
        platform=lambda name: NAMES[Platform(name)],
        platforms=_platforms,
        traits=_traits,
        cause=_cause,
        post_status=lambda name: _POST_STATUS.get(name, name),
        moment=partial(_moment, zone, "%-d %b %Y, %H:%M %Z"),
        short=partial(_moment, zone, "%-d %b %Y, %H:%M"),
        exact=partial(_moment, zone, "%-d %b %Y, %H:%M:%S"),
    )
    return env.get_template(name)


def number(value: float | None) -> str:
    """1,234; one decimal where there is one; a dash for what is unknown."""
    if value is None:
        return UNKNOWN
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}".removesuffix(".0")


def percent(value: float | None) -> str:
    """Whole percents, and never 100 % when something is missing to it."""
    if value is None:
        return UNKNOWN
    return f"{value:.1%}".replace("100.0%", "99.9%" if value < 1 else "100%").replace(".0%", "%")


def seconds(value: float | None) -> str:
    """A length of time in its largest sensible unit."""
    if value is None:
        return UNKNOWN
    value = max(0.0, value)
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def _moment(zone: ZoneInfo, form: str, value: datetime | None) -> str:
    return value.astimezone(zone).strftime(form) if value else UNKNOWN


def _day(value: date) -> str:
    return value.strftime("%-d %b %Y")


def _counted(count: int, word: str) -> str:
    return f"{number(count)} {word}{'' if count == 1 else 's'}"


def _changed(now: int | None, before: int | None) -> str:
    """By how much, in percent of what was before."""
    if now is None or not before:
        return UNKNOWN
    return f"{(now - before) / before:+.0%}"


def _against(now: int | None, before: int | None) -> str:
    told = _changed(now, before)
    return f"; before: {number(before)}" + ("" if told == UNKNOWN else f" ({told})")


def _platforms(names: str) -> str:
    return ", ".join(NAMES[Platform(name)] for name in names.split())


def _traits(state: str) -> StateTraits:
    return TRAITS[DeliveryState(state)]


def _cause(name: str) -> str:
    return name.replace("_", " ").capitalize()


def is_web(url: str) -> bool:
    """Whether somebody may click on it."""
    return split(url).scheme in ("http", "https")


def _data_uri(picture: bytes) -> str:
    mime = "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
    return f"data:{mime};base64,{base64.b64encode(picture).decode()}"
