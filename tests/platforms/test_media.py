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
from PIL import Image, PngImagePlugin

from postprober import extras
from postprober.domain.limits import ImageRule
from postprober.domain.platform import Platform
from postprober.domain.post import MediaFile, MediaKind
from postprober.errors import BadInput
from postprober.platforms.common.media import (
    MAX_FRAMES,
    MAX_SCANS,
    as_gif,
    as_gif_here,
    fit_image,
    inspect,
    thumbnail,
    upload,
)
from postprober.platforms.registry import LIMITS

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
    *,
    brand: bytes = b"isom",
    seconds: int = 7,
    size: tuple[int, int] = (640, 360),
    handler: bytes = b"vide",
    turned: bool = False,
    version: int = 0,
    late_moov: bool = True,
) -> bytes:
    if version:
        mvhd = box(b"mvhd", b"\x01\0\0\0", bytes(16), struct.pack(">IQ", 1000, seconds * 1000), bytes(80))
    else:
        mvhd = box(b"mvhd", bytes(12), struct.pack(">II", 1000, seconds * 1000), bytes(80))
    track = box(
        b"trak",
        tkhd(*size, turned=turned, version=version),
        box(b"mdia", box(b"hdlr", bytes(8), handler, bytes(12))),
    )
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
    with pytest.MonkeyPatch.context() as patch:  # a process for each would take a minute; test_videos.py has those
        patch.setattr(extras, "MODULES", {**extras.MODULES, "video": ("no_such_module",)})
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


def test_what_is_uploaded_of_videos_and_animations_is_the_file_itself(tmp_path: Path) -> None:
    video, moving = mp4(), animation()
    for kind, mime, data in ((MediaKind.VIDEO, "video/mp4", video), (MediaKind.GIF, "image/gif", moving)):
        file = MediaFile(1, kind, mime, len(data), 20, 10, "0" * 64, stored(tmp_path, data, f"{kind}"))
        with upload(file, LIMITS[Platform("mastodon")]) as ready:
            assert ready.content.read() == data
    still = picture("PNG")
    file = MediaFile(1, MediaKind.IMAGE, "image/png", len(still), 60, 40, "0" * 64, stored(tmp_path, still, "still"))
    with upload(file, LIMITS[Platform("instagram")]) as ready:
        assert ready.mime == "image/jpeg"


CASES = Path(__file__).parent / "media"


def _track(codec: bytes, *, config: bytes = b"", seconds: int = 7) -> bytes:
    """An MP4 whose sample description is `codec`."""
    stsd = box(b"stsd", bytes(4), struct.pack(">I", 1), box(codec, bytes(78), config))
    mdia = box(
        b"mdia",
        box(b"mdhd", bytes(12), struct.pack(">II", 1000, 0), bytes(4)),
        box(b"hdlr", bytes(8), b"vide", bytes(12)),
        box(b"minf", box(b"stbl", stsd)),
    )
    mvhd = box(b"mvhd", bytes(12), struct.pack(">II", 1000, seconds * 1000), bytes(80))
    return box(b"ftyp", b"isom", bytes(4)) + box(b"moov", mvhd, box(b"trak", tkhd(640, 360), mdia))


def _avcc(profile: int, bits: str) -> bytes:
    """`bits` follow the level in the sequence parameter set."""
    packed = int(bits.ljust(32, "0"), 2).to_bytes(4, "big")
    sps = bytes([0x67, profile, 0, 31]) + packed
    return box(b"avcC", bytes([1, profile, 0, 31, 255, 0xE1]) + struct.pack(">H", len(sps)) + sps + b"\0")


