"""Files that come in pieces, by the tus protocol: cut anywhere, gone on with, and never anybody else's."""

from __future__ import annotations

import base64
import hashlib
import random
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, update

from postprober.api.app import create_app
from postprober.api.routes import tus
from postprober.services.media import handing_in, media, resumable
from postprober.services.people import api_tokens, sessions, users
from postprober.services.people.sessions import GRANT_LIFE
from postprober.storage import retention, tables, uploads
from postprober.storage import users as user_storage
from tests.api.rest_kit import Rest, is_problem, png, rest_on
from tests.api.serving import serving
from tests.installed import Installation
from tests.people import acting
from tests.platforms.test_media import box, mp4

BEGIN = "/api/media/resumable"
TUS = {"Tus-Resumable": "1.0.0"}
MB = 2**20


@pytest.fixture
def rest(installation: Installation) -> Iterator[Rest]:
    made = rest_on(installation)
    with made.client:
        yield made


def film(size: int) -> bytes:
    """A video with noise behind it, of about `size` bytes."""
    return mp4() + box(b"free", random.Random(size).randbytes(size))


def said(**told: str) -> str:
    return ", ".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in told.items())


def begin(
    rest: Rest, length: int, who: str = "owner", headers: dict[str, str] | None = None, **told: str
) -> httpx2.Response:
    metadata = {"Upload-Metadata": said(**{"filename": "a.mp4", **told})}
    return rest.ask("POST", BEGIN, who, headers={**TUS, "Upload-Length": str(length), **metadata, **(headers or {})})


def place(reply: httpx2.Response) -> str:
    assert reply.status_code == 201, reply.text
    return str(reply.headers["location"][reply.headers["location"].index("/api/") :])


def send(rest: Rest, path: str, offset: int, content: bytes, **headers: str) -> httpx2.Response:
    kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
    return rest.client.patch(path, content=content, headers={**TUS, **kind, **headers})


def offset_of(rest: Rest, path: str) -> int:
    reply = rest.client.head(path, headers=TUS)
    assert reply.status_code == 200 and reply.headers["cache-control"] == "no-store"
    return int(reply.headers["upload-offset"])


def stored(rest: Rest, path: str) -> bytes:
    told = rest.ask("GET", path).json()
    with rest.core.db.read() as conn:
        row = conn.execute(select(tables.media).where(tables.media.c.id == told["id"])).one()
    content: bytes = (rest.core.settings.data_dir / row.path).read_bytes()
    assert hashlib.sha256(content).hexdigest() == told["sha256"]
    return content


def parts(rest: Rest) -> list[str]:
    where = uploads.folder(rest.core.settings.data_dir)
    return sorted(one.name for one in where.iterdir()) if where.is_dir() else []


def test_a_file_comes_in_pieces_and_its_end_may_be_sent_again(rest: Rest) -> None:
    content = film(300_000)
    begun = begin(rest, len(content), alt="A film")
    path = place(begun)
    assert begun.headers["upload-offset"] == "0" and "GMT" in begun.headers["upload-expires"]
    for start in range(0, len(content), 100_000):
        assert offset_of(rest, path) == start
        last = send(rest, path, start, content[start : start + 100_000])
        assert last.status_code == 204 and last.headers["upload-offset"] == str(min(start + 100_000, len(content)))
    made = last.headers["location"]
    again = send(rest, path, len(content), b"")
    assert (again.status_code, again.headers["location"]) == (204, made), "the answer was lost, and is asked for again"
    assert rest.ask("GET", made).json()["alt"] == "A film" and stored(rest, made) == content
    assert rest.ask("GET", path).json()["id"] == rest.ask("GET", made).json()["id"]
    assert offset_of(rest, path) == len(content) and parts(rest) == []


def test_one_request_is_enough_for_a_small_file(rest: Rest) -> None:
    content = png()
    reply = rest.ask(
        "POST",
        BEGIN,
        headers={**TUS, "Upload-Length": str(len(content)), "Content-Type": "application/offset+octet-stream"},
        content=content,
    )
    assert reply.status_code == 201 and reply.headers["upload-offset"] == str(len(content))
    assert rest.ask("GET", place(reply)).json()["mime"] == "image/png"


