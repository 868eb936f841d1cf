"""A platform has one colour wherever it is drawn: on the pages, in reports and in pictures of them."""

from __future__ import annotations

from postprober.domain.platform import Platform

# Readable on light, dark and paper, and apart for people who confuse red and green (after Okabe and Ito,
# https://jfly.uni-koeln.de/color/).
COLOURS = {
    Platform.X: "#8a949b", Platform.LINKEDIN: "#2f8fd0", Platform.INSTAGRAM: "#d06ba8", Platform.MASTODON: "#dd9a26",
    Platform.BLUESKY: "#1fae94",
}  # fmt: skip
