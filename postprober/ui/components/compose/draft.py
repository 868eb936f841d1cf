"""The draft that a page of the composer works on, and the lock that keeps a double click from publishing twice.

Its home is the database: every change is stored at once, under a key that also stands in the page's address. A page
that comes back (another page was open, the app started anew, the connection was away) finds its draft by that key, or
what became of it; so no press of Publish can make a second post.
"""

from __future__ import annotations

import re
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, cast

from postprober.domain.actor import Actor
from postprober.domain.card import AS_THE_PAGE_SAYS, CardChoice
from postprober.domain.criteria import Criteria
from postprober.domain.platform import known
from postprober.domain.post import Preflight
from postprober.errors import Conflict, Forbidden, NotFound, PostProberError, Stale
from postprober.services.core import Core
from postprober.services.media import conversions, media, resumable
from postprober.services.posts import drafts, editing, posts
from postprober.services.posts.editing import CopyState
from postprober.services.posts.posts import Known, NewPost
from postprober.storage.records import Post

MAX_FILES = 20  # of a post: as many as the platform that takes most (platforms/NAME/limits.py)
COMMON = 0  # in `texts`: what every account gets that has no text of its own
Parted = Literal[
    "", "changed", "planned", "gone", "edit"
]  # what happened elsewhere to the draft that this page had open
Stopped = Literal["", "copy", "saved", "discarded", "changed", "ended", "deleted"]


def new_key() -> str:
    """96 random bits: nobody guesses the address of a draft, and no two pages choose the same."""
    return secrets.token_urlsafe(12)


def edit_key(post_id: int) -> str:
    """The same for the edit of a planned post, so that the address alone says that it was one."""
    return f"edit-{post_id}-{new_key()}"


def is_edit_key(key: str) -> bool:
    return re.fullmatch(r"edit-\d+-[A-Za-z0-9_-]{16}", key) is not None


