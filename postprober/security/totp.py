"""Time-based one-time passwords (RFC 6238) and recovery codes."""

from __future__ import annotations

import hmac
import secrets

import pyotp

STEP = 30  # seconds, the default of RFC 6238, 5.2, which every authenticator app uses
TOLERANCE = 1  # steps before and after now; RFC 6238, 5.2 recommends at most one
CODES = 10  # recovery codes at a time
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without i, l, o, 0 and 1, which people mix up


def new_secret() -> str:
    """A new shared secret, 160 bits as RFC 4226, 4 wants, in base 32."""
    return pyotp.random_base32(32)


def provisioning_uri(secret: str, account: str) -> str:
    """What an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name="PostProber")


def matching_step(secret: str, code: str, now: float, last: int) -> int | None:
    """The time step that `code` belongs to, None when it is wrong or not newer than step `last`. `now` in seconds.

    A code counts once (RFC 6238, 5.2): who looked over a shoulder cannot use it again.
    """
    typed = "".join(code.split())
    totp = pyotp.HOTP(secret)
    current = int(now // STEP)
    for step in range(current - TOLERANCE, current + TOLERANCE + 1):
        if hmac.compare_digest(totp.at(step).encode(), typed.encode("utf-8", "surrogatepass")) and step > last:
            return step
    return None


def recovery_codes() -> list[str]:
    """Fresh codes of 50 bits each, for the day on which the telephone is gone."""
    return ["-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(2)) for _ in range(CODES)]


def tidy(code: str) -> str:
    """A recovery code as stored, however it was typed."""
    return code.strip().lower().replace(" ", "").replace("-", "")
