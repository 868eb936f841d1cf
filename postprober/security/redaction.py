"""Take secrets out of anything that is logged, stored or shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode, urlunsplit

from postprober.domain.addresses import NOWHERE, split

MASK = "[redacted]"
EXCERPT_CHARS = 500  # enough to read an error body, too short to hoard people's data

_SECRET_NAME = (
    r"access_?token|refresh_?token|access_?jwt|refresh_?jwt|client_?secret|code_verifier|password|passwd|secret|"
    r"api_?key|authorization|id_token|sig"
)
_SECRET_KEYS = re.compile(rf"^(?:{_SECRET_NAME}|code|state|token)$", re.IGNORECASE)
_PATTERNS = (
    # Before the names: `authorization=Basic …` has its secret in the second word.
    re.compile(r"\b((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE),
    re.compile(rf'("(?:{_SECRET_NAME})"\s*:\s*")[^"]*', re.IGNORECASE),
    re.compile(rf"\b((?:{_SECRET_NAME})=)[^&\s\"']+", re.IGNORECASE),
)
# A token that stands in the path of an address: a number, a colon and many signs.
_IN_PATH = re.compile(r"[0-9]{6,20}(?::|%3A)[A-Za-z0-9_-]{25,}", re.IGNORECASE)
# Those of hooks, which stand there behind a number; and tokens of three pieces, the first of which has a number in base 64.
_OF_HOOKS = re.compile(r"(webhooks(?:/|%2F)[0-9]{6,25}(?:/|%2F))[A-Za-z0-9_-]{20,200}", re.IGNORECASE)
_IN_THREE = re.compile(r"\b[A-Za-z0-9_-]{18,40}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,80}")
# A private key in the spelling in which people copy it (bech32, BIP-173).
_KEY = re.compile(r"nsec1[02-9ac-hj-np-z]{50,}", re.IGNORECASE)
# Our own secrets, by their first letters: API tokens, and the addresses of hooks and of files that are handed in.
_OURS = re.compile(r"\b(?:pp|hk|up)_[A-Za-z0-9_-]{20,200}")
# Three runs of signs with dots between them. It is looked for from the beginning of a run, and only where two dots follow: whoever
# writes a long run of beginnings must not keep us busy.
_JWT = re.compile(
    r"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]++\.[A-Za-z0-9_-]{5,}+\.)([A-Za-z0-9_-]*?)"
    r"\beyJ[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]++\.[A-Za-z0-9_-]*"
)


_PLAIN = re.compile(r"[A-Za-z0-9._~-]*")  # signs that nobody escapes in an address (RFC 3986, 2.3)


def _in_addresses(secret: str) -> re.Pattern[str]:
    """The secret as it may stand in an address, each sign as it is or escaped."""
    return re.compile("".join(re.escape(char) if _PLAIN.fullmatch(char) else _sign(char) for char in secret))


def _sign(char: str) -> str:
    escaped = "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
    return f"(?:{re.escape(char)}|(?i:{escaped}){'|[+]' if char == ' ' else ''})"


class Redactor:
    """Replaces the given secret values, and whatever looks like a secret, by a mask."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # Longest first, so that a secret containing another one is not left half visible.
        self._secrets = sorted({s for s in secrets if len(s) >= 6}, key=len, reverse=True)
        self._escaped = [_in_addresses(secret) for secret in self._secrets if not _PLAIN.fullmatch(secret)]

    def text(self, text: str) -> str:
        """`text` without secrets, whole length."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        for escaped in self._escaped:
            text = escaped.sub(MASK, text)
        text = _KEY.sub(MASK, _OURS.sub(MASK, _IN_PATH.sub(MASK, _IN_THREE.sub(MASK, _JWT.sub(rf"\g<1>{MASK}", text)))))
        text = _OF_HOOKS.sub(rf"\g<1>{MASK}", text)
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\g<1>{MASK}", text)
        return text

    def excerpt(self, text: str, limit: int = EXCERPT_CHARS) -> str:
        """Redacted first, shortened after: a cut can never leave half a secret unrecognised."""
        clean = self.text(text)
        return clean if len(clean) <= limit else clean[: limit - 1] + "…"

    def url(self, url: str) -> str:
        """`url` with secret query values masked and without user info."""
        parts = split(url)
        if parts == NOWHERE:
            return self.text(url.partition("?")[0])
        # Values are cleaned before they are encoded again: an escaped secret would not be recognised.
        query = [
            (key, MASK if _SECRET_KEYS.match(key) else self.text(value)) for key, value in parse_qsl(parts.query, True)
        ]
        netloc = parts.netloc.rsplit("@", 1)[-1]
        return self.text(urlunsplit((parts.scheme, netloc, parts.path, urlencode(query, safe="[]:,/"), "")))
