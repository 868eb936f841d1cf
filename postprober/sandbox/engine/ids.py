"""Ids of the shapes the platforms use, growing with time."""

import hashlib

# X counts milliseconds since 2010-11-04T01:42:54.657Z and keeps 22 low bits for machine and sequence
# (https://github.com/twitter-archive/snowflake). LinkedIn's share ids are unix milliseconds << 22
# (7141138937766391808 >> 22 is 2023-12-14, the date of the observed reply, source m of platforms/linkedin/facts.md).
# Mastodon: unix milliseconds << 16 (lib/mastodon/snowflake.rb). Instagram: shape only.
_X_EPOCH_MS = 1_288_834_974_657
_TID_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"


def account_id(seed: int, platform: str, name: str) -> str:
    """The platform's own id of an account: the same for the same seed and name."""
    digest = hashlib.sha256(f"{seed}|{platform}|{name}".encode()).digest()
    number = int.from_bytes(digest[:6], "big")
    if platform == "x":
        return str(10**15 + number)
    if platform == "instagram":
        return str(17_841_400_000_000_000 + number % 10**9)
    if platform == "mastodon":
        return str(109_000_000_000_000_000 + number)
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    letters = "".join(alphabet[byte % 32] for byte in digest)
    return f"did:plc:{letters[:24]}" if platform == "bluesky" else letters[:10]


def tid(micros: int, clock_id: int = 0) -> str:
    """An AT Protocol TID: 53 bits of microseconds and 10 bits of clock id (https://atproto.com/specs/tid)."""
    value = (micros << 10) | clock_id
    return "".join(_TID_ALPHABET[(value >> (5 * i)) & 31] for i in reversed(range(13)))


class IdMaker:
    """Makes ids that grow with the time they are made for and never repeat."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, int]] = set()
        self._last: dict[str, int] = {}

    def make(self, kind: str, at: float, *, in_order: bool = True) -> int:
        """A number for an event at `at`; `in_order` also puts it above all earlier ones.

        An event planned for later (in_order False) must not push the ids of the posts before it up.
        """
        millis = int(at * 1000)
        number = {
            "x": (millis - _X_EPOCH_MS) << 22,
            "linkedin": millis << 22,
            "mastodon": millis << 16,
            "tid": millis * 1000,
        }.get(kind, millis * 10_000)
        if in_order:
            number = max(number, self._last.get(kind, 0) + 1)
            self._last[kind] = number
        while (kind, number) in self._taken:
            number += 1
        self._taken.add((kind, number))
        return number

    def tid(self, at: float) -> str:
        return tid(self.make("tid", at))

    def restore(self, kind: str, number: int) -> None:
        """Never give out this number again: it was given out before the restart."""
        self._taken.add((kind, number))
        self._last[kind] = max(number, self._last.get(kind, 0))
