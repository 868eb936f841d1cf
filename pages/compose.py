"""Write a post, see what each platform says to it, publish it now or later; or bring in many."""

import streamlit as st

from postprober.services.accounts import accounts
from postprober.ui import frame, guard
from postprober.ui.components.compose import (
    account_picker,
    advice_panel,
    checks,
    compose_form,
    drafts_list,
    edit_note,
    import_form,
    link_card,
    open_draft,
    options_form,
    preview,
    publish,
    schedule_form,
)

visit = guard.enter()
st.title("Compose", anchor=False)
linked = accounts.listing(visit.core, visit.actor)
mine = open_draft.opened(visit)
if not linked:
    st.info("No account is linked yet. Link one, then write your first post.")
    frame.link("accounts", "Link an account", ":material/link:")
    st.stop()
if mine.post_id is not None:
    publish.done(visit, mine)
    st.stop()
publish.parted(visit, mine)
edit_note.draw(visit, mine)
with st.container(horizontal=True, key="pp-compose-bar"):
    drafts_list.draw(visit)
    import_form.draw(visit, linked)

left, right = st.columns([3, 2], gap="medium")
with left:
    chosen = account_picker.draw(visit, mine, linked)
    compose_form.text(visit, mine, linked, chosen)
    counted = st.empty()
    media_ids = compose_form.files(visit, mine, linked)
    link_card.fields(visit, mine, linked, mine.wish(chosen, media_ids, None))
    when = schedule_form.draw(visit, mine)
    options_form.draw(visit, mine, linked, chosen)
    compose_form.criteria(mine)
new = mine.wish(chosen, media_ids, when.at)
problem = publish.store(visit, mine, new)
with right, st.container(border=True, key="pp-checks"):
    st.subheader("Checks", anchor=False)
    results = checks.run(visit, mine, new)
    checks.draw(results, linked, chosen=bool(chosen))
with left:
    if results:
        with counted:
            checks.counters(results, linked)
    fits = bool(results) and all(result.ok for result in results.values())
    edit_note.changes(visit, mine, new)
    publish.button(visit, mine, new, ready=fits and not when.problem)
    publish.kept(visit, mine, problem)
    advice_panel.draw(visit, mine, linked)
with right:
    preview.draw(visit, new, linked)
