"""`review`: what the review says to texts, without an installation, a database or an account."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Annotated, Any, BinaryIO

import typer

from postprober.agent.advisor import Advisor
from postprober.agent.brief import Brief, Target
from postprober.cli.json_lines import check_id, value_of
from postprober.cli.output import emit, say
from postprober.clock import Clock, SystemClock
from postprober.domain.advice import Review
from postprober.domain.platform import Platform, known
from postprober.errors import BadInput
from postprober.platforms.registry import LIMITS
from postprober.settings import load_settings
from postprober.wiring import model_without_installation

BAD_INPUT = 2
LONGEST = 100_000  # ours: characters of one text; no platform takes as many
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")
# Languages for which there are lists of words; in others the rules see what needs no words.
LISTED = frozenset(
    [
        "en",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "nl",
        "pl",
        "tr",
        "ru",
        "uk",
        "ar",
        "he",
        "ja",
        "zh",
        "sv",
        "da",
        "nb",
        "no",
        "nn",
        "cs",
    ]
)
_VERDICTS = {"appropriate": "No issues found", "unsure": "Look again", "flagged": "Flagged"}
HATE = "Rules look for slips, secrets, plain threats and plain fraud. They do not look for hate: read it yourself."


@dataclass
class ReviewLine:
    """One text that is to be reviewed. `notes`: what could not be used of what was told about it."""

    id: Any
    text: str
    platform: Platform | None = None
    language: str = ""
    notes: list[str] = field(default_factory=list)


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
    model: Annotated[
        bool, typer.Option("--model", help="Ask the model of the settings, too: the texts are sent to its server.")
    ] = False,
) -> None:
    """Review a text (stdin), or JSON lines {"id", "text", "platform"?, "language"?}, each as it comes. Rules do not look
    for hate; a model is asked about it. Exit code 2 when a line could not be read."""
    clock = SystemClock()
    advisor = Advisor(model_without_installation(load_settings(), clock)) if model else Advisor()
    bad = False
    for number, one in _asked(sys.stdin.buffer, as_json):
        if isinstance(one, str):
            bad = True
            _complain(f"Line {number}: {one}")
            continue
        for note in one.notes:
            _complain(f"Line {number}: {note}" if number else note)
        told = advisor.review(brief_of(one, clock))
        if told.note:
            _complain(told.note)
        _emit(one, told.review) if as_json else _say(one, told.review, number)
    if not as_json and not model:
        say(HATE)
    raise typer.Exit(BAD_INPUT if bad else 0)


def brief_of(one: ReviewLine, clock: Clock) -> Brief:
    """The same as for a post of one account; without a platform the widest limits."""
    platform = one.platform or max(known(), key=lambda other: LIMITS[Platform(other)].max_length)
    target = Target(None, Platform(platform), LIMITS[Platform(platform)], (one.text,))
    return Brief((target,), (), clock.now(), language=one.language)


def _asked(stdin: BinaryIO, as_json: bool) -> Iterator[tuple[int, ReviewLine | str]]:
    """(number of the line, what is asked or why it cannot be read). JSON lines when a line begins like an object (without
    --json: when the first one is one); else all of it is one text, number 0."""
    kept: list[bytes] = []
    for line in stdin:
        kept.append(line)
        if not line.strip():
            continue
        if line.lstrip().removeprefix(b"\xef\xbb\xbf").startswith(b"{") and (as_json or _is_asked(line)):
            yield from _lines(chain(kept, stdin))
            return
        if not as_json:
            break
    if as_json and not kept:
        return
    whole = b"".join([*kept, *stdin])
    try:
        yield 0, ReviewLine(None, whole.decode("utf-8").removesuffix("\n"))
    except UnicodeDecodeError:
        yield 1, "The text is not UTF-8."


def _is_asked(line: bytes) -> bool:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "text" in found


def _lines(lines: Iterable[bytes]) -> Iterator[tuple[int, ReviewLine | str]]:
    told: set[str] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        one = _read(line)
        if isinstance(one, ReviewLine):  # what is said of a whole file is said once
            one.notes = [note for note in one.notes if note not in told]
            told.update(one.notes)
        yield number, one


def _read(line: bytes) -> ReviewLine | str:
    try:
        found = value_of(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return "It is not UTF-8."
    except (ValueError, RecursionError):
        return "It is not JSON."
    if not isinstance(found, dict):
        return 'It is not an object such as {"id": "1", "text": "…"}.'
    text = found.get("text")
    if not isinstance(text, str):
        return '"text" is missing.' if text is None else '"text" is not a string.'
    if len(text) > LONGEST:
        return f'"text" has {len(text):,} characters; the limit is {LONGEST:,}.'
    try:
        check_id(found.get("id"))
    except BadInput as error:
        return str(error)
    one = ReviewLine(found.get("id"), text)
    extra = sorted(set(map(str, found)) - {"id", "text", "platform", "language"})
    if extra:
        one.notes.append(f"Not used: {', '.join(extra[:10])}.")
    _platform(one, found.get("platform"))
    _language(one, found.get("language"))
    return one


def _platform(one: ReviewLine, platform: Any) -> None:
    if platform in (None, ""):
        return
    if platform in known():
        one.platform = Platform(platform)
    else:
        one.notes.append(f"There is no platform {platform!r}; it is one of {', '.join(known())}. Reviewed without one.")


def _language(one: ReviewLine, language: Any) -> None:
    if language in (None, ""):
        return
    if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
        one.notes.append(f"{language!r} is no language code such as de or pt-BR. Reviewed without one.")
        return
    one.language = language.lower().replace("_", "-")
    if one.language.split("-")[0] not in LISTED:
        one.notes.append(f"The rules have no words of the language {language}; they see only what needs none.")


def _emit(one: ReviewLine, told: Review) -> None:
    reasons = [vars(detail) for detail in told.details]
    if told.verdict != "appropriate":  # what a model says has no piece
        known_ones = {detail.message for detail in told.details}
        reasons += [
            {"kind": "model", "message": reason, "piece": "", "part": "text"}
            for reason in told.reasons
            if reason not in known_ones
        ]
    emit({"id": one.id, "verdict": told.verdict, "reasons": reasons})


def _say(one: ReviewLine, told: Review, number: int) -> None:
    name = f"{one.id if one.id is not None else f'Line {number}'}: " if number else ""
    say(f"{name}{_VERDICTS[told.verdict]} (by {told.by})")
    if told.verdict != "appropriate":
        for reason in told.reasons:
            say(f"- {reason}")


def _complain(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()
