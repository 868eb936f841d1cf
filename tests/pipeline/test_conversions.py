"""Conversions: one at a time, made once, kept, and nothing is lost when the process that makes them ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from postprober import extras
from postprober.domain.target import VideoTarget
from postprober.errors import HERE, BadInput, Unavailable
from postprober.pipeline.publishing import conversions as job
from postprober.pipeline.publishing.conversions import TRIES, Converter
from postprober.platforms.common import video_process
from postprober.storage import conversions, media
from postprober.storage.conversions import ConversionRecord, ConversionState
from tests.pipeline.stage import Stage
from tests.platforms.video_kit import make

TARGET = VideoTarget(160, 120, 160, 120, 0.0, 60.0, 2_000_000, 10_000_000, 1.0)
SOURCE = f"media/ab/ab{'0' * 62}.webm"
WITHIN = 20.0


@pytest.fixture
def file(stage: Stage) -> Path:
    path = stage.data_dir / SOURCE
    path.parent.mkdir(parents=True)
    return make(path, form="webm", codec="libvpx")


def order(stage: Stage, target: VideoTarget = TARGET) -> ConversionRecord:
    with stage.db.write() as conn:
        return conversions.order(conn, SOURCE, target, stage.clock.now())


def row(stage: Stage) -> ConversionRecord:
    with stage.db.read() as conn:
        (found,) = conversions.of_sources(conn, [SOURCE])
        return found


def wait(over: Callable[[], bool]) -> None:
    pause, end = threading.Event(), time.monotonic() + WITHIN
    while not over():
        assert time.monotonic() < end, "it did not end in time"
        pause.wait(0.01)


def work(converter: Converter) -> bool:
    started = converter.tick()
    wait(lambda: not converter.busy())
    return started


def test_it_is_made_once_and_kept_beside_the_file(stage: Stage, file: Path) -> None:
    order(stage)
    converter = Converter(stage.worker())
    assert work(converter) and not work(converter)
    done = row(stage)
    assert done.made is not None and (done.state, done.progress) == (ConversionState.DONE, 1.0)
    kept = stage.data_dir / done.made["path"]
    assert kept.name == f"{file.stem}.{TARGET.key()}.mp4" and kept.stat().st_size == done.made["size"]
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_one_is_made_at_a_time(stage: Stage, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go, inside = threading.Event(), []

    def slow(*_: Any) -> dict[str, Any]:
        inside.append(1)
        assert go.wait(WITHIN)
        raise BadInput("no")

    monkeypatch.setattr(video_process, "encode", slow)
    for height in (120, 100):
        order(stage, VideoTarget(160, height, 160, height, 0.0, 60.0, 2_000_000, 10_000_000, 1.0))
    converter = Converter(stage.worker())
    assert converter.tick()
    wait(lambda: bool(inside))
    assert not converter.tick() and converter.busy() == 1
    go.set()
    wait(lambda: not converter.busy())
    assert converter.tick()
    wait(lambda: not converter.busy())
    assert len(inside) == 2


def test_how_far_it_is_can_be_read_and_keeps_others_away(
    stage: Stage, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, float]] = []

    def act(_source: str, _target: VideoTarget, _made: str, tell: video_process.Tell, _ended: object) -> dict[str, Any]:
        stage.manual.advance(job.CLAIM.total_seconds() * 0.9)
        assert tell(0.4)
        told.append((row(stage).state, row(stage).progress))
        stage.manual.advance(job.CLAIM.total_seconds() * 0.9)
        assert not Converter(stage.worker("w2")).tick()
        raise Unavailable("no memory", code=HERE)

    monkeypatch.setattr(video_process, "encode", act)
    order(stage)
    assert work(Converter(stage.worker()))
    assert told == [("working", 0.4)]
    later = row(stage)
    assert (later.state, later.tries) == (ConversionState.WAITING, 0)
    assert later.next_at == stage.clock.now() + job.PAUSE


def test_a_conversion_whose_process_was_killed_is_taken_by_another_and_given_up_in_the_end(
    stage: Stage, file: Path
) -> None:
    made = order(stage)
    for number in range(TRIES):
        with stage.db.write() as conn:  # claimed by a process that is never heard of again
            assert conversions.claim(conn, row(stage), stage.clock.now() + job.CLAIM)
        assert not Converter(stage.worker()).tick(), number
        stage.manual.advance(job.CLAIM.total_seconds() + 1)
    left = file.parent.parent / "renditions" / f".{file.stem}.{made.key}.mp4.9"
    left.parent.mkdir()
    left.write_bytes(b"half")
    assert work(Converter(stage.worker()))
    assert row(stage).state == ConversionState.FAILED and "cut short 3 times" in row(stage).message
    with stage.db.write() as conn:
        conversions.forget(conn, SOURCE)
    order(stage)
    assert work(Converter(stage.worker()))
    assert row(stage).state == ConversionState.DONE and not left.exists()


def test_what_cannot_be_made_is_said_and_not_tried_again(stage: Stage, file: Path) -> None:
    file.write_bytes(file.read_bytes()[:300])
    order(stage)
    converter = Converter(stage.worker())
    assert work(converter) and not work(converter)
    assert row(stage).state == ConversionState.FAILED and row(stage).message.endswith(".")
    assert not list((stage.data_dir / "media" / "renditions").iterdir())


def test_a_file_that_is_gone_is_said(stage: Stage) -> None:
    order(stage)
    assert work(Converter(stage.worker()))
    assert row(stage).message == "The file of this post is gone; add it again."


def test_a_mistake_of_ours_ends_one_conversion_and_not_the_job(
    stage: Stage, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_process, "encode", lambda *_: {}["nothing"])
    order(stage)
    assert work(Converter(stage.worker()))
    assert row(stage).state == ConversionState.FAILED and "could not be converted" in row(stage).message


def test_stopping_gives_it_back_uncounted(stage: Stage, file: Path) -> None:
    make(file, form="webm", codec="libvpx", seconds=60)
    order(stage, VideoTarget(160, 120, 160, 120, 0.0, 60.0, 2_000_000, 10_000_000, 60.0))
    converter = Converter(stage.worker())
    assert converter.tick()
    wait(lambda: row(stage).progress > 0 or not converter.busy())
    converter.stop()
    stopped = row(stage)
    assert not converter.busy() and not converter.tick()
    assert (stopped.state, stopped.tries, stopped.progress) == (ConversionState.WAITING, 0, 0.0)
    assert not list((stage.data_dir / "media" / "renditions").iterdir())


def test_without_the_extra_it_waits_and_says_what_to_install(
    stage: Stage, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(stage)
    whole = dict(extras.MODULES)
    monkeypatch.setattr(extras, "MODULES", {**whole, "video": ("no_such_module",)})
    assert work(Converter(stage.worker()))
    assert row(stage).message == extras.sentence("video") and row(stage).tries == 0
    monkeypatch.setattr(extras, "MODULES", whole)
    stage.manual.advance(job.PAUSE.total_seconds())
    assert work(Converter(stage.worker())) and row(stage).state == ConversionState.DONE
    assert row(stage).message == ""


def test_a_space_with_many_videos_leaves_the_next_turn_to_another(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    facts = {"width": 1, "height": 1, "duration": 1.0}

    def encode(source: str, _target: VideoTarget, part: str, *_: object) -> dict[str, Any]:
        made.append(Path(source).stem)
        Path(part).write_bytes(b"made")
        return facts

    monkeypatch.setattr(video_process, "encode", encode)
    many, one = stage.user(), stage.user()
    with stage.db.write() as conn:
        for space, name in [(many, f"many{number}") for number in range(4)] + [(one, "one0"), (one, "one1")]:
            path = f"media/ab/{name}.webm"
            (stage.data_dir / path).parent.mkdir(parents=True, exist_ok=True)
            (stage.data_dir / path).write_bytes(b"video")
            known = {"name": name, "kind": "video", "mime": "video/webm", "size": 5, "width": 1, "height": 1}
            media.add(conn, space=space, now=stage.clock.now(), sha256=name, path=path, alt="", **known)
            conversions.order(conn, path, TARGET, stage.clock.now())
    converter = Converter(stage.worker())
    while work(converter):
        pass
    assert made == ["many0", "one0", "many1", "one1", "many2", "many3"]
