"""What surrounds every page: look, menu by task, the person, unread alerts, the sandbox note, and what is shown when a
page breaks."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from postprober import __version__, places
from postprober.domain.actor import Actor
from postprober.errors import PostProberError
from postprober.platforms.registry import SPECS
from postprober.services.accounts import linking
from postprober.services.core import Core
from postprober.services.monitoring import monitoring
from postprober.services.people import users
from postprober.storage.records import User
from postprober.ui import signin, state, unsent, visitor
from postprober.ui.acts import refuse
from postprober.ui.words import ROLE_WORDS, plain

_LOOK = Path(__file__).with_name("look.css")
MARK = Path(__file__).with_name("mark.png")
FRAMED, MENDED = "pp_framed", "pp_mended"
MAX_RESULT = 300  # characters of a linking's result; it comes back in the address, where anybody can write
UNREAD_EVERY = 10  # seconds between two looks at the unread alerts
NO_LABEL = "\u200b"  # a link needs a label; this one cannot be seen
MOST_UNREAD = 99  # more than that is shown as 99+


class Entry(NamedTuple):
    """`name`: of the file in `pages/`, and of the address; the title is the same with a capital."""

    name: str
    icon: str


# The menu, by what a person wants to do. An entry without a page file is left out.
MENU: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    ("Today", (Entry("overview", ":material/dashboard:"),)),
    ("Write", (Entry("compose", ":material/edit_square:"), Entry("calendar", ":material/calendar_month:"))),
    (
        "Watch",
        (
            Entry("monitor", ":material/monitor_heart:"),
            Entry("alerts", ":material/notifications:"),
            Entry("analytics", ":material/monitoring:"),
        ),
    ),
    ("Set up", (Entry("accounts", ":material/link:"), Entry("settings", ":material/settings:"))),
)
HOME = "overview"
AT_THE_ROOT = "home"  # in no address: the first page's is that of the app


def pages() -> list[StreamlitPage]:
    """The screens in the order of the menu; the first one is where sign-in leads."""
    return [page for _task, group in _groups() for page in group]


def page(name: str) -> StreamlitPage | None:
    """The page in `pages/<name>.py`, for links and switches; None when this installation has no such page."""
    return next((p for p in pages() if p.title == name.title()), None)


def link(name: str, label: str, icon: str | None = None) -> None:
    """A link to the page, if there is one."""
    if target := page(name):
        st.page_link(target, label=label, icon=icon)


def switch(name: str) -> None:
    """Go to the page; home when there is no such page."""
    st.switch_page(page(name) or pages()[0])


def look() -> None:
    """Our style sheet."""
    st.html(_style())


@cache
def _style() -> str:
    """Ours, and what each platform says of the likeness of its posts."""
    likenesses = (
        f".pp-on-{platform} {{ --pp-brand: {spec.habits.colour};\n{spec.habits.style} }}"
        for platform, spec in SPECS.items()
    )
    return "\n".join(("<style>", _LOOK.read_text(), *likenesses, "</style>"))


def navigation() -> StreamlitPage:
    """The page that the browser asks for. The menu is ours: Streamlit's own turns into a side bar on a phone, which
    stays open over the page that was chosen."""
    st.set_page_config(page_title="PostProber", page_icon=str(MARK), layout="wide")
    asked = st.navigation([*pages(), st.Page(_go_home, url_path=HOME, visibility="hidden")], position="hidden")
    visitor.came_to(asked.url_path)
    return asked


def _go_home() -> None:
    """The first page's own address is that of the app, so `/overview` is typed by hand or comes from an old link."""
    st.switch_page(page(HOME) or pages()[0], query_params=st.query_params.to_dict())


@contextmanager
def framed() -> Iterator[None]:
    """While app.py runs a page. The edge of the process: what a page did not expect becomes a sentence and a number,
    under which the log has the rest; nobody is ever shown a stack trace."""
    st.session_state[FRAMED] = True
    try:
        yield
        st.html(f'<footer class="pp-footer">PostProber {__version__}</footer>')  # not where a page stops at the sign-in
    except PostProberError as error:
        refuse(error)
    except Exception:
        unsent.hold()
        number = secrets.token_hex(3)
        logging.getLogger("postprober.app").error("page broke, number %s", number, exc_info=True)
        st.error(
            f"Something went wrong on this page. Reload it. If it happens again, look for {number} in the log of the app.",
            icon=":material/heart_broken:",
        )
    finally:
        st.session_state[FRAMED] = False


