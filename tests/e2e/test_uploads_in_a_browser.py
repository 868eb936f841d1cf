"""Files in Compose with a real browser: cut, paused, reloaded, refused, cancelled."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, CDPSession, Page, Request, Route, expect

from tests.e2e.conftest import Demo
from tests.platforms.test_media import box, mp4

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
PIECE = 8 * 2**20
FIELD = "input[type=file]"


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(mp4() + box(b"free", os.urandom(5 * PIECE)))
    return path


@pytest.fixture
def page(demo: Demo, context: BrowserContext) -> Page:
    page = context.new_page()
    page.on("dialog", lambda asked: asked.accept())  # that uploads are under way, when it is loaded anew
    page.goto(demo.url)
    page.get_by_label("E-mail address").fill(demo.email)
    page.get_by_label("Password").first.fill(demo.password)
    page.get_by_role("button", name="Sign in").click()
    page.locator(".st-key-pp-menu").get_by_role("link", name="Compose").click()
    expect(page.get_by_role("button", name="Choose files")).to_be_visible()
    return page


def line(context: BrowserContext, page: Page) -> CDPSession:
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    return session


def carry(session: CDPSession, bytes_a_second: int = -1, *, cut: bool = False) -> None:
    how = {"offline": cut, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_a_second}
    session.send("Network.emulateNetworkConditions", how)


def offsets(page: Page) -> list[int]:
    """Where each piece begins, as it is sent."""
    seen: list[int] = []

    def note(request: Request) -> None:
        if request.method == "PATCH":
            seen.append(int(request.headers["upload-offset"]))

    page.on("request", note)
    return seen


def test_a_file_goes_on_after_a_pause_a_lost_connection_and_a_reload(
    demo: Demo, page: Page, context: BrowserContext, film: Path
) -> None:
    session = line(context, page)
    carry(session, PIECE // 2)
    page.locator(FIELD).set_input_files(film)
    page.get_by_role("button", name="Pause film.mp4").press("Enter")
    expect(page.get_by_text(re.compile(r"Paused at \d+%"))).to_be_visible()
    page.get_by_role("button", name="Resume film.mp4").press("Enter")
    expect(page.get_by_role("button", name="Pause film.mp4")).to_be_focused()
    with page.expect_request(lambda request: request.method == "PATCH" and int(request.headers["upload-offset"]) > 0):
        pass
    carry(session, cut=True)
    expect(page.get_by_text("Connection lost")).to_be_visible()
    carry(session, PIECE // 2)
    expect(page.get_by_text(re.compile(r"^\d+% of"))).to_be_visible()
    page.reload()
    expect(page.get_by_text("Interrupted. Choose the same file again to continue.")).to_be_visible()
    carry(session)
    began = offsets(page)
    page.locator(FIELD).set_input_files(film)
    expect(page.get_by_label("Describe video 1")).to_be_visible()
    assert began and began[0] > 0, "what came before was not sent again"
    expect(page.get_by_role("list", name="Uploads").get_by_role("listitem")).to_have_count(0)
    digest = hashlib.sha256(film.read_bytes()).hexdigest()
    assert (demo.data / "media" / digest[:2] / f"{digest}.mp4").read_bytes() == film.read_bytes()


def test_a_refused_file_says_why_and_others_go_on(page: Page, tmp_path: Path) -> None:
    (tmp_path / "fake.png").write_bytes(b"<html>no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    Image.new("RGB", (600, 600), "#336699").save(tmp_path / "blue.png")
    names = ("fake.png", "empty.png", "blue.png")
    page.locator(FIELD).set_input_files([tmp_path / name for name in names])
    expect(page.get_by_label("Describe image 1")).to_be_visible()
    rows = page.get_by_role("list", name="Uploads").get_by_role("listitem")
    expect(rows.filter(has_text="holds a document or program inside")).to_be_visible()
    expect(rows.filter(has_text="The file is empty.")).to_be_visible()
    for name in names[:2]:
        page.get_by_role("button", name=f"Dismiss {name}").press("Enter")
    expect(page.get_by_role("list", name="Uploads").get_by_role("listitem")).to_have_count(0)


def test_a_cancelled_file_is_gone_and_no_cookie_goes_to_the_sidecar(
    page: Page, context: BrowserContext, film: Path
) -> None:
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request) if "/api/media/" in request.url else None)
    carry(line(context, page), PIECE // 4)
    page.locator(FIELD).set_input_files(film)
    expect(page.get_by_text(re.compile(r"^[1-9]\d?% of"))).to_be_visible()
    with page.expect_request(lambda request: request.method == "DELETE"):
        page.get_by_role("button", name="Cancel film.mp4").press("Enter")
    expect(page.get_by_role("status").filter(has_text="film.mp4 was cancelled.")).to_be_attached()
    expect(page.get_by_role("list", name="Uploads").get_by_role("listitem")).to_have_count(0)
    assert asked and not [request for request in asked if "cookie" in request.all_headers()]


def test_files_go_on_while_another_page_of_the_app_is_open(page: Page, context: BrowserContext, film: Path) -> None:
    carry(line(context, page), PIECE)
    page.locator(FIELD).set_input_files(film)
    expect(page.get_by_role("button", name="Pause film.mp4")).to_be_visible()
    page.locator(".st-key-pp-menu").get_by_role("link", name="Calendar").click()
    expect(page.get_by_role("heading", name="Calendar", exact=True)).to_be_visible()
    with page.expect_response(
        lambda reply: reply.request.method == "PATCH" and "location" in reply.headers, timeout=60_000
    ):
        pass
    page.locator(".st-key-pp-menu").get_by_role("link", name="Compose").click()
    expect(page.get_by_label("Describe video 1")).to_be_visible()


def test_what_came_whole_before_a_crash_is_finished_after_a_reload(
    demo: Demo, page: Page, context: BrowserContext, film: Path
) -> None:
    """The sidecar ended between the last byte and the file that comes of it: nobody chooses the file again for that."""
    carry(line(context, page), PIECE // 2)
    with page.expect_response(lambda reply: reply.request.method == "PATCH"):
        page.locator(FIELD).set_input_files(film)
    page.get_by_role("button", name="Pause film.mp4").press("Enter")
    expect(page.get_by_text(re.compile(r"Paused at \d+%"))).to_be_visible()
    (part,) = (demo.data / "media" / "incoming").glob("up-*.part")
    part.write_bytes(film.read_bytes())
    page.reload()
    expect(page.get_by_label("Describe video 1")).to_be_visible()
    expect(page.get_by_role("list", name="Uploads").get_by_role("listitem")).to_have_count(0)
    assert not part.exists()


def test_too_many_open_uploads_are_said_and_tried_again(page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (600, 600), "#336699").save(tmp_path / "blue.png")
    said = "50 uploads of yours are open already; finish or cancel them first."

    def full(route: Route) -> None:
        headers = {"Access-Control-Allow-Origin": route.request.headers["origin"]}
        route.fulfill(status=409, json={"detail": said}, headers=headers)

    page.route("**/api/media/resumable", full)
    page.locator(FIELD).set_input_files(tmp_path / "blue.png")
    expect(page.get_by_role("list", name="Uploads").get_by_role("listitem").filter(has_text=said)).to_be_visible()
    page.unroute("**/api/media/resumable")
    page.get_by_role("button", name="Try again blue.png").press("Enter")
    expect(page.get_by_label("Describe image 1")).to_be_visible()
