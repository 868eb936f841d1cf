"""Linking: consent page, server, app password, token, browser session; and how it went."""

from __future__ import annotations

import streamlit as st

from postprober.domain.platform import NAMES, Platform
from postprober.errors import PostProberError
from postprober.platforms.common.spec import FoundConsent, PasswordSignIn, TokenWay
from postprober.platforms.registry import SPECS
from postprober.services.accounts import accounts, browser_accounts, linking
from postprober.ui import acts, uploads
from postprober.ui.browser import go
from postprober.ui.guard import Visit
from postprober.ui.words import plain

WRITE = "accounts:write"
# Who signs in with an app password, asks for more than a token, or names a server first, has a form of its own.
TOKENS: list[Platform] = [platform for platform, spec in SPECS.items() if spec.sign_in is None and spec.token is None]
OWN_TOKENS = {platform: spec.token for platform, spec in SPECS.items() if spec.token is not None}
SERVERS = [platform for platform, spec in SPECS.items() if spec.oauth is not None and spec.many_servers]
PASSWORDS = {platform: spec.sign_in for platform, spec in SPECS.items() if spec.sign_in is not None}
BROWSER = [platform for platform, spec in SPECS.items() if spec.browser is not None]
CONSENT = [platform for platform, spec in SPECS.items() if spec.oauth is not None and not spec.many_servers]


def results() -> None:
    """What the consent page or the last removal brought, once. Platforms write into it, so it is shown as typed."""
    result = st.session_state.pop("pp_link_result", None)
    if result:
        name, text = result
        if name == "linked":
            st.success(f"Linked. {plain(text)}", icon=":material/check_circle:")
        else:
            st.error(f"The account was not linked. {plain(text)}", icon=":material/error:")
    for name in ("pp_removed", "pp_added"):
        if done := st.session_state.pop(name, None):
            st.success(done, icon=":material/check_circle:")


def draw(visit: Visit) -> None:
    """All ways to link, one below the other."""
    if CONSENT:
        with st.container(border=True, key="account-consent"):
            st.markdown(f"**{', '.join(NAMES[platform] for platform in CONSENT)}**")
            st.caption("You approve PostProber on the platform, then you come back here.")
            with st.container(horizontal=True):
                for platform in CONSENT:
                    if visit.button(f"Link {NAMES[platform]}", WRITE, f"link-{platform.value}"):
                        consent(visit, platform)
    for platform in SERVERS:
        with st.container(border=True, key=f"account-{platform.value}"):
            _server(visit, platform)
    for platform, how in PASSWORDS.items():
        with st.container(border=True, key=f"account-{platform.value}"):
            st.markdown(f"**{NAMES[platform]}**")
            found = SPECS[platform].found_consent
            if found is None:
                _password(visit, platform, how, f"Link {NAMES[platform]}")
                continue
            _found(visit, platform, found)
            with st.expander("Link with an app password", type="compact"):
                _password(visit, platform, how, "Link with this password")
    for platform, way in OWN_TOKENS.items():
        with st.container(border=True, key=f"account-{platform.value}"):
            _own_token(visit, platform, way)
    with st.container(border=True, key="account-token"):
        _token(visit)
    for platform in BROWSER:
        with st.container(border=True, key=f"account-browser-{platform.value}"):
            _by_browser(visit, platform)


def consent(visit: Visit, platform: Platform, instance: str = "") -> None:
    """Off to the platform's consent page, in this tab: the way back needs this browser's session."""
    try:
        with st.spinner(f"Asking {NAMES[platform]} …"):
            go(linking.start(visit.core, visit.actor, platform, instance))
    except PostProberError as error:
        acts.refuse(error)


def _server(visit: Visit, platform: Platform) -> None:
    name = NAMES[platform]
    st.markdown(f"**{name}**")
    usual = visit.core.settings.platform(platform).api_url
    with st.form(f"link-{platform.value}", border=False):
        server = st.text_input("Server", value=usual, placeholder=SPECS[platform].server_example)
        pressed = st.form_submit_button(f"Link {name}", disabled=not visit.may(WRITE), help=visit.why_not(WRITE))
    if pressed:
        typed = server.strip().rstrip("/")
        full = typed if "://" in typed or not typed else f"https://{typed}"
        # The server that the settings name needs no naming: its app is registered already.
        consent(visit, platform, "" if full == usual else full)


def _found(visit: Visit, platform: Platform, found: FoundConsent) -> None:
    """Who asks for the consent is found by what the person types."""
    name = NAMES[platform]
    st.caption("You approve PostProber on your account's server, then you come back here.")
    with st.form(f"link-{platform.value}", border=False):
        typed = st.text_input(found.label, placeholder=found.example)
        pressed = st.form_submit_button(f"Link {name}", disabled=not visit.may(WRITE), help=visit.why_not(WRITE))
    if pressed:
        consent(visit, platform, typed.strip().rstrip("/"))


