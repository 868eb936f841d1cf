"""What a post on Nostr may ask for (nostr/facts.md, 2)."""

from __future__ import annotations

from postprober.domain.options import PictureOptions, option


class NostrOptions(PictureOptions):
    content_warning: str = option(
        "",
        "Content warning",
        "Programs may hide the post until a reader opens it.",
        most=200,
        visible=True,
        form="content warning",
    )
    sensitive: bool = option(
        False,
        "Mark as sensitive",
        "The same without a reason.",
        form="sensitive media",
    )
