"""Subtitles go out beside their video where the platform takes them, and are proved; elsewhere the video goes alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postprober.domain.delivery import DeliveryState, Proof
from postprober.services.media import media
from postprober.services.posts import posts
from postprober.storage import deliveries
from tests.domain.test_subtitles import SRT, VTT
from tests.installed import Installation
from tests.people import acting
from tests.pipeline.test_options import ended
from tests.platforms.video_kit import make


def sent(inst: Installation, folder: Path, *platforms: str, language: str = "") -> tuple[list[int], str]:
    actor = acting(inst.core, inst.owner)
    video = make(folder / "a.mp4", seconds=2, codec="libx264", audio=("aac",))
    ids = [media.add_bytes(inst.core, actor, "talk.mp4", video.read_bytes(), "A talk")]
    ids += [
        media.add_bytes(inst.core, actor, name, text) for name, text in (("talk.de.srt", SRT), ("talk.en.vtt", VTT))
    ]
    accounts = tuple(inst.link(one).id for one in platforms)
    text = f"A talk with subtitles for {accounts[0]} {inst.made(platforms[0])['name']}"
    post = posts.create(inst.core, actor, posts.NewPost((text,), accounts, tuple(ids), language=language))
    with inst.core.db.read() as conn:
        return [one.id for one in deliveries.of_post(conn, post.id)], text


def there(inst: Installation, platform: str, text: str) -> dict[str, Any]:
    (found,) = [one for one in inst.sandbox.control.posts(platform) if one["text"] == text]
    return dict(found)


def test_they_go_out_where_they_are_taken_and_the_video_alone_elsewhere(
    installation: Installation, tmp_path: Path
) -> None:
    ids, text = sent(installation, tmp_path, "bluesky", "mastodon")
    for delivery_id, platform, count in zip(ids, ("bluesky", "mastodon"), (3, 1), strict=True):
        delivery, seen = ended(installation, delivery_id)
        assert (delivery.state, delivery.proof, seen["differences"]) == (DeliveryState.VERIFIED, Proof.MATCHES, [])
        assert len(delivery.parts[0].media) == count
        (shown,) = there(installation, platform, text)["media"]
        assert shown.get("captions", []) == (["de", "en"] if platform == "bluesky" else [])


def test_lost_subtitles_are_a_difference(installation: Installation, tmp_path: Path) -> None:
    installation.sandbox.control.fault("bluesky", "captions_dropped")
    ids, _ = sent(installation, tmp_path, "bluesky")
    delivery, seen = ended(installation, ids[0])
    assert delivery.proof is Proof.PUBLIC and seen["differences"] == ["0 subtitles are shown and 2 were sent."]


@pytest.mark.parametrize("fault", ["cut_after_accept", "late_create"])
def test_one_post_whatever_becomes_of_the_reply(installation: Installation, tmp_path: Path, fault: str) -> None:
    params = {"seconds": 0.2} if fault == "late_create" else {}
    installation.sandbox.control.fault("bluesky", fault, operation="create", params=params)
    ids, text = sent(installation, tmp_path, "bluesky")
    delivery, seen = ended(installation, ids[0])
    assert (delivery.proof, seen["differences"]) == (Proof.MATCHES, [])
    there(installation, "bluesky", text)


def test_they_are_stored_as_webvtt(installation: Installation) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    record = media.get(core, actor, media.add_bytes(core, actor, "talk.de.srt", SRT))
    stored = (core.settings.data_dir / record.path).read_bytes()
    assert (record.kind, record.mime, record.size) == ("subtitles", "text/vtt", len(stored))
    assert stored.startswith(b"WEBVTT\n\n00:00:01.000 --> 00:00:02.500\n") and record.duration == 3604.0
