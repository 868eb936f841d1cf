"""What X takes, every number with its source: section 3 of `facts.md` beside this file where no other is named."""

from __future__ import annotations

from dataclasses import replace

from postprober.domain.limits import AAC, H264, MB, GifRule, ImageRule, Limits, PollRule, VideoRule
from postprober.domain.text import weighted_length
from postprober.platforms.x.about import ABOUT
from postprober.platforms.x.options import LONGEST_POLL, SHORTEST_POLL

LIMITS = Limits(
    platform=ABOUT.platform,
    max_length=280,  # twitter-text config/v3.json maxWeightedTweetLength
    count=lambda _limits, text: weighted_length(text),
    unit="weighted",
    url_length=23,  # the same, transformedURLLength
    longer="Accounts with X Premium may write 25,000; reconnect the account after subscribing.",
    max_cashtags=1,  # changelog: self-serve apps
    poll=PollRule(2, 4, 25, SHORTEST_POLL, LONGEST_POLL),  # OpenAPI 2.166 TweetCreateRequest.poll
    max_alt=1000,  # OpenAPI 2.167 CreateMediaMetadataMetadataAltText.text.maxLength
    threads=True,
    # 4 images, 5 MB each, 4x4 to 8192x8192 pixels
    images=ImageRule(
        4, ("image/jpeg", "image/png", "image/webp"), max_bytes=5 * MB, max_width=4096, min_side=4, max_side=8192
    ),
    gif=GifRule(max_bytes=15 * MB, max_width=1280, max_height=1080, max_frames=350),
    # H.264 with 4:2:0 in 8 bits, AAC-LC in one or two channels, 60 a second, 32x32 to 1920x1200, 1:3 to 3:1
    video=VideoRule(
        ("video/mp4", "video/quicktime"),
        1,
        512 * MB,
        0.5,
        140,
        H264,
        audio=AAC,
        max_rate=60,
        min_side=32,
        max_long=1920,
        max_short=1200,
        min_ratio=1 / 3,
        max_ratio=3,
    ),
)

# X Premium of any tier: 25,000, in the same weights (help.x.com/using-x/x-premium, longer posts)
LONG = replace(LIMITS, max_length=25_000, longer="")
SHORT = replace(
    LIMITS,
    longer="This account has no subscription for long posts; the limit is 280. A new one is noticed at the next check of the account.",
)
