"""Write a post, see what each platform says to it, publish it now or later."""

import streamlit as st

from postprober.errors import PostProberError
from postprober.services import accounts
from postprober.services.posts import NewPost
from postprober.ui import frame, guard
from postprober.ui.components import checks, compose_form, draft, publish

visit = guard.enter()
core, user = visit.core, visit.user
st.title("Compose", anchor=False)
linked = accounts.listing(core, user.id)
mine = draft.current()
if not linked:
    st.info("No account is linked yet. Link one, then write your first post.")
    frame.link("accounts", "Link an account", ":material/link:")
    st.stop()
if mine.post_id is not None:
    publish.done()
    st.stop()

left, right = st.columns([3, 2], gap="medium")
with left:
    text = compose_form.text(mine)
    chosen = compose_form.targets(mine, linked)
    try:
        media_ids = compose_form.pictures(visit, mine)
        at = compose_form.moment(mine, user.zone, core.clock.now())
    except PostProberError as error:
        publish.refuse(error)
        st.stop()
new = NewPost((text,), chosen, media_ids, at)
with right, st.container(border=True, key="pp-checks"):
    st.subheader("Before it is sent", anchor=False)
    fits = checks.run(visit, mine, new, linked)
with left:
    publish.button(visit, mine, new, ready=fits)
