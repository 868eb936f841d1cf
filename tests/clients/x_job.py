"""tweepy does its whole job."""

import tempfile
from typing import Any

import tweepy
import tweepy.client
from steps import PIXEL, given, need, run

HERE = given()
MADE: dict[str, Any] = {}


class Here(tweepy.Client):
    """Its host is a constant of its request method."""

    def request(self, method: str, route: str, params: Any = None, json: Any = None, user_auth: bool = False) -> Any:
        url = HERE["url"] + route
        headers = {"User-Agent": self.user_agent, "Authorization": f"Bearer {self.bearer_token}"}
        with self.session.request(method, url, params=params, json=json, headers=headers) as reply:
            for status, error in (
                (400, tweepy.BadRequest),
                (401, tweepy.Unauthorized),
                (403, tweepy.Forbidden),
                (404, tweepy.NotFound),
                (429, tweepy.TooManyRequests),
            ):
                if reply.status_code == status:
                    raise error(reply)
            need(200 <= reply.status_code < 300, f"status {reply.status_code}")
            return reply


ME = Here(HERE["token"])


def who() -> None:
    MADE["me"] = ME.get_me(user_auth=False, user_fields=["created_at", "username"]).data
    need(MADE["me"].id and MADE["me"].username)


def post() -> None:
    MADE["post"] = ME.create_tweet(text="Hello from a client", user_auth=False).data
    told = ME.get_tweet(MADE["post"]["id"], tweet_fields=["created_at", "author_id", "public_metrics"]).data
    need(told.text == "Hello from a client" and told.author_id == MADE["me"].id)


def reply() -> None:
    MADE["reply"] = ME.create_tweet(text="An answer", in_reply_to_tweet_id=MADE["post"]["id"], user_auth=False).data
    told = ME.get_tweet(MADE["reply"]["id"], tweet_fields=["referenced_tweets"]).data
    need(str(told.referenced_tweets[0].id) == MADE["post"]["id"])


def twice() -> None:
    try:
        ME.create_tweet(text="Hello from a client", user_auth=False)
    except tweepy.Forbidden as error:
        need("duplicate" in str(error))
        return
    raise AssertionError("the same text was taken twice")


def timeline() -> None:
    told = ME.get_users_tweets(MADE["me"].id, max_results=5, tweet_fields=["created_at"]).data
    need({str(one.id) for one in told} >= {MADE["post"]["id"], MADE["reply"]["id"]})
    many = ME.get_tweets([MADE["post"]["id"], MADE["reply"]["id"]]).data
    need(len(many) == 2)


def picture() -> None:
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(PIXEL * 1)
        file.flush()
        with open(file.name, "rb") as stream:
            answer = ME.session.post(
                f"{HERE['url']}/2/media/upload",
                files={"media": stream},
                data={"media_category": "tweet_image"},
                headers={"Authorization": f"Bearer {HERE['token']}"},
            )
    told = answer.json()
    number = told.get("data", told).get("id") or told.get("data", told).get("media_id_string")
    need(number, str(told)[:200])
    made = ME.create_tweet(text="With a picture", media_ids=[number], user_auth=False).data
    need(ME.get_tweet(made["id"], expansions=["attachments.media_keys"]).includes["media"])


def delete() -> None:
    need(ME.delete_tweet(MADE["reply"]["id"], user_auth=False).data["deleted"])
    need(ME.get_tweet(MADE["reply"]["id"]).data is None)


run({step.__name__: step for step in (who, post, reply, twice, timeline, picture, delete)})
