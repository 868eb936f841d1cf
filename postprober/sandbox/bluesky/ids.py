"""Keys and revisions of records, which grow with time."""

from postprober.sandbox.engine.operation import Call

_ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"


def tid(micros: int, clock_id: int = 0) -> str:
    """An AT Protocol TID: 53 bits of microseconds and 10 bits of clock id (https://atproto.com/specs/tid)."""
    value = (micros << 10) | clock_id
    return "".join(_ALPHABET[(value >> (5 * i)) & 31] for i in reversed(range(13)))


def new_tid(call: Call) -> str:
    """One that was never given out before, of the time of the call."""
    return tid(call.world.ids.make("tid", call.at, per_millisecond=1000))
