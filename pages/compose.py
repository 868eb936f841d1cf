"""Write a post, see what each platform says to it, publish it now or later; or bring in many."""

import streamlit as st

from postprober.errors import PostProberError
from postprober.services import accounts
from postprober.ui import acts, frame, guard
from postprober.ui.components import (
    advice_panel,
    checks,
    compose_form,
    draft,
    drafts_list,
    import_form,
    preview,
    publish,
    schedule_form,
)

visit = guard.enter()
st.title("Compose", anchor=False)
linked = accounts.listing(visit.core, visit.user.id)
mine = draft.current()
if not linked:
    st.info("No account is linked yet. Link one, then write your first post.")
    frame.link("accounts", "Link an account", ":material/link:")
    st.stop()
if mine.post_id is not None:
    publish.done(visit, mine)
    st.stop()
with st.container(horizontal=True, key="pp-compose-bar"):
    drafts_list.draw(visit)
    import_form.draw(visit, linked)

left, right = st.columns([3, 2], gap="medium")
with left:
    chosen = compose_form.targets(mine, linked)
    compose_form.text(mine, linked, chosen)
    counted = st.empty()
    try:
        media_ids = compose_form.files(visit, mine)
        at = schedule_form.draw(visit, mine)
    except PostProberError as error:
        acts.refuse(error)
        st.stop()
    compose_form.criteria(mine)
new = mine.wish(chosen, media_ids, at)
with right, st.container(border=True, key="pp-checks"):
    st.subheader("Before it is sent", anchor=False)
    results = checks.run(visit, mine, new)
    checks.draw(results, linked, chosen=bool(chosen))
with left:
    if results:
        with counted:
            checks.counters(results, linked)
    publish.button(visit, mine, new, ready=bool(results) and all(result.ok for result in results.values()))
    publish.keep(visit, mine, new)
    advice_panel.draw(visit, mine, linked)
with right:
    preview.draw(visit, new, linked)
