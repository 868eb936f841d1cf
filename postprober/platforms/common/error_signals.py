"""From what a platform answered to a cause. Codes first, wording last.

Each platform's table is `signs.py` in its folder. The adapters have tables of their own, for what to do at once; these say
why, for people.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from postprober.domain.diagnosis import Cause

BY_CODE, BY_STATUS, BY_WORDING, GUESS = 0.95, 0.85, 0.75, 0.3  # ours: how much each kind of sign is worth

BAD_LINK = r"(?:url|link)\b.{0,60}\b(?:malicious|harmful|unsafe|blocked|not allowed|spam)|(?:malicious|harmful|unsafe|blocked) (?:url|link)"

# Servers word it in many ways ("duplicate content", "Text has already been taken", "already posted").
ALREADY = r"\bduplicate|already (?:been )?(?:taken|posted|published|used)|same (?:status|post|text|content)"


@dataclass(frozen=True)
class ErrorSignal:
    cause: Cause
    confidence: float


@dataclass(frozen=True)
class SignalRow:
    """`status` 0, `code` "" and `words` "" fit everything; `words` is a regular expression over wording in lower case."""

    cause: Cause
    status: int = 0
    code: str = ""
    words: str = ""

    def fits(self, status: int, codes: frozenset[str], text: str) -> bool:
        return (
            self.status in (0, status)
            and (not self.code or self.code in codes)
            and (not self.words or re.search(self.words, text) is not None)
        )

    @property
    def confidence(self) -> float:
        return BY_CODE if self.code else BY_WORDING if self.words else BY_STATUS


def named_codes(_reply: str, body: dict[str, Any]) -> frozenset[str]:
    """The codes of a reply where they stand in its outermost fields."""
    return frozenset(_named(body))


def _named(body: Any) -> set[str]:
    """Every `code`, `error` and `serviceErrorCode`, at any depth that platforms use."""
    if isinstance(body, list):
        return {code for item in body[:10] for code in _named(item)}
    if not isinstance(body, dict):
        return set()
    own = {str(body[key]) for key in ("code", "error", "serviceErrorCode") if isinstance(body.get(key), str | int)}
    return own | {code for value in body.values() if isinstance(value, dict | list) for code in _named(value)}


def slugs(reply: str, _body: object = None) -> frozenset[str]:
    """The last segments of problem types (RFC 9457), also in a reply that was cut short."""
    return frozenset(re.findall(r'"type":\s*"[^"]*/([\w-]+)/?"', reply))


@dataclass(frozen=True)
class ErrorSignals:
    """What a platform's refusals mean: `rows`, of which the first that fits counts; `own_codes(reply, body)`: its codes in
    a reply that is whole."""

    rows: tuple[SignalRow, ...]
    own_codes: Callable[[str, dict[str, Any]], frozenset[str]] = named_codes

    def codes(self, reply: str) -> frozenset[str]:
        """The platform's codes in a reply, also in one that was cut short and so is no JSON any more."""
        try:
            body = json.loads(reply)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            return frozenset(re.findall(r'"(?:code|error|serviceErrorCode)":\s*"?([\w.-]+)', reply)) | slugs(reply)
        return self.own_codes(reply, body)

    def read(self, status: int | None, reply: str) -> ErrorSignal | None:
        """What a refusal says; None when there was no answer or it says nothing that we know."""
        if status is None:
            return None
        found, text = self.codes(reply), reply.lower()
        row = next((row for row in self.rows if row.fits(status, found, text)), None)
        if row is None:
            return ErrorSignal(Cause.PLATFORM_DOWN, BY_STATUS) if status >= 500 else None
        return ErrorSignal(row.cause, row.confidence)
