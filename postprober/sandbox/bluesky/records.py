"""Checking post records the way a PDS does: shape, lengths, facets, embeds. platforms/bluesky/facts.md, 2 and 3."""

import re
from typing import Any

from postprober.sandbox.bluesky.dialect import POSTS, invalid
from postprober.sandbox.engine.operation import Call
from postprober.sandbox.engine.text import graphemes
from postprober.sandbox.engine.timefmt import parse_iso

Json = dict[str, Any]
# https://atproto.com/specs/tid: 13 characters, the first one below 16.
TID = re.compile(r"[234567abcdefghij][234567abcdefghijklmnopqrstuvwxyz]{12}")
_URI = re.compile(
    r"[a-z][a-z.+-]{0,80}:[\x21-\x7e\u0080-\U0010ffff]{1,8192}"
)  # packages/lexicon, validators/formats.ts
# app.bsky.feed.post, app.bsky.embed.images, .external, .video
_MAX_GRAPHEMES, _MAX_BYTES = 300, 3000
_MAX_IMAGE, _MAX_THUMB, _MAX_VIDEO = 2_000_000, 1_000_000, 300_000_000
_MAX_CAPTIONS, _MAX_CAPTION = 20, 20_000
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")
_MAX_IMAGES = {"app.bsky.embed.images": 4, "app.bsky.embed.gallery": 20}


def _wrong(detail: str) -> Exception:
    return invalid(f"Invalid {POSTS} record: {detail}")


def check_post(call: Call, record: Any) -> list[Json]:
    """The media of a valid record. Raises the 400 InvalidRequest refusal."""
    if not isinstance(record, dict) or record.get("$type") != POSTS:
        raise _wrong(f"Record/$type must be {POSTS}")
    text, created = record.get("text"), record.get("createdAt")
    if not isinstance(text, str):
        raise _wrong('Record must have the property "text"')
    if len(text.encode()) > _MAX_BYTES:
        raise _wrong(f"Record/text must not be longer than {_MAX_BYTES} characters")
    if graphemes(text) > _MAX_GRAPHEMES:
        raise _wrong(f"Record/text must not be longer than {_MAX_GRAPHEMES} graphemes")
    if not isinstance(created, str) or "T" not in created or parse_iso(created) is None:
        raise _wrong("Record/createdAt must be an valid atproto datetime (both RFC-3339 and ISO-8601)")
    for name, most in (("langs", 3), ("tags", 8)):
        listed = record.get(name, [])
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise _wrong(f"Record/{name} must be an array")
        if len(listed) > most:
            raise _wrong(f"Record/{name} must not have more than {most} elements")
    _check_facets(record.get("facets", []), len(text.encode()))
    _check_reply(record.get("reply"))
    return _check_embed(call, record.get("embed"))


def _check_facets(facets: Any, size: int) -> None:
    if not isinstance(facets, list):
        raise _wrong("Record/facets must be an array")
    for index, facet in enumerate(facets):
        where = facet.get("index") if isinstance(facet, dict) else None
        start, end = (where.get("byteStart"), where.get("byteEnd")) if isinstance(where, dict) else (None, None)
        if type(start) is not int or type(end) is not int or start < 0 or end < start:
            raise _wrong(f"Record/facets/{index}/index/byteStart must be an integer")
        # A real PDS accepts facets beyond the text and readers drop them: here they are an error, to be noticed.
        if end > size:
            raise _wrong(f"Record/facets/{index}/index/byteEnd lies beyond the text")
        for feature in facet.get("features") or [{}]:
            _check_feature(index, feature)


def _check_feature(index: int, feature: Any) -> None:
    kind = feature.get("$type", "") if isinstance(feature, dict) else ""
    needed = {"link": "uri", "mention": "did", "tag": "tag"}.get(str(kind).removeprefix("app.bsky.richtext.facet#"))
    if needed is None or not isinstance(feature.get(needed), str):
        raise _wrong(f"Record/facets/{index}/features/0 must be a link with uri, a mention with did or a tag with tag")


def _check_reply(reply: Any) -> None:
    if reply is None:
        return
    for end in ("root", "parent"):
        reference = reply.get(end) if isinstance(reply, dict) else None
        if not isinstance(reference, dict) or not {"uri", "cid"} <= set(reference):
            raise _wrong(f'Record/reply/{end} must have the properties "uri" and "cid"')


