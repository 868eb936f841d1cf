"""Linked accounts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from postprober.api.auth import CallerDep, require
from postprober.api.deps import CoreDep
from postprober.api.idempotency import OnceDep, StoredAnswer
from postprober.api.problems import responses
from postprober.api.schemas import AccountBody, ConnectBody, GroupBody, PageBody, PathId, Text
from postprober.api.views import (
    AccountLimitsOut,
    AccountList,
    AccountOut,
    Connected,
    GroupList,
    GroupOut,
    ListedAccount,
    MentionList,
    MentionOut,
    PageList,
    PageOut,
)
from postprober.domain.platform import NAMES
from postprober.errors import BadInput
from postprober.platforms.registry import SPECS
from postprober.services.accounts import account_groups, account_status, accounts, linking, mentions, pages
from postprober.services.core import Mark

router = APIRouter(prefix="/api/accounts", tags=["accounts"])


@router.get("", summary="List the linked accounts", responses=responses(401, 403))
def listing(core: CoreDep, caller: CallerDep) -> AccountList:
    """Yours, oldest first."""
    require(caller, "accounts:read")
    known = account_status.of_accounts(core, caller.actor)
    return AccountList(
        items=[
            ListedAccount.known(a, known.get(a.id, account_status.AccountActivity()).quotas)
            for a in accounts.listing(core, caller.actor)
        ]
    )


@router.post(
    "/connect",
    summary="Link an account, or reconnect it",
    response_model=Connected,
    responses=responses(401, 403, 409, 422, 429, 502),
)
def connect(body: ConnectBody, core: CoreDep, caller: CallerDep, once: OnceDep) -> Response:
    """Answers with the platform's consent page, to which the person's browser goes; it must be signed in here, because
    it comes back with the result. Where one signs in with an app password or a token, the account is linked at once."""
    require(caller, "accounts:write")

    def work(mark: Mark, made: int | None) -> StoredAnswer:
        if made is not None:
            return StoredAnswer(200, Connected(account=AccountOut.of(accounts.get(core, caller.actor, made))))
        spec, secret = SPECS[body.platform], {"identifier": body.identifier, "password": body.password}
        if spec.sign_in is None and (body.identifier or body.password):
            raise BadInput(f"{NAMES[body.platform]} is not linked with a password; leave it out.", field="password")
        if spec.token is None and body.fields:
            raise BadInput(f"{NAMES[body.platform]} asks for no fields; leave them out.", field="fields")
        if spec.token is not None:
            secret = body.fields
        elif spec.sign_in is None or (spec.found_consent is not None and not (body.identifier or body.password)):
            return StoredAnswer(
                200, Connected(authorize_url=linking.start(core, caller.actor, body.platform, body.instance))
            )
        account = accounts.add_by_token(core, caller.actor, body.platform, secret, instance=body.instance, mark=mark)
        return StoredAnswer(200, Connected(account=AccountOut.of(account)))

    return once.answer(body.model_dump_json(), work)


GroupName = Annotated[Text, Path(min_length=1, max_length=account_groups.MAX_NAME)]


@router.get("/groups", summary="List the groups of accounts", responses=responses(401, 403))
def groups(core: CoreDep, caller: CallerDep) -> GroupList:
    """By name. `account_ids` are those that are still linked."""
    require(caller, "accounts:read")
    found = account_groups.listing(core, caller.actor)
    return GroupList(items=[GroupOut(name=one.name, account_ids=list(one.account_ids)) for one in found])


@router.put("/groups/{name}", summary="Make or change a group of accounts", responses=responses(401, 403, 422))
def save_group(name: GroupName, body: GroupBody, core: CoreDep, caller: CallerDep) -> GroupOut:
    """The group of this name has these accounts from now on; capital letters make no other name."""
    require(caller, "accounts:write")
    made = account_groups.save(core, caller.actor, name, body.account_ids)
    return GroupOut(name=made.name, account_ids=list(made.account_ids))


@router.delete(
    "/groups/{name}", status_code=204, summary="Delete a group of accounts", responses=responses(401, 403, 404, 422)
)
def remove_group(name: GroupName, core: CoreDep, caller: CallerDep) -> None:
    """Its accounts stay linked."""
    require(caller, "accounts:write")
    account_groups.remove(core, caller.actor, name)


@router.get("/{account_id:int}/limits", summary="What an account may publish", responses=responses(401, 403, 404, 422))
def limits_of(account_id: PathId, core: CoreDep, caller: CallerDep) -> AccountLimitsOut:
    """AskedFor of the platform where it tells; else its usual numbers."""
    require(caller, "accounts:read")
    account = accounts.get(core, caller.actor, account_id)
    return AccountLimitsOut.of(account, accounts.current_limits(core, account))


@router.get(
    "/{account_id:int}/pages",
    summary="Pages that a linked person may post for",
    responses=responses(401, 403, 404, 422, 429, 502),
)
def pages_of(account_id: PathId, core: CoreDep, caller: CallerDep) -> PageList:
    """Asked of the platform. Each can be linked as an account of its own."""
    require(caller, "accounts:read")
    return PageList(items=[PageOut(**asdict(one)) for one in pages.listing(core, caller.actor, account_id)])


@router.get(
    "/{account_id:int}/mentions",
    summary="Find who can be mentioned by name",
    responses=responses(401, 403, 404, 409, 422, 429, 502),
)
def mentions_of(
    account_id: PathId, core: CoreDep, caller: CallerDep, name: Annotated[Text, Query(min_length=1, max_length=200)]
) -> MentionList:
    """Asked of the platform, where it lets the app. `text` is what a post says to mention them."""
    require(caller, "posts:draft")
    found = mentions.find(core, caller.actor, account_id, name)
    return MentionList(items=[MentionOut(**asdict(one)) for one in found])


@router.post(
    "/{account_id:int}/pages",
    summary="Link a page",
    status_code=201,
    response_model=AccountOut,
    responses=responses(401, 403, 404, 409, 422, 429, 502),
)
def link_page(account_id: PathId, body: PageBody, core: CoreDep, caller: CallerDep, once: OnceDep) -> Response:
    """With the tokens of the person; when they are linked again, so are their pages."""
    require(caller, "accounts:write")

    def work(mark: Mark, made: int | None) -> StoredAnswer:
        if made is not None:
            return StoredAnswer(201, AccountOut.of(accounts.get(core, caller.actor, made)))
        return StoredAnswer(201, AccountOut.of(pages.link(core, caller.actor, account_id, body.remote_id, mark)))

    return once.answer(f"{account_id} {body.model_dump_json()}", work)


# `int`, so that other methods of /connect are no requests for an account of that name.
@router.put("/{account_id:int}", summary="Change an account's settings", responses=responses(401, 403, 404, 422))
def update(account_id: PathId, body: AccountBody, core: CoreDep, caller: CallerDep) -> AccountOut:
    """All settings at once: what is left out goes back to its default."""
    require(caller, "accounts:write")
    done = accounts.set_up(
        core, caller.actor, account_id, label=body.label, language=body.language, repair_words=body.repair_words
    )
    return AccountOut.of(done)


@router.delete(
    "/{account_id:int}", status_code=204, summary="Unlink an account", responses=responses(401, 403, 404, 422)
)
def remove(account_id: PathId, core: CoreDep, caller: CallerDep) -> None:
    """What waits for it is cancelled, its tokens are deleted here and, where the platform offers it, revoked there.
    What was posted stays posted."""
    require(caller, "accounts:write")
    accounts.remove(core, caller.actor, account_id)
