"""LinkedIn's little text."""

from __future__ import annotations

import re

import regex  # type: ignore[import-untyped,unused-ignore]

from postprober.domain.entities import find_hashtags

# LinkedIn little text: an unescaped reserved character cuts the text off (facts.md, 3).
_LITTLE = regex.compile(r"[|{}@\[\]()<>#\\*_~]")
_LITTLE_READ = regex.compile(
    r"\\(?P<char>.)"
    r"|\{hashtag\|\\?[#\uff03]\|(?P<tag>(?:\\.|[^{}\\])*)\}"
    r"|@\[(?P<name>(?:\\.|[^\[\]\\])*)\]\((?P<target>urn:li:[^()]*)\)",
    regex.DOTALL,
)

# A mention as a person types it and as LinkedIn takes it (facts.md, 3).
MENTION = re.compile(
    r"@\[(?P<name>[^\[\]\n]{1,200})\]\((?P<target>urn:li:organization:[0-9]{1,20}|urn:li:person:[A-Za-z0-9_-]{1,60})\)"
)
_NEARLY = re.compile(r"@\[(?P<name>[^\[\]\n]{0,200})\]\([^()\n]{0,200}\)")


def wrong_mentions(text: str) -> list[str]:
    """The names of mentions that are spelled with no URN of a page or a person."""
    return [one["name"] for one in _NEARLY.finditer(text) if not MENTION.fullmatch(one[0])]


def escape_little(text: str) -> str:
    """`text` for LinkedIn's `commentary`: mentions kept, with their names escaped, and everything else by `_escaped`."""
    at, pieces = 0, []
    for one in MENTION.finditer(text):
        name = _LITTLE.sub(lambda m: "\\" + m[0], one["name"])
        pieces += [_escaped(text[at : one.start()]), f"@[{name}]({one['target']})"]
        at = one.end()
    return "".join([*pieces, _escaped(text[at:])])


def _escaped(text: str) -> str:
    """Reserved characters escaped, `#word` left to become a hashtag.

    Only a tag that begins with a letter or digit is left: any other LinkedIn might not take for one, and cut the text.
    """
    tags = {span.start for span in find_hashtags(text) if span.text[0] == "#" and span.text[1].isalnum()}
    return str(_LITTLE.sub(lambda m: m[0] if m.start() in tags else "\\" + m[0], text))


def unescape_little(text: str) -> str:
    """The text of a `commentary` as a person types it: escapes and hashtag templates resolved, a mention as `@[Name](URN)`,
    or as its name where that spelling cannot say it."""

    def plain(match: regex.Match[str]) -> str:
        if match["char"] is not None:
            return str(match["char"])
        if match["tag"] is not None:
            return "#" + unescape_little(match["tag"])
        name = unescape_little(match["name"])
        spelled = f"@[{name}]({match['target']})"
        return spelled if MENTION.fullmatch(spelled) else name

    return str(_LITTLE_READ.sub(plain, text))
