"""Text as the platforms read it: links, weights, graphemes, little text."""

import re
import unicodedata

URL = re.compile(r"https?://[^\s<>\"]+(?:(?<=[^\s<>\"()])\([^\s<>\"()]*\)|[^\s<>\"'.,;:!?)\]}])")
HASHTAG = re.compile(r"(?<![\w#])#(\w+)")
MENTION = re.compile(r"(?<![\w@])@([A-Za-z0-9_][A-Za-z0-9_.]*)")
# Ranges that weigh 1 in twitter-text configuration v3; everything else weighs 2 (platforms/x/facts.md, 3).
_LIGHT = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
_URL_LENGTH = 23
# platforms/linkedin/facts.md, 3
LITTLE_RESERVED = frozenset("|{}@[]()<>#\\*_~")
_LITTLE_ELEMENT = re.compile(
    r"@\[(?P<name>(?:\\.|[^\]\\])*)\]\(urn:li:(?:person|organization):[\w-]+\)"
    r"|\{hashtag\|\\#\|(?P<tag>\w+)\}|(?P<plain>#\w+)"
)


def graphemes(text: str) -> int:
    """Count user-perceived characters. Simple: joins marks, joiners, modifiers, flags and CR LF, no Hangul jamo."""
    count = 0
    joined = flag_open = False
    previous = ""
    for char in unicodedata.normalize("NFC", text):
        point = ord(char)
        flag = 0x1F1E6 <= point <= 0x1F1FF
        extends = unicodedata.category(char) in ("Mn", "Me", "Mc") or point == 0x200D or 0x1F3FB <= point <= 0x1F3FF
        extends = extends or 0xE0020 <= point <= 0xE007F or (char == "\n" and previous == "\r")
        if not (extends and previous) and not joined and not (flag and flag_open):
            count += 1
            flag_open = flag
        else:
            flag_open = False
        joined = point == 0x200D
        previous = char
    return count


def weighted_length(text: str) -> int:
    """X's weighted length, simplified: a link weighs 23, emoji and CJK 2 each. platforms/x/facts.md, 3."""
    text = unicodedata.normalize("NFC", text)
    links = URL.findall(text)
    rest = URL.sub("", text)
    weight = 0
    clusters = 0
    for char in rest:
        light = any(low <= ord(char) <= high for low, high in _LIGHT)
        # An emoji sequence weighs 2 as a whole: what is joined to it adds nothing.
        joined = ord(char) in (0x200D, 0xFE0F) or 0x1F3FB <= ord(char) <= 0x1F3FF
        clusters += ord(char) == 0x200D
        weight += 0 if joined else 1 if light else 2
    return weight - 2 * clusters + _URL_LENGTH * len(links)


def mastodon_length(text: str) -> int:
    """Characters with links counted 23 and the domain of remote mentions left out. platforms/mastodon/facts.md, 3."""
    text = URL.sub("x" * _URL_LENGTH, text)
    return graphemes(re.sub(r"(@\w+)@[\w.-]+\w", r"\1", text))


def little_text(commentary: str) -> tuple[str, str]:
    """(what readers see, what LinkedIn keeps) of a commentary, cut at the first unescaped reserved character.

    Mentions and hashtags are the only elements understood. platforms/linkedin/facts.md, 3.
    """
    shown = ""
    index = 0
    while index < len(commentary):
        char = commentary[index]
        if char == "\\" and index + 1 < len(commentary) and commentary[index + 1] in LITTLE_RESERVED:
            shown += commentary[index + 1]
            index += 2
            continue
        if char in LITTLE_RESERVED:
            element = _LITTLE_ELEMENT.match(commentary, index)
            if element is None:
                break
            shown += _element_text(element)
            index = element.end()
            continue
        shown += char
        index += 1
    whole = index == len(commentary)
    return (shown, commentary) if whole else (shown.rstrip(), commentary[:index].rstrip())


def _element_text(element: re.Match[str]) -> str:
    if element["name"] is not None:
        return little_text(element["name"])[0]
    return f"#{element['tag']}" if element["tag"] else str(element["plain"])