def _check_embed(call: Call, embed: Any) -> list[Json]:
    if embed is None:
        return []
    if not isinstance(embed, dict) or not str(embed.get("$type", "")).startswith("app.bsky.embed."):
        raise _wrong("Record/embed must be an object which includes the $type property")
    kind = embed["$type"]
    if kind == "app.bsky.embed.recordWithMedia":
        return _check_embed(call, embed.get("media"))
    if kind in _MAX_IMAGES:
        images = embed.get("images") or embed.get("items") or []
        if len(images) > _MAX_IMAGES[kind]:
            raise _wrong(f"Record/embed/images must not have more than {_MAX_IMAGES[kind]} elements")
        return [_media(call, i.get("image"), i.get("alt"), "image", _MAX_IMAGE) for i in images]
    if kind == "app.bsky.embed.video":
        video = _media(call, embed.get("video"), embed.get("alt", ""), "video", _MAX_VIDEO)
        return [video | {"captions": _captions(call, embed)}]
    if kind == "app.bsky.embed.external":
        _check_external(embed.get("external"))
        if "thumb" in embed["external"]:
            _media(call, embed["external"]["thumb"], "", "image", _MAX_THUMB)
    return []


def _captions(call: Call, embed: Json) -> list[str]:
    """The languages of a video's captions (lexicon app.bsky.embed.video). A fault may lose them."""
    told = embed.get("captions") or []
    if not isinstance(told, list) or len(told) > _MAX_CAPTIONS:
        raise _wrong(f"Record/embed/captions must not have more than {_MAX_CAPTIONS} elements")
    for one in told:
        if not isinstance(one, dict) or not {"lang", "file"} <= set(one):
            raise _wrong('Record/embed/captions/0 must have the properties "lang" and "file"')
        if not _LANGUAGE.fullmatch(str(one["lang"])):
            raise _wrong("Record/embed/captions/0/lang must be a well-formed BCP 47 language tag")
        _media(call, one["file"], "", "subtitles", _MAX_CAPTION)
    if told and call.take("captions_dropped"):
        del embed["captions"]
        told = []
    return [str(one["lang"]) for one in told]


def _check_external(external: Any) -> None:
    """Lexicon app.bsky.embed.external."""
    if not isinstance(external, dict) or not {"uri", "title", "description"} <= set(external):
        raise _wrong('Record/embed/external must have the properties "uri", "title" and "description"')
    for name in ("uri", "title", "description"):
        if not isinstance(external[name], str):
            raise _wrong(f"Record/embed/external/{name} must be a string")
    if not _URI.fullmatch(external["uri"]):
        raise _wrong("Record/embed/external/uri must be a uri")


def card_of(call: Call, record: Json) -> Json | None:
    """The link card of a valid record."""
    embed = record.get("embed") or {}
    while embed.get("$type") == "app.bsky.embed.recordWithMedia":
        embed = embed["media"]
    if embed.get("$type") != "app.bsky.embed.external":
        return None
    external = embed["external"]
    thumb = _media(call, external["thumb"], "", "image", _MAX_THUMB)["sha256"] if "thumb" in external else ""
    return {name: external[name] for name in ("uri", "title", "description")} | {"sha256": thumb}


def as_kept(record: Json, card: Json | None) -> Json:
    """The record as the server keeps it: a fault may have lost its card, or the picture of that."""
    embed = record.get("embed") or {}
    if embed.get("$type") != "app.bsky.embed.external":
        return record
    if card is None:
        return {name: value for name, value in record.items() if name != "embed"}
    if card["sha256"]:
        return record
    external = {name: value for name, value in embed["external"].items() if name != "thumb"}
    return {**record, "embed": {**embed, "external": external}}


def _media(call: Call, blob: Any, alt: Any, kind: str, most: int) -> Json:
    """One blob as media of the post. A blob must have been uploaded by the account before."""
    if not isinstance(blob, dict) or blob.get("$type") != "blob" or not isinstance(blob.get("ref"), dict):
        raise _wrong("Record/embed must reference a blob")
    if not isinstance(alt, str):
        raise _wrong('Record/embed/images/0 must have the property "alt"')
    stored = call.world.media_of("bluesky", f"{call.owner.name}/{blob['ref'].get('$link')}")
    if stored is None or stored.fails:
        raise invalid(f"Could not find blob: {blob['ref'].get('$link')}")
    if blob.get("size") != stored.size or stored.size > most:
        raise invalid(f"This file is too large. It is {stored.size} bytes but the maximum size is {most}.")
    if stored.kind not in (kind, "gif"):
        raise invalid(f"Wrong type of file. It is {stored.mime} but it must match {kind}/*.")
    return {"kind": stored.kind, "alt": alt, "sha256": stored.sha256}
