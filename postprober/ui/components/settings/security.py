"""Password, second factor, and where one is signed in."""

from __future__ import annotations

import io

import segno
import streamlit as st

from postprober.errors import PostProberError
from postprober.security.passwords import MIN_CHARS
from postprober.services.people import passwords, second_factor, signins
from postprober.services.people.signins import KINDS, SignInAttempt
from postprober.ui import acts, state, visitor
from postprober.ui.guard import Visit
from postprober.ui.words import moment, plain, safe

_ENROLMENT, _CODES = "pp_enrolment", "pp_recovery_codes"
QR_WIDTH = 260  # pixels; about five for each module of a long key


def draw(visit: Visit) -> None:
    here = signins.listing(visit.core, visit.actor, state.session_token())
    current = next((one.id for one in here if one.current), None)
    left, right = st.columns(2, gap="large")
    with left:
        _password(visit, current)
    with right:
        _second(visit)
    _sessions(visit, here, current)


def _password(visit: Visit, current: int | None) -> None:
    st.subheader("Password", anchor=False)
    with st.form("password", clear_on_submit=True):
        old = st.text_input("Current password", type="password", autocomplete="current-password")
        new = st.text_input(
            "New password", type="password", autocomplete="new-password", help=f"At least {MIN_CHARS} characters."
        )
        if st.form_submit_button("Change password"):
            address = visitor.address(visit.core)
            acts.act(
                "Password changed. You are signed out everywhere else.",
                passwords.change,
                visit.core,
                visit.actor,
                old,
                new,
                address=address,
                keep=current,
            )


def _second(visit: Visit) -> None:
    st.subheader("Two-factor authentication", anchor=False)
    if codes := st.session_state.get(_CODES):
        _show_codes(codes)
    elif visit.user.totp_secret is None:
        _enrol(visit)
    else:
        _enrolled(visit)


def _show_codes(codes: list[str]) -> None:
    st.warning("Save these recovery codes. They are shown only once. Each works once instead of a code from the app.")
    st.code("\n".join(codes), language=None)
    if st.button("I have saved them"):
        del st.session_state[_CODES]
        st.rerun()


def _enrol(visit: Visit) -> None:
    if _ENROLMENT not in st.session_state:
        st.caption("You will also be asked for a code from your authenticator app when you sign in.")
        if st.button("Set up"):
            st.session_state[_ENROLMENT] = second_factor.enrol(visit.core, visit.actor)
            st.rerun()
        return
    offer: second_factor.Enrolment = st.session_state[_ENROLMENT]
    st.image(qr_code(offer.uri), width=QR_WIDTH, caption="QR code for your authenticator app")
    st.caption("Scan the code with your authenticator app, or type this key there:")
    st.code(offer.secret, language=None)
    with st.form("enrol"):
        code = st.text_input("Code from the app", autocomplete="one-time-code")
        password = st.text_input("Your password", type="password", autocomplete="current-password")
        if st.form_submit_button("Turn on"):
            try:
                st.session_state[_CODES] = second_factor.enable(
                    visit.core, visit.actor, offer.secret, code, password, visitor.address(visit.core)
                )
            except PostProberError as error:
                st.error(plain(error.message))
            else:
                del st.session_state[_ENROLMENT]
                st.rerun()
    if st.button("Cancel"):
        del st.session_state[_ENROLMENT]
        st.rerun()


def qr_code(uri: str) -> bytes:
    """A PNG, black on white in every theme, with the quiet zone of four modules that readers need (ISO/IEC 18004)."""
    out = io.BytesIO()
    segno.make(uri, error="m").save(out, kind="png", scale=8, border=4, dark="#000", light="#fff")
    return out.getvalue()


def _enrolled(visit: Visit) -> None:
    left = second_factor.codes_left(visit.core, visit.actor)
    st.caption(f"On. {left} recovery codes left.")
    with st.form("second-off", clear_on_submit=True):
        password = st.text_input("Password", type="password", autocomplete="current-password")
        address = visitor.address(visit.core)
        with st.container(horizontal=True):
            fresh = st.form_submit_button("New recovery codes")
            off = st.form_submit_button("Turn off")
        if fresh:
            try:
                st.session_state[_CODES] = second_factor.renew_codes(visit.core, visit.actor, password, address)
            except PostProberError as error:
                st.error(plain(error.message))
            else:
                st.rerun()
        if off:
            acts.act(
                "Two-factor authentication is off.", second_factor.disable, visit.core, visit.actor, password, address
            )


def _sessions(visit: Visit, here: list[SignInAttempt], current: int | None) -> None:
    st.subheader("Active sessions", anchor=False)
    for one in here:
        with st.container(border=True, horizontal=True, wrap=False, key=f"session-{one.id}"):
            st.html(_session_html(one, visit.user.zone))
            if one.current:
                st.badge("This browser", color="green")
            elif st.button("Sign out", key=f"end-{one.id}", type="tertiary"):
                acts.act("That browser was signed out.", signins.end, visit.core, visit.actor, one.id)
    if len(here) > 1 and st.button("Sign out everywhere else", icon=":material/logout:"):
        acts.act("You are signed out everywhere else.", signins.end_others, visit.core, visit.actor, current)


def _session_html(one: SignInAttempt, zone: str) -> str:
    where = f" from {safe(one.address)}" if one.address else ""
    return (
        f'<div class="pp-account-line"><span class="pp-platform">{safe(KINDS[one.kind])}</span>'
        f'<span class="pp-account">{safe(browser_name(one.device))}{where}</span>'
        f"<small>Since {safe(moment(one.created_at, zone))}</small></div>"
    )


def browser_name(device: str) -> str:
    """`Firefox on Linux` from a User-Agent; the order matters, because every browser claims to be several."""
    browsers = (
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrom", "Chrome"),
        ("Safari/", "Safari"),
    )
    systems = (
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    )
    browser = next((name for mark, name in browsers if mark in device), "")
    system = next((name for mark, name in systems if mark in device), "")
    return " on ".join(filter(None, (browser, system)))
