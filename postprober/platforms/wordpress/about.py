"""What WordPress is called. It has no server of its own: accounts bring their site."""

from __future__ import annotations

from postprober.domain.platform import Description, Platform
from postprober.domain.platform_settings import PlatformSettings
from postprober.platforms.wordpress.options import WordPressOptions


class WordPressSettings(PlatformSettings):
    """`max_upload_mb`: the largest video in megabytes that the sites take. What a site really takes it tells only when it refuses,
    which is before anything is visible."""

    max_upload_mb: int = 64  # ours (facts.md, 3)


ABOUT = Description(
    platform=Platform("wordpress"),
    title="WordPress",
    settings=WordPressSettings,
    sandbox={"settle_seconds": "1"},
    options=WordPressOptions,
    sites=True,  # facts.md, 1
    not_yet=("document", "pictures and videos together"),  # facts.md, 2
)
