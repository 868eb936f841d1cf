"""The composer's fields: texts, accounts, media, success criteria."""

from __future__ import annotations

import streamlit as st

from postprober.domain.criteria import Criteria
from postprober.domain.limits import LIMITS
from postprober.domain.platform import NAMES
from postprober.domain.splitting import split
from postprober.services import by_browser, media
from postprober.services.posts import MAX_PARTS
from postprober.storage.records import Account
from postprober.ui.components import thumbnails
from postprober.ui.components.draft import COMMON, Draft
from postprober.ui.guard import Visit
from postprober.ui.text import COUNT_WORDS, plain

MAX_FILES = 4
TYPES = ["jpg", "jpeg", "png", "webp", "gif", "mp4", "mov"]
# Ctrl+Enter is how Streamlit's field hands over its text. A short pause in typing presses it, so that counters follow
# while one types; without scripts they follow when the field is left.
LIVE = """<script>(() => {
  if (window.ppLive) return;
  window.ppLive = true;
  let timer;
  document.addEventListener("input", (event) => {
    if (!event.target.closest || !event.target.closest("[class*='st-key-pp-text']")) return;
    clearTimeout(timer);
    timer = setTimeout(() => event.target.dispatchEvent(
      new KeyboardEvent("keydown", {key: "Enter", code: "Enter", keyCode: 13, ctrlKey: true, bubbles: true})), 450);
  });
})();</script>"""


def targets(draft: Draft, linked: list[Account]) -> tuple[int, ...]:
    """Ids of the chosen accounts."""
    names = {a.id: label(a) for a in linked}
    before = tuple(a for a in (draft.chosen if draft.chosen is not None else names) if a in names)
    chosen = st.pills(
        "Accounts", list(names), selection_mode="multi", default=before,
        format_func=lambda account_id: names[account_id], key=draft.key("accounts"), wrap=True,
    )  # fmt: skip
    draft.chosen = tuple(chosen or ())
    return draft.chosen


def label(account: Account) -> str:
    """For Streamlit's labels, which are Markdown."""
    return f"{NAMES[account.platform]} · {plain(by_browser.called(account))}"


def _short(account: Account, linked: list[Account]) -> str:
    """The platform's name is enough where there is one account on it."""
    alone = sum(a.platform is account.platform for a in linked) == 1
    return NAMES[account.platform] if alone else label(account)


def text(draft: Draft, linked: list[Account], chosen: tuple[int, ...]) -> None:
    """The common text, and beside it each account's own where one is wanted."""
    accounts = {a.id: a for a in linked if a.id in chosen}
    target = COMMON
    if accounts:
        names = {
            COMMON: "For all",
            **{i: _short(a, linked) + (" ✎" if i in draft.texts else "") for i, a in accounts.items()},
        }
        target = st.segmented_control(
            "Text", list(names), default=draft.focus if draft.focus in names else COMMON, required=True, format_func=lambda one: names.get(one, "For all"),
            key=draft.key(f"target-{draft.revision}"), wrap=True, help="“For all” goes to every account that has no text of its own (✎).",
        ) or COMMON  # fmt: skip
    with st.container(key=f"pp-text-{draft.number}", gap="small"):
        st.html(LIVE, unsafe_allow_javascript=True)
        _fields(draft, target, accounts.get(target))
    if target != COMMON:
        _own(draft, accounts[target])


def _fields(draft: Draft, target: int, account: Account | None) -> None:
    before = draft.parts(target)
    typed = tuple(
        st.text_area(
            "Text" if len(before) == 1 else f"Part {index + 1} of {len(before)}",
            value=part,
            height=180 if len(before) == 1 else 110,
            key=draft.text_key(target, index),
            placeholder="What do you want to say?",
            label_visibility="collapsed" if len(before) == 1 else "visible",
        )
        or ""
        for index, part in enumerate(before)
    )
    # Until somebody changes it, an account's text is the common one and follows it.
    if target == COMMON or account is None or typed != draft.texts[COMMON] or target in draft.texts:
        draft.texts[target] = typed