def test_it_says_what_it_can_do(rest: Rest) -> None:
    reply = rest.client.options(BEGIN)
    assert reply.status_code == 204 and reply.headers["tus-version"] == "1.0.0"
    assert set(reply.headers["tus-extension"].split(",")) == set(tus.EXTENSIONS.split(","))
    other = rest.ask("POST", BEGIN, headers={"Tus-Resumable": "0.2.2", "Upload-Length": "1"})
    assert other.status_code == 412 and other.headers["tus-version"] == "1.0.0"


def _cut(url: str, path: str, offset: int, content: bytes, claimed: int) -> None:
    """Send `content` of `claimed` bytes, and break the connection."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=15) as raw:
        raw.sendall(
            f"PATCH {path} HTTP/1.1\r\nHost: {host}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\n"
            f"Content-Type: application/offset+octet-stream\r\nContent-Length: {claimed}\r\n\r\n".encode()
            + content
        )


def test_a_connection_cut_at_any_byte_is_gone_on_with(rest: Rest) -> None:
    content, dice = film(2 * MB), random.Random(4)
    with serving(rest.client.app) as url:  # type: ignore[arg-type]
        path = place(begin(rest, len(content)))
        for place_of_cut in sorted(dice.sample(range(1, len(content)), 10)):
            start = _settled(rest, path)
            _cut(url, path, start, content[start:place_of_cut], len(content) - start)
            assert start <= _settled(rest, path) <= place_of_cut
        start = _settled(rest, path)
        last = send(rest, path, start, content[start:])
    assert last.status_code == 204 and stored(rest, last.headers["location"]) == content


def _settled(rest: Rest, path: str) -> int:
    """How much has come, once nobody sends any more."""
    while True:
        found = offset_of(rest, path)
        _, upload = resumable.find(rest.core, path.rpartition("/")[2])
        try:
            with resumable.piece(rest.core, path.rpartition("/")[2], upload, found):
                return found
        except (resumable.InUse, resumable.OffsetMoved):
            continue


def test_a_process_that_ended_loses_nothing(rest: Rest) -> None:
    """Another sidecar, which has computed nothing of the SHA-256, takes the second half."""
    content = film(200_000)
    path = place(begin(rest, len(content), sha256=hashlib.sha256(content).hexdigest()))
    send(rest, path, 0, content[:77_777])
    resumable._digests._known.clear()
    last = send(rest, path, 77_777, content[77_777:])
    assert last.status_code == 204 and stored(rest, last.headers["location"]) == content


def test_killed_before_the_row_was_written_it_is_finished_once(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes lie under their hash already; the upload still has them, too."""
    content = film(50_000)
    path = place(begin(rest, len(content)))
    write, known = media.media.add, _rows(rest)

    def killed(*_: Any, **__: Any) -> int:
        raise RuntimeError

    monkeypatch.setattr(media.media, "add", killed)
    assert send(rest, path, 0, content).status_code == 500
    monkeypatch.setattr(media.media, "add", write)
    assert offset_of(rest, path) == len(content) and _rows(rest) == known
    made = [send(rest, path, len(content), b"").headers["location"] for _ in range(2)]
    assert made[0] == made[1] and _rows(rest) == known + 1 and stored(rest, made[0]) == content


def _rows(rest: Rest) -> int:
    with rest.core.db.read() as conn:
        return len(conn.execute(select(tables.media.c.id)).all())


def test_a_wrong_offset_is_told_the_right_one(rest: Rest) -> None:
    content = film(10_000)
    path = place(begin(rest, len(content)))
    send(rest, path, 0, content[:5000])
    for wrong in (0, 4999, 5001):
        reply = send(rest, path, wrong, content[wrong:])
        assert is_problem(reply, 409, "conflict") and reply.headers["upload-offset"] == "5000"
    assert offset_of(rest, path) == 5000


def test_two_that_send_at_once_do_not_mix(rest: Rest) -> None:
    content = film(10_000)
    path = place(begin(rest, len(content)))
    secret = path.rpartition("/")[2]
    _, upload = resumable.find(rest.core, secret)
    with resumable.piece(rest.core, secret, upload, 0):
        reply = send(rest, path, 0, content)
        assert is_problem(reply, 409, "busy") and int(reply.headers["retry-after"]) > 0
    assert send(rest, path, 0, content).status_code == 204, "the control: alone, it is taken"


