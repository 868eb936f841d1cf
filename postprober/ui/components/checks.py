"""What each platform would say to the draft."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from postprober.domain.platform import NAMES
from postprober.domain.post import Preflight
from postprober.errors import PostProberError
from postprober.services.posts import NewPost
from postprober.storage.records import Account
from postprober.ui.components.draft import Draft
from postprober.ui.guard import Visit
from postprober.ui.text import plain, safe


def draw(results: Mapping[int, Preflight], linked: list[Account]) -> None:
    """One line an account: fits or what to change, and the length in the platform's own way of counting."""
    accounts = {a.id: a for a in linked}
    lines = [_line(accounts[account_id], result) for account_id, result in results.items() if account_id in accounts]
    st.html("".join(lines))


def _line(account: Account, result: Preflight) -> str:
    label, colour = ("Fits", "green") if result.ok else ("Change this", "red")
    reasons = "".join(f"<li>{safe(v.message)}</li>" for v in result.violations)
    return (
        f'<div class="pp-check"><span class="pp-platform">{NAMES[account.platform]}</span>'
        f'<span class="pp-account">{safe(account.account_name)}</span>'
        f'<span class="pp-state pp-{colour}">{label}</span>'
        f'<span class="pp-length">{result.length:,} of {result.limit:,}</span>'
        f"{f'<ul>{reasons}</ul>' if reasons else ''}</div>"
    )


def run(visit: Visit, draft: Draft, new: NewPost, linked: list[Account]) -> bool:
    """Check the draft, show the result; whether it may be published."""
    if not new.account_ids:
        st.caption("Choose at least one account.")
        return False
    if not new.parts[0] and not new.media_ids:
        st.caption("Write something; here you see whether it fits on each platform.")
        return False
    try:
        with st.spinner("Checking …"):
            results = draft.check(visit.core, visit.user.id, new)
    except PostProberError as error:
        st.error(plain(str(error)))
        return False
    draw(results, linked)
    return all(result.ok for result in results.values())
