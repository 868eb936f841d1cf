"""What is planned when: by month, by week, as a list."""

from zoneinfo import ZoneInfo

import streamlit as st

from postprober.services.posts import calendar
from postprober.ui import frame, guard
from postprober.ui.components.calendar import calendar_view, post_dialog
from postprober.ui.components.calendar.calendar_bar import bar, keep

visit = guard.enter()
st.title("Calendar", anchor=False)
now = visit.core.clock.now()
choice = bar(now.astimezone(ZoneInfo(visit.user.zone)).date())
if choice.view == "list":
    days = calendar.coming(visit.core, visit.actor)
else:
    first, count = calendar_view.span_of(choice.view, choice.day)
    days = calendar.days(visit.core, visit.actor, first, count)
shown = [keep(day, choice) for day in days]
found = sum(len(day.posts) for day in shown)
if choice.view == "list":
    calendar_view.listing(visit, [day for day in shown if day.posts])
else:
    calendar_view.grid(visit, shown, choice.view, choice.day.month if choice.view == "month" else 0, now)
if not found and choice.filtered and sum(len(day.posts) for day in days):
    st.info("No post here fits these filters. Remove one to see more.")
elif not found:
    st.info("Nothing is scheduled here. Schedule a post to see it here.")
    frame.link("compose", "Write a post", ":material/edit_square:")
post_dialog.draw(visit)
