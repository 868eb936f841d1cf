"""Password, second factor, and where one is signed in."""

from __future__ import annotations

import segno
import streamlit as st

from postprober.errors import PostProberError
from postprober.security.passwords import MIN_CHARS
from postprober.services import passwords, second_factor, signins
from postprober.services.signins import KINDS, SignIn
from postprober.ui import acts, state, visitor
from postprober.ui.guard import Visit
from postprober.ui.text import moment, plain, safe

_ENROLMENT, _CODES = "pp_enrolment", "pp_recovery_codes"


def draw(visit: Visit) -> None:
    here = signins.listing(visit.core, visit.user.id, state.session_token())
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
        if st.form_submit_button("Change it"):
            address = visitor.address(visit.core)
            acts.act(
                "Your password is changed; you are signed out everywhere else.",
                passwords.change,
                visit.core,
                visit.user,
                old,
                new,
                address=address,
                keep=current,
            )


def _second(visit: Visit) -> None:
    st.subheader("Second factor", anchor=False)
    if codes := st.session_state.get(_CODES):
        _show_codes(codes)
    elif visit.user.totp_secret is None:
        _enrol(visit)
    else:
        _enrolled(visit)


def _show_codes(codes: list[str]) -> None:
    st.warning("Keep these recovery codes; they are shown only now. Each works once, instead of a code of the app.")
    st.code("\n".join(codes), language=None)
    if st.button("I have kept them"):
        del st.session_state[_CODES]
        st.rerun()


def _enrol(visit: Visit) -> None:
    if _ENROLMENT not in st.session_state:
        st.caption("Then a code of an authenticator app is asked for, too, when you sign in.")
        if st.button("Set it up"):
            st.session_state[_ENROLMENT] = second_factor.enrol(visit.user)
            st.rerun()
        return
    offer: second_factor.Enrolment = st.session_state[_ENROLMENT]
    picture = segno.make(offer.uri, error="m").svg_inline(scale=4, border=3, dark="#000", light="#fff")
    st.html(f'<div class="pp-qr" role="img" aria-label="QR code for your authenticator app">{picture}</div>')
    st.caption("Scan it with your authenticator app, or type this key there:")
    st.code(offer.secret, language=None)
    with st.form("enrol"):
        code = st.text_input("Code that the app shows now", autocomplete="one-time-code")
        if st.form_submit_button("Switch it on"):
            try:
                st.session_state[_CODES] = second_factor.enable(visit.core, visit.user, offer.secret, code)
            except PostProberError as error:
                st.error(plain(error.message))
            else:
                del st.session_state[_ENROLMENT]
                st.rerun()
    if st.button("Leave it off"):
        del st.session_state[_ENROLMENT]
        st.rerun()


def _enrolled(visit: Visit) -> None:
    left = second_factor.codes_left(visit.core, visit.user.id)
    st.caption(f"It is on. {left} of your recovery codes are left.")
    with st.form("second-off", clear_on_submit=True):
        password = st.text_input("Password", type="password", autocomplete="current-password")
        address = visitor.address(visit.core)
        with st.container(horizontal=True):
            fresh = st.form_submit_button("New recovery codes")
            off = st.form_submit_button("Switch it off")
        if fresh:
            try:
                st.session_state[_CODES] = second_factor.renew_codes(visit.core, visit.user, password, address)
            except PostProberError as error:
                st.error(plain(error.message))
            else:
                st.rerun()
        if off:
            acts.act("The second factor is off.", second_factor.disable, visit.core, visit.user, password, address)


def _sessions(visit: Visit, here: list[SignIn], current: int | None) -> None:
    st.subheader("Where you are signed in", anchor=False)
    for one in here:
        with st.container(border=True, horizontal=True, wrap=False, key=f"session-{one.id}"):
            st.html(_session_html(one, visit.user.zone))
            if one.current:
                st.badge("This browser", color="green")
            elif st.button("Sign out", key=f"end-{one.id}", type="tertiary"):
                acts.act("That session is over.", signins.end, visit.core, visit.user.id, one.id)
    if len(here) > 1 and st.button("Sign out everywhere else", icon=":material/logout:"):
        acts.act("You are signed in only here now.", signins.end_others, visit.core, visit.user.id, current)


def _session_html(one: SignIn, zone: str) -> str:
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
        ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    )  # fmt: skip
    browser = next((name for mark, name in browsers if mark in device), "")
    system = next((name for mark, name in systems if mark in device), "")
    return " on ".join(filter(None, (browser, system)))
