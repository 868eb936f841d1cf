"""Slows down guessing without letting a stranger lock anybody out.

Failures count for the pair of account and address, and for the address alone. So a stranger's guesses make only the
stranger wait; the owner signs in from another address as ever. A try is counted before the password is looked at and
forgiven when it was right: a hundred guesses sent at once do not slip through together.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Sequence
from datetime import timedelta

from postprober.errors import TooManyTries
from postprober.security.tokens import keyed_hash
from postprober.services.core import Core
from postprober.storage import failed_signins

FREE_PER_PAIR = 5  # wrong passwords that cost no waiting; OWASP ASVS 5.0, 6.3.1 wants a limit and names no number
FREE_PER_ADDRESS = 30  # an office behind one address
LONGEST = timedelta(minutes=15)
FORGET = timedelta(hours=1)  # without a failure
LOCAL = "local"  # somebody on this machine, or an address that is not known


def count(core: Core, account: str, address: str) -> None:
    """Count one try. Raises TooManyTries when it comes too early; then it is not counted."""
    _count(core, _names(core, account, address))


def count_alone(core: Core, what: str, free: int) -> None:
    """Count one try under the name `what`, wherever it comes from; the first `free` cost no waiting. Only for what a
    stranger cannot reach: otherwise he could make the owner wait. Raises TooManyTries."""
    _count(core, (_alone(core, what, free),))


def forgive_alone(core: Core, what: str) -> None:
    """It was right: the count under this name starts anew."""
    with core.db.write() as conn:
        failed_signins.clear(conn, _alone(core, what, 0)[0])


def _alone(core: Core, what: str, free: int) -> tuple[str, int]:
    return f"signin:{keyed_hash(core.settings.secret_key, f'alone|{what}')}", free


def _count(core: Core, names: Sequence[tuple[str, int]]) -> None:
    now = core.clock.now()
    with core.db.write() as conn:
        found = [(name, free, failed_signins.lock(conn, name, now)) for name, free in names]
        # Below the free ones the door is open. Its time would say so too, but may have been written by a neighbour that
        # read the clock a moment after us and was faster to the lock.
        wait = max((row.until for _, free, row in found if row.failures >= free), default=now) - now
        if wait > timedelta():
            seconds = max(1, math.ceil(wait.total_seconds()))
            raise TooManyTries(f"Too many tries. Wait {seconds} seconds and try again.", retry_after=seconds)
        for name, free, row in found:
            failures = 1 if row.until < now - FORGET else row.failures + 1
            failed_signins.write(conn, name, failures, now + _delay(failures, free))
    if found[0][2].failures == 0:  # a new row: the moment to look after the old ones
        with core.db.write() as conn:
            failed_signins.forget(conn, now - FORGET)


def forgive(core: Core, account: str, address: str) -> None:
    """The password was right: the pair starts anew, the address gets its one try back."""
    pair, alone = (name for name, _ in _names(core, account, address))
    with core.db.write() as conn:
        failed_signins.clear(conn, pair)
        failed_signins.give_back(conn, alone, core.clock.now())


def network(address: str) -> str:
    """What counts as one address: IPv4 alone, IPv6 by /64, because that is what one customer has (RFC 6177)."""
    try:
        ip = ipaddress.ip_address(address.split("%", 1)[0])
    except ValueError:
        return LOCAL
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.IPv6Network((ip, 64), strict=False))
    return str(ip)


def _names(core: Core, account: str, address: str) -> tuple[tuple[str, int], tuple[str, int]]:
    """Keyed hashes: the table tells nobody whose sign-in failed from where."""
    place = network(address)
    secret = core.settings.secret_key
    pair, alone = keyed_hash(secret, f"pair|{account}|{place}"), keyed_hash(secret, f"address|{place}")
    return (f"signin:{pair}", FREE_PER_PAIR), (f"signin:{alone}", FREE_PER_ADDRESS)


def _delay(failures: int, free: int) -> timedelta:
    if failures < free:
        return timedelta()
    return min(LONGEST, timedelta(seconds=2.0 ** min(failures - free, 20)))
