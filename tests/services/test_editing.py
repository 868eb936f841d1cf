"""A planned post is edited in a working copy, and changed all at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from postprober.domain.delivery import DeliveryState
from postprober.domain.post import PostStatus
from postprober.errors import Conflict, Stale
from postprober.pipeline.core import transitions
from postprober.services.posts import advice, drafts, editing, posts
from postprober.services.posts.posts import NewPost
from postprober.storage import deliveries
from postprober.storage.records import Post
from tests.installed import Installation
from tests.people import acting


def planned(inst: Installation, text: str = "As planned") -> Post:
    account = inst.link("bluesky")
    at = inst.core.clock.now() + timedelta(days=2)
    return posts.create(inst.core, acting(inst.core, inst.owner), NewPost((text,), (account.id,), at=at))


def edited(inst: Installation, post: Post, text: str) -> Post:
    copy = editing.begin(inst.core, acting(inst.core, inst.owner), post.id, "the-key")
    wish = replace(drafts.wish_of(copy), parts=(text,))
    return drafts.change(inst.core, acting(inst.core, inst.owner), copy.id, wish, [copy.version])


def test_what_is_planned_stays_until_the_changes_are_saved(installation: Installation) -> None:
    core, owner = installation.core, installation.owner
    post = planned(installation)
    copy = edited(installation, post, "In other words")
    with core.db.read() as conn:
        (before,) = deliveries.of_post(conn, post.id)
    assert before.parts[0].text == "As planned"
    assert editing.changes(core, acting(core, owner), post.id, drafts.wish_of(copy)) == editing.Changes(("text",), True)
    saved = drafts.submit(core, acting(core, owner), copy.id, [copy.version])
    with core.db.read() as conn:
        (after,) = deliveries.of_post(conn, post.id)
    assert (saved.id, saved.content, after.key) == (post.id, "In other words", before.key)
    assert after.parts[0].text == "In other words" and after.parts[0].handle == before.parts[0].handle
    found = drafts.by_key(core, acting(core, owner), "the-key")
    assert found is not None and found.id == post.id, "a page that comes back finds the post, not a draft"
    assert [p.id for p in posts.listing(core, acting(core, owner))[0]] == [post.id]


def test_there_is_one_working_copy_of_a_post(installation: Installation) -> None:
    post = planned(installation)
    first = editing.begin(installation.core, acting(installation.core, installation.owner), post.id, "one")
    assert (
        editing.begin(installation.core, acting(installation.core, installation.owner), post.id, "two").id == first.id
    )


def test_an_edit_of_what_changed_meanwhile_is_refused_and_kept(installation: Installation) -> None:
    core, owner = installation.core, installation.owner
    post = planned(installation)
    copy = edited(installation, post, "Mine")
    drafts.change(core, acting(core, owner), post.id, replace(drafts.wish_of(post), parts=("Theirs",)), [post.version])
    with pytest.raises(Stale, match="changed on another page"):
        drafts.submit(core, acting(core, owner), copy.id, [copy.version])
    assert (
        drafts.get(core, acting(core, owner), copy.id).content == "Mine"
        and drafts.get(core, acting(core, owner), post.id).content == "Theirs"
    )


def test_an_approval_covers_the_old_words_only(installation: Installation) -> None:
    core, owner = installation.core, installation.owner
    post = planned(installation, "TODO: write this")
    assert post.status == PostStatus.REVIEW
    post = advice.decide_review(core, acting(core, owner), post.id, True)
    copy = edited(installation, post, "TODO: write this, too")
    assert editing.changes(core, acting(core, owner), post.id, drafts.wish_of(copy)).approval_ends
    saved = drafts.submit(core, acting(core, owner), copy.id, [copy.version])
    assert (saved.id, saved.status) == (post.id, PostStatus.REVIEW)


def test_what_is_on_its_way_is_not_edited(installation: Installation) -> None:
    core, owner = installation.core, installation.owner
    post = planned(installation)
    copy = edited(installation, post, "Too late")
    with core.db.write() as conn:
        (found,) = deliveries.of_post(conn, post.id)
        for state in (DeliveryState.CLAIMED, DeliveryState.SUBMITTING):
            found = transitions.move(conn, found, state, reason="test", now=core.clock.now(), next_at=None)
    with pytest.raises(Conflict):
        drafts.submit(core, acting(core, owner), copy.id, [copy.version])
    with pytest.raises(Conflict):
        editing.begin(core, acting(core, owner), post.id, "other")
    assert drafts.get(core, acting(core, owner), copy.id).content == "Too late"


def test_the_page_that_wrote_a_post_finds_it_after_an_edit_and_makes_no_second_one(installation: Installation) -> None:
    core, owner = installation.core, installation.owner
    account = installation.link("bluesky")
    wish = NewPost(("As planned",), (account.id,), at=core.clock.now() + timedelta(days=2))
    draft = drafts.save(core, acting(core, owner), wish, key="the-writers")
    post = drafts.submit(core, acting(core, owner), draft.id)
    drafts.submit(core, acting(core, owner), edited(installation, post, "In other words").id)
    for key in ("the-writers", "the-key"):
        found = drafts.by_key(core, acting(core, owner), key)
        assert found is not None and (found.id, found.content) == (post.id, "In other words")
        with pytest.raises(Stale):
            drafts.save(core, acting(core, owner), wish, key=key)
    assert len(posts.listing(core, acting(core, owner))[0]) == 1


@pytest.mark.parametrize("key", ["the-writers", "the-key"])
def test_the_key_of_a_deleted_post_is_free_again(installation: Installation, key: str) -> None:
    core, owner = installation.core, installation.owner
    account = installation.link("bluesky")
    wish = NewPost(("As planned",), (account.id,), at=core.clock.now() + timedelta(days=2))
    post = drafts.submit(core, acting(core, owner), drafts.save(core, acting(core, owner), wish, key="the-writers").id)
    post = drafts.submit(core, acting(core, owner), edited(installation, post, "In other words").id)
    drafts.delete(core, acting(core, owner), post.id)
    assert drafts.by_key(core, acting(core, owner), key) is None
    again = drafts.save(core, acting(core, owner), wish, key=key)
    found = drafts.by_key(core, acting(core, owner), key)
    assert found is not None and found.id == again.id != post.id


def test_two_people_who_begin_at_once_have_one_working_copy(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    core, owner = installation.core, installation.owner
    post = planned(installation)
    theirs: list[Post] = []
    save = drafts.save

    def slow(*args: Any, **more: Any) -> Post:
        if not theirs:
            monkeypatch.setattr(drafts, "save", save)
            theirs.append(editing.begin(core, acting(core, owner), post.id, "theirs"))
        return save(*args, **more)

    monkeypatch.setattr(drafts, "save", slow)
    assert editing.begin(core, acting(core, owner), post.id, "mine").id == theirs[0].id
    assert [one.id for one in drafts.listing(core, acting(core, owner))] == [theirs[0].id]


def test_an_edit_that_moved_on_says_so_and_not_that_the_post_did(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    core, owner = installation.core, installation.owner
    copy = edited(installation, planned(installation), "Mine")
    change = drafts.change

    def meanwhile(*args: Any, **more: Any) -> Post:
        monkeypatch.setattr(drafts, "change", change)
        change(
            core, acting(core, owner), copy.id, replace(drafts.wish_of(copy), parts=("Mine, longer",)), [copy.version]
        )
        return change(*args, **more)

    monkeypatch.setattr(drafts, "change", meanwhile)
    with pytest.raises(Stale, match="This edit was changed meanwhile"):
        drafts.submit(core, acting(core, owner), copy.id, [copy.version])
    assert drafts.get(core, acting(core, owner), copy.id).content == "Mine, longer"
