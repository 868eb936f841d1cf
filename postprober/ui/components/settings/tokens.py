"""Personal API tokens."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from postprober.domain.access import GRANTABLE, scopes_of_role
from postprober.domain.platform import NAMES
from postprober.errors import PostProberError
from postprober.services.accounts import accounts
from postprober.services.people import api_tokens
from postprober.services.people.api_tokens import ApiToken
from postprober.services.people.sessions import Caller
from postprober.services.people.token_limits import MOST_A_DAY
from postprober.ui import acts
from postprober.ui.guard import Visit
from postprober.ui.words import moment, plain, safe

_NEW = "pp_new_token"
LIVES = {30: "30 days", 90: "90 days", 365: "One year"}


def draw(visit: Visit) -> None:
    st.caption("For programs that use the API. A token can do only what its scopes allow, and never more than you.")
    if secret := st.session_state.get(_NEW):
        st.warning("Copy the token now. It will not be shown again.")
        st.code(secret, language=None)
        if st.button("I have copied it"):
            del st.session_state[_NEW]
            st.rerun()
    tokens = api_tokens.listing(visit.core, visit.actor)
    names = _names(visit)
    for token in tokens:
        with st.container(border=True, horizontal=True, wrap=False, key=f"token-{token.id}"):
            st.html(_token_html(token, visit.user.zone, names))
            if st.button("Revoke", key=f"remove-token-{token.id}", type="tertiary"):
                acts.act(
                    f"The token {token.name} was revoked.",
                    api_tokens.remove,
                    visit.core,
                    visit.actor,
                    token.id,
                )
    if not tokens:
        st.info("No tokens yet.")
    _new(visit)


def _new(visit: Visit) -> None:
    allowed = scopes_of_role(visit.user.role)
    with st.form("new-token", clear_on_submit=True):
        st.subheader("New token", anchor=False)
        name = st.text_input("Name", max_chars=api_tokens.MAX_NAME, placeholder="nightly report")
        scopes = st.multiselect(
            "Scopes",
            sorted(allowed & GRANTABLE),
            help="An agent needs posts:draft and posts:propose: it writes, and a person decides.",
        )
        days = st.selectbox("Expires in", list(LIVES), format_func=lambda days: LIVES[days], index=1)
        linked = _names(visit)
        chosen = st.multiselect(
            "Only these accounts", list(linked), format_func=lambda one: linked[one], placeholder="All accounts"
        )
        ceiling = st.number_input(
            "At most so many posts a day", min_value=0, max_value=MOST_A_DAY, value=0, help="0: no limit."
        )
        unasked = st.checkbox(
            "Publish without asking a person",
            help="What is proposed with this token is published at once. Choose the accounts and a daily limit first.",
        )
        if st.form_submit_button("Create token"):
            caller = Caller(visit.user, allowed, "", "browser")
            try:
                _made, secret = api_tokens.create(
                    visit.core,
                    caller,
                    name=name,
                    scopes=scopes,
                    days=days,
                    accounts=chosen or None,
                    ceiling=int(ceiling) or None,
                    unasked=unasked,
                )
            except PostProberError as error:
                st.error(plain(error.message))
            else:
                st.session_state[_NEW] = secret
                st.rerun()


def _names(visit: Visit) -> dict[int, str]:
    return {one.id: f"{NAMES[one.platform]}: {one.account_name}" for one in accounts.listing(visit.core, visit.actor)}


def _token_html(token: ApiToken, zone: str, names: Mapping[int, str]) -> str:
    used = f"last used {moment(token.last_used_at, zone)}" if token.last_used_at else "not used yet"
    return (
        f'<div class="pp-account-line"><span class="pp-platform">{safe(token.name)}</span>'
        f'<span class="pp-account">…{safe(token.hint)}</span>'
        f"<small>{safe(', '.join(token.scopes))}. Expires {safe(moment(token.expires_at, zone))}, {safe(used)}.</small>"
        f"{_bounds_html(token, names)}</div>"
    )


def _bounds_html(token: ApiToken, names: Mapping[int, str]) -> str:
    """On which accounts, how often, and in red: without asking."""
    limits, told = token.limits, []
    if limits.accounts is not None:
        told.append(
            "Only " + ", ".join(names.get(one, f"account {one} (disconnected)") for one in sorted(limits.accounts))
        )
    if limits.ceiling is not None:
        told.append(f"at most {limits.ceiling} posts a day")
    said = f"<small>{safe('; '.join(told))}.</small>" if told else ""
    alarm = '<small class="pp-alarm">Publishes without asking a person.</small>' if limits.unasked else ""
    return said + alarm
