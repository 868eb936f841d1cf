"""Text as Mastodon counts it."""

import re

from postprober.sandbox.engine.text import URL, graphemes

_URL_LENGTH = 23
_REGIONAL = ("zh-CN", "zh-HK", "zh-TW", "zh-YUE")


def mastodon_length(text: str) -> int:
    """Characters with links counted 23 and the domain of remote mentions left out. platforms/mastodon/facts.md, 3."""
    text = URL.sub("x" * _URL_LENGTH, text)
    return graphemes(re.sub(r"(@\w+)@[\w.-]+\w", r"\1", text))


def kept_language(tag: str) -> str | None:
    """What is kept of a language tag: the region for Chinese only (app/helpers/languages_helper.rb, valid_locale_or_nil)."""
    return (tag if tag in _REGIONAL else tag.replace("_", "-").split("-")[0]) or None
