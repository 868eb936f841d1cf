"""A video that platforms would refuse goes out converted, over HTTP, and is proved."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from postprober.domain import video
from postprober.domain.delivery import DeliveryState, Proof
from postprober.domain.platform import Platform
from postprober.errors import BadInput
from postprober.pipeline.core.claimed_delivery import media_files
from postprober.pipeline.publishing.conversions import Converter
from postprober.pipeline.publishing.publish import publish
from postprober.pipeline.scheduler.scheduler import Scheduler
from postprober.platforms.common import video_process
from postprober.platforms.registry import LIMITS
from postprober.services.media import conversions, media
from postprober.services.posts import delivery_actions, posts
from postprober.services.posts.posts import PreflightFailed
from postprober.storage import attempts, deliveries
from postprober.storage import conversions as conversions_storage
from postprober.storage import media as media_storage
from postprober.storage.records import Delivery, PartRecord, replace
from tests.installed import Installation
from tests.people import acting
from tests.pipeline.test_on_the_sandbox import context, drive
from tests.platforms.video_kit import make

WITHIN = 40.0


@pytest.fixture
def converter(installation: Installation) -> Iterator[Converter]:
    made = Converter(context(installation))
    yield made
    made.stop()


def convert(converter: Converter) -> None:
    """Until there is nothing to do."""
    pause, end = threading.Event(), time.monotonic() + WITHIN
    while converter.tick() or converter.busy():
        assert time.monotonic() < end, "it did not end in time"
        pause.wait(0.02)


def planned(inst: Installation, text: str, path: Path, *platforms: str) -> list[int]:
    actor = acting(inst.core, inst.owner)
    media_id = media.add_file(inst.core, actor, path, "A bar that moves")
    accounts = tuple(inst.link(platform).id for platform in platforms)
    post = posts.create(inst.core, actor, posts.NewPost((text,), accounts, (media_id,)))
    with inst.core.db.read() as conn:
        return [one.id for one in deliveries.of_post(conn, post.id)]


def read(inst: Installation, delivery_id: int) -> Delivery:
    with inst.core.db.read() as conn:
        return deliveries.get(conn, delivery_id)


def shown(inst: Installation, platform: str, text: str) -> list[dict[str, str]]:
    (post,) = [p for p in inst.sandbox.control.posts(platform) if p["visible"] and p["text"] == text]
    return list(post["media"])


def test_a_video_that_two_platforms_refuse_is_converted_once_and_proved_on_both(
    installation: Installation, converter: Converter, tmp_path: Path
) -> None:
    source = make(tmp_path / "a.webm", form="webm", codec="libvpx-vp9", audio=("libopus",), seconds=2)
    text = "VP9 to two platforms"
    ids = planned(installation, text, source, "x", "bluesky")
    ctx = context(installation)
    for delivery_id in ids:
        publish(ctx, delivery_id)
    assert {read(installation, i).state for i in ids} == {DeliveryState.WAITING}
    assert {read(installation, i).tries for i in ids} == {0}
    assert read(installation, ids[0]).reason == "The video is being converted (0%)."
    convert(converter)
    drive(ctx, ids)
    for delivery_id, platform in zip(ids, ("x", "bluesky"), strict=True):
        delivery = read(installation, delivery_id)
        assert (delivery.state, delivery.proof) == (DeliveryState.VERIFIED, Proof.MATCHES)
        (made,) = delivery.parts[0].made.values()
        kept = installation.core.settings.data_dir / made["path"]
        assert made["sha256"] == hashlib.sha256(kept.read_bytes()).hexdigest()
        assert made["sha256"] != hashlib.sha256(source.read_bytes()).hexdigest()
        (file,) = shown(installation, platform, text)
        assert (file["kind"], file["sha256"]) == ("video", made["sha256"])
        with installation.core.db.read() as conn:
            (sent,) = [a for a in attempts.of_delivery(conn, delivery_id) if a.intent]
        assert sent.intent["media"] == [made["sha256"]]
    assert len(conversions.of(installation.core, acting(installation.core, installation.owner), 1)) == 1


def test_an_animation_goes_as_a_video_where_no_gif_is_shown_and_as_itself_where_one_is(
    installation: Installation, converter: Converter, tmp_path: Path
) -> None:
    frames = [Image.new("RGBA", (64, 48), (200, 40 * i, 0, 255 if i % 2 else 0)) for i in range(5)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], duration=200, loop=0)
    text = "An animation that platforms show in two ways"
    ids = planned(installation, text, tmp_path / "a.webp", "bluesky", "x")
    convert(converter)
    drive(context(installation), ids)
    assert {read(installation, i).proof for i in ids} == {Proof.MATCHES}
    assert [shown(installation, platform, text)[0]["kind"] for platform in ("bluesky", "x")] == ["video", "gif"]
    assert read(installation, ids[1]).parts[0].made == {}


@pytest.mark.parametrize("fault", ["error_before_accept", "media_failed"])
def test_what_is_sent_again_is_the_same_file(
    installation: Installation, converter: Converter, tmp_path: Path, fault: str
) -> None:
    source = make(tmp_path / "a.mov", form="mov", codec="prores_ks", pixels="yuv422p10le")
    (delivery_id,) = planned(installation, f"ProRes {fault}", source, "x")
    convert(converter)
    ctx = context(installation)
    installation.sandbox.control.fault("x", fault)
    drive(ctx, [delivery_id])
    delivery = read(installation, delivery_id)
    assert delivery.state is DeliveryState.VERIFIED
    with installation.core.db.read() as conn:
        hashes = {tuple(a.intent["media"]) for a in attempts.of_delivery(conn, delivery_id) if a.intent}
    (made,) = delivery.parts[0].made.values()
    assert hashes == {(made["sha256"],)}


def test_what_was_made_and_deleted_is_made_again_and_the_same(
    installation: Installation, converter: Converter, tmp_path: Path
) -> None:
    source = make(tmp_path / "a.webm", form="webm", codec="libvpx")
    (delivery_id,) = planned(installation, "A folder that somebody has emptied", source, "x")
    convert(converter)
    folder = installation.core.settings.data_dir / "media" / "renditions"
    (kept,) = folder.glob("*.mp4")
    before = kept.read_bytes()
    kept.unlink()
    ctx = context(installation)
    publish(ctx, delivery_id)
    assert read(installation, delivery_id).state is DeliveryState.WAITING
    convert(converter)
    drive(ctx, [delivery_id])
    assert read(installation, delivery_id).state is DeliveryState.VERIFIED and kept.read_bytes() == before


@pytest.mark.parametrize("left", [b"", b"cut short"])
def test_what_was_fixed_for_a_delivery_and_deleted_before_the_next_try_is_made_again(
    installation: Installation, converter: Converter, tmp_path: Path, left: bytes
) -> None:
    source = make(tmp_path / "a.webm", form="webm", codec="libvpx")
    (delivery_id,) = planned(installation, "A folder that was not restored", source, "x")
    convert(converter)
    folder = installation.core.settings.data_dir / "media" / "renditions"
    (kept,) = folder.glob("*.mp4")
    before = kept.read_bytes()
    ctx = context(installation)
    installation.sandbox.control.fault("x", "media_failed")
    publish(ctx, delivery_id)
    delivery = read(installation, delivery_id)
    assert delivery.state is DeliveryState.WAITING and delivery.parts[0].made, (
        "the control: it was fixed, and failed once"
    )
    with installation.core.db.write() as conn:
        part = replace(delivery.parts[0], staged=None, staged_at="")  # what was uploaded has expired
        deliveries.touch(conn, delivery, ctx.clock.now(), parts=(part,), next_at=ctx.clock.now())
    kept.unlink()
    if left:
        kept.write_bytes(left)
    publish(ctx, delivery_id)
    assert read(installation, delivery_id).reason == "The video is being converted (0%)."
    convert(converter)
    drive(ctx, [delivery_id])
    assert read(installation, delivery_id).proof is Proof.MATCHES and kept.read_bytes() == before


def test_what_cannot_be_converted_is_refused_before_it_is_planned_and_fails_what_was_planned(
    installation: Installation, converter: Converter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make(tmp_path / "a.webm", form="webm", codec="libvpx")
    (delivery_id,) = planned(installation, "A video that cannot be converted", source, "x")

    def refuse(*_: object) -> dict[str, object]:
        raise BadInput("Too much of the video is damaged; export it again.")

    monkeypatch.setattr(video_process, "encode", refuse)
    convert(converter)
    drive(context(installation), [delivery_id])
    delivery = read(installation, delivery_id)
    assert (delivery.state, delivery.reason) == (
        DeliveryState.FAILED,
        "Too much of the video is damaged; export it again.",
    )
    with pytest.raises(PreflightFailed) as caught:
        planned(installation, "The same video again", source, "x")
    (result,) = caught.value.results.values()
    assert [(v.code, v.message) for v in result.violations] == [("video_unconvertible", delivery.reason)]


def test_a_video_that_was_lost_is_converted_when_it_is_added_again_as_the_sentence_says(
    installation: Installation, converter: Converter, tmp_path: Path
) -> None:
    source = make(tmp_path / "a.webm", form="webm", codec="libvpx")
    (lost,) = planned(installation, "Before the disk was lost", source, "x")
    (stored,) = (installation.core.settings.data_dir / "media").glob("*/*.webm")
    stored.unlink()
    convert(converter)
    ctx = context(installation)
    publish(ctx, lost)
    ended = read(installation, lost)
    assert ended.state is DeliveryState.FAILED and "add it again" in ended.reason, "the control"
    (again,) = planned(installation, "After it was added again", source, "x")
    convert(converter)
    delivery_actions.retry_one(installation.core, acting(installation.core, installation.owner), lost)
    drive(ctx, [again, lost])
    assert {read(installation, one).proof for one in (again, lost)} == {Proof.MATCHES}


def test_the_signed_address_of_a_converted_video_serves_what_it_was_converted_to(
    installation: Installation, converter: Converter, tmp_path: Path
) -> None:
    """For platforms that fetch the files themselves."""
    core, actor = installation.core, acting(installation.core, installation.owner)
    source = make(tmp_path / "a.webm", form="webm", codec="libvpx")
    media_id = media.add_file(core, actor, source)
    rule = LIMITS[Platform("instagram")].video
    (file,) = media.files(core, actor, [media_id])
    assert rule is not None
    target = video.target(file, rule)
    assert target is not None
    with core.db.write() as conn:
        record = media_storage.get_many(conn, [media_id])[0]
        conversions_storage.order(conn, record.path, target, core.clock.now())
    convert(converter)
    (done,) = conversions.of(core, actor, media_id)
    assert done.made is not None
    part = PartRecord(0, "Hello", (media_id,), made={str(media_id): dict(done.made)})
    delivery = Delivery(**{**dict.fromkeys(Delivery.__dataclass_fields__), "platform": Platform("instagram")})
    (sent,) = media_files(context(installation), delivery, part)
    assert (sent.kind, sent.mime, sent.sha256, sent.size) == (
        "video",
        "video/mp4",
        done.made["sha256"],
        done.made["size"],
    )
    token = sent.public_url.rpartition("/")[2].removesuffix(".mp4")
    served = media.open_public(core, token)
    assert served.mime == "video/mp4" and served.path is not None
    assert hashlib.sha256(served.path.read_bytes()).hexdigest() == done.made["sha256"]
    (whole,) = media_files(context(installation), delivery, PartRecord(0, "Hello", (media_id,)))
    plain = media.open_public(core, whole.public_url.rpartition("/")[2].removesuffix(".webm"))
    assert plain.mime == "video/webm" and plain.path is not None and plain.path.read_bytes() == source.read_bytes()


def test_the_scheduler_converts_sends_and_proves_without_anybody(installation: Installation, tmp_path: Path) -> None:
    source = make(tmp_path / "a.webm", form="webm", codec="libvpx")
    (delivery_id,) = planned(installation, "From a file to a proof, all by the scheduler", source, "x")
    running = Scheduler(context(installation), 2)
    thread = threading.Thread(target=running.run, name="scheduler")
    thread.start()
    try:
        pause, end = threading.Event(), time.monotonic() + WITHIN
        while read(installation, delivery_id).state is not DeliveryState.VERIFIED:
            assert time.monotonic() < end, read(installation, delivery_id).reason
            pause.wait(0.1)
    finally:
        running.stop()
        thread.join(WITHIN)
    assert not thread.is_alive() and read(installation, delivery_id).proof is Proof.MATCHES
    assert list(read(installation, delivery_id).parts[0].made)
