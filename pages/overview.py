"""Is everything out?"""

import streamlit as st

from postprober.ui import guard
from postprober.ui.components.overview import overview_board

visit = guard.enter()
st.title("Overview", anchor=False)
overview_board.draw(visit)
