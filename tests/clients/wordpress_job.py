"""wpa does its whole job. Of the clients for WordPress' REST API on PyPI it is the one that is kept (0.11.0 of August 2026) and
does posts, terms, files and comments; those that were used more have had no release for years."""

import tempfile
from pathlib import Path
from typing import Any

from steps import PIXEL, given, need, run
from wpa import comment, media, post, term
from wpa.api import WPApiClient
from wpa.exceptions import WPApiError

HERE = given()
ME = WPApiClient(HERE["url"], HERE["name"], HERE["password"])
NOBODY = WPApiClient(HERE["url"], HERE["name"], "wrong")
MADE: dict[str, Any] = {}


def refused(act: Any) -> None:
    try:
        act()
    except WPApiError:
        return
    raise AssertionError("it was not refused")


def who() -> None:
    need(str(ME.get("users/me")["id"]) == HERE["id"])
    need("wp/v2" in ME.get_root()["namespaces"])
    refused(lambda: NOBODY.get("users/me"))


def draft_and_publish() -> None:
    MADE["post"] = post.create_post(ME, "From a client", "<p>Hello</p>", slug="from-a-client")
    need(MADE["post"]["status"] == "draft" and MADE["post"]["slug"] == "from-a-client")
    need(post.update_post(ME, MADE["post"]["id"], status="publish")["status"] == "publish")
    need(post.get_post(ME, MADE["post"]["id"], embed=True)["status"] == "publish")


def the_same_slug() -> None:
    again = post.create_post(ME, "From a client", "<p>Again</p>", status="publish", slug="from-a-client")
    need(again["slug"] == "from-a-client-2", "a slug is no key")


def edit() -> None:
    changed = post.update_post(ME, MADE["post"]["id"], title="Edited", content="<p>Other words</p>")
    need(changed["title"]["raw"] == "Edited" and "Other words" in changed["content"]["rendered"])


def picture() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "dot.png"
        path.write_bytes(PIXEL)
        MADE["media"] = media.import_media(ME, str(path), alt_text="A dot")
    need(MADE["media"]["alt_text"] == "A dot" and MADE["media"]["mime_type"] == "image/png")
    shown = post.create_post(ME, "With a picture", "<p>x</p>", status="publish", featured_media=MADE["media"]["id"])
    need(shown["featured_media"] == MADE["media"]["id"])
    need(media.get_media(ME, MADE["media"]["id"])["id"] == MADE["media"]["id"])


def a_file_that_is_none() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.exe"
        path.write_bytes(b"hello")
        refused(lambda: media.import_media(ME, str(path)))


def terms() -> None:
    need(any(one["name"] == "News" for one in term.list_terms(ME, "category")))
    made = term.create_term(ME, "client tag", "post_tag")
    shown = post.create_post(ME, "Tagged", "<p>x</p>", status="publish", tags=[made["id"]])
    need(shown["tags"] == [made["id"]])
    refused(lambda: term.create_term(ME, "client tag", "post_tag"))


def lists() -> None:
    found = post.list_posts(ME, status="publish")
    need(len(found) == 4, f"{len(found)} posts are listed")
    need(ME.get_total("posts", {"status": "publish"}) == 4)
    need(isinstance(comment.list_comments(ME, post=MADE["post"]["id"]), list))


def delete() -> None:
    wanted = MADE["post"]["id"]
    need(post.delete_post(ME, wanted)["status"] == "trash")
    refused(lambda: post.delete_post(ME, wanted))
    need(post.delete_post(ME, wanted, force=True)["deleted"] is True)
    refused(lambda: post.get_post(ME, wanted))


run(
    {
        step.__name__: step
        for step in (
            who,
            draft_and_publish,
            the_same_slug,
            edit,
            picture,
            a_file_that_is_none,
            terms,
            lists,
            delete,
        )
    }
)
