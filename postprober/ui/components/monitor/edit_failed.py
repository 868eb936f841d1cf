"""Other words for a failed delivery. What was typed is never lost: when somebody else has decided meanwhile, it becomes
a draft, and that is said; when it cannot be sent now, it waits for the person who typed it."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import streamlit as st

from postprober.domain.delivery import UNFINISHED
from postprober.errors import Conflict, NotFound, PostProberError
from postprober.services.monitoring.monitoring import DeliveryView
from postprober.services.posts import drafts, edit_failed
from postprober.services.posts.gate import ReviewNeeded
from postprober.services.posts.posts import NewPost
from postprober.ui import acts, guard, unsent
from postprober.ui.components.shared import approval
from postprober.ui.guard import Visit
from postprober.ui.words import plain

_OPEN = "pp_edit_failed"  # in the session: delivery id -> its view, of the forms that are open


def popover(visit: Visit, view: DeliveryView, *, deleted: bool = False) -> None:
    """The button that opens the form. While it is open the form stays, whatever somebody else decides meanwhile.
    `deleted`: somebody has deleted the post; `view` is what it was."""
    one = view.delivery
    if _popover(one.id) not in st.session_state:
        _put_back(visit, view)
    with st.popover(
        "Edit and send", disabled=not visit.may("posts:publish"), key=_popover(one.id), on_change="rerun"
    ) as opened:
        if deleted:
            _too_late(visit, view, "this post was deleted.")
        elif one.state in UNFINISHED:
            _form(visit, view)
        else:
            _too_late(visit, view, f"someone else decided about this delivery, which is {one.state.value} now.")
    forms = st.session_state.setdefault(_OPEN, {})
    if opened.open:
        forms[one.id] = view
    else:
        forms.pop(one.id, None)


def _put_back(visit: Visit, view: DeliveryView) -> None:
    """On a page that was loaded anew: the words that could not be sent, in the open form."""
    one = view.delivery
    words = unsent.of_form(visit.user.id, _name(one.id))
    if words is None or not one.parts:
        return
    last = len(one.parts) - 1  # somebody else may have made other parts of it
    for i, part in enumerate(one.parts):
        if part.ref is None and (mine := words[i : i + 1] if i < last else words[i:]):
            st.session_state[_field(one.id, i, part.text)] = "\n\n".join(mine)
    st.session_state[_popover(one.id)] = True


def is_open(delivery_id: int) -> bool:
    """Whether the person has this form before them."""
    return bool(st.session_state.get(_popover(delivery_id)))


def posts_open(shown: Sequence[int]) -> list[int]:
    """The posts whose form is open although the page would no longer show them: filters may exclude what happened."""
    return sorted({view.delivery.post_id for view in _open_views()} - set(shown))


def _open_views() -> list[DeliveryView]:
    return [view for delivery_id, view in st.session_state.get(_OPEN, {}).items() if is_open(delivery_id)]


def of_deleted(visit: Visit, shown: Sequence[int]) -> None:
    """The open forms of posts that are there no more: what was typed in them is not lost with the post."""
    for view in _open_views():
        one = view.delivery
        if one.post_id in shown:
            continue
        with st.container(border=True, key=f"post-{one.post_id}-{one.id}"):
            st.warning(f"Post {one.post_id} was deleted while you edited it.", icon=":material/delete:")
            with st.container(horizontal=True, key=f"mend-{one.id}"):
                popover(visit, view, deleted=True)


def _fields(view: DeliveryView) -> None:
    delivery = view.delivery
    out = sum(part.ref is not None for part in delivery.parts) if delivery.state in UNFINISHED else 0
    several = len(delivery.parts) > 1
    for i, part in enumerate(delivery.parts):
        label = f"Part {i + 1}" if several else "Text"
        st.text_area(
            label,
            _first(delivery.id, i, part.text),
            disabled=i < out,
            height=140,
            key=_field(delivery.id, i, part.text),
        )


def _first(delivery_id: int, part: int, text: str) -> str:
    """What the field began with: it stays the same field when the delivery gets other words."""
    first: str = st.session_state.setdefault(f"edit-first-{delivery_id}-{part}", text)
    return first


def _form(visit: Visit, view: DeliveryView) -> None:
    """Its button works by a callback, because the delivery may have moved on when it is pressed."""
    delivery = view.delivery
    if not is_open(delivery.id):
        for i in range(len(delivery.parts)):  # it was shut: begin with the words as they are by now
            st.session_state.pop(f"edit-first-{delivery.id}-{i}", None)
    with st.form(f"edit-form-{delivery.id}", border=False):
        _fields(view)
        st.caption(f"Changes what goes to {view.platform} only. It is checked and reviewed first.")
        if problem := st.session_state.get(_problem(delivery.id)):
            st.error(plain(problem), icon=":material/edit:")
        approval.draw(_name(delivery.id))
        st.form_submit_button("Publish", type="primary", on_click=_send, args=(visit, view))


def _too_late(visit: Visit, view: DeliveryView, why: str) -> None:
    """Somebody else has decided while the form was open."""
    delivery = view.delivery
    with st.form(f"edit-form-{delivery.id}", border=False):
        _fields(view)
        st.warning(plain(f"Your text was not sent: {why}"), icon=":material/sync_problem:")
        st.form_submit_button("Save my text as a draft", type="primary", on_click=_save, args=(visit, view))
        st.form_submit_button("Discard my text", on_click=_shut, args=(visit, delivery.id))


def _save(visit: Visit, view: DeliveryView) -> None:
    texts = _typed(view)
    unsent.keep_form(visit.user.id, _name(view.delivery.id), tuple(texts))
    if not guard.is_still_in(visit):
        return
    acts.warn(f"Your text was not sent. {_kept(visit, view, texts)}")
    _shut(visit, view.delivery.id)


def _shut(visit: Visit, delivery_id: int) -> None:
    """In a callback only: a field of a page cannot be set after it was drawn."""
    unsent.drop_form(visit.user.id, _name(delivery_id))
    st.session_state[_popover(delivery_id)] = False
    st.session_state.get(_OPEN, {}).pop(delivery_id, None)
    st.session_state.pop(_problem(delivery_id), None)
    approval.clear(_name(delivery_id))


def _typed(view: DeliveryView) -> list[str]:
    one = view.delivery
    return [str(st.session_state.get(_field(one.id, i, part.text), part.text)) for i, part in enumerate(one.parts)]


def _send(visit: Visit, view: DeliveryView) -> None:
    one, texts, name = view.delivery, _typed(view), _name(view.delivery.id)
    unsent.keep_form(visit.user.id, name, tuple(texts))
    if not guard.is_still_in(visit):
        return
    approved = approval.given(name)
    st.session_state.pop(_problem(one.id), None)
    approval.clear(name)
    try:
        edit_failed.rewrite(visit.core, visit.actor, one.id, texts, approved)
    except ReviewNeeded as held:
        approval.ask(name, held)
    except (Conflict, NotFound) as error:
        acts.warn(f"Your text was not sent. {error.message} {_kept(visit, view, texts)}")
        _shut(visit, one.id)
    except PostProberError as error:
        st.session_state[_problem(one.id)] = error.message
    except Exception as error:  # a callback that raises leaves an empty page
        if not drafts.is_unavailable(error):
            raise
        st.session_state[_problem(one.id)] = "The database does not answer. Your text was not sent; try again."
    else:
        acts.tell("Publishing…")
        _shut(visit, one.id)


def _kept(visit: Visit, view: DeliveryView, texts: list[str]) -> str:
    """Keep the words as a draft; where they are now."""
    try:  # nosemgrep: every-error-caught # raised again unless the database is away
        drafts.save(visit.core, visit.actor, NewPost(tuple(texts), (view.delivery.account_id,)))
    except Exception as error:
        if not isinstance(error, PostProberError) and not drafts.is_unavailable(error):
            raise
        return f"Copy it from here: {' / '.join(texts)}"
    return "Saved as a draft: open Compose, then Drafts."


def _field(delivery_id: int, part: int, text: str) -> str:
    """Of a field that began with other words it is another one."""
    return f"edit-text-{delivery_id}-{part}-{crc32(_first(delivery_id, part, text).encode())}"


def _name(delivery_id: int) -> str:
    """For the approval."""
    return f"edit-{delivery_id}"


def _popover(delivery_id: int) -> str:
    return f"edit-{delivery_id}"


def _problem(delivery_id: int) -> str:
    return f"edit-problem-{delivery_id}"
