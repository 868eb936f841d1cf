"""What relays and media servers say when they refuse. Facts and their evidence: nostr/facts.md, 6.

A relay answers `OK` or `CLOSED` with a word, a colon and a sentence (NIP-01). Only the word is promised.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from postprober.errors import OutcomeUnknown, PlatformError, PostRejected, ReconnectNeeded, Throttled, Unavailable
from postprober.http import Reply
from postprober.platforms.common.errors import ErrorRow, Refusal, RequestKind, judge
from postprober.platforms.common.replies import retry_at

_BARRED = (
    "The relay does not take posts of this key; ask its operator or name another relay, then reconnect the account."
)
_SIGN_IN = (
    "The relay wants this key to sign in and did not accept it; ask its operator or name another relay, then reconnect."
)
_TOO_LARGE = "The post is too large for the relay; shorten it."
_CLOCK = "The relay says that the post's time is wrong; set this machine's clock, then publish it again."
_WORK = "The relay wants proof of work, which PostProber does not do; name another relay, then publish it again."
_INVALID = "The relay does not accept the post as it is; change it."
_DELETED = "The relay has a request to delete this very post and takes it no more; publish it as a new post."
_FAULT = "The relay has a fault, and does not say whether it kept the post."
_MEDIA_RIGHT = "The media server does not take files of this key; name another one, then reconnect the account."
_MEDIA_FILE = "The media server refuses the file; choose another one or a smaller one."
WAIT = timedelta(minutes=1)  # ours: no relay says for how long; settings["throttle_seconds"]
DELETED = "deleted"  # what a relay says of a repeat after a deletion, in its sentence

RELAY: tuple[ErrorRow, ...] = (
    ErrorRow(PostRejected, _DELETED, code="blocked", text=DELETED, code_out=DELETED),
    ErrorRow(PostRejected, _CLOCK, code="invalid", text="in the future"),
    ErrorRow(PostRejected, _CLOCK, code="invalid", text="creation date"),  # NIP-01's own example
    ErrorRow(PostRejected, _CLOCK, code="invalid", text="too old"),
    ErrorRow(PostRejected, _TOO_LARGE, code="invalid", text="280 characters"),  # how nostr-relay says "too large"
    ErrorRow(PostRejected, _TOO_LARGE, code="invalid", text="too large"),
    ErrorRow(PostRejected, _INVALID, code="invalid"),
    ErrorRow(PostRejected, _WORK, code="pow"),
    ErrorRow(ReconnectNeeded, _SIGN_IN, code="auth-required"),
    ErrorRow(ReconnectNeeded, _BARRED, code="blocked"),
    ErrorRow(ReconnectNeeded, _BARRED, code="restricted"),
    ErrorRow(Throttled, "The relay asks to wait.", code="rate-limited"),
    ErrorRow(OutcomeUnknown, _FAULT, code="error", acts=(RequestKind.PUBLISH,)),
    ErrorRow(Unavailable, "The relay has a fault at the moment.", code="error"),
)
MEDIA: tuple[ErrorRow, ...] = (  # Blossom, BUD-01 and BUD-02: the usual statuses, and a sentence in a header
    ErrorRow(ReconnectNeeded, _MEDIA_RIGHT, 401),
    ErrorRow(ReconnectNeeded, _MEDIA_RIGHT, 402),
    ErrorRow(ReconnectNeeded, _MEDIA_RIGHT, 403),
    ErrorRow(PostRejected, _MEDIA_FILE, 400),
    ErrorRow(PostRejected, _MEDIA_FILE, 411),
    ErrorRow(PostRejected, _MEDIA_FILE, 413),
    ErrorRow(PostRejected, _MEDIA_FILE, 415),
    ErrorRow(Throttled, "The media server asks to wait.", 429, wait=timedelta(minutes=1)),
)
TABLE = RELAY + MEDIA
_WORDS = frozenset(
    {"duplicate", "pow", "blocked", "rate-limited", "invalid", "restricted", "auth-required", "error", "unsupported"}
)
REASONS = ("x-reason", "blossom-upload-message", "x-upload-error")  # BUD-01, BUD-02 of different years
# Of several relays' refusals the one that leaves most hope decides: what may work later comes before what needs a person.
_HOPE = (Throttled, Unavailable, ReconnectNeeded, PostRejected)


def word_of(said: str) -> str:
    """The machine-readable word of an answer, "" where there is none."""
    word = said.partition(":")[0].strip().lower()
    return word if word in _WORDS else ""


def refused(said: str, act: RequestKind, now: datetime, relay: str, wait: timedelta = WAIT) -> PlatformError:
    """The error for a relay's refusal. `relay`: its host, for the log; `wait`: for how long, where it wants that."""
    word = word_of(said)
    reply = Reply(400, {}, b"", "", f"{relay}: {said}"[:300])
    error = judge(RELAY, Refusal("The relay", reply, act, (word,) if word else (), said, now, now + wait))
    error.http_status = None  # what judge needs and no relay says
    return error


def media_refused(reply: Reply, now: datetime) -> PlatformError:
    """The error for a media server's refusal."""
    said = next((reply.headers[name] for name in REASONS if name in reply.headers), "")
    told = Refusal("The media server", reply, RequestKind.STAGE, (), said, now, retry_at(reply.headers, now))
    return judge(MEDIA, told)


def most_hopeful(errors: Sequence[PlatformError]) -> PlatformError:
    """Of what several relays said, what is acted upon. `errors` is not empty."""
    return next((one for kind in _HOPE for one in errors if isinstance(one, kind)), errors[0])
