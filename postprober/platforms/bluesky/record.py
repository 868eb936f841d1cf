"""Records of `app.bsky.feed.post`: keys, facets, embeds, and reading them back. Pure.

Sources: lexicons of https://github.com/bluesky-social/atproto, https://atproto.com/specs/tid; see
bluesky/facts.md, 2 and 3.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import regex  # type: ignore[import-untyped,unused-ignore]

from postprober.clock import utc_iso
from postprober.domain.card import LinkCard
from postprober.domain.links import whole_links
from postprober.domain.post import MediaKind
from postprober.domain.remote import PartJob, Ref, RemotePost
from postprober.domain.text import Span, grapheme_edges, utf8_length
from postprober.platforms.bluesky import records
from postprober.platforms.bluesky.options import BlueskyOptions, told
from postprober.platforms.common.replies import dig, parse_time, text_at

COLLECTION = "app.bsky.feed.post"
MOST_IMAGES = 4  # lexicon app.bsky.embed.images; more are a gallery, which older apps do not show
MAX_TAG, MAX_TAG_BYTES = 64, 640  # UTF-16 units (the official client); bytes: lexicon app.bsky.richtext.facet#tag
_NO_TAG = r"\s\u00ad\u2060\u200a\u200b\u200c\u200d\u20e2"
_TAG = regex.compile(rf"(?:^|(?<=\s))([#＃](?!\ufe0f)[^{_NO_TAG}]*[^\d\p{{P}}{_NO_TAG}][^{_NO_TAG}]*)")
_TAG_END = regex.compile(r"(?<=.)\p{P}+$")
# What the lexicon's format `uri` takes: after the slashes there is something (@atproto/syntax, ensureValidUri).
_WITH_SCHEME = re.compile(r"https?://[^\s/?#]", re.IGNORECASE)
_GOES_ON = re.compile(r"\.?[A-Za-z0-9]")  # `website.com.jpg` is no link to website.com
_BASE32 = "234567abcdefghijklmnopqrstuvwxyz"  # https://atproto.com/specs/tid: base32-sortable
# A handle is a host name of at least two labels (https://atproto.com/specs/handle); "@" after a blank or bracket.
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_MENTION = re.compile(rf"(?:^|(?<=[\s(（]))@({_LABEL}(?:\.{_LABEL})*\.[a-zA-Z](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)")


def tid(key: str, index: int, composed_at: datetime) -> str:
    """The record key of part `index` of delivery `key`: a TID of that moment, always the same for the same arguments.

    53 bits of microseconds: the millisecond of `composed_at`, one more for each part so that a thread sorts in order,
    and below it three digits from the key. 10 bits of clock id from key and index. Two deliveries of one account meet
    only in the same millisecond with odds of one in a million; even then `swapRecord` stops the second.
    """
    milliseconds = int(composed_at.timestamp() * 1000) + index
    spread = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % 1000
    clock_id = int.from_bytes(hashlib.sha256(f"{key}/{index}".encode()).digest()[:2], "big") & 0x3FF
    number = ((milliseconds * 1000 + spread) << 10 | clock_id) & (2**63 - 1)
    return "".join(_BASE32[number >> shift & 31] for shift in range(60, -1, -5))


def facets(text: str, resolve: Callable[[str], str | None]) -> list[dict[str, object]]:
    """Links, mentions and hashtags of `text` with their UTF-8 byte ranges, in order.

    `resolve` gives the DID of a handle; a mention without one stays plain text.
    """
    edges = grapheme_edges(text)
    found: list[tuple[Span, dict[str, str]]] = []

    def add(span: Span, feature: dict[str, str]) -> None:
        """What was found first stays; a facet that ends inside a character would tear it."""
        apart = all(span.end <= other.start or span.start >= other.end for other, _ in found)
        if apart and span.start in edges and span.end in edges:
            found.append((span, feature))

    links = whole_links(text)
    for span in links:
        if _WITH_SCHEME.match(span.text):
            add(span, _link(span.text))
    for match in _MENTION.finditer(text):
        did = resolve(match[1])
        if did:
            span = Span(match.start(), match.end(), match[0])
            add(span, {"$type": "app.bsky.richtext.facet#mention", "did": did})
    for span in links:
        if "://" not in span.text and not _GOES_ON.match(text, span.end):
            add(span, _link(f"https://{span.text}"))
    for span in hashtags(text):
        add(span, {"$type": "app.bsky.richtext.facet#tag", "tag": span.text[1:]})
    found.sort(key=lambda item: item[0].start)
    return [{"index": _byte_slice(text, span), "features": [feature]} for span, feature in found]


def _link(uri: str) -> dict[str, str]:
    return {"$type": "app.bsky.richtext.facet#link", "uri": uri}


def hashtags(text: str) -> list[Span]:
    """As the official client finds them: after a blank, up to the next one, emoji and hyphens too, without punctuation
    at the end (@atproto/api, rich-text/util.ts TAG_REGEX)."""
    spans = (Span(m.start(1), m.end(1), _TAG_END.sub("", m[1])) for m in _TAG.finditer(text))
    return [
        Span(span.start, span.start + len(span.text), span.text)
        for span in spans
        if 0 < _utf16(span.text[1:]) <= MAX_TAG and utf8_length(span.text[1:]) <= MAX_TAG_BYTES
    ]


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _byte_slice(text: str, span: Span) -> dict[str, int]:
    return {"byteStart": utf8_length(text[: span.start]), "byteEnd": utf8_length(text[: span.end])}


def build_record(
    job: PartJob,
    found: Sequence[Mapping[str, object]],
    blobs: Sequence[tuple[object, int, int]],
    quote: Ref | None = None,
    thumb: object = None,
    captions: Sequence[Mapping[str, object]] = (),
) -> dict[str, object]:
    """The record for `job`; the same job gives the same record, so that a repeat changes nothing.

    `blobs`: for each file of `job.media` the uploaded blob, and its width and height in pixels. `quote`: the post that it quotes.
    `thumb`: the uploaded picture of its link card, None where it has none; media come before a card.
    """
    record: dict[str, object] = {"$type": COLLECTION, "text": job.text, "createdAt": utc_iso(job.composed_at)}
    if found:
        record["facets"] = [dict(facet) for facet in found]
    options = BlueskyOptions.of(job.options)
    if options.languages or job.language:
        record["langs"] = list(options.languages) or [job.language]
    if options.content_label:
        values = [{"val": options.content_label}]
        record["labels"] = {"$type": "com.atproto.label.defs#selfLabels", "values": values}
    if job.parent is not None:
        record["reply"] = {"root": _strong_ref(job.root or job.parent), "parent": _strong_ref(job.parent)}
    embed = _embed(job, blobs, captions) if blobs else _external(job.card, thumb) if job.card is not None else None
    if quote is not None:
        reference: dict[str, object] = {"$type": "app.bsky.embed.record", "record": _strong_ref(quote)}
        embed = (
            reference
            if embed is None
            else {"$type": "app.bsky.embed.recordWithMedia", "record": reference, "media": embed}
        )
    if embed is not None:
        record["embed"] = embed
    return record


def _external(card: LinkCard, thumb: object) -> dict[str, object]:
    told: dict[str, object] = {"uri": card.url, "title": card.title, "description": card.description}
    if thumb is not None:
        told["thumb"] = thumb
    return {"$type": records.EXTERNAL, "external": told}


def _strong_ref(ref: Ref) -> dict[str, str]:
    return {"uri": ref.remote_id, "cid": ref.extra.get("cid", "")}


def _embed(
    job: PartJob, blobs: Sequence[tuple[object, int, int]], captions: Sequence[Mapping[str, object]]
) -> dict[str, object]:
    items: list[dict[str, object]] = []
    for file, (blob, width, height) in zip(job.media, blobs, strict=True):
        ratio = {"width": max(1, width), "height": max(1, height)}
        if file.kind is MediaKind.VIDEO:
            spoken = {"captions": list(captions)} if captions else {}
            return {"$type": "app.bsky.embed.video", "video": blob, "alt": file.alt, "aspectRatio": ratio, **spoken}
        items.append({"image": blob, "alt": file.alt, "aspectRatio": ratio})
    if len(items) > MOST_IMAGES:
        typed = [{"$type": "app.bsky.embed.gallery#image", **item} for item in items]
        return {"$type": "app.bsky.embed.gallery", "items": typed}
    return {"$type": "app.bsky.embed.images", "images": items}


def rkey_of(uri: str) -> str:
    """The record key at the end of an at-uri (or of what is stored as one)."""
    return uri.rstrip("/").rpartition("/")[2]


def repo_of(uri: str) -> str:
    """The repository (DID) of an at-uri, "" when it is none."""
    parts = uri.split("/")
    return parts[2] if uri.startswith("at://") and len(parts) > 2 else ""


def post_from(uri: str, cid: str, value: object, url: str) -> RemotePost:
    """A record as getRecord and listRecords give it. Records are public: whoever can reach the server can read them."""
    return RemotePost(
        ref=Ref(uri, url, {"cid": cid}),
        text=text_at(value, "text"),
        created_at=parse_time(dig(value, "createdAt")),
        author_id=repo_of(uri),
        media=records.media(dig(value, "embed")),
        reply_to=text_at(value, "reply", "parent", "uri"),
        links=records.links(value),
        options=told(value),
        cards=records.cards(dig(value, "embed")),
    )
