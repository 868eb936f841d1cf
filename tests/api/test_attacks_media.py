"""What an attacker tries with files: endless and anonymous uploads, bombs, files that are two things at once."""

from __future__ import annotations

import io
import socket
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import ExitStack

import httpx2
import pytest
from PIL import Image

from postprober.api import middleware
from postprober.api.routes import media as media_routes
from postprober.domain.platform import Platform
from postprober.services.media.media import public_url
from postprober.storage import media as media_storage
from tests.api.rest_kit import Rest, is_problem, png, rest_on
from tests.api.serving import serving
from tests.api.test_attacks_http import Stream
from tests.installed import Installation
from tests.platforms.test_media import box, mp4

MB = 2**20
SCRIPT = b"<script>alert(document.domain)</script>"
HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
FORM = {"Content-Type": "multipart/form-data; boundary=x"}


@pytest.fixture
def rest(installation: Installation) -> Iterator[Rest]:
    made = rest_on(installation)
    with made.client:
        yield made


def upload(rest: Rest, content: bytes, name: str = "a.png") -> httpx2.Response:
    return rest.ask("POST", "/api/media", files={"file": (name, content, "text/html")})


def left(rest: Rest) -> list[str]:
    """Files in the data folder that somebody sent."""
    folder = rest.core.settings.data_dir / "media"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def address(rest: Rest, media_id: int, platform: Platform) -> str:
    with rest.core.db.read() as conn:
        record = media_storage.get_many(conn, [media_id])[0]
    url = public_url(rest.core.settings, rest.clock.now().timestamp(), record, platform)
    return url[url.index("/api/") :]


# Size


def _send(url: str, body: Stream, token: str = "") -> int:
    """The answer's status; 0 when the connection was closed before one was read."""

    def pieces() -> Iterator[bytes]:
        yield HEAD
        yield from body

    headers = {**FORM, **({"Authorization": f"Bearer {token}"} if token else {})}
    with httpx2.Client(trust_env=False, timeout=30) as client:
        try:
            return client.post(f"{url}/api/media", content=pieces(), headers=headers).status_code
        except httpx2.TransportError:
            return 0


def test_a_file_of_somebody_unknown_is_not_read(rest: Rest) -> None:
    """Else anybody could fill the disk."""
    body = Stream(2**30)
    with serving(rest.client.app) as url:  # type: ignore[arg-type]
        assert _send(url, body) in (401, 0)
    assert body.sent < 64 * MB and left(rest) == []
    assert is_problem(rest.client.post("/api/media", content=b"x" * 1000, headers=FORM), 401, "not-signed-in")


def test_a_gigabyte_is_cut_off_in_bounded_memory_and_leaves_nothing(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "MAX_UPLOAD", 96 * MB)
    body = Stream(2**30)
    with serving(rest.client.app) as url:  # type: ignore[arg-type]
        token = rest.token("owner")
        tracemalloc.start()
        try:
            status = _send(url, body, token)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert status in (413, 0)
    assert 96 * MB <= body.sent < 192 * MB and peak < 32 * MB
    assert left(rest) == []


def test_a_large_video_is_never_whole_in_memory(rest: Rest) -> None:
    film = mp4() + box(b"free", bytes(48 * MB))
    with serving(rest.client.app) as url, httpx2.Client(trust_env=False, timeout=30, base_url=url) as client:  # type: ignore[arg-type]
        headers = {"Authorization": f"Bearer {rest.token('owner')}"}
        files = {"file": ("a.mp4", io.BytesIO(film), "video/mp4")}
        tracemalloc.start()
        try:
            made = client.post("/api/media", files=files, headers=headers)
            size = 0
            with client.stream("GET", address(rest, made.json()["id"], Platform("instagram"))) as reply:
                for block in reply.iter_bytes():
                    size += len(block)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert made.status_code == 201 and made.json()["size"] == size == len(film)
    assert reply.headers["content-type"] == "video/mp4" and reply.headers["x-content-type-options"] == "nosniff"
    assert peak < 24 * MB


def test_few_uploads_run_at_the_same_time_and_one_person_cannot_take_all_places(rest: Rest) -> None:
    gate = rest.client.app.state.uploads  # type: ignore[attr-defined]
    owner, stranger = rest.installation.owner, rest.installation.stranger
    with ExitStack() as running:
        for _ in range(gate.of_one):
            running.enter_context(gate.held(owner))
        mine = upload(rest, png())
        assert is_problem(mine, 429, "too-many-at-once") and int(mine.headers["retry-after"]) > 0
        assert rest.ask("POST", "/api/media", "stranger", files={"file": ("a.png", png())}).status_code == 201
        for _ in range(gate.most - gate.of_one):
            running.enter_context(gate.held(stranger))
        everybodys = rest.ask("POST", "/api/media", "teammate", files={"file": ("a.png", png())})
        assert is_problem(everybodys, 503, "overloaded") and int(everybodys.headers["retry-after"]) > 0
    assert upload(rest, png()).status_code == 201
    assert upload(rest, b"no picture").status_code == 422 and upload(rest, png()).status_code == 201, (
        "places are given back"
    )


