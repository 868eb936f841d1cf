"""A crop is an option: checked with the size that it leaves, sent so, made once, and a part of what is approved."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from postprober.domain import crops
from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.limits import ImageRule
from postprober.domain.options import NOTHING_ASKED
from postprober.domain.platform import Platform
from postprober.domain.post import Draft, MediaFile, MediaKind, Part
from postprober.domain.preflight import check
from postprober.domain.remote import RemoteMedia
from postprober.errors import BadInput
from postprober.pipeline.core.tokens import open_credentials
from postprober.platforms.common.media import MAX_PIXELS, fit_image, renditions_of, thumbnail
from postprober.platforms.registry import LIMITS
from postprober.probe.compare import compare_media
from postprober.services.media import media
from postprober.services.posts import posts, review_gate
from postprober.services.posts.posts import NewPost, PreflightFailed
from postprober.storage import accounts, attempts, deliveries
from tests.installed import Installation
from tests.people import acting
from tests.pipeline.test_on_the_sandbox import context
from tests.pipeline.test_options import ended, linked

RULE = ImageRule(4, ("image/jpeg", "image/png"), 5_000_000)
FILE = MediaFile(1, MediaKind.IMAGE, "image/jpeg", 1000, 1000, 500, "s", "/x")
VIDEO = MediaFile(2, MediaKind.VIDEO, "video/mp4", 1000, 1000, 500, "s", "/x")


def halves(width: int = 1000, height: int = 500, *, turned: bool = False) -> bytes:
    """Red on the left and blue on the right as people see it; `turned`: stored on its side, with EXIF that says so."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (width // 2, 0, width, height))
    exif = Image.Exif()
    if turned:
        picture = picture.transpose(Image.Transpose.ROTATE_90)
        exif[0x0112] = 6
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=95, exif=exif)
    return out.getvalue()


def colours(content: bytes) -> tuple[tuple[int, int], set[str]]:
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    corners = [picture.getpixel((x, y)) for x in (2, picture.width - 3) for y in (2, picture.height - 3)]
    return picture.size, {"red" if r > b else "blue" for r, _, b in corners}


@pytest.mark.parametrize(
    ("wanted", "size"),
    [
        ("square", (500, 500)),
        ("4:5", (400, 500)),
        ("1.91:1", (955, 500)),
        ("16:9", (888, 500)),
        ("0.5,0,1,1", (500, 500)),
        ("0, .25 , 1, 0.75", (1000, 250)),
    ],
)
def test_a_crop_leaves_what_it_says(wanted: str, size: tuple[int, int]) -> None:
    (file,) = crops.applied((FILE,), {"crop": [f"1: {wanted}"]})
    assert (file.width, file.height) == size and file.crop is not None
    assert list(crops.problems((FILE,), {"crop": [f"1: {wanted}"]})) == []
    for poison in ({"crop": 5}, {"crop": "1: square"}, {"crop": [None, 7, "1: 9,9,9,9"]}):
        assert crops.applied((FILE,), poison) == (FILE,)
    assert crops.applied((FILE,), {"crop": ["1: 0,0,1,1"]}) == (FILE,) == crops.applied((FILE,), {})


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        (["square"], "crop_unreadable"),
        (["1: round"], "crop_unreadable"),
        (["1: 0,0,1"], "crop_unreadable"),
        (["1: nan,0,1,1"], "crop_unreadable"),
        (["1: -0.1,0,1,1"], "crop_unreadable"),
        (["1: 0.5,0,0.4,1"], "crop_impossible"),
        (["1: 0,0,1.5,1"], "crop_impossible"),
        (["1: 0.5,0,0.52,1"], "crop_impossible"),
        (["3: square"], "crop_of_nothing"),
        (["0: square"], "crop_of_nothing"),
        (["2: square"], "crop_of_nothing"),
        (["1: square", "1: 4:5"], "crop_twice"),
    ],
)
def test_a_wrong_crop_is_said_in_one_sentence(entries: list[str], code: str) -> None:
    found = check(Draft((Part("x", (FILE, VIDEO)),), options={"crop": entries}), LIMITS[Platform("instagram")])
    assert [one.code for one in found.violations if one.code.startswith("crop")] == [code]


def test_the_crops_of_later_files_move_up_when_one_is_removed() -> None:
    assert crops.without(["1: square", "2: 4:5", "3: 0,0,1,0.5", "odd"], 2) == ["1: square", "2: 0,0,1,0.5", "odd"]
    assert crops.wish(crops.written(2, (0.1, 0, 0.98765, 1))) == (2, (0.1, 0.0, 0.9877, 1.0))