@pytest.mark.parametrize(
    ("data", "codec"),
    [
        (_track(b"avc1"), "h264"),
        (_track(b"avc1", config=_avcc(77, "1")), "h264"),
        (_track(b"avc1", config=_avcc(100, "1" + "010" + "1" + "1")), "h264"),
        (_track(b"avc1", config=_avcc(110, "1" + "010" + "011" + "011")), "h264 10-bit"),
        (_track(b"avc1", config=_avcc(122, "1" + "011" + "1" + "1")), "h264 4:2:2"),
        (_track(b"avc1", config=_avcc(244, "1" + "00100" + "0" + "1" + "1")), "h264 4:4:4"),
        (_track(b"hvc1", config=box(b"hvcC", bytes(16) + b"\xfd\xfa" + bytes(6))), "hevc 10-bit"),
        (_track(b"vp09"), "vp9"),
        (_track(b"av01", config=box(b"av1C", b"\x81\x04\x40\0")), "av1 10-bit"),
        (_track(b"apch"), "prores"),
        (_track(b"apcn"), "prores"),
        (_track(b"mp4v"), "mpeg4"),
        (_track(b"zzzz"), "zzzz"),
        (mp4(), ""),
        ((CASES / "h264-10bit.mp4").read_bytes(), "h264 10-bit"),
    ],
)
def test_the_codec_of_a_video_is_read_with_its_depth_and_chroma(data: bytes, codec: str) -> None:
    assert inspect(data).codec == codec


def _fragment(track: int, begin: int | None, durations: list[int], *, default: int = 0) -> bytes:
    tfhd = box(
        b"tfhd", struct.pack(">II", 8 if default else 0, track) + (struct.pack(">I", default) if default else b"")
    )
    tfdt = b"" if begin is None else box(b"tfdt", b"\1\0\0\0" + struct.pack(">Q", begin))
    if default:
        trun = box(b"trun", struct.pack(">II", 0, len(durations)))
    else:
        trun = box(
            b"trun",
            struct.pack(">II", 0x301, len(durations)),
            bytes(4),
            b"".join(struct.pack(">II", d, 99) for d in durations),
        )
    return box(b"moof", box(b"mfhd", bytes(8)), box(b"traf", tfhd, tfdt, trun)) + box(b"mdat", bytes(40))


@pytest.mark.parametrize(
    "fragments",
    [
        [_fragment(1, 0, [500, 500]), _fragment(1, 1000, [500, 1000])],
        [_fragment(1, None, [1500]), _fragment(2, None, [9000]), _fragment(1, None, [1000])],
        [_fragment(1, 0, [0] * 5, default=500)],
        [_fragment(1, 2000, [500]), _fragment(1, 0, [500])],
    ],
)
def test_a_recording_in_fragments_is_as_long_as_they_are(fragments: list[bytes]) -> None:
    head = _track(b"avc1", seconds=0)
    head = head.replace(tkhd(640, 360), tkhd(640, 360)[:20] + struct.pack(">I", 1) + tkhd(640, 360)[24:])
    assert inspect(head + b"".join(fragments)).duration == 2.5
    with pytest.raises(BadInput, match="its length cannot be read"):
        inspect(head)


@pytest.mark.parametrize(
    ("name", "seconds"), [("obs-fragmented.mp4", 4.02), ("browser-recording-no-duration.webm", 4.0)]
)
def test_recordings_without_a_stated_length_are_taken(name: str, seconds: float) -> None:
    facts = inspect((CASES / name).read_bytes())
    assert (facts.kind, facts.width, facts.height) == (MediaKind.VIDEO, 320, 240)
    assert facts.duration == pytest.approx(seconds, abs=0.1)


@pytest.mark.parametrize("size", [b"\x01\xff\xff\xff\xff\xff\xff\xff", None])
def test_a_webm_that_a_browser_wrote_while_recording_is_as_long_as_its_blocks(size: bytes | None) -> None:
    def block(track: int, at: int) -> bytes:
        return element(0xA3, bytes([0x80 | track]) + struct.pack(">h", at) + bytes(40))

    def group(ident: int, body: bytes) -> bytes:
        return element(ident, body) if size is None else ident.to_bytes(4, "big") + size + body

    video = element(0xE0, element(0xB0, (320).to_bytes(2, "big")) + element(0xBA, (240).to_bytes(2, "big")))
    tracks = element(0x1654AE6B, element(0xAE, element(0xD7, b"\x02") + element(0x86, b"V_VP9") + video))
    clusters = b"".join(
        group(0x1F43B675, element(0xE7, struct.pack(">H", start)) + block(2, 0) + block(1, 900) + block(2, 500))
        for start in (0, 1000, 2000)
    )
    data = element(0x1A45DFA3, element(0x4282, b"webm")) + group(0x18538067, tracks + clusters)
    facts = inspect(data)
    assert (facts.duration, facts.codec, facts.mime) == (3.0, "vp9", "video/webm")