def test_checksums_of_a_piece_and_of_the_whole(rest: Rest) -> None:
    content = film(20_000)
    path = place(begin(rest, len(content), sha256=hashlib.sha256(content).hexdigest()))
    right = {
        name: f"{name} {base64.b64encode(hashlib.new(name, content[:9000]).digest()).decode()}"
        for name in tus.ALGORITHMS
    }
    bad = send(rest, path, 0, b"x" + content[1:9000], **{"Upload-Checksum": right["sha256"]})
    assert is_problem(bad, 460, "checksum-mismatch") and "Send it again" in bad.json()["detail"]
    assert offset_of(rest, path) == 0, "nothing of it stays"
    assert send(rest, path, 0, content[:9000], **{"Upload-Checksum": right["sha1"]}).status_code == 204
    whole = send(rest, path, 9000, b"x" + content[9001:])
    assert is_problem(whole, 460, "checksum-mismatch") and "SHA-256 differs" in whole.json()["detail"]
    assert offset_of(rest, path) == 0
    last = send(rest, path, 0, content)
    assert last.status_code == 204 and stored(rest, last.headers["location"]) == content
    for odd in ("md5 AAAA", "sha256 AAAA", "sha256 ...", "sha256"):
        assert is_problem(send(rest, path, 0, b"", **{"Upload-Checksum": odd}), 422, "bad-input")


@pytest.mark.parametrize("metadata", ["filename ...", "filename /w==", f"sha256 {base64.b64encode(b'abc').decode()}"])
def test_what_is_said_of_a_file_in_another_form_is_refused(rest: Rest, metadata: str) -> None:
    reply = rest.ask("POST", BEGIN, headers={**TUS, "Upload-Length": "10", "Upload-Metadata": metadata})
    assert is_problem(reply, 422, "bad-input") and parts(rest) == []


def test_what_is_no_picture_or_video_is_refused_once_and_lets_its_disk_go(rest: Rest) -> None:
    content = b"<!doctype html><script>" + bytes(5000)
    path = place(begin(rest, len(content), filename="a.png"))
    for offset, body in ((0, content), (len(content), b"")):
        assert is_problem(send(rest, path, offset, body), 422, "bad-input")
    assert parts(rest) == [] and not (rest.core.settings.data_dir / "media" / "00").exists()


def test_only_who_may_compose_begins_one(rest: Rest) -> None:
    assert is_problem(begin(rest, 10, ""), 401, "not-signed-in")
    viewer = narrow_role(rest, "teammate", "viewer")
    assert is_problem(begin(rest, 10, viewer), 403, "forbidden")


def narrow_role(rest: Rest, who: str, role: str) -> str:
    with rest.core.db.write() as conn:
        conn.execute(update(tables.users).where(tables.users.c.email == f"{who}@example.org").values(role=role))
    return who


def test_who_may_upload_no_more_goes_on_with_nothing(rest: Rest) -> None:
    content = film(10_000)
    path = place(begin(rest, len(content), "teammate"))
    send(rest, path, 0, content[:100])
    narrow_role(rest, "teammate", "viewer")
    assert is_problem(send(rest, path, 100, content[100:]), 403, "forbidden")
    narrow_role(rest, "teammate", "editor")
    assert send(rest, path, 100, content[100:]).status_code == 204


def test_the_address_ends_with_the_token_that_began_it(rest: Rest) -> None:
    path = place(begin(rest, 10_000))
    owner = acting(rest.core, rest.installation.owner)
    (token,) = api_tokens.listing(rest.core, owner)
    api_tokens.remove(rest.core, owner, token.id)
    assert is_problem(send(rest, path, 0, b"x"), 404, "not-found")


def test_nobody_else_learns_what_came(rest: Rest) -> None:
    content = png()
    path = place(begin(rest, len(content)))
    made = send(rest, path, 0, content).headers["location"]
    for who in ("stranger",):
        assert rest.ask("GET", path, who).status_code == 404 and rest.ask("GET", made, who).status_code == 404
    other = path[:-4] + ("AAAA" if path[-4:] != "AAAA" else "BBBB")
    assert is_problem(send(rest, other, 0, content), 404, "not-found")


