"""The other doors: the first person's set-up, a second factor, a new password, registration."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode, urlsplit
from zoneinfo import available_timezones

import streamlit as st

from postprober.errors import PostProberError
from postprober.security.passwords import MIN_CHARS
from postprober.services.core import Core
from postprober.services.notifications import channels
from postprober.services.people import passwords, people, users
from postprober.settings import Settings
from postprober.storage.records import User
from postprober.ui import acts, state, visitor
from postprober.ui.browser import go
from postprober.ui.words import plain

SECOND = "pp_second"  # the ticket that stands for a right password while the code is asked for
_DOOR, _SAVED = "pp_door", "pp_saved"  # which door is open; what the sign-in form says first
ONE_MOMENT = "One moment, you are being signed in …"


def let_in(core: Core, user: User) -> None:
    """Give this browser a session: the sidecar sets the cookie and comes back to this page, with the draft or post that
    its address names."""
    address = f"{core.settings.browser_base}/api/session/begin"
    if (here := visitor.here()) != "/":
        address += f"?{urlencode({'next': here})}"
    ticket = users.issue_ticket(core, user, visitor.device(), visitor.address(core))
    go(address, cookie=_for_the_sidecar(core.settings, address, ticket))


def _for_the_sidecar(settings: Settings, address: str, ticket: str) -> str:
    """The ticket as a cookie of this very browser, not as a part of an address: an address could be sent to somebody
    else, who would then be signed in as its author."""
    secure = "; Secure" if settings.https else ""
    path = "/" if settings.https else urlsplit(address).path.removesuffix("/begin")
    life = int(users.TICKET_LIFE.total_seconds())
    return f"{settings.cookie_prefix}{state.TICKET}={ticket}; Path={path}; Max-Age={life}; SameSite=Strict{secure}"


def is_asked() -> bool:
    """Whether the address is the link of a mail, which asks before it does anything; it works signed in, too."""
    return any(st.query_params.get(name) for name in ("reset", "register", "confirm", "unsubscribe"))


def other_door(core: Core) -> bool:
    """Draw what has to come before, or instead of, the password; False when nothing has."""
    token = st.query_params.get("reset")
    if token:
        _new_password(core, token)
    elif invited := st.query_params.get("register"):
        _confirmed(core, invited)
    elif agreed := st.query_params.get("confirm"):
        _agree(core, agreed)
    elif tired := st.query_params.get("unsubscribe"):
        no_more_mails(core, tired)
        _back(core)
    elif SECOND in st.session_state:
        _code(core)
    elif people.nobody_yet(core):
        _set_up(core)
    elif (door := st.session_state.get(_DOOR)) in _DOORS:
        _DOORS[door](core)
    else:
        return False
    return True


def ways(core: Core) -> None:
    """Below the password: where else one may go."""
    if done := st.session_state.pop(_SAVED, ""):
        st.success(plain(done))
    with st.container(horizontal=True):
        if st.button("Forgot your password?", type="tertiary"):
            _go_to("forgot")
        if core.settings.registration == "open" and st.button("Create an account", type="tertiary"):
            _go_to("register")


def _go_to(door: str) -> None:
    st.session_state[_DOOR] = door
    st.rerun()


def _back(core: Core) -> None:
    label = "Continue to PostProber" if _is_signed_in(core) else "Back to sign-in"
    if st.button(label, type="tertiary", icon=":material/arrow_back:"):
        st.session_state.pop(_DOOR, None)
        st.session_state.pop(SECOND, None)
        st.query_params.clear()
        st.rerun()


def _try(act: Callable[[], User | None]) -> User | None:
    """What `act` gives; its problem is shown where it happened."""
    try:
        return act()
    except PostProberError as error:
        st.error(plain(error.message))
        return None


def _finish(core: Core, user: User | None) -> None:
    if user is not None:
        let_in(core, user)
        st.caption(ONE_MOMENT)


def _code(core: Core) -> None:
    with st.form("second", enter_to_submit=True):
        st.subheader("Two-factor authentication", anchor=False)
        code = st.text_input(
            "Code", autocomplete="one-time-code", help="The six digits of your authenticator app, or a recovery code."
        )
        done = st.form_submit_button("Sign in")
    if done:
        user = _try(lambda: users.with_code(core, st.session_state[SECOND], code))
        if user is not None:
            del st.session_state[SECOND]
        _finish(core, user)
    _back(core)


def _set_up(core: Core) -> None:
    token = st.query_params.get("setup", "")
    if not people.may_set_up(core, token):
        st.info(
            "No users yet. Open the set-up link that `python -m postprober up` printed, or run "
            "`python -m postprober user create` with your e-mail address."
        )
        return
    with st.form("set-up"):
        st.subheader("Create your account", anchor=False)
        st.caption("You will be the owner and can invite others later.")
        email, name, zone, password = _person_fields()
        done = st.form_submit_button("Get started")
    if done:
        _finish(
            core,
            _try(lambda: people.make_first(core, email=email, password=password, name=name, zone=zone, token=token)),
        )


def _register(core: Core) -> None:
    with st.form("register"):
        st.subheader("Create your account", anchor=False)
        email = st.text_input("E-mail address", autocomplete="email")
        done = st.form_submit_button("Continue")
    if done:
        try:
            people.register(core, email=email, address=visitor.address(core))
        except PostProberError as error:
            st.error(plain(error.message))
        else:
            st.success("Check your mail. The link is valid for one hour.")
    _back(core)


def _confirmed(core: Core, token: str) -> None:
    email = people.registering(core, token)
    if email is None:
        st.error("This link was used already or is too old. Sign in, or start again.")
        _back(core)
        return
    with st.form("confirmed"):
        st.subheader("Create your account", anchor=False)
        st.caption(f"For {plain(email)}.")
        name, zone, password = _about_you()
        done = st.form_submit_button("Get started")
    if done:
        _finish(
            core,
            _try(lambda: people.finish_registration(core, token, password=password, name=name, zone=zone)),
        )


def _person_fields() -> tuple[str, str, str, str]:
    email = st.text_input("E-mail address", autocomplete="email")
    return email, *_about_you()


def _about_you() -> tuple[str, str, str]:
    name = st.text_input("Name", autocomplete="name")
    zones = sorted(available_timezones())
    here = st.context.timezone or "UTC"
    zone = st.selectbox("Time zone", zones, index=zones.index(here) if here in zones else zones.index("UTC"))
    password = st.text_input(
        "Password", type="password", autocomplete="new-password", help=f"At least {MIN_CHARS} characters."
    )
    return name, zone, password


def _agree(core: Core, token: str) -> None:
    """A mail address agrees to alerts: the link only shows it, because mail programs open links before people do."""
    found = channels.confirming(core, token)
    if found is None:
        st.error("This link was used already or is too old.")
        _back(core)
        return
    st.subheader("Alerts by mail", anchor=False)
    st.caption(f"Alerts of this installation will be sent to {plain(found[1])}.")
    if st.button("Confirm", type="primary"):
        try:
            channels.confirm(core, token)
        except PostProberError as error:
            st.error(plain(error.message))
        else:
            _say_next(core, f"Confirmed. Alerts are sent to {found[1]}.")
    _back(core)


def _say_next(core: Core, done: str) -> None:
    """Leave the link's page for the one behind it, which says what was done."""
    if _is_signed_in(core):
        acts.confirm(done)
    else:
        st.session_state[_SAVED] = done
    st.query_params.clear()
    st.rerun()