def moving(kind: str, frames: int = 4, *, alpha: bool = False) -> bytes:
    pictures = [Image.new("RGBA", (40, 30), (60 * n, 20, 200, 0 if alpha and n % 2 else 255)) for n in range(frames)]
    buffer = io.BytesIO()
    pictures[0].save(buffer, kind, save_all=True, append_images=pictures[1:], duration=[200, 300, 400, 500][:frames])
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize("alpha", [False, True])
def test_other_moving_pictures_become_a_gif_that_moves_as_they_did(tmp_path: Path, kind: str, alpha: bool) -> None:
    data = moving(kind, alpha=alpha)
    facts = inspect(data)
    assert (facts.kind, facts.frames) == (MediaKind.GIF, 4) and facts.mime != "image/gif"
    made = as_gif(stored(tmp_path, data, f"moving-{kind}"))
    assert (inspect(made).kind, inspect(made).mime, inspect(made).frames) == (MediaKind.GIF, "image/gif", 4)
    with Image.open(io.BytesIO(made)) as opened:
        times = []
        for number in range(4):
            opened.seek(number)
            times.append(opened.info["duration"])
        assert times == [200, 300, 400, 500] and opened.info.get("loop") == 0


@pytest.mark.parametrize("name", ["anim.webp", "anim.png"])
def test_the_moving_pictures_that_people_sent_are_moving(name: str) -> None:
    assert inspect((CASES / name).read_bytes()).kind is MediaKind.GIF
    assert (inspect(as_gif(CASES / name)).frames or 0) > 1


def test_a_large_animation_is_refused_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postprober.platforms.common.media.MAX_MOVING_PIXELS", 4 * 40 * 30 - 1)
    with pytest.raises(BadInput, match="save it as GIF or MP4"):
        as_gif(stored(tmp_path, moving("WEBP"), "large"))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("spelled", [b"#!/", b"<sv", b"%PD", b"<svg", b"<htm"])
def test_a_picture_of_one_colour_may_spell_anything(mode: str, spelled: bytes) -> None:
    pixel = (spelled + b"\xff")[: len(mode)]
    picture_of_it = Image.frombytes(mode, (64, 64), pixel * 64 * 64)
    for kind in ("BMP", "TIFF"):
        buffer = io.BytesIO()
        picture_of_it.save(buffer, kind)
        assert inspect(buffer.getvalue()).kind is MediaKind.IMAGE


def test_a_bmp_that_is_a_document_behind_its_header_is_still_refused() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "BMP")
    data = bytearray(buffer.getvalue())
    data[10:14] = (900).to_bytes(4, "little")  # the pixels begin far behind
    data[60:60] = b"%PDF-1.7" + bytes(900)
    with pytest.raises(BadInput, match="document or program"):
        inspect(bytes(data))


def test_a_heic_or_avif_is_taken_or_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="HEIC or AVIF picture that cannot be read; save it as JPEG"):
        inspect((CASES / "heic.heic").read_bytes())
    for name, mime in (("photo.heic", "image/heic"), ("photo.avif", "image/avif")):
        path = stored(tmp_path, _photo(name), name)
        assert (inspect(path).kind, inspect(path).mime) == (MediaKind.IMAGE, mime)
        fitted = fit_image(path, LIMITS[Platform("x")].images)
        assert fitted.mime == "image/jpeg" and (fitted.width, fitted.height) == (64, 48)


