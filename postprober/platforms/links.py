"""From the link of a post that a person pastes to the platform's own id. Pure; the link itself is never opened.

What is taken out of a link goes into the path of a request later, so only the exact form of an id passes.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from postprober.domain.platform import NAMES, Platform, PlatformConfig
from postprober.errors import BadInput

MAX_LINK = 500
# CONTRACTS.md 1.2 (^[0-9]{1,19}$), 2.2, 3.2, 4; record keys: https://atproto.com/specs/record-key
_NUMBER = re.compile(r"[0-9]{1,25}")
_URN = re.compile(r"urn:li:(?:share|ugcPost):[0-9]{1,25}")
_SHORTCODE = re.compile(r"[A-Za-z0-9_-]{5,40}")
_STATUS = re.compile(r"[A-Za-z0-9._-]{1,80}")  # snac's ids are no numbers
_RKEY = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._:~-]{1,512}")
_POST = "app.bsky.feed.post"


def remote_id_in(platform: Platform, link: str, *, account_id: str, handle: str) -> str:
    """The id that `link` (or the bare id) names; for an Instagram link its shortcode, to be looked up in the list of own
    posts. `account_id`, `handle`: the account that it has to be on. Raises BadInput."""
    text = link.strip()
    if len(text) > MAX_LINK:
        raise BadInput("This is too long for the link of a post.", field="link")
    try:
        parts = [unquote(piece) for piece in urlsplit(text).path.split("/") if piece] if "://" in text[:8] else []
    except ValueError:  # brackets that are no address
        parts = []
    found = _BY_PLATFORM[platform](text, parts, account_id, handle)
    if not found:
        raise BadInput(f"Paste the link of the post on {NAMES[platform]}, or its id.", field="link")
    return found


def public_url(platform: Platform, config: PlatformConfig, remote_id: str) -> str:
    """Where everybody can read the post, on a platform that lets most apps not read it back; "" elsewhere."""
    return f"{config.auth_url}/feed/update/{remote_id}" if platform is Platform.LINKEDIN else ""


def _matching(pattern: re.Pattern[str], text: str) -> str:
    return text if pattern.fullmatch(text) else ""


def _after(parts: list[str], word: str) -> str:
    """The piece of the path behind `word`."""
    return parts[parts.index(word) + 1] if word in parts[:-1] else ""


def _x(text: str, parts: list[str], _account_id: str, _handle: str) -> str:
    return _matching(_NUMBER, _after(parts, "status") if parts else text)


def _linkedin(text: str, parts: list[str], _account_id: str, _handle: str) -> str:
    return _matching(_URN, _after(parts, "update") if parts else text)


def _instagram(text: str, parts: list[str], _account_id: str, _handle: str) -> str:
    code = next((_after(parts, word) for word in ("p", "reel", "tv") if _after(parts, word)), "")
    return _matching(_SHORTCODE, code) if parts else _matching(_NUMBER, text)


def _mastodon(text: str, parts: list[str], _account_id: str, _handle: str) -> str:
    """/@name/1, /users/name/statuses/1, and snac's /name/p/1."""
    if parts and not (len(parts) > 1 and (parts[-2] in ("statuses", "p") or parts[-2].startswith("@"))):
        return ""
    return _matching(_STATUS, parts[-1] if parts else text)


def _bluesky(text: str, parts: list[str], account_id: str, handle: str) -> str:
    if text.startswith("at://"):
        repo, _, key = text.removeprefix("at://").partition(f"/{_POST}/")
    else:
        repo, key = (_after(parts, "profile"), _after(parts, "post")) if parts else (account_id, text)
    if repo.casefold() not in (account_id.casefold(), handle.casefold()):
        raise BadInput(f"This is a post of {repo[:80]}, and not of {handle}.", field="link")
    return f"at://{account_id}/{_POST}/{key}" if _RKEY.fullmatch(key) else ""


_BY_PLATFORM = {
    Platform.X: _x,
    Platform.LINKEDIN: _linkedin,
    Platform.INSTAGRAM: _instagram,
    Platform.MASTODON: _mastodon,
    Platform.BLUESKY: _bluesky,
}
