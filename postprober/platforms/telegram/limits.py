"""What Telegram takes, every number with its source: section 3 of `facts.md` beside this file where no other is named."""

from __future__ import annotations

from postprober.domain.limits import H264, MB, GifRule, ImageRule, Limits, VideoRule
from postprober.platforms.telegram.about import ABOUT

LIMITS = Limits(
    platform=ABOUT.platform,
    max_length=4096,  # sendMessage, text
    max_with_media=1024,  # sendPhoto, caption
    # Without a `count` of its own: units of UTF-16, in which Telegram measures entities. We send no entities and no
    # markup, so what is counted "after entities parsing" is the text itself.
    unit="characters",
    threads=True,
    # sendMediaGroup: 2 to 10. A photo: 10 MB, width and height 10,000 together, 20 times as long as wide at most. 2,560
    # is ours: no source was seen for the largest size that Telegram keeps; the sides then stay below 10,000 together.
    images=ImageRule(
        10, ("image/jpeg", "image/png"), max_bytes=10 * MB, max_width=2560, min_ratio=0.05, max_ratio=20, max_side=7440
    ),
    gif=GifRule(max_bytes=50 * MB),  # sendAnimation
    # sendVideo: MPEG-4, 50 MB. It names no codec: H.264 is what every client plays.
    video=VideoRule(("video/mp4",), 1, 50 * MB, 0, None, H264),
)
