"""Pages (organisations) and who may post for them. platforms/linkedin/facts.md, 1.

Whoever allowed `w_organization_social` administers one page, which is there from when it is first asked for."""

import hashlib

from starlette.responses import Response
from starlette.routing import BaseRoute

from postprober.sandbox.engine.model import Account
from postprober.sandbox.engine.operation import Call, Operation, reply
from postprober.sandbox.engine.world import World
from postprober.sandbox.linkedin.dialect import LinkedInDialect, access_denied, check_headers, li_error, not_found

_POSTS = "w_organization_social"
_PREFIX = "urn:li:organization:"


def person(account_id: str) -> str:
    return f"urn:li:person:{account_id}"


def page_of(call: Call) -> Account | None:
    """The page of whoever asks; None without the right to post for one."""
    if call.token is None or _POSTS not in call.token.scopes:
        return None
    name = f"{call.owner.name}-page"
    page = call.world.account("linkedin", name)
    if page is None:
        page = call.world.add_account("linkedin", name, [], False, "")
        page.id = str(int(hashlib.sha256(name.encode()).hexdigest()[:8], 16))
        call.world.save_account(page)
    return page


def author(call: Call, urn: str) -> Account | None:
    """Whose posts whoever asks may write under this name: their own, or their page's."""
    if urn == person(call.owner.id):
        return call.owner
    page = page_of(call)
    return page if page is not None and urn == f"{_PREFIX}{page.id}" else None


def writes_for(call: Call, name: str) -> bool:
    """Whether the account called `name` is theirs, or their page."""
    page = page_of(call)
    return name == call.owner.name or (page is not None and name == page.name)


async def roles(call: Call) -> Response:
    """GET /rest/organizationAcls?q=roleAssignee"""
    check_headers(call)
    if call.request.query_params.get("q") != "roleAssignee":
        raise li_error(400, "Resource method could not be resolved from request parameters.", "ILLEGAL_ARGUMENT")
    page = page_of(call)
    if page is None:
        raise access_denied(call, "organizationAcls.FINDER-roleAssignee")
    element = {
        "organization": f"{_PREFIX}{page.id}",
        "roleAssignee": person(call.owner.id),
        "role": "ADMINISTRATOR",
        "state": "APPROVED",
    }
    return reply({"elements": [element], "paging": {"count": 100, "start": 0, "links": []}})


async def organization(call: Call) -> Response:
    """GET /rest/organizations/{id}"""
    check_headers(call)
    page = page_of(call)
    if page is None or page.id != call.request.path_params["id"]:
        raise not_found(f"{_PREFIX}{call.request.path_params['id']}")
    return reply({"id": int(page.id), "localizedName": page.title, "vanityName": page.name})


async def named(call: Call) -> Response:
    """GET /rest/organizations?q=vanityName: any page by the name in its address, for whoever may post for one."""
    check_headers(call)
    query = call.request.query_params
    if query.get("q") != "vanityName":
        raise li_error(400, "Resource method could not be resolved from request parameters.", "ILLEGAL_ARGUMENT")
    if page_of(call) is None:
        raise access_denied(call, "organizations.FINDER-vanityName")
    wanted = query.get("vanityName", "").casefold()
    pages = [one for one in call.world.accounts_of("linkedin") if one.id.isdecimal() and one.name.casefold() == wanted]
    elements = [{"id": int(one.id), "localizedName": one.title, "vanityName": one.name} for one in pages]
    return reply({"elements": elements, "paging": {"count": 10, "start": 0, "links": []}})


def routes(world: World, dialect: LinkedInDialect) -> list[BaseRoute]:
    return [
        Operation(world, dialect, "me", roles).route("/linkedin/rest/organizationAcls", "GET"),
        Operation(world, dialect, "me", named).route("/linkedin/rest/organizations", "GET"),
        Operation(world, dialect, "me", organization).route("/linkedin/rest/organizations/{id:str}", "GET"),
    ]
