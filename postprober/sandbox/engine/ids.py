"""Ids of the shapes the platforms use, growing with time."""

import hashlib

from postprober.sandbox.engine.emulator import emulator, emulators


def account_id(seed: int, platform: str, name: str) -> str:
    """The platform's own id of an account: the same for the same seed and name."""
    digest = hashlib.sha256(f"{seed}|{platform}|{name}".encode()).digest()
    number = int.from_bytes(digest[:6], "big")
    return emulator(platform).account_id(number, digest)


class IdMaker:
    """Makes ids that grow with the time they are made for and never repeat."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, int]] = set()
        self._last: dict[str, int] = {}

    def make(self, kind: str, at: float, *, in_order: bool = True, per_millisecond: int = 10_000) -> int:
        """A number for an event at `at`; `in_order` also puts it above all earlier ones. `per_millisecond`: how fast numbers
        grow of a `kind` that is no platform's.

        An event planned for later (in_order False) must not push the ids of the posts before it up.
        """
        millis = int(at * 1000)
        one = emulators().get(kind)
        number = one.post_number(millis) if one else millis * per_millisecond
        if in_order:
            number = max(number, self._last.get(kind, 0) + 1)
            self._last[kind] = number
        while (kind, number) in self._taken:
            number += 1
        self._taken.add((kind, number))
        return number

    def restore(self, kind: str, number: int) -> None:
        """Never give out this number again: it was given out before the restart."""
        self._taken.add((kind, number))
        self._last[kind] = max(number, self._last.get(kind, 0))