def _photo(name: str) -> bytes:
    if name.endswith(".heic"):
        return (CASES / name).read_bytes()
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "orange").save(buffer, "AVIF")
    return buffer.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_upright_in_thumbnails_and_posts(tmp_path: Path, orientation: int) -> None:
    upright = Image.new("RGB", (80, 60), "blue")
    upright.paste("red", (0, 0, 40, 30))  # red marks the upper left corner
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    lying = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        buffer = io.BytesIO()
        lying.save(buffer, kind, exif=exif, **({} if kind in ("PNG", "TIFF") else {"quality": 95}))
        path = stored(tmp_path, buffer.getvalue(), f"{kind}{orientation}")
        assert (inspect(path).width, inspect(path).height) == (80, 60)
        for data in (thumbnail(path, 480), fit_image(path, LIMITS[Platform("x")].images).data):
            with Image.open(io.BytesIO(data)) as shown:
                colours = [shown.convert("RGB").getpixel(at) for at in ((10, 10), (70, 10), (10, 50), (70, 50))]
                assert shown.size == (80, 60)
                assert [c[0] > 150 for c in colours] == [True, False, False, False], (kind, orientation, colours)  # type: ignore[index]


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_a_picture_with_more_than_eight_bits_keeps_its_greys_in_thumbnails(tmp_path: Path, mode: str) -> None:
    if mode == "F":
        source = Image.new("F", (2, 1))
        source.putdata([0.0, 1.0])
    else:
        source = Image.new(mode, (2, 1))
        source.putdata([16 * 256, 240 * 256])
    source = source.resize((64, 32), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    source.save(buffer, "TIFF")
    with Image.open(io.BytesIO(thumbnail(stored(tmp_path, buffer.getvalue(), mode.replace(";", "")), 480))) as shown:
        dark, light = (shown.convert("L").getpixel(at) for at in ((4, 16), (60, 16)))
    assert isinstance(dark, int) and isinstance(light, int) and dark < 30 and light > 225


def test_a_thumbnail_has_no_side_longer_than_asked(tmp_path: Path) -> None:
    with Image.open(io.BytesIO(thumbnail(stored(tmp_path, picture("PNG", (900, 300)), "wide"), 120))) as shown:
        assert shown.size == (120, 40)


SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
}  # bytes of a value, by its type
WHOLE = {3: "<H", 4: "<I", 6: "<b", 8: "<h", 9: "<i", 16: "<Q"}  # types that are integers


def turned(kind: int, count: int, values: bytes) -> bytes:
    """EXIF with nothing but an orientation, of whatever type (TIFF 6.0, section 2)."""
    field = values if len(values) <= 4 else struct.pack("<I", 26)
    entry = struct.pack("<HHI", 0x0112, kind, count) + field.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4) + (values if len(values) > 4 else b"")


NOT_NUMBERS = [
    (2, 2, b"6\0"),
    (7, 1, b"\6"),
    (1, 1, b"\6"),
    (5, 1, bytes(8)),
    (10, 1, bytes(8)),
    (12, 1, struct.pack("<d", float("nan"))),
    (11, 1, struct.pack("<f", float("inf"))),
    (16, 1, b"\xff" * 8),
    (11, 1, struct.pack("<f", 6.0)),
    (2, 5, b"Hello"),
]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP"]),
    field=st.sampled_from(NOT_NUMBERS)
    | st.sampled_from(sorted(SIZES)).flatmap(
        lambda of: st.integers(0, 3).flatmap(
            lambda count: st.tuples(
                st.just(of), st.just(count), st.binary(min_size=SIZES[of] * count, max_size=SIZES[of] * count)
            )
        )
    )
    | st.sampled_from(sorted(WHOLE)).flatmap(
        lambda of: st.integers(0, 9).map(lambda value: (of, 1, struct.pack(WHOLE[of], value)))
    ),
)
def test_an_orientation_that_is_none_of_the_eight_means_upright(kind: str, field: tuple[int, int, bytes]) -> None:
    of, count, values = field
    exif = (b"Exif\0\0" if kind == "JPEG" else b"") + turned(of, count, values)
    facts = inspect(picture(kind, exif=exif))
    if of in WHOLE and count == 1:
        quarter = struct.unpack(WHOLE[of], values)[0] in (5, 6, 7, 8)
        assert (facts.width, facts.height) == ((40, 60) if quarter else (60, 40))
    elif of not in WHOLE:
        assert (facts.width, facts.height) == (60, 40)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_what_is_no_exif_at_all_spoils_no_picture() -> None:
    for exif in (b"", b"Exif\0\0", b"II*\0", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"no exif"):
        facts = inspect(picture("WEBP", exif=exif))
        assert (facts.width, facts.height) == (60, 40), exif


