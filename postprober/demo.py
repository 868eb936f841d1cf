"""The agent's part of the demonstration: suggestions, a review, diagnoses and repairs, all without a model key."""

from __future__ import annotations

from datetime import timedelta

from postprober.domain.criteria import Criteria
from postprober.domain.platform import Platform
from postprober.sandbox.client import Control
from postprober.services import drafts, media, posts
from postprober.services.core import Core

_DRAFT = (
    "Hi all, it has been a while. We kept building in Oslo through the winter. Do you know how long the new bridge is? "
    "It is 300 metres long. See https://example.com/bridge"
)
_UNFINISHED = "Great news: {{product}} is out today. TODO: add the link."
_TWICE = "This one was refused as a duplicate, and PostProber says why and what you can do."
_SIGN_IN = "This one met a sign-in that the platform kept refusing; PostProber renewed it and sent the post."
_LONG = (
    "This one fitted when it was planned, but its server has lowered the limit since. PostProber proposes to cut it at "
    "the ends of sentences, and waits for your word, because that changes how the post looks. No word of the text is "
    "lost by it, no link and no name. The same would happen on X or Bluesky. See https://example.com/thread"
)
_LOWERED = 300  # characters; Mastodon servers set their own limit (CONTRACTS 4)
_SOON = timedelta(seconds=15)  # time to lower the limit between planning and publishing


def seed_agent(
    core: Core, control: Control, user_id: int, ids: dict[Platform, int], picture: bytes, stamp: str
) -> None:
    """Posts that show what the agent does."""
    x, bluesky, mastodon, linkedin = (
        ids[p] for p in (Platform.X, Platform.BLUESKY, Platform.MASTODON, Platform.LINKEDIN)
    )
    shown = media.add_bytes(core, user_id, "green-tick-on-a-dark-blue-ground.png", picture)
    drafts.save(
        core,
        user_id,
        posts.NewPost((f"{_DRAFT} #{stamp}",), (x, linkedin), (shown,), criteria=Criteria("likes", 20, 24)),
    )
    posts.create(core, user_id, posts.NewPost((_UNFINISHED,), (x, mastodon)))
    control.fault("x", "duplicate", account="demo", after=2)  # the first two posts on X go out
    posts.create(core, user_id, posts.NewPost((f"{_TWICE} #{stamp}",), (x,)))
    control.fault("bluesky", "unauthorized", account="demo", times=3, after=1)
    posts.create(core, user_id, posts.NewPost((f"{_SIGN_IN} #{stamp}",), (bluesky,)))
    posts.create(core, user_id, posts.NewPost((f"{_LONG} #{stamp}",), (mastodon,), at=core.clock.now() + _SOON))
    control.settings(max_characters=_LOWERED)
