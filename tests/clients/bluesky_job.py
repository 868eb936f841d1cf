"""The AT Protocol SDK does its whole job."""

from typing import Any

from atproto import Client, client_utils, models
from steps import PIXEL, given, need, run

HERE = given()
ME = Client(base_url=HERE["url"])
MADE: dict[str, Any] = {}


def server() -> None:
    told = Client(base_url=HERE["url"]).com.atproto.server.describe_server()
    need(told.did.startswith("did:") and told.available_user_domains)


def sign_in() -> None:
    MADE["me"] = ME.login(HERE["id"], HERE["password"])
    need(ME.com.atproto.server.get_session().did == HERE["id"])


def post() -> None:
    text = client_utils.TextBuilder().text("Hello ").link("there", "https://example.org/a").text(" ").tag("#one", "one")
    MADE["post"] = ME.send_post(text)
    found = ME.get_post(MADE["post"].uri.rsplit("/", 1)[1], HERE["id"])
    need(found.value.text == "Hello there #one" and len(found.value.facets) == 2)


def picture() -> None:
    MADE["picture"] = ME.send_image("With a picture", PIXEL, image_alt="A dot")
    (shown,) = ME.get_posts([MADE["picture"].uri]).posts
    need(shown.embed.images[0].alt == "A dot")


def thread() -> None:
    root = models.create_strong_ref(MADE["post"])
    MADE["reply"] = ME.send_post("An answer", reply_to=models.AppBskyFeedPost.ReplyRef(parent=root, root=root))
    told = ME.get_post_thread(MADE["post"].uri).thread
    need([one.post.uri for one in told.replies] == [MADE["reply"].uri])
    up = ME.get_post_thread(MADE["reply"].uri).thread
    need(up.parent.post.uri == MADE["post"].uri)


def like_and_repost() -> None:
    liked = ME.like(MADE["post"].uri, MADE["post"].cid)
    need([one.actor.did for one in ME.get_likes(MADE["post"].uri).likes] == [HERE["id"]])
    need(ME.unlike(liked.uri) and ME.get_likes(MADE["post"].uri).likes == [])
    again = ME.repost(MADE["post"].uri, MADE["post"].cid)
    need(ME.unrepost(again.uri))


def apply_writes() -> None:
    create = models.ComAtprotoRepoApplyWrites.Create(
        collection="app.bsky.feed.post",
        rkey="3jzfcijpj2z2a",
        value=models.AppBskyFeedPost.Record(text="By applyWrites", created_at=ME.get_current_time_iso()),
    )
    told = ME.com.atproto.repo.apply_writes({"repo": HERE["id"], "writes": [create]})
    need(told.results[0].uri.endswith("/3jzfcijpj2z2a"))
    need(ME.get_post("3jzfcijpj2z2a", HERE["id"]).value.text == "By applyWrites")
    delete = models.ComAtprotoRepoApplyWrites.Delete(collection="app.bsky.feed.post", rkey="3jzfcijpj2z2a")
    ME.com.atproto.repo.apply_writes({"repo": HERE["id"], "writes": [delete]})


def read() -> None:
    need(any(one.post.uri == MADE["post"].uri for one in ME.get_author_feed(HERE["id"]).feed))
    need(ME.get_profile(HERE["id"]).did == HERE["id"])
    need(ME.com.atproto.identity.resolve_handle({"handle": ME.me.handle}).did == HERE["id"])
    listed = ME.com.atproto.repo.list_records({"repo": HERE["id"], "collection": "app.bsky.feed.post"}).records
    need(MADE["post"].uri in [one.uri for one in listed])


def delete() -> None:
    need(ME.delete_post(MADE["reply"].uri))
    need(ME.get_posts([MADE["reply"].uri]).posts == [])


run(
    {
        step.__name__: step
        for step in (
            server,
            sign_in,
            post,
            picture,
            thread,
            like_and_repost,
            apply_writes,
            read,
            delete,
        )
    }
)