def test_a_platform_that_takes_no_such_shape_takes_the_crop_of_it() -> None:
    tall = MediaFile(1, MediaKind.IMAGE, "image/jpeg", 1000, 1000, 3000, "s", "/x")
    limits = LIMITS[Platform("instagram")]
    whole = check(Draft((Part("x", (tall,)),)), limits)
    assert [one.code for one in whole.violations] == ["image_ratio"]
    assert check(Draft((Part("x", (tall,)),), options={"crop": ["1: 4:5"]}), limits).ok
    thin = check(Draft((Part("x", (tall,)),), options={"crop": ["1: 0,0,0.1,0.04"]}), limits)
    assert any(one.code.startswith("crop") for one in thin.violations)


def test_the_same_wish_means_the_same_picture_with_and_without_subtitles() -> None:
    """Subtitles go to some platforms only, so that they cannot count among the places."""
    track = MediaFile(3, MediaKind.SUBTITLES, "text/vtt", 50, 0, 0, "s", "/x", name="talk.en.vtt")
    other = MediaFile(4, MediaKind.IMAGE, "image/jpeg", 1000, 1000, 500, "s", "/x")
    asked = {"crop": ["2: square"]}
    for files in ((VIDEO, FILE, other), (VIDEO, track, FILE, other), (track, VIDEO, FILE, other)):
        assert [file.id for file in crops.applied(files, asked) if file.crop is not None] == [FILE.id]
        assert list(crops.problems(files, asked)) == []
    found = check(Draft((Part("x", (VIDEO, track, FILE)),), options={"crop": ["3: square"]}), LIMITS[Platform("x")])
    assert "crop_of_nothing" in [one.code for one in found.violations]


@pytest.mark.parametrize("preset", list(crops.PRESETS))
@pytest.mark.parametrize("size", [(12_000, 300), (300, 12_000), (5000, 1)])
def test_a_named_shape_is_cut_of_the_longest_picture_too(preset: str, size: tuple[int, int]) -> None:
    """It went out whole, without a word, where the shape left less than a twentieth of a side."""
    long = MediaFile(1, MediaKind.IMAGE, "image/jpeg", 1000, *size, "s", "/x")
    (file,) = crops.applied((long,), {"crop": [f"1: {preset}"]})
    assert file.crop is not None and file.width * file.height < long.width * long.height
    if min(size) > 1:
        assert abs(file.width / file.height / crops.PRESETS[preset] - 1) < 0.02


