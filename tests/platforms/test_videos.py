"""Videos are read by FFmpeg's libraries in a process of its own, and converted to what a platform takes."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from postprober import extras, places
from postprober.domain.post import MediaKind
from postprober.domain.target import VideoTarget
from postprober.errors import HERE, BadInput, NotInstalled, Unavailable
from postprober.platforms.common import video_process
from postprober.platforms.common.media import MediaFacts, as_gif, inspect
from tests.platforms.video_kit import frames, make

QUIET = {"x265-params": "log-level=none"}
# Name: the wish, then what is found: codec, mime, size as shown, rate, sound.
KINDS: dict[str, tuple[dict[str, Any], tuple[str, str, tuple[int, int], float, str]]] = {
    "h264": ({}, ("h264", "video/mp4", (160, 120), 25.0, "")),
    "h264 in mov": ({"form": "mov"}, ("h264", "video/quicktime", (160, 120), 25.0, "")),
    "h264 baseline": (
        {"codec_options": {"profile": "baseline"}},
        ("h264", "video/mp4", (160, 120), 25.0, ""),
    ),
    "index in front": ({"options": {"movflags": "faststart"}}, ("h264", "video/mp4", (160, 120), 25.0, "")),
    "fragmented": (
        {"options": {"movflags": "frag_keyframe+empty_moov"}},
        ("h264", "video/mp4", (160, 120), 25.0, ""),
    ),
    "fragmented with sound": (
        {"options": {"movflags": "frag_keyframe+delay_moov+default_base_moof"}, "audio": ("aac",)},
        ("h264", "video/mp4", (160, 120), 25.0, "aac"),
    ),
    "dash": ({"options": {"movflags": "dash+delay_moov"}}, ("h264", "video/mp4", (160, 120), 25.0, "")),
    "10 bits": ({"pixels": "yuv420p10le"}, ("h264 10-bit", "video/mp4", (160, 120), 25.0, "")),
    "4:2:2": ({"pixels": "yuv422p"}, ("h264 4:2:2", "video/mp4", (160, 120), 25.0, "")),
    "4:4:4": ({"pixels": "yuv444p"}, ("h264 4:4:4", "video/mp4", (160, 120), 25.0, "")),
    "hevc": ({"codec": "libx265", "codec_options": QUIET}, ("hevc", "video/mp4", (160, 120), 25.0, "")),
    "hevc 10 bits": (
        {"codec": "libx265", "pixels": "yuv420p10le", "codec_options": QUIET},
        ("hevc 10-bit", "video/mp4", (160, 120), 25.0, ""),
    ),
    "vp8": (
        {"form": "webm", "codec": "libvpx", "audio": ("libopus",)},
        ("vp8", "video/webm", (160, 120), 25.0, "opus"),
    ),
    "vp9": (
        {"form": "webm", "codec": "libvpx-vp9", "audio": ("libopus",)},
        ("vp9", "video/webm", (160, 120), 25.0, "opus"),
    ),
    "vp9 in mp4": ({"codec": "libvpx-vp9"}, ("vp9", "video/mp4", (160, 120), 25.0, "")),
    "vp9 in matroska": (
        {"form": "matroska", "codec": "libvpx-vp9"},
        ("vp9", "video/x-matroska", (160, 120), 25.0, ""),
    ),
    "webm without length": (
        {"form": "webm", "codec": "libvpx", "options": {"live": "1"}},
        ("vp8", "video/webm", (160, 120), 25.0, ""),
    ),
    "av1": (
        {"codec": "libsvtav1", "codec_options": {"svtav1-params": "lp=1"}},
        ("av1", "video/mp4", (160, 120), 25.0, ""),
    ),
    "av1 10 bits in webm": (
        {"codec": "libsvtav1", "form": "webm", "pixels": "yuv420p10le"},
        ("av1 10-bit", "video/webm", (160, 120), 25.0, ""),
    ),
    "prores": (
        {"form": "mov", "codec": "prores_ks", "pixels": "yuv422p10le", "audio": ("pcm_s16le",)},
        ("prores 10-bit 4:2:2", "video/quicktime", (160, 120), 25.0, "pcm_s16le"),
    ),
    "motion jpeg": (
        {"form": "mov", "codec": "mjpeg", "pixels": "yuvj420p"},
        ("mjpeg", "video/quicktime", (160, 120), 25.0, ""),
    ),
    "mpeg4": ({"codec": "mpeg4"}, ("mpeg4", "video/mp4", (160, 120), 25.0, "")),
    "matroska": (
        {"form": "matroska", "audio": ("flac",)},
        ("h264", "video/x-matroska", (160, 120), 25.0, "flac"),
    ),
    "mp3": ({"audio": ("libmp3lame",)}, ("h264", "video/mp4", (160, 120), 25.0, "mp3")),
    "ac3": ({"audio": ("ac3",)}, ("h264", "video/mp4", (160, 120), 25.0, "ac3")),
    "surround": ({"audio": ("aac",), "channels": "5.1"}, ("h264", "video/mp4", (160, 120), 25.0, "aac 6-channel")),
    "studio sound": ({"audio": ("aac",), "khz": 96}, ("h264", "video/mp4", (160, 120), 25.0, "aac 96 kHz")),
    "mono": ({"audio": ("aac",), "channels": "mono"}, ("h264", "video/mp4", (160, 120), 25.0, "aac")),
    "two sounds": ({"audio": ("aac", "aac")}, ("h264", "video/mp4", (160, 120), 25.0, "aac")),
    "two pictures": ({"tracks": 2}, ("h264", "video/mp4", (160, 120), 25.0, "")),
    "120 a second": ({"rate": 120}, ("h264", "video/mp4", (160, 120), 120.0, "")),
    "10 a second": ({"rate": 10}, ("h264", "video/mp4", (160, 120), 10.0, "")),
    "odd sides": (
        {"form": "webm", "codec": "libvpx-vp9", "size": (161, 121)},
        ("vp9", "video/webm", (161, 121), 25.0, ""),
    ),
    "turned right": ({"turn": 90}, ("h264", "video/mp4", (120, 160), 25.0, "")),
    "turned over": ({"turn": 180}, ("h264", "video/mp4", (160, 120), 25.0, "")),
    "turned left": ({"turn": 270}, ("h264", "video/mp4", (120, 160), 25.0, "")),
    "wide pixels": ({"sar": Fraction(4, 3)}, ("h264", "video/mp4", (213, 120), 25.0, "")),
    "high": ({"size": (64, 320)}, ("h264", "video/mp4", (64, 320), 25.0, "")),
}
TIMES = (0.0, 0.04, 0.08, 0.4, 0.44, 0.48, 0.9, 1.0)  # of frames that come as they like


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_of_every_kind_is_read(kind: str, tmp_path: Path) -> None:
    wish, (codec, mime, size, rate, audio) = KINDS[kind]
    facts = inspect(make(tmp_path / "a.bin", **wish))
    assert (facts.kind, facts.codec, facts.mime) == (MediaKind.VIDEO, codec, mime)
    assert ((facts.width, facts.height), facts.rate, facts.audio, facts.damage) == (size, rate, audio, "")
    assert facts.pixel_format == wish.get("pixels", "yuv420p")
    assert facts.duration == pytest.approx(1.0, abs=0.11) and facts.frames == round(rate)


def _target(facts: MediaFacts, **other: Any) -> VideoTarget:
    wide, high = facts.width // 2 * 2, facts.height // 2 * 2
    told = {"width": wide, "height": high, "inner_width": wide, "inner_height": high, "min_rate": 0.0, "max_rate": 60.0}
    more = {"bits": 2_000_000, "max_bytes": 10_000_000, "seconds": round(facts.duration or 0, 3)}
    return VideoTarget(**{**told, **more, **other})


def _quiet(_: float) -> bool:
    return True


def convert(source: Path, made: Path, **other: Any) -> tuple[dict[str, Any], MediaFacts]:
    """What comes out, and what went in."""
    facts = inspect(source)
    return video_process.encode(str(source), _target(facts, **other), str(made), _quiet), facts


def _is(colour: Any, wanted: tuple[int, int, int]) -> bool:
    return all(abs(one - other) < 40 for one, other in zip(colour, wanted, strict=True))


RED, BLUE = (200, 30, 30), (30, 30, 200)


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_of_every_kind_becomes_one_that_every_player_takes(kind: str, tmp_path: Path) -> None:
    """H.264 with 8 bits and 4:2:0, AAC, upright, as long as it was, with its index in front."""
    wish, (_, _, _, _, audio) = KINDS[kind]
    made = tmp_path / "made.mp4"
    found, facts = convert(make(tmp_path / "a.bin", **wish), made)
    assert (found["codec"], found["pixel_format"], found["audio"]) == ("h264", "yuv420p", "aac" if audio else "")
    assert (found["width"], found["height"]) == (facts.width // 2 * 2, facts.height // 2 * 2)
    assert found["duration"] == pytest.approx(facts.duration, abs=0.05)
    assert found["rate"] <= 60 and found["size"] == made.stat().st_size
    data = made.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    shown = frames(made)[0]
    above = {0: RED, 180: BLUE}.get(wish.get("turn", 0))
    if above is not None:
        assert _is(shown.getpixel((shown.width // 2, 4)), above)
    else:  # what was above is at a side: the right one after a turn to the right
        right = shown.getpixel((shown.width - 4, shown.height // 2))
        assert _is(right, RED if wish["turn"] == 90 else BLUE)


def test_frames_that_come_as_they_like_come_evenly(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mp4", times=TIMES)
    facts = inspect(source)
    assert facts.frames == len(TIMES) and facts.rate is not None and facts.rate < 20
    made = tmp_path / "made.mp4"
    found, _ = convert(source, made)
    with av.open(str(made)) as container:
        stamps = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    steps = {later - earlier for earlier, later in zip(sorted(stamps), sorted(stamps)[1:], strict=False)}
    assert len(steps) == 1 and len(stamps) == found["frames"] > len(TIMES)
    assert found["duration"] == pytest.approx(facts.duration, abs=0.05)


@pytest.mark.parametrize(
    ("rate", "least", "most", "made"),
    [(120, 0, 60, 60), (60, 0, 30, 30), (10, 23, 60, 40), (12, 23, 60, 24), (25, 23, 60, 25), (5, 0, 60, 5)],
)
def test_the_rate_is_brought_within_the_rule(tmp_path: Path, rate: int, least: float, most: float, made: int) -> None:
    source = make(tmp_path / "a.mp4", rate=rate)
    found, _ = convert(source, tmp_path / "made.mp4", min_rate=float(least), max_rate=float(most))
    assert (found["rate"], found["duration"]) == (made, pytest.approx(1.0, abs=0.05))


def test_what_is_missing_of_the_shape_is_padded(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mp4", size=(320, 40))
    made = tmp_path / "made.mp4"
    found, _ = convert(source, made, width=160, height=60, inner_width=160, inner_height=20)
    assert (found["width"], found["height"]) == (160, 60)
    shown = frames(made)[0]
    assert [_is(shown.getpixel((80, y)), c) for y, c in ((5, (0, 0, 0)), (24, RED), (36, BLUE), (55, (0, 0, 0)))] == [
        True
    ] * 4


def test_the_same_order_makes_the_same_bytes(tmp_path: Path) -> None:
    source = make(tmp_path / "a.webm", form="webm", codec="libvpx", audio=("libopus",))
    for name in ("one", "other"):
        convert(source, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_file_stays_within_its_bytes(tmp_path: Path) -> None:
    """Noise is what encoders make least of."""
    source = tmp_path / "a.mp4"
    with av.open(str(source), "w", format="mp4") as sink:
        stream = sink.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.options = {"crf": "10"}
        for _ in range(75):
            sink.mux(stream.encode(av.VideoFrame.from_image(Image.effect_noise((320, 240), 120).convert("RGB"))))
        sink.mux(stream.encode(None))
    most = 150_000
    assert source.stat().st_size > 10 * most
    found, _ = convert(source, tmp_path / "made.mp4", bits=300_000, max_bytes=most)
    assert found["size"] <= most and found["duration"] == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize("over", [0, 1, 7, 8, 50_000])
def test_a_file_is_filled_up_to_the_fewest_bytes_that_are_taken(tmp_path: Path, over: int) -> None:
    source = make(tmp_path / "a.webm", form="webm", codec="libvpx")
    plain, _ = convert(source, tmp_path / "plain.mp4")
    found, _ = convert(source, tmp_path / "made.mp4", min_bytes=plain["size"] + over)
    assert plain["size"] + over <= found["size"] <= plain["size"] + max(over, 8) and found["frames"] == plain["frames"]
    assert (tmp_path / "made.mp4").read_bytes().startswith((tmp_path / "plain.mp4").read_bytes())


def test_progress_is_told_and_stops_what_nobody_wants(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mp4", seconds=6)
    told: list[float] = []
    video_process.encode(str(source), _target(inspect(source)), str(tmp_path / "b"), lambda part: not told.append(part))
    assert len(told) >= 5 and told == sorted(told) and 0 < told[0] < told[-1] < 1
    with pytest.raises(video_process.Stopped):
        video_process.encode(str(source), _target(inspect(source)), str(tmp_path / "c"), lambda _: False)
    ended = threading.Event()
    ended.set()
    with pytest.raises(video_process.Stopped):
        video_process.encode(
            str(make(tmp_path / "long.mp4", seconds=40)), _target(inspect(source)), str(tmp_path / "d"), _quiet, ended
        )


# Animations


def _animation(path: Path, kind: str, count: int = 6) -> Path:
    shown = [Image.new("RGBA", (80, 60), (200, 30 * i, 40, 255 if i else 0)) for i in range(count)]
    shown[0].save(path, kind, save_all=True, append_images=shown[1:], duration=200, loop=0)
    return path


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_is_kept_moving_as_gif_and_as_video(tmp_path: Path, kind: str) -> None:
    source = _animation(tmp_path / "a.bin", kind)
    facts = inspect(source)
    assert (facts.kind, facts.frames) == (MediaKind.GIF, 6)
    if kind != "GIF":
        (tmp_path / "a.gif").write_bytes(as_gif(source))
        source = tmp_path / "a.gif"
        facts = inspect(source)
    assert (facts.mime, facts.frames, facts.rate) == ("image/gif", 6, 5.0)
    assert facts.duration == pytest.approx(1.2, abs=0.01)
    made = tmp_path / "made.mp4"
    found, _ = convert(source, made)
    assert (found["codec"], found["audio"]) == ("h264", "") and found["duration"] == pytest.approx(1.2, abs=0.05)
    shown = frames(made)
    assert _is(shown[0].getpixel((40, 30)), (255, 255, 255)), "what is transparent is white"
    assert len({frame.getpixel((40, 30)) for frame in shown}) >= 6, "it moves"


# Damaged and hostile


def _cut(path: Path, part: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    return path


@pytest.mark.parametrize("form", ["mp4", "webm"])
def test_a_video_that_is_cut_off_is_refused_with_how_much_there_is(tmp_path: Path, form: str) -> None:
    codec = {"mp4": "libx264", "webm": "libvpx"}[form]
    options = {"movflags": "faststart"} if form == "mp4" else {}
    source = make(tmp_path / "a", form=form, codec=codec, seconds=8, options=options, bits=400_000)
    assert inspect(source).duration == pytest.approx(8, abs=0.1)
    with pytest.raises(BadInput, match=r"is cut off: it ends after \d(\.\d)? of 8(\.\d)? seconds"):
        inspect(_cut(source, 0.5))


def test_a_video_with_its_index_behind_it_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="damaged or cut off"):
        inspect(_cut(make(tmp_path / "a", seconds=3), 0.8))


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"it (holds sound only|has no picture track)"):
        inspect(make(tmp_path / "a.mp4", tracks=0, audio=("aac",)))


def _huge(path: Path) -> None:
    """Says that it is 16,384 pixels wide and high, in header and stream alike."""
    make(path, codec="mjpeg", pixels="yuvj420p", form="mov")
    data = bytearray(path.read_bytes())
    at = data.index(b"\xff\xc0")
    while at >= 0:
        data[at + 5 : at + 9] = struct.pack(">HH", 16384, 16384)
        at = data.find(b"\xff\xc0", at + 1)
    path.write_bytes(bytes(data))


def _long(path: Path) -> None:
    """Says that it takes a hundred years."""
    make(path)
    data = bytearray(path.read_bytes())
    for name, place in ((b"mvhd", 16), (b"mdhd", 16), (b"tkhd", 20)):
        at = data.index(name) + 4 + place
        data[at : at + 4] = struct.pack(">I", 0xFFFF_FFF0)
    path.write_bytes(bytes(data))


def _no_pictures(path: Path) -> None:
    """A whole header, and zeros for pictures."""
    make(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"mdat") + 4
    size = struct.unpack(">I", data[at - 8 : at - 4])[0] - 8
    data[at : at + size] = bytes(size)
    path.write_bytes(bytes(data))


def _elsewhere(path: Path) -> None:
    """Names another file as the place of its pictures."""
    make(path, form="mov")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"alis\0\0\0\1", b"url \0\0\0\0"))


def _one_sentence(error: BadInput) -> None:
    assert error.message.endswith(".") and error.message.count(". ") == 0 and error.field == "media"


HOSTILE = {"huge": _huge, "long": _long, "no pictures": _no_pictures, "elsewhere": _elsewhere}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_video_ends_in_one_sentence_or_with_its_damage(tmp_path: Path, name: str) -> None:
    source = tmp_path / "a"
    HOSTILE[name](source)
    try:
        facts = inspect(source)
    except BadInput as error:
        _one_sentence(error)
        return
    if facts.damage:
        with pytest.raises(BadInput) as caught:
            video_process.encode(str(source), _target(facts, seconds=1.0), str(tmp_path / "b"), _quiet)
        assert caught.value.message.count(". ") == 0
    else:
        assert name in ("elsewhere", "long") and facts.duration == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("seed", range(12))
def test_a_video_with_broken_bytes_is_read_refused_or_called_damaged(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    form, codec = rng.choice([("mp4", "libx264"), ("webm", "libvpx"), ("mov", "mjpeg")])
    source = make(tmp_path / "a", form=form, codec=codec, pixels="yuvj420p" if codec == "mjpeg" else "yuv420p")
    data = bytearray(source.read_bytes())
    for _ in range(rng.choice([1, 8, 60])):
        data[rng.randrange(40, len(data))] = rng.randrange(256)
    source.write_bytes(bytes(data))
    try:
        facts = inspect(source)
        if not facts.damage:
            video_process.encode(
                str(source), _target(facts, seconds=min(3.0, facts.duration or 0)), str(tmp_path / "b"), _quiet
            )
    except BadInput as error:
        _one_sentence(error)


# The process


Helper = Callable[[str], Path]
_BEGUN = "import sys; sys.stdin.read(); print('begun', flush=True)\n"


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Helper:
    """Puts a program in the place of the helper; returns a video."""
    source = make(tmp_path / "a.mp4")
    monkeypatch.setattr(places, "import_root", lambda: tmp_path)
    folder = tmp_path / "postprober" / "platforms" / "common"
    folder.mkdir(parents=True)

    def write(program: str) -> Path:
        (folder / "video_helper.py").write_text(f"import os, signal\n{program}\n")
        return source

    return write


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGSEGV)", "os.abort()", "os._exit(1)", "os._exit(0)"])
def test_a_video_that_ends_the_decoder_ends_nobody_else(helper: Helper, end: str) -> None:
    with pytest.raises(BadInput, match="cannot be decoded"):
        video_process.probe(str(helper(_BEGUN + end)))


@pytest.mark.parametrize("program", [f"{_BEGUN}os.kill(os.getpid(), signal.SIGKILL)", "import no_such", "os._exit(0)"])
def test_a_helper_that_was_killed_or_never_began_says_nothing_about_the_video(helper: Helper, program: str) -> None:
    with pytest.raises(Unavailable, match="Try again later") as caught:
        video_process.probe(str(helper(program)))
    assert caught.value.code == HERE


def test_a_helper_that_does_not_end_is_ended(helper: Helper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_process, "PROBE_SECONDS", 0.3)
    with pytest.raises(BadInput, match="takes too long"):
        video_process.probe(str(helper(_BEGUN + "while True: pass")))


def test_the_helper_has_little_priority_little_memory_and_no_settings(
    helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTPROBER_SECRET_KEY", "a secret")
    told = "import json; print(json.dumps({'names': list(os.environ)}))"
    assert not any("POSTPROBER" in name for name in video_process.probe(str(helper(_BEGUN + told)))["names"])
    code = (
        "import os; from postprober.platforms.common import video_helper as h; h._bound(); print(os.nice(0), flush=True);"
        "bytearray(h.MOST_MEMORY + (1 << 28))"
    )
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root)
    assert done.stdout == "19\n" and "MemoryError" in done.stderr


# Without the extra


def test_without_the_extra_the_header_is_all_that_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make(tmp_path / "a.mp4", pixels="yuv420p10le", turn=90, audio=("aac",))
    whole = inspect(source)
    monkeypatch.setattr(extras, "MODULES", {**extras.MODULES, "video": ("no_such_module",)})
    facts = inspect(source)
    assert (
        (facts.codec, facts.width, facts.height)
        == (whole.codec, whole.width, whole.height)
        == ("h264 10-bit", 120, 160)
    )
    assert (facts.rate, facts.audio, facts.damage) == (None, None, None)
    with pytest.raises(BadInput, match="Matroska file; save it as MP4"):
        inspect(make(tmp_path / "a.mkv", form="matroska"))
    with pytest.raises(NotInstalled, match="This needs the video extra"):
        video_process.probe(str(source))
