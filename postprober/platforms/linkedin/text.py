"""LinkedIn's little text."""

from __future__ import annotations

import regex  # type: ignore[import-untyped,unused-ignore]

from postprober.domain.entities import find_hashtags

# LinkedIn little text: an unescaped reserved character cuts the text off (facts.md, 3).
_LITTLE = regex.compile(r"[|{}@\[\]()<>#\\*_~]")
_LITTLE_READ = regex.compile(
    r"\\(?P<char>.)"
    r"|\{hashtag\|\\?[#\uff03]\|(?P<tag>(?:\\.|[^{}\\])*)\}"
    r"|@\[(?P<name>(?:\\.|[^\[\]\\])*)\]\(urn:li:[^()]*\)",
    regex.DOTALL,
)


def escape_little(text: str) -> str:
    """`text` for LinkedIn's `commentary`: reserved characters escaped, `#word` left to become a hashtag.

    Only a tag that begins with a letter or digit is left: any other LinkedIn might not take for one, and cut the text.
    """
    tags = {span.start for span in find_hashtags(text) if span.text[0] == "#" and span.text[1].isalnum()}
    return str(_LITTLE.sub(lambda m: m[0] if m.start() in tags else "\\" + m[0], text))


def unescape_little(text: str) -> str:
    """The text a reader sees for `commentary`: escapes, hashtag templates and mentions resolved."""

    def plain(match: regex.Match[str]) -> str:
        if match["char"] is not None:
            return str(match["char"])
        if match["tag"] is not None:
            return "#" + unescape_little(match["tag"])
        return unescape_little(match["name"])

    return str(_LITTLE_READ.sub(plain, text))
