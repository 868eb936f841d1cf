"""The web app: navigation; each page guards itself. Start it with `python -m postprober up`.

`streamlit run` reads this file twice: once to serve it, behind our door, and then for every run of a page.
"""

import streamlit as st
from starlette.middleware import Middleware
from streamlit.runtime.scriptrunner import get_script_run_ctx

from postprober.ui import app_log, door, frame

if get_script_run_ctx(suppress_warning=True) is None:
    app_log.take_over()
    app = st.App(__file__, middleware=[Middleware(door.AppDoor)])
else:
    page = frame.navigation()
    with frame.framed():
        page.run()