def surround(core: Core, user: User, actor: Actor) -> None:
    """What stands around every page of a signed-in person."""
    st.logo(str(MARK))
    _take_link_result(core, actor)
    with st.container(key="pp-frame", gap=None):  # one box, so that the fixed parts leave no gaps in the page
        look()
        _menu()
        _header(core, user, actor)


def through_app() -> None:
    """Before anything else of a page, also of one that only asks to sign in, which has to know where it leads back to.

    On a fresh server whose first visitor opens a page's own address, Streamlit runs the page without app.py, because a
    `pages` folder counts until `st.navigation` was called once. It is called here then, and the run begins anew, now
    through app.py: a page that changes its identity later would lose the first click. Where there is no app.py around
    the page (tests), the page goes on as it is.
    """
    if not st.session_state.get(FRAMED):
        navigation()
        if not st.session_state.get(MENDED):
            st.session_state[MENDED] = True
            st.rerun()


def _groups() -> list[tuple[str, list[StreamlitPage]]]:
    folder = places.home() / "pages"
    return [
        (
            task,
            [
                st.Page(
                    folder / f"{one.name}.py",
                    title=one.name.title(),
                    icon=one.icon,
                    url_path=AT_THE_ROOT if one.name == HOME else one.name,
                    default=one.name == HOME,
                )
                for one in entries
                if (folder / f"{one.name}.py").exists()
            ],
        )
        for task, entries in MENU
    ]


def _menu() -> None:
    """Down the left side; on a phone along the bottom, where the thumb is (look.css)."""
    with st.container(key="pp-menu", gap=None):
        for task, group in _groups():
            if group:
                st.html(f'<span class="pp-group">{task}</span>')
            for one in group:
                st.page_link(one, label=one.title, width="stretch")


def _header(core: Core, user: User, actor: Actor) -> None:
    """The sandbox note, the unread alerts, the person's name with the way out."""
    if core.settings.sandbox:
        with st.container(key="pp-band"):
            st.html(
                '<div class="pp-band" title="The platforms are emulated on this machine and nothing leaves it.">'
                "<b>Sandbox</b><span> The platforms are emulated; nothing leaves this machine. </span>"
                f'<a href="{core.settings.sandbox_url}" target="_blank">Open the emulated platforms</a></div>'
            )
    with st.container(key="pp-bell"):
        _bell(core, actor)
    with (
        st.container(key="pp-person"),
        st.popover(plain(user.name or user.email), icon=":material/account_circle:", type="tertiary"),
    ):
        st.text(user.email)
        st.caption(ROLE_WORDS.get(user.role, user.role))
        st.caption(f"Times are shown in {plain(user.zone)}.")
        st.caption(f"PostProber {__version__}")
        link("settings", "Settings", ":material/settings:")
        if st.button("Sign out", icon=":material/logout:", width="stretch"):
            signin.sign_out(core)
            st.stop()


@st.fragment(run_every=UNREAD_EVERY)
def _bell(core: Core, actor: Actor) -> None:
    """How many alerts nobody has read yet; asked anew by itself."""
    user = users.session_user(core, state.session_token())
    if user is None or user.id != actor.user:  # signed out meanwhile, here or elsewhere
        st.rerun()
    unread = monitoring.unread(core, actor, MOST_UNREAD + 1)
    shown = f"{MOST_UNREAD}+" if unread > MOST_UNREAD else str(unread)
    target = page("alerts") or page("monitor")
    if target is None:
        return
    words = f"{shown} unread alert{'' if unread == 1 else 's'}" if unread else "No unread alerts"
    label = f":red-badge[{shown}]" if unread else NO_LABEL
    icon = ":material/notifications_active:" if unread else ":material/notifications:"
    st.page_link(target, label=label, icon=icon, help=words)


def _take_link_result(core: Core, actor: Actor) -> None:
    """A consent page led back here: keep its result for the Accounts page and clean the address."""
    query = st.query_params.to_dict()
    if not query.keys() & {"linked", "link_error"}:
        return
    found = linking.result_from_app(core, actor, query)
    st.query_params.clear()
    if found is not None:
        st.session_state["pp_link_result"] = (found[0], found[1][:MAX_RESULT])
        switch("accounts")
