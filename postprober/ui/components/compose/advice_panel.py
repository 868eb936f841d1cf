"""What the agent says to the draft: a review, and suggestions to accept or refuse one by one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from postprober.domain.advice import Advice, Review, Suggestion
from postprober.domain.platform import NAMES, Platform
from postprober.errors import PostProberError
from postprober.services.accounts import browser_accounts
from postprober.services.posts import advice
from postprober.storage.records import Account
from postprober.ui import acts, guard
from postprober.ui.components.compose import intended
from postprober.ui.components.compose.draft import COMMON, ComposerDraft
from postprober.ui.components.shared.diff import texts_html
from postprober.ui.guard import Visit
from postprober.ui.words import KIND_WORDS, REVIEW_WORDS, moment, plain, safe

PERIOD = 2  # seconds between two looks while suggestions are being made
WRITE = "posts:draft"


def draw(visit: Visit, mine: ComposerDraft, linked: list[Account]) -> None:
    """Below the checks; nothing before something was written."""
    if mine.saved is None:
        return
    with st.container(border=True, key="pp-advice"):
        st.subheader("Suggestions", anchor=False)
        _panel(visit, mine, {a.id: a for a in linked})


@st.fragment(run_every=PERIOD)
def _panel(visit: Visit, mine: ComposerDraft, accounts: dict[int, Account]) -> None:
    """Looks anew by itself, because the scheduler makes the suggestions a moment after the text was kept."""
    guard.still_in(visit)
    if mine.saved is None:
        return
    try:
        said = advice.of(visit.core, visit.actor, mine.saved.id)
    except PostProberError as error:
        acts.refuse(error)
        return
    if said is None:
        st.caption("No suggestions yet.")
        return
    st.html(review_html(said.review))
    intended.draw(visit, mine.saved.id, said.review)
    open_ones = [s for s in said.suggestions if not s.decision and _still_right(s, mine, visit.core.clock.now())]
    for one in open_ones:
        if one.acceptable:
            _suggestion(visit, mine, one, accounts)
    for (kind, reason), where in _notes(open_ones, accounts).items():
        st.caption(plain(f"{KIND_WORDS[kind]} ({', '.join(where)}): {reason}"))
    _foot(visit, mine, said, len(open_ones))


_PIECE = re.compile(r"`([^`\n]{1,300})`")  # what a reason is about, as it writes it


def _marked(piece: re.Match[str]) -> str:
    return f"<code>{piece[1]}</code>"


def review_html(review: Review) -> str:
    """The verdict with its reasons, and who gave it."""
    label, colour = REVIEW_WORDS[review.verdict]
    reasons = "".join(f"<li>{_PIECE.sub(_marked, safe(reason))}</li>" for reason in review.reasons)
    return (
        f'<div class="pp-check"><span class="pp-state pp-{colour}">{label}</span>'
        f'<span class="pp-account">Checked by {safe(review.by)}</span>'
        f"{f'<ul>{reasons}</ul>' if reasons and review.verdict != 'appropriate' else ''}</div>"
    )


def _suggestion(visit: Visit, mine: ComposerDraft, one: Suggestion, accounts: dict[int, Account]) -> None:
    where = _where(one, accounts)
    body = texts_html(one.before, one.after) if one.after else ""
    gone = "".join(f"<li>{safe(sentence)}</li>" for sentence in one.dropped)
    dropped = f"<p>Left out:</p><ul>{gone}</ul>" if gone else ""
    at = f"<p><b>{safe(moment(datetime.fromisoformat(one.at), visit.user.zone)[:-3])}</b></p>" if one.at else ""
    st.html(
        f'<div class="pp-suggestion"><b>{KIND_WORDS[one.kind]}</b> <span class="pp-account">{safe(where)}</span>'
        f"{at}{body}<p>{safe(one.reason)}</p>{dropped}<small>Suggested by {safe(one.by)}</small></div>"
    )
    with st.container(horizontal=True, key=f"suggestion-{one.id}"):
        if visit.button("Apply", WRITE, f"accept-{one.id}", type="primary"):
            _accept(visit, mine, one)
        if visit.button("Dismiss", WRITE, f"refuse-{one.id}") and mine.saved:
            acts.act("Dismissed.", advice.refuse, visit.core, visit.actor, mine.saved.id, one.id)


def _accept(visit: Visit, mine: ComposerDraft, one: Suggestion) -> None:
    if mine.saved is None:
        return
    try:
        changed = advice.accept(visit.core, visit.actor, mine.saved.id, one.id)
        mine.follow(changed, one.account_id or COMMON)
    except PostProberError as error:
        acts.refuse(error)
        return
    acts.tell("Applied.")
    st.rerun()


def _foot(visit: Visit, mine: ComposerDraft, said: Advice, shown: int) -> None:
    if said.pending:
        st.caption(":material/hourglass_top: Suggestions are being made …")
    elif not shown:
        st.caption("Nothing to suggest.")
    if said.note:
        st.caption(plain(said.note))
    if mine.saved and visit.button(
        "Get suggestions", WRITE, f"ask-{mine.saved.id}", type="tertiary", icon=":material/refresh:"
    ):
        with st.spinner("Asking …"):
            acts.act("Suggestions updated.", advice.ask, visit.core, visit.actor, mine.saved.id)


def _notes(found: Sequence[Suggestion], accounts: dict[int, Account]) -> dict[tuple[str, str], list[str]]:
    """What is only said, once each: kind and reason -> for which accounts."""
    notes: dict[tuple[str, str], list[str]] = {}
    for one in found:
        if not one.acceptable:
            notes.setdefault((one.kind, one.reason), []).append(_where(one, accounts))
    return notes


def _where(one: Suggestion, accounts: dict[int, Account]) -> str:
    account = accounts.get(one.account_id or 0)
    if account is not None:
        return f"{NAMES[account.platform]} · {browser_accounts.called(account)}"
    return NAMES[Platform(one.platform)] if one.platform else "for all"


def _still_right(one: Suggestion, mine: ComposerDraft, now: datetime) -> bool:
    """Whether the text is still the one that the suggestion was made for, and its time is still to come."""
    if one.kind in ("alt_text", "time"):
        return one.in_time(now)
    return one.before == mine.parts(one.account_id if one.account_id is not None else COMMON)


__all__ = ["draw", "review_html"]
