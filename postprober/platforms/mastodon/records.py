"""What statuses say of their media; their authors and strangers read the same."""

from __future__ import annotations

from postprober.domain.nested import count_at, text_at
from postprober.domain.remote import RemoteMedia


def attachment(item: object) -> RemoteMedia:
    """An attachment of an ActivityStreams object (https://www.w3.org/TR/activitystreams-vocabulary/#dfn-attachment); `name`
    describes it (docs.joinmastodon.org/spec/activitypub/#media)."""
    mime = text_at(item, "mediaType")
    kind = "gif" if mime == "image/gif" else mime.partition("/")[0] or text_at(item, "type").lower()
    return RemoteMedia(kind, text_at(item, "name"))


def media(item: object) -> RemoteMedia:
    """A MediaAttachment entity (docs.joinmastodon.org/entities/MediaAttachment; `gifv` is a GIF made a video). Servers that
    do not make videos of GIFs call them images."""
    kind = {"gifv": "gif", "video": "video", "image": "image"}.get(text_at(item, "type"), text_at(item, "type"))
    if kind == "image" and text_at(item, "url").split("?")[0].lower().endswith(".gif"):
        kind = "gif"
    wide, high = (count_at(item, "meta", "original", name) for name in ("width", "height"))
    return RemoteMedia(kind, text_at(item, "description"), size=(wide, high) if wide and high else None)
