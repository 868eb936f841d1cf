"""The web app: frame, sign-in and navigation. Start it with `python -m postprober up`."""

import streamlit as st

from postprober.ui import frame, guard

st.set_page_config(page_title="PostProber", page_icon=str(frame.MARK), layout="wide")
pages = frame.pages()
user = guard.signed_in()
page = st.navigation(pages, position="top" if user else "hidden")
if user is not None:
    st.logo(str(frame.MARK))
    frame.look()
    frame.header(guard.state.core(), user)
    frame.take_link_result(pages[-1])
with frame.framed():
    page.run()
