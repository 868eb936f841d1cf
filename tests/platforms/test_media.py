"""Media are judged by content and fitted to each platform's rule."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from postprober.domain.limits import LIMITS, ImageRule
from postprober.domain.platform import Platform
from postprober.domain.post import MediaFile, MediaKind
from postprober.errors import BadInput
from postprober.platforms.media import MAX_FRAMES, fit_image, inspect, payload

JPEG_ONLY = ImageRule(4, ("image/jpeg",), max_bytes=1_000_000)
ANY = ImageRule(4, ("image/jpeg", "image/png", "image/webp", "image/gif"), max_bytes=1_000_000)


def picture(kind: str = "PNG", size: tuple[int, int] = (60, 40), mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    colours: dict[str, tuple[int, ...]] = {"RGB": (200, 30, 30), "RGBA": (200, 30, 30, 0), "CMYK": (0, 200, 200, 0)}
    colour: float | tuple[int, ...] = colours.get(mode, 0)
    Image.new(mode, size, colour).save(buffer, kind, **options)
    return buffer.getvalue()


def noise(size: tuple[int, int]) -> Image.Image:
    return Image.effect_noise(size, 120).convert("RGB")


def animation(frames: int = 3, size: tuple[int, int] = (20, 10)) -> bytes:
    buffer = io.BytesIO()
    images = [Image.new("RGB", size, (index * 40 % 256, 0, index % 256)) for index in range(frames)]
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=50)
    return buffer.getvalue()


def stored(folder: Path, data: bytes, name: str = "file.bin") -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def tkhd(width: int, height: int, *, turned: bool = False, version: int = 0) -> bytes:
    matrix = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30) if turned else (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    times = bytes(32) if version else bytes(20)
    head = bytes([version, 0, 0, 7]) + times + bytes(16)
    return box(b"tkhd", head + struct.pack(">9i", *matrix) + struct.pack(">II", width << 16, height << 16))


def mp4(
    *, brand: bytes = b"isom", seconds: int = 7, size: tuple[int, int] = (640, 360), handler: bytes = b"vide",
    turned: bool = False, version: int = 0, late_moov: bool = True,
) -> bytes:  # fmt: skip
    if version:
        mvhd = box(b"mvhd", b"\x01\0\0\0", bytes(16), struct.pack(">IQ", 1000, seconds * 1000), bytes(80))
    else:
        mvhd = box(b"mvhd", bytes(12), struct.pack(">II", 1000, seconds * 1000), bytes(80))
    track = box(
        b"trak", tkhd(*size, turned=turned, version=version),
        box(b"mdia", box(b"hdlr", bytes(8), handler, bytes(12))),
    )  # fmt: skip
    moov, mdat = box(b"moov", mvhd, track), box(b"mdat", bytes(500))
    ftyp = box(b"ftyp", brand, bytes(4), b"isom")
    return ftyp + (mdat + moov if late_moov else moov + mdat)


def element(ident: int, body: bytes) -> bytes:
    raw = ident.to_bytes((ident.bit_length() + 7) // 8, "big")
    return raw + (0x1000_0000 | len(body)).to_bytes(4, "big") + body


def webm(doctype: bytes = b"webm") -> bytes:
    info = element(
        0x1549A966, element(0x2AD7B1, (1_000_000).to_bytes(3, "big")) + element(0x4489, struct.pack(">d", 4500))
    )
    video = element(0xE0, element(0xB0, (320).to_bytes(2, "big")) + element(0xBA, (240).to_bytes(2, "big")))
    tracks = element(0x1654AE6B, element(0xAE, video))
    return element(0x1A45DFA3, element(0x4282, doctype)) + element(
        0x18538067, info + tracks + element(0x1F43B675, bytes(9))
    )


@pytest.mark.parametrize(
    ("kind", "mime"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("GIF", "image/gif")]
)
def test_an_image_is_known_by_content_and_not_by_name(tmp_path: Path, kind: str, mime: str) -> None:
    facts = inspect(stored(tmp_path, picture(kind), "holiday.exe"))
    assert (facts.kind, facts.mime, facts.width, facts.height) == (MediaKind.IMAGE, mime, 60, 40)
    assert facts.duration is None


def test_an_animation_is_a_gif_and_a_still_gif_an_image() -> None:
    assert inspect(animation()).kind is MediaKind.GIF
    assert inspect(picture("GIF")).kind is MediaKind.IMAGE


def test_size_is_reported_as_shown_when_the_camera_was_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    facts = inspect(picture("JPEG", (60, 40), exif=exif))
    assert (facts.width, facts.height) == (40, 60)


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("late_moov", [True, False])
def test_an_mp4_tells_its_size_and_length(version: int, late_moov: bool) -> None:
    facts = inspect(mp4(version=version, late_moov=late_moov))
    assert (facts.kind, facts.mime, facts.width, facts.height) == (MediaKind.VIDEO, "video/mp4", 640, 360)
    assert facts.duration == pytest.approx(7.0)


def test_a_phone_video_is_measured_upright_and_mov_is_told_from_mp4() -> None:
    facts = inspect(mp4(brand=b"qt  ", turned=True))
    assert (facts.mime, facts.width, facts.height) == ("video/quicktime", 360, 640)


def test_a_webm_tells_its_size_and_length() -> None:
    facts = inspect(webm())
    assert (facts.mime, facts.width, facts.height) == ("video/webm", 320, 240)
    assert facts.duration == pytest.approx(4.5)


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "hello")
    return buffer.getvalue()


BAD_FILES = {
    "empty": b"",
    "text": b"hello world, this is no image",
    "pdf": b"%PDF-1.7\n" + bytes(100),
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "image with an archive": picture() + zipped(),
    "image with a script": picture("GIF")[:13] + b"<script>alert(1)</script>" + picture("GIF")[13:],
    "cut image": picture("PNG", (300, 300))[:-40],
    "cut video": mp4()[:-60],
    "sound only": mp4(handler=b"soun"),
    "sound file": mp4(brand=b"M4A "),
    "heic": mp4(brand=b"heic"),
    "no length": mp4(seconds=0),
    "matroska": webm(b"matroska"),
    "too many frames": animation(MAX_FRAMES + 1, (1, 1)),
    "only a head": mp4()[:20],
    "wild box": box(b"ftyp", b"isom", bytes(4)) + struct.pack(">I4s", 3, b"moov"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_what_cannot_be_used_is_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(BadInput) as caught:
        inspect(BAD_FILES[name])
    assert caught.value.field == "media"
    assert caught.value.message.endswith(".")
    assert caught.value.message.count(". ") == 0


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = bytearray(picture("PNG", (10, 10)))
    bomb[16:24] = struct.pack(">II", 60_000, 60_000)  # IHDR: the size that the decoder would allocate
    bomb[29:33] = struct.pack(">I", zlib.crc32(bytes(bomb[12:29])))
    with pytest.raises(BadInput, match="64 million pixels"):
        inspect(bytes(bomb))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be opened"):
        inspect(tmp_path / "nothing.png")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_never_raise_anything_else(data: st.DataObject) -> None:
    source = bytearray(
        data.draw(st.sampled_from([picture(), picture("JPEG"), picture("WEBP"), animation(), mp4(), webm()]))
    )
    for _ in range(data.draw(st.integers(1, 8))):
        source[data.draw(st.integers(0, len(source) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(source)))
    try:
        facts = inspect(bytes(source[:cut]))
    except BadInput:
        return
    assert facts.width > 0 and facts.height > 0


def test_metadata_is_gone_and_the_picture_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "secret place"
    source = picture("JPEG", (60, 40), exif=exif, comment=b"a comment")
    assert b"secret place" in source
    fitted = fit_image(stored(tmp_path, source), JPEG_ONLY)
    assert (fitted.width, fitted.height) == (40, 60)
    assert b"secret place" not in fitted.data and b"a comment" not in fitted.data and b"Exif" not in fitted.data
    assert opened(fitted.data).size == (40, 60)


def test_transparency_is_kept_where_it_may_and_becomes_white_where_not(tmp_path: Path) -> None:
    path = stored(tmp_path, picture("PNG", mode="RGBA"))
    kept = fit_image(path, ANY)
    assert kept.mime == "image/png" and opened(kept.data).mode == "RGBA"
    flat = fit_image(path, JPEG_ONLY)
    assert flat.mime == "image/jpeg"
    corner = opened(flat.data).getpixel((5, 5))
    assert isinstance(corner, tuple) and min(corner) > 250


@pytest.mark.parametrize("mode", ["L", "CMYK", "I;16", "P", "1"])
def test_every_colour_mode_becomes_what_a_platform_takes(tmp_path: Path, mode: str) -> None:
    source = picture("TIFF" if mode in ("CMYK", "I;16") else "PNG", mode=mode)
    fitted = fit_image(stored(tmp_path, source), JPEG_ONLY)
    assert fitted.mime == "image/jpeg" and opened(fitted.data).mode == "RGB"


def test_pixels_and_bytes_are_brought_under_the_limits(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    noise((900, 700)).save(buffer, "PNG")
    path = stored(tmp_path, buffer.getvalue())
    rule = ImageRule(4, ("image/jpeg", "image/png"), max_bytes=60_000, max_width=600, max_pixels=200_000)
    fitted = fit_image(path, rule)
    assert len(fitted.data) <= 60_000
    assert fitted.width <= 600 and fitted.width * fitted.height <= 200_000
    assert fitted.width / fitted.height == pytest.approx(900 / 700, rel=0.02)
    assert fit_image(path, rule) == fitted, "the same file must give the same bytes at every try"


def test_what_cannot_shrink_enough_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    noise((200, 200)).save(buffer, "PNG")
    with pytest.raises(BadInput, match="cannot be made smaller than 300 bytes"):
        fit_image(stored(tmp_path, buffer.getvalue()), ImageRule(1, ("image/jpeg",), max_bytes=300))


def test_an_animation_goes_out_untouched_or_not_at_all(tmp_path: Path) -> None:
    data = animation()
    path = stored(tmp_path, data)
    assert fit_image(path, ANY).data == data
    with pytest.raises(BadInput, match="animated GIF"):
        fit_image(path, ImageRule(1, ("image/gif",), max_bytes=10))
    with pytest.raises(BadInput, match="20 by 10 pixels"):
        fit_image(path, ImageRule(1, ("image/gif",), max_bytes=10_000, max_width=10))
    assert fit_image(path, JPEG_ONLY).mime == "image/jpeg", "elsewhere its first frame is a still image"


def test_payload_leaves_videos_and_animations_alone(tmp_path: Path) -> None:
    video, moving = mp4(), animation()
    for kind, mime, data in ((MediaKind.VIDEO, "video/mp4", video), (MediaKind.GIF, "image/gif", moving)):
        file = MediaFile(1, kind, mime, len(data), 20, 10, "0" * 64, stored(tmp_path, data, f"{kind}"))
        assert payload(file, LIMITS[Platform.MASTODON]).data == data
    still = picture("PNG")
    file = MediaFile(1, MediaKind.IMAGE, "image/png", len(still), 60, 40, "0" * 64, stored(tmp_path, still, "still"))
    assert payload(file, LIMITS[Platform.INSTAGRAM]).mime == "image/jpeg"
