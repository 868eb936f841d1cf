"""An emulator of Nostr: two relays, a media server, and a gateway that shows posts as web pages."""

from postprober.sandbox.engine.emulator import Emulator, PageStyle, PublicPage
from postprober.sandbox.engine.model import Account, Post
from postprober.sandbox.engine.world import World
from postprober.sandbox.nostr import blossom, relay
from postprober.sandbox.nostr.codes import encode, event_id
from postprober.sandbox.nostr.curve import public_of, secret_of
from postprober.sandbox.nostr.dialect import POSTS, READS, NostrDialect

_keys: dict[str, str] = {}  # public -> private key, from making an account to giving it its token a moment later


def _public(_number: int, digest: bytes) -> str:
    secret = secret_of(digest)
    _keys[public_of(secret)] = secret
    return public_of(secret)


def _token(account: Account, _kind: str, _now: float, _ends: float | None) -> str:
    """The private key, which never changes."""
    return account.access_token or encode("nsec", bytes.fromhex(_keys[account.id]))


def _find(world: World, params: dict[str, str]) -> Post | None:
    return world.post("nostr", event_id(params["code"]))


EMULATOR = Emulator(
    key="nostr",
    look=PageStyle(
        "Nostr sandbox",
        "𓅦",
        "--back:#f3eef8;--ink:#19121f;--card:#fff;--line:#ddd0ea;--soft:#6b5a7a;--link:#7b3fb5;--brand:#8e44ad;"
        "--head:#8e44ad;--headink:#fff;--r:10px;--face:50%",
        (("likes", "reactions"), ("reposts", "reposts"), ("replies", "replies")),
        "#8e44ad",
    ),
    dialect=NostrDialect,
    routes=lambda world, dialect: [*relay.routes(world, dialect), *blossom.routes(world, dialect)],
    pages=(PublicPage("/nostr/{code:str}", _find, blossom.blob),),
    settings={"nostr_down": "", "nostr_walled": "", "nostr_says": ""},
    scopes=(POSTS, READS),
    account_id=_public,
    token=_token,
    typed=lambda account: {
        "access_token": account.access_token or "",
        "relays": "/ /second",
        "media_server": "/",
    },
    counts_in_reads=True,
)