@dataclass
class ComposerDraft:
    """`key`: of the stored draft, and in the page's address; `ref`: part of every widget's key, so that a page that comes
    back finds what is still in its fields, and the next draft starts empty; `page`: of this one page, whatever its draft.
    `texts`: account id (COMMON for all others)
    -> parts; `replaced`: those that were changed from outside of their fields; `read`: those whose stored words the
    fields have not shown yet. `saved`: the stored draft, as last written. `focus`: whose text is shown after a revision. `moved`: how often options were changed by something else than their fields.
    `post_id`: set as soon as the post is planned; `earlier`: another page did that. `kept`: ids of its files; `taken`: uploads that were seen. `slot`: the free slot that was taken, `typed`: the time that a person chose. `card`: what becomes of its link's card; `pages`: the
    links whose pages are shown, and whether each is still being read.
    `parted`: the page's words went on in a draft of their own; `other`: id of the one it left. `stopped`: why the words
    cannot go into the planned post that is edited (`copy`: another page has other words for it); `planned`: that post
    as it is now. While one of the two says something, nothing is published from here."""

    key: str = field(default_factory=new_key)
    ref: str = ""
    page: str = field(default_factory=new_key)
    user_id: int = 0
    revision: int = 0
    moved: int = 0
    focus: int = COMMON
    post_id: int | None = None
    earlier: bool = False
    saved: Post | None = None
    saved_wish: NewPost | None = None
    texts: dict[int, tuple[str, ...]] = field(default_factory=lambda: {COMMON: ("",)})
    replaced: set[int] = field(default_factory=set)
    read: set[int] = field(default_factory=set)
    chosen: tuple[int, ...] | None = None
    offered: tuple[int, ...] = ()
    kept: tuple[int, ...] = ()
    taken: set[int] = field(default_factory=set)
    described: set[int] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    at: datetime | None = None
    typed: datetime | None = None
    slot: datetime | None = None
    zone: str = ""
    criteria: Criteria | None = None
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    card: CardChoice = AS_THE_PAGE_SAYS
    pages: tuple[tuple[str, bool], ...] = ()
    checked: NewPost | None = None
    results: dict[int, Preflight] = field(default_factory=dict)
    known: Known = field(default_factory=Known)
    lock: threading.Lock = field(default_factory=threading.Lock)
    fork: bool = False
    parted: Parted = ""
    other: int | None = None
    stopped: Stopped = ""
    planned: Post | None = None

    def __post_init__(self) -> None:
        self.ref = self.ref or self.key

    @classmethod
    def of(cls, post: Post, user_id: int) -> ComposerDraft:
        """A stored draft to go on with; of a post that is planned or out already, what became of it."""
        wish = drafts.wish_of(post)
        texts = {COMMON: wish.parts, **(wish.variants or {})}
        return cls(
            key=post.draft_key or str(post.id),
            user_id=user_id,
            saved=post,
            saved_wish=wish,
            texts=texts,
            read=set(texts),
            chosen=wish.account_ids,
            kept=wish.media_ids,
            at=wish.at,
            typed=wish.at,
            criteria=wish.criteria,
            options={target: dict(values) for target, values in wish.options.items()},
            card=wish.card,
            post_id=None if post.status in drafts.UNSENT else post.id,
            earlier=post.status not in drafts.UNSENT,
        )

    @classmethod
    def like(cls, post: Post, user_id: int) -> ComposerDraft:
        """A new draft with the same texts, accounts and files, for now."""
        wish = drafts.wish_of(post)
        return cls(
            user_id=user_id,
            texts={COMMON: wish.parts, **(wish.variants or {})},
            chosen=wish.account_ids,
            kept=wish.media_ids,
            criteria=wish.criteria,
            options={target: dict(values) for target, values in wish.options.items()},
            card=wish.card,
        )

    @property
    def edits(self) -> int | None:
        """Id of the planned post that this draft will change."""
        return drafts.edited_by(self.saved) if self.saved else None

    @property
    def asks(self) -> bool:
        """Whether a person has to say first what happens to these words."""
        return bool(self.parted or self.stopped)

    @property
    def holds_words(self) -> bool:
        """Whether the words are in this page only: the working copy is gone, or has those of another page."""
        return self.stopped in ("copy", "saved", "discarded")

    def differs(self, texts: dict[int, tuple[str, ...]]) -> bool:
        """Whether some of these texts are not what is stored."""
        if self.saved is None:
            return True
        wish = drafts.wish_of(self.saved)
        own = wish.variants or {}
        return any(own.get(target, wish.parts) != parts for target, parts in texts.items())

    def name(self, widget: str) -> str:
        """Of a widget's key. The person is part of it: a browser tab in which somebody else has signed in holds words
        of the one before, and nothing of theirs may match."""
        return f"compose-{self.user_id}-{self.ref}-{widget}"

    def text_name(self, target: int, part: int) -> str:
        return self.name(f"text-{target}-{part}")

    def parts(self, target: int) -> tuple[str, ...]:
        """The account's own parts, else the common ones."""
        return self.texts.get(target) or self.texts[COMMON]

    def put(self, target: int, parts: tuple[str, ...]) -> None:
        """Replace a text from outside of its field."""
        self.texts[target] = parts
        self.show(target)

    def show(self, target: int) -> None:
        """Show a text that was replaced from outside of its field."""
        self.replaced.add(target)
        self.read.discard(target)
        self.focus = target
        self.revision += 1

    def attach(self, core: Core, actor: Actor) -> bool:
        """Put what was uploaded for this draft into it, and store it before the uploads count as taken: killed in between,
        the next page finds them again. Whether there was anything. Raises as `save`, and then tries again."""
        arrived = resumable.arrived(core, actor, {self.key, self.ref})
        with self.lock:
            for upload, media_id in arrived:
                if upload in self.taken or media_id in self.kept:
                    continue
                self.taken.add(upload)
                if len(self.kept) >= MAX_FILES:
                    self.refused.append(f"A post has at most {MAX_FILES} files; what came after them was not added.")
                else:
                    self.kept = (*self.kept, media_id)
                    self.described.add(media_id)
        if not arrived:
            return False
        self.save(core, actor, self.now())
        if self.saved_wish is not None and self.saved_wish.media_ids == self.kept:
            resumable.taken(core, actor, [upload for upload, _ in arrived])
        return True

    def describe(self, core: Core, actor: Actor, media_id: int, alt: str) -> None:
        """Give a file its alt text. A file that another post may use, too, becomes one of its own first. Raises BadInput
        or NotFound."""
        if media_id in self.described:
            try:
                media.describe(core, actor, media_id, alt)
            except Conflict:  # another page has published it, or duplicated the draft
                self.described.discard(media_id)
            else:
                self.saved_wish = None  # the ids are the same, what readers get is not: look at the draft anew
                return
        fresh = media.copy(core, actor, media_id, alt)
        self.kept = tuple(fresh if one == media_id else one for one in self.kept)
        self.described.add(fresh)

    def wish(self, account_ids: tuple[int, ...], media_ids: tuple[int, ...], at: datetime | None) -> NewPost:
        """What is asked for at this moment. The own text of an account that is not chosen now stays in it, unused."""
        common = self.texts[COMMON]
        own = {a: texts for a, texts in self.texts.items() if a != COMMON and texts != common}
        # What is for another account, or for a platform whose package is gone, would be refused with the words beside it.
        takes = {*(str(account) for account in account_ids), *known()}
        asked = {target: dict(values) for target, values in self.options.items() if target in takes}
        new = NewPost(common, account_ids, media_ids, at, variants=own, criteria=self.criteria, options=asked)
        return replace(new, card=self.card)

    def now(self) -> NewPost:
        """What is asked for, by what the page knew last."""
        return self.wish(self.chosen or (), self.kept, self.at)

    def check(self, core: Core, actor: Actor, new: NewPost) -> dict[int, Preflight]:
        """Preflight by account id; asked again only when something changed. Raises BadInput or NotFound."""
        if new != self.checked:
            self.results = posts.check(core, actor, new, self.known, but=(self.edits,) if self.edits else ())
            with suppress(Forbidden):  # who may only look starts no work
                conversions.start(core, actor, self.results.values())
            self.checked = new
        return self.results

    def save(self, core: Core, actor: Actor, new: NewPost, *, empty_too: bool = False) -> bool:
        """Keep what was written, once for each change; whether it was written now. A page on which nothing was done is
        not kept. Where the stored draft was changed, planned or deleted elsewhere, these words go on as a draft of
        their own (`parted`). Raises BadInput, NotFound or Unavailable; then the page still holds everything."""
        with self.lock:
            if self.post_id is not None or (new == self.saved_wish and not self.fork):
                return False
            if self.holds_words:
                return False
            if self.saved is None and not empty_too and self._untouched(new):
                return False
            if self.fork:
                written = self._part(core, actor, new)
            elif self.saved is None:
                written = self._first(core, actor, new)
            else:
                written = self._next(core, actor, new, self.saved)
            if written:
                self.saved_wish = new
            return written

    def _untouched(self, new: NewPost) -> bool:
        words = any(part.strip() for parts in self.texts.values() for part in parts)
        asked = new.at or new.criteria or new.options or new.card
        done = words or any(part.strip() for part in new.parts) or new.media_ids or asked
        return not done and set(new.account_ids) == set(self.offered)

    def _first(self, core: Core, actor: Actor, new: NewPost) -> bool:
        try:
            self.saved = drafts.save(core, actor, new, key=self.key)
        except Stale:
            return self._part(core, actor, new)
        return True

    def _next(self, core: Core, actor: Actor, new: NewPost, saved: Post) -> bool:
        try:
            self.saved = drafts.change(core, actor, saved.id, new, [saved.version])
        except (Conflict, NotFound):
            return self._part(core, actor, new)
        return True

    def _part(self, core: Core, actor: Actor, new: NewPost) -> bool:
        """The stored draft is no longer the one that this page knows: leave it as it is, keep these words beside it. Of a
        planned post's edit no draft is made unasked, because publishing that would make a second post."""
        theirs = self._theirs(core, actor)
        if theirs is not None and drafts.wish_of(theirs) == new and theirs.status in drafts.UNSENT:
            self.saved, self.fork = theirs, False  # the same words, written by another page
            return True
        if self.edits is not None:
            self.stopped, self.fork, self.described = "copy", False, set()
            self.look(core, actor)
            return False
        key = new_key()
        self.saved = drafts.save(core, actor, new, key=key)
        self.key, self.fork, self.described = key, False, set()
        self.other = theirs.id if theirs else None
        self.parted = "gone" if theirs is None else "changed" if theirs.status in drafts.UNSENT else "planned"
        return True

    def look(self, core: Core, actor: Actor) -> None:
        """Whether what is edited here can still go into its planned post."""
        if self.saved is None or self.edits is None or self.post_id is not None:
            return
        found, self.planned = editing.standing(core, actor, self.saved)
        if found is not CopyState.OPEN:
            self.stopped = cast(Stopped, found.value)
        elif self.stopped != "copy":
            self.stopped = ""

    def detach(self, core: Core, actor: Actor) -> Post | None:
        """A person wants these words as a draft of their own, with no time yet; the working copy, which is returned, has
        no use any more. Raises BadInput or NotFound."""
        with self.lock:
            key, new = new_key(), replace(self.now(), at=None)
            left, self.saved = self.saved, drafts.save(core, actor, new, key=key)
            self.key, self.saved_wish, self.checked, self.described = key, new, None, set()
            self.at = self.typed = self.slot = None
            self.stopped, self.planned = "", None
            self.revision += 1
            return left

    def replace_theirs(self, core: Core, actor: Actor) -> None:
        """A person wants these words instead of those that another page has written. Raises NotFound or Stale."""
        if self.saved is not None:
            self.saved, self.stopped, self.saved_wish = drafts.get(core, actor, self.saved.id), "", None

    def take_theirs(self, core: Core, actor: Actor) -> None:
        """A person wants the words that another page has written instead of these. Raises NotFound."""
        if self.saved is not None:
            theirs = drafts.get(core, actor, self.saved.id)
            fresh = ComposerDraft.of(theirs, actor.user)
            self.stopped, self.chosen, self.criteria, self.options = "", fresh.chosen, fresh.criteria, fresh.options
            self.card = fresh.card
            self.ref = new_key()  # fields of other names: those that were there would write over it what they show
            self.follow(theirs, self.focus)

    def _theirs(self, core: Core, actor: Actor) -> Post | None:
        try:
            if self.saved is not None:
                return drafts.get(core, actor, self.saved.id)
            return drafts.by_key(core, actor, self.key)
        except NotFound:
            return None

    def follow(self, post: Post, focus: int) -> None:
        """The stored draft was changed from outside of the fields (a suggestion was applied): show it as it is now."""
        wish = drafts.wish_of(post)
        self.saved, self.saved_wish, self.checked = post, wish, None
        before, self.texts = self.texts, {COMMON: wish.parts, **(wish.variants or {})}
        self.replaced |= {target for target, parts in self.texts.items() if parts != before.get(target)}
        self.at = self.typed = wish.at
        self.kept = wish.media_ids
        self.show(focus)

    def publish(self, core: Core, actor: Actor, new: NewPost) -> int:
        """Plan the post once, however often and from however many pages this is called; returns its id. Raises
        PreflightFailed, BadInput, Conflict.

        Streamlit may stop a run at any of its own calls and start the next one with the button still pressed. Between
        planning the post and noting its id there is no such call, and the lock makes a parallel run wait. Should the
        process end in between, the stored draft is a planned post by then, the page finds it by its key, and it cannot
        be submitted again.
        """
        left = self.other
        self.look(core, actor)
        if self.asks:
            raise Conflict("Choose first what happens to your text: the choices are at the top of the page.")
        self.save(core, actor, new, empty_too=True)
        if self.stopped:
            raise Conflict("The post was changed on another page. Your text was not saved to it.")
        if self.other != left and self.parted:
            raise Conflict(
                "The draft was changed on another page. Your text is a draft of its own now; check it first."
            )
        with self.lock:
            if self.post_id is None and self.saved is not None:
                try:
                    self.post_id = drafts.submit(core, actor, self.saved.id, [self.saved.version]).id
                except (Conflict, NotFound):
                    if not self._planned_elsewhere(core, actor):
                        raise
            if self.post_id is None:
                raise Conflict("The draft could not be stored. Try again.")
            return self.post_id

    def _planned_elsewhere(self, core: Core, actor: Actor) -> bool:
        theirs = self._theirs(core, actor)
        if theirs is None or theirs.status in drafts.UNSENT:
            if theirs is not None and self.saved is not None and theirs.version != self.saved.version:
                self.follow(theirs, self.focus)
            return False
        self.post_id, self.earlier = theirs.id, True
        return True

    def refresh(self, core: Core, actor: Actor) -> None:
        """The page was away: the draft as it is stored by now."""
        if self.saved is None or self.post_id is not None:
            return
        theirs = self._theirs(core, actor)
        if theirs is not None and theirs.version != self.saved.version:
            fresh = ComposerDraft.of(theirs, actor.user)
            if fresh.post_id is None:
                self.follow(theirs, self.focus)
                self.chosen, self.criteria, self.options = fresh.chosen, fresh.criteria, fresh.options
                self.card = fresh.card
            else:
                self.saved, self.post_id, self.earlier = theirs, fresh.post_id, True


def stored(core: Core, actor: Actor, key: str) -> ComposerDraft | None:
    """The draft of an address, None when there is none."""
    try:
        post = drafts.get(core, actor, int(key)) if key.isdecimal() else drafts.by_key(core, actor, key)
    except PostProberError:
        return None
    return ComposerDraft.of(post, actor.user) if post is not None else None
