"""One delivery: what a person needs to know about a post on one account.

A row is one piece of HTML, because thirty small elements each would make a page of ten posts slow. Every text in it
passes `safe`.
"""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from postprober.domain.delivery import TRAITS, DeliveryState, Proof, Step
from postprober.services.monitoring.monitoring import DeliveryView, StepView
from postprober.ui.words import (
    COUNT_WORDS,
    MARKS,
    PROOF_WORDS,
    STATUS_WORDS,
    STEP_WORDS,
    due_words,
    link,
    moment,
    number,
    proof_level,
    safe,
    short_moment,
)

_TOLD = ("message", "next", "public_reason", "witness", "how")  # of a step's details, what is written for people


def draw(view: DeliveryView, zone: str, now: datetime) -> None:
    """The row. `zone` is the person's, `now` aware UTC."""
    st.html(row_html(view, zone, now))


def row_html(view: DeliveryView, zone: str, now: datetime) -> str:
    """The whole row as HTML."""
    traits = TRAITS[view.delivery.state]
    steps = "".join(_step(step, zone, now) for step in view.steps)
    pieces = [
        '<div class="pp-row-head">',
        f'<span class="pp-platform">{safe(view.platform)}</span>',
        f'<span class="pp-account">{safe(view.account)}</span>',
        f'<span class="pp-state pp-{traits.colour}">{safe(traits.label)}</span>',
        link(view.delivery.url, "Open the post ↗"),
        "</div>",
        f'<ol class="pp-steps">{steps}</ol>',
        f'<div class="pp-words">{_proof(view)}{_explanation(view, zone, now)}</div>',
        _differences(view),
        _card(view),
        _repair(view),
        _counts(view),
    ]
    return f'<section class="pp-row" aria-label="{safe(view.platform)}">{"".join(pieces)}</section>'


def _step(step: StepView, zone: str, now: datetime) -> str:
    word, status = STEP_WORDS[step.step], STATUS_WORDS.get(step.status, step.status)
    details = step.details or {}
    told = " ".join(str(details[name]) for name in _TOLD if details.get(name))
    at = f" at {moment(step.at, zone)}" if step.at else ""
    tip = f"{word}: {status}{at}. {told}".strip()
    shown = short_moment(step.at, zone, now) if step.at else status
    return (
        f'<li class="pp-step pp-s-{safe(step.status or "none")}" title="{safe(tip)}">'
        f'<i aria-hidden="true">{MARKS.get(step.status, "?")}</i>'
        f'<b>{safe(word)}</b><span class="pp-sr">{safe(status)}</span><time>{safe(shown)}</time></li>'
    )


def _proof(view: DeliveryView) -> str:
    level = proof_level(view.delivery.proof)
    if level == 0 and not TRAITS[view.delivery.state].delivered:
        return ""
    bars = "".join(
        f'<i class="{"on" if place <= level else ""}"></i>' for place in range(1, proof_level(Proof.MATCHES) + 1)
    )
    words = PROOF_WORDS[view.delivery.proof]
    return f'<p class="pp-proof"><span class="pp-bars" aria-hidden="true">{bars}</span>{safe(words)}</p>'


def _differences(view: DeliveryView) -> str:
    """Everything in which what was seen last differs from what was sent."""
    proof = next((step for step in view.steps if step.step == Step.VERIFICATION), None)
    found = (proof.details or {}).get("differences") if proof is not None else None
    if not isinstance(found, list) or not found:
        return ""
    items = "".join(f"<li>{safe(str(one))}</li>" for one in found)
    return f'<ul class="pp-differences" aria-label="Differences from what was sent">{items}</ul>'


def _card(view: DeliveryView) -> str:
    """Why it goes, or went, without the card of its link."""
    card = view.delivery.parts[0].card if view.delivery.parts else None
    return f'<p class="pp-card-note">{safe(card.problem)}</p>' if card is not None and card.problem else ""


def _explanation(view: DeliveryView, zone: str, now: datetime) -> str:
    text = view.explanation
    next_at = view.delivery.next_at
    if view.delivery.state is DeliveryState.VERIFIED and view.delivery.proof is not Proof.NONE:
        return ""  # the proof beside it says it all
    if view.delivery.state is DeliveryState.SCHEDULED and next_at and next_at > now:
        text = f"Scheduled for {due_words(next_at, zone, now)}."
    elif view.delivery.state is DeliveryState.WAITING and next_at and next_at > now:
        text = f"{text} Next attempt: {short_moment(next_at, zone, now)}."
    return f'<p class="pp-why">{safe(text)}</p>'


def _repair(view: DeliveryView) -> str:
    return f'<p class="pp-repair">{safe(view.repair)}</p>' if view.repair else ""


def _counts(view: DeliveryView) -> str:
    if not TRAITS[view.delivery.state].delivered:
        return ""
    cells = "".join(
        f"<div><dt>{word}</dt><dd>{number(view.counts.get(name))}</dd></div>" for name, word in COUNT_WORDS.items()
    )
    return f'<dl class="pp-counts">{cells}</dl>'
