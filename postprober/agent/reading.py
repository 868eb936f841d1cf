"""Finds the answer in what a model's server sent. Local models put JSON into fences, think aloud before it, leave a comma
too many or add fields; all of that is understood. What is too long, of wrong types or incomplete is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import ValidationError

from postprober.agent.language_model import NoAnswer
from postprober.agent.model_answers import ModelAnswer

T = TypeVar("T", bound=ModelAnswer)

# Ours. A whole answer of MAX_ANSWER_TOKENS tokens is about 6,000 characters; thinking aloud makes it longer.
MOST_CHARS = 200_000
MOST_BEGINNINGS = 200  # of objects that are tried in one reply
# Ours: no model reads as much at once; a larger count is a mistake of the server, and might not fit into the database.
MOST_TOKENS = 10_000_000
UNREADABLE = "The model's answer could not be read."


def json_or_none(text: Any) -> Any:
    """A reply's body; None when it is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None


def answer(body: Any, kind: type[T]) -> T:
    """The answer in a chat completion. Where a reply holds several that differ, the most careful one; where nothing tells
    which that is, none. Raises NoAnswer."""
    choices = body.get("choices") if isinstance(body, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    if not isinstance(message, dict):
        raise NoAnswer(UNREADABLE, "malformed", asked=True)
    if message.get("refusal"):
        raise NoAnswer("The model refused to answer.", "refused", asked=True)
    content = message.get("content")
    objects = list(_objects(content)) if isinstance(content, str) and len(content) <= MOST_CHARS else []
    found: list[T] = []
    for one in objects:
        read = _read(one, kind)
        if read is not None and read not in found:
            found.append(read)
    careful = max((one.care for one in found), default=0)
    if not found or (len(found) > 1 and not careful):
        raise NoAnswer(UNREADABLE, "malformed", f"{len(objects)} objects, {len(found)} answers", asked=True)
    return next(one for one in found if one.care == careful)


def _read(found: Any, kind: type[T]) -> T | None:
    """Strictly: a number in quotes is no number."""
    try:
        return kind.model_validate_json(json.dumps(found), strict=True)
    except (ValidationError, ValueError, RecursionError):
        return kind.objection(found)


def _objects(content: str) -> Iterator[Any]:
    """The outermost JSON objects in a text, in order."""
    whole = json_or_none(content)
    if whole is not None:
        yield whole
        return
    text = _without_last_commas(content)
    decoder, at = json.JSONDecoder(), 0
    for _ in range(MOST_BEGINNINGS):
        at = text.find("{", at)
        if at < 0:
            return
        try:
            found, at = decoder.raw_decode(text, at)
            yield found
        except (ValueError, RecursionError):
            at += 1


def _without_last_commas(text: str) -> str:
    """`text` without the commas that stand before a closing bracket, outside of strings. One pass."""
    kept: list[str] = []
    comma, in_string, escaped = -1, False, False
    for char in text:
        if in_string and char != "\n":  # a line ends every string, also what only looked like one in the words before
            in_string, escaped = escaped or char != '"', char == "\\" and not escaped
        elif char == '"':
            in_string, escaped = True, False
        else:
            in_string = False
        if char in "}]" and comma >= 0 and not in_string:
            kept[comma] = ""
        if char == "," and not in_string:
            comma = len(kept)
        elif not char.isspace():
            comma = -1
        kept.append(char)
    return "".join(kept)


def is_no_address(body: Any) -> bool:
    """Whether a reply of 200 says that there is nothing at this address, as LM Studio's do (agent/facts.md, 8)."""
    said = body.get("error") if isinstance(body, dict) else None
    return isinstance(said, str) and said.startswith("Unexpected endpoint or method")


def moderation(body: Any, asked: int) -> tuple[tuple[str, ...], bool]:
    """What a moderation of `asked` texts objects to, by name, and whether it judges each of them in a form that we know.
    Whatever can be read as an objection counts as one."""
    results = body.get("results") if isinstance(body, dict) else None
    if not isinstance(results, list):
        return (), False
    found: set[str] = set()
    flagged, complete = False, len(results) >= asked
    for result in results:
        said = result.get("flagged") if isinstance(result, dict) else None
        categories = result.get("categories") if isinstance(result, dict) else None
        named = categories if isinstance(categories, dict) else {}
        hits = [name for name, hit in named.items() if hit is True]
        flagged = flagged or said is True or bool(hits)
        found |= {name.replace("/", ", ").replace("_", " ") for name in hits}
        # null: a category that this model does not judge (OpenAPI of OpenAI, `illicit`).
        known = all(hit is None or isinstance(hit, bool) for hit in named.values())
        complete = complete and isinstance(said, bool) and isinstance(categories, dict) and known
    return tuple(sorted(found)) or (("something that it does not name",) if flagged else ()), complete


def tokens(body: Any) -> tuple[int, int] | None:
    """(in, out) as the server counts them; None when it does not say, or nothing that can be true."""
    usage = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(usage, dict):
        return None
    counted = [
        n
        for name in ("prompt_tokens", "completion_tokens")
        if type(n := usage.get(name)) is int and 0 <= n <= MOST_TOKENS
    ]
    return (counted[0], counted[1]) if len(counted) == 2 else None