def _password(visit: Visit, platform: Platform, how: PasswordSignIn, button: str) -> None:
    name = NAMES[platform]
    st.caption(how.hint)
    with st.form(f"link-password-{platform.value}", border=False, clear_on_submit=True):
        identifier = st.text_input(how.identifier, placeholder=how.identifier_example)
        password = st.text_input("App password", type="password", placeholder=how.example)
        pressed = st.form_submit_button(button, disabled=not visit.may(WRITE), help=visit.why_not(WRITE))
    if not pressed:
        return
    if not identifier.strip() or not password:
        st.error("Enter the handle and the app password.")
        return
    data = {"identifier": identifier.strip().removeprefix("@"), "password": password}
    try:
        with st.spinner(f"Signing in at {name} …"):
            account = accounts.add_by_token(visit.core, visit.actor, platform, data)
    except PostProberError as error:
        acts.refuse(error)
        return
    st.session_state["pp_added"] = f"Linked. {name}: {plain(account.account_name)}"
    st.rerun()


def _own_token(visit: Visit, platform: Platform, way: TokenWay) -> None:
    """A token that people make for themselves, and what the platform asks for beside it."""
    name = NAMES[platform]
    many = SPECS[platform].many_servers
    st.markdown(f"**{name}**")
    st.caption(way.hint)
    with st.form(f"link-{platform.value}", border=False, clear_on_submit=True):
        server = st.text_input("Server", placeholder=SPECS[platform].server_example) if many else ""
        typed = {
            one.name: st.text_input(
                one.label,
                type="password" if one.secret else "default",
                placeholder=one.example,
                help="Optional" if one.optional else None,
            )
            for one in way.fields
        }
        pressed = st.form_submit_button(f"Link {name}", disabled=not visit.may(WRITE), help=visit.why_not(WRITE))
    if not pressed:
        return
    if missing := [one.label for one in way.fields if not one.optional and not typed[one.name].strip()]:
        st.error(f"Fill in: {', '.join(missing)}.")
        return
    try:
        with st.spinner(f"Asking {name} …"):
            account = accounts.add_by_token(visit.core, visit.actor, platform, dict(typed), instance=server.strip())
    except PostProberError as error:
        acts.refuse(error)
        return
    st.session_state["pp_added"] = f"Linked. {name}: {plain(account.account_name)}"
    st.rerun()


def _token(visit: Visit) -> None:
    """For who has a token already: from another tool, or from a platform's developer pages."""
    with st.expander("Import a token", type="compact"), st.form("link-token", border=False, clear_on_submit=True):
        platform = st.selectbox("Platform", TOKENS, format_func=lambda p: NAMES[p])
        server = st.text_input("Server", placeholder=_servers())
        access = st.text_input("Access token", type="password")
        refresh = st.text_input("Refresh token", type="password", placeholder="optional")
        ends = st.text_input("Expires at", placeholder="2030-03-02T09:00:00Z, optional")
        off = not visit.may(WRITE)
        pressed = st.form_submit_button("Import the token", disabled=off, help=visit.why_not(WRITE))
    if not pressed or platform is None:
        return
    data = {"access_token": access, "refresh_token": refresh, "expires_at": ends.strip() or None}
    try:
        with st.spinner(f"Asking {NAMES[platform]} whose token it is …"):
            account = accounts.add_by_token(visit.core, visit.actor, platform, data, instance=server.strip())
    except PostProberError as error:
        acts.refuse(error)
        return
    st.session_state["pp_added"] = f"Linked. {NAMES[platform]}: {plain(account.account_name)}"
    st.rerun()


def _servers() -> str:
    """Who needs one, as the field says it."""
    return (
        "; ".join(f"{SPECS[platform].server_example} ({NAMES[platform]} only)" for platform in SERVERS) or "not needed"
    )


def _by_browser(visit: Visit, platform: Platform) -> None:
    """For accounts without API access. The warning is read before anything can be given."""
    name = NAMES[platform]
    with st.expander(f"{name} by browser (experimental)", type="compact"):
        st.warning(plain(browser_accounts.terms(platform)), icon=":material/warning:")
        if problem := browser_accounts.trouble(visit.core):
            st.error(plain(problem))
            return
        with st.form(f"link-browser-{platform.value}", border=False, clear_on_submit=True):
            st.caption(
                "The session of a browser in which you are signed in, stored by Playwright (storage_state, JSON)."
            )
            stored = st.file_uploader("Stored session", type=["json"], max_upload_size=1)
            accepted = st.checkbox("I have read this and accept the risk for this account.")
            off = not visit.may(WRITE)
            pressed = st.form_submit_button("Import the session", disabled=off, help=visit.why_not(WRITE))
    if not pressed:
        return
    if stored is None:
        st.error("Choose the file with the stored session.")
        return
    text = stored.getvalue().decode("utf-8", "replace")
    uploads.free(stored)  # it holds somebody's cookies
    try:
        with st.spinner(f"Checking the session with {name} …"):
            account = browser_accounts.link(visit.core, visit.actor, platform, text, accepted=accepted)
    except PostProberError as error:
        acts.refuse(error)
        return
    st.session_state["pp_added"] = f"Linked. {name}: {plain(browser_accounts.called(account))}"
    st.rerun()
