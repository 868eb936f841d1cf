"""Pictures of every kind that people have: upright, in the right colours, at the limits, moving or said not to."""

from __future__ import annotations

import io
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from postprober.domain.limits import GifRule
from postprober.domain.platform import Platform
from postprober.domain.post import Draft, MediaFile, MediaKind, Part
from postprober.domain.preflight import check
from postprober.errors import BadInput
from postprober.platforms.common.media import as_gif, fit_image, inspect, thumbnail
from postprober.platforms.mastodon.replies import limits_from
from postprober.platforms.registry import LIMITS

RED, BLUE = (220, 20, 20), (20, 20, 220)
PHOTO = Path(__file__).parent / "media" / "photo.heic"
FORMS = ("JPEG", "PNG", "WEBP", "AVIF", "TIFF")
# EXIF's orientations: what must be done to a picture that lies so, undone here.
LIES = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def upright(size: tuple[int, int] = (120, 80)) -> Image.Image:
    """Red in the upper left corner, blue in the lower right one."""
    image = Image.new("RGB", size, "white")
    image.paste(RED, (0, 0, size[0] // 2, size[1] // 2))
    image.paste(BLUE, (size[0] // 2, size[1] // 2, *size))
    return image


def stands(data: bytes, size: tuple[int, int]) -> bool:
    with Image.open(io.BytesIO(data)) as image:
        shown = image.convert("RGB")
    if shown.size != size:
        return False
    wide, high = size
    corners = [
        (wide // 8, high // 8, RED),
        (wide * 7 // 8, high * 7 // 8, BLUE),
        (wide * 7 // 8, high // 8, (255,) * 3),
    ]
    return all(
        all(abs(a - b) < 40 for a, b in zip(shown.getpixel((x, y)), colour, strict=True))  # type: ignore[arg-type]
        for x, y, colour in corners
    )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("orientation", LIES)
def test_a_picture_is_upright_in_thumbnails_and_posts(tmp_path: Path, form: str, orientation: int) -> None:
    lying, exif = upright(), Image.Exif()
    turn = LIES[orientation]
    if turn is not None:
        lying = lying.transpose(turn)
    exif[0x0112] = orientation
    path = tmp_path / "a.bin"
    lying.save(path, form, exif=exif)
    facts = inspect(path)
    assert (facts.width, facts.height) == (120, 80)
    fitted = fit_image(str(path), LIMITS[Platform("x")].images)
    assert stands(fitted.data, (120, 80)) and stands(thumbnail(path, 60), (60, 40))


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"heim"])
def test_a_picture_of_a_phone_is_taken_and_goes_as_jpeg(tmp_path: Path, brand: bytes) -> None:
    path = tmp_path / "a.heic"
    data = PHOTO.read_bytes()
    path.write_bytes(data[:8] + brand + data[12:])
    facts = inspect(path)
    assert (facts.kind, facts.mime) == (MediaKind.IMAGE, "image/heic")
    for platform in LIMITS:
        assert fit_image(str(path), LIMITS[platform].images).mime == "image/jpeg"


def test_a_picture_of_a_phone_that_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(PHOTO.read_bytes()[:400])
    with pytest.raises(BadInput, match="HEIC or AVIF picture that cannot be read; save it as JPEG"):
        inspect(path)


@pytest.mark.parametrize("colour", ["2f2123", "3c7376", "3c3f70", "25504400"[:6], "504b05", "3c6874"])
@pytest.mark.parametrize("form", ["BMP", "TIFF"])
def test_a_plain_colour_is_a_picture_whatever_its_bytes_spell(tmp_path: Path, form: str, colour: str) -> None:
    path = tmp_path / "a"
    shade = tuple(bytes.fromhex(colour))
    Image.new("RGB", (90, 70), shade).save(path, form)
    facts = inspect(path)
    assert (facts.kind, facts.width, facts.height) == (MediaKind.IMAGE, 90, 70)
    made = fit_image(str(path), LIMITS[Platform("mastodon")].images)
    with Image.open(io.BytesIO(made.data)) as image:
        shown = image.convert("RGB").getpixel((4, 4))
    assert all(abs(a - b) <= 3 for a, b in zip(shown, shade, strict=True))  # type: ignore[arg-type]


def _bmp(bits: int, *, down: bool = False) -> bytes:
    """16 by 32 pixels, red above and blue below, from the format's description (BITMAPINFOHEADER)."""
    rows = [[RED] * 16] * 16 + [[BLUE] * 16] * 16
    if not down:
        rows.reverse()
    if bits == 8:
        table = bytes([RED[2], RED[1], RED[0], 0, BLUE[2], BLUE[1], BLUE[0], 0])
        pixels = b"".join(bytes(0 if one == RED else 1 for one in row) for row in rows)
    else:
        table = b""
        pixels = b"".join(bytes([b, g, r]) + (b"\xff" if bits == 32 else b"") for row in rows for r, g, b in row)
    head = struct.pack("<IiiHHIIiiII", 40, 16, -32 if down else 32, 1, bits, 0, len(pixels), 0, 0, len(table) // 4, 0)
    start = 14 + len(head) + len(table)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + head + table + pixels


@pytest.mark.parametrize("bits", [8, 24, 32])
@pytest.mark.parametrize("down", [False, True])
def test_a_bitmap_of_every_depth_is_upright(tmp_path: Path, bits: int, down: bool) -> None:
    path = tmp_path / "a.bmp"
    path.write_bytes(_bmp(bits, down=down))
    with Image.open(io.BytesIO(fit_image(str(path), LIMITS[Platform("x")].images).data)) as image:
        shown = image.convert("RGB")
    assert [shown.getpixel((1, y)) for y in (4, 28)] == [
        pytest.approx(RED, abs=40),
        pytest.approx(BLUE, abs=40),
    ]


# Limits


def judged(platform: str, limits: Any = None, **told: Any) -> list[str]:
    about = {"kind": MediaKind.IMAGE, "mime": "image/png", "size": 1000, "width": 640, "height": 640, "frames": 1}
    file = MediaFile(id=1, sha256="0" * 64, path="/nowhere", **{**about, **told})
    return [v.code for v in check(Draft((Part("Hi", (file,)),)), limits or LIMITS[Platform(platform)]).violations]


@pytest.mark.parametrize(
    ("width", "height", "codes"),
    [
        (4, 4, []),
        (3, 4, ["image_too_small"]),
        (4, 3, ["image_too_small"]),
        (1, 1, ["image_too_small"]),
        (4096, 4096, []),
        (1000, 8192, []),
        (1000, 8193, ["image_dimensions"]),
        (8192, 8192, []),
        (7999, 8000, []),
        (1000, 9000, ["image_dimensions"]),
        (9000, 1000, []),  # it is made 4,096 wide
    ],
)
def test_sides_of_pictures_for_x(width: int, height: int, codes: list[str]) -> None:
    assert [code for code in judged("x", width=width, height=height) if code != "image_too_large"] == codes


MOVING = {"kind": MediaKind.GIF, "mime": "image/gif"}


@pytest.mark.parametrize(
    ("platform", "at", "over"), [("x", 350, 351), ("x", 1, 352), ("linkedin", 250, 251), ("linkedin", 2, 260)]
)
def test_frames_of_animations(platform: str, at: int, over: int) -> None:
    assert judged(platform, **MOVING, frames=at) == []
    assert judged(platform, **MOVING, frames=over) == ["gif_frames"]


@pytest.mark.parametrize(
    ("platform", "at", "over"),
    [
        ("x", {"width": 1280, "height": 1080}, {"width": 1281, "height": 1080}),
        ("x", {"width": 1280, "height": 1080}, {"width": 1280, "height": 1081}),
        ("mastodon", {"width": 1280, "height": 720}, {"width": 1280, "height": 721}),
        ("mastodon", {"width": 960, "height": 960}, {"width": 961, "height": 960}),
    ],
)
def test_sides_of_animations(platform: str, at: dict[str, int], over: dict[str, int]) -> None:
    assert judged(platform, **MOVING, **at) == []
    assert judged(platform, **MOVING, **over) == ["gif_dimensions"]


def test_a_server_that_tells_its_limits_still_has_the_one_that_none_tells() -> None:
    """Mastodon's bound for animations; it was lost as soon as a server said anything of itself."""
    said = {"configuration": {"media_attachments": {"image_size_limit": 5_000_000, "video_frame_rate_limit": 60}}}
    limits = limits_from(said, LIMITS[Platform("mastodon")])
    assert limits.gif == GifRule(max_bytes=5_000_000, max_pixels=921_600)
    assert limits.video is not None and limits.video.max_rate == 60
    assert judged("mastodon", limits, **MOVING, width=1200, height=1000) == ["gif_dimensions"]


# Moving


@pytest.mark.parametrize("form", ["WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize("times", [(100, 100, 100), (40, 500, 200), (20, 20, 20, 20, 900)])
def test_an_animation_keeps_its_frames_and_their_times(tmp_path: Path, form: str, times: tuple[int, ...]) -> None:
    frames = [Image.new("RGB", (48, 32), (40 * i, 255 - 40 * i, 90)) for i in range(len(times))]
    path = tmp_path / "a"
    frames[0].save(path, form, save_all=True, append_images=frames[1:], duration=list(times))
    assert (inspect(path).kind, inspect(path).frames) == (MediaKind.GIF, len(times))
    with Image.open(io.BytesIO(as_gif(path))) as made:
        shown = []
        for index in range(made.n_frames):  # type: ignore[attr-defined]
            made.seek(index)
            shown.append(made.info["duration"])
    assert shown == list(times)
    with pytest.raises(BadInput, match="add the file again"):
        fit_image(str(path), LIMITS[Platform("instagram")].images)


@pytest.mark.parametrize("seed", range(15))
def test_a_picture_with_broken_bytes_is_read_or_refused(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    form = rng.choice([*FORMS, "GIF", "BMP"])
    path = tmp_path / "a"
    upright().save(path, form)
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 5, 40])):
        data[rng.randrange(len(data))] = rng.randrange(256)
    path.write_bytes(data[: rng.choice([len(data), len(data) * 2 // 3])])
    try:
        facts = inspect(path)
    except BadInput as error:
        told = error.message
    else:
        told = f"{facts.width} by {facts.height}."
        assert facts.width > 0 and facts.height > 0
    assert told.endswith(".") and told.count(". ") == 0
