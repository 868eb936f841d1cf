"""Files and texts as people have them, made here: each is right, or refused with the sentence that says what to do."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image, ImageCms

from postprober.domain import video
from postprober.domain.platform import Platform
from postprober.domain.post import Draft, MediaFile, MediaKind, Part
from postprober.domain.preflight import check
from postprober.errors import BadInput
from postprober.platforms.common import video_process
from postprober.platforms.common.media import as_gif, fit_image, inspect
from postprober.platforms.registry import LIMITS
from tests.platforms.video_kit import make

RED, BLUE = (220, 20, 20), (20, 20, 220)
SIZE = (120, 80)
P = Platform


def halves(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image.convert(mode)


def saved(form: str, image: Image.Image | None = None, **how: Any) -> bytes:
    out = io.BytesIO()
    (image or halves()).save(out, form, **how)
    return out.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(bits: int, kind: int, row: bytes, *more: bytes, size: tuple[int, int] = SIZE, way: int = 0) -> bytes:
    """A PNG of equal rows, for depths that Pillow does not write."""
    head = struct.pack(">IIBBBBB", *size, bits, kind, 0, 0, way)
    rows = zlib.compress(b"".join(b"\0" + row for _ in range(size[1])))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(more) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _deep(channels: int) -> bytes:
    """Rows of 16 bits a channel, with or without an alpha."""
    one = [b"".join(struct.pack(">H", c * 257) for c in (*colour, 255)[:channels]) for colour in (RED, BLUE)]
    return one[0] * (SIZE[0] // 2) + one[1] * (SIZE[0] // 2)


def _palette(alpha: bool) -> bytes:
    table = [chunk(b"PLTE", bytes((*RED, *BLUE)))] + ([chunk(b"tRNS", b"\xff\xff")] if alpha else [])
    return png(8, 3, b"\0" * 60 + b"\1" * 60, *table)


def _transparent() -> bytes:
    image = halves("RGBA")
    image.putpixel((0, 0), (0, 0, 0, 0))
    return saved("PNG", image)


def _interlaced() -> bytes:
    """Adam7 by hand: seven pictures, each with its own rows."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    wide, high = SIZE
    rows = b"".join(
        b"\0" + b"".join(bytes(RED if x < wide // 2 else BLUE) for x in range(left, wide, right))
        for left, top, right, down in passes
        for _ in range(top, high, down)
    )
    head = struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _several(form: str, count: int, **how: Any) -> bytes:
    more = [halves().transpose(Image.Transpose.FLIP_LEFT_RIGHT)] * (count - 1)
    return saved(form, save_all=True, append_images=more, **how)


# Name: its bytes. All of them show red on the left and blue on the right.
PICTURES: dict[str, Callable[[], bytes]] = {
    "progressive JPEG": lambda: saved("JPEG", progressive=True),
    "JPEG without subsampling": lambda: saved("JPEG", subsampling=0, quality=100),
    "JPEG with restart marks": lambda: saved("JPEG", restart_marker_blocks=1),
    "JPEG of ink (CMYK)": lambda: saved("JPEG", halves("CMYK")),
    "JPEG with a profile": lambda: saved("JPEG", icc_profile=_srgb()),
    "JPEG with a broken profile": lambda: saved("JPEG", icc_profile=b"no profile at all"),
    "JPEG with a comment": lambda: saved("JPEG", comment=b"At the sea"),
    "JPEG with bytes behind it": lambda: saved("JPEG") + bytes(500),
    "JPEG for print": lambda: saved("JPEG", dpi=(300, 300)),
    "several JPEGs in one (MPO)": lambda: _several("MPO", 2),
    "PNG with a palette": lambda: _palette(False),
    "PNG with a palette and alpha": lambda: _palette(True),
    "PNG of 16 bits": lambda: png(16, 2, _deep(3)),
    "PNG of 16 bits with alpha": lambda: png(16, 6, _deep(4)),
    "PNG that is interlaced": _interlaced,
    "PNG with one clear pixel": _transparent,
    "PNG with a gamma": lambda: png(8, 2, bytes(RED) * 60 + bytes(BLUE) * 60, chunk(b"gAMA", struct.pack(">I", 45455))),
    "PNG of one frame (APNG)": lambda: _several("PNG", 1),
    "WebP without loss": lambda: saved("WEBP", lossless=True),
    "WebP with alpha": lambda: saved("WEBP", halves("RGBA")),
    "WebP of one frame": lambda: _several("WEBP", 1),
    "AVIF": lambda: saved("AVIF"),
    "AVIF without subsampling": lambda: saved("AVIF", subsampling="4:4:4"),
    "TIFF that is packed": lambda: saved("TIFF", compression="tiff_lzw"),
    "TIFF of ink": lambda: saved("TIFF", halves("CMYK")),
    "TIFF with alpha": lambda: saved("TIFF", halves("RGBA")),
    "GIF that stands still": lambda: saved("GIF"),
    "GIF that is interlaced": lambda: saved("GIF", interlace=1),
    "bitmap with few colours": lambda: saved("BMP", halves().quantize(4)),
}


def shown(data: bytes) -> list[tuple[int, ...]]:
    """The colours in the middle of both halves."""
    with Image.open(io.BytesIO(data)) as image:
        seen = image.convert("RGB")
    at = [(seen.width // 4, seen.height // 2), (seen.width * 3 // 4, seen.height // 2)]
    return [tuple(seen.getpixel(place)) for place in at]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_shows_what_it_showed_on_every_platform(tmp_path: Path, name: str) -> None:
    path = tmp_path / "holiday.mp4"  # the name says nothing
    path.write_bytes(PICTURES[name]())
    facts = inspect(path)
    assert (facts.kind, facts.width, facts.height) == (MediaKind.IMAGE, *SIZE)
    for platform in LIMITS:
        fitted = fit_image(str(path), LIMITS[platform].images)
        assert fitted.mime in LIMITS[platform].images.mimes
        # Ink has no such red and blue as a screen has.
        near = 70 if "ink" in name else 12
        for found, wanted in zip(shown(fitted.data), (RED, BLUE), strict=True):
            assert all(abs(a - b) <= near for a, b in zip(found, wanted, strict=True)), (platform, found)


MOVING: dict[str, Callable[[], bytes]] = {
    "GIF": lambda: _several("GIF", 3, duration=200, loop=0),
    "GIF that plays once": lambda: _several("GIF", 3, duration=200),
    "GIF without times": lambda: _several("GIF", 3, duration=0),
    "WebP": lambda: _several("WEBP", 3, duration=200),
    "APNG": lambda: _several("PNG", 3, duration=200),
    "AVIF": lambda: _several("AVIF", 3, duration=200),
}


@pytest.mark.parametrize("name", MOVING)
def test_what_moves_is_never_silently_a_still(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(MOVING[name]())
    facts = inspect(path)
    assert facts.kind is MediaKind.GIF
    if facts.mime != "image/gif":
        made = as_gif(path)
        assert made is not None
        path.write_bytes(made)
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) >= 2
    for platform, limits in LIMITS.items():
        found = check(Draft((Part("It moves", (_file(path),)),)), limits)
        told = [one.code for one in (*found.violations, *found.notes)]
        assert limits.gif is not None or told in (["gif_converted"], ["video_too_short"]), platform


_BROKEN = "neither an image|document or program|cannot be used|is damaged|is empty|cannot be read|is cut off"
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "is empty"),
    "one byte": (lambda: b"\xff", _BROKEN),
    "only the beginning of a JPEG": (lambda: b"\xff\xd8\xff\xe0\0\x10JFIF\0", _BROKEN),
    "only the beginning of a PNG": (lambda: b"\x89PNG\r\n\x1a\n", _BROKEN),
    "only the beginning of a GIF": (lambda: b"GIF89a", _BROKEN),
    "only the beginning of a WebP": (lambda: b"RIFF\0\0\0\0WEBP", _BROKEN),
    "only the beginning of a video": (lambda: b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", _BROKEN),
    "half a PNG": (lambda: saved("PNG")[:150], _BROKEN),
    "half a WebP": (lambda: saved("WEBP", lossless=True)[:40], _BROKEN),
    "half an AVIF": (lambda: saved("AVIF")[:300], "AVIF"),
    "half a TIFF": (lambda: saved("TIFF")[:2000], _BROKEN),
    "half a GIF": (lambda: saved("GIF")[:60], _BROKEN),
    "an icon": (lambda: saved("ICO"), "JPEG"),
    "a drawing": (lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>', _BROKEN),
    "a document": (lambda: b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n" + bytes(200), _BROKEN),
    "a picture and a page": (lambda: saved("GIF") + b"<html><script>alert(1)</script></html>", "document or program"),
    "a picture and an archive": (lambda: saved("PNG") + b"PK\x03\x04" + bytes(200) + b"PK\x05\x06" + bytes(18), "."),
    "a picture with a page in its comment": (
        lambda: saved("JPEG", comment=b"<script>alert(1)</script>"),
        "document or program",
    ),
    "a program": (lambda: b"MZ" + bytes(400), _BROKEN),
    "sound": (lambda: b"ID3\x04\0\0\0\0\0\0" + b"\xff\xfb\x90\x64" * 200, _BROKEN),
    "a picture of no width": (lambda: png(8, 2, b"", size=(0, 4)), _BROKEN),
    "a picture of very many pixels": (lambda: png(8, 0, b"", size=(60_000, 60_000)), "64 million"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    content, says = REFUSED[name]
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content())
    with pytest.raises(BadInput, match=says) as refused:
        inspect(path)
    assert refused.value.field == "media"
    assert refused.value.message.endswith(".") and refused.value.message.count(". ") == 0


QUIET = {"x265-params": "log-level=none"}
# Wishes of `video_kit.make` that the kinds in test_videos.py do not have.
VIDEOS: dict[str, dict[str, Any]] = {
    "a second of pictures each second": {"rate": 1, "seconds": 4},
    "60 a second": {"rate": 60},
    "one picture": {"times": (0.0,)},
    "times that jump": {"form": "webm", "codec": "libvpx", "times": (0.0, 0.02, 0.5, 0.52, 1.4, 1.42, 2.9)},
    "a clip in 3GP": {"form": "3gp", "codec": "mpeg4", "size": (176, 144), "audio": ("aac",)},
    "a film for iTunes (M4V)": {"form": "ipod", "audio": ("aac",)},
    "Matroska with HEVC": {"form": "matroska", "codec": "libx265", "codec_options": QUIET},
    "sound without loss": {"audio": ("flac",)},
    "H.264 without B-frames": {"codec_options": {"bf": "0", "g": "1"}},
    "full range": {"form": "mov", "pixels": "yuvj420p"},
    "grey": {"pixels": "gray"},
    "tall and narrow": {"size": (90, 720)},
    "wide and low": {"size": (720, 90)},
    "sound of one side": {"audio": ("aac",), "channels": "mono"},
    "surround in Matroska": {"form": "matroska", "audio": ("aac",), "channels": "5.1"},
    "two languages": {"audio": ("aac", "libmp3lame")},
    "turned and 10 bits": {"pixels": "yuv420p10le", "turn": 90},
    "fragments with a late index": {"options": {"movflags": "frag_keyframe+empty_moov+separate_moof"}},
}


@pytest.mark.parametrize("name", VIDEOS)
def test_a_video_goes_out_on_every_platform_or_it_is_said_why_not(tmp_path: Path, name: str) -> None:
    path = make(tmp_path / "holiday.jpg", **VIDEOS[name])
    facts = inspect(path)
    assert facts.kind is MediaKind.VIDEO and facts.damage == "" and facts.duration
    file = _file(path)
    for platform, limits in LIMITS.items():
        found = check(Draft((Part("A film", (file,)),)), limits)
        for one in found.violations:  # a person can do something about each of them
            assert one.code in ("video_too_short", "video_ratio", "video_rate", "video_small", "video_dimensions"), one
            assert one.message.endswith(".")
        if found.violations or limits.video is None:
            continue
        (target,) = [one.target for one in found.conversions] or [None]
        if target is not None:
            made = tmp_path / f"{platform.value}.mp4"
            video_process.encode(str(path), target, str(made), lambda _share: True)
            assert check(Draft((Part("A film", (_file(made),)),)), limits).conversions == ()


def _file(path: Path) -> MediaFile:
    """A stored file with what its decoder says of it."""
    facts = inspect(path)
    told = {name: getattr(facts, name) for name in ("duration", "frames", "codec", "pixel_format", "rate", "audio")}
    return MediaFile(
        1,
        facts.kind,
        facts.mime,
        path.stat().st_size,
        facts.width,
        facts.height,
        "0" * 64,
        str(path),
        "",
        converts=True,
        **told,
    )


def test_studio_sound_is_converted_for_instagram_and_goes_as_it_is_to_x(tmp_path: Path) -> None:
    file = _file(make(tmp_path / "a.mp4", size=(640, 360), seconds=3.2, rate=30, audio=("aac",), khz=96))
    draft = Draft((Part("A film", (file,)),))
    assert check(draft, LIMITS[P("x")]).conversions == ()
    (note,) = check(draft, LIMITS[P("instagram")]).notes
    assert "Instagram takes sound of at most 48 kHz and this has 96" in note.message
    refused = check(Draft((Part("A film", (replace(file, converts=False),)),)), LIMITS[P("instagram")]).violations
    assert [one.message for one in refused] == [
        "Save the file with sound of at most 48 kHz: Instagram takes no other, and it has 96."
    ]


CONTAINERS = {"AVI": "avi", "MPEG program stream": "mpeg", "Flash": "flv", "MPEG transport stream": "mpegts"}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_video_of_another_form_says_which_to_choose(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.bin"
    with av.open(str(path), "w", format=CONTAINERS[name]) as sink:
        stream = sink.add_stream({"flv": "flv", "mpeg": "mpeg2video"}.get(CONTAINERS[name], "mpeg4"), rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for _ in range(25):
            sink.mux(stream.encode(av.VideoFrame.from_image(halves(size=(160, 120)))))
        sink.mux(stream.encode(None))
    with pytest.raises(BadInput, match=r"MP4.*\.$"):
        inspect(path)


# Text -> what it counts on X (weighted), Bluesky and Mastodon (graphemes), LinkedIn and Instagram (UTF-16).
TEXTS: dict[str, tuple[str, int, int, int]] = {
    "a family": ("👨‍👩‍👧‍👦", 2, 1, 11),
    "a flag": ("🇩🇪", 2, 1, 4),
    "a flag of a part": ("🏴󠁧󠁢󠁥󠁮󠁧󠁿", 2, 1, 14),
    "a keycap": ("1️⃣", 2, 1, 3),
    "a hand with a colour": ("👍🏽", 2, 1, 4),
    "a heart": ("❤️", 2, 1, 2),
    "an accent of its own": ("e\u0301", 1, 1, 2),
    "an accent in one": ("é", 1, 1, 1),
    "Hangul in pieces": ("\u1112\u1161\u11ab", 2, 1, 3),
    "Hangul": ("한", 2, 1, 1),
    "Hindi": ("नमस्ते", 6, 3, 6),
    "Thai": ("สวัสดี", 6, 4, 6),
    "Arabic": ("مرحبا", 5, 5, 5),
    "Chinese": ("你好世界", 8, 4, 4),
    "Greek": ("Ελλάδα", 6, 6, 6),
    "a rare sign": ("𠮷", 2, 1, 2),
    "lines of Windows": ("a\r\nb", 4, 3, 4),
    "a joiner alone": ("a\u200bb", 3, 3, 3),
    "mathematics": ("𝒳²", 3, 2, 3),
    "quotes": ("“x”", 3, 3, 3),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_counts_what_each_platform_counts(name: str) -> None:
    text, weighted, graphemes, utf16 = TEXTS[name]
    wanted = {"x": weighted, "bluesky": graphemes, "mastodon": graphemes, "linkedin": utf16, "instagram": utf16}
    assert {name: LIMITS[P(name)].length(text) for name in wanted} == wanted


UNUSABLE = {
    "an end of text": "a\x00b",
    "half a sign": "a\ud83db",
    "a mark of byte order": "\ufeffa",
    "no character": "a\uffffb",
    "no character of a far plane": "a\U0002fffeb",
    "a bell": "a\x07b",
    "a next line of old computers": "a\x85b",
}


@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("platform", ["x", "linkedin", "mastodon", "bluesky"])
def test_a_text_that_no_platform_takes_is_refused_with_the_sign(name: str, platform: str) -> None:
    found = check(Draft((Part(UNUSABLE[name]),)), LIMITS[P(platform)]).violations
    assert [one.code for one in found] == ["text_unusable"]
    assert "U+" in found[0].message and found[0].message.endswith(").")


def test_there_are_as_many_as_there_were() -> None:
    kinds = (PICTURES, MOVING, REFUSED, VIDEOS, CONTAINERS, TEXTS, UNUSABLE)
    assert sum(map(len, kinds)) >= 100
    assert video.faults  # what decides about them
