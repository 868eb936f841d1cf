"""Who may see a page. The first statement of every page, because Streamlit can run a page without app.py."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from postprober.domain.actor import APP, Actor
from postprober.services.core import Core
from postprober.services.people import permits, users
from postprober.storage.records import User
from postprober.ui import acts, entrance, frame, signin, state, unsent, visitor
from postprober.ui.browser import reload

_WHOSE = "pp_whose"  # in the session: id of the person that it belongs to
_OF_THE_TAB = (frame.FRAMED, frame.MENDED, visitor.ASKED)  # what says nothing of a person


@dataclass(frozen=True)
class Visit:
    """A signed-in person on one run of a page. `actor`: the same for the use cases."""

    core: Core
    user: User
    actor: Actor

    def may(self, scope: str) -> bool:
        """Whether their role allows it; the services ask once more when it is done."""
        return permits.allows(self.user, scope)

    def why_not(self, scope: str) -> str | None:
        """Why a control is off, for its tooltip; None when they may."""
        return None if self.may(scope) else permits.VIEWER_MAY_NOT

    def button(
        self, label: str, scope: str, key: str, *, help: str | None = None, off: bool = False, **look: str
    ) -> bool:
        """A button that only those can press who may; `off`: nobody can at this moment. `look`: of `st.button`."""
        return st.button(
            label,
            key=key,
            help=self.why_not(scope) or help,
            disabled=off or not self.may(scope),
            **look,  # type: ignore[arg-type]
        )


def signed_in() -> User | None:
    """Who the browser's session belongs to at this moment; read anew in every run, so that a sign-out holds at once."""
    return users.session_user(state.core(), state.session_token())


def enter() -> Visit:
    """The signed-in person; for everybody else the sign-in form, and the run ends here. So it does for a person who
    opens the link of a mail that sets a password: it may be another browser's session that they want to end."""
    frame.through_app()
    core, user = state.core(), signed_in()
    if user is None or entrance.is_asked():
        unsent.hold()
        frame.look()
        signin.show(core)
        st.stop()
    _make_own(user)
    unsent.hold_fields()
    visit = Visit(core, user, permits.of_user(user, APP))
    frame.surround(core, user, visit.actor)
    acts.told()
    if reason := visit.why_not("posts:draft"):
        st.caption(f":material/visibility: {reason}")
    return visit


def _make_own(user: User) -> None:
    """Somebody else has signed in in this browser tab: nothing that the person before has typed, asked for or was shown
    stays, and the press with which the run began does nothing. The page loads anew, because the browser sends again
    what its fields have."""
    before = st.session_state.get(_WHOSE, user.id)
    if before != user.id:
        unsent.hold()
        state.forget(_OF_THE_TAB)
        reload()
    st.session_state[_WHOSE] = user.id


def is_still_in(visit: Visit) -> bool:
    """For callbacks, which run before the page has looked who is there."""
    user = signed_in()
    return user is not None and user.id == visit.user.id


def still_in(visit: Visit) -> None:
    """For fragments, which run without the page around them: signed out meanwhile means the whole page runs again."""
    if not is_still_in(visit):
        st.rerun()
