"""Large pictures: made small before they are converted, few decoded at a time, and made once for each (file, rule)."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from postprober import places
from postprober.domain.platform import Platform
from postprober.errors import HERE, BadInput, Unavailable
from postprober.platforms.common import media, picture_process
from postprober.platforms.common.media import MAX_PIXELS, MOST_SENT, fit_image, renditions_of
from postprober.platforms.registry import LIMITS

RULE = LIMITS[Platform("instagram")].images
WITHIN = 20.0


def stored(folder: Path, image: Image.Image, kind: str = "PNG", **options: object) -> Path:
    """As an installation keeps it: under its hash."""
    made = folder / "made"
    image.save(made, kind, **options)
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    path = folder / "media" / digest[:2] / f"{digest}.{kind.lower()}"
    path.parent.mkdir(parents=True)
    return made.rename(path)


def test_a_rendition_is_made_once_for_a_file_and_a_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stored(tmp_path, Image.new("RGB", (300, 200), "red"))
    made, real = [], media._fitted
    monkeypatch.setattr(media, "_fitted", lambda *asked: made.append(asked) or real(*asked))
    with ThreadPoolExecutor(6) as many:
        found = list(many.map(lambda _: fit_image(str(path), RULE), range(12)))
    assert len(made) == 1 and len(set(found)) == 1
    other = fit_image(str(path), LIMITS[Platform("x")].images)
    assert len(made) == 2 and len(renditions_of(path)) == 2 and (other.width, other.height) == (300, 200)
    assert media._locks == {}


def test_what_was_kept_only_in_part_is_made_again(tmp_path: Path) -> None:
    path = stored(tmp_path, Image.new("RGB", (300, 200), "red"))
    whole = fit_image(str(path), RULE)
    (kept,) = renditions_of(path)
    for broken in (b"", b"{}\n", b"no json", kept.read_bytes()[:-5]):
        kept.write_bytes(broken)
        assert fit_image(str(path), RULE) == whole


def test_a_folder_that_takes_nothing_costs_the_keeping_only(tmp_path: Path) -> None:
    path = stored(tmp_path, Image.new("RGB", (300, 200), "red"))
    (path.parent.parent / media.RENDITIONS).write_text("in the way")
    assert fit_image(str(path), RULE).mime == "image/jpeg"


def test_few_pictures_are_decoded_at_a_time_and_few_pixels_together() -> None:
    inside, most = threading.Event(), []
    go = threading.Event()

    def take(pixels: int) -> None:
        with media.room.taken(pixels):
            most.append((media.room.pictures, media.room.pixels))
            inside.set()
            assert go.wait(WITHIN)

    with ThreadPoolExecutor(8) as many:
        asked = [many.submit(take, pixels) for pixels in (MAX_PIXELS * 2, 10, 10, 10, MAX_PIXELS, 10)]
        assert inside.wait(WITHIN)
        go.set()
        for one in asked:
            one.result(WITHIN)
    assert max(pictures for pictures, _ in most) <= media.MOST_AT_ONCE
    assert max(pixels for _, pixels in most) <= MAX_PIXELS
    assert (media.room.pictures, media.room.pixels) == (0, 0)


def test_who_finds_no_room_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "ROOM_SECONDS", 0.0)
    path = stored(tmp_path, Image.new("RGB", (300, 200), "red"))
    asks: tuple[Callable[[], object], ...] = (
        lambda: media.inspect(path),
        lambda: fit_image(str(path), RULE),
        lambda: media.thumbnail(path, 64),
    )
    with media.room.taken(10), media.room.taken(10):
        for ask in asks:
            with pytest.raises(Unavailable, match="Try again later") as caught:
                ask()
            assert caught.value.code == HERE
    assert (media.room.pictures, media.room.pixels) == (0, 0)
    for ask in asks:
        ask()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK"])
def test_what_is_made_small_first_looks_the_same(tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Image.new("RGB", (900, 600), "white")
    picture.paste((255, 0, 0), (450, 0, 900, 300))
    picture.paste((0, 0, 255), (0, 300, 450, 600))
    source = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    picture.convert(mode).save(source)
    rule = media.ImageRule(max_count=4, mimes=("image/png",), max_bytes=0, max_width=200)
    whole = fit_image(str(source), rule)
    monkeypatch.setattr(media, "_STRIP", 900 * 7)
    small = fit_image(str(source), rule)
    assert (small.width, small.height) == (whole.width, whole.height) == (200, 133)
    (tmp_path / "w").write_bytes(whole.data)
    (tmp_path / "s").write_bytes(small.data)
    with Image.open(tmp_path / "w") as one, Image.open(tmp_path / "s") as other:
        for at in ((30, 30), (170, 30), (30, 110), (170, 110)):
            near = zip(one.convert("RGB").getpixel(at), other.convert("RGB").getpixel(at), strict=True)  # type: ignore[arg-type]
            assert all(abs(a - b) < (60 if mode == "1" else 8) for a, b in near), at  # "1" is dithered


def test_a_turned_picture_is_turned_also_when_it_is_made_small_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "_STRIP", 900 * 7)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (900, 600), "red").save(tmp_path / "a.jpg", exif=exif)
    made = fit_image(
        str(tmp_path / "a.jpg"), media.ImageRule(max_count=4, mimes=("image/jpeg",), max_bytes=0, max_width=200)
    )
    assert (made.width, made.height) == (200, 300)


_PEAK = """
import sys
from pathlib import Path
from postprober.platforms.registry import LIMITS
from postprober.domain.platform import Platform
from postprober.platforms.common.media import fit_image
def peak():  # kB; what getrusage says begins with the peak of the process that started this one
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
before = peak()
for name in ("instagram", "x"):
    made = fit_image(sys.argv[1], LIMITS[Platform(name)].images)
    assert made.width * made.height <= int(sys.argv[2])