def test_cancelled_it_is_gone_and_its_room_is_free(rest: Rest) -> None:
    path = place(begin(rest, 10_000))
    send(rest, path, 0, bytes(100))
    assert parts(rest)
    assert rest.client.delete(path, headers=TUS).status_code == 204
    assert parts(rest) == [] and rest.client.head(path, headers=TUS).status_code == 404
    assert is_problem(send(rest, path, 100, bytes(10)), 404, "not-found")


def narrow(rest: Rest, **settings: Any) -> Rest:
    core = replace(rest.core, settings=rest.core.settings.model_copy(update=settings))
    rest.core = core
    rest.client.app.state.core = core  # type: ignore[attr-defined]
    return rest


def test_a_space_is_asked_for_room_before_a_byte_comes(rest: Rest) -> None:
    """Also for what is only on its way: two uploads cannot be promised the same room."""
    narrow(rest, media_mb_per_space=1)
    path = place(begin(rest, 700_000))
    full = begin(rest, 700_000)
    assert is_problem(full, 422, "bad-input") and "1 MB" in full.json()["detail"]
    assert begin(rest, 700_000, "stranger").status_code == 201, "every space has its own"
    rest.client.delete(path, headers=TUS)
    assert begin(rest, 700_000).status_code == 201


def test_room_that_went_meanwhile_is_said_at_the_end_and_the_bytes_stay(rest: Rest) -> None:
    content = film(400_000)
    path = place(begin(rest, len(content)))
    big = film(900_000)
    made = rest.ask("POST", "/api/media", files={"file": ("b.mp4", big)})
    assert made.status_code == 201
    narrow(rest, media_mb_per_space=1)
    assert is_problem(send(rest, path, 0, content), 422, "bad-input")
    narrow(rest, media_mb_per_space=5)
    last = send(rest, path, len(content), b"")
    assert last.status_code == 204 and stored(rest, last.headers["location"]) == content


def test_what_is_larger_than_any_linked_account_takes_is_refused_before_it_comes(rest: Rest) -> None:
    most = media.largest(rest.core, rest.installation.owner)
    reply = begin(rest, most + 1)
    assert is_problem(reply, 413, "too-large") and reply.headers["tus-max-size"] == str(most)
    assert begin(rest, most).status_code == 201, "the control"
    assert is_problem(begin(rest, 0), 422, "bad-input")


def test_more_than_was_announced_is_not_taken(rest: Rest) -> None:
    path = place(begin(rest, 1000))
    assert is_problem(send(rest, path, 0, bytes(1001)), 413, "too-large") and offset_of(rest, path) == 0

    def pieces() -> Iterator[bytes]:
        for _ in range(3):
            yield bytes(MB)

    kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    with serving(rest.client.app) as url, httpx2.Client(trust_env=False) as client:  # type: ignore[arg-type]
        reply = client.patch(url + path, content=pieces(), headers={**TUS, **kind})
    assert reply.status_code == 413 and offset_of(rest, path) == 0


