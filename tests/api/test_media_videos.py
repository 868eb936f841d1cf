"""What the API says of videos: what they are, that they are converted, and how far that is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from postprober.domain.target import VideoTarget
from postprober.services.media import media
from postprober.storage import conversions
from postprober.storage import media as media_storage
from tests.api.rest_kit import Rest, rest_on
from tests.installed import Installation
from tests.people import acting
from tests.platforms.video_kit import make


@pytest.fixture
def rest(installation: Installation) -> Iterator[Rest]:
    made = rest_on(installation)
    with made.client:
        yield made


def uploaded(rest: Rest, path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        answer = rest.ask("POST", "/api/media", files={"file": ("a.webm", stream, "video/webm")})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_video_is_described_checked_with_a_note_and_followed_while_it_is_converted(
    rest: Rest, installation: Installation, tmp_path: Path
) -> None:
    source = make(tmp_path / "a.webm", form="webm", codec="libvpx-vp9", audio=("libopus",))
    told = uploaded(rest, source)
    known = {name: told[name] for name in ("codec", "pixel_format", "rate", "audio", "damage", "frames", "conversions")}
    assert known == {
        "codec": "vp9",
        "pixel_format": "yuv420p",
        "rate": 25.0,
        "audio": "opus",
        "damage": "",
        "frames": 25,
        "conversions": [],
    }
    account = installation.link("x").id
    post = {"content": "A video in VP9", "account_ids": [account], "media_ids": [told["id"]]}
    (checked,) = rest.ask("POST", "/api/posts/preflight", json=post).json()["accounts"]
    assert checked["ok"] and [note["code"] for note in checked["notes"]] == ["video_converted"]
    assert rest.ask("GET", f"/api/media/{told['id']}").json()["conversions"] == [], "a check starts nothing"
    assert rest.ask("POST", "/api/posts", json={**post, "submit": True}).status_code == 201
    (one,) = rest.ask("GET", f"/api/media/{told['id']}").json()["conversions"]
    assert one == {"state": "waiting", "progress": 0.0, "message": "", "width": 160, "height": 120, "size": None}
    now = installation.core.clock.now()
    with installation.core.db.write() as conn:
        (row,) = conversions.of_sources(conn, [media_storage.get_many(conn, [told["id"]])[0].path])
        assert conversions.claim(conn, row, now)
        (mine,) = conversions.of_sources(conn, [row.source])
        assert conversions.tell(conn, mine, 0.25, now)
    (one,) = rest.ask("GET", f"/api/media/{told['id']}").json()["conversions"]
    assert (one["state"], one["progress"]) == ("working", 0.25)
    assert rest.ask("GET", f"/api/media/{told['id']}", "stranger").status_code == 404


def test_a_video_that_is_cut_off_is_refused_when_it_comes(rest: Rest, tmp_path: Path) -> None:
    source = make(tmp_path / "a.mp4", seconds=6, options={"movflags": "faststart"}, bits=400_000)
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    with source.open("rb") as stream:
        answer = rest.ask("POST", "/api/media", files={"file": ("a.mp4", stream, "video/mp4")})
    assert answer.status_code == 422 and "is cut off: it ends after" in answer.json()["detail"]


def test_what_a_file_was_converted_to_goes_with_it(installation: Installation, tmp_path: Path) -> None:
    core, actor = installation.core, acting(installation.core, installation.owner)
    media_id = media.add_file(core, actor, make(tmp_path / "a.mp4"))
    record = media.get(core, actor, media_id)
    target = VideoTarget(160, 120, 160, 120, 0.0, 60.0, 1_000_000, 1_000_000, 1.0)
    kept = core.settings.data_dir / "media" / "renditions" / f"{record.sha256}.{target.key()}.mp4"
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(b"made")
    with core.db.write() as conn:
        conversions.order(conn, record.path, target, core.clock.now())
    media.discard(core, actor, [media_id])
    with core.db.read() as conn:
        assert conversions.of_sources(conn, [record.path]) == []
    assert not kept.exists()
