"""What records say of their media and links; their authors and strangers read the same."""

from __future__ import annotations

from postprober.domain.nested import dig, list_at, text_at
from postprober.domain.remote import RemoteCard, RemoteMedia

EXTERNAL = "app.bsky.embed.external"


def media(embed: object) -> tuple[RemoteMedia, ...]:
    """The media of a record's embed (lexicons app.bsky.embed.*)."""
    while text_at(embed, "$type") == "app.bsky.embed.recordWithMedia":
        embed = dig(embed, "media")
    kind = text_at(embed, "$type")
    if kind == "app.bsky.embed.video":
        spoken = tuple(text_at(one, "lang") for one in list_at(embed, "captions"))
        return (RemoteMedia("video", text_at(embed, "alt"), subtitles=spoken),)
    name = {"app.bsky.embed.images": "images", "app.bsky.embed.gallery": "items"}.get(kind, "")
    return tuple(RemoteMedia("image", text_at(item, "alt")) for item in list_at(embed, name))


def cards(embed: object) -> tuple[RemoteCard, ...]:
    """The link card of a record's embed (lexicon app.bsky.embed.external), if there is one."""
    while text_at(embed, "$type") == "app.bsky.embed.recordWithMedia":
        embed = dig(embed, "media")
    if text_at(embed, "$type") != EXTERNAL:
        return ()
    told = dig(embed, "external")
    picture = isinstance(dig(told, "thumb"), dict)
    return (RemoteCard(text_at(told, "uri"), text_at(told, "title"), text_at(told, "description"), picture),)


def links(value: object) -> tuple[str, ...]:
    """Where the links of a record lead."""
    features = (feature for facet in list_at(value, "facets") for feature in list_at(facet, "features"))
    return tuple(uri for feature in features if (uri := text_at(feature, "uri")))