def _profile(name: str, data: bytes) -> PngImagePlugin.PngInfo:
    """As ImageMagick writes it."""
    info = PngImagePlugin.PngInfo()
    lines = "\n".join(data.hex()[at : at + 72] for at in range(0, 2 * len(data), 72))
    info.add_text(f"Raw profile type {name}", f"\n{name}\n{len(data):8}\n{lines}\n", zip=True)
    return info


def _xmp(name: str, words: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_itxt(name, f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{words}</x:xmpmeta>')
    return info


SIXTH = b"Exif\0\0" + turned(3, 1, struct.pack("<H", 6))
TEXTS = {
    "exif": _profile("exif", SIXTH),
    "exif without its name": _profile("exif", SIXTH[6:]),
    "APP1": _profile("APP1", SIXTH),
    "XMP in APP1": _profile("APP1", b'http://ns.adobe.com/xap/1.0/\0<a tiff:Orientation="6"/>'),
    "XMP in a profile": _profile("xmp", b'<a tiff:Orientation="6"/>'),
    "XMP": _xmp("XML:com.adobe.xmp", '<a tiff:Orientation="6"/>'),
    "XMP, an element": _xmp("XML:com.adobe.xmp", "<tiff:Orientation>6</tiff:Orientation>"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_png_that_says_in_its_texts_how_it_was_held_is_shown_upright(tmp_path: Path, name: str) -> None:
    lying = Image.new("RGB", (60, 80), "blue")
    lying.paste("red", (0, 40, 30, 80))
    buffer = io.BytesIO()
    lying.save(buffer, "PNG", pnginfo=TEXTS[name])
    path = stored(tmp_path, buffer.getvalue())
    assert (inspect(path).width, inspect(path).height) == (80, 60)
    for data in (thumbnail(path, 480), fit_image(path, LIMITS[Platform("x")].images).data):
        shown = opened(data).convert("RGB")
        colours = [shown.getpixel(at) for at in ((10, 10), (70, 10), (10, 50), (70, 50))]
        assert shown.size == (80, 60)
        assert [c[0] > 150 for c in colours] == [True, False, False, False]  # type: ignore[index]


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("text", ["", "\nexif\n 3\nzz\n", "\nexif\n 2\n4a4b\n", "\n\n\n49492a00ffffffff"])
def test_a_text_that_is_no_profile_spoils_no_png(text: str) -> None:
    for name in ("Raw profile type exif", "Raw profile type APP1", "Raw profile type xmp", "XML:com.adobe.xmp"):
        info = PngImagePlugin.PngInfo()
        info.add_text(name, text)
        facts = inspect(picture("PNG", pnginfo=info))
        assert (facts.width, facts.height) == (60, 40)


def test_what_stands_behind_the_pixels_of_a_png_turns_nothing(tmp_path: Path) -> None:
    """Neither in its facts nor in what is made of it: the two would differ."""
    whole = picture("PNG", pnginfo=TEXTS["XMP"])
    at = whole.index(b"iTXt") - 4
    end = at + 12 + int.from_bytes(whole[at : at + 4], "big")
    late = whole[:at] + whole[end:-12] + whole[at:end] + whole[-12:]
    path = stored(tmp_path, late)
    fitted = fit_image(path, ANY)
    assert (inspect(path).width, fitted.width, fitted.height) == (60, 60, 40)


def _with_scans(number: int) -> bytes:
    """A sound JPEG whose last scan is repeated until there are so many."""
    whole = picture("JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * (number - whole.count(b"\xff\xda")) + whole[-2:]


def test_a_jpeg_that_is_decoded_again_and_again_is_refused_unseen(tmp_path: Path) -> None:
    most = _with_scans(MAX_SCANS)
    assert most.count(b"\xff\xda") == MAX_SCANS
    assert inspect(most).width == 60
    path = stored(tmp_path, _with_scans(MAX_SCANS + 1))
    for look in (inspect, lambda path: thumbnail(path, 64), lambda path: fit_image(path, ANY)):
        with pytest.raises(BadInput, match="more than 100 scans; save it as JPEG again"):
            look(path)


def test_what_only_looks_like_a_scan_is_none() -> None:
    """In a comment, in other metadata, behind the picture."""
    whole = picture("JPEG", comment=b"\xff\xda" * 1000)
    exif = b"Exif\0\0" + turned(7, 2000, b"\xff\xda" * 1000)
    assert inspect(whole + b"\xff\xda\0\2" * 1000).width == 60
    assert inspect(picture("JPEG", exif=exif)).width == 60
    assert inspect(whole[:2] + b"\xff" * 200_000 + whole[3:]).width == 60  # filled up between two segments


@pytest.mark.parametrize("cut", [2, 3, 4, 5, 21, 400])
def test_a_jpeg_that_ends_anywhere_is_refused_as_damaged(cut: int) -> None:
    with pytest.raises(BadInput):
        inspect(picture("JPEG")[:cut])


def test_a_jpeg_of_very_many_segments_is_refused_as_damaged() -> None:
    whole = picture("JPEG")
    start = whole.index(b"\xff\xda")
    with pytest.raises(BadInput, match="damaged"):
        inspect(whole[:start] + b"\xff\xfe\0\2" * 20_000 + whole[start:])


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png_with(*chunks: bytes, at: int = 33) -> bytes:
    """A sound PNG with these behind its header; `at`: -12 for behind its pixels."""
    whole = picture("PNG")
    return whole[:at] + b"".join(chunks) + whole[at:]


@pytest.mark.parametrize("at", [33, -12])
def test_a_png_whose_profiles_take_the_decoder_minutes_is_refused_unseen(tmp_path: Path, at: int) -> None:
    profile = _chunk(b"iCCP", b"x\0\0" + zlib.compress(b"\0" * 100_000))
    assert inspect(_png_with(*[profile] * 4, at=at)).width == 60
    path = stored(tmp_path, _png_with(*[profile] * 5, at=at))
    for look in (inspect, lambda path: thumbnail(path, 64), lambda path: fit_image(path, ANY)):
        with pytest.raises(BadInput, match="damaged"):
            look(path)


def test_what_only_looks_like_a_profile_is_none() -> None:
    assert inspect(_png_with(_chunk(b"tEXt", b"Comment\0" + b"iCCP" * 1000))).width == 60
    assert inspect(picture("PNG") + _chunk(b"iCCP", b"") * 1000).width == 60  # behind the picture


def test_a_png_of_very_many_chunks_is_refused_as_damaged() -> None:
    with pytest.raises(BadInput, match="damaged"):
        inspect(_png_with(_chunk(b"tEXt", b"a\0") * 200_001))


@pytest.mark.parametrize("name", [b"zTXt", b"iCCP"])
def test_a_png_with_a_large_text_or_profile_is_a_picture(tmp_path: Path, name: bytes) -> None:
    """As drawing programs leave the whole drawing in it."""
    large = _chunk(name, b"mxGraphModel\0\0" + zlib.compress(b"<mxCell/>" * 300_000))
    path = stored(tmp_path, _png_with(large))
    assert (inspect(path).width, fit_image(path, ANY).width) == (60, 60)


def test_an_animation_that_would_fill_the_memory_is_refused_in_our_words(tmp_path: Path) -> None:
    """Its header alone says how large it is."""
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 6, 0, 0, 0)
    ihdr = struct.pack(">I", len(header)) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    whole = picture("PNG")
    path = Path(stored(tmp_path, whole[:8] + ihdr + whole[33:]))
    for make in (
        lambda: as_gif(path),
        lambda: as_gif_here(str(path)),
        lambda: inspect(path),
        lambda: thumbnail(path, 64),
    ):
        with pytest.raises(BadInput, match="more than 64 million pixels"):
            make()
