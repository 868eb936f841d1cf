"""Platform health on the first page: how each server stands, and a strip of its last 24 hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from postprober.domain.health import HealthVerdict
from postprober.domain.platform import NAMES
from postprober.services.monitoring.platform_status import MARKS, SPAN, AccountHealth, PlatformHealth
from postprober.ui.words import HEALTH_WORDS, moment, safe, short_moment, until

LEGEND: tuple[tuple[HealthVerdict, str], ...] = (
    (HealthVerdict.WELL, "healthy"),
    (HealthVerdict.DEGRADED, "some checks failed or were slow"),
    (HealthVerdict.FAILING, "at least half of the checks failed"),
    (HealthVerdict.UNKNOWN, "no checks"),
)


def strips_html(found: Sequence[PlatformHealth], zone: str, now: datetime) -> str:
    """One line a server, with the legend below."""
    rows = "".join(_row(one, zone, now) for one in found)
    legend = "".join(
        f'<span><i class="pp-strip" aria-hidden="true"><i class="pp-{verdict.value}"></i></i>{words}</span>'
        for verdict, words in LEGEND
    )
    return (
        '<section class="pp-health pp-strips"><h3>Platform health, last 24 h</h3>'
        f'<ul>{rows}</ul><p class="pp-legend">{legend}<span>Each mark is half an hour; now is on the right.</span></p>'
        "</section>"
    )


def _row(one: PlatformHealth, zone: str, now: datetime) -> str:
    label, colour = HEALTH_WORDS[one.verdict]
    host = one.instance.partition("://")[2]
    name = f"{NAMES[one.platform]} <small>{safe(host)}</small>" if host else NAMES[one.platform]
    since = f' title="since {safe(moment(one.since, zone))}"' if one.since else ""
    said = " ".join(_sentences(one, now))
    return (
        f'<li><b>{name}</b><span class="pp-state pp-{colour}"{since}>{label}</span>{_strip(one.history, zone, now)}'
        + (f"<p>{safe(said)}</p>" if said else "")
        + "</li>"
    )


def _sentences(one: PlatformHealth, now: datetime) -> list[str]:
    """What a person should know beside the colours; nothing when all is well."""
    said = [] if one.verdict is HealthVerdict.WELL else [one.reason]
    if one.waiting:
        waits = "post is" if one.waiting == 1 else "posts are"
        said.append(f"{one.waiting} {waits} waiting for it. You can send anyway on the Monitor page.")
    said += [
        _access(account)
        for account in one.accounts
        if account.verdict in (HealthVerdict.DEGRADED, HealthVerdict.FAILING)
    ]
    if one.checked_at and one.verdict is not HealthVerdict.WELL:
        said.append(f"Last check: {until(one.checked_at, now)}.")
    return said


def _access(account: AccountHealth) -> str:
    if account.verdict is HealthVerdict.FAILING:
        return f"{account.name}: access refused. Reconnect the account."
    return f"{account.name}: access was refused once. We are checking again."


def _strip(history: Sequence[HealthVerdict], zone: str, now: datetime) -> str:
    counts = {verdict: sum(one is verdict for one in history) for verdict in HealthVerdict}
    told = ", ".join(f"{count} {HEALTH_WORDS[verdict][0].lower()}" for verdict, count in counts.items() if count)
    marks = "".join(
        f'<i class="pp-{verdict.value}" title="{safe(short_moment(now - (MARKS - n) * SPAN, zone, now))}: '
        f'{HEALTH_WORDS[verdict][0].lower()}"></i>'
        for n, verdict in enumerate(history)
    )
    return f'<span class="pp-strip" role="img" aria-label="Half hours of the last day: {told}">{marks}</span>'
