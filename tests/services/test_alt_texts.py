"""An alt text is a part of what readers get: once a post is reviewed, approved or planned, it changes only with the post."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from postprober.agent.advisor import Advisor, Opinion
from postprober.agent.brief import Brief
from postprober.clock import ManualClock
from postprober.domain.post import PostStatus
from postprober.errors import Conflict
from postprober.services.core import Core
from postprober.services.media import media
from postprober.services.posts import advice, drafts, posts
from postprober.services.posts.posts import NewPost
from postprober.storage import deliveries, users
from postprober.storage import media as media_storage
from postprober.storage.database import Database
from postprober.storage.records import Post
from postprober.storage.tables import media as media_table
from postprober.ui.components.compose.draft import ComposerDraft
from tests.installed import Installation
from tests.people import acting


def _file(inst: Installation, tmp_path: Path) -> int:
    Image.new("RGB", (600, 600), "#336699").save(tmp_path / "a.png")
    return media.add_file(inst.core, acting(inst.core, inst.owner), tmp_path / "a.png", "As seen")


def _draft(inst: Installation, tmp_path: Path, text: str = "With a picture") -> tuple[Post, int]:
    file = _file(inst, tmp_path)
    at = inst.core.clock.now() + timedelta(days=2)
    return drafts.save(
        inst.core, acting(inst.core, inst.owner), NewPost((text,), (inst.link("bluesky").id,), (file,), at)
    ), file


def _alt(inst: Installation, file: int) -> str:
    return media.get(inst.core, acting(inst.core, inst.owner), file).alt


def test_of_a_draft_it_can_be_changed(installation: Installation, tmp_path: Path) -> None:
    _post, file = _draft(installation, tmp_path)
    media.describe(installation.core, acting(installation.core, installation.owner), file, "Better")
    assert _alt(installation, file) == "Better"


@pytest.mark.parametrize("text", ["With a picture", "TODO: with a picture"])
def test_of_what_is_planned_or_in_review_it_stays(installation: Installation, tmp_path: Path, text: str) -> None:
    core, owner = installation.core, installation.owner
    post, file = _draft(installation, tmp_path, text)
    post = drafts.submit(core, acting(core, owner), post.id)
    assert post.status == (PostStatus.REVIEW if "TODO" in text else PostStatus.SCHEDULED)
    with pytest.raises(Conflict, match="change the post"):
        media.describe(core, acting(core, owner), file, "Sneaked in")
    assert _alt(installation, file) == "As seen"


def test_of_an_approved_post_and_of_one_that_was_deleted_after_planning_it_stays(
    installation: Installation, tmp_path: Path
) -> None:
    core, owner = installation.core, installation.owner
    post, file = _draft(installation, tmp_path, "TODO: with a picture")
    drafts.submit(core, acting(core, owner), post.id)
    post = advice.decide_review(core, acting(core, owner), post.id, True)
    with pytest.raises(Conflict):
        media.describe(core, acting(core, owner), file, "Sneaked in")
    drafts.delete(core, acting(core, owner), post.id)
    with pytest.raises(Conflict):
        media.describe(core, acting(core, owner), file, "Sneaked in")


def test_a_file_of_two_drafts_is_changed_in_neither_by_the_other(installation: Installation, tmp_path: Path) -> None:
    core, owner = installation.core, installation.owner
    post, file = _draft(installation, tmp_path)
    drafts.save(core, acting(core, owner), drafts.wish_of(post))
    with pytest.raises(Conflict):
        media.describe(core, acting(core, owner), file, "For one of them")


def test_a_page_that_is_still_open_changes_the_post_and_not_the_file_behind_it(
    installation: Installation, tmp_path: Path
) -> None:
    """The page wrote the draft, another one published it; then an alt text is typed on the first."""
    core, owner = installation.core, installation.owner
    file = _file(installation, tmp_path)
    page = ComposerDraft(user_id=owner, kept=(file,), described={file}, chosen=(installation.link("bluesky").id,))
    page.texts[0] = ("With a picture",)
    page.save(core, acting(core, owner), page.now())
    assert page.saved is not None
    page.describe(core, acting(core, owner), file, "Better")
    assert page.kept == (file,) and _alt(installation, file) == "Better", "the control: the draft's own file"
    post = drafts.submit(core, acting(core, owner), page.saved.id)
    page.describe(core, acting(core, owner), file, "Sneaked in")
    assert _alt(installation, file) == "Better"
    page.save(core, acting(core, owner), page.now())
    with core.db.read() as conn:
        (planned,) = deliveries.of_post(conn, post.id)
    assert planned.parts[0].media == (file,)
    assert page.parted == "planned" and _alt(installation, page.kept[0]) == "Sneaked in"


def test_changed_with_the_post_it_is_reviewed_and_planned_anew(installation: Installation, tmp_path: Path) -> None:
    core, owner = installation.core, installation.owner
    post, file = _draft(installation, tmp_path, "TODO: with a picture")
    drafts.submit(core, acting(core, owner), post.id)
    post = advice.decide_review(core, acting(core, owner), post.id, True)
    other = media.copy(core, acting(core, owner), file, "Another text")
    changed = drafts.change(
        core, acting(core, owner), post.id, replace(drafts.wish_of(post), media_ids=(other,)), [post.version]
    )
    assert changed.status == PostStatus.REVIEW, "the approval was of the earlier alt text"
    assert changed.version > post.version


@dataclass(frozen=True)
class _Meanwhile(Advisor):
    """A reviewer during whose work something else happens."""

    then: Callable[[], None] = field(default=lambda: None)

    def review(self, brief: Brief) -> Opinion:
        opinion = super().review(brief)
        self.then()
        return opinion


def _during_the_review(inst: Installation, file: int, alt: str) -> Core:
    return replace(
        inst.core, advisor=_Meanwhile(then=lambda: media.describe(inst.core, acting(inst.core, inst.owner), file, alt))
    )


@pytest.mark.parametrize("text", ["With a picture", "TODO: with a picture"])
def test_changed_during_the_review_of_a_draft_nothing_is_planned(
    installation: Installation, tmp_path: Path, text: str
) -> None:
    core, owner = installation.core, installation.owner
    post, file = _draft(installation, tmp_path, text)
    with pytest.raises(Conflict, match="alt text was changed"):
        drafts.submit(
            _during_the_review(installation, file, "Not reviewed"),
            acting(_during_the_review(installation, file, "Not reviewed"), owner),
            post.id,
        )
    assert drafts.get(core, acting(core, owner), post.id).status == PostStatus.DRAFT
    drafts.submit(
        _during_the_review(installation, _file(installation, tmp_path), "Of another"),
        acting(_during_the_review(installation, _file(installation, tmp_path), "Of another"), owner),
        post.id,
    )
    assert drafts.get(core, acting(core, owner), post.id).status != PostStatus.DRAFT, (
        "the control: another file's alt text"
    )


def test_changed_during_the_review_of_a_new_post_nothing_is_planned(installation: Installation, tmp_path: Path) -> None:
    owner, file = installation.owner, _file(installation, tmp_path)
    new = NewPost(("With a picture",), (installation.link("bluesky").id,), (file,))
    before = installation.counts()
    with pytest.raises(Conflict, match="alt text was changed"):
        posts.create(
            _during_the_review(installation, file, "Not reviewed"),
            acting(_during_the_review(installation, file, "Not reviewed"), owner),
            new,
        )
    assert installation.counts() == before


def test_changed_during_the_review_of_an_edit_the_planned_post_stays(
    installation: Installation, tmp_path: Path
) -> None:
    core, owner = installation.core, installation.owner
    post, _ = _draft(installation, tmp_path)
    post = drafts.submit(core, acting(core, owner), post.id)
    fresh = _file(installation, tmp_path)
    edited = replace(drafts.wish_of(post), media_ids=(fresh,))
    with pytest.raises(Conflict, match="alt text was changed"):
        drafts.change(
            _during_the_review(installation, fresh, "Not reviewed"),
            acting(_during_the_review(installation, fresh, "Not reviewed"), owner),
            post.id,
            edited,
            [post.version],
        )
    assert drafts.get(core, acting(core, owner), post.id).version == post.version


def _stored(database: Database) -> tuple[int, int]:
    """Ids of a user and of a file of theirs."""
    now = ManualClock().now()
    columns = {"name": "a", "kind": "image", "mime": "image/png", "size": 1, "width": 1, "height": 1}
    with database.write() as conn:
        owner = users.add(conn, email="me@example.org", password_hash="-", now=now)
        return owner, media_storage.add(conn, space=owner, now=now, alt="", sha256="0", path="a", **columns)


def test_files_of_a_post_that_is_being_planned_wait_for_it(database: Database) -> None:
    """PostgreSQL lets others write meanwhile: `describe` waits at the row, and then finds the post that uses it."""
    owner, file = _stored(database)
    with database.write() as conn:
        (kept,) = media_storage.get_many(conn, [file], owner, hold=True)
        assert kept.id == file
    if database.is_sqlite:
        return  # it has one writer
    free = select(media_table.c.id).where(media_table.c.id == file).with_for_update(nowait=True, key_share=True)
    with database.write() as conn:
        assert conn.execute(free).scalar_one() == file, "the control: nobody holds it"
    with database.write() as planning:
        media_storage.get_many(planning, [file], owner, hold=True)
        with pytest.raises(OperationalError, match="could not obtain lock"), database.write() as other:
            other.execute(free)


def test_files_that_may_be_cleared_away_are_planned_with_only_when_that_is_decided(database: Database) -> None:
    """Otherwise a post that is planned at that moment would lose its file."""
    owner, file = _stored(database)
    before = ManualClock().now() + timedelta(days=1)
    with database.write() as conn:
        assert [record.id for record in media_storage.older(conn, owner, before)] == [file]
        assert media_storage.older(conn, owner, before - timedelta(days=1)) == []
    if database.is_sqlite:
        return  # it has one writer
    plan = select(media_table.c.id).where(media_table.c.id == file).with_for_update(nowait=True, read=True)
    with database.write() as conn:
        assert conn.execute(plan).scalar_one() == file, "the control: nobody holds it"
    with database.write() as clearing:
        media_storage.older(clearing, owner, before)
        with pytest.raises(OperationalError, match="could not obtain lock"), database.write() as planning:
            planning.execute(plan)
