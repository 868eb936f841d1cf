"""Mastodon.py does its whole job."""

import datetime
import io
from typing import Any

from mastodon import Mastodon, MastodonNotFoundError
from steps import PIXEL, given, need, run

HERE = given()
ME = Mastodon(access_token=HERE["token"], api_base_url=HERE["url"])
STRANGER = Mastodon(api_base_url=HERE["url"])
MADE: dict[str, Any] = {}


def version() -> None:
    need(ME.retrieve_mastodon_version().startswith("4."))
    need(ME.instance().configuration.statuses.max_characters == 500)
    need(ME.instance_v1().uri)
    need(ME.instance_nodeinfo().software.name == "mastodon")


def who() -> None:
    MADE["me"] = ME.account_verify_credentials()
    need(ME.app_verify_credentials().name == "PostProber")
    need(ME.account_lookup(MADE["me"].acct).id == MADE["me"].id)
    need(ME.account(MADE["me"].id).acct == MADE["me"].acct)


def post() -> None:
    MADE["post"] = ME.status_post("Hello from a client", visibility="public", language="en", idempotency_key="k1")
    again = ME.status_post("Hello from a client", visibility="public", language="en", idempotency_key="k1")
    need(again.id == MADE["post"].id, "an idempotency key was not honoured")
    need(STRANGER.status(MADE["post"].id).content == "<p>Hello from a client</p>")


def reply_and_context() -> None:
    MADE["reply"] = ME.status_reply(MADE["post"], "An answer")
    told = ME.status_context(MADE["post"].id)
    need([s.id for s in told.descendants] == [MADE["reply"].id])
    need([s.id for s in ME.status_context(MADE["reply"].id).ancestors] == [MADE["post"].id])


def picture() -> None:
    made = ME.media_post(io.BytesIO(PIXEL), mime_type="image/png", description="A dot", synchronous=True)
    shown = ME.status_post("With a picture", media_ids=[made])
    need(shown.media_attachments[0].description == "A dot")
    need(ME.media(made.id).type == "image")
    need(ME.media_update(made.id, description="A black dot").description == "A black dot")


def edit() -> None:
    changed = ME.status_update(MADE["post"].id, "Hello, edited", spoiler_text="Careful", sensitive=True)
    need(changed.edited_at is not None and changed.spoiler_text == "Careful")
    need(ME.status_source(MADE["post"].id).text == "Hello, edited")
    versions = ME.status_history(MADE["post"].id)
    need([v.content for v in versions] == ["<p>Hello from a client</p>", "<p>Hello, edited</p>"])


def marks() -> None:
    wanted = MADE["post"].id
    need(ME.status_favourite(wanted).favourited and not ME.status_unfavourite(wanted).favourited)
    need(ME.status_bookmark(wanted).bookmarked and not ME.status_unbookmark(wanted).bookmarked)
    need(ME.status_pin(wanted).pinned and not ME.status_unpin(wanted).pinned)


def poll() -> None:
    made = ME.status_post("Which?", poll=ME.make_poll(["This", "That"], expires_in=3600))
    need(made.poll and [o.title for o in made.poll.options] == ["This", "That"])
    need(ME.poll_vote(made.poll, 1).own_votes == [1])
    need(STRANGER.poll(made.poll.id).options[1].votes_count == 1)


def schedule() -> None:
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    made = ME.status_post("Not yet", scheduled_at=later)
    need([s.id for s in ME.scheduled_statuses()] == [made.id])
    need("Not yet" not in str(ME.account_statuses(MADE["me"].id)), "it appeared at once")
    need(ME.scheduled_status_update(made.id, later + datetime.timedelta(hours=1)).scheduled_at > later)
    ME.scheduled_status_delete(made.id)
    need(ME.scheduled_statuses() == [])


def list_and_delete() -> None:
    listed = [s.id for s in ME.account_statuses(MADE["me"].id, limit=40)]
    need(MADE["post"].id in listed and MADE["reply"].id in listed)
    ME.status_delete(MADE["reply"].id)
    try:
        ME.status(MADE["reply"].id)
    except MastodonNotFoundError:
        return
    raise AssertionError("a deleted status is still there")


run(
    {
        step.__name__: step
        for step in (
            version,
            who,
            post,
            reply_and_context,
            picture,
            edit,
            marks,
            poll,
            schedule,
            list_and_delete,
        )
    }
)
