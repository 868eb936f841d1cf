"""The composer's fields: texts, accounts, media, success criteria."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from postprober.domain import crops
from postprober.domain.criteria import Criteria
from postprober.domain.platform import NAMES, described
from postprober.domain.post import MediaKind
from postprober.domain.splitting import split
from postprober.errors import NotFound, PostProberError
from postprober.platforms.registry import LIMITS
from postprober.services.accounts import browser_accounts
from postprober.services.media import media
from postprober.services.posts.posts import MAX_PARTS
from postprober.storage.records import Account, MediaRecord
from postprober.ui.components.compose import conversion_progress, mention_form, uploader
from postprober.ui.components.compose.draft import COMMON, ComposerDraft
from postprober.ui.components.shared import thumbnails
from postprober.ui.guard import Visit
from postprober.ui.words import COUNT_WORDS, plain

# Ctrl+Enter is how Streamlit's field hands over its text. A short pause in typing presses it, so that counters follow
# while one types; without scripts they follow when the field is left. So does a finger or mouse that goes down anywhere:
# on a phone the field is left and the link pressed in one moment, and Streamlit then sends the text behind the link, as a
# page that is still there, and the tap leads nowhere.
LIVE = """<script>(() => {
  if (window.ppLive) return;
  window.ppLive = true;
  let timer, field;
  const hand = () => {
    clearTimeout(timer);
    if (field) field.dispatchEvent(
      new KeyboardEvent("keydown", {key: "Enter", code: "Enter", keyCode: 13, ctrlKey: true, bubbles: true}));
    field = null;
  };
  document.addEventListener("pointerdown", hand, true);
  document.addEventListener("input", (event) => {
    if (!event.target.closest || !event.target.closest("[class*='st-key-pp-text'], [class*='st-key-pp-file']")) return;
    clearTimeout(timer);
    field = event.target;
    timer = setTimeout(hand, 450);
  });
})();</script>"""


def label(account: Account) -> str:
    """For Streamlit's labels, which are Markdown."""
    return f"{NAMES[account.platform]} · {plain(browser_accounts.called(account))}"


def _short(account: Account, linked: list[Account]) -> str:
    """The platform's name is enough where there is one account on it."""
    alone = sum(a.platform is account.platform for a in linked) == 1
    return NAMES[account.platform] if alone else label(account)


def text(visit: Visit, draft: ComposerDraft, linked: list[Account], chosen: tuple[int, ...]) -> None:
    """The common text, and beside it each account's own where one is wanted."""
    accounts = {a.id: a for a in linked if a.id in chosen}
    target = COMMON
    if accounts:
        names = {
            COMMON: "For all",
            **{i: _short(a, linked) + (" ✎" if i in draft.texts else "") for i, a in accounts.items()},
        }
        target = (
            st.segmented_control(
                "Text",
                list(names),
                default=draft.focus if draft.focus in names else COMMON,
                required=True,
                format_func=lambda one: names.get(one, "For all"),
                key=draft.name(f"target-{draft.revision}"),
                wrap=True,
                help="“For all” goes to every account that has no text of its own (✎).",
            )
            or COMMON
        )
    if target not in accounts:  # the account whose text was open has just been removed
        target = COMMON
    with st.container(key=f"pp-text-{draft.ref}", gap="small"):
        st.html(LIVE, unsafe_allow_javascript=True)
        _fields(draft, target)
    if target != COMMON:
        _own(visit, draft, accounts[target])


def _fields(draft: ComposerDraft, target: int) -> None:
    before = draft.parts(target)
    if target in draft.replaced:
        draft.replaced.discard(target)
        for index, part in enumerate(before):
            st.session_state[draft.text_name(target, index)] = part
    typed = tuple(
        st.text_area(
            "Text" if len(before) == 1 else f"Part {index + 1} of {len(before)}",
            value=part,
            height=180 if len(before) == 1 else 110,
            key=draft.text_name(target, index),
            placeholder="What do you want to say?",
            label_visibility="collapsed" if len(before) == 1 else "visible",
        )
        or ""
        for index, part in enumerate(before)
    )
    _came_back(draft, target, before, typed)
    # Until somebody changes it, an account's text is the common one and follows it.
    if target == COMMON or typed != draft.texts[COMMON] or target in draft.texts:
        draft.texts[target] = typed


def _came_back(draft: ComposerDraft, target: int, before: tuple[str, ...], typed: tuple[str, ...]) -> None:
    """The first time that stored words are shown: where a browser that was away still holds others, which did not grow
    out of them, both are kept."""
    if target in draft.read and draft.saved is not None:
        grew = all(now.startswith(old) for old, now in zip(before, typed, strict=True))
        draft.fork = draft.fork or (draft.parts(target) != typed and not grew)
    draft.read.discard(target)


