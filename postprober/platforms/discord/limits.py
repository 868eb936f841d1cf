"""What Discord takes, every number with its source: section 3 of `facts.md` beside this file where no other is named."""

from __future__ import annotations

from postprober.domain.limits import H264, MIB, GifRule, ImageRule, Limits, VideoRule
from postprober.platforms.discord.about import ABOUT
from postprober.platforms.discord.options import FORUM_ONLY, POLLS

MAX_FILES = 10
MAX_FILE = 10 * MIB
# Ten pictures have to fit into one request of 25 MiB, with the words: 2.4 MB each is ours.
MAX_PICTURE = 2_400_000

LIMITS = Limits(
    platform=ABOUT.platform,
    max_length=2000,
    # Without a `count` of its own: units of UTF-16. Discord says "characters" and not which; these are the stricter reading.
    unit="characters",
    threads=True,
    max_alt=1024,
    images=ImageRule(
        MAX_FILES, ("image/jpeg", "image/png", "image/webp"), max_bytes=MAX_PICTURE, max_width=4096
    ),  # the width is ours
    gif=GifRule(max_bytes=MAX_FILE),
    # It names no codec: MPEG-4 with H.264 is what every client plays (ours).
    video=VideoRule(("video/mp4",), 1, MAX_FILE, 0, None, H264),
    poll=POLLS,
)
BOT_LACKS = FORUM_ONLY  # facts.md, 2: bots are linked to text and announcement channels