def test_a_full_disk_is_said_before_and_while_the_bytes_come(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    real, path = media.DISK_LEFT, place(begin(rest, 10 * MB))
    monkeypatch.setattr(media, "DISK_LEFT", 2**62)
    refused = begin(rest, 1000)
    assert refused.status_code == 503 and "disk" in refused.json()["detail"]
    whole = rest.ask("POST", "/api/media", files={"file": ("a.png", png())})
    assert whole.status_code == 503 and "disk" in whole.json()["detail"]
    monkeypatch.setattr(media, "CHECK_EVERY", 3 * MB)
    kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
    with serving(rest.client.app) as url, httpx2.Client(trust_env=False) as client:  # type: ignore[arg-type]
        full = client.patch(url + path, content=(bytes(MB) for _ in range(5)), headers={**TUS, **kind})
    assert full.status_code == 503 and "disk" in full.json()["detail"]
    assert 0 < offset_of(rest, path) < 5 * MB, "what came stays"
    monkeypatch.setattr(media, "DISK_LEFT", real)
    assert send(rest, path, offset_of(rest, path), bytes(MB)).status_code == 204


def test_few_uploads_of_one_person_are_open(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "MOST_OPEN", 3)
    paths = [place(begin(rest, 1000)) for _ in range(3)]
    assert is_problem(begin(rest, 1000), 409, "conflict")
    assert begin(rest, 1000, "stranger").status_code == 201
    rest.client.delete(paths[0], headers=TUS)
    assert begin(rest, 1000).status_code == 201


def test_pieces_take_the_places_of_uploads(rest: Rest) -> None:
    path, gate = place(begin(rest, 1000)), rest.client.app.state.uploads  # type: ignore[attr-defined]
    with ExitStack() as running:
        for _ in range(gate.of_one):
            running.enter_context(gate.held(rest.installation.owner))
        assert is_problem(send(rest, path, 0, b"x"), 429, "too-many-at-once")
    assert send(rest, path, 0, b"x").status_code == 204 and gate._running.total() == 0


def test_one_that_falls_silent_gives_its_place_back_and_keeps_its_bytes(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tus, "IDLE", 0.2)
    path = place(begin(rest, 10_000))
    with serving(rest.client.app) as url:  # type: ignore[arg-type]
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=15) as raw:
            raw.sendall(
                f"PATCH {path} HTTP/1.1\r\nHost: {host}\r\nUpload-Offset: 0\r\nContent-Length: 10000\r\n"
                "Content-Type: application/offset+octet-stream\r\n\r\n".encode()
                + bytes(1234)
            )
            assert raw.recv(65_536).split(b" ", 2)[1] == b"408"
    assert offset_of(rest, path) == 1234 and rest.client.app.state.uploads._running.total() == 0  # type: ignore[attr-defined]


