"""One way to post, list and read on all platforms, each through its own API."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx2

from postprober.sandbox.bluesky.ids import tid
from postprober.sandbox.serve import SandboxServer

_keys = itertools.count(1)


class Poster(ABC):
    """`name` is alice, the account under test."""

    platform: str
    scopes: list[str] | None = None
    name = "alice"

    def __init__(self, sandbox: SandboxServer, http: httpx2.Client, picture: bytes) -> None:
        self.sandbox = sandbox
        self.control = sandbox.control
        self.http = http
        self.picture = picture
        options: dict[str, Any] = {"scopes": self.scopes} if self.scopes else {}
        self.account = self.control.account(self.platform, self.name, **options)
        self.headers = {"authorization": f"Bearer {self.account['access_token']}"}
        self.prepare()

    def prepare(self) -> None:
        """What must be there before the first post."""

    @abstractmethod
    def create(self, text: str, key: str = "") -> httpx2.Response:
        """Publish; the same key means the same intent where the platform knows one."""

    @abstractmethod
    def id_of(self, response: httpx2.Response) -> str:
        """The id in a successful reply."""

    @abstractmethod
    def listing(self) -> httpx2.Response:
        """The own posts."""

    @abstractmethod
    def ids_in(self, listing: httpx2.Response) -> list[str]:
        """The ids of a listing, in its order."""

    @abstractmethod
    def read(self, post_id: str) -> httpx2.Response:
        """One own post by its id."""

    def found(self, response: httpx2.Response) -> bool:
        """Whether a read found its post."""
        return response.status_code == 200

    def listed(self) -> list[str]:
        return self.ids_in(self.listing())

    def truth(self) -> list[dict[str, Any]]:
        return self.control.posts(self.platform, self.name)

    def public(self, post_id: str) -> bool:
        url = next(p["url"] for p in self.truth() if p["id"] == post_id)
        return self.http.get(url).status_code == 200

    def fault(self, kind: str, **options: Any) -> dict[str, Any]:
        return self.control.fault(self.platform, kind, account=self.name, **options)

    def creations(self) -> list[dict[str, Any]]:
        return [row for row in self.control.log(platform=self.platform) if row["operation"] == "create"]


class XPoster(Poster):
    platform = "x"

    def create(self, text: str, key: str = "") -> httpx2.Response:
        return self.http.post("/x/2/tweets", headers=self.headers, json={"text": text})

    def id_of(self, response: httpx2.Response) -> str:
        return str(response.json()["data"]["id"])

    def listing(self) -> httpx2.Response:
        return self.http.get(f"/x/2/users/{self.account['id']}/tweets", headers=self.headers)

    def ids_in(self, listing: httpx2.Response) -> list[str]:
        return [p["id"] for p in listing.json().get("data", [])]

    def read(self, post_id: str) -> httpx2.Response:
        return self.http.get(f"/x/2/tweets/{post_id}", headers=self.headers)

    def found(self, response: httpx2.Response) -> bool:
        return response.status_code == 200 and "data" in response.json()


class LinkedInPoster(Poster):
    platform = "linkedin"
    scopes = ["openid", "profile", "w_member_social", "r_member_social", "r_member_postAnalytics"]

    def prepare(self) -> None:
        self.headers |= {"linkedin-version": "202611", "x-restli-protocol-version": "2.0.0"}
        self.author = f"urn:li:person:{self.account['id']}"

    def body(self, text: str) -> dict[str, Any]:
        return {
            "author": self.author,
            "commentary": text,
            "visibility": "PUBLIC",
            "distribution": {
                "feedDistribution": "MAIN_FEED",
                "targetEntities": [],
                "thirdPartyDistributionChannels": [],
            },
            "lifecycleState": "PUBLISHED",
            "isReshareDisabledByAuthor": False,
        }

    def create(self, text: str, key: str = "") -> httpx2.Response:
        return self.http.post("/linkedin/rest/posts", headers=self.headers, json=self.body(text))

    def id_of(self, response: httpx2.Response) -> str:
        return response.headers["x-restli-id"]

    def listing(self) -> httpx2.Response:
        headers = self.headers | {"x-restli-method": "FINDER"}
        return self.http.get(f"/linkedin/rest/posts?q=author&author={quote(self.author, safe='')}", headers=headers)

    def ids_in(self, listing: httpx2.Response) -> list[str]:
        return [p["id"] for p in listing.json()["elements"]]

    def read(self, post_id: str) -> httpx2.Response:
        return self.http.get(f"/linkedin/rest/posts/{quote(post_id, safe='')}", headers=self.headers)


class InstagramPoster(Poster):
    platform = "instagram"

    def prepare(self) -> None:
        self.control.settings(container_seconds=0)
        self.image_url = f"{self.sandbox.url}/_media/{self.sandbox.world.keep_bytes(self.picture, 'image/jpeg')}"
        self.containers: dict[str, str] = {}

    def container(self, **params: Any) -> httpx2.Response:
        data = {"image_url": self.image_url, "access_token": self.account["access_token"], **params}
        return self.http.post(f"/instagram/v26.0/{self.account['id']}/media", data=data)

    def publish(self, container: str) -> httpx2.Response:
        data = {"creation_id": container, "access_token": self.account["access_token"]}
        return self.http.post(f"/instagram/v26.0/{self.account['id']}/media_publish", data=data)

    def create(self, text: str, key: str = "") -> httpx2.Response:
        key = key or f"k{next(_keys)}"
        if key not in self.containers:
            self.containers[key] = self.container(caption=text).json()["id"]
        return self.publish(self.containers[key])

    def id_of(self, response: httpx2.Response) -> str:
        return str(response.json()["id"])

    def get(self, path: str, **params: Any) -> httpx2.Response:
        query = {"access_token": self.account["access_token"], **params}
        return self.http.get(f"/instagram/v26.0/{path}", params=query)

    def listing(self) -> httpx2.Response:
        return self.get(f"{self.account['id']}/media", fields="id,caption,permalink")

    def ids_in(self, listing: httpx2.Response) -> list[str]:
        return [p["id"] for p in listing.json()["data"]]

    def read(self, post_id: str) -> httpx2.Response:
        return self.get(post_id, fields="id,caption")


class MastodonPoster(Poster):
    platform = "mastodon"

    def create(self, text: str, key: str = "") -> httpx2.Response:
        headers = self.headers | ({"idempotency-key": key} if key else {})
        return self.http.post("/mastodon/api/v1/statuses", headers=headers, json={"status": text})

    def id_of(self, response: httpx2.Response) -> str:
        return str(response.json()["id"])

    def listing(self) -> httpx2.Response:
        return self.http.get(f"/mastodon/api/v1/accounts/{self.account['id']}/statuses", headers=self.headers)

    def ids_in(self, listing: httpx2.Response) -> list[str]:
        return [p["id"] for p in listing.json()]

    def read(self, post_id: str) -> httpx2.Response:
        return self.http.get(f"/mastodon/api/v1/statuses/{post_id}", headers=self.headers)


class BlueskyPoster(Poster):
    platform = "bluesky"
    collection = "app.bsky.feed.post"

    def prepare(self) -> None:
        self.did = self.account["id"]

    def record(self, text: str, **more: Any) -> dict[str, Any]:
        return {"$type": self.collection, "text": text, "createdAt": "2026-11-22T12:00:00.000Z", **more}

    def write(self, method: str, **body: Any) -> httpx2.Response:
        body = {"repo": self.did, "collection": self.collection} | body
        return self.http.post(f"/bluesky/xrpc/com.atproto.repo.{method}", headers=self.headers, json=body)

    def create(self, text: str, key: str = "") -> httpx2.Response:
        return self.write("putRecord", rkey=key or tid(1_790_000_000_000_000 + next(_keys)), record=self.record(text))

    def id_of(self, response: httpx2.Response) -> str:
        return str(response.json()["uri"])

    def get(self, method: str, **params: Any) -> httpx2.Response:
        return self.http.get(f"/bluesky/xrpc/{method}", params=params, headers=self.headers)

    def listing(self) -> httpx2.Response:
        return self.get("com.atproto.repo.listRecords", repo=self.did, collection=self.collection)

    def ids_in(self, listing: httpx2.Response) -> list[str]:
        return [p["uri"] for p in listing.json()["records"]]

    def read(self, post_id: str) -> httpx2.Response:
        rkey = post_id.rpartition("/")[2]
        return self.get("com.atproto.repo.getRecord", repo=self.did, collection=self.collection, rkey=rkey)


Maker = Callable[[SandboxServer, httpx2.Client, bytes], Poster]
MAKERS: dict[str, Maker] = {
    "x": XPoster,
    "linkedin": LinkedInPoster,
    "instagram": InstagramPoster,
    "mastodon": MastodonPoster,
    "bluesky": BlueskyPoster,
}
