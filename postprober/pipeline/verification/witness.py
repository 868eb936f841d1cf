"""A second witness: where no stranger can look, another linked account of the space reads the post as somebody else.

It says more than its author's own reading, because it is another identity, and less than a stranger's, because it is ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from postprober.domain.remote import Ref, RemotePost
from postprober.errors import PlatformError, ReconnectNeeded, VaultError
from postprober.pipeline.core.claimed_delivery import ClaimedDelivery, new_request_id
from postprober.pipeline.core.tokens import open_credentials, reading_refused, secrets_of
from postprober.platforms.registry import SPECS
from postprober.storage import accounts
from postprober.storage.records import Account

MOST_ASKED = 2  # ours: accounts that are asked about one post at one look


@dataclass(frozen=True)
class WitnessReading:
    """What another account read. `post` None: it saw nothing; `failed`: it could not be asked at this moment, so that nothing
    follows; `reason`: one sentence for the evidence."""

    post: RemotePost | None
    reason: str
    failed: bool = False


def testify(work: ClaimedDelivery, ref: Ref) -> WitnessReading | None:
    """What other accounts of the space say of a post; None where the platform lets strangers look, or there is no other account."""
    found: WitnessReading | None = None
    for other in _others(work)[:MOST_ASKED]:
        found = _read(work, other, ref)
        if found.post is not None:
            return found
    return found


def _others(work: ClaimedDelivery) -> list[Account]:
    """Linked accounts whose access works and who can tell about posts of this one."""
    can_tell, own = SPECS[work.account.platform].witness, work.account
    if can_tell is None:
        return []
    with work.ctx.db.read() as conn:
        linked = accounts.of_user(conn, own.user_id)
    return [
        one
        for one in linked
        if one.platform is own.platform
        and one.id != own.id
        and one.status == "ok"
        and can_tell(own.remote_id, one.remote_id, one.scopes)
    ]


def _read(work: ClaimedDelivery, other: Account, ref: Ref) -> WitnessReading:
    name = other.account_name
    try:
        cred = open_credentials(work.ctx.vault, other)
        http = work.ctx.http.bound(request_id=new_request_id(), secrets=secrets_of(cred))
        post = work.ctx.adapter(other, http).fetch(cred, ref.remote_id)
    except ReconnectNeeded as error:
        reading_refused(work.ctx, work.delivery, other)  # nobody is asked again with an access that was withdrawn
        return WitnessReading(None, f"{name} may not read it: {error.message}")
    except (PlatformError, VaultError) as error:
        return WitnessReading(None, f"{name} could not be asked: {error.message}", failed=True)
    if post is None:
        return WitnessReading(None, f"{name} does not see it.")
    if not post.worded:
        return WitnessReading(post, f"{name} sees that it is there and may not read its words.")
    return WitnessReading(post, f"{name} sees it.")
