"""The figures of a run, and how they stand beside the limits of the original design, times ten."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from bench.load.plan import HOUR
from bench.load.run import Outcome
from bench.stage import percentile

# The original design: 100 users, 1,000 posts an hour, 500 connections on one server. Ten times that:
USERS, POSTS, SOCKETS = 1000, 10_000, 5000
SLOWEST = 1.0  # seconds; p95 of every route, above which people are not served but made to wait


def figures(one: Outcome) -> dict[str, Any]:
    """Everything by name; what the test reads."""
    record, verdict = one.record, one.verdict
    assert verdict
    hours = record.seconds / HOUR
    times = sorted(t for route in record.times.values() for t in route)
    during = sum(a.during for a in record.accepted)
    return {
        "users": one.load.users,
        "seconds": record.seconds,
        "requests": len(times),
        "requests_a_second": len(times) / record.seconds,
        "errors": dict(record.errors),
        "waits": dict(record.waits),
        "sockets_wanted": one.sockets[0],
        "sockets_held": one.sockets[1],
        "posts_an_hour_accepted": during / hours,
        "posts_an_hour_proved": one.proved / hours,
        "events": len(record.latencies),
        "events_due": one.events[0],
        "events_missed": one.events[1],
        "accepted": verdict.accepted,
        "ended": dict(verdict.ended),
        "planned": verdict.planned,
        "lost": list(verdict.lost),
        "doubled": list(verdict.doubled),
        "contradicted": list(verdict.contradicted),
        "unasked": list(verdict.unasked),
        "cpu": one.cpu,
        "memory": one.memory,
        "phases": one.phases,
        "worst_p95": max((percentile(t, 0.95) for t in record.times.values() if t), default=0.0),
    }


def lines(one: Outcome) -> Iterator[str]:
    """The report."""
    record, found = one.record, figures(one)
    yield (
        f"load: {found['users']:,} people for {record.seconds:.0f} s, one thing each {one.load.think:.0f} s, "
        f"{one.load.posts:.0f} posts an hour each; load average {one.average:.1f} on {os.cpu_count()} cores"
    )
    yield f"  {found['requests_a_second']:.0f} requests/s; milliseconds by route:"
    for route, times in sorted(record.times.items(), key=lambda item: -len(item[1])):
        p50, p95, p99 = (percentile(times, share) * 1000 for share in (0.5, 0.95, 0.99))
        yield f"    {route:32} n {len(times):6}   p50 {p50:6.0f}   p95 {p95:6.0f}   p99 {p99:6.0f}"
    yield f"  errors: {_counts(found['errors'])}; asked to come again: {_counts(found['waits'])}"
    held = f"  WebSockets: {found['sockets_held']:,} of {found['sockets_wanted']:,} held"
    if record.latencies:
        p50, p95, p99 = (percentile(record.latencies, share) * 1000 for share in (0.5, 0.95, 0.99))
        held += f"; transition to client p50 {p50:.0f} p95 {p95:.0f} p99 {p99:.0f} ms, {len(record.latencies):,} events"
    yield f"{held}; {found['events_missed']} of {found['events_due']:,} missed"
    yield (
        f"  posts an hour: {found['posts_an_hour_accepted']:,.0f} accepted, {found['posts_an_hour_proved']:,.0f} proved"
    )
    parts = (f"{name} {share:.0%}" for name, share in found["cpu"].items())
    yield f"  CPU of one core: {'  '.join(parts)}  all {sum(found['cpu'].values()):.0%}"
    yield f"  memory MB: {'  '.join(f'{name} {size:.0f}' for name, size in found['memory'].items())}"
    lag = percentile(record.lags, 0.99) * 1000 if record.lags else 0.0
    yield f"  the client itself was up to {lag:.0f} ms late (p99 of its timers); that is in the figures above"
    ended = "  ".join(f"{state} {count}" for state, count in sorted(found["ended"].items()))
    yield (
        f"  of {found['accepted']:,} accepted posts: {ended}  still planned {found['planned']:,}; lost {len(found['lost'])}, "
        f"doubled {len(found['doubled'])}, contradicted {len(found['contradicted'])}, unasked {len(found['unasked'])}"
    )
    for text in (found["lost"] + found["doubled"] + found["contradicted"] + found["unasked"])[:10]:
        yield f"    {text}"
    yield verdict(found)


def verdict(found: dict[str, Any]) -> str:
    """Against ten times the limits of the original design. Never says more than was measured."""
    good = not (
        found["errors"]
        or found["events_missed"]
        or found["lost"]
        or found["doubled"]
        or found["contradicted"]
        or found["unasked"]
    )
    checks = {
        f"{found['users']:,} users of {USERS:,}": found["users"] >= USERS,
        f"{found['posts_an_hour_accepted']:,.0f} posts/h of {POSTS:,}": found["posts_an_hour_accepted"] >= POSTS,
        f"{found['posts_an_hour_proved']:,.0f} proved/h of {POSTS:,}": found["posts_an_hour_proved"] >= POSTS,
        f"{found['sockets_held']:,} WebSockets of {SOCKETS:,}": found["sockets_held"] >= SOCKETS,
        f"slowest route's p95 {found['worst_p95'] * 1000:.0f} ms of {SLOWEST * 1000:.0f}": found["worst_p95"]
        <= SLOWEST,
        "nothing lost, doubled, missed or refused" if good else "errors, see above": good,
    }
    said = "; ".join(f"{text}: {'yes' if met else 'NO'}" for text, met in checks.items())
    return f"  ten times the original's limits: {'PASSED' if all(checks.values()) else 'not reached'} ({said})"


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in found.items()) or "0"
