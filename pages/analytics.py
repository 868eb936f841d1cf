"""What worked, what went out, and what it cost."""

import streamlit as st

from postprober.ui import guard
from postprober.ui.components.analytics import analytics_board

visit = guard.enter()
st.title("Analytics", anchor=False)
analytics_board.draw(visit)
