"""What stands before Streamlit: foreign pages and unsigned uploads end here, whatever the app behind would have done."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from postprober.services.people import users
from postprober.ui import door
from tests.pages.conftest import House

UPLOAD = "/_stcore/upload_file/session/file"


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    async def page(request: Request) -> PlainTextResponse:
        await request.body()
        return PlainTextResponse("in")

    async def stream(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("in")
        await websocket.close()

    inner = Starlette(
        routes=[
            WebSocketRoute("/_stcore/stream", stream),
            Route("/{rest:path}", page, methods=["GET", "PUT", "POST", "DELETE"]),
        ]
    )
    with TestClient(door.AppDoor(inner, lambda: house.core), base_url="http://127.0.0.1:8501") as made:
        yield made


def _reads(client: TestClient, origin: str | None, host: str = "127.0.0.1:8501") -> bool:
    headers = {"Host": host} | ({"Origin": origin} if origin is not None else {})
    try:
        with client.websocket_connect("/_stcore/stream", headers=headers) as socket:
            return socket.receive_text() == "in"
    except WebSocketDisconnect:
        return False


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:8900",
        "http://127.0.0.1",
        "http://localhost:8501",
        "http://localhost:3000",
        "https://evil.example",
        "null",
        "",
        "http://[x",
        "https://127.0.0.1:8501.evil.example",
    ],
)
def test_a_page_of_another_origin_opens_nothing(client: TestClient, origin: str) -> None:
    assert not _reads(client, origin)
    assert client.get("/", headers={"Origin": origin}).status_code == 403


def test_the_apps_own_page_and_a_program_do(client: TestClient) -> None:
    assert _reads(client, "http://127.0.0.1:8501")
    assert _reads(client, "http://localhost:8501", "localhost:8501")
    assert _reads(client, None)


def test_behind_a_proxy_the_public_address_is_its_own(client: TestClient, house: House) -> None:
    assert not _reads(client, "https://post.example.org", "post.example.org")
    object.__setattr__(house.core.settings, "app_url", "https://post.example.org")
    assert _reads(client, "https://post.example.org", "post.example.org")
    assert not _reads(client, "http://post.example.org", "post.example.org")
    assert not _reads(client, "https://sub.post.example.org", "post.example.org")


def test_a_name_that_is_not_the_apps_is_refused_and_says_what_to_set(client: TestClient) -> None:
    reply = client.get("/", headers={"Host": "rebind.example:8501"})
    assert reply.status_code == 400 and "POSTPROBER_APP_URL" in reply.text
    assert client.get("/_stcore/health", headers={"Host": "10.1.2.3"}).text == "in"


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_nobody_leaves_files_without_signing_in(client: TestClient, house: House, method: str) -> None:
    for cookie in ("", "postprober_session=invented", "postprober_session", "\u00ff;;="):
        headers = {"Cookie": cookie.encode("latin-1")} if cookie else {}
        assert client.request(method, UPLOAD, content=b"x" * 10, headers=headers).status_code == 401  # type: ignore[arg-type]
    token = house.sign_in()
    signed = {"Cookie": f"postprober_session={token}"}
    assert client.request(method, UPLOAD, content=b"x" * 10, headers=signed).text == "in"
    users.sign_out(house.core, token)
    assert client.request(method, UPLOAD, content=b"x" * 10, headers=signed).status_code == 401


def test_a_file_and_all_files_of_a_page_have_a_limit(
    client: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed = {"Cookie": f"postprober_session={house.sign_in()}"}
    assert client.put(UPLOAD, content=(part for part in [b"x"]), headers=signed).status_code == 411
    assert (
        client.put(UPLOAD, content=b"x", headers=signed | {"Content-Length": str(door.MAX_UPLOAD + 1)}).status_code
        == 413
    )


def test_all_pages_of_a_person_have_a_limit_together_and_everybody_another(
    client: TestClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page that is full is not opened again: its files count for whoever left them."""
    kept: dict[str, int] = {}
    monkeypatch.setattr(door, "held", lambda: dict(kept))
    signed = {"Cookie": f"postprober_session={house.sign_in()}"}
    other = {"Cookie": f"postprober_session={house.sign_in(house.teammate)}"}

    def put(page: str, who: dict[str, str]) -> httpx2.Response:
        return client.put(UPLOAD.replace("/session/", f"/{page}/"), content=b"x", headers=who)

    for page in ("one", "two"):
        assert put(page, signed).text == "in"
        kept[page] = door.MAX_OF_PERSON // 2
    assert put("three", signed).status_code == 413 and "together" in put("three", signed).text
    assert put("theirs", other).text == "in"
    del kept["one"]
    assert put("three", signed).text == "in"
    kept["strangers"] = door.MAX_OF_ALL - kept["two"]
    assert put("theirs", other).status_code == 503
    del kept["strangers"]
    assert put("theirs", other).text == "in"


def test_what_is_on_its_way_counts_until_it_has_arrived(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "held", dict)
    room, half = door._Room(), door.MAX_OF_PERSON // 2 + 1
    assert room.take(1, house.owner, "a", half)[0] == 0
    assert room.take(2, house.owner, "b", half)[0] == 413
    room.arrived(1)
    assert room.take(2, house.owner, "b", half)[0] == 0


def test_files_of_pages_that_arrived_side_by_side_count_for_whoever_left_them(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, int] = {}
    monkeypatch.setattr(door, "held", lambda: dict(kept))
    room, half = door._Room(), door.MAX_OF_PERSON // 2
    assert room.take(1, house.owner, "a", half)[0] == 0
    assert room.take(2, house.owner, "b", half)[0] == 0, "two pages at once"
    for request, page in ((1, "a"), (2, "b")):
        kept[page] = half
        room.arrived(request)
    assert room.take(3, house.owner, "c", half)[0] == 413
    assert room.take(4, house.teammate, "d", half)[0] == 0, "what the others have is not counted for them"


def test_a_page_that_was_closed_is_forgotten(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "held", dict)
    room = door._Room()
    for number in range(50):
        room.take(number, house.owner, f"page-{number}", 1)
        room.arrived(number)
    assert len(room._owners) == 1


def test_no_other_site_shows_the_app_in_a_frame(client: TestClient) -> None:
    reply = client.get("/")
    assert reply.headers["content-security-policy"] == "frame-ancestors 'self'"
    assert reply.headers["x-frame-options"] == "SAMEORIGIN"
