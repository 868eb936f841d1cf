"""The platforms and what each promises.

A platform is known by its key. What there is to know of one is declared once, by its folder or by an installed package
(`postprober.platforms.registry`); a key that nobody declared is still a key, so that the posts of a platform that was
removed stay readable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from types import MappingProxyType
from typing import ClassVar

from postprober.domain.options import PostOptions
from postprober.domain.platform_settings import PlatformSettings
from postprober.errors import BadInput, ConfigurationError

_MOST_KEYS = 1000  # ours; keys come from the database and from declarations, never straight from a request


class Platform(str):
    """The key of a platform. Two of the same key are one object, so `is` compares them."""

    __slots__ = ()
    _made: ClassVar[dict[str, Platform]] = {}

    def __new__(cls, key: str) -> Platform:
        found = cls._made.get(key)
        if found is None:
            found = super().__new__(cls, key)
            if len(cls._made) < _MOST_KEYS:
                found = cls._made.setdefault(key, found)
        return found

    def __reduce__(self) -> tuple[type[Platform], tuple[str]]:
        return Platform, (str(self),)

    @property
    def value(self) -> str:
        """The key as a plain string."""
        return str(self)


def _same(remote_id: str) -> str:
    return remote_id


@dataclass(frozen=True)
class Description:
    """What every part of the program may ask of a platform.

    `title`: what people call it; `aliases`: further names that people type. `api_url`, `auth_url`: its servers, "" where
    each account brings its own; `settings`: what the operator may set; `sandbox`: values of these, as strings, for the
    emulated platform. `one_network`: however many host names it has, an id means the same on each; `sites`: several of
    its servers may share a host and differ by the path. `own_servers`: each account has servers of its own choice, so that one
    account whose servers are away says nothing about the platform. `account_id`: the id
    of an account in the one form in which it is compared. `slower`: health checks of an account come so many times more
    rarely, because reads are billed or counted. `shorteners`: hosts whose links it puts in the place of those that were
    written; `media_hosts`: hosts of the links that it puts behind a text for its media. `options`: what a post there may ask for
    beside its words and files; `documents`: it takes PDFs and the like; `mention`: how a mention with an id is spelled in a
    text (groups `name` and `target`); `not_yet`: what its API takes and this program does not send, as in docs/platforms.md.
    """

    platform: Platform
    title: str
    aliases: tuple[str, ...] = ()
    api_url: str = ""
    auth_url: str = ""
    settings: type[PlatformSettings] = PlatformSettings
    sandbox: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    one_network: bool = False
    sites: bool = False
    own_servers: bool = False
    account_id: Callable[[str], str] = _same
    slower: int = 1
    shorteners: tuple[str, ...] = ()
    media_hosts: tuple[str, ...] = ()
    options: type[PostOptions] = PostOptions
    not_yet: tuple[str, ...] = ()
    documents: bool = False
    mention: re.Pattern[str] | None = None


_DECLARED: dict[Platform, Description] = {}
# It declares them. By name, as packages are found: this layer knows none of the platforms, and whoever asks for one must
# never hear that there is none because nobody has looked yet.
_REGISTRY = "postprober.platforms.registry"


def declare(description: Description) -> None:
    """Make a platform known. Raises ConfigurationError for a key that another one has."""
    before = _DECLARED.setdefault(description.platform, description)
    if before is not description:
        raise ConfigurationError(f"Two platforms are called {description.platform!r}; remove one of the packages.")


def known() -> tuple[Platform, ...]:
    """All platforms that can be used, in the order in which people see them. Whoever asks while another thread still
    imports the registry waits for the rest of it."""
    import_module(_REGISTRY)
    return tuple(_DECLARED)


def position(platform: Platform) -> int:
    """Where people see it among the others; one that was removed comes last."""
    return known().index(platform) if platform in known() else len(known())


def described(platform: Platform) -> Description:
    """What is known of it; of one that was removed, its key as its name."""
    if platform in known():
        return _DECLARED[platform]
    return Description(platform, platform.value.replace("_", " ").replace("-", " ").title())


def shorteners() -> tuple[str, ...]:
    """The hosts of all platforms' shortened links."""
    return tuple(host for one in known() for host in _DECLARED[one].shorteners)


def media_hosts() -> tuple[str, ...]:
    """The hosts of all links that stand for media behind a text."""
    return tuple(host for one in known() for host in _DECLARED[one].media_hosts)


def document_takers() -> str:
    """Who takes documents, as people write it."""
    return " and ".join(_DECLARED[one].title for one in known() if _DECLARED[one].documents)


class _Names(Mapping[Platform, str]):
    """What people call the platforms; also of one that was removed."""

    def __getitem__(self, platform: Platform) -> str:
        return described(platform).title

    def __iter__(self) -> Iterator[Platform]:
        return iter(known())

    def __len__(self) -> int:
        return len(known())

    def __contains__(self, platform: object) -> bool:
        return platform in known()


NAMES: Mapping[Platform, str] = _Names()


def parse_platform(text: str) -> Platform:
    """The platform called `text`, by its key or an alias. Raises BadInput."""
    name = text.strip().lower()
    for one in known():
        if name == one or name in _DECLARED[one].aliases:
            return one
    raise BadInput(f"There is no platform called {text[:60]!r}; choose one of {', '.join(known())}.", field="platform")


class ReconcileMode(StrEnum):
    """What may follow an unknown outcome whose post was not found (docs/how-a-post-goes-out.md)."""

    RECONCILE = "reconcile"  # absence proven twice allows a new attempt
    STRICT = "strict"  # not found is never proof: held for a person


@dataclass(frozen=True)
class PlatformConfig:
    """Where one platform lives and as whom we speak to it.

    `api_url`: base of the API; where accounts bring their own server, the account's `instance` wins over it.
    `auth_url`: base of the consent pages and of the public permalinks. Neither ends with a slash.
    `settings`: what only this platform has, see its adapter.
    """

    platform: Platform
    api_url: str
    auth_url: str
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    settings: dict[str, str] = field(default_factory=dict, repr=False)  # a platform may have secrets of its own
