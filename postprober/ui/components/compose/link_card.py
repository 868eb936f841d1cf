"""The card of the post's link: what becomes of it, and how it looks."""

from __future__ import annotations

import base64
import hashlib

import streamlit as st

from postprober.domain.card import AS_THE_PAGE_SAYS, MAX_DESCRIPTION, MAX_TITLE, CardChoice, CardPicture, one_line
from postprober.domain.platform import NAMES
from postprober.errors import BadInput, Unavailable
from postprober.services.core import Core
from postprober.services.posts import cards
from postprober.services.posts.cards import ShownCard
from postprober.services.posts.posts import NewPost
from postprober.storage.records import Account
from postprober.ui import guard
from postprober.ui.components.compose.draft import ComposerDraft
from postprober.ui.guard import Visit
from postprober.ui.words import safe

SIDE = 480  # pixels of the longer side, as in likenesses
KEPT = 100  # pictures in memory, about 30 kB each
PERIOD = 1  # seconds between two questions whether a page has been read


def fields(visit: Visit, draft: ComposerDraft, linked: list[Account], new: NewPost) -> None:
    """Drop the card, or give it other words; nothing is drawn where no card is sent."""
    accounts = [one for one in linked if one.id in new.account_ids and cards.maker_for(one) == "sent"]
    found = [cards.shown(visit.core, visit.actor, new, one) for one in accounts]
    states = tuple((one.url, one.reading) for one in found)
    if states != draft.pages:
        draft.pages, draft.checked = states, None  # what is known of a page changes what its author is told
    card = next((one for one in found if one.url), None)
    if card is None:
        return
    with st.expander("Link card", key=draft.name("card"), type="compact"):
        sends = st.checkbox("Send a link card", not draft.card.drop, key=draft.name("card-on"))
        own = draft.card if draft.card.about(card.url) else AS_THE_PAGE_SAYS
        known, mark = card.card, hashlib.sha256(card.url.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        title = st.text_input(
            "Title",
            own.title,
            max_chars=MAX_TITLE,
            key=draft.name(f"card-title-{mark}"),
            placeholder=known.title if known else "",
            disabled=not sends,
        )
        description = st.text_area(
            "Description",
            own.description,
            max_chars=MAX_DESCRIPTION,
            height=80,
            key=draft.name(f"card-text-{mark}"),
            placeholder=known.description if known else "",
            disabled=not sends,
        )
        st.caption("Leave a field empty to use what the page says.")
    words = one_line(title or "", MAX_TITLE), one_line(description or "", MAX_DESCRIPTION)
    if not sends:
        draft.card = CardChoice(drop=True)
    else:
        draft.card = CardChoice(False, *words, card.url) if any(words) else AS_THE_PAGE_SAYS


def html(visit: Visit, shown: ShownCard, account: Account, *, dropped: bool) -> str:
    """The card as the platform shows it, or why there is none; "" where there is no link."""
    if not shown.url or (dropped and shown.maker == "sent"):
        return ""
    if shown.card is None:
        return '<p class="pp-card-note">Reading the page of the link…</p>' if shown.reading else ""
    if shown.card.problem:
        return f'<p class="pp-card-note">{safe(shown.card.problem)}</p>' if shown.maker == "sent" else ""
    picture = _picture(visit.core, shown.card.picture) if shown.card.picture else ""
    image = f'<img src="{picture}" alt="">' if picture else ""
    words = f"<b>{safe(shown.card.title)}</b><span>{safe(shown.card.description)}</span>"
    name = NAMES[account.platform]
    note = "" if shown.maker == "sent" else f'<p class="pp-card-note">{name} makes its own card; it may differ.</p>'
    return f'<div class="pp-card">{image}{words}<small>{safe(_host(shown.url))}</small></div>{note}'


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]


def _picture(core: Core, picture: CardPicture) -> str:
    try:
        return _data_url(picture.sha256, core, picture)
    except Unavailable:
        return ""


@st.cache_data(show_spinner=False, max_entries=KEPT)
def _data_url(sha256: str, _core: Core, _picture: CardPicture) -> str:
    """JPEG as a data URL, "" when it cannot be read. Raises Unavailable, which is not kept."""
    try:
        content = cards.thumbnail(_core, _picture, SIDE)
    except BadInput:
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


@st.fragment(run_every=PERIOD)
def wait(visit: Visit, new: NewPost, account: Account) -> None:
    """Run the page again when the page behind the link has been read."""
    guard.still_in(visit)
    if not cards.shown(visit.core, visit.actor, new, account).reading:
        st.rerun()
