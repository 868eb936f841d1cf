"""Linking: consent page, Mastodon server, Bluesky app password; and how it went."""

from __future__ import annotations

import streamlit as st

from postprober.domain.platform import NAMES, Platform
from postprober.errors import PostProberError
from postprober.platforms.registry import SPECS
from postprober.services.accounts import accounts, browser_accounts, linking
from postprober.ui import acts, uploads
from postprober.ui.browser import go
from postprober.ui.guard import Visit
from postprober.ui.text import plain

WRITE = "accounts:write"
# Who signs in with an app password, and who names a server first, has a form of its own.
TOKENS: list[Platform] = [platform for platform, spec in SPECS.items() if spec.sign_in is None]
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
    with st.container(border=True, key="account-consent"):
        st.markdown("**X, LinkedIn, Instagram**")
        st.caption("You approve PostProber on the platform, then you come back here.")
        with st.container(horizontal=True):
            for platform in CONSENT:
                if visit.button(f"Link {NAMES[platform]}", WRITE, f"link-{platform.value}"):
                    consent(visit, platform)
    with st.container(border=True, key="account-mastodon"):
        _mastodon(visit)
    with st.container(border=True, key="account-bluesky"):
        _bluesky(visit)
    with st.container(border=True, key="account-token"):
        _token(visit)
    with st.container(border=True, key="account-browser"):
        _by_browser(visit)


def consent(visit: Visit, platform: Platform, instance: str = "") -> None:
    """Off to the platform's consent page, in this tab: the way back needs this browser's session."""
    try:
        with st.spinner(f"Asking {NAMES[platform]} …"):
            go(linking.start(visit.core, visit.user.id, platform, instance))
    except PostProberError as error:
        acts.refuse(error)


def _mastodon(visit: Visit) -> None:
    st.markdown("**Mastodon**")
    usual = visit.core.settings.platform(Platform.MASTODON).api_url
    with st.form("link-mastodon", border=False):
        server = st.text_input("Server", value=usual, placeholder="https://mastodon.social")
        pressed = st.form_submit_button("Link Mastodon", disabled=not visit.may(WRITE), help=visit.why_not(WRITE))
    if pressed:
        typed = server.strip().rstrip("/")
        full = typed if "://" in typed or not typed else f"https://{typed}"
        # The server that the settings name needs no naming: its app is registered already.
        consent(visit, Platform.MASTODON, "" if full == usual else full)


def _bluesky(visit: Visit) -> None:
    st.markdown("**Bluesky**")
    st.caption("Create an app password in Bluesky under Settings, Privacy and security. Never use your main password.")
    with st.form("link-bluesky", border=False, clear_on_submit=True):
        identifier = st.text_input("Handle or e-mail address", placeholder="name.bsky.social")
        password = st.text_input("App password", type="password", placeholder="xxxx-xxxx-xxxx-xxxx")
        pressed = st.form_submit_button("Link Bluesky", disabled=not visit.may(WRITE), help=visit.why_not(WRITE))
    if not pressed:
        return
    if not identifier.strip() or not password:
        st.error("Enter the handle and the app password.")
        return
    data = {"identifier": identifier.strip().removeprefix("@"), "password": password}
    try:
        with st.spinner("Signing in at Bluesky …"):
            account = accounts.add_by_token(visit.core, visit.user.id, Platform.BLUESKY, data)
    except PostProberError as error:
        acts.refuse(error)
        return
    st.session_state["pp_added"] = f"Linked. Bluesky: {plain(account.account_name)}"
    st.rerun()


def _token(visit: Visit) -> None:
    """For who has a token already: from another tool, or from a platform's developer pages."""
    with st.expander("Import a token", type="compact"), st.form("link-token", border=False, clear_on_submit=True):
        platform = st.selectbox("Platform", TOKENS, format_func=lambda p: NAMES[p])
        server = st.text_input("Server", placeholder="https://mastodon.social (Mastodon only)")
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
            account = accounts.add_by_token(visit.core, visit.user.id, platform, data, instance=server.strip())
    except PostProberError as error:
        acts.refuse(error)
        return
    st.session_state["pp_added"] = f"Linked. {NAMES[platform]}: {plain(account.account_name)}"
    st.rerun()


def _by_browser(visit: Visit) -> None:
    """For accounts without API access. The warning is read before anything can be given."""
    with st.expander("Instagram by browser (experimental)", type="compact"):
        st.warning(plain(browser_accounts.TERMS), icon=":material/warning:")
        if problem := browser_accounts.trouble(visit.core):
            st.error(plain(problem))
            return
        with st.form("link-browser", border=False, clear_on_submit=True):
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
        with st.spinner("Checking the session with Instagram …"):
            account = browser_accounts.link(visit.core, visit.user.id, Platform.INSTAGRAM, text, accepted=accepted)
    except PostProberError as error:
        acts.refuse(error)
        return
    st.session_state["pp_added"] = f"Linked. Instagram: {plain(browser_accounts.called(account))}"
    st.rerun()
