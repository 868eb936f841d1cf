"""Who can be mentioned in a post by a name that a person knows, asked of the platform."""

from __future__ import annotations

from postprober.domain.actor import Actor
from postprober.domain.platform import NAMES
from postprober.errors import NOT_PERMITTED, BadInput, PlatformError
from postprober.pipeline.core.tokens import open_credentials, secrets_of
from postprober.platforms.common.spec import Mentionable
from postprober.platforms.registry import SPECS
from postprober.services.accounts import accounts as account_service
from postprober.services.core import Core
from postprober.services.people import permits


@permits.needs("posts:draft")
def find(core: Core, actor: Actor, account_id: int, name: str) -> list[Mentionable]:
    """Those with that name on the account's platform, with what is typed to mention them. Raises NotFound, BadInput (nobody can be
    found by name there, or the app may not) or a PlatformError such as ReconnectNeeded."""
    account = account_service.get(core, actor, account_id)
    search = SPECS[account.platform].mentions
    if search is None:
        raise BadInput(
            f"On {NAMES[account.platform]} nobody is looked up by name; write the mention into the text.",
            field="account_id",
        )
    cred = open_credentials(core.vault, account)
    try:
        found = search.find(
            core.http.bound(secrets=secrets_of(cred)), core.settings.platform(account.platform), cred, core.clock, name
        )
    except PlatformError as error:
        if error.code != NOT_PERMITTED:
            raise  # among them: the access has run out, which is no matter of what the app may do
        raise BadInput(search.refused, error.detail, field="scopes") from error
    return list(found)