print((peak() - before) // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("most", "fewest"), [(60, 0), (1000, 60)])
@pytest.mark.parametrize("mode", ["P", "RGBA"])
def test_sixty_four_megapixels_take_no_memory_of_the_process(tmp_path: Path, mode: str, most: int, fewest: int) -> None:
    """Megabytes; the decoded picture alone takes 64 or 256. The control decodes it in the process itself."""
    path = tmp_path / "a.png"
    Image.new(mode, (8000, 8000), (0, 0, 0, 128) if mode == "RGBA" else 0).save(path)
    here = "from postprober.platforms.common import media; media.LARGE = media.MAX_PIXELS\n" if fewest else ""
    done = subprocess.run(
        [sys.executable, "-c", here + _PEAK, str(path), str(MOST_SENT)], capture_output=True, text=True, check=True
    )
    assert fewest <= int(done.stdout) < most


# The helper that decodes large pictures

SMALL = media.ImageRule(max_count=4, mimes=("image/jpeg", "image/png"), max_bytes=0, max_width=200)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture is large."""
    monkeypatch.setattr(media, "LARGE", 0)


@pytest.mark.parametrize(("mode", "kind"), [("RGB", "JPEG"), ("RGBA", "PNG"), ("P", "GIF"), ("L", "TIFF")])
def test_the_helper_makes_the_same_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, kind: str
) -> None:
    path = tmp_path / "a.bin"
    Image.effect_noise((640, 480), 80).convert(mode).save(path, kind)
    here = media.fit_image(str(path), SMALL), media.thumbnail(path, 64), media.inspect(path)
    monkeypatch.setattr(media, "LARGE", 0)
    assert (media.fit_image(str(path), SMALL), media.thumbnail(path, 64), media.inspect(path)) == here


def test_the_helper_makes_a_gif_of_what_moves(tmp_path: Path, always: None) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "green", "blue")]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], duration=120)
    with Image.open(io.BytesIO(media.as_gif(tmp_path / "a.webp"))) as made:
        assert (made.format, made.n_frames, made.size) == ("GIF", 3, (40, 30))  # type: ignore[attr-defined]


def test_what_the_helper_refuses_is_refused_in_the_same_words(tmp_path: Path, always: None) -> None:
    path = tmp_path / "cut.png"
    buffer = io.BytesIO()
    Image.effect_noise((640, 480), 80).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue()[:5000])
    with pytest.raises(BadInput, match="damaged or cut off"):
        media.inspect(path)


@pytest.fixture
def helper(tmp_path: Path, always: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a program in the place of the helper; returns a picture."""
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    monkeypatch.setattr(places, "import_root", lambda: tmp_path)
    (tmp_path / "postprober" / "platforms" / "common").mkdir(parents=True)

    def write(program: str) -> Path:
        (tmp_path / "postprober" / "platforms" / "common" / "picture_helper.py").write_text(
            f"import os, signal\n{program}\n"
        )
        return tmp_path / "a.png"

    return write


Helper = Callable[[str], Path]
_BEGUN = "os.write(1, b'begun\\n')\n"


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGSEGV)", "os.abort()", "os._exit(1)", "os._exit(0)"])
def test_a_picture_that_ends_the_decoder_ends_nobody_else(helper: Helper, end: str) -> None:
    with pytest.raises(BadInput, match="cannot be decoded; save it as JPEG"):
        media.inspect(helper(_BEGUN + end))


