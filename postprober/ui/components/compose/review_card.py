"""A post that waits for a person's review: why, and the decision."""

from __future__ import annotations

import streamlit as st

from postprober.domain.advice import Advice
from postprober.domain.platform import NAMES
from postprober.domain.post import MediaKind, PostStatus
from postprober.services.accounts import accounts
from postprober.services.media import media
from postprober.services.posts import advice, cards, drafts, options
from postprober.storage.records import Post
from postprober.ui import acts, frame
from postprober.ui.components.compose import intended, link_card, open_draft
from postprober.ui.components.compose.advice_panel import review_html
from postprober.ui.components.shared import thumbnails
from postprober.ui.guard import Visit
from postprober.ui.words import plain, safe, weekday_moment

WRITE = "posts:approve"


def _what_readers_get(visit: Visit, post: Post) -> None:
    """Where and when it goes, texts of single accounts, and the files with their descriptions: who approves it may not
    have written it, whether it was proposed or the review holds what a program wanted to publish."""
    wish = drafts.wish_of(post)
    linked = {one.id: one for one in accounts.listing(visit.core, visit.actor)}
    names = {
        number: f"{NAMES[linked[number].platform]}: {linked[number].account_name}"
        if number in linked
        else f"account {number} (disconnected)"
        for number in wish.account_ids
    }
    when = weekday_moment(wish.at, visit.user.zone) if wish.at else "as soon as you approve it"
    st.caption(plain(f"To {', '.join(names.values()) or 'no account'}, {when}."))
    for number, texts in (wish.variants or {}).items():
        own = "".join(f"<p>{safe(text)}</p>" for text in texts)
        st.html(f'<div class="pp-suggestion"><b>Only on {safe(names.get(number, ""))}</b>{own}</div>')
    for number in wish.account_ids:
        asked = options.in_words(linked[number], wish.options) if number in linked else []
        if asked:
            told = "".join(f"<p>{safe(title)}: {safe(value)}</p>" for title, value in asked)
            st.html(f'<div class="pp-suggestion"><b>{safe(names[number])}</b>{told}</div>')
    there = [linked[number] for number in wish.account_ids if number in linked]
    sending = [one for one in there if cards.maker_for(one) == "sent"]
    found = [(cards.shown(visit.core, visit.actor, wish, one), one) for one in sending]
    for card in dict.fromkeys(link_card.html(visit, shown, one, dropped=wish.card.drop) for shown, one in found):
        if card:
            st.html(card)
    for part in wish.parts[1:]:
        st.html(f'<div class="pp-suggestion"><p>{safe(part)}</p></div>')
    for media_id in wish.media_ids:
        record = media.get(visit.core, visit.actor, media_id)
        described = record.alt or "no description"
        if record.kind == MediaKind.IMAGE:
            st.image(media.thumbnail(visit.core, record, 320), caption=plain(described), width=160)
        elif record.kind in (MediaKind.DOCUMENT, MediaKind.SUBTITLES):
            st.caption(plain(f"{record.name} ({thumbnails.pages_of(record)})"))
        else:
            st.caption(plain(f"{record.name}: {described}"))


def draw(visit: Visit, post: Post) -> None:
    """Nothing for posts that are not in review."""
    if post.status != PostStatus.REVIEW:
        return
    said = Advice.from_json(post.ai_suggestions)
    if said is not None:
        st.html(review_html(said.review))
        intended.draw(visit, post.id, said.review)
    _what_readers_get(visit, post)
    st.caption(
        "Nothing is scheduled before you decide. If you approve it, it is published as it is; otherwise it becomes a draft again."
    )
    # A press belongs to the words that it stood under: of another version the buttons are others, and it is lost.
    seen = f"{post.id}-{post.version}"
    with st.container(horizontal=True, key=f"review-{post.id}"):
        if visit.button("Approve", WRITE, f"approve-{seen}", type="primary"):
            acts.act(
                "Approved and scheduled.", advice.decide_review, visit.core, visit.actor, post.id, True, post.version
            )
        if visit.button("Back to draft", WRITE, f"reject-{seen}"):
            acts.act(
                "Moved back to drafts.", advice.decide_review, visit.core, visit.actor, post.id, False, post.version
            )
        if st.button("Edit draft", key=f"change-{post.id}"):
            open_draft.load(post, visit.user.id)
            frame.switch("compose")
