"""What became of every post: the newest first, each with its proof; or one post, by `?post=12`."""

import streamlit as st

from postprober.errors import NotFound
from postprober.services.monitoring import monitoring, repairs
from postprober.ui import acts, frame, guard
from postprober.ui.components.monitor import edit_failed, post_card
from postprober.ui.components.shared import alerts, auto_refresh, filters

visit = guard.enter()
core, user = visit.core, visit.user
st.title("Monitor", anchor=False)
only = filters.only()
if only is None:
    choice = filters.draw()
    limit = st.session_state.setdefault("monitor-limit", filters.STEP)
    ids = monitoring.recent_ids(core, visit.actor, limit, statuses=choice.shown, platforms=choice.platforms)
else:
    choice, limit, ids = filters.PostFilter((), ()), 0, [only]
ids = [*edit_failed.posts_open(ids), *ids]
stamp = monitoring.stamp(core, visit.actor, ids)
auto_refresh.draw(visit, ids, stamp)
views = monitoring.views_of(core, visit.actor, ids)
if only is not None and not any(view.post.id == only for view in views):  # deleted, or an address that was made up
    acts.refuse(NotFound(f"There is no post {only}."))
made = repairs.of_posts(core, visit.actor, ids)
now = core.clock.now()

left, right = st.columns([3, 1], gap="medium")
with left:
    edit_failed.of_deleted(visit, [view.post.id for view in views])
    for view in views:
        post_card.draw(visit, view, made, now)
    if limit and len(views) >= limit and st.button("Show older posts"):
        st.session_state["monitor-limit"] = limit + filters.STEP
        st.rerun()
    if not views and choice.any:
        st.info("No post fits these filters. Remove one to see more.")
    elif not views and only is None:
        st.info("No posts yet. Link an account, then write your first post; its proof appears here.")
        frame.link("compose", "Write a post", ":material/edit_square:")
with right:
    alerts.draw(monitoring.alerts(core, visit.actor), user.zone, now)