def test_a_slow_disk_is_waited_for(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given up in the middle of a write, the file would be free for the next sender while the write goes on."""
    monkeypatch.setattr(tus, "IDLE", 0.2)
    closed, during = threading.Event(), []
    write, close = resumable.Sending.write, resumable.Sending.close

    def slowly(sending: resumable.Sending, block: bytes) -> None:
        if not during:
            during.append(closed.wait(1.0))
        write(sending, block)

    def noted(sending: resumable.Sending) -> None:
        closed.set()
        close(sending)

    monkeypatch.setattr(resumable.Sending, "write", slowly)
    monkeypatch.setattr(resumable.Sending, "close", noted)
    content = film(2 * MB)
    path = place(begin(rest, len(content)))
    last = send(rest, path, 0, content)
    assert during == [False] and last.status_code == 204, last.text
    assert stored(rest, last.headers["location"]) == content


def test_what_is_given_up_ends_and_its_bytes_go(rest: Rest) -> None:
    rest.sign_in()  # for longer than a token of these tests lives
    left, on = (place(begin(rest, 1000)) for _ in range(2))
    for path in (left, on):
        send(rest, path, 0, b"x" * 10)
    rest.clock.advance(timedelta(hours=23).total_seconds())
    send(rest, on, 10, b"x")
    rest.clock.advance(timedelta(hours=2).total_seconds())
    (uploads.folder(rest.core.settings.data_dir) / "notes.part").write_bytes(b"not an upload's")
    assert uploads.sweep(rest.core.db, rest.core.settings.data_dir, rest.clock.now()) == 1
    assert rest.client.head(left, headers=TUS).status_code == 404 and offset_of(rest, on) == 11
    assert len(parts(rest)) == 2
    assert "uploads" in dict(
        retention._parts(rest.core.db, retention.Keep(), rest.clock.now(), rest.core.settings.data_dir)
    ), "the scheduler does it"


def test_bytes_that_cannot_be_removed_keep_no_others(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        path = place(begin(rest, 1000))
        send(rest, path, 0, b"x")
    rest.clock.advance(timedelta(hours=25).total_seconds())
    folder = uploads.folder(rest.core.settings.data_dir)
    stuck = min(folder.iterdir())
    stuck.unlink()
    stuck.mkdir()
    assert uploads.sweep(rest.core.db, rest.core.settings.data_dir, rest.clock.now()) == 2
    assert parts(rest) == [stuck.name]


# A page's grant


def grant(rest: Rest, who: str = "owner", draft: str = "key") -> tuple[str, str]:
    """(the grant that a page of theirs hands to the browser, their session's cookie)."""
    with rest.core.db.read() as conn:
        user = user_storage.by_email(conn, f"{who}@example.org")
    assert user is not None
    cookie = users.redeem_ticket(rest.core, users.issue_ticket(rest.core, user))
    return sessions.grant_uploads(rest.core, cookie, draft), cookie


def by_grant(rest: Rest, token: str, length: int = 10) -> httpx2.Response:
    headers = {**TUS, "Authorization": f"Bearer {token}", "Upload-Length": str(length)}
    return rest.client.post(BEGIN, headers=headers)


def test_a_page_may_upload_for_its_draft_and_nothing_else(rest: Rest) -> None:
    token, _ = grant(rest)
    content = png()
    path = place(by_grant(rest, token, len(content)))
    send(rest, path, 0, content)
    owner = acting(rest.core, rest.installation.owner)
    ((upload, _),) = resumable.arrived(rest.core, owner, {"key", "other"})
    assert resumable.arrived(rest.core, owner, {"other"}) == []
    assert resumable.arrived(rest.core, acting(rest.core, rest.installation.stranger), {"key"}) == []
    resumable.taken(rest.core, acting(rest.core, rest.installation.stranger), [upload])
    assert resumable.arrived(rest.core, owner, {"key"}), "only its own person says so"
    resumable.taken(rest.core, owner, [upload])
    assert resumable.arrived(rest.core, owner, {"key"}) == []
    shown = {"Authorization": f"Bearer {token}"}
    for method, where in (("GET", "/api/posts"), ("GET", path), ("POST", "/api/media"), ("POST", "/api/media/uploads")):
        assert rest.client.request(method, where, headers=shown).status_code == 401


@pytest.mark.parametrize("spoil", [lambda token: token[:-2] + "xx", lambda token: "upg_" + token, lambda _: "upg_"])
def test_a_grant_that_was_changed_is_none(rest: Rest, spoil: Callable[[str], str]) -> None:
    token, _ = grant(rest)
    assert is_problem(by_grant(rest, spoil(token)), 401, "not-signed-in")
    assert by_grant(rest, token).status_code == 201, "the control"


def test_a_grant_ends_soon_and_with_its_session(rest: Rest) -> None:
    token, cookie = grant(rest)
    running = place(by_grant(rest, token))
    users.sign_out(rest.core, cookie)
    assert is_problem(by_grant(rest, token), 401, "not-signed-in")
    assert is_problem(send(rest, running, 0, b"x"), 404, "not-found"), "what it began ends, too"
    token, _ = grant(rest)
    rest.clock.advance(GRANT_LIFE.total_seconds() + 1)
    assert is_problem(by_grant(rest, token), 401, "not-signed-in")
    viewer, _ = grant(rest, "teammate")
    narrow_role(rest, "teammate", "viewer")
    assert is_problem(by_grant(rest, viewer), 403, "forbidden")
    assert sessions.grant_uploads(rest.core, "invented", "key") == "" == sessions.grant_uploads(rest.core, None, "key")


def test_room_that_was_kept_for_a_session_ends_with_it(rest: Rest) -> None:
    narrow(rest, media_mb_per_space=1)
    token, cookie = grant(rest)
    running = place(by_grant(rest, token, 700_000))
    send(rest, running, 0, b"x" * 10)
    assert is_problem(begin(rest, 700_000), 422, "bad-input")
    users.sign_out(rest.core, cookie)
    assert begin(rest, 700_000).status_code == 201
    assert uploads.sweep(rest.core.db, rest.core.settings.data_dir, rest.clock.now()) == 1


def test_a_name_keeps_its_letters_and_nothing_that_tricks(rest: Rest) -> None:
    content = png()
    path = place(begin(rest, len(content), filename="Übersicht \u202egnp.exe<script>.png"))
    made = send(rest, path, 0, content).headers["location"]
    assert rest.ask("GET", made).json()["name"] == "Übersicht _gnp.exe_script_.png"


def test_what_is_asked_before_the_end_says_what_is_missing(rest: Rest) -> None:
    content = b"no picture"
    path = place(begin(rest, len(content)))
    early = rest.ask("GET", path)
    assert is_problem(early, 409, "conflict") and "send the rest" in early.json()["detail"]
    refused = send(rest, path, 0, content).json()["detail"]
    assert rest.ask("GET", path).json()["detail"] == refused


def test_the_apps_page_may_ask_from_its_own_port_and_others_may_not(rest: Rest) -> None:
    def preflight(origin: str) -> httpx2.Response:
        asked = "authorization,tus-resumable,upload-length,upload-metadata,upload-offset,content-type"
        return rest.client.options(
            BEGIN,
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": asked,
            },
        )

    assert preflight(rest.core.settings.app_base).status_code == 200
    assert preflight("http://127.0.0.1:9999").status_code == 400
    reply = rest.client.post(BEGIN, headers={**TUS, "Origin": rest.core.settings.app_base, "Upload-Length": "1"})
    assert reply.status_code == 401
    exposed = reply.headers["access-control-expose-headers"]
    assert "Upload-Offset" in exposed and "Location" in exposed


def test_a_large_file_is_never_whole_in_memory(rest: Rest) -> None:
    content = film(48 * MB)
    path = place(begin(rest, len(content)))
    with serving(create_app(rest.core)) as url, httpx2.Client(trust_env=False, timeout=60) as client:
        kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
        body = (content[start : start + 65_536] for start in range(0, len(content), 65_536))
        tracemalloc.start()
        try:
            reply = client.patch(url + path, content=body, headers={**TUS, **kind})
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert reply.status_code == 204 and peak < 16 * MB


def test_many_that_finish_the_same_upload_make_one_file(rest: Rest) -> None:
    content = film(30_000)
    path = place(begin(rest, len(content)))
    send(rest, path, 0, content[:-1])
    before, answers = _rows(rest), []
    with serving(create_app(rest.core)) as url:

        def end() -> None:
            kind = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(len(content) - 1)}
            with httpx2.Client(trust_env=False, timeout=30) as client:
                answers.append(client.patch(url + path, content=content[-1:], headers={**TUS, **kind}).status_code)

        threads = [threading.Thread(target=end) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert answers.count(204) == 1 and set(answers) <= {204, 409} and _rows(rest) == before + 1


def test_bytes_of_another_time_are_not_its_beginning(rest: Rest) -> None:
    """A restored database gives out numbers a second time, beside bytes that somebody else had sent."""
    content = film(50_000)
    first = resumable.find(rest.core, place(begin(rest, len(content))).rpartition("/")[2])[1]
    left = uploads.part(rest.core.settings.data_dir, first.id + 1)
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"somebody else's bytes")
    path = place(begin(rest, len(content)))
    assert resumable.find(rest.core, path.rpartition("/")[2])[1].id == first.id + 1, "it is about the same number"
    assert offset_of(rest, path) == 0
    made = send(rest, path, 0, content).headers["location"]
    assert stored(rest, made) == content


