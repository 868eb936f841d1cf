"""The id of a post in its link. Record keys: https://atproto.com/specs/record-key"""

from __future__ import annotations

import re

from postprober.errors import BadInput
from postprober.platforms.common.links import PastedLink

_RKEY = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._:~-]{1,512}")
_POST = "app.bsky.feed.post"


def remote_id(link: PastedLink) -> str:
    """Raises BadInput for the post of somebody else."""
    if link.text.startswith("at://"):
        repo, _, key = link.text.removeprefix("at://").partition(f"/{_POST}/")
    else:
        repo, key = (link.after("profile"), link.after("post")) if link.parts else (link.account_id, link.text)
    if repo.casefold() not in (link.account_id.casefold(), link.handle.casefold()):
        raise BadInput(f"This is a post of {repo[:80]}, and not of {link.handle}.", field="link")
    return f"at://{link.account_id}/{_POST}/{key}" if _RKEY.fullmatch(key) else ""
