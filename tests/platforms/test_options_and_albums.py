"""What posts ask for beside their words, and how many files go with them, as each platform's adapter sends and reads it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from postprober.domain.options import AskedFor, compare, fields_of, lasting, parse
from postprober.domain.platform import NAMES, Platform, described, known
from postprober.domain.post import Draft, MediaFile, Part
from postprober.domain.preflight import check
from postprober.domain.remote import RemoteMedia
from postprober.errors import BadInput, PostRejected
from postprober.platforms.registry import LIMITS
from tests.platforms.adapter_kit import Link

Photo = Callable[..., MediaFile]
Public = Callable[[MediaFile], MediaFile]
P = Platform
NUMBERED = {"instagram": 10, "linkedin": 20, "bluesky": 10, "x": 4, "mastodon": 4}


@pytest.mark.parametrize("platform", NUMBERED)
def test_as_many_pictures_as_the_platform_takes_go_out_in_order(
    link: Link, photo: Photo, public: Public, platform: str
) -> None:
    most = NUMBERED[platform]
    options = {"scopes": ["openid", "profile", "w_member_social", "r_member_social"]} if platform == "linkedin" else {}
    account = link(P(platform), **options)
    files = [public(replace(photo(f"picture {n}", shade=10 * n), id=n)) for n in range(most)]
    job = account.job("An album", *files)
    receipt = account.publish(replace(job, handle=account.adapter.new_handle(job.key, 0, job.composed_at)))
    found = account.adapter.fetch(account.cred, receipt.ref.remote_id)
    assert found is not None
    assert found.media == tuple(RemoteMedia("image", f"picture {n}") for n in range(most))


@pytest.mark.parametrize("platform", NUMBERED)
def test_one_picture_too_many_is_said_before(photo: Photo, platform: str) -> None:
    most = NUMBERED[platform]
    limits = LIMITS[P(platform)]
    for count, codes in ((most, set()), (most + 1, {"too_many_images"})):
        draft = Draft((Part("An album", tuple(photo() for _ in range(count))),))
        found = check(draft, limits).violations
        assert {v.code for v in found} == codes
        assert [v.over for v in found] == [1] * len(codes)


def test_an_album_on_instagram_holds_pictures_and_videos(
    link: Link, photo: Photo, video: MediaFile, public: Public
) -> None:
    account = link(P("instagram"))
    receipt = account.publish(account.job("Both", public(photo("first")), public(video), public(photo("last"))))
    found = account.adapter.fetch(account.cred, receipt.ref.remote_id)
    assert found is not None and found.media is not None
    assert [one.kind for one in found.media] == ["image", "video", "image"]


def test_a_reel_asks_for_its_cover_its_place_and_its_people(link: Link, video: MediaFile, public: Public) -> None:
    account = link(P("instagram"))
    options = {
        "collaborators": ["@ann.smith", "bo"],
        "reel_in_feed": False,
        "cover_at_ms": 1500,
        "place": "106078429431815",
        "made_with_ai": True,
    }
    receipt = account.publish(replace(account.job("A reel", public(video)), options=options))
    (post,) = account.truth()
    assert post["extra"]["asked"] == {
        "collaborators": ["ann.smith", "bo"],
        "share_to_feed": False,
        "thumb_offset": "1500",
        "location_id": "106078429431815",
        "is_ai_generated": "true",
    }
    found = account.adapter.fetch(account.cred, receipt.ref.remote_id)
    assert found is not None
    differences, notes = compare(AskedFor(described(P("instagram")).options, options), found.options)
    assert differences == []
    assert {note.split(":")[0] for note in notes} == {"Collaborators", "Place", "Made with AI", "Reel"}


def test_the_description_of_a_picture_is_not_missed_in_a_story(link: Link, photo: Photo, public: Public) -> None:
    account, file = link(P("instagram")), photo("A door")
    receipt = account.publish(replace(account.job("Words", public(file)), options={"story": True}))
    found = account.adapter.fetch(account.cred, receipt.ref.remote_id)
    options = described(P("instagram")).options.of({"story": True})
    assert found is not None and found.media == (RemoteMedia("image", ""),)
    assert [one.alt for one in options.posted((file,))] == [""]
    notes = check(Draft((Part("Words", (file,)),), options={"story": True}), LIMITS[P("instagram")]).notes
    assert [one.code for one in notes] == ["story_text", "story_alt"]


def test_a_story_is_counted_without_likes_and_spoils_no_other_counts(link: Link, photo: Photo, public: Public) -> None:
    account = link(P("instagram"))
    story = account.publish(replace(account.job("", public(photo())), options={"story": True})).ref.remote_id
    other = account.publish(account.job("To stay", public(photo()))).ref.remote_id
    read = account.adapter.read_many(account.cred, [story, other])
    assert read[story].post is not None and read[story].post.options["story"] is True
    assert (read[story].counts.likes, read[story].counts.replies is None, read[story].counts.views is None) == (
        None,
        False,
        False,
    )
    assert None not in (read[other].counts.likes, read[other].counts.views, read[other].counts.bookmarks)


def test_people_in_the_files_are_found_by_name_before_anything_is_uploaded(link: Link, photo: Photo) -> None:
    account, friend = link(P("x")), link(P("x"))
    job = replace(account.job("With a friend", photo()), options={"tagged": [f"@{friend.name.upper()}"]})
    account.publish(job)
    (post,) = account.truth()
    assert post["extra"]["tagged"] == [friend.cred.remote_id]
    nobody = replace(account.job("With nobody", photo()), options={"tagged": ["@nobody_there"]})
    with pytest.raises(PostRejected, match="nobody called @nobody_there on X"):
        account.publish(nobody)
    assert len(account.truth()) == 1


def test_a_reel_that_is_in_the_feed_against_the_wish_is_told(link: Link, video: MediaFile, public: Public) -> None:
    account = link(P("instagram"))
    account.fault("dropped_fields", operation="create", params={"fields": ["share_to_feed"]})
    account.fault("dropped_fields", operation="container", params={"fields": ["share_to_feed"]})
    options = {"reel_in_feed": False}
    receipt = account.publish(replace(account.job("A reel", public(video)), options=options))
    found = account.adapter.fetch(account.cred, receipt.ref.remote_id)
    assert found is not None
    differences, _ = compare(AskedFor(described(P("instagram")).options, options), found.options)
    assert differences == ["Reel: show in the feed, too is shown as “yes” and was sent as “no”."]


@pytest.mark.parametrize(
    ("platform", "options", "files", "says"),
    [
        ("instagram", {"cover_at_ms": 5000}, "video", "ends 1000 milliseconds before it"),
        ("instagram", {"cover_at_ms": 5000}, "photo", "only a single video is one"),
        ("instagram", {"collaborators": ["no spaces here"]}, "photo", "is no user name"),
        ("instagram", {"place": "Berlin"}, "photo", "number of the place"),
        ("instagram", {"cover_picture": True}, "video", "exactly one video and the picture"),
        ("instagram", {"cover_picture": True, "cover_at_ms": 9}, "video+photo", "Choose one cover"),
        ("instagram", {"tagged": ["ann.smith"]}, "photo", "Say where ann.smith is"),
        ("instagram", {"tagged": ["ann.smith 0.5 1.5"]}, "photo", "two numbers from 0 to 1"),
        ("instagram", {"tagged": ["ann.smith 0.5"]}, "photo", "tags nobody"),
        ("instagram", {"tagged": ["2: ann.smith 0.5 0.5"]}, "photo", "number 2 is not among the 1"),
        ("instagram", {"tagged": ["ann.smith 0 0", "1: @ann.smith 1 1"]}, "photo", "once on each file"),
        ("instagram", {"tagged": ["ann.smith 0.5 0.5"]}, "video", "a video takes the name only"),
        ("instagram", {"story": True, "place": "1"}, "photo", "a Story takes neither"),
        ("instagram", {"story": True, "cover_at_ms": 9}, "video", "only a single video is one"),
        ("x", {"poll_choices": ["a", "b"]}, "photo", "files and a poll"),
        ("x", {"quote": "https://x.com/ann"}, "", "ends with /status/ and a number"),
        ("x", {"made_with_ai": True}, "", "Add the file that was made with AI"),
        ("x", {"tagged": ["ann"]}, "", "Add the files in which these people are"),
        ("x", {"tagged": ["ann smith"]}, "photo", "is no user name on X"),
        ("x", {"tagged": ["@ann", "ANN"]}, "photo", "each person in the files once"),
        ("x", {"place": "Berlin, Mitte"}, "", "letters and digits such as"),
        ("x", {"community": "knitting"}, "", "community's number"),
        ("x", {"poll_choices": ["a" * 26, "b"]}, "", "longest choice by 1"),
        ("linkedin", {"poll_choices": ["a", "b"]}, "", "Write the question"),
        ("linkedin", {"poll_question": "q" * 141, "poll_choices": ["a", "b"]}, "", "question of the poll by 1"),
        ("linkedin", {"reshare": "https://www.linkedin.com/in/ann"}, "", "URN of the post"),
        ("linkedin", {"reshare": "urn:li:share:7141138937766391808"}, "photo", "files and a repost"),
        ("bluesky", {"quote": "https://bsky.app/profile/ann"}, "", "link of the post to quote"),
        ("mastodon", {"quote": "https://m.example/@ann"}, "", "link of the post to quote"),
        ("mastodon", {"quote": "https://m.example/@ann/1"}, "photo", "the files and the poll"),
        ("mastodon", {"quote": "https://m.example/@ann/1", "poll_choices": ["a", "b"]}, "", "the files and the poll"),
        ("mastodon", {"audience": "followers", "who_can_quote": "public"}, "", "quoted by nobody else"),
        ("mastodon", {"language": "deutsch?"}, "", "no language tag"),
        ("bluesky", {"languages": ["deutsch?"]}, "", "no language tag"),
    ],
)
def test_what_cannot_go_out_is_one_sentence(
    photo: Photo, video: MediaFile, platform: str, options: dict[str, object], files: str, says: str
) -> None:
    stored = parse(described(P(platform)).options, options, NAMES[P(platform)])
    media = {"": (), "photo": (photo(),), "video": (video,), "video+photo": (video, photo())}[files]
    found = [v.message for v in check(Draft((Part("Words", media),), options=stored), LIMITS[P(platform)]).violations]
    assert len([one for one in found if says in one]) == 1, found


@pytest.mark.parametrize("platform", known())
def test_every_option_has_a_title_its_default_is_nothing_and_its_choices_are_its_own(platform: Platform) -> None:
    options = described(platform).options
    assert options().stored() == {}
    for one in fields_of(options):
        assert one.title and re.fullmatch(r"[a-z_]+", one.name)
        assert (one.kind == "choice") == bool(one.choices)
        for choice in one.choices:
            stored = parse(options, {one.name: choice}, "It")
            assert stored == ({} if choice == one.default else {one.name: choice})


@pytest.mark.parametrize("platform", known())
def test_what_is_stored_is_read_again(platform: Platform) -> None:
    options = described(platform).options
    for one in fields_of(options):
        value = {
            "yes or no": not one.default,
            "choice": list(one.choices)[-1] if one.choices else "",
            "text": "words",
            "link": "https://example.org/1",
            "texts": ["a", "b"],
            "crops": ["1: square", "2: 4:5"],
            "number": one.least if one.least != one.default else one.most,
            "minutes": one.least,
        }[one.kind]
        stored = parse(options, {one.name: value}, "It")
        assert stored == {one.name: value}
        assert options.of({**stored, "gone_by_now": 1}).stored() == stored
        shown = {one.name: value}
        assert compare(AskedFor(options, stored), shown) == ([], [])
        if not one.account_decides:
            assert compare(AskedFor(options, {}), shown)[0], "it was not asked for, and it is there"


@pytest.mark.parametrize(
    ("typed", "stored"),
    [("a|b", ["a", "b"]), (" a | b |", ["a", "b"]), ("", []), (["a"], ["a"])],
)
def test_several_texts_may_stand_on_one_line(typed: object, stored: list[str]) -> None:
    made = parse(described(P("mastodon")).options, {"poll_choices": typed}, "Mastodon")
    assert made == ({"poll_choices": stored} if stored else {})


@pytest.mark.parametrize("typed", ["yes", "true", "1", "on", True])
def test_yes_is_written_in_several_ways(typed: object) -> None:
    assert parse(described(P("mastodon")).options, {"sensitive": typed}, "Mastodon") == {"sensitive": True}


@pytest.mark.parametrize("value", [None, {}, [1], 3.5, "maybe"])
def test_a_value_of_another_kind_is_refused_in_words(value: object) -> None:
    with pytest.raises(BadInput, match=r"^X: Poll length \(poll_minutes\) takes a whole number of minutes\.$"):
        parse(described(P("x")).options, {"poll_minutes": value}, "X")


def test_five_platforms_have_options() -> None:
    """The control of the table above: a platform that lost its options would pass it without any."""
    assert {p for p in known() if fields_of(described(p).options)} >= {P(name) for name in NUMBERED}


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(5, "5 minutes"), (60, "1 hour"), (1440, "1 day"), (1505, "1 day 1 hour 5 minutes"), (0, "0 minutes")],
)
def test_a_length_is_told_in_words(minutes: int, words: str) -> None:
    assert lasting(minutes) == words


@pytest.mark.parametrize(
    ("platform", "asked", "left"),
    [
        ("instagram", {"tagged": ["ann 0 1", "1: bo 1 1", "2:cy"]}, {"tagged": ["1: cy"]}),
        ("instagram", {"tagged": ["ann"], "cover_picture": True}, {"tagged": ["ann"], "cover_picture": True}),
        ("instagram", {"tagged": "odd", "crop": 5, "story": True}, {"tagged": "odd", "crop": 5, "story": True}),
        ("x", {"tagged": ["@ann"], "crop": ["2: square"]}, {"tagged": ["@ann"], "crop": ["1: square"]}),
        ("telegram", {}, {}),
        ("wordpress", {}, {}),
        (
            "nostr",
            {"content_warning": "Spiders", "crop": ["2: square"]},
            {"content_warning": "Spiders", "crop": ["1: square"]},
        ),
    ],
)
def test_what_is_asked_for_a_file_goes_with_it(
    platform: str, asked: dict[str, object], left: dict[str, object]
) -> None:
    """On X people are tagged in all files together, on Instagram in one."""
    assert described(P(platform)).options.without_file(asked, 1) == left
