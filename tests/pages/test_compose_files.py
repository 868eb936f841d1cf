"""Documents, crops and subtitles in the composer: tiles, choices, what the checks say, and what is stored."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from postprober.domain.platform import Platform
from postprober.services.accounts import accounts
from postprober.services.media import media
from postprober.services.posts import drafts, posts
from postprober.services.posts.posts import NewPost
from tests.domain.test_subtitles import SRT
from tests.pages.conftest import House, everything
from tests.pages.giving import give, sent
from tests.people import acting
from tests.pipeline.test_crops import halves
from tests.platforms.document_kit import pdf

Show = Callable[[str], AppTest]


@pytest.fixture
def owner(house: House) -> House:
    house.sign_in()
    return house


def stored(owner: House) -> dict[str, dict[str, object]]:
    (post,) = posts.listing(owner.core, acting(owner.core, owner.owner))[0]
    wish = drafts.wish_of(post)
    return {target: dict(values) for target, values in wish.options.items()}


def crop(app: AppTest, place: int) -> object:
    return next(one for one in app.selectbox if one.label == f"Crop picture {place}")


def test_a_draft_whose_key_has_two_underscores_has_its_files(
    owner: House, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit refuses such a key of a component, and one draft of 270 has it: the page was broken for that draft."""
    owner.account(Platform("linkedin"))
    monkeypatch.setattr(
        "postprober.ui.components.compose.draft.secrets.token_urlsafe", lambda _size: "ab__cd__efghijkl"
    )
    app = show("compose")
    give(owner, app, "plan.pdf", pdf(2))
    assert "plan.pdf" in everything(app)


def test_a_document_is_a_tile_with_its_name_and_pages(owner: House, show: Show) -> None:
    owner.account(Platform("linkedin"))
    app = show("compose")
    give(owner, app, "plan.pdf", pdf(12))
    said = everything(app)
    assert "plan.pdf" in said and "PDF, 12 pages" in said
    assert not any("alt text" in one.label for one in app.text_input) and not app.exception
    assert not any(one.label.startswith("Crop") for one in app.selectbox)


def test_a_broken_document_is_refused_in_a_sentence(owner: House, show: Show) -> None:
    owner.account(Platform("linkedin"))
    app = show("compose")
    reply = sent(owner, app, "plan.pdf", pdf(1, password="x"))
    assert reply.status_code == 422 and "The document is encrypted" in reply.text, "the uploader says it"


def test_a_crop_is_chosen_for_a_platform_and_moves_up_with_its_picture(owner: House, show: Show) -> None:
    owner.account(Platform("mastodon"))
    app = show("compose")
    app.text_area[0].set_value("Two pictures").run()
    for name, width in (("a.jpg", 1000), ("b.jpg", 1200)):
        give(owner, app, name, halves(width, 900))
    crop(app, 2).set_value("square").run()  # type: ignore[attr-defined]
    assert stored(owner) == {"mastodon": {"crop": ["2: square"]}}
    next(one for one in app.button if one.label == "Remove").click().run()
    assert stored(owner) == {"mastodon": {"crop": ["1: square"]}}
    assert crop(app, 1).value == "square" and not app.exception  # type: ignore[attr-defined]
    crop(app, 1).set_value("whole").run()  # type: ignore[attr-defined]
    assert stored(owner) == {}


def test_subtitles_are_a_tile_with_their_language(owner: House, show: Show) -> None:
    owner.account(Platform("bluesky"))
    app = show("compose")
    give(owner, app, "talk.de.srt", SRT)
    said = everything(app)
    assert "talk.de.srt" in said and "Subtitles de" in said and "Add the video that the subtitles are for" in said


def drafted(owner: House, show: Show, asked: dict[str, object], *names: str) -> AppTest:
    """A draft with these files, and with what a program asked for, opened."""
    actor = acting(owner.core, owner.owner)
    contents = {"vtt": SRT, "jpg": halves(1200, 900)}
    ids = tuple(media.add_bytes(owner.core, actor, name, contents[name.rpartition(".")[2]]) for name in names)
    account = next(one for one in accounts.listing(owner.core, actor))
    new = NewPost(("Words",), (account.id,), ids, options={account.platform.value: asked})
    drafts.save(owner.core, actor, new)
    app = show("compose")
    return next(one for one in app.button if one.label == "Open").click().run()


@pytest.mark.parametrize(
    "entry", ["1: 0.125,0,0.3333,1", "1: 0,0,5,5", "1: 0.9,0,0.1,1", "1: 0.5,0,0.5,1", "1: 0.996,0,0.999,1"]
)
def test_a_crop_that_a_program_wrote_stays_as_it_is(owner: House, show: Show, entry: str) -> None:
    owner.account(Platform("mastodon"))
    app = drafted(owner, show, {"crop": [entry]}, "a.jpg")
    app.text_area[0].set_value("Other words").run()
    assert not app.exception and "went wrong" not in everything(app) and crop(app, 1)
    (post,) = posts.listing(owner.core, acting(owner.core, owner.owner))[0]
    assert (post.content, stored(owner)) == ("Other words", {"mastodon": {"crop": [entry]}})
    app.slider[0].set_value((25, 75)).run()
    (changed,) = stored(owner)["mastodon"]["crop"]  # type: ignore[misc]
    assert str(changed).startswith("1: 0.25,") and str(changed).split(",")[2] == "0.75", (
        "the control: a person moves it"
    )


@pytest.mark.parametrize("names", [(), ("a.jpg",)])
def test_a_crop_of_a_file_that_is_not_there_can_be_removed(owner: House, show: Show, names: tuple[str, ...]) -> None:
    """The checks say "Remove the crop of file 3"; there was nothing with which a person could."""
    owner.account(Platform("mastodon"))
    app = drafted(owner, show, {"crop": ["3: square"]}, *names)
    assert "Remove the crop of file 3" in everything(app)
    next(one for one in app.button if one.label.startswith("Remove the crop 3")).click().run()
    assert "Remove the crop of file" not in everything(app) and stored(owner) == {} and not app.exception
    assert "Remove the crop" not in everything(app.run())


def test_subtitles_do_not_count_among_the_pictures_to_crop(owner: House, show: Show) -> None:
    owner.account(Platform("mastodon"))
    app = drafted(owner, show, {"crop": ["1: square", "2: 4:5"]}, "talk.en.vtt", "a.jpg", "b.jpg")
    assert [crop(app, place).value for place in (1, 2)] == ["square", "4:5"]  # type: ignore[attr-defined]
    next(one for one in app.button if one.label == "Remove").click().run()  # of the subtitles
    assert stored(owner) == {"mastodon": {"crop": ["1: square", "2: 4:5"]}}


def test_the_people_in_a_picture_go_with_it(owner: House, show: Show) -> None:
    """They were tagged in the next picture, which moved up to its place."""
    owner.account(Platform("instagram"))
    asked = {"tagged": ["ann 0.5 0.25", "2: bo 0 1", "3: @cy 1 1"], "crop": ["1: square", "3: 4:5"]}
    app = drafted(owner, show, asked, "a.jpg", "b.jpg", "c.jpg")
    next(one for one in app.button if one.label == "Remove").click().run()
    app.text_area[0].set_value("Other words").run()
    assert stored(owner) == {"instagram": {"tagged": ["1: bo 0 1", "2: @cy 1 1"], "crop": ["2: 4:5"]}}
    assert not app.exception
