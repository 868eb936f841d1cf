"""Reports as files: about one post or a period, as HTML, PDF, CSV, Parquet or plain text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from postprober import extras
from postprober.domain.actor import Actor
from postprober.errors import BadInput
from postprober.services.core import Core
from postprober.services.people import permits
from postprober.services.reports import printing

if TYPE_CHECKING:
    from postprober.analytics.reports import PeriodReport, PostReport

# What it is called on the wire, and whether it is a text.
FORMATS: dict[str, str] = {
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",  # https://www.iana.org/assignments/media-types
}
LONGEST_DAYS = 366
EARLIEST = date(2000, 1, 1)  # before every platform; keeps dates within every calendar


@dataclass(frozen=True)
class Made:
    """A report: how the file is to be called, its type, its content."""

    name: str
    mime: str
    content: bytes


@permits.needs("reports:read")
def of_post(core: Core, actor: Actor, post_id: int, form: str, zone: str = "") -> Made:
    """The report about one post, times in `zone` ("": the person's own); `form`: a key of FORMATS. Raises BadInput, NotFound,
    Forbidden, and Unavailable when a PDF cannot be printed here, NotInstalled when a library for `form` is missing."""
    from postprober.services.reports.report_post import gather

    mime, place = _form(form), _zone(zone or actor.zone)
    _need(form)
    report = gather(core, actor, post_id, place)
    return Made(f"postprober-post-{post_id}.{form}", mime, _content(core, report, form))


@permits.needs("reports:read")
def of_period(core: Core, actor: Actor, first: date, last: date, form: str, zone: str = "") -> Made:
    """The report about the days from `first` to `last` (both included) on the clock of `zone` ("": the person's own). Raises as `of_post`."""
    mime = _form(form)
    _need(form)
    report = period(core, actor, first, last, zone)
    return Made(f"postprober-{first.isoformat()}-to-{last.isoformat()}.{form}", mime, _content(core, report, form))


@permits.needs("reports:read")
def text_of_period(core: Core, actor: Actor, first: date, last: date, zone: str = "") -> str:
    """The same in a few plain lines. Raises BadInput or Forbidden."""
    from postprober.analytics import report_text

    return report_text.summary(period(core, actor, first, last, zone))


@permits.needs("reports:read")
def period(core: Core, actor: Actor, first: date, last: date, zone: str = "") -> PeriodReport:
    """The report as data. Raises BadInput or Forbidden."""
    from postprober.analytics import reports

    place, now = _zone(zone or actor.zone), core.clock.now()
    if last < first:
        raise BadInput("The last day lies before the first; swap them.", field="to")
    if (last - first).days >= LONGEST_DAYS:
        raise BadInput(f"A report covers at most {LONGEST_DAYS} days; choose fewer.", field="to")
    if not EARLIEST <= first <= now.astimezone(place).date():
        raise BadInput("The first day must have begun; choose an earlier one.", field="from")
    return reports.period(core.db, core.settings.data_dir, actor.space, first, last, place, now)


def _form(form: str) -> str:
    if form not in FORMATS:
        raise BadInput(f"Choose one of {', '.join(FORMATS)}.", field="format")
    return FORMATS[form]


def _need(form: str) -> None:
    """Before anything is gathered, so that nobody is told of one missing part after the other."""
    extras.need("reports" if form in ("html", "pdf") else "analytics")


def _zone(zone: str) -> ZoneInfo:
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise BadInput(f"There is no time zone {zone[:60]!r}.", field="zone") from None


def _content(core: Core, report: PostReport | PeriodReport, form: str) -> bytes:
    from postprober.analytics import report_page, report_rows
    from postprober.analytics.reports import PostReport

    if form == "csv":
        return report_rows.to_csv(report.lines, report.zone.key)
    if form == "parquet":
        return report_rows.to_parquet(report.lines)
    html = report_page.post_html(report) if isinstance(report, PostReport) else report_page.period_html(report)
    return html.encode() if form == "html" else printing.pdf(core, html)