def _own(visit: Visit, draft: ComposerDraft, account: Account) -> None:
    """What can be done with an account's own text."""
    parts = draft.parts(account.id)
    limits = draft.known.limits.get(account.id, LIMITS[account.platform])
    with st.container(horizontal=True):
        mention_form.draw(visit, draft, account)
        if limits.threads and st.button(
            "Split into a thread",
            key=draft.name(f"split-{account.id}"),
            icon=":material/segment:",
            help="Splits at the ends of sentences. No text is lost.",
        ):
            room = limits.of_part(with_media=bool(draft.kept))
            whole = "\n\n".join(parts)
            thread = split(whole, room, numbered=True, most=MAX_PARTS)
            if len(thread) == 1 and room.length(whole) > room.max_length:
                st.warning(f"This would make more than {MAX_PARTS} parts, which is the most. Shorten the text first.")
            else:
                draft.put(account.id, thread)
                st.rerun()
        if limits.threads and len(parts) < MAX_PARTS and st.button("Add a part", key=draft.name(f"add-{account.id}")):
            draft.put(account.id, (*parts, ""))
            st.rerun()
        if len(parts) > 1 and st.button("Remove the last part", key=draft.name(f"cut-{account.id}")):
            draft.put(account.id, parts[:-1])
            st.rerun()
        if account.id in draft.texts and st.button("Use the shared text", key=draft.name(f"same-{account.id}")):
            draft.put(account.id, draft.texts[COMMON])
            del draft.texts[account.id]
            st.rerun()


def files(visit: Visit, draft: ComposerDraft, linked: list[Account]) -> tuple[int, ...]:
    """Ids of the draft's files. A file is part of the draft as soon as it is uploaded."""
    with suppress(PostProberError):  # said below the fields, where it is tried again
        draft.attach(visit.core, visit.actor)
    there: list[MediaRecord] = []
    seen: dict[str, int] = {}
    for media_id in draft.kept:
        try:
            there.append(media.get(visit.core, visit.actor, media_id))
        except NotFound:
            draft.kept = tuple(one for one in draft.kept if one != media_id)
            draft.refused.append("A file of this draft no longer exists. Upload it again.")
    for place, record in crops.placed(there):
        number = seen[record.sha256] = seen.get(record.sha256, 0) + 1
        _file(visit, draft, linked, record, f"{record.sha256[:12]}-{number}", place)
    uploader.draw(visit, draft)
    for reason in draft.refused:
        st.error(plain(reason), icon=":material/image_not_supported:")
    return draft.kept


def _file(
    visit: Visit, draft: ComposerDraft, linked: list[Account], record: MediaRecord, name: str, place: int
) -> None:
    """One file with its alt text, and the button that removes it."""
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"pp-file-{draft.ref}-{name}"):
        thumbnails.draw(visit, record.id)
        alt = (
            record.alt
            if record.kind in (MediaKind.DOCUMENT, MediaKind.SUBTITLES)
            else st.text_input(
                f"Describe {'video' if record.kind == MediaKind.VIDEO else 'image'} {place} (alt text)",
                value=record.alt,
                max_chars=media.MAX_ALT,
                key=draft.name(f"alt-{name}"),
                placeholder="Describe the image for people who can't see it",
            )
        )
        if visit.may("media:write") and (alt or "").strip() != record.alt.strip():
            draft.describe(visit.core, visit.actor, record.id, (alt or "").strip())
        if st.button("Remove", key=draft.name(f"off-{name}"), type="tertiary"):
            draft.kept = tuple(one for one in draft.kept if one != record.id)
            if place:
                _move_wishes(draft, linked, place)
            draft.refused = []
            with suppress(PostProberError):
                draft.save(visit.core, visit.actor, draft.now())
            st.rerun()
    if record.kind in (MediaKind.GIF, MediaKind.VIDEO):
        conversion_progress.draw(visit, record.id)


def _move_wishes(draft: ComposerDraft, linked: list[Account], place: int) -> None:
    """What is asked for single files, once one is gone: no other picture gets its crop, or the people that are in it."""
    platforms = {target: a.platform for a in linked for target in (a.platform.value, str(a.id))}
    before = {target: dict(asked) for target, asked in draft.options.items()}
    for target, asked in before.items():
        if target in platforms:
            draft.options[target] = described(platforms[target]).options.without_file(asked, place)
    if draft.options != before:
        draft.moved += 1  # the fields show what is left, not what was typed


def criteria(draft: ComposerDraft) -> None:
    """When the post counts as a success."""
    told = draft.criteria
    with st.expander("Set a goal", key=draft.name("criteria"), type="compact"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            least = st.number_input(
                "Goal", 0, 10_000_000, told.target if told else 0, key=draft.name("at-least"), width=130
            )
            metric = st.selectbox(
                "Metric",
                list(COUNT_WORDS),
                index=list(COUNT_WORDS).index(told.metric if told else "likes"),
                format_func=lambda name: COUNT_WORDS[name].lower(),
                key=draft.name("metric"),
                width=150,
            )
            hours = st.number_input(
                "Within (hours)", 1, 720, told.hours if told else 24, key=draft.name("hours"), width=130
            )
        st.caption("0 = no goal. You get the result when the time is up.")
    draft.criteria = Criteria(metric, int(least), int(hours)) if least else None
