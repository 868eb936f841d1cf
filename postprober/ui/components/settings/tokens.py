"""Personal API tokens."""

from __future__ import annotations

import streamlit as st

from postprober.domain.access import GRANTABLE, scopes_of_role
from postprober.errors import PostProberError
from postprober.services.people import api_tokens
from postprober.services.people.api_tokens import ApiToken
from postprober.services.people.sessions import Caller
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
    for token in tokens:
        with st.container(border=True, horizontal=True, wrap=False, key=f"token-{token.id}"):
            st.html(_token_html(token, visit.user.zone))
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
        scopes = st.multiselect("Scopes", sorted(allowed & GRANTABLE))
        days = st.selectbox("Expires in", list(LIVES), format_func=lambda days: LIVES[days], index=1)
        if st.form_submit_button("Create token"):
            caller = Caller(visit.user, allowed, "", "browser")
            try:
                _made, secret = api_tokens.create(visit.core, caller, name=name, scopes=scopes, days=days)
            except PostProberError as error:
                st.error(plain(error.message))
            else:
                st.session_state[_NEW] = secret
                st.rerun()


def _token_html(token: ApiToken, zone: str) -> str:
    used = f"last used {moment(token.last_used_at, zone)}" if token.last_used_at else "not used yet"
    return (
        f'<div class="pp-account-line"><span class="pp-platform">{safe(token.name)}</span>'
        f'<span class="pp-account">…{safe(token.hint)}</span>'
        f"<small>{safe(', '.join(token.scopes))}. Expires {safe(moment(token.expires_at, zone))}, {safe(used)}.</small></div>"
    )
