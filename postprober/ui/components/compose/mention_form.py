"""Who can be mentioned on the account whose text is open: looked up by name, put into the text by a click."""

from __future__ import annotations

import streamlit as st

from postprober.errors import PostProberError
from postprober.platforms.common.spec import Mentionable
from postprober.platforms.registry import SPECS
from postprober.services.accounts import mentions
from postprober.storage.records import Account
from postprober.ui import acts
from postprober.ui.components.compose.draft import ComposerDraft
from postprober.ui.guard import Visit
from postprober.ui.words import plain


def draw(visit: Visit, draft: ComposerDraft, account: Account) -> None:
    """A field behind a button; nothing where nobody is found by name."""
    search = SPECS[account.platform].mentions
    if search is None:
        return
    with st.popover("Mention somebody", key=draft.name(f"mention-{account.id}"), disabled=not visit.may("posts:draft")):
        shown = draft.name(f"mentionable-{account.id}")
        with st.form(draft.name(f"find-mention-{account.id}"), border=False):
            name = st.text_input("Name", help=plain(search.hint))
            pressed = st.form_submit_button("Find")
        if pressed and name.strip():
            st.session_state.pop(shown, None)
            try:
                st.session_state[shown] = mentions.find(visit.core, visit.actor, account.id, name.strip())
            except PostProberError as error:
                acts.refuse(error)
                return
        found: list[Mentionable] | None = st.session_state.get(shown)
        if found is None:
            st.caption(plain(search.hint))
            return
        if not found:
            st.caption("Nobody has this name. Check it on the platform.")
        for place, one in enumerate(found):
            if st.button(f"Mention {plain(one.name)}", key=draft.name(f"put-mention-{account.id}-{place}")):
                parts = draft.parts(account.id)
                joint = "" if not parts[-1] or parts[-1][-1].isspace() else " "
                draft.put(account.id, (*parts[:-1], f"{parts[-1]}{joint}{one.text}"))
                st.session_state.pop(shown, None)
                st.rerun()
