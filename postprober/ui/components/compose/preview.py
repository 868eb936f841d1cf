"""How the post will look on each platform: likenesses in HTML, every text in them escaped."""

from __future__ import annotations

import streamlit as st

from postprober.domain import crops
from postprober.domain.crops import Rect
from postprober.domain.mentions import as_names
from postprober.domain.platform import NAMES
from postprober.domain.text import find_hashtags, find_mentions, find_urls
from postprober.errors import BadInput, NotFound
from postprober.platforms.registry import SPECS
from postprober.services.media import media
from postprober.services.posts import cards
from postprober.services.posts.cards import ShownCard
from postprober.services.posts.options import stored_for
from postprober.services.posts.posts import NewPost
from postprober.storage.records import Account
from postprober.ui.components.compose import link_card
from postprober.ui.components.shared import thumbnails
from postprober.ui.guard import Visit
from postprober.ui.words import safe

LONGEST = 3000  # characters shown; what is longer is over every limit anyway


def draw(visit: Visit, new: NewPost, linked: list[Account]) -> None:
    """One likeness an account, chosen by its name."""
    accounts = {a.id: a for a in linked if a.id in new.account_ids}
    if not accounts:
        return
    names = {i: NAMES[a.platform] for i, a in accounts.items()}
    shown = st.segmented_control(
        "Preview",
        list(names),
        default=next(iter(names)),
        required=True,
        format_func=lambda i: names.get(i, ""),
        key="pp-preview-of",
        wrap=True,
        label_visibility="collapsed",
    )
    account = accounts.get(shown or 0) or next(iter(accounts.values()))
    card = cards.shown(visit.core, visit.actor, new, account)
    st.html(html(visit, new, account, card))
    if card.reading:
        link_card.wait(visit, new, account)


def html(visit: Visit, new: NewPost, account: Account, card: ShownCard | None = None) -> str:
    """The post, or the whole thread, as `account` will show it. `card`: of its link."""
    try:
        pictures = [
            thumbnails.html(visit.core, visit.actor, media_id, crop)
            for media_id, crop in zip(new.media_ids, _crops(visit, new, account), strict=True)
        ]
    except NotFound:
        pictures = []
    parts = [as_names(text) for text in new.texts_for(account.id)]
    below = link_card.html(visit, card, account, dropped=new.card.drop) if card is not None else ""
    first = (pictures, below)
    return "".join(_likeness(account, part, *(first if index == 0 else ([], ""))) for index, part in enumerate(parts))


def _crops(visit: Visit, new: NewPost, account: Account) -> list[Rect | None]:
    """What of each file goes to the account."""
    try:
        asked = stored_for(account, new.options)
    except BadInput:  # the checks say it
        asked = {}
    files = media.files(visit.core, visit.actor, list(new.media_ids))
    return [file.crop for file in crops.applied(files, asked)]


def _likeness(account: Account, text: str, pictures: list[str], card: str) -> str:
    platform, name = account.platform, account.account_name
    habits = SPECS[platform].habits
    grid = f'<div class="pp-grid pp-grid-{len(pictures)}">{"".join(pictures)}</div>' if pictures else card
    body = f'<div class="pp-said">{linked_html(text) or "<span>(no text)</span>"}</div>'
    acts = "".join(f"<span>{word}</span>" for word in habits.actions)
    handle = f"@{name.removeprefix('@')}" if habits.shows_handle else "now"
    head = (
        f'<div class="pp-who"><i aria-hidden="true">{safe(name[:1].upper())}</i><b>{safe(name)}</b>'
        f"<small>{safe(handle)}</small></div>"
    )
    if habits.picture_first:
        inner = f'{head}{grid}<div class="pp-acts">{acts}</div>{body}'
    else:
        inner = f'{head}{body}{grid}<div class="pp-acts">{acts}</div>'
    return f'<article class="pp-likeness pp-on-{platform.value}" aria-label="{NAMES[platform]}">{inner}</article>'


def linked_html(text: str) -> str:
    """`text` escaped, with its links, mentions and hashtags coloured as the platforms colour them."""
    shown = text[:LONGEST]
    spans = sorted({(s.start, s.end) for find in (find_urls, find_mentions, find_hashtags) for s in find(shown)})
    out, at = [], 0
    for start, end in spans:
        if start >= at:
            out.append(f"{safe(shown[at:start])}<em>{safe(shown[start:end])}</em>")
            at = end
    return "".join(out) + safe(shown[at:])
