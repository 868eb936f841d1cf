"""What WordPress takes, every number with its source: section 3 of `facts.md` beside this file where no other is named."""

from __future__ import annotations

from postprober.domain.limits import AAC, H264, MB, MIB, GifRule, ImageRule, Limits, VideoRule
from postprober.platforms.wordpress.about import ABOUT

UPLOAD = 8 * MIB - 64 * 1024  # PHP's `post_max_size` is 8M where nobody set it; less the headers (ours)
VIDEO = 64 * MB  # ours: what many hosts allow; no site tells

LIMITS = Limits(
    platform=ABOUT.platform,
    max_length=100_000,  # ours: the database takes 4 GB; a request of this size passes every usual limit
    unit="characters",
    max_alt=1000,  # ours: nothing is documented
    # 2560: larger ones WordPress makes smaller by itself
    images=ImageRule(20, ("image/jpeg", "image/png"), max_bytes=UPLOAD, max_width=2560),
    gif=GifRule(max_bytes=UPLOAD),
    # It is shown as it is: H.264 and AAC play in every browser
    video=VideoRule(("video/mp4",), 1, VIDEO, 0, None, H264, audio=AAC),
)