def test_an_upload_that_never_ends_gives_its_place_back(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_routes, "LONGEST", 0.2)
    with serving(rest.client.app) as url:  # type: ignore[arg-type]
        token = rest.token("owner")
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=15) as raw:
            raw.sendall(
                b"POST /api/media HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\nAuthorization: Bearer "
                + token.encode()
                + b"\r\nContent-Type: multipart/form-data; boundary=x\r\n\r\n"
                + HEAD
            )
            answer = raw.recv(65_536)
    assert answer.split(b" ", 2)[1] == b"408" and b"application/problem+json" in answer
    assert rest.client.app.state.uploads._running.total() == 0  # type: ignore[attr-defined]
    assert left(rest) == []


@pytest.mark.parametrize(
    ("data", "files"),
    [
        ({"alt": "a", "more": "b"}, {"file": ("a.png", png())}),
        ({}, {"file": ("a.png", png()), "second": ("b.png", png())}),
        ({"alt": "x" * 200_000}, {"file": ("a.png", png())}),
        ({"file": "text"}, {}),
    ],
    ids=["two fields", "two files", "a long text", "no file"],
)
def test_a_form_with_more_than_it_may_have_is_refused(
    rest: Rest, data: dict[str, str], files: dict[str, tuple[str, bytes]]
) -> None:
    reply = rest.ask("POST", "/api/media", data=data, files=files or None)
    assert reply.status_code in (400, 422) and reply.headers["content-type"] == "application/problem+json"
    assert left(rest) == []


# Bombs


def bomb(side: int) -> bytes:
    """A black and white PNG of `side` by `side` pixels in a few kilobytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    packer, row = zlib.compressobj(9), bytes(side // 8 + 2)
    rows = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_picture_bomb_is_refused_by_its_header(rest: Rest) -> None:
    content = bomb(60_000)
    assert len(content) < MB
    tracemalloc.start()
    try:
        reply = upload(rest, content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert is_problem(reply, 422, "bad-input") and "pixels" in reply.json()["detail"]
    assert peak < 32 * MB and left(rest) == []
    assert upload(rest, bomb(400)).status_code == 201, "the control: small, it is a picture"


def test_an_animation_with_endless_frames_is_refused(rest: Rest) -> None:
    out = io.BytesIO()
    frames = [Image.new("1", (8, 8), n % 2) for n in range(2100)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=20, optimize=False)
    assert is_problem(upload(rest, out.getvalue(), "a.gif"), 422, "bad-input")
    assert left(rest) == []


# Two things at once


def picture(kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 400), "green").save(out, kind, **options)
    return out.getvalue()


def animation() -> bytes:
    out = io.BytesIO()
    frames = [Image.new("P", (400, 400), n) for n in range(3)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=100)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", b"<!doctype html><html><body>" + SCRIPT),
        ("a.png", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
        ("a.svg", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'),
        ("a.gif", b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)//"),
        ("a.gif", animation()[:13] + b"!\xfe\x27" + SCRIPT + b"\x00" + animation()[13:]),
        ("a.jpg", picture("JPEG", comment=SCRIPT)),
        ("a.pdf", b"%PDF-1.7\n" + picture("PNG")),
        ("a.png", picture("PNG") + b"PK\x05\x06" + bytes(18)),
        ("a.jpg", b"#!/bin/sh\n" + picture("JPEG")),
        ("a.mp4", b"<html>" + mp4()),
    ],
    ids=["html", "svg", "xml svg", "gif and js", "gif comment", "jpeg comment", "pdf", "zip", "shell", "mp4"],
)
def test_what_could_be_a_page_or_a_program_too_is_refused(rest: Rest, name: str, content: bytes) -> None:
    assert is_problem(upload(rest, content, name), 422, "bad-input")
    assert left(rest) == []


@pytest.mark.parametrize("platform", [Platform("x"), Platform("instagram")])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_what_was_hidden_behind_a_picture_is_not_served(rest: Rest, kind: str, platform: Platform) -> None:
    made = upload(rest, picture(kind) + b"\n" * 2000 + SCRIPT, "../../a.html\r\nX-Evil: 1")
    assert made.status_code == 201 and not set("/\\\r\n<>") & set(made.json()["name"])
    reply = rest.client.get(address(rest, made.json()["id"], platform))
    assert b"<script" not in reply.content
    with Image.open(io.BytesIO(reply.content)) as shown:
        assert Image.MIME[str(shown.format)] == reply.headers["content-type"]


def test_an_animation_that_goes_out_as_it_is_can_do_nothing_in_a_browser(rest: Rest) -> None:
    made = upload(rest, animation() + b"\n" * 2000 + SCRIPT, "a.html")
    reply = rest.client.get(address(rest, made.json()["id"], Platform("x")))
    assert reply.headers["content-type"].startswith("image/") and reply.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in reply.headers["content-security-policy"]
    assert "default-src 'none'" in reply.headers["content-security-policy"]
