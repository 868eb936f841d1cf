"""What a server of Mastodon's kind takes, every number with its source: section 3 of `facts.md` beside this file where no other is named."""

from __future__ import annotations

from postprober.domain.limits import MIB, GifRule, ImageRule, Limits, PollRule, VideoRule
from postprober.platforms.mastodon import text
from postprober.platforms.mastodon.about import ABOUT
from postprober.platforms.mastodon.options import LONGEST_POLL, SHORTEST_POLL


def _length(limits: Limits, words: str) -> int:
    return text.length(words, url_length=limits.url_length or 0)


# What an instance allows when it does not say otherwise (Mastodon 4.x, GET /api/v2/instance).
LIMITS = Limits(
    platform=ABOUT.platform,
    max_length=500,
    count=_length,
    unit="characters",
    url_length=23,
    max_alt=1500,
    threads=True,
    images=ImageRule(4, ("image/jpeg", "image/png", "image/webp"), max_bytes=16 * MIB, max_pixels=33_177_600),
    # app/models/concerns/attachmentable.rb GIF_MATRIX_LIMIT: 1280 by 720, which no instance publishes
    gif=GifRule(max_bytes=16 * MIB, max_pixels=921_600),
    # MediaAttachment MAX_VIDEO_MATRIX_LIMIT: 3840 by 2160; the server re-encodes every codec that ffmpeg reads;
    # MAX_VIDEO_FRAME_RATE
    video=VideoRule(
        ("video/mp4", "video/webm", "video/quicktime"), 1, 99 * MIB, 0, None, max_pixels=8_294_400, max_rate=120
    ),
    poll=PollRule(2, 4, 50, SHORTEST_POLL, LONGEST_POLL),  # app/validators/poll_validator.rb, poll_options_validator.rb
)
