"""The other doors: the first person's set-up, a second factor, a new password, registration."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import streamlit as st

from postprober.errors import PostProberError
from postprober.security.passwords import MIN_CHARS
from postprober.services import passwords, people, users
from postprober.services.core import Core
from postprober.storage.records import User
from postprober.ui import state, visitor
from postprober.ui.browser import go
from postprober.ui.text import plain

SECOND = "pp_second"  # the ticket that stands for a right password while the code is asked for
_DOOR, _SAVED = "pp_door", "pp_saved"
ONE_MOMENT = "One moment, you are being signed in …"


def let_in(core: Core, user: User) -> None:
    """Give this browser a session: the sidecar sets the cookie and comes back here."""
    address = f"{core.settings.browser_base}/api/session/begin"
    ticket = users.issue_ticket(core, user, visitor.device(), visitor.address(core))
    go(address, cookie=_for_the_sidecar(address, ticket))


def _for_the_sidecar(address: str, ticket: str) -> str:
    """The ticket as a cookie of this very browser, not as a part of an address: an address could be sent to somebody
    else, who would then be signed in as its author."""
    secure = "; Secure" if address.startswith("https://") else ""
    path, life = urlsplit(address).path.removesuffix("/begin"), int(users.TICKET_LIFE.total_seconds())
    return f"{state.TICKET}={ticket}; Path={path}; Max-Age={life}; SameSite=Strict{secure}"


def other_door(core: Core) -> bool:
    """Draw what has to come before, or instead of, the password; False when nothing has."""
    token = st.query_params.get("reset")
    if token:
        _new_password(core, token)
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
    if st.session_state.pop(_SAVED, False):
        st.success("Your password is saved. Sign in with it.")
    with st.container(horizontal=True):
        if st.button("Forgot your password?", type="tertiary"):
            _go_to("forgot")
        if core.settings.registration == "open" and st.button("Create an account", type="tertiary"):
            _go_to("register")


def _go_to(door: str) -> None:
    st.session_state[_DOOR] = door
    st.rerun()


def _back() -> None:
    if st.button("Back to sign-in", type="tertiary", icon=":material/arrow_back:"):
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
        st.subheader("Second factor", anchor=False)
        code = st.text_input(
            "Code", autocomplete="one-time-code", help="The six digits of your authenticator app, or a recovery code."
        )
        done = st.form_submit_button("Sign in")
    if done:
        user = _try(lambda: users.with_code(core, st.session_state[SECOND], code))
        if user is not None:
            del st.session_state[SECOND]
        _finish(core, user)
    _back()


def _set_up(core: Core) -> None:
    token = st.query_params.get("setup", "")
    local = visitor.is_local()
    if not people.may_set_up(core, token, local=local):
        st.info(
            "Nobody works here yet. Make the first user on the machine itself, or open the set-up link that "
            "PostProber printed when it was started."
        )
        return
    with st.form("set-up"):
        st.subheader("Make the first user", anchor=False)
        st.caption("You will own this installation and may invite others later.")
        email, name, zone, password = _person_fields()
        done = st.form_submit_button("Begin")
    if done:
        _finish(
            core,
            _try(
                lambda: people.make_first(
                    core, email=email, password=password, name=name, zone=zone, token=token, local=local
                )
            ),
        )


def _register(core: Core) -> None:
    with st.form("register"):
        st.subheader("Create an account", anchor=False)
        email, name, zone, password = _person_fields()
        done = st.form_submit_button("Create it")
    if done:
        _finish(
            core,
            _try(
                lambda: people.register(
                    core, email=email, password=password, name=name, zone=zone, address=visitor.address(core)
                )
            ),
        )
    _back()


def _person_fields() -> tuple[str, str, str, str]:
    email = st.text_input("E-mail address", autocomplete="email")
    name = st.text_input("Name", autocomplete="name")
    zones = sorted(available_timezones())
    here = st.context.timezone or "UTC"
    zone = st.selectbox("Time zone", zones, index=zones.index(here) if here in zones else zones.index("UTC"))
    password = st.text_input(
        "Password", type="password", autocomplete="new-password", help=f"At least {MIN_CHARS} characters."
    )
    return email, name, zone, password


def _forgot(core: Core) -> None:
    if core.settings.mail is None:
        st.info(
            "No mail server is set up here. Ask the person who runs this installation: "
            "`python -m postprober user reset` with your e-mail address prints a link for you."
        )
        _back()
        return
    with st.form("forgot"):
        st.subheader("Forgot your password?", anchor=False)
        email = st.text_input("E-mail address", autocomplete="email")
        done = st.form_submit_button("Mail me a link")
    if done:
        try:
            passwords.ask_reset(core, email, visitor.address(core))
        except PostProberError as error:
            st.error(plain(error.message))
        else:
            st.success("If this address belongs to somebody here, a link is on its way. It works once, for 30 minutes.")
    _back()


def _new_password(core: Core, token: str) -> None:
    owner = passwords.owner_of(core, token)
    if owner is None:
        st.error("This link was used already or is too old; ask for a new one.")
        _back()
        return
    with st.form("new-password"):
        st.subheader("Choose a password", anchor=False)
        st.caption(f"For {plain(owner.email)}. You will be signed out everywhere else.")
        password = st.text_input(
            "New password", type="password", autocomplete="new-password", help=f"At least {MIN_CHARS} characters."
        )
        done = st.form_submit_button("Save it")
    if done and _try(lambda: passwords.reset(core, token, password)) is not None:
        st.query_params.clear()
        st.session_state[_SAVED] = True
        st.rerun()


_DOORS: dict[str, Callable[[Core], None]] = {"forgot": _forgot, "register": _register}