def test_a_text_that_no_database_keeps_is_refused_in_words(rest: Rest) -> None:
    reply = begin(rest, 10, alt="a\0b")
    assert is_problem(reply, 422), reply.text


def test_an_upload_in_pieces_becomes_no_other_file_by_one_put(rest: Rest) -> None:
    content = film(50_000)
    path = place(begin(rest, len(content), sha256=hashlib.sha256(content).hexdigest()))
    send(rest, path, 0, content[:1000])
    assert is_problem(rest.client.put(path, content=png()), 409, "conflict") and _rows(rest) == 0
    made = send(rest, path, 1000, content[1000:]).headers["location"]
    assert stored(rest, made) == content
    assert rest.client.put(path, content=png()).json()["id"] == rest.ask("GET", made).json()["id"], (
        "a repeat is the same"
    )


def test_what_came_in_pieces_takes_no_place_of_announced_files(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a limit of its own, and what it says of half an hour would not be true."""
    monkeypatch.setattr(handing_in, "MOST_OPEN", 2)
    for _ in range(2):
        refused = place(begin(rest, 9))
        assert send(rest, refused, 0, b"no a film").status_code == 422
        place(begin(rest, 1000))
    announced = [rest.ask("POST", "/api/media/uploads", json={"name": "a.png"}).status_code for _ in range(3)]
    assert announced == [201, 201, 409]
