"""A period in a few plain lines: for messages, mails and the command line."""

from __future__ import annotations

from typing import Any

from postprober.analytics.report_page import UNKNOWN, number, percent, seconds
from postprober.analytics.reports import PeriodReport
from postprober.domain.platform import NAMES, Platform


def title(report: PeriodReport) -> str:
    """Which days."""
    first, last = f"{report.first:%-d %b %Y}", f"{report.last:%-d %b %Y}"
    return first if first == last else f"{first} to {last}"


def summary(report: PeriodReport) -> str:
    """What one wants to know first; lines end with a line feed."""
    if report.empty:
        return f"{title(report)}: nothing was due and nothing went out.\n"
    lines = [f"{title(report)} ({report.zone.key})"]
    lines += [_platform(row) for row in report.delivered.rows]
    lines.append(f"Engagement: {number(report.total)} (the period before: {number(report.total_before)})")
    if report.best:
        best = report.best[0]
        lines.append(f"Best post: {best.post_id}, engagement {number(best.count)}: {best.beginning}")
    for cause, failures, _applied, out, *_ in report.repairs.rows:
        lines.append(f"Failures ({cause.replace('_', ' ')}): {failures}, out after a repair: {out}")
    if report.troubles_count:
        lines.append(f"Held or not visible: {report.troubles_count}")
    if report.missing:
        lines.append(f"The counts of {len(report.missing)} days are lost and unknown here.")
    return "\n".join(lines) + "\n"


def _platform(row: tuple[Any, ...]) -> str:
    name = NAMES[Platform(row[0])] if row[0] else "All"
    told = f"{name}: {row[2]} of {row[1]} went out, {percent(row[9])} proved, {percent(row[10])} on time"
    late = "" if row[12] is None else f", 9 of 10 within {seconds(row[12])}"
    bad = [
        f"{count} {word}" for count, word in ((row[3], "failed"), (row[4], "held"), (row[5], "not visible")) if count
    ]
    return told.replace(UNKNOWN, "unknown") + late + (f"; {', '.join(bad)}" if bad else "")
