"""The platforms and what each promises."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from postprober.errors import BadInput


class Platform(StrEnum):
    X = "x"
    LINKEDIN = "linkedin"
    INSTAGRAM = "instagram"
    MASTODON = "mastodon"
    BLUESKY = "bluesky"


NAMES: dict[Platform, str] = {
    Platform.X: "X",
    Platform.LINKEDIN: "LinkedIn",
    Platform.INSTAGRAM: "Instagram",
    Platform.MASTODON: "Mastodon",
    Platform.BLUESKY: "Bluesky",
}


def parse_platform(text: str) -> Platform:
    """The platform called `text` (`twitter` is accepted for `x`). Raises BadInput."""
    name = text.strip().lower()
    if name == "twitter":
        return Platform.X
    try:
        return Platform(name)
    except ValueError:
        known = ", ".join(p.value for p in Platform)
        raise BadInput(f"There is no platform called {text!r}; choose one of {known}.", field="platform") from None


class ReconcileMode(StrEnum):
    """What may follow an unknown outcome whose post was not found (docs/how-a-post-goes-out.md)."""

    RECONCILE = "reconcile"  # absence proven twice allows a new attempt
    STRICT = "strict"  # not found is never proof: held for a person


@dataclass(frozen=True)
class PlatformConfig:
    """Where one platform lives and as whom we speak to it.

    `api_url`: base of the API; for Mastodon and Bluesky the account's own `instance` wins over it.
    `auth_url`: base of the consent pages and of the public permalinks. Neither ends with a slash.
    `settings`: platform specific, see each adapter (`x_dialect`, `linkedin_version`, `instagram_version`).
    """

    platform: Platform
    api_url: str
    auth_url: str
    client_id: str = ""
    client_secret: str = ""
    settings: dict[str, str] = field(default_factory=dict)
