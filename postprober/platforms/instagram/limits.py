"""What Instagram takes, every number with its source: section 3 of `facts.md` beside this file where no other is named."""

from __future__ import annotations

from postprober.domain.limits import AAC, H264, MB, ImageRule, Limits, VideoRule
from postprober.platforms.instagram.about import ABOUT
from postprober.platforms.instagram.text import hashtags, mentions

LIMITS = Limits(
    platform=ABOUT.platform,
    max_length=2200,
    find_mentions=mentions,
    find_hashtags=hashtags,
    unit="characters",
    max_hashtags=30,
    max_mentions=20,
    max_alt=1000,
    media_required=True,  # text-only posts are impossible
    # JPEG, 8 MB, 320 to 1440 pixels wide, 4:5 to 1.91:1. A carousel takes 2 to 10, pictures and videos.
    mixed=True,
    images=ImageRule(
        10, ("image/jpeg",), max_bytes=8 * MB, min_width=320, max_width=1440, min_ratio=0.8, max_ratio=1.91
    ),
    # Reels: 3 s to 15 min, 300 MB, H.264 or HEVC (4:2:0; phones record HEVC with 10 bits), AAC, 23 to
    # 60 a second, up to 1920 wide, 0.01:1 to 10:1
    video=VideoRule(
        ("video/mp4", "video/quicktime"),
        1,
        300 * MB,
        3,
        900,
        (*H264, "hevc", "hevc 10-bit"),
        audio=AAC,
        max_khz=48,
        min_rate=23,
        max_rate=60,
        max_width=1920,
        min_ratio=0.01,
        max_ratio=10,
    ),
)
