"""What you were told, where you are told it, and when; and the reports that come by themselves."""

import streamlit as st

from postprober.ui import guard
from postprober.ui.components.alerts import alert_list, channel_list, notify_form
from postprober.ui.components.analytics import report_form

visit = guard.enter()
st.title("Alerts", anchor=False)
told, channels, when, reports = st.tabs(["Alerts", "Channels", "Quiet hours & escalation", "Reports"])
with told:
    alert_list.draw(visit)
with channels:
    channel_list.draw(visit)
with when:
    notify_form.draw(visit)
with reports:
    report_form.draw(visit)
