"""A video that platforms would refuse goes out converted, over HTTP, and is proved."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from postprober.domain.delivery import DeliveryState, Proof
from postprober.pipeline.publishing.conversions import Converter
from postprober.pipeline.publishing.publish import publish
from postprober.services.media import conversions, media
from postprober.services.posts import posts
from postprober.storage import attempts, deliveries
from postprober.storage.records import Delivery
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
