"""What the agent says to the draft: a review, and suggestions to accept or refuse one by one."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from postprober.domain.advice import Advice, Review, Suggestion
from postprober.domain.platform import NAMES, Platform
from postprober.errors import PostProberError
from postprober.services import advice, by_browser
from postprober.storage.records import Account
from postprober.ui import acts
from postprober.ui.components.diff import texts_html
from postprober.ui.components.draft import COMMON, Draft
from postprober.ui.guard import Visit
from postprober.ui.text import KIND_WORDS, REVIEW_WORDS, moment, plain, safe

PERIOD = 2  # seconds between two looks while suggestions are being made
WRITE = "posts:write"


def draw(visit: Visit, mine: Draft, linked: list[Account]) -> None:
    """Below the checks; nothing before something was written."""
    if mine.saved is None:
        return
    with st.container(border=True, key="pp-advice"):
        st.subheader("Suggestions", anchor=False)
        _panel(visit, mine, {a.id: a for a in linked})


@st.fragment(run_every=PERIOD)
def _panel(visit: Visit, mine: Draft, accounts: dict[int, Account]) -> None:
    """Looks anew by itself, because the scheduler makes the suggestions a moment after the text was kept."""
    if mine.saved is None:
        return
    try:
        said = advice.of(visit.core, visit.user.id, mine.saved.id)
    except PostProberError as error:
        acts.refuse(error)
        return
    if said is None:
        st.caption("Nothing was looked at yet.")
        return
    st.html(review_html(said.review))
    open_ones = [s for s in said.suggestions if not s.decision and _still_right(s, mine)]
    for one in open_ones:
        if one.acceptable:
            _suggestion(visit, mine, one, accounts)
    for one in open_ones:
        if not one.acceptable:
            st.caption(plain(f"{KIND_WORDS[one.kind]}, {_where(one, accounts)}: {one.reason}"))
    _foot(visit, mine, said, len(open_ones))


def review_html(review: Review) -> str:
    """The verdict with its reasons, and who gave it."""
    label, colour = REVIEW_WORDS[review.verdict]
    reasons = "".join(f"<li>{safe(reason)}</li>" for reason in review.reasons)
    return (
        f'<div class="pp-check"><span class="pp-state pp-{colour}">{label}</span>'
        f'<span class="pp-account">{safe(_who(review.by, review.confidence))}</span>'
        f"{f'<ul>{reasons}</ul>' if reasons and review.verdict != 'appropriate' else ''}</div>"
    )


def _suggestion(visit: Visit, mine: Draft, one: Suggestion, accounts: dict[int, Account]) -> None:
    where = _where(one, accounts)
    body = texts_html(one.before, one.after) if one.after else ""
    at = f"<p><b>{safe(moment(datetime.fromisoformat(one.at), visit.user.zone)[:-3])}</b></p>" if one.at else ""
    st.html(
        f'<div class="pp-suggestion"><b>{KIND_WORDS[one.kind]}</b> <span class="pp-account">{safe(where)}</span>'
        f"{at}{body}<p>{safe(one.reason)}</p><small>{safe(_who(one.by, one.confidence))}</small></div>"
    )
    with st.container(horizontal=True, key=f"suggestion-{one.id}"):
        if visit.button("Accept", WRITE, f"accept-{one.id}", type="primary"):
            _accept(visit, mine, one)
        if visit.button("Refuse", WRITE, f"refuse-{one.id}") and mine.saved:
            acts.act("It is not suggested again.", advice.refuse, visit.core, visit.user.id, mine.saved.id, one.id)


def _accept(visit: Visit, mine: Draft, one: Suggestion) -> None:
    if mine.saved is None:
        return
    try:
        changed = advice.accept(visit.core, visit.user.id, mine.saved.id, one.id)
        mine.follow(changed, one.account_id or COMMON)
    except PostProberError as error:
        acts.refuse(error)
        return
    acts.tell("It is in the post.")
    st.rerun()


def _foot(visit: Visit, mine: Draft, said: Advice, shown: int) -> None:
    if said.pending:
        st.caption(":material/hourglass_top: Suggestions are being made …")
    elif not shown:
        st.caption("Nothing to suggest.")
    if said.note:
        st.caption(plain(said.note))
    if mine.saved and visit.button(
        "Ask now", WRITE, f"ask-{mine.saved.id}", type="tertiary", icon=":material/refresh:"
    ):
        with st.spinner("Asking …"):
            acts.act("Asked.", advice.ask, visit.core, visit.user.id, mine.saved.id)


def _where(one: Suggestion, accounts: dict[int, Account]) -> str:
    account = accounts.get(one.account_id or 0)
    if account is not None:
        return f"{NAMES[account.platform]} · {by_browser.called(account)}"
    return NAMES[Platform(one.platform)] if one.platform in set(Platform) else "for all"


def _who(by: str, confidence: float) -> str:
    return f"by {by}, {confidence:.0%} sure"


def _still_right(one: Suggestion, mine: Draft) -> bool:
    """Whether the text is still the one that the suggestion was made for."""
    if one.kind in ("alt_text", "time"):
        return True
    return one.before == mine.parts(one.account_id if one.account_id is not None else COMMON)


__all__ = ["draw", "review_html"]
