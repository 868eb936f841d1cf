"""What Bluesky takes, every number with its source: section 3 of `facts.md` beside this file where no other is named."""

from __future__ import annotations

from postprober.domain.card import MAX_DESCRIPTION, MAX_TITLE
from postprober.domain.limits import H264, MB, CardRule, ImageRule, Limits, SubtitleRule, VideoRule
from postprober.platforms.bluesky.about import ABOUT

LIMITS = Limits(
    platform=ABOUT.platform,
    max_length=300,  # lexicon app.bsky.feed.post maxGraphemes
    unit="graphemes",
    max_bytes=3000,  # lexicon maxLength
    max_alt=2000,  # the lexicon has no limit; 2,000 is what the official app takes (social-app MAX_ALT_TEXT)
    threads=True,
    # lexicon app.bsky.embed.external: a picture of 1,000,000 bytes; title and description have no limit, so these are ours
    card=CardRule(MAX_TITLE, MAX_DESCRIPTION, max_bytes=1_000_000),
    # lexicon app.bsky.embed.gallery: 10 images for now, 2,000,000 bytes each; 2,000 pixels is what the official app sends
    images=ImageRule(10, ("image/jpeg", "image/png", "image/webp"), max_bytes=2_000_000, max_width=2000),
    # lexicon app.bsky.embed.video; 3 minutes and H.264: official app
    subtitles=SubtitleRule(20, 20_000),  # the same lexicon: captions and caption.file
    video=VideoRule(("video/mp4",), 1, 300 * MB, 0, 180, H264),
)
