"""Who works in this space, and in which role."""

from __future__ import annotations

import streamlit as st

from postprober.errors import PostProberError
from postprober.services.people import people
from postprober.storage.records import User
from postprober.ui import acts
from postprober.ui.guard import Visit
from postprober.ui.words import ROLE_WORDS, plain, safe

_LINK = "pp_invitation"
MAILED = "Invitation sent by mail."


def draw(visit: Visit) -> None:
    if link := st.session_state.get(_LINK):
        if link == MAILED:
            st.success(MAILED)
        else:
            st.success("Send this link to the person; it works once, for seven days.")
            st.code(link, language=None)
        if st.button("Done", key="invitation-done"):
            del st.session_state[_LINK]
            st.rerun()
    for member in people.listing(visit.core, visit.actor):
        _member(visit, member)
    with st.form("invite", clear_on_submit=True):
        st.subheader("Invite a teammate", anchor=False)
        email = st.text_input("E-mail address", key="invite-email")
        name = st.text_input("Name", key="invite-name")
        role = st.selectbox("Role", people.INVITED_ROLES, format_func=ROLE_WORDS.__getitem__)
        if st.form_submit_button("Invite"):
            try:
                _made, link = people.invite(visit.core, visit.actor, email=email, name=name, role=role)
                st.session_state[_LINK] = link or MAILED
            except PostProberError as error:
                st.error(plain(error.message))
            else:
                st.rerun()


def _member(visit: Visit, member: User) -> None:
    with st.container(border=True, horizontal=True, wrap=False, key=f"person-{member.id}"):
        state = "" if member.is_active else " Deactivated."
        st.html(
            f'<div class="pp-account-line"><span class="pp-platform">{safe(member.name)}</span>'
            f'<span class="pp-account">{safe(member.email)}</span>'
            f"<small>{safe(ROLE_WORDS[member.role])}.{state}</small></div>"
        )
        if member.id == visit.user.id:
            st.badge("You", color="green")
            return
        with st.popover("Change", type="tertiary", key=f"change-{member.id}"):
            _change(visit, member)


def _change(visit: Visit, member: User) -> None:
    core, actor = visit.core, visit.actor
    other = next(role for role in people.INVITED_ROLES if role != member.role)
    if st.button(f"Make {other}", key=f"role-{member.id}"):
        acts.act(f"{member.name} is {other} now.", people.set_role, core, actor, member.id, other)
    if member.is_active:
        if st.button("New sign-in link", key=f"link-{member.id}"):
            st.session_state[_LINK] = people.new_link(core, actor, member.id) or MAILED
            st.rerun()
        if member.totp_secret is not None and st.button(
            "Turn off two-factor authentication", key=f"second-{member.id}"
        ):
            said = f"Two-factor authentication is off for {member.name}."
            acts.act(said, people.take_off_second_factor, core, actor, member.id)
        if st.button("Deactivate", key=f"out-{member.id}", type="primary"):
            acts.act(
                f"{member.name} is deactivated and signed out everywhere.",
                people.set_active,
                core,
                actor,
                member.id,
                active=False,
            )
    if st.button("Remove", key=f"remove-{member.id}"):
        acts.act(f"{member.name} was removed. Their posts stay.", people.remove, core, actor, member.id)
    if not member.is_active and st.button("Reactivate", key=f"in-{member.id}"):
        acts.act(f"{member.name} is active again.", people.set_active, core, actor, member.id, active=True)