def _is_signed_in(core: Core) -> bool:
    return users.session_user(core, state.session_token()) is not None


def no_more_mails(core: Core, token: str) -> None:
    """Whoever gets a channel's mails turns them off: the link only asks, because mail programs open links, too."""
    found = channels.turning_off(core, token)
    if found is None:
        st.error("This link is too old, or the channel was removed.")
        return
    st.subheader("Alerts by mail", anchor=False)
    if found.off_reason == channels.TURNED_OFF:
        st.success(f"You no longer get mails from the channel “{plain(found.name)}”.")
        return
    st.caption(f"The channel “{plain(found.name)}” sends its alerts to your address.")
    if st.button("Turn these mails off", type="primary"):
        try:
            channels.turn_off(core, token)
        except PostProberError as error:
            st.error(plain(error.message))
        else:
            st.rerun()


def _forgot(core: Core) -> None:
    if core.settings.mail is None:
        st.info(
            "This installation cannot send mail. Ask its administrator to run "
            "`python -m postprober user reset` with your e-mail address and to send you the link."
        )
        _back(core)
        return
    with st.form("forgot"):
        st.subheader("Forgot your password?", anchor=False)
        email = st.text_input("E-mail address", autocomplete="email")
        done = st.form_submit_button("Send reset link")
    if done:
        try:
            passwords.ask_reset(core, email, visitor.address(core))
        except PostProberError as error:
            st.error(plain(error.message))
        else:
            st.success(
                "If there is an account with this address, a link was sent. It works once and expires after 30 minutes."
            )
    _back(core)


def _new_password(core: Core, token: str) -> None:
    owner = passwords.owner_of(core, token)
    if owner is None:
        st.error("This link was used already or is too old; ask for a new one.")
        _back(core)
        return
    with st.form("new-password"):
        st.subheader("Choose a password", anchor=False)
        st.caption(f"For {plain(owner.email)}. You will be signed out everywhere else.")
        password = st.text_input(
            "New password", type="password", autocomplete="new-password", help=f"At least {MIN_CHARS} characters."
        )
        done = st.form_submit_button("Save password")
    if done and _try(lambda: passwords.reset(core, token, password)) is not None:
        st.query_params.clear()
        st.session_state[_SAVED] = "Your password is saved. Sign in with it."
        st.rerun()


_DOORS: dict[str, Callable[[Core], None]] = {"forgot": _forgot, "register": _register}
