"""The first page's body: the answer, four numbers, the lists behind them, and how the platforms do."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from postprober.domain.delivery import TRAITS, Step
from postprober.domain.health import Health
from postprober.domain.platform import NAMES, known
from postprober.services.monitoring import monitoring, overview
from postprober.services.monitoring import platform_status as health
from postprober.services.monitoring.overview import Overview
from postprober.storage.overview import DeliveryLine
from postprober.ui import frame, guard
from postprober.ui.components.overview import health_strip
from postprober.ui.components.shared import alerts, auto_refresh
from postprober.ui.guard import Visit
from postprober.ui.words import HEALTH_WORDS, STEP_WORDS, link, moment, safe, until

PERIOD = 5  # seconds


@st.fragment(run_every=PERIOD)
def draw(visit: Visit) -> None:
    """The whole board; asks anew by itself."""
    guard.still_in(visit)
    now, zone = visit.core.clock.now(), visit.user.zone
    seen = overview.take(visit.core, visit.actor)
    if not seen.scheduler_lives:
        st.warning(auto_refresh.NO_SCHEDULER, icon=":material/heart_broken:")
    st.html(answer_html(seen))
    _first_steps(seen)
    left, right = st.columns([3, 1], gap="medium")
    with left:
        st.html(f'<div class="pp-lists">{"".join(_lists(seen, zone, now))}</div>')
        if seen.health:
            st.html(health_strip.strips_html(health.take(visit.core, visit.actor), zone, now))
            st.html(health_html(seen))
    with right:
        alerts.draw(monitoring.alerts(visit.core, visit.actor), zone, now)


def answer_html(seen: Overview) -> str:
    """The page's question answered in one sentence, with the numbers behind it."""
    mark, colour, sentence = answer(seen)
    tiles = (
        ("Needs attention", seen.needs + len(seen.review) + len(seen.relink), "red"),
        ("Publishing now", seen.going, "blue"),
        ("Scheduled", seen.due, "grey"),
        ("Verified in the last 24 h", seen.proved, "green"),
    )
    cells = "".join(
        f'<div class="pp-tile pp-{tone if count else "grey"}"><b>{count:,}</b><span>{label}</span></div>'
        for label, count, tone in tiles
    )
    beat = seen.heartbeat_age
    heart = (
        f"Scheduler running (last heartbeat {beat.total_seconds():.0f} s ago)." if seen.scheduler_lives and beat else ""
    )
    return (
        f'<div class="pp-answer pp-{colour}"><i aria-hidden="true">{mark}</i><div><b>{safe(sentence)}</b>'
        f'<small>{safe(heart)}</small></div></div><div class="pp-tiles">{cells}</div>'
    )


def answer(seen: Overview) -> tuple[str, str, str]:
    """Mark, colour and sentence."""
    waiting = seen.needs + len(seen.review) + len(seen.relink)
    if not seen.scheduler_lives:
        return "✕", "red", "Nothing is published: the scheduler is not running."
    if waiting:
        return "!", "red", f"{waiting} {'item needs' if waiting == 1 else 'items need'} attention."
    if seen.going:
        return "…", "blue", f"{seen.going} {'post is' if seen.going == 1 else 'posts are'} being published."
    if seen.due:
        return "✓", "green", "Everything due so far is published."
    return ("✓", "green", "Everything is published.") if seen.proved else ("·", "grey", "Nothing is scheduled.")


def _first_steps(seen: Overview) -> None:
    if not seen.accounts:
        st.info("Welcome. Link an account, then publish your first post.")
        frame.link("accounts", "Link an account", ":material/link:")
    elif not (seen.due or seen.going or seen.needs or seen.proved):
        st.info("Your accounts are linked. Write a post: it is checked for each platform before you publish it.")
        frame.link("compose", "Write a post", ":material/edit_square:")


def _lists(seen: Overview, zone: str, now: datetime) -> list[str]:
    return [
        _list(
            "Needs attention",
            [*_extra(seen), *(_line(one, zone, now) for one in seen.needs_person)],
            "Nothing needs attention.",
        ),
        _list("Publishing now", [_line(one, zone, now) for one in seen.going_now], "Nothing is being published."),
        _list("Scheduled", [_line(one, zone, now) for one in seen.due_next], "Nothing is scheduled."),
        _list("Verified in the last 24 h", [_line(one, zone, now) for one in seen.proved_last], "Nothing yet."),
    ]


def _list(title: str, lines: list[str], empty: str) -> str:
    body = f"<ul>{''.join(lines)}</ul>" if lines else f'<p class="pp-why">{empty}</p>'
    return f'<section class="pp-list"><h3>{title}</h3>{body}</section>'


def _extra(seen: Overview) -> list[str]:
    """What needs a person and is no delivery."""
    again = [
        f'<li><span class="pp-state pp-red">Reconnect</span><b>{NAMES[platform]}</b><p>{safe(name)}: reconnect it '
        "under Accounts. Waiting posts then continue.</p></li>"
        for platform, name in seen.relink
    ]
    review = [
        f'<li><span class="pp-state pp-blue">Review</span>'
        f'<p><a href="monitor?post={post_id}" target="_self">{safe(text)}</a></p></li>'
        for post_id, text in seen.review
    ]
    return [*again, *review]


def _line(one: DeliveryLine, zone: str, now: datetime) -> str:
    traits = TRAITS[one.state]
    return (
        f'<li><span class="pp-state pp-{traits.colour}">{traits.label}</span><b>{NAMES[one.platform]}</b>'
        f'<time title="{safe(moment(one.at, zone))}">{safe(until(one.at, now))}</time>{link(one.url, "Open ↗")}'
        f'<p><a href="monitor?post={one.post_id}" target="_self">{safe(one.text or "(no text)")}</a></p></li>'
    )


def health_html(seen: Overview) -> str:
    """Platforms down, steps across."""
    found = [platform for platform in known() if (platform, Step.POSTING) in seen.health]
    head = "".join(f'<th scope="col">{STEP_WORDS[step]}</th>' for step in Step)
    rows = "".join(
        f'<tr><th scope="row">{NAMES[platform]}</th>'
        + "".join(_cell(step, seen.health.get((platform, step), Health())) for step in Step)
        + "</tr>"
        for platform in found
    )
    return (
        '<section class="pp-health"><h3>Platform activity, last 24 h</h3><div class="pp-scroll">'
        f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _cell(step: Step, health: Health) -> str:
    label, colour = HEALTH_WORDS[health.verdict]
    words = ", ".join(
        f"{count:,} {word}"
        for count, word in ((health.good, "good"), (health.warned, "with a warning"), (health.failed, "failed"))
        if count
    )
    repeats = f"{health.bad_tries:,} of {health.tries:,} attempts failed" if health.bad_tries else ""
    return (
        f'<td data-step="{STEP_WORDS[step]}"><span class="pp-state pp-{colour}">{label}</span>'
        f"<small>{safe('; '.join(filter(None, (words, repeats))))}</small></td>"
    )
