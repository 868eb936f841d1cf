"""Text as X counts it."""

import unicodedata

from postprober.sandbox.engine.text import URL

# Ranges that weigh 1 in twitter-text configuration v3; everything else weighs 2 (platforms/x/facts.md, 3).
_LIGHT = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
_URL_LENGTH = 23


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
