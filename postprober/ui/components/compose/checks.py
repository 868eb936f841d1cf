"""What each platform would say to the draft."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from postprober.domain.platform import NAMES
from postprober.domain.post import Preflight, PreflightNote, Violation
from postprober.errors import PostProberError
from postprober.services.accounts import browser_accounts
from postprober.services.posts.posts import NewPost
from postprober.storage.records import Account
from postprober.ui import acts
from postprober.ui.components.compose.draft import ComposerDraft
from postprober.ui.guard import Visit
from postprober.ui.words import safe

NEAR = 0.9  # of the limit: from here on the counter warns


def run(visit: Visit, draft: ComposerDraft, new: NewPost) -> dict[int, Preflight] | None:
    """Preflight by account id; None when there is nothing to check yet, or when it cannot be checked (then it is said
    why)."""
    if not new.account_ids or not (any(part.strip() for part in new.parts) or new.variants or new.media_ids):
        return None
    try:
        with st.spinner("Checking …"):
            return draft.check(visit.core, visit.actor, new)
    except PostProberError as error:
        acts.refuse(error)
        return None


def counters(results: Mapping[int, Preflight], linked: list[Account]) -> None:
    """How full each platform is, in its own way of counting."""
    names = {a.id: NAMES[a.platform] for a in linked}
    cells = "".join(_counter(names[i], result) for i, result in results.items() if i in names)
    st.html(f'<div class="pp-counters" aria-live="polite">{cells}</div>')


def _counter(name: str, result: Preflight) -> str:
    share = result.length / result.limit if result.limit else 0
    tone = "red" if result.length > result.limit else "orange" if share >= NEAR else "green"
    return (
        f'<span class="pp-counter pp-{tone}"><b>{name}</b> {result.length:,} of {result.limit:,}'
        f'<i style="width:{min(share, 1) * 100:.0f}%"></i></span>'
    )


def draw(results: Mapping[int, Preflight] | None, linked: list[Account], *, chosen: bool) -> None:
    """One line an account: ready, or what to change."""
    if results is None:
        words = "Write something to see whether it fits each platform."
        st.caption(words if chosen else "Choose at least one account.")
        return
    accounts = {a.id: a for a in linked}
    st.html("".join(_line(accounts[i], result) for i, result in results.items() if i in accounts))


def _line(account: Account, result: Preflight) -> str:
    label, colour = ("Ready", "green") if result.ok else ("Needs a change", "red")
    said: tuple[Violation | PreflightNote, ...] = (*result.violations, *result.notes)
    reasons = "".join(f"<li>{safe(one.message)}</li>" for one in said)
    return (
        f'<div class="pp-check"><span class="pp-platform">{NAMES[account.platform]}</span>'
        f'<span class="pp-account">{safe(browser_accounts.called(account))}</span>'
        f'<span class="pp-state pp-{colour}">{label}</span>'
        f"{f'<ul>{reasons}</ul>' if reasons else ''}</div>"
    )
