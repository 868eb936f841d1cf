"""What the engine has to know of one emulated platform. Each platform's folder makes one; `postprober.sandbox.registry`
registers them, and those of installed packages."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from postprober.sandbox.engine.model import Account, Post

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from postprober.sandbox.engine.operation import Call, Dialect
    from postprober.sandbox.engine.world import World

DAY = 86400.0
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # of names that are made out of bytes


@dataclass(frozen=True)
class PageStyle:
    """Colours and words of one platform's public pages. `counts`: field of `Counts` and its word there; `colour`: its mark on
    the sandbox's own page."""

    title: str
    brand: str
    variables: str
    counts: tuple[tuple[str, str], ...]
    colour: str = "#888"


@dataclass(frozen=True)
class PublicPage:
    """The public page of a post at `path`, of which `find(world, path parameters)` knows the post; `instead`: another
    answer than the usual 404, None for none."""

    path: str
    find: Callable[[World, dict[str, Any]], Post | None]
    instead: Callable[[Call], Response | None] = lambda _call: None


def by_id(platform: str, name: str = "id") -> Callable[[World, dict[str, Any]], Post | None]:
    """The post whose id is the parameter `name` of the path."""
    return lambda world, params: world.post(platform, params[name])


def _letters(_number: int, digest: bytes) -> str:
    return "".join(ALPHABET[byte % 32] for byte in digest)[:10]


def _prefixless(_account: Account, _kind: str, _now: float, _ends: float | None) -> str:
    return secrets.token_urlsafe(48)


@dataclass(frozen=True)
class Emulator:
    """One emulated platform.

    `routes(world, dialect)`: its API; the first route that fits answers. `pages`, `profiles`: what strangers open, and
    `shown(account)`: how a name is written there. `settings`: what tests may change, with its usual value. `scopes`: those
    of an ordinary app. `account_id(number, digest)`: an id out of a name's hash; `post_number(milliseconds)`: out of the
    time, which grows. `access_seconds`: life of an access token, None for ever; `refresh_seconds`: of a refresh token;
    `refreshable(account, scopes)`: who gets one; `token(account, kind, now, ends)`: what it looks like; `code_seconds`: life
    of a one-time code. `registers_apps`: clients register themselves. `app_password`: accounts have one. `denied`: what a
    refused consent adds to its answer; `code_tail`: what is appended to a code. `counts_in_reads`: counts come with a post.
    `typed(account)`: what its person types to link it, where that is more than a token.
    `any_slash`: below this path a slash at the end counts as if it were not there. `edited(record, post)`: the stored record of a post that was edited.
    """

    key: str
    look: PageStyle
    dialect: Callable[[], Dialect]
    routes: Callable[[World, Any], list[BaseRoute]]
    pages: tuple[PublicPage, ...] = ()
    profiles: tuple[str, ...] = ()
    shown: Callable[[Account], str] = lambda account: f"@{account.title}"
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    scopes: tuple[str, ...] = ()
    account_id: Callable[[int, bytes], str] = _letters
    post_number: Callable[[int], int] = lambda millis: millis * 10_000
    access_seconds: float | None = None
    refresh_seconds: float = 0.0
    refreshable: Callable[[Account, list[str]], bool] = lambda _account, _scopes: False
    token: Callable[[Account, str, float, float | None], str] = _prefixless
    code_seconds: float = 600.0
    registers_apps: bool = False
    app_password: bool = False
    denied: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    code_tail: str = ""
    counts_in_reads: bool = False
    typed: Callable[[Account], Mapping[str, str]] = lambda _account: MappingProxyType({})
    any_slash: str = ""
    edited: Callable[[dict[str, Any], Post], dict[str, Any]] | None = None


_EMULATORS: dict[str, Emulator] = {}
# It registers them; by name and when somebody asks, because the client of the control page needs none of them.
_REGISTRY = "postprober.sandbox.registry"


def register(emulator: Emulator) -> None:
    """Raises ValueError for a key that another one has."""
    if _EMULATORS.setdefault(emulator.key, emulator) is not emulator:
        raise ValueError(f"two emulators are called {emulator.key!r}")


def emulators() -> dict[str, Emulator]:
    """All, by key, in the order in which they were registered."""
    import_module(_REGISTRY)
    return dict(_EMULATORS)


def emulator(key: str) -> Emulator:
    """Raises KeyError for a platform that nobody emulates."""
    import_module(_REGISTRY)
    return _EMULATORS[key]


def faulty() -> tuple[str, ...]:
    """What faults can be planned for: the platforms and the emulated language model."""
    return (*emulators(), "openai")
