"""Pages that a linked person may post for: listed, and each linked as an account of its own with that person's tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace

from postprober.domain.actor import Actor
from postprober.domain.platform import NAMES
from postprober.errors import NOT_PERMITTED, BadInput, PlatformError, ReconnectNeeded
from postprober.pipeline.core.tokens import open_credentials
from postprober.platforms.registry import SPECS
from postprober.services.accounts import accounts as account_service
from postprober.services.accounts.accounts import LINKED_BY
from postprober.services.core import Core, Mark, no_mark
from postprober.services.people import permits
from postprober.storage.records import Account


@dataclass(frozen=True)
class LinkablePage:
    """`account_id`: of the account here, None while it is not linked."""

    remote_id: str
    name: str
    account_id: int | None


@permits.needs("accounts:read")
def listing(core: Core, actor: Actor, account_id: int) -> list[LinkablePage]:
    """The pages of a linked person, asked of the platform. Raises NotFound, BadInput (there are no pages on this platform, or the
    consent did not include them) or a PlatformError."""
    account = account_service.get(core, actor, account_id)
    listed = SPECS[account.platform].pages
    if listed is None or account.settings.get(LINKED_BY):
        raise BadInput(
            f"{account.account_name} has no pages of its own on {NAMES[account.platform]}.", field="account_id"
        )
    config = core.settings.platform(account.platform)
    try:
        found = listed(core.http.bound(), config, open_credentials(core.vault, account), core.clock)
    except PlatformError as error:
        if not isinstance(error, ReconnectNeeded) and error.code != NOT_PERMITTED:
            raise
        raise BadInput(
            f"{NAMES[account.platform]} does not let PostProber see your pages. Set "
            f"POSTPROBER_{account.platform.value.upper()}_PAGES=true, reconnect the account and allow everything that it asks for.",
            error.detail,
            field="scopes",
        ) from error
    linked = {one.remote_id: one.id for one in account_service.listing(core, actor) if one.platform is account.platform}
    return [LinkablePage(one.remote_id, one.name, linked.get(one.remote_id)) for one in found]


@permits.needs("accounts:write")
def link(core: Core, actor: Actor, account_id: int, remote_id: str, mark: Mark = no_mark) -> Account:
    """Link one of them. Raises as `listing`, and BadInput for a page that is none of theirs."""
    page = next((one for one in listing(core, actor, account_id) if one.remote_id == remote_id), None)
    if page is None:
        raise BadInput("This person may not post for that page; choose one of the list.", field="remote_id")
    account = account_service.get(core, actor, account_id)
    own = replace(open_credentials(core.vault, account), remote_id=page.remote_id, name=page.name)
    return account_service.link(core, actor, account.platform, own, core.http, mark, by=account.id)
