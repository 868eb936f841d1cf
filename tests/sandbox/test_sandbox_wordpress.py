"""The emulated WordPress answers as the real one did: statuses, slugs, refusals, pages, and its faults."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from postprober.sandbox.serve import SandboxServer
from tests.sandbox.conftest import MovableClock

API = "/wordpress/wp-json/wp/v2"


class Blog:
    """A user of the site. `post` makes one that is public at once, as a careless client does."""

    def __init__(self, sandbox: SandboxServer, http: httpx2.Client) -> None:
        self.control, self.http = sandbox.control, http
        self.account = self.control.account("wordpress", "alice")
        self.headers = {"authorization": f"Basic {self.account['access_token']}"}

    def send(self, method: str, path: str, **more: Any) -> httpx2.Response:
        headers = {**self.headers, **more.pop("headers", {})}
        return self.http.request(method, f"{API}/{path}", headers=headers, **more)

    def draft(self, slug: str = "a-mark", **fields: Any) -> str:
        body = {"title": "T", "content": "<p>Words</p>", "status": "draft", "slug": slug, **fields}
        reply = self.send("POST", "posts", json=body)
        assert reply.status_code == 201, reply.text
        return str(reply.json()["id"])

    def publish(self, number: str, **fields: Any) -> httpx2.Response:
        return self.send("POST", f"posts/{number}", json={"status": "publish", **fields})

    def status(self, number: str) -> str:
        return str(self.send("GET", f"posts/{number}", params={"context": "edit"}).json().get("status"))

    def truth(self) -> list[dict[str, Any]]:
        return self.control.posts("wordpress", "alice")

    def fault(self, kind: str, **options: Any) -> None:
        self.control.fault("wordpress", kind, account="alice", **options)


@pytest.fixture
def blog(sandbox: SandboxServer, http: httpx2.Client) -> Blog:
    return Blog(sandbox, http)


def test_a_draft_is_no_post_and_publishing_it_twice_makes_one(blog: Blog) -> None:
    number = blog.draft()
    assert blog.truth() == [] and blog.http.get(f"{API}/posts/{number}").status_code == 401
    for _ in range(2):
        reply = blog.publish(number)
        assert (reply.status_code, reply.json()["status"]) == (200, "publish")
    assert [post["id"] for post in blog.truth()] == [number]
    assert blog.http.get(f"{API}/posts/{number}").json()["content"]["rendered"] == "\n<p>Words</p>\n"


def test_the_same_slug_gets_a_number_and_a_mark_finds_its_post(blog: Blog) -> None:
    first, second = blog.draft("twice"), blog.draft("twice")
    rows = blog.send("GET", "posts", params={"slug": "twice,twice-2", "status": "draft", "context": "edit"}).json()
    assert {str(row["id"]): row["slug"] for row in rows} == {first: "twice", second: "twice-2"}


@pytest.mark.parametrize("stage", ["nothing", "headers"])
def test_a_cut_answer_leaves_one_post(blog: Blog, stage: str) -> None:
    number = blog.draft()
    blog.fault("cut_after_accept", operation="create", params={"stage": stage})
    with pytest.raises(httpx2.RequestError):
        blog.publish(number)
    assert blog.status(number) == "publish" and len(blog.truth()) == 1


def test_a_late_creation_lands_once_also_if_it_is_published_meanwhile(blog: Blog, clock: MovableClock) -> None:
    number = blog.draft()
    blog.fault("late_create", operation="create", params={"seconds": 30})
    with pytest.raises(httpx2.RequestError):
        blog.publish(number)
    assert blog.status(number) == "draft" and blog.truth() == []
    assert blog.publish(number).status_code == 200
    clock.advance(31)
    assert [post["id"] for post in blog.truth()] == [number]


def test_a_ghost_is_seen_by_nobody(blog: Blog) -> None:
    number = blog.draft()
    blog.fault("ghost", operation="create")
    assert blog.publish(number).status_code == 200
    assert blog.status(number) == "None" and blog.http.get(f"/wordpress/?p={number}").status_code == 404


def test_a_password_that_was_withdrawn_is_refused_everywhere(blog: Blog) -> None:
    number = blog.draft()
    blog.control.revoke("wordpress", "alice")
    for method, path, code in (
        ("GET", "users/me", "rest_not_logged_in"),
        ("POST", "posts", "rest_cannot_create"),
        ("POST", f"posts/{number}", "rest_cannot_edit"),
        ("DELETE", f"posts/{number}", "rest_cannot_delete"),
    ):
        reply = blog.send(method, path, json={"title": "x"})
        assert (reply.status_code, reply.json()["code"]) == (401, code)


@pytest.mark.parametrize(("role", "draft", "publish"), [(["edit_posts"], 201, 403), ([], 403, 403), (None, 201, 200)])
def test_roles(sandbox: SandboxServer, http: httpx2.Client, role: list[str] | None, draft: int, publish: int) -> None:
    options = {} if role is None else {"scopes": role}
    account = sandbox.control.account("wordpress", "carol", **options)
    headers = {"authorization": f"Basic {account['access_token']}"}
    made = http.post(f"{API}/posts", json={"title": "T", "status": "draft"}, headers=headers)
    assert made.status_code == draft
    number = made.json().get("id", 1)
    assert http.post(f"{API}/posts/{number}", json={"status": "publish"}, headers=headers).status_code == publish


def test_the_trash_and_the_address_that_leads_elsewhere(blog: Blog) -> None:
    first, second = blog.draft("news"), blog.draft("news-of-today")
    blog.publish(first)
    blog.publish(second)
    assert blog.send("DELETE", f"posts/{first}").json()["slug"] == "news__trashed"
    again = blog.send("DELETE", f"posts/{first}")
    assert (again.status_code, again.json()["code"]) == (410, "rest_already_trashed")
    assert blog.status(first) == "trash" and blog.http.get(f"{API}/posts/{first}").json()["code"] == "rest_forbidden"
    led = blog.http.get("/wordpress/news/", follow_redirects=False)
    assert (led.status_code, led.headers["location"]) == (301, "/wordpress/news-of-today/")
    assert blog.http.get(f"/wordpress/?p={first}").status_code == 404
    assert blog.publish(first).status_code == 200 and blog.status(first) == "publish", "it comes back"


def test_deleted_behind_our_back_is_in_the_trash(blog: Blog) -> None:
    number = blog.draft()
    blog.publish(number)
    blog.control.delete_post("wordpress", number)
    assert blog.status(number) == "trash"


def test_a_page_names_its_post(blog: Blog) -> None:
    number = blog.draft("a-page")
    blog.publish(number)
    led = blog.http.get(f"/wordpress/?p={number}", follow_redirects=False)
    assert led.status_code == 301
    page = blog.http.get(led.headers["location"])
    assert f"postid-{number}" in page.text
    assert any(f"/posts/{number}>" in one for one in page.headers.get_list("link"))


def test_an_edit_behind_our_back_is_in_the_content(blog: Blog) -> None:
    number = blog.draft()
    blog.publish(number)
    blog.control.edit_post("wordpress", number, "Other words")
    assert "Other words" in blog.http.get(f"{API}/posts/{number}").json()["content"]["rendered"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"status": "draft"}, "empty_content"),
        ({"title": "T", "status": "nonsense"}, "rest_invalid_param"),
        ({"title": "T", "format": "nonsense"}, "rest_invalid_param"),
        (None, "rest_invalid_json"),
    ],
)
def test_refusals_of_a_post(blog: Blog, body: dict[str, str] | None, code: str) -> None:
    reply = blog.send("POST", "posts", json=body) if body is not None else blog.send("POST", "posts", content=b"{x")
    assert (reply.status_code, reply.json()["code"]) == (400, code)


def test_refusals_of_a_file_and_a_500_that_has_it(blog: Blog, picture: bytes) -> None:
    named = {"content-type": "image/png", "content-disposition": 'attachment; filename="a.png"'}
    assert blog.send("POST", "media", content=b"hello", headers=named).json()["code"] == "rest_upload_sideload_error"
    assert blog.send("POST", "media", content=picture).json()["code"] == "rest_upload_no_content_disposition"
    blog.fault("media_failed")
    broken = blog.send("POST", "media", content=picture, headers=named)
    number = broken.headers["x-wp-upload-attachment-id"]
    assert broken.status_code == 500
    assert (
        blog.send("POST", f"media/{number}/post-process", json={"action": "create-image-subsizes"}).status_code == 200
    )


def test_maintenance_is_a_page_and_says_when_to_come_again(blog: Blog) -> None:
    number = blog.draft()
    blog.fault("error_before_accept", operation="create", params={"status": 503})
    reply = blog.publish(number)
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "600") and "maintenance" in reply.text


def test_a_site_names_its_api(blog: Blog) -> None:
    assert 'wp-json/>; rel="https://api.w.org/"' in blog.http.head("/wordpress/").headers["link"]
    assert "application-passwords" in blog.http.get("/wordpress/wp-json/").json()["authentication"]
