"""Meta's business SDK does its whole job."""

import time
from typing import Any

from facebook_business.adobjects.igmedia import IGMedia
from facebook_business.adobjects.iguser import IGUser
from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession
from steps import given, need, run

HERE = given()
FacebookSession.GRAPH = HERE["url"]
FacebookAdsApi.init(access_token=HERE["token"], api_version="v26.0", crash_log=False)
ME = IGUser(HERE["id"])
MADE: dict[str, Any] = {}


def _container(**params: Any) -> str:
    made = str(ME.create_media(params=params)["id"])
    for _ in range(100):
        if IGMedia(made).api_get(fields=["status_code"])["status_code"] == "FINISHED":
            return made
        time.sleep(0.1)
    raise AssertionError("the container was not finished in ten seconds")


def who() -> None:
    told = ME.api_get(fields=["username", "media_count"])
    need(told["username"])


def picture() -> None:
    box = _container(image_url=HERE["picture"], caption="Hello from a client", alt_text="A dot")
    MADE["post"] = str(ME.create_media_publish(params={"creation_id": box})["id"])
    told = IGMedia(MADE["post"]).api_get(fields=["caption", "permalink", "media_type", "timestamp"])
    need(told["caption"] == "Hello from a client" and told["media_type"] == "IMAGE" and told["permalink"])


def carousel() -> None:
    parts = [_container(image_url=HERE["picture"], is_carousel_item=True) for _ in range(2)]
    box = _container(media_type="CAROUSEL", children=",".join(parts), caption="Two")
    made = str(ME.create_media_publish(params={"creation_id": box})["id"])
    need(IGMedia(made).api_get(fields=["media_type"])["media_type"] == "CAROUSEL_ALBUM")


def listing() -> None:
    listed = [one["id"] for one in ME.get_media(fields=["caption", "timestamp"])]
    need(MADE["post"] in listed)


def insights() -> None:
    told = IGMedia(MADE["post"]).get_insights(params={"metric": ["likes", "comments"]})
    need({one["name"] for one in told} == {"likes", "comments"})


def limit() -> None:
    need(ME.get_content_publishing_limit(fields=["quota_usage", "config"])[0]["quota_usage"] >= 2)


def wrong() -> None:
    try:
        ME.create_media(params={"image_url": "http://127.0.0.1:9/none.jpg"})
    except FacebookRequestError as error:
        need(error.api_error_code())
        return
    raise AssertionError("a picture that is not there was taken")


run({step.__name__: step for step in (who, picture, carousel, listing, insights, limit, wrong)})
