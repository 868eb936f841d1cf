"""LinkedIn's little text."""

import re

# platforms/linkedin/facts.md, 3
LITTLE_RESERVED = frozenset("|{}@[]()<>#\\*_~")
_LITTLE_ELEMENT = re.compile(
    r"@\[(?P<name>(?:\\.|[^\]\\])*)\]\(urn:li:(?:person|organization):[\w-]+\)"
    r"|\{hashtag\|\\#\|(?P<tag>\w+)\}|(?P<plain>#\w+)"
)


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


_MENTION = re.compile(r"@\[((?:\\.|[^\]\\])*)\]\(urn:li:(?:person|organization):[\w-]+\)")


def without_mentions(commentary: str) -> str:
    """The same with names in the place of mentions, as where LinkedIn does not know whom they mean."""
    return _MENTION.sub(lambda one: one[1], commentary)


def _element_text(element: re.Match[str]) -> str:
    if element["name"] is not None:
        return little_text(element["name"])[0]
    return f"#{element['tag']}" if element["tag"] else str(element["plain"])
