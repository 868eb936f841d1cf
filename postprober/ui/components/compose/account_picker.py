"""The accounts of a post: each alone, all or none, and groups of them."""

from __future__ import annotations

import streamlit as st

from postprober.services.accounts import account_groups
from postprober.services.accounts.account_groups import AccountGroup
from postprober.storage.records import Account
from postprober.ui import acts
from postprober.ui.components.compose.compose_form import label
from postprober.ui.components.compose.draft import ComposerDraft
from postprober.ui.guard import Visit
from postprober.ui.words import plain

FEW = 2  # accounts that are chosen one by one, without a row of buttons below them


def draw(visit: Visit, draft: ComposerDraft, linked: list[Account]) -> tuple[int, ...]:
    """Ids of the chosen accounts."""
    names = {a.id: label(a) for a in linked}
    if draft.chosen is None:
        draft.chosen = draft.offered = account_groups.last_choice(visit.core, visit.actor)
    field = draft.name(f"accounts-{len(names)}")
    groups = account_groups.listing(visit.core, visit.actor) if len(names) > 1 else []
    before = tuple(a for a in draft.chosen if a in names)
    chosen = st.pills(
        "Accounts",
        list(names),
        selection_mode="multi",
        default=before,
        format_func=lambda account_id: names.get(account_id, ""),
        key=field,
        wrap=True,
    )
    draft.chosen = tuple(one for one in chosen or () if one in names)
    if len(names) > FEW or groups:
        _bar(visit, draft, field, tuple(names), groups)
    aside = [names[i] for i in draft.texts if i in names and i not in draft.chosen]
    if aside:
        st.caption(f"Own text kept for {', '.join(aside)}. Select the account to use it.")
    return draft.chosen


def _bar(visit: Visit, draft: ComposerDraft, field: str, linked: tuple[int, ...], groups: list[AccountGroup]) -> None:
    """Buttons that choose many accounts at once, and the form in which groups are made."""
    with st.container(horizontal=True, vertical_alignment="center", key="pp-account-groups"):
        _choice("All", draft, field, linked)
        _choice("None", draft, field, ())
        for group in groups:
            _choice(group.name, draft, field, group.account_ids, group=True)
        if visit.may("accounts:write"):
            with st.popover("Groups", icon=":material/group_work:", key=draft.name("groups"), type="tertiary"):
                _manage(visit, draft, field, groups)


def _choice(name: str, draft: ComposerDraft, field: str, account_ids: tuple[int, ...], *, group: bool = False) -> None:
    st.button(
        plain(name),
        key=draft.name(f"choose-{'group' if group else 'plain'}-{name}"),
        help=f"Select the {len(account_ids)} accounts of this group." if group and account_ids else None,
        disabled=group and not account_ids,
        type="tertiary",
        on_click=_select,
        args=(draft, field, account_ids),
    )


def _select(draft: ComposerDraft, field: str, account_ids: tuple[int, ...]) -> None:
    """Before the field is drawn: a field that stands already keeps its own choice."""
    draft.chosen = account_ids
    st.session_state[field] = list(account_ids)


def _manage(visit: Visit, draft: ComposerDraft, field: str, groups: list[AccountGroup]) -> None:
    chosen = tuple(st.session_state.get(field) or draft.chosen or ())
    with st.form(draft.name("group-form"), border=False, clear_on_submit=True):
        name = st.text_input(
            "Save the selected accounts as a group",
            key=draft.name("group-name"),
            max_chars=account_groups.MAX_NAME,
            placeholder="Brand",
        )
        pressed = st.form_submit_button(f"Save {len(chosen)} account{'' if len(chosen) == 1 else 's'}")
    if pressed:
        acts.act(f"Group “{name}” saved.", account_groups.save, visit.core, visit.actor, name or "", chosen)
    for group in groups:
        with st.container(horizontal=True, vertical_alignment="center", wrap=False):
            st.text(f"{group.name} ({len(group.account_ids)})")
            if st.button("Delete", key=draft.name(f"group-delete-{group.name}"), type="tertiary"):
                acts.act(f"Group “{group.name}” deleted.", account_groups.remove, visit.core, visit.actor, group.name)
