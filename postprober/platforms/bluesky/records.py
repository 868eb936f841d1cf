"""What records say of their media and links; their authors and strangers read the same."""

from __future__ import annotations

from postprober.domain.nested import dig, list_at, text_at
from postprober.domain.remote import RemoteMedia


def media(embed: object) -> tuple[RemoteMedia, ...]:
    """The media of a record's embed (lexicons app.bsky.embed.*)."""
    while text_at(embed, "$type") == "app.bsky.embed.recordWithMedia":
        embed = dig(embed, "media")
    kind = text_at(embed, "$type")
    if kind == "app.bsky.embed.video":
        return (RemoteMedia("video", text_at(embed, "alt")),)
    name = {"app.bsky.embed.images": "images", "app.bsky.embed.gallery": "items"}.get(kind, "")
    return tuple(RemoteMedia("image", text_at(item, "alt")) for item in list_at(embed, name))


def links(value: object) -> tuple[str, ...]:
    """Where the links of a record lead."""
    features = (feature for facet in list_at(value, "facets") for feature in list_at(facet, "features"))
    return tuple(uri for feature in features if (uri := text_at(feature, "uri")))