@pytest.mark.parametrize(
    "program",
    [
        *(f"{_BEGUN}os.kill(os.getpid(), signal.SIG{name})" for name in ("TERM", "INT", "KILL", "HUP")),
        "os.kill(os.getpid(), signal.SIGSEGV)",
        "import no_such_module",
        "os._exit(0)",
    ],
)
def test_a_helper_that_was_killed_or_never_began_says_nothing_about_the_picture(helper: Helper, program: str) -> None:
    with pytest.raises(Unavailable, match="Try again later") as caught:
        # What is ignored where the tests run is ignored by their children, too (SIGHUP under nohup).
        media.inspect(helper(f"for s in (signal.SIGINT, signal.SIGHUP): signal.signal(s, signal.SIG_DFL)\n{program}"))
    assert caught.value.code == HERE


def test_a_helper_that_does_not_end_is_ended(helper: Helper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_process, "SECONDS", 0.5)
    with pytest.raises(Unavailable, match="Try again later"):
        media.inspect(helper(f"{_BEGUN}while True: pass"))


def test_the_helper_says_when_it_begins(tmp_path: Path) -> None:
    """Not before it has read its order, and before it decodes."""
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    order = json.dumps({"task": "check", "path": str(tmp_path / "a.png")}).encode()
    command = [sys.executable, "-P", "-m", "postprober.platforms.common.picture_helper"]
    env = {"PYTHONPATH": str(places.import_root())}
    assert subprocess.run(command, input=order, env=env, capture_output=True).stdout == b"begun\n{}\n"
    assert subprocess.run(command, input=b"", env=env, capture_output=True).stdout == b""


def test_the_helper_knows_no_setting_and_may_not_take_all_memory(
    tmp_path: Path, always: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTPROBER_SECRET_KEY", "a secret")
    monkeypatch.setattr(places, "import_root", lambda: tmp_path)
    (tmp_path / "postprober" / "platforms" / "common").mkdir(parents=True)
    (tmp_path / "postprober" / "platforms" / "common" / "picture_helper.py").write_text(
        "import json, os\nprint('begun')\nprint(json.dumps({'error': ' '.join(os.environ), 'detail': '', 'field': ''}))\n"
    )
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    with pytest.raises(BadInput) as caught:
        media.inspect(tmp_path / "a.png")
    assert "PATH" in caught.value.message and "POSTPROBER" not in caught.value.message
    code = (
        f"from postprober.platforms.common import picture_helper as h; h._bound(); bytearray(h.MOST_MEMORY + {1 << 28})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MemoryError" in done.stderr
