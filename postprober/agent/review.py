"""The rules' review: is the post fit to go out? It flags what nobody wants out by accident, and it says what it saw.

The lists are short on purpose: a rule that fires on harmless posts is switched off by people within a week. Nuances
are the model's part, and a person's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from postprober.agent.brief import Brief
from postprober.domain.advice import RULES, Review

CLEAR = 0.6  # ours: no rule fired, which is a weak sign
DOUBTFUL = 0.5
SURE = 0.9

# Forms that the issuers publish. Sources: docs.github.com "About authentication to GitHub" (token prefixes);
# docs.aws.amazon.com IAM "Understanding unique ID prefixes"; api.slack.com "Token types"; RFC 7468 (PEM); RFC 7519.
# Repetitions are bounded everywhere below, so that no text makes the search slow.
_SECRETS = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    re.compile(r"\bsk-[A-Za-z0-9_-]{20,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,1000}\.[A-Za-z0-9_-]{8,1000}\."),
    re.compile(
        r"\b(?:password|passwort|passphrase|pin)(?:\s+(?:is|ist)\b\s*[:=]?|\s*[:=])\s*\S{0,60}\d", re.IGNORECASE
    ),
)
# Not within a word: one in 1,500 commit hashes and UUIDs has such a number inside.
_DIGITS = re.compile(r"(?<![^\W_])(?:\d[ -]?){12,18}\d(?![^\W_])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_SSN = re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")  # ssa.gov: number format
_THREATS = re.compile(
    r"\b(?:kill yourself|kys|(?:i|we)(?:'ll| will| am going to| are going to) (?:kill|shoot|stab|hurt) (?:you|him|her|them)"
    r"|heil hitler|white power|gas the \w+|(?:all|those) \w+ (?:should|must) (?:die|be killed|be shot))\b",
    re.IGNORECASE,
)
_FRAUD = re.compile(
    r"\b(?:double your (?:money|bitcoin|btc|eth|crypto)|guaranteed (?:returns?|profits?|income)|risk[- ]free profit"
    r"|(?:seed|recovery) phrase|send (?:me|us) [^.!?\n]{0,40}(?:btc|bitcoin|eth|gift cards?))\b",
    re.IGNORECASE,
)
_UNFINISHED = re.compile(
    r"\blorem ipsum\b|\{\{[^}]{0,80}\}\}|\$\{[^}]{0,80}\}|\[(?:insert|your|name|link|date)[^\]]{0,80}\]|<(?:name|link|date|insert[^>]{0,80})>"
    r"|(?-i:\bTODO\b|\bTBD\b|\bXXX+\b)",
    re.IGNORECASE,
)
_COARSE = re.compile(r"\b(?:fuck\w*|motherfuck\w*|cunts?|shit(?:ty|head)?|assholes?|bitch(?:es)?)\b", re.IGNORECASE)
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_DOTTED = re.compile(r"(?<![^\s/@])[^\s/@.]+(?:\.[^\s/@.]+)+")
_BARE_NUMERIC = re.compile(r"https?://(?:[^\s/@]*@)?(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]+\])", re.IGNORECASE)
_USERINFO = re.compile(r"https?://[^\s/?#]*@", re.IGNORECASE)


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.search(text) is not None


_Rules = tuple[tuple[Callable[[str], bool], str], ...]
CONFIDENTIAL: _Rules = (
    (
        lambda text: any(pattern.search(text) for pattern in _SECRETS),
        "It seems to contain a password, key or token; take it out.",
    ),
    (lambda text: any(_luhn(m[0]) for m in _DIGITS.finditer(text)), "It seems to contain a card number; take it out."),
    (
        lambda text: any(_mod97(m[0]) for m in _IBAN.finditer(text)),
        "It contains a bank account number (IBAN); make sure that it may be public.",
    ),
    (_matches(_SSN), "It seems to contain a social security number; take it out."),
)
FLAGS: _Rules = (
    *CONFIDENTIAL,
    (_matches(_THREATS), "It reads like a threat or an incitement to violence."),
    (_matches(_FRAUD), "It reads like an offer that platforms treat as fraud."),
    (
        lambda text: bool(_USERINFO.search(text) or _BARE_NUMERIC.search(text) or _odd_host(text)),
        "A link in it hides where it leads; write the address of the site itself.",
    ),
    (_matches(_BIDI), "Invisible characters in it make it read otherwise than it is written."),
)
DOUBTS: _Rules = (
    (_matches(_UNFINISHED), "It looks unfinished: a placeholder is still in it."),
    (_matches(_COARSE), "It has coarse language; is that how this account speaks?"),
)


def review(brief: Brief) -> Review:
    """Never a blind yes: flagged with every reason, unsure with every doubt, else appropriate with low confidence."""
    texts = [*brief.texts, *(picture.file.alt for picture in brief.pictures)]
    if not any(text.strip() for text in texts) and not brief.pictures:
        return Review("unsure", ("There is nothing to review yet: the post is empty.",), RULES, DOUBTFUL)
    flags = tuple(dict.fromkeys(_said(FLAGS, texts)))
    if flags:
        return Review("flagged", flags, RULES, SURE)
    doubts = tuple(dict.fromkeys(_said(DOUBTS, texts)))
    if doubts:
        return Review("unsure", doubts, RULES, DOUBTFUL)
    return Review("appropriate", ("The built-in rules found no issues.",), RULES, CLEAR)


def flagged(texts: Iterable[str]) -> bool:
    """Whether a rule flags any of these texts: then none of them is shown to a model."""
    return next(_said(FLAGS, list(texts)), None) is not None


def confidential(text: str) -> bool:
    """Whether it seems to hold a secret, a card or account number, or the like."""
    return next(_said(CONFIDENTIAL, [text]), None) is not None


def _said(table: _Rules, texts: list[str]) -> Iterator[str]:
    return (reason for applies, reason in table if any(applies(text) for text in texts))


def _odd_host(text: str) -> bool:
    """Something like a host whose letters are of different scripts."""
    return any(_mixed(match[0].casefold()) for match in _DOTTED.finditer(text))


def _mixed(host: str) -> bool:
    """Latin beside Cyrillic or Greek letters in one label, as in the "аpple" that is not apple (UTS 39, 5.2)."""
    labels = host.split(".")
    return any(
        any("a" <= c <= "z" for c in label) and any("\u0370" <= c <= "\u052f" for c in label) for label in labels
    )


def _luhn(text: str) -> bool:
    """ISO/IEC 7812-1, annex B, for the lengths and first digits that cards have."""
    digits = [int(char) for char in text if char.isdigit()]
    if len(digits) < 13 or digits[0] not in (3, 4, 5, 6) or len(set(digits)) < 2:
        return False
    doubled = [d * 2 - 9 if d > 4 else d * 2 for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _mod97(text: str) -> bool:
    """ISO 13616 / ISO 7064."""
    compact = text.replace(" ", "")
    if not 15 <= len(compact) <= 34:
        return False
    moved = compact[4:] + compact[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1
