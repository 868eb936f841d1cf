"""What the rest of the program has to know of a platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from postprober.browser import Browser
from postprober.clock import Clock
from postprober.domain.account import Credentials, Identity
from postprober.domain.health import Quota
from postprober.domain.limits import Limits
from postprober.domain.platform import Description, Platform, PlatformConfig
from postprober.domain.repeats import RepeatRule
from postprober.http import Exchange, HttpClient
from postprober.platforms.common.adapter import Adapter, Traits
from postprober.platforms.common.error_signals import ErrorSignals
from postprober.platforms.common.links import PastedLink
from postprober.platforms.common.oauth_spec import OAuthSpec
from postprober.platforms.common.public import Ask, AuthorPage

MakeAdapter = Callable[[HttpClient, PlatformConfig, Clock], Adapter]
MakeBrowserAdapter = Callable[[HttpClient, PlatformConfig, Clock, Browser | None], Adapter]


@dataclass(frozen=True)
class PasswordSignIn:
    """Signing in with an app password. `ask`: the credentials for (server, identifier, password). The rest is what a person
    reads: where the password is made, what the first field is called, and examples of both."""

    ask: Callable[[HttpClient, str, str, str], Credentials]
    hint: str
    identifier: str
    identifier_example: str
    example: str


# The credentials for (client, configuration, server, what was typed by name of its field); raises BadInput or PlatformError.
AskToken = Callable[[HttpClient, PlatformConfig, str, Mapping[str, str]], Credentials]


@dataclass(frozen=True)
class TokenField:
    """One thing that a person types. `name`: its key in JSON; `secret`: it is not shown while it is typed, and nowhere
    after that; `optional`: it may be left out, and is "" then."""

    name: str
    label: str
    example: str = ""
    secret: bool = False
    optional: bool = False


@dataclass(frozen=True)
class TokenWay:
    """Linking by a token that people make for themselves, and what has to be said beside it. `hint`: where it is made;
    every place where accounts are linked asks for `fields`."""

    ask: AskToken
    hint: str
    fields: tuple[TokenField, ...]


@dataclass(frozen=True)
class BrowserWay:
    """Using an account through the platform's web pages with a person's own session, which is experimental. `session`: the
    credentials out of a stored session (Playwright's `storage_state`) for pages at a base address, raises ValueError;
    `terms`: what a person reads and accepts first; `sandbox`: the path of the emulated pages."""

    adapter: MakeBrowserAdapter
    session: Callable[[Any, str], Credentials]
    terms: str
    sandbox: str


def _as_it_stands(text: str) -> str:
    return text


RegisterApp = Callable[[HttpClient, str, str], dict[str, str]]


@dataclass(frozen=True)
class FoundServer:
    """Who asks for the consent, and who is to give it: as they were typed, and their account's id ("" where a server was
    typed)."""

    address: str
    hint: str = ""
    remote_id: str = ""


# An address that somebody else named, as it is used; raises BadInput for one that is not called.
Allowed = Callable[[str], str]


@dataclass(frozen=True)
class FoundConsent:
    """Consent at servers that are found by asking, with tokens that are bound to a key. `find`: the server for what a person
    typed; `ask`: how it is spoken to; `home`: the credentials with the server of the account, once it is known whose they are;
    `document`: what servers read at the address of our client. `label`, `example`: of the field in which people type."""

    find: Callable[[HttpClient, PlatformConfig, str, Allowed], FoundServer]
    ask: Callable[[HttpClient, PlatformConfig], OAuthSpec]
    home: Callable[[HttpClient, PlatformConfig, Credentials, Allowed], Credentials]
    document: Callable[[PlatformConfig, str], dict[str, Any]]
    label: str
    example: str


@dataclass(frozen=True)
class Habits:
    """How people write and read there, for suggestions and likenesses.

    `colour`: readable on light, dark and paper, and apart from the others for people who confuse red and green (after Okabe
    and Ito, https://jfly.uni-koeln.de/color/). `actions`: what stands below a post; the last ones are further right.
    `shows_handle`: beside the name; `picture_first`: above the text. `hashtags`: whether people find posts by them, and where
    they stand; `wall`: characters of a text without a break from which it reads like a wall (None: never). `style`: CSS of a
    likeness, declarations and nested rules; `--pp-brand` is the colour of its links.
    """

    colour: str
    actions: tuple[str, ...]
    shows_handle: bool = True
    picture_first: bool = False
    hashtags: Literal["", "anywhere", "at the end"] = ""
    wall: int | None = None
    style: str = ""


# (client, configuration, credentials of a person, clock): id and name of each page; raises a PlatformError.
Pages = Callable[[HttpClient, PlatformConfig, Credentials, Clock], tuple[Identity, ...]]


@dataclass(frozen=True)
class Mentionable:
    """Who can be mentioned. `text`: how that is typed into a post."""

    name: str
    text: str


# (client, configuration, credentials, clock, what was typed): who has that name; raises BadInput or a PlatformError.
FindMention = Callable[[HttpClient, PlatformConfig, Credentials, Clock, str], tuple[Mentionable, ...]]


@dataclass(frozen=True)
class MentionSearch:
    """Finding who can be mentioned. `needs`: what an app needs for it, as in docs/platforms.md; `hint`: what to type, for a person;
    `refused`: what to do where the platform does not allow it."""

    find: FindMention
    needs: str
    hint: str
    refused: str


# (an adapter, the scopes of an account): the adapter that promises what an account with these can keep.
ForScopes = Callable[[Any, tuple[str, ...]], Adapter]
# (id of an account, id and scopes of another one): whether the other can read the first one's posts as somebody else.
CanWitness = Callable[[str, str, tuple[str, ...]], bool]


@dataclass(frozen=True)
class ServerNote:
    """What a person has to know of servers of one software that the adapter speaks with, for docs/platforms.md. `known`: how
    that is known, and since when."""

    title: str
    works: str
    lacks: str
    proof: str
    known: str


@dataclass(frozen=True)
class PlatformSpec:
    """One platform. `about`: its names, servers and settings. `remote_id`: the id of a post in a pasted link, "" for what is none.

    `limits`: what an account may publish where nothing more is known of it; `long_limits`: what one may that pays for longer
    posts, None where nobody can; `repeats`: when a text is refused that the account has posted, None: never, as far as is known; `error_signals`: what its refusals mean; `public`: what it
    tells everybody of a post, None where it answers no program without a token; `more_options`: what it tells everybody of
    options (client, id of the post, server, their names) that stand neither in the post nor on its page; `author_page`: where its author is; `counts_for_all`: `public` tells the counts, too.

    `oauth`: how one signs in on its consent page, None where there is none; `found_consent`: the same where the server that asks
    is found first; `publishes`: scopes of which a consent must
    include one, or no post goes out (empty: nothing to check). `many_servers`: an account names its server; `server_example`: one of them. `register_app`: makes
    a client of ours at one server (its address, the callback's address), where there is no one client for all. `sign_in`: with
    an app password instead of a consent page; `token`: with a token of one's own and what belongs to it (None: a token
    from the consent page can be handed over). `expired_renews`: a token that ran out
    can still be exchanged. `code_in_links`: links name a post by a code that only the list of own posts
    resolves. `preview_text`: the text of a post out of what a preview tag of its page says; `sign_in_paths`: where pages lead
    readers who must sign in. `quota`: what a reply tells about limits beside the usual headers. `browser`: how accounts without API access are used. `pages`: what else a
    person's consent lets post for, each linked as an account of its own; `mentions`: who can be mentioned by a name that a person knows. `public_url`: where everybody can read a post whose id is known, on a platform that lets most
    apps not read it back. `for_scopes`: where accounts with other scopes keep other promises (of finding a post again, say); None: all
    keep `traits`. `witness`: who else can tell that a post is there, on a platform that shows strangers nothing; None: strangers can
    look, or nobody else can. `servers`: of other software, which the adapter speaks with.
    """

    about: Description
    adapter: MakeAdapter
    traits: Traits
    limits: Limits
    error_signals: ErrorSignals
    habits: Habits
    remote_id: Callable[[PastedLink], str]
    oauth: Callable[[PlatformConfig], OAuthSpec] | None = None
    found_consent: FoundConsent | None = None
    public: Ask | None = None
    more_options: Callable[[HttpClient, str, str, frozenset[str]], Mapping[str, Any]] | None = None
    counts_for_all: bool = False
    author_page: AuthorPage | None = None
    publishes: frozenset[str] = frozenset()
    many_servers: bool = False
    server_example: str = ""
    register_app: RegisterApp | None = None
    sign_in: PasswordSignIn | None = None
    token: TokenWay | None = None
    expired_renews: bool = True
    code_in_links: bool = False
    preview_text: Callable[[str], str] = _as_it_stands
    sign_in_paths: tuple[str, ...] = ()
    quota: Callable[[Exchange, datetime], Quota | None] | None = None
    browser: BrowserWay | None = None
    pages: Pages | None = None
    mentions: MentionSearch | None = None
    public_url: Callable[[PlatformConfig, str], str] | None = None
    for_scopes: ForScopes | None = None
    witness: CanWitness | None = None
    long_limits: Limits | None = None
    servers: tuple[ServerNote, ...] = ()
    repeats: RepeatRule | None = None

    @property
    def platform(self) -> Platform:
        return self.about.platform

    @property
    def linking(self) -> tuple[str, ...]:
        """The ways to link an account: `consent`, `password` (an app password), `browser` (a stored session), `token`."""
        ways = {"consent": self.oauth or self.found_consent, "password": self.sign_in, "browser": self.browser}
        return (*(name for name, way in ways.items() if way is not None), "token")
