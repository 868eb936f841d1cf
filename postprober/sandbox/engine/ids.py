"""Ids of the shapes the platforms use, growing with time."""

import hashlib

from postprober.sandbox.engine.emulator import emulator, emulators

_TID_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"


def account_id(seed: int, platform: str, name: str) -> str:
    """The platform's own id of an account: the same for the same seed and name."""
    digest = hashlib.sha256(f"{seed}|{platform}|{name}".encode()).digest()
    number = int.from_bytes(digest[:6], "big")
    return emulator(platform).account_id(number, digest)


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
        one = emulators().get(kind)
        number = millis * 1000 if kind == "tid" else one.post_number(millis) if one else millis * 10_000
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
