"""What Nostr takes, every number with its source: section 3 of `facts.md` beside this file where no other is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from postprober.domain.limits import H264, MB, GifRule, ImageRule, Limits, VideoRule
from postprober.domain.post import Draft, Violation
from postprober.domain.preflight import without_subtitles
from postprober.domain.text import utf8_length
from postprober.platforms.nostr.about import ABOUT
from postprober.platforms.nostr.event import hashtags_in, mentions_in

MESSAGE = 16_384  # bytes of a message: the number in NIP-11's own example, for relays that name none
# Ours: what a message has besides its text, in bytes. Keys, id, signature and names of fields take 420; a thread's tags 450;
# the rest is for hashtags, mentions, and the line ends and quotation marks of the text, which JSON writes as two.
BESIDES = 1_200
PER_FILE = 500  # ours: a file's address, which stands there twice, its hash and its type


def code_points(_limits: Limits, text: str) -> int:
    """`max_content_length` counts Unicode characters (NIP-11)."""
    return len(text)


LIMITS = Limits(
    platform=ABOUT.platform,
    max_length=MESSAGE - BESIDES,
    max_with_media=MESSAGE - BESIDES - 4 * PER_FILE,
    max_bytes=MESSAGE - BESIDES,
    unit="characters",
    count=code_points,
    threads=True,
    mixed=True,  # files are addresses in the text, whatever they are
    # Nobody limits them but the media server. Ours: 4 pictures, as most programs show; JPEG, PNG and WebP, which all of them do.
    images=ImageRule(4, ("image/jpeg", "image/png", "image/webp"), max_bytes=10 * MB, max_width=2560),
    gif=GifRule(max_bytes=10 * MB),
    video=VideoRule(("video/mp4",), 1, 100 * MB, 0, None, H264),
    find_mentions=mentions_in,
    find_hashtags=hashtags_in,
)
NO_MEDIA = replace(LIMITS, images=replace(LIMITS.images, max_count=0), gif=None, video=None)


def told_by(documents: list[object], media: bool) -> Limits:
    """The smallest of what the relays' own documents (NIP-11) say, so that each of them takes the post."""
    message = MESSAGE
    named = [one for one in (_number(body, "max_message_length") for body in documents) if one]
    if named and len(named) == len(documents):
        message = min(named)  # each of them says so: then the example's number does not hold
    elif named:
        message = min(MESSAGE, *named)
    lengths = [one for one in (_number(body, "max_content_length") for body in documents) if one]
    content = min(lengths) if lengths else message
    room = max(1, message - BESIDES)
    limits = LIMITS if media else NO_MEDIA
    beside_files = max(1, min(content, room - LIMITS.images.max_count * PER_FILE))
    return replace(limits, max_length=min(content, room), max_bytes=room, max_with_media=beside_files)


def beside_files(draft: Draft, limits: Limits) -> Iterator[Violation]:
    """Parts whose text and descriptions of files leave no room for the files' addresses."""
    for index, part in enumerate(draft.parts):
        files = without_subtitles(part.media)
        said = sum(utf8_length(" ".join(file.alt.split())) for file in files)
        over = utf8_length(part.text) + said + PER_FILE * len(files) - (limits.max_bytes or MESSAGE)
        if files and over > 0:
            told = (
                f"Shorten the text or the descriptions of the files by {over} bytes: a relay takes no larger message."
            )
            yield Violation("too_many_bytes", told, over, index)


def _number(body: object, name: str) -> int:
    limitation = body.get("limitation") if isinstance(body, dict) else None
    value = limitation.get(name) if isinstance(limitation, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else 0