def _own(draft: Draft, account: Account) -> None:
    """What can be done with an account's own text."""
    parts = draft.parts(account.id)
    limits = draft.known.limits.get(account.id, LIMITS[account.platform])
    with st.container(horizontal=True):
        if limits.threads and st.button(
            "Split into a thread", key=draft.key(f"split-{account.id}"), icon=":material/segment:",
            help="Cuts at the ends of sentences; nothing is left out.",
        ):  # fmt: skip
            thread = split("\n\n".join(parts), limits, numbered=True)
            if len(thread) > MAX_PARTS:
                st.warning(f"This makes {len(thread)} parts; a thread has at most {MAX_PARTS}. Shorten the text first.")
            else:
                draft.put(account.id, thread)
                st.rerun()
        if limits.threads and len(parts) < MAX_PARTS and st.button("Add a part", key=draft.key(f"add-{account.id}")):
            draft.put(account.id, (*parts, ""))
            st.rerun()
        if len(parts) > 1 and st.button("Remove the last part", key=draft.key(f"cut-{account.id}")):
            draft.put(account.id, parts[:-1])
            st.rerun()
        if account.id in draft.texts and st.button("Back to the common text", key=draft.key(f"same-{account.id}")):
            del draft.texts[account.id]
            draft.focus = account.id
            draft.revision += 1
            st.rerun()


def files(visit: Visit, draft: Draft) -> tuple[int, ...]:
    """Ids of the stored files, with their descriptions. Raises BadInput for a file that is neither picture nor video."""
    kept = [media_id for media_id in draft.kept if _keep(visit, draft, media_id)]
    draft.kept = tuple(kept)
    uploaded = st.file_uploader(
        f"Pictures (up to {MAX_FILES}) or one video", type=TYPES, accept_multiple_files=True, key=draft.key("files")
    )
    room = MAX_FILES - len(kept)
    if len(uploaded) > room:
        st.warning(f"Only the first {MAX_FILES} files are used.")
    ids = kept
    for file in uploaded[:room]:
        content = file.getvalue()
        with st.container(horizontal=True, vertical_alignment="center"):
            thumbnail = st.empty()
            alt = st.text_input(
                f"Description of {plain(file.name)}",
                key=draft.key(f"alt-{file.file_id}"),
                placeholder="What is to be seen, for people who cannot see it",
            )
        with st.spinner("Taking in the file …"):
            media_id = draft.take(visit.core, visit.user.id, file.name, content, (alt or "").strip())
        # What it is comes from its content: nothing is drawn before that is known.
        with thumbnail:
            thumbnails.draw(visit, media_id)
        ids = [*ids, media_id]
    return tuple(dict.fromkeys(ids))


def _keep(visit: Visit, draft: Draft, media_id: int) -> bool:
    """A file that came with the draft; False when it is taken off now."""
    record = media.get(visit.core, visit.user.id, media_id)
    with st.container(horizontal=True, vertical_alignment="center"):
        thumbnails.draw(visit, media_id)
        st.text(record.alt or "No description yet")
        return not st.button("Take off", key=draft.key(f"off-{media_id}"), type="tertiary")


def criteria(draft: Draft) -> None:
    """When the post counts as a success."""
    told = draft.criteria
    with st.expander("When is it a success?", key=draft.key("criteria"), type="compact"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            least = st.number_input(
                "At least", 0, 10_000_000, told.target if told else 0, key=draft.key("at-least"), width=130
            )
            metric = st.selectbox(
                "Of", list(COUNT_WORDS), index=list(COUNT_WORDS).index(told.metric if told else "likes"),
                format_func=lambda name: COUNT_WORDS[name].lower(), key=draft.key("metric"), width=150,
            )  # fmt: skip
            hours = st.number_input(
                "Within hours", 1, 720, told.hours if told else 24, key=draft.key("hours"), width=130
            )
        st.caption("Leave the number at 0 to have nothing judged. You are told when the time is over.")
    draft.criteria = Criteria(metric, int(least), int(hours)) if least else None
