"""`suggest`: what the rules suggest for texts on stdin. No database, no installation, no network."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO

import typer

from postprober.agent import suggest as rules
from postprober.agent.brief import Brief, Target
from postprober.cli.json_lines import check_id, value_of
from postprober.cli.output import emit, fail, say
from postprober.clock import SystemClock
from postprober.domain.advice import Suggestion
from postprober.domain.platform import NAMES, Platform, parse_platform
from postprober.domain.text import has_half_character
from postprober.errors import BadInput
from postprober.platforms.registry import LIMITS

BAD_INPUT = 2
_KINDS = {
    "thread": "as a thread",
    "hashtags": "hashtags",
    "variant": "another text",
}  # all that the rules make of a text


@dataclass(frozen=True)
class TextRequest:
    """One text. `platform` None: every platform that the text is too long for, and nothing but making it fit."""

    id: Any
    text: str
    platform: Platform | None = None
    language: str = ""


def suggest(
    platform: Annotated[str, typer.Option(help="For this platform, where a line names none.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Suggestions by rules for a text on stdin, or for JSON lines {"id", "text", "platform"?, "language"?}.

    With a platform: everything the rules suggest for it. Without one: how the text can be made to fit wherever it is too
    long. A line that cannot be read gets one sentence on stderr; the others are read, and the exit code is 2."""
    usual = parse_platform(platform) if platform else None
    bad = False
    for number, line in _requests(sys.stdin.buffer):
        try:
            request = parse(line, number, usual) if number else TextRequest(None, _decoded(line), usual)
        except BadInput as error:
            fail(BadInput(f"Line {number}: {error.message}") if number else error)
            bad = True
            continue
        found = suggestions_for(request)
        if as_json:
            emit({"id": request.id, "suggestions": [shown(one) for one in found]})
        else:
            _tell(request, found)
    raise typer.Exit(BAD_INPUT if bad else 0)


def suggestions_for(request: TextRequest) -> tuple[Suggestion, ...]:
    """What the rules suggest for one text."""
    chosen = (request.platform,) if request.platform else tuple(LIMITS)
    targets = [Target(None, one, LIMITS[one], (request.text,)) for one in chosen]
    brief = Brief(tuple(targets), (), SystemClock().now(), language=request.language)
    if request.platform is None:
        brief = Brief(tuple(t for t in targets if rules.too_long(t, brief)), (), brief.now, language=request.language)
    return rules.suggestions(brief)


def shown(one: Suggestion) -> dict[str, Any]:
    """A suggestion as the command prints it."""
    return {
        "kind": one.kind,
        "platform": one.platform,
        "before": list(one.before),
        "after": list(one.after),
        "reason": one.reason,
        "dropped": list(one.dropped),
        "by": one.by,
    }


def parse(line: bytes, number: int, usual: Platform | None) -> TextRequest:
    """One JSON line; fields that nobody knows are ignored, and a line without `id` has its number for one. Raises
    BadInput."""
    try:
        data = value_of(_decoded(line))
    except (ValueError, RecursionError):
        raise BadInput('This is no JSON object; write {"id": …, "text": "…"}.') from None
    if not isinstance(data, dict):
        raise BadInput('This is no JSON object; write {"id": …, "text": "…"}.')
    texts = {name: data.get(name) for name in ("text", "platform", "language")}
    if not isinstance(texts["text"], str):
        raise BadInput("`text` has to be there, as a string.")
    for name in ("platform", "language"):
        if texts[name] is not None and not isinstance(texts[name], str):
            raise BadInput(f"`{name}` has to be a string.")
    check_id(data.get("id"))
    if has_half_character(texts["text"]):
        raise BadInput("It has half of a character (a lone surrogate), which cannot be written.")
    chosen = parse_platform(texts["platform"]) if texts["platform"] else usual
    return TextRequest(data.get("id", number), texts["text"], chosen, texts["language"] or "")


def _requests(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """(number, JSON line) for every line, as they come; or once (0, all of it) where the input is a plain text: where
    nothing looks like a JSON object."""
    waiting: list[tuple[int, bytes]] = []
    lines = enumerate(stream, 1)
    for number, line in lines:
        waiting.append((number, line))
        if line.strip() and (
            line.lstrip(b"\xef\xbb\xbf \t").startswith(b"{") and (len(waiting) == 1 or _is_object(line))
        ):
            yield from _filled(waiting)
            yield from _filled(lines)
            return
    yield 0, b"".join(line for _, line in waiting)


def _filled(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in lines if line.strip())


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig").removesuffix("\n")
    except UnicodeDecodeError:
        raise BadInput("The text is not UTF-8.") from None


def _tell(request: TextRequest, found: tuple[Suggestion, ...]) -> None:
    if request.id is not None:
        say(f"{request.id}:")
    if not found:
        say("Nothing to suggest.")
    for one in found:
        say(f"{NAMES[Platform(one.platform)]}, {_KINDS[one.kind]}: {one.reason}")
        for sentence in one.dropped:
            say(f"Left out: {sentence}")
        for index, text in enumerate(one.after, 1):
            say(f"--- {index} of {len(one.after)}\n{text}" if len(one.after) > 1 else f"---\n{text}")
    say("")
