"""Passwords: argon2id, and the same time for a user that does not exist."""

from __future__ import annotations

import functools
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from postprober.errors import BadInput

MIN_CHARS = 10  # above the 8 of NIST SP 800-63B, 5.1.1.1
MAX_CHARS = 1024  # argon2 has no short limit; this only bounds the work

_hasher = PasswordHasher()  # library defaults: RFC 9106 low-memory profile
_at_once = threading.BoundedSemaphore(4)  # each takes 64 MiB and four threads; more at once would not be faster


def hash_password(password: str) -> str:
    """Argon2id hash. Raises BadInput for a password too short or too long."""
    if len(password) < MIN_CHARS:
        raise BadInput(f"The password needs at least {MIN_CHARS} characters.", field="password")
    if len(password) > MAX_CHARS:
        raise BadInput(f"The password has more than {MAX_CHARS} characters.", field="password")
    return _hasher.hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Whether `password` fits `stored`; None (no such user) costs the same time and is False."""
    raw = password[:MAX_CHARS].encode("utf-8", "surrogatepass")  # JSON may carry half a surrogate pair
    try:
        with _at_once:
            return _hasher.verify(stored or _decoy(), raw) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


@functools.cache
def _decoy() -> str:
    return _hasher.hash("nobody has this password")
