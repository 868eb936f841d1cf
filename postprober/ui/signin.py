"""Sign-in: streamlit-authenticator's form, our own check, our own session.

Of the package only the form is used. Its model would compare bcrypt hashes held in memory and its cookie can be read by
scripts and outlives the sign-out; so the model asks `services.users`, and in the place of its cookie stands a one-time
ticket that the sidecar exchanges for a HttpOnly cookie (docs/facts.md, 3).
"""

from __future__ import annotations

import secrets
from typing import Any

import streamlit as st
from streamlit_authenticator.controllers import AuthenticationController
from streamlit_authenticator.models import AuthenticationModel
from streamlit_authenticator.views import Authenticate

from postprober.errors import Forbidden, SecondFactorNeeded
from postprober.services.core import Core
from postprober.services.people import users
from postprober.storage.records import User
from postprober.ui import entrance, state, visitor
from postprober.ui.browser import go

FIELDS = {"Form name": "Sign in", "Username": "E-mail address", "Password": "Password", "Login": "Sign in"}


class SignInModel(AuthenticationModel):  # type: ignore[misc]
    """Checks passwords through our user service. `user`: who signed in; `problem`: why nobody did."""

    def __init__(self, core: Core) -> None:
        super().__init__({"usernames": {}}, auto_hash=False, secret_key=secrets.token_urlsafe())
        self.core = core
        self.user: User | None = None
        self.problem = ""

    def login(self, username: str, password: str, *_rest: Any, **_options: Any) -> bool:
        """Whether the password is right. The package's own session state is never set."""
        try:
            self.user = users.authenticate(self.core, username, password, visitor.address(self.core))
        except SecondFactorNeeded as error:
            st.session_state[entrance.SECOND] = error.ticket
        except Forbidden as error:
            self.problem = str(error)
        return self.user is not None


class SignInController(AuthenticationController):  # type: ignore[misc]
    """Hands over what was typed, unchanged: the original strips spaces off passwords."""

    def __init__(self, model: SignInModel) -> None:
        self.authentication_model = model

    def login(self, username: str | None = None, password: str | None = None, *_rest: Any, **_options: Any) -> bool:
        model: SignInModel = self.authentication_model
        if username and password:
            return model.login(username, password)
        model.problem = "Enter your e-mail address and your password."
        return False


class TicketController:
    """Stands where the package keeps its cookie; nothing is stored in the browser by a script."""

    def __init__(self, model: SignInModel) -> None:
        self.model = model

    def get_cookie(self) -> None:
        """The package never signs anybody in by itself."""

    def set_cookie(self) -> None:
        """Called after a right password: the sidecar sets the real cookie and comes back here."""
        if self.model.user is not None:
            entrance.let_in(self.model.core, self.model.user)


class SignInForm(Authenticate):  # type: ignore[misc]
    """The package's login form around our model. The original constructor is not called: it mounts the script that
    writes cookies."""

    def __init__(self, core: Core) -> None:
        self.path = None
        self.attrs = {"login_sleep_time": 0}  # the original waits 0.7 s for its cookie script
        self.model = SignInModel(core)
        self.cookie_controller = TicketController(self.model)
        self.authentication_controller = SignInController(self.model)


def show(core: Core) -> None:
    """The sign-in screen, or what somebody without a session needs instead of it."""
    _left, middle, _right = st.columns([1, 1.4, 1])
    with middle:
        st.html(
            '<div class="pp-hero"><span class="pp-mark" aria-hidden="true"><i></i><i></i><i></i><i></i></span>'
            "<h1>PostProber</h1><p>Published once. Verified live.</p></div>"
        )
        with st.container(key="pp-sign-in"):
            if not entrance.other_door(core):
                _password(core)


def _password(core: Core) -> None:
    widget = SignInForm(core)
    widget.login(fields=FIELDS, key="sign_in")
    if entrance.SECOND in st.session_state:
        st.rerun()
    if widget.model.user is not None:
        st.caption(entrance.ONE_MOMENT)
    elif widget.model.problem:
        st.error(widget.model.problem)
    entrance.ways(core)
    if core.settings.sandbox:
        st.caption(
            "This is the sandbox. The terminal in which it was started shows the e-mail address and the password."
        )


def sign_out(core: Core) -> None:
    """The session is over at once, then the sidecar takes the cookie away."""
    token = state.session_token()
    if token:
        users.sign_out(core, token)
    go(f"{core.settings.browser_base}/api/session/end")
