"""The accounts that PostProber posts to: link, look, remove."""

import streamlit as st

from postprober.services.accounts import accounts
from postprober.ui import guard
from postprober.ui.components.accounts import account_list, link_forms

visit = guard.enter()
st.title("Accounts", anchor=False)
link_forms.results()
left, right = st.columns([3, 2], gap="medium")
with left:
    st.subheader("Linked", anchor=False)
    linked = accounts.listing(visit.core, visit.actor)
    if linked:
        account_list.draw(visit, linked, visit.core.clock.now())
    else:
        st.info("No account is linked yet. Choose a platform under “Link an account”.")
with right:
    st.subheader("Link an account", anchor=False)
    link_forms.draw(visit)
