"""Who gives advice, and how long things are kept."""

from __future__ import annotations

import streamlit as st

from postprober.services.operations import growth, model_use, retention
from postprober.services.posts import advice
from postprober.ui import acts
from postprober.ui.guard import Visit
from postprober.ui.words import moment, plain, utc_moment

FIELDS = {
    "evidence": ("Evidence of a post", "Differences, hashes and pictures that prove a post."),
    "replies": ("Platform responses in attempts", "The shortened, redacted text of each reply; its status stays."),
    "alerts": ("Read alerts", "Unread ones stay."),
    "samples": ("Engagement counts", "The points of the growth curves."),
    "details": (
        "Details of finished posts",
        "Then steps, attempts and changes move into files; posts still show them.",
    ),
    "archive": ("Those files", "Then the details are deleted."),
    "unused_media": ("Unused media", "Files that no post names."),
}


def draw(visit: Visit) -> None:
    _advisor(visit)
    st.subheader("Data retention (days)", anchor=False)
    keep = retention.get(visit.core)
    owns = retention.may_put(visit.core, visit.actor)
    with st.form("retention"):
        days = {
            name: st.number_input(label, 0, retention.LONGEST, getattr(keep, name), help=help, disabled=not owns)
            for name, (label, help) in FIELDS.items()
        }
        st.caption("0 = forever. Posts, deliveries, their states and proofs are always kept.")
        if st.form_submit_button(
            "Save", disabled=not owns, help=None if owns else "Only the first owner can change this."
        ):
            acts.act(
                "Saved. It takes effect within the hour.",
                lambda: retention.put(visit.core, visit.actor, retention.Keep(**{k: int(v) for k, v in days.items()})),
            )

    if owns:
        _growth(visit)


def _growth(visit: Visit) -> None:
    """Measured when somebody asks: it counts whole tables."""
    if not st.toggle("Show sizes and forecast", key="growth"):
        return
    found = growth.measure(visit.core)
    st.text(found.sentence)
    st.dataframe(
        {
            "Part": [one.name for one in found.largest],
            "Rows or files": [one.rows for one in found.largest],
            "Size": [growth.human(one.bytes) for one in found.largest],
            "In a year": [growth.human(one.in_days(growth.YEAR)) for one in found.largest],
            "Kept": ["Forever" if one.days_kept is None else f"{one.days_kept} days" for one in found.largest],
        },
        hide_index=True,
    )


def _advisor(visit: Visit) -> None:
    """Who gives advice: whether the model is asked, what is left for it, and whether posts wait for it."""
    st.subheader("Advice and diagnosis", anchor=False)
    found = model_use.get(visit.core, visit.actor)
    if found is None:
        st.text("Built-in rules review posts and make suggestions. No text leaves this machine for it.")
        st.caption(plain("Set POSTPROBER_AI_API_KEY or POSTPROBER_AI_BASE_URL to ask a model too."))
        return
    notice = found.notice
    if found.on:
        st.text(f"Posts are reviewed by the model {notice.model} at {notice.server} and by the built-in rules.")
    else:
        st.text("Built-in rules review posts and make suggestions.")
        st.caption(plain(found.because))
    if found.on and found.trouble:
        st.warning(plain(found.trouble))
    _choice(visit, found)
    _budget(found)
    owns = visit.actor.owns
    now = advice.waits_for_model(visit.core, visit.actor)
    wanted = st.toggle(
        "Hold posts while the model is unavailable",
        value=now,
        disabled=not owns,
        help=None if owns else "Only an owner can change this.",
    )
    st.caption("While the model is unavailable, the rules review alone and the post is checked again later.")
    if wanted != now:
        acts.act("Saved.", lambda: advice.wait_for_model(visit.core, visit.actor, wanted))


def _choice(visit: Visit, found: model_use.SpaceModel) -> None:
    """The notice, and the owner's word."""
    notice, owns = found.notice, visit.actor.owns
    with st.expander("What is sent to the model", expanded=not found.on):
        where = "the sandbox on this machine" if notice.here else notice.host
        st.text(f"Model: {notice.model}. Server: {where} ({notice.server}).")
        st.text("Sent: " + "; ".join(notice.sent) + ".")
        st.text("Only if you allow pictures: " + notice.sent_of_pictures + ".")
        st.text("Never sent: " + "; ".join(notice.kept) + ".")
    with st.form("model-use"):
        on = st.checkbox("Let the model read the posts of this space", value=found.on, disabled=not owns)
        pictures = st.checkbox("Let it see small copies of pictures", value=found.pictures, disabled=not owns)
        if found.agreed_at is not None:
            st.caption(plain(f"Last changed by {found.agreed_by}, {moment(found.agreed_at, visit.actor.zone)}."))
        if st.form_submit_button("Save", disabled=not owns, help=None if owns else "Only an owner can change this."):
            acts.act(
                "Saved.",
                lambda: model_use.put(visit.core, visit.actor, on, pictures, notice.model, notice.server),
            )


def _budget(found: model_use.SpaceModel) -> None:
    """What was used and what is left."""
    today, month, share, left = found.today, found.this_month, found.share, found.left
    st.caption(
        plain(
            f"Budget of this space: {left.tokens:,} of {share.tokens:,} tokens and {left.money:.2f} of {share.money:.2f} "
            f"left today. Used today: {today.tokens:,} tokens ({today.money:.2f}); this month: {month.tokens:,} tokens "
            f"({month.money:.2f}). Renews {utc_moment(found.renews_at)}."
        )
    )
