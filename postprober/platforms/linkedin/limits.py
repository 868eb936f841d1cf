"""What LinkedIn takes, every number with its source: section 3 of `facts.md` beside this file where no other is named."""

from __future__ import annotations

from postprober.domain.card import MAX_DESCRIPTION
from postprober.domain.limits import (
    H264,
    MB,
    CardRule,
    DocumentRule,
    GifRule,
    ImageRule,
    Limits,
    PollRule,
    VideoRule,
    utf16_length,
)
from postprober.platforms.common.documents import DOCUMENTS
from postprober.platforms.linkedin.about import ABOUT
from postprober.platforms.linkedin.options import DAY
from postprober.platforms.linkedin.text import MENTION, escape_little


def _escaped_length(_limits: Limits, text: str) -> int:
    """LinkedIn counts what is sent: little text with its escapes, of a mention the name, in UTF-16 units as its Java services do
    (which no source states; it is the larger and so the safer reading)."""
    return utf16_length(escape_little(MENTION.sub(lambda one: one["name"], text)))


LIMITS = Limits(
    platform=ABOUT.platform,
    max_length=3000,  # help article a528176; after escaping
    count=_escaped_length,
    unit="characters",
    poll=PollRule(2, 4, 30, DAY, 14 * DAY),
    # content.article: a title of 400; the description has no published limit (ours), its picture those of images
    card=CardRule(400, MAX_DESCRIPTION, max_bytes=8 * MB),
    max_alt=4086,  # content.media.altText
    # Fewer than 36,152,320 pixels; no byte limit is published: 8 MB is ours. multiImage takes 2 to 20.
    images=ImageRule(20, ("image/jpeg", "image/png"), max_bytes=8 * MB, max_pixels=36_152_319),
    gif=GifRule(max_bytes=8 * MB, max_frames=250),
    document=DocumentRule(tuple(DOCUMENTS.values()), 100 * MB, 300),  # Documents API
    # 75 KB to 500 MB, 3 s to 30 min. LinkedIn names no codec: H.264 is what every MP4 player takes. 1:2.4 to 2.4:1.
    video=VideoRule(("video/mp4",), 75_000, 500 * MB, 3, 1800, H264, min_ratio=1 / 2.4, max_ratio=2.4),
)
