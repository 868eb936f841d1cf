"""Nostr: text notes, on the relays of a key."""

from postprober.platforms.common.spec import Habits, PlatformSpec, TokenField, TokenWay
from postprober.platforms.nostr import links, public
from postprober.platforms.nostr.about import ABOUT
from postprober.platforms.nostr.adapter import TRAITS, NostrAdapter
from postprober.platforms.nostr.error_signals import ERROR_SIGNALS
from postprober.platforms.nostr.limits import LIMITS
from postprober.platforms.nostr.linking import credentials

_STYLE = "--pp-brand: light-dark(#7b3fb5, #b98be0); background: light-dark(#ffffff, #1b1622); border-radius: 0.6rem;"

SPEC = PlatformSpec(
    about=ABOUT,
    adapter=NostrAdapter,
    traits=TRAITS,
    limits=LIMITS,
    error_signals=ERROR_SIGNALS,
    public=public.read,
    author_page=public.author_page,
    habits=Habits("#8a6d00", ("Reply", "Repost", "React"), shows_handle=False, hashtags="anywhere", style=_STYLE),
    remote_id=links.remote_id,
    preview_text=public.preview_text,
    token=TokenWay(
        credentials,
        hint="The private key signs on this machine and is sent nowhere. Best use a key that you made for this.",
        fields=(
            TokenField("access_token", "Private key", "nsec1…", secret=True),
            TokenField("relays", "Relays", "wss://relay.example wss://other.example", optional=True),
            TokenField("media_server", "Media server (Blossom)", "https://media.example", optional=True),
        ),
    ),
)