def test_the_least_part_may_be_chosen() -> None:
    """0.15 - 0.1 is a little less than 0.05 for a computer, and for nobody else."""
    for entry in ("1: 0.1,0,0.15,1", "1: 0,0.3,1,0.35", "1: 0.95,0,1,1"):
        assert list(crops.problems((FILE,), {"crop": [entry]})) == []
        assert crops.applied((FILE,), {"crop": [entry]})[0].crop is not None
    assert [one.code for one in crops.problems((FILE,), {"crop": ["1: 0.1,0,0.149,1"]})] == ["crop_impossible"]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("wanted", "seen"), [("0,0,0.48,1", {"red"}), ("0.52,0,1,1", {"blue"}), ("square", {"red", "blue"})]
)
def test_the_part_is_cut_as_people_see_the_picture(wanted: str, seen: set[str], turned: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(halves(turned=turned))
    (file,) = crops.applied((FILE,), {"crop": [f"1: {wanted}"]})
    made = fit_image(str(path), RULE, file.crop)
    assert colours(made.data) == ((file.width, file.height), seen) == ((made.width, made.height), seen)
    assert colours(thumbnail(path, 200, file.crop))[1] == seen
    assert colours(fit_image(str(path), RULE).data) == ((1000, 500), {"red", "blue"})


def test_the_part_of_a_large_picture_is_cut_in_the_helper(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(halves(6000, 3000))
    assert MAX_PIXELS > 6000 * 3000
    (file,) = crops.applied(
        (MediaFile(1, MediaKind.IMAGE, "image/jpeg", 9, 6000, 3000, "s", "/x"),), {"crop": ["1: 0,0,0.25,1"]}
    )
    small = ImageRule(4, ("image/jpeg",), 5_000_000, max_width=300)
    made = fit_image(str(path), small, file.crop)
    assert colours(made.data) == ((300, 600), {"red"})
    assert colours(thumbnail(path, 300, file.crop))[1] == {"red"}


def test_each_part_of_a_stored_file_is_made_once(tmp_path: Path) -> None:
    stored = tmp_path / "aa" / f"{'a' * 64}.jpg"
    stored.parent.mkdir()
    stored.write_bytes(halves())
    for crop in (None, (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0), (0.0, 0.0, 0.5, 1.0), None):
        fit_image(str(stored), RULE, crop)
    assert len(renditions_of(stored)) == 3


def planned(inst: Installation, platform: str, asked: Mapping[str, Any]) -> tuple[int, str]:
    account, actor = linked(inst, platform), acting(inst.core, inst.owner)
    media_id = media.add_bytes(inst.core, actor, "a.jpg", halves(1200, 900), "Red and blue")
    text = f"Half of it, {account.account_name}"
    new = NewPost((text,), (account.id,), (media_id,), options={platform: asked})
    with inst.core.db.read() as conn:
        return deliveries.of_post(conn, posts.create(inst.core, actor, new).id)[0].id, text


@pytest.mark.parametrize(
    "platform", ["bluesky", "mastodon", "linkedin", "x", "telegram", "discord", "nostr", "wordpress"]
)
def test_what_is_left_goes_out_and_the_stored_file_stays_whole(installation: Installation, platform: str) -> None:
    delivery_id, text = planned(installation, platform, {"crop": ["1: 0.55,0,1,1"]})
    delivery, seen = ended(installation, delivery_id)
    proof = Proof.EXISTS if platform == "discord" else Proof.MATCHES  # there no stranger can look
    assert (delivery.state, delivery.proof, seen["differences"]) == (DeliveryState.VERIFIED, proof, [])
    (post,) = [one for one in installation.sandbox.control.posts(platform) if one["text"] == text]
    with urllib.request.urlopen(f"{installation.sandbox.url}/_media/{post['media'][0]['sha256']}") as answer:
        assert colours(answer.read()) == ((540, 900), {"blue"})
    with installation.core.db.read() as conn:
        intents = [one.intent for one in attempts.of_delivery(conn, delivery_id) if one.intent]
    assert intents[-1]["options"] == {"crop": ["1: 0.55,0,1,1"]}
    (file,) = media.files(
        installation.core, acting(installation.core, installation.owner), list(delivery.parts[0].media)
    )
    assert (file.width, file.height, file.crop) == (1200, 900, None)


def test_who_fetches_the_file_gets_what_is_left(installation: Installation) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    record = media.get(core, actor, media.add_bytes(core, actor, "a.jpg", halves(1200, 900)))
    for crop, seen in (((0.0, 0.0, 0.45, 1.0), {"red"}), (None, {"red", "blue"})):
        url = media.public_url(core.settings, core.clock.now().timestamp(), record, Platform("instagram"), crop)
        token = url.rpartition("/")[2].removesuffix(".jpg")
        assert colours(media.open_public(core, token).data)[1] == seen


def test_another_crop_is_another_post_to_approve() -> None:
    one = NewPost(("x",), (1,), (1,), options={"bluesky": {"crop": ["1: square"]}})
    other = NewPost(("x",), (1,), (1,), options={"bluesky": {"crop": ["1: 4:5"]}})
    assert review_gate.digest(one) != review_gate.digest(other) != review_gate.digest(NewPost(("x",), (1,), (1,)))


def test_a_wrong_crop_queues_nothing(installation: Installation) -> None:
    account, actor = installation.link("bluesky"), acting(installation.core, installation.owner)
    media_id = media.add_bytes(installation.core, actor, "a.jpg", halves())
    before = installation.counts()
    for entries, wrong in ((["2: square"], PreflightFailed), (["1: round"], PreflightFailed), (5, BadInput)):
        new = NewPost(("x",), (account.id,), (media_id,), options={"bluesky": {"crop": entries}})
        with pytest.raises(wrong):
            posts.create(installation.core, actor, new)
        assert installation.counts() == before


def test_another_shape_than_the_crop_is_a_difference() -> None:
    (file,) = crops.applied((FILE,), {"crop": ["1: square"]})
    for size, differs in (((500, 500), False), ((250, 251), False), (None, False), ((1000, 500), True)):
        shown = (RemoteMedia("image", size=size),)
        assert bool(compare_media((file,), shown, NOTHING_ASKED)) is differs
    assert compare_media((FILE,), (RemoteMedia("image", size=(1, 9)),), NOTHING_ASKED) == []


def test_the_owner_reads_the_shape_that_the_platform_got(installation: Installation) -> None:
    delivery_id, _ = planned(installation, "mastodon", {"crop": ["1: 0.55,0,1,1"]})
    delivery, _ = ended(installation, delivery_id)
    with installation.core.db.read() as conn:
        account = accounts.get(conn, delivery.account_id)
    cred = open_credentials(installation.core.vault, account)
    post = context(installation).adapter(account, installation.core.http).fetch(cred, str(delivery.remote_id))
    assert post is not None and post.media is not None and post.media[0].size == (540, 900)
