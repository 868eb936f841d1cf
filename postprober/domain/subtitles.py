"""Subtitles of a video: SRT and WebVTT read, checked, and written as WebVTT. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

MOST_BYTES = 1_000_000  # of a file that is looked at; an hour of speech has about 60,000
MIME = "text/vtt"
SUFFIXES = ("vtt", "srt")
_VTT = re.compile(r"WEBVTT(?:[ \t].*)?(?:\n|$)")  # W3C WebVTT, 4.1
_SRT = re.compile(rb"\s*[0-9]{1,6}[ \t]*\r?\n[0-9]{1,3}:[0-9]{2}:[0-9]{2}[,.][0-9]{3}[ \t]*-->")
_TIMES = re.compile(
    r"(?:([0-9]{1,4}):)?([0-5][0-9]):([0-5][0-9])[.,]([0-9]{3})[ \t]+-->[ \t]+(?:([0-9]{1,4}):)?([0-5][0-9]):([0-5][0-9])[.,]([0-9]{3})(.*)"
)
_BLANK = re.compile(r"^[ \t]+$", re.MULTILINE)
_LESS = re.compile(r"<(?!/?(?:[biu]|font\b[^<>]*)>)", re.IGNORECASE)  # in WebVTT any other one hides what follows
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")  # of a BCP 47 tag as files are named


class Unreadable(Exception):
    """The text says why, as the end of "The subtitles …"."""


@dataclass(frozen=True)
class Subtitles:
    """`text`: as WebVTT; `seconds`: when the last one ends."""

    text: str
    cues: int
    seconds: float


def is_one(head: bytes) -> bool:
    """Whether a file that begins with `head` is to be read as subtitles."""
    head = head.removeprefix(b"\xef\xbb\xbf")
    return head.startswith(b"WEBVTT") or _SRT.match(head) is not None


def read(data: bytes) -> Subtitles:
    """SRT or WebVTT as WebVTT. Raises Unreadable."""
    if len(data) > MOST_BYTES:
        raise Unreadable(f"have more than {MOST_BYTES // 1_000_000} MB; choose another file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("are not in UTF-8; save them in that encoding") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    vtt = _VTT.match(text)
    if not vtt:
        text = _BLANK.sub("", text)  # SRT is written by many hands; for WebVTT such a line is one of the words
    blocks = [block.split("\n") for block in re.split(r"\n{2,}", text.strip("\n"))]
    head = "\n".join(blocks.pop(0)) if vtt else "WEBVTT"
    made, cues, last = [head], 0, 0.0
    for lines in blocks:
        at = next((index for index, line in enumerate(lines[:2]) if "-->" in line), None)
        if at is None:  # a note, a style, a region
            if not vtt:
                raise Unreadable(
                    f"cannot be read at {lines[0][:40]!r}; write a time such as 00:00:01,000 --> 00:00:03,000"
                )
            made.append("\n".join(lines))
            continue
        begins, ends, rest = _times(lines[at])
        spoken = lines[at + 1 :]
        words = "\n".join(spoken if vtt else (_LESS.sub("&lt;", line) for line in spoken))
        if not words.strip():
            continue
        if wrong := next((line for line in spoken if "-->" in line), None):  # players read it as another time
            raise Unreadable(f"have {wrong.strip()[:60]!r} among their words; put an empty line before that time")
        cues, last = cues + 1, max(last, ends)
        made.append(f"{_written(begins)} --> {_written(ends)}{rest if vtt else ''}\n{words}")
    if not cues:
        raise Unreadable("have no lines; choose another file")
    return Subtitles("\n\n".join(made) + "\n", cues, last)


def _times(line: str) -> tuple[float, float, str]:
    found = _TIMES.fullmatch(line.strip())
    if found is None:
        raise Unreadable(f"have a time that cannot be read, {line.strip()[:60]!r}; write 00:00:01.000 --> 00:00:03.000")
    numbers = [int(one or 0) for one in found.groups()[:8]]
    begins, ends = (h * 3600 + m * 60 + s + ms / 1000 for h, m, s, ms in (numbers[:4], numbers[4:]))
    if ends <= begins:
        raise Unreadable(f"end before they begin at {line.strip()[:60]!r}; correct that time")
    return begins, ends, found[9]


def _written(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}.{whole % 1000:03}"


def language_in(name: str) -> str:
    """The language that a file's name names, as in `talk.de.vtt` or `talk.pt-BR.srt`; "" where it names none."""
    pieces = PurePath(name).name.split(".")
    return pieces[-2] if len(pieces) >= 3 and _LANGUAGE.fullmatch(pieces[-2]) else ""
