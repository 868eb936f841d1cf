"""Events in links (nostr/facts.md, 9): a code of NIP-19 at the end of any address, a `nostr:` address, or the bare id."""

from __future__ import annotations

from collections.abc import Iterable

from postprober.errors import BadInput
from postprober.platforms.common.links import PastedLink
from postprober.platforms.nostr.codes import HEX, Pointer, nevent, pointer
from postprober.platforms.nostr.relays import shown


def address(base: str, event_id: str, relays: Iterable[str], author: str) -> str:
    """Where people read it. The code says on which relays it is, which is what strangers ask."""
    return f"{base}/{nevent(event_id, map(shown, relays), author)}"


def pointed(url: str) -> Pointer | None:
    """The event that the last piece of an address names."""
    found = pointer(url.rstrip("/").rpartition("/")[2].partition("?")[0])
    return found if found is not None and found.kind in ("nevent", "note") else None


def remote_id(link: PastedLink) -> str:
    """Raises BadInput for a post of another key."""
    last = link.parts[-1] if link.parts else link.text.rpartition("/")[2]
    bare = last.lower().removeprefix("nostr:")
    if HEX.fullmatch(bare):
        return bare
    found = pointed(last)
    if found is None:
        return ""
    if found.author and link.account_id and found.author != link.account_id:
        raise BadInput(f"This is a post of another key, and not of {link.handle}.", field="link")
    return found.value
