"""The linked accounts."""

from __future__ import annotations

from datetime import datetime, timedelta

import streamlit as st

from postprober.domain.platform import NAMES
from postprober.errors import PostProberError
from postprober.services import accounts
from postprober.storage.records import Account
from postprober.ui.guard import Visit
from postprober.ui.text import moment, plain, safe

SOON = timedelta(days=7)  # an access that ends earlier and cannot renew itself is worth a warning


def draw(visit: Visit, linked: list[Account], now: datetime) -> None:
    """One card an account; `now` aware UTC."""
    for account in linked:
        card = st.container(border=True, key=f"account-{account.id}")
        with card, st.container(horizontal=True, wrap=False):
            traits = visit.core.adapter(account.platform).traits
            renews = traits.renewable(has_refresh_token=bool(account.refresh_token or account.secret))
            st.html(line_html(account, visit.user.zone, now, renews=renews))
            _remove(visit, account)


def line_html(account: Account, zone: str, now: datetime, *, renews: bool) -> str:
    """Platform, name, state and what is known about the access; `renews`: it renews itself."""
    label, colour, words = standing(account, zone, now, renews=renews)
    facts = [words, f"On {account.instance}." if account.instance else ""]
    return (
        f'<div class="pp-account-line"><span class="pp-platform">{NAMES[account.platform]}</span>'
        f'<span class="pp-account">{safe(account.account_name)}</span>'
        f'<span class="pp-state pp-{colour}">{label}</span><small>{safe(" ".join(filter(None, facts)))}</small></div>'
    )


def standing(account: Account, zone: str, now: datetime, *, renews: bool) -> tuple[str, str, str]:
    """Label, colour and one sentence."""
    if account.status != "ok":
        reason = account.status_reason or "The platform no longer accepts our access."
        return "Link again", "red", f"{reason} Link it again below; what waits for it then goes on by itself."
    if account.throttled_until and account.throttled_until > now:
        return "Rate limit", "orange", f"The platform wants a pause until {moment(account.throttled_until, zone)}."
    ends = account.token_expires_at
    if ends is None:
        return "Linked", "green", "The access does not end by itself."
    if renews:
        return "Linked", "green", f"The access is renewed by itself, next before {moment(ends, zone)}."
    if ends <= now:
        return "Expired", "red", f"The access ended on {moment(ends, zone)}. Link it again below."
    if ends - now < SOON:
        return "Ends soon", "orange", f"The access ends on {moment(ends, zone)}. Link it again before that."
    return "Linked", "green", f"The access ends on {moment(ends, zone)}."


def _remove(visit: Visit, account: Account) -> None:
    with st.popover("Remove", type="tertiary", key=f"remove-{account.id}"):
        st.text("PostProber forgets the access and posts here no more.\nPublished posts stay where they are.")
        if st.button("Remove this account", key=f"remove-yes-{account.id}", type="primary"):
            name = plain(f"{NAMES[account.platform]}: {account.account_name}")
            try:
                withdrawn = accounts.remove(visit.core, visit.user.id, account.id)
            except PostProberError as error:
                st.error(plain(str(error)))
                return
            more = "" if withdrawn else " Withdraw the access in the platform's own settings, too."
            st.session_state["pp_removed"] = f"{name} was removed.{more}"
            st.rerun()
