"""X's own SDK does its whole job."""

from typing import Any

from steps import given, need, run
from xdk import Client

HERE = given()
ME = Client(base_url=HERE["url"], bearer_token=HERE["token"], access_token=HERE["token"])
MADE: dict[str, Any] = {}


def _id(told: Any) -> str:
    data = told.data
    return str(data["id"] if isinstance(data, dict) else data.id)


def _text(told: Any) -> str:
    data = told.data
    return str(data["text"] if isinstance(data, dict) else data.text)


def who() -> None:
    MADE["me"] = _id(ME.users.get_me(user_fields=["created_at", "subscription_type"]))
    need(MADE["me"] == HERE["id"])


def post() -> None:
    MADE["post"] = _id(ME.posts.create(body={"text": "Hello from the SDK"}))
    need(
        _text(ME.posts.get_by_id(id=MADE["post"], post_fields=["created_at", "public_metrics"])) == "Hello from the SDK"
    )


def reply() -> None:
    MADE["reply"] = _id(ME.posts.create(body={"text": "An answer", "reply": {"in_reply_to_tweet_id": MADE["post"]}}))
    need(MADE["reply"] != MADE["post"])


def read_many() -> None:
    told = ME.posts.get_by_ids(ids=[MADE["post"], MADE["reply"]])
    need(len(told.data) == 2)
    page = next(iter(ME.users.get_posts(id=MADE["me"], max_results=5)))
    need(len(page.data) >= 2)


def delete() -> None:
    ME.posts.delete(id=MADE["reply"])
    need(not (ME.posts.get_by_ids(ids=[MADE["reply"]]).data or []))


run({step.__name__: step for step in (who, post, reply, read_many, delete)})
