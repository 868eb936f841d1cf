"""LinkedIn's own API client does its whole job."""

from typing import Any

from linkedin_api.clients.restli import client as restli
from linkedin_api.clients.restli.client import RestliClient
from steps import given, need, run

HERE = given()
ME = RestliClient()
VERSION = "202607"
for name in ("NON_VERSIONED_BASE_URL", "VERSIONED_BASE_URL"):
    for module in (restli, __import__("linkedin_api.common.constants", fromlist=["x"])):
        if hasattr(module, name):
            setattr(module, name, HERE["url"] + ("/rest" if name.startswith("VERSIONED") else "/v2"))
MADE: dict[str, Any] = {}
AUTHOR = f"urn:li:person:{HERE['id']}"


def _entity(text: str) -> dict[str, Any]:
    return {
        "author": AUTHOR,
        "commentary": text,
        "visibility": "PUBLIC",
        "lifecycleState": "PUBLISHED",
        "distribution": {"feedDistribution": "MAIN_FEED", "targetEntities": [], "thirdPartyDistributionChannels": []},
    }


def who() -> None:
    told = ME.get(resource_path="/userinfo", access_token=HERE["token"])
    need(told.status_code == 200 and told.entity["sub"] == HERE["id"], str(told.entity))


def me() -> None:
    told = ME.get(resource_path="/me", access_token=HERE["token"])
    need(told.status_code == 200 and told.entity["id"] == HERE["id"], f"{told.status_code} {told.entity}")


def post() -> None:
    told = ME.create(
        resource_path="/posts",
        entity=_entity("Hello from a client"),
        version_string=VERSION,
        access_token=HERE["token"],
    )
    need(told.status_code == 201 and told.entity_id.startswith("urn:li:share:"), f"{told.status_code} {told.entity_id}")
    MADE["post"] = told.entity_id


def twice() -> None:
    told = ME.create(
        resource_path="/posts",
        entity=_entity("Hello from a client"),
        version_string=VERSION,
        access_token=HERE["token"],
    )
    need(told.status_code == 422, str(told.status_code))


def update() -> None:
    told = ME.partial_update(
        resource_path="/posts/{urn}",
        path_keys={"urn": MADE["post"]},
        patch_set_object={"commentary": "Edited"},
        version_string=VERSION,
        access_token=HERE["token"],
    )
    need(told.status_code == 204, str(told.status_code))


def delete() -> None:
    told = ME.delete(
        resource_path="/posts/{urn}",
        path_keys={"urn": MADE["post"]},
        version_string=VERSION,
        access_token=HERE["token"],
    )
    need(told.status_code == 204, str(told.status_code))


run({step.__name__: step for step in (who, me, post, twice, update, delete)})
