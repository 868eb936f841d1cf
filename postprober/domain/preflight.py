"""What a platform would refuse or spoil, said before anything is queued.

Images that can be made to fit by shrinking or re-encoding are no violation: the adapters do that when they send. Videos that
can be converted are a note. What a person has to decide (another picture, another crop, fewer words, a shorter video) is one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import ceil

from postprober.domain import crops, video
from postprober.domain.limits import DocumentRule, ImageRule, Limits, VideoRule
from postprober.domain.options import fields_of
from postprober.domain.platform import NAMES, described, document_takers
from postprober.domain.post import Conversion, Draft, MediaFile, MediaKind, Part, Preflight, PreflightNote, Violation
from postprober.domain.subtitles import language_in
from postprober.domain.text import find_cashtags, utf8_length
from postprober.domain.video import VideoFault

# Types that Pillow reads and so can be turned into what a platform takes.
READABLE_IMAGES = frozenset(
    {
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/gif",
        "image/bmp",
        "image/tiff",
        "image/x-ms-bmp",
        "image/heic",
        "image/avif",
    }
)
MAX_SOURCE_PIXELS = 64_000_000  # our bound against decompression bombs; larger pictures are not opened at all
RATIO_SLACK = 0.005  # one pixel of rounding on a side of 320 changes 1.91 by about this much
_ALLOWED_CONTROLS = "\n\r\t"
Found = Violation | PreflightNote | Conversion  # what is said of one file
_NONCHARACTER = 0xFFFE  # U+nFFFE and U+nFFFF of every plane


def check(draft: Draft, limits: Limits) -> Preflight:
    """Everything in `draft` that `limits` does not allow, in reading order. Pure."""
    asked = described(limits.platform).options.of(draft.options)
    limits = asked.limits(limits)
    violations: list[Violation] = []
    notes: list[PreflightNote] = []
    conversions: list[Conversion] = []
    if limits.subtitles is None:
        draft, left_out = _without_subtitles(draft, limits)
        notes.extend(left_out)
    if not draft.parts:
        violations.append(Violation("text_empty", "Write something or add a picture: the post is empty."))
    if len(draft.parts) > 1 and not limits.threads:
        message = f"Make it one post: {_name(limits)} has no threads, and this has {len(draft.parts)} parts."
        violations.append(Violation("thread_unsupported", message, len(draft.parts) - 1))
    longest, limit = 0, limits.of_part(with_media=any(part.media for part in draft.parts[:1])).max_length
    for index, whole in enumerate(draft.parts):
        part = replace(whole, media=crops.applied(whole.media, draft.options)) if index == 0 else whole
        own = limits.of_part(with_media=bool(part.media))
        length = limits.length(part.text)
        if length - own.max_length > longest - limit:
            longest, limit = length, own.max_length
        sent = replace(part, media=asked.posted(part.media))
        found = [*_text(part, length, own), *_media(sent, limits), *_subtitles(part, limits, draft.language)]
        where = f"Part {index + 1}: " if len(draft.parts) > 1 else ""
        violations.extend(
            Violation(v.code, where + v.message, v.over, index) for v in found if isinstance(v, Violation)
        )
        notes.extend(PreflightNote(n.code, where + n.message, index) for n in found if isinstance(n, PreflightNote))
        conversions.extend(one for one in found if isinstance(one, Conversion))
    violations.extend(_lacking(draft, limits))
    violations.extend(crops.problems(draft.parts[0].media if draft.parts else (), draft.options))
    for one in asked.problems(draft, limits):
        if isinstance(one, PreflightNote):
            notes.append(one)
        else:
            violations.append(one)
    return Preflight(limits.platform.value, longest, limit, tuple(violations), tuple(notes), tuple(conversions))


def _lacking(draft: Draft, limits: Limits) -> Iterator[Violation]:
    """Options that the platform has, and the server of this account or the way it is linked has not."""
    for one in fields_of(described(limits.platform).options):
        if one.name in limits.lacks and one.name in draft.options:
            yield Violation(
                "option_unsupported", f"Leave out “{one.title}”: {_name(limits)} does not offer it to this account."
            )


def _name(limits: Limits) -> str:
    return limits.server or NAMES[limits.platform]


def _text(part: Part, length: int, limits: Limits) -> Iterator[Violation]:
    text, name = part.text, _name(limits)
    if not text.strip() and not part.media and not limits.media_required:
        yield Violation("text_empty", "Write something or add a picture: the post is empty.")
    unusable = _unusable(text)
    if unusable:
        points = ", ".join(f"U+{ord(char):04X}" for char in unusable[:3])
        yield Violation("text_unusable", f"Remove invisible control characters from the text ({points}).")
    if length > limits.max_length:
        over = length - limits.max_length
        message = f"Shorten the text by {_count(over, 'character')}: {name} allows {limits.max_length:,} and this"
        longer = f" {limits.longer}" if limits.longer else ""
        yield Violation("text_too_long", f"{message} counts {length:,}.{longer}", over)
    size = utf8_length(text)
    if limits.max_bytes is not None and size > limits.max_bytes:
        over = size - limits.max_bytes
        message = f"Shorten the text by {_count(over, 'byte')}: {name} allows {limits.max_bytes:,} bytes"
        yield Violation("too_many_bytes", f"{message} and this has {size:,}.", over)
    yield from _tags(text, limits)


def _tags(text: str, limits: Limits) -> Iterator[Violation]:
    rules = (
        ("too_many_hashtags", "hashtag", limits.max_hashtags, limits.hashtags),
        ("too_many_mentions", "mention", limits.max_mentions, limits.mentions),
        ("too_many_cashtags", "cashtag", limits.max_cashtags, _cashtags),
    )
    for code, word, most, count in rules:
        if most is None or (have := count(text)) <= most:
            continue
        message = f"Remove {_count(have - most, word)}: {_name(limits)} allows {most} and this has {have}."
        yield Violation(code, message, have - most)


def _cashtags(text: str) -> int:
    return len(find_cashtags(text))


def _unusable(text: str) -> list[str]:
    """Control characters, lone surrogates and noncharacters (the latter are refused: docs/facts.md, 8)."""
    return sorted(
        {
            char
            for char in text
            if (unicodedata.category(char) in ("Cc", "Cs") and char not in _ALLOWED_CONTROLS)
            or char == "\ufeff"
            or ord(char) & _NONCHARACTER == _NONCHARACTER
        }
    )


def _media(part: Part, limits: Limits) -> Iterator[Found]:
    name = _name(limits)
    images = [m for m in part.media if m.kind is MediaKind.IMAGE]
    gifs = [m for m in part.media if m.kind is MediaKind.GIF]
    videos = [m for m in part.media if m.kind is MediaKind.VIDEO]
    if limits.media_required and not part.media:
        yield Violation("media_required", f"Add a picture or a video: {name} takes no post without one.")
    counted, what = (images + videos, "file") if limits.mixed else (images, "picture")
    if (over := len(counted) - limits.images.max_count) > 0:
        message = f"Remove {_count(over, what)}: {name} takes {limits.images.max_count}"
        yield Violation("too_many_images", f"{message} and this has {len(counted)}.", over)
    alone = (("too_many_gifs", "GIF", gifs), ("too_many_videos", "video", [] if limits.mixed else videos))
    for code, word, files in alone:
        if len(files) > 1:
            message = f"Remove {_count(len(files) - 1, word)}: {name} takes one per post and this has {len(files)}."
            yield Violation(code, message, len(files) - 1)
    if sum(bool(kind) for kind in ((counted, gifs) if limits.mixed else (images, gifs, videos))) > 1:
        yield Violation("mixed_media", f"Choose pictures, one GIF or one video: {name} does not take them together.")
    yield from _documents([m for m in part.media if m.kind is MediaKind.DOCUMENT], len(part.media), limits)
    for number, file in enumerate(part.media, start=1):
        label = f"file {number}" if len(part.media) > 1 else "the file"
        yield from _file(file, label, limits)


def _without_subtitles(draft: Draft, limits: Limits) -> tuple[Draft, list[PreflightNote]]:
    """What goes to a platform that takes none: the video without them."""
    parts = tuple(replace(part, media=without_subtitles(part.media)) for part in draft.parts)
    if parts == draft.parts:
        return draft, []
    message = f"The subtitles are left out: on {_name(limits)} they are not sent."
    return replace(draft, parts=parts), [PreflightNote("subtitles_left_out", message)]


def without_subtitles(files: Iterable[MediaFile]) -> tuple[MediaFile, ...]:
    """The files that are shown themselves."""
    return tuple(file for file in files if file.kind is not MediaKind.SUBTITLES)


def _subtitles(part: Part, limits: Limits, language: str) -> Iterator[Violation]:
    tracks = [file for file in part.media if file.kind is MediaKind.SUBTITLES]
    rule, name = limits.subtitles, _name(limits)
    if not tracks or rule is None:
        return
    if not any(file.kind is MediaKind.VIDEO for file in part.media):
        yield Violation("subtitles_without_video", "Add the video that the subtitles are for, or remove them.")
    if (over := len(tracks) - rule.max_files) > 0:
        message = (
            f"Remove {_count(over, 'file')} of subtitles: {name} takes {rule.max_files} and this has {len(tracks)}."
        )
        yield Violation("too_many_subtitles", message, over)
    spoken: set[str] = set()
    for file in tracks:
        tag = (language_in(file.name) or language).lower()
        if not tag:
            message = f"Name the language of {file.name or 'the subtitles'}: in the file's name, as in talk.en.vtt, or for the post."
            yield Violation("subtitles_language", message)
        elif tag in spoken:
            yield Violation("subtitles_twice", f"Remove one file of subtitles in {tag}: there are two.")
        spoken.add(tag)
        if (over := file.size - rule.max_bytes) > 0:
            message = f"Shorten {file.name or 'the subtitles'} by {_count(over, 'byte')}: {name} takes {rule.max_bytes:,} and it has"
            yield Violation("subtitles_too_large", f"{message} {file.size:,}.", over)


def _documents(documents: list[MediaFile], files: int, limits: Limits) -> Iterator[Violation]:
    """Of the files of a part: whether there is one document at most, alone, where one is taken."""
    if not documents:
        return
    name = _name(limits)
    if limits.document is None:
        takers = document_takers()
        hint = f"; use {takers}, or add its pages as pictures" if takers else ""
        message = f"Remove {documents[0].name or 'the document'}: documents are not posted on {name}{hint}."
        yield Violation("document_unsupported", message)
        return
    if (over := len(documents) - 1) > 0:
        message = f"Remove {_count(over, 'document')}: {name} takes one per post and this has {len(documents)}."
        yield Violation("too_many_documents", message, over)
    if files > len(documents):
        yield Violation("mixed_media", f"Choose the document or the other files: {name} does not take them together.")


_OFFICE = "application/vnd.openxmlformats-officedocument"
_DOCUMENTS = {
    "application/pdf": "PDF",
    "application/msword": "DOC",
    f"{_OFFICE}.wordprocessingml.document": "DOCX",
    "application/vnd.ms-powerpoint": "PPT",
    f"{_OFFICE}.presentationml.presentation": "PPTX",
}


def _document(file: MediaFile, label: str, rule: DocumentRule, name: str) -> Iterator[Violation]:
    if file.mime not in rule.mimes:
        taken = ", ".join(_DOCUMENTS.get(mime, mime) for mime in rule.mimes)
        have = _DOCUMENTS.get(file.mime, file.mime)
        yield Violation("document_type", f"Save {label} as one of {taken}: {name} takes no {have}.")
    if file.size > rule.max_bytes:
        yield _too_large("document_too_large", file, label, rule.max_bytes, name)
    if file.pages is not None and (over := file.pages - rule.max_pages) > 0:
        message = f"Remove {_count(over, 'page')} from {label}: {name} takes {rule.max_pages} and it has"
        yield Violation("document_too_long", f"{message} {file.pages:,}.", over)


def _file(file: MediaFile, label: str, limits: Limits) -> Iterator[Found]:
    if file.kind is MediaKind.DOCUMENT:
        if limits.document is not None:
            yield from _document(file, label, limits.document, _name(limits))
        return
    if file.kind is MediaKind.SUBTITLES:
        return
    if limits.max_alt is not None and len(file.alt) > limits.max_alt:
        over = len(file.alt) - limits.max_alt
        message = f"Shorten the description of {label} by {_count(over, 'character')}: {_name(limits)} allows"
        yield Violation("alt_too_long", f"{message} {limits.max_alt:,} and it has {len(file.alt):,}.", over)
    if file.kind is MediaKind.VIDEO:
        yield from _video(file, label, limits)
    elif file.kind is MediaKind.GIF:
        yield from _gif(file, label, limits)
    else:
        yield from _image(file, label, limits.images, _name(limits))


def _image(file: MediaFile, label: str, rule: ImageRule, name: str) -> Iterator[Violation]:
    if file.mime not in READABLE_IMAGES:
        yield Violation("image_type", f"Save {label} as JPEG or PNG: {name} cannot show {file.mime}.")
        return
    pixels = file.width * file.height
    if pixels > MAX_SOURCE_PIXELS:
        over = pixels - MAX_SOURCE_PIXELS
        message = f"Make {label} smaller: it has {pixels / 1e6:.0f} megapixels and we open at most"
        yield Violation("image_too_large", f"{message} {MAX_SOURCE_PIXELS // 1_000_000}.", over)
    if file.width < rule.min_width:
        message = f"Use a wider picture for {label}: {name} wants at least {rule.min_width} pixels"
        yield Violation("image_too_small", f"{message} and it has {file.width}.", rule.min_width - file.width)
    yield from _sides(file, label, rule, name)
    if file.height < 1 or not _ratio_fits(file.width / file.height, rule):
        message = f"Crop {label}: it is {file.width} by {file.height} pixels, and {name} takes pictures from"
        low, high = rule.min_ratio or 0.0, rule.max_ratio or 0.0
        yield Violation("image_ratio", f"{message} {low:g} to {high:g} times as wide as high.")


def _sides(file: MediaFile, label: str, rule: ImageRule, name: str) -> Iterator[Violation]:
    """Whether both sides lie within the rule once the picture is as wide as it is sent."""
    scale = min(1.0, rule.max_width / file.width) if rule.max_width and file.width else 1.0
    low, high = (int(side * scale) for side in sorted((file.width, file.height)))
    if low < rule.min_side:
        message = f"Use a larger picture for {label}: {name} takes at least {rule.min_side} by {rule.min_side} pixels"
        yield Violation("image_too_small", f"{message} and it is {file.width} by {file.height}.", rule.min_side - low)
    if rule.max_side is not None and high > rule.max_side:
        message = f"Make {label} smaller: {name} takes pictures up to {rule.max_side:,} by {rule.max_side:,} pixels"
        yield Violation("image_dimensions", f"{message} and it is {file.width} by {file.height}.", high - rule.max_side)


def _ratio_fits(ratio: float, rule: ImageRule) -> bool:
    low = rule.min_ratio is None or ratio >= rule.min_ratio - RATIO_SLACK
    return low and (rule.max_ratio is None or ratio <= rule.max_ratio + RATIO_SLACK)


def _gif(file: MediaFile, label: str, limits: Limits) -> Iterator[Found]:
    rule, name = limits.gif, _name(limits)
    if rule is None and limits.video is not None and file.converts and file.duration is not None:
        yield from _moving(file, label, limits.video, name)
        return
    if rule is None:
        hint = f"; {file.hint}" if file.hint and limits.video is not None else ""
        message = f"Use a still picture or a video for {label}: {name} shows no moving GIF{hint}."
        yield Violation("gif_unsupported", message)
        return
    if file.size > rule.max_bytes:
        yield _too_large("gif_too_large", file, label, rule.max_bytes, name)
    wide, high = file.width - (rule.max_width or file.width), file.height - (rule.max_height or file.height)
    if wide > 0 or high > 0:
        message = f"Make {label} smaller: {name} takes GIFs up to {rule.max_width} by {rule.max_height} pixels"
        yield Violation("gif_dimensions", f"{message} and it is {file.width} by {file.height}.", max(wide, high))
    yield from _area("gif_dimensions", "GIFs", file, label, rule.max_pixels, name)
    if rule.max_frames is not None and file.frames is not None and file.frames > rule.max_frames:
        over = file.frames - rule.max_frames
        message = f"Shorten {label} by {_count(over, 'frame')}: {name} takes {rule.max_frames} and it has"
        yield Violation("gif_frames", f"{message} {file.frames:,}.", over)


def _area(code: str, what: str, file: MediaFile, label: str, most: int | None, name: str) -> Iterator[Violation]:
    pixels = file.width * file.height
    if most is not None and pixels > most:
        message = f"Make {label} smaller: {name} takes {what} of up to {most / 1e6:.1f} megapixels"
        size = f"it is {file.width} by {file.height}, {pixels / 1e6:.1f} megapixels"
        yield Violation(code, f"{message} and {size}.", pixels - most)


def _video(file: MediaFile, label: str, limits: Limits) -> Iterator[Found]:
    rule, name = limits.video, _name(limits)
    if rule is None:
        yield Violation("video_unsupported", f"Remove the video: {name} takes no videos here.")
        return
    if file.damage:
        yield _damaged(file, label)
    found = video.faults(file, label, rule, name)
    hard = [fault for fault in found if not fault.curable]
    if not hard or not file.converts:  # what goes nowhere is not converted
        yield from _cured(file, label, rule, name, [fault for fault in found if fault.curable])
    yield from (Violation(f.code, f"{f.message}.", f.over) for f in hard)


def _damaged(file: MediaFile, label: str) -> Violation:
    return Violation("video_damaged", f"Export {label} again, or choose another one: {file.damage}.")


def _cured(file: MediaFile, label: str, rule: VideoRule, name: str, found: list[VideoFault]) -> Iterator[Found]:
    """What converting mends, as a note; as violations where it cannot be converted."""
    if not found:
        return
    if not file.converts:
        hint = f"; {file.hint}" if file.hint and not file.damage else ""
        yield from (Violation(f.code, f"{f.message}{hint}.", f.over) for f in found)
        return
    target = video.target(file, rule)
    if target is None:
        yield _never_small(file, label, rule, name)
        return
    reasons = "; ".join(fault.clause for fault in found)
    yield PreflightNote("video_converted", f"{label[:1].upper()}{label[1:]} is converted before it is sent: {reasons}.")
    yield Conversion(file.id, target)


def _never_small(file: MediaFile, label: str, rule: VideoRule, name: str) -> Violation:
    seconds = file.duration or 0.0
    over = ceil(seconds - video.longest(rule))
    message = f"Cut {label} by {_count(max(1, over), 'second')}: {name} takes {rule.max_bytes / 1e6:.0f} MB"
    return Violation("video_too_large", f"{message}, and {seconds:,.0f} seconds cannot be made that small.", over)


def _moving(file: MediaFile, label: str, rule: VideoRule, name: str) -> Iterator[Found]:
    """An animation for a platform that shows videos only."""
    silent = video.as_video(file)
    target = video.target(silent, rule)
    hard = [fault for fault in video.faults(silent, label, rule, name) if not fault.curable]
    yield from (Violation(f.code, f"{f.message}.", f.over) for f in hard)
    if hard:
        return
    if target is None:
        yield _never_small(silent, label, rule, name)
        return
    what = f"{label[:1].upper()}{label[1:]}"
    yield PreflightNote("gif_converted", f"{what} is sent as a video without sound: {name} shows no moving GIF.")
    yield Conversion(file.id, target)


def _too_large(code: str, file: MediaFile, label: str, most: int, name: str) -> Violation:
    over = file.size - most
    message = f"Make {label} smaller by {over / 1e6:.1f} MB: {name} takes {most / 1e6:.0f} MB and it has"
    return Violation(code, f"{message} {file.size / 1e6:.1f} MB.", over)


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
