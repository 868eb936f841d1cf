"""What Mastodon's statuses and Bluesky's records say of their media and links; their authors and strangers read the same."""

from __future__ import annotations

from postprober.domain.nested import dig, list_at, text_at
from postprober.domain.remote import RemoteMedia


def mastodon_media(item: object) -> RemoteMedia:
    """A MediaAttachment entity (docs.joinmastodon.org/entities/MediaAttachment; `gifv` is a GIF made a video). Servers that
    do not make videos of GIFs call them images."""
    kind = {"gifv": "gif", "video": "video", "image": "image"}.get(text_at(item, "type"), text_at(item, "type"))
    if kind == "image" and text_at(item, "url").split("?")[0].lower().endswith(".gif"):
        kind = "gif"
    return RemoteMedia(kind, text_at(item, "description"))


def bluesky_media(embed: object) -> tuple[RemoteMedia, ...]:
    """The media of a record's embed (lexicons app.bsky.embed.*)."""
    while text_at(embed, "$type") == "app.bsky.embed.recordWithMedia":
        embed = dig(embed, "media")
    kind = text_at(embed, "$type")
    if kind == "app.bsky.embed.video":
        return (RemoteMedia("video", text_at(embed, "alt")),)
    name = {"app.bsky.embed.images": "images", "app.bsky.embed.gallery": "items"}.get(kind, "")
    return tuple(RemoteMedia("image", text_at(item, "alt")) for item in list_at(embed, name))


def bluesky_links(value: object) -> tuple[str, ...]:
    """Where the links of a record lead."""
    features = (feature for facet in list_at(value, "facets") for feature in list_at(facet, "features"))
    return tuple(uri for feature in features if (uri := text_at(feature, "uri")))
