"""How often a post was seen, liked, shared: a curve that only grows, its own for every post."""

import hashlib
import math
from dataclasses import dataclass

from postprober.sandbox.engine.model import Post
from postprober.sandbox.engine.world import World

# After this many seconds a post has about two thirds of all it will ever get (speed 1).
_RISE_SECONDS = 180.0


@dataclass(frozen=True)
class EmulatedCounts:
    """Whole numbers since the post was created."""

    views: int
    likes: int
    reposts: int
    replies: int
    quotes: int
    bookmarks: int


def counts(world: World, post: Post, at: float | None = None) -> EmulatedCounts:
    """The counts of a post at a time (default now). The same seed, post and age give the same numbers."""
    age = max(0.0, (world.now() if at is None else at) - post.created_at)
    grown = 1 - math.exp(-age * float(world.settings["engagement_speed"]) / _RISE_SECONDS)
    text = post.extra.get("first_text", post.text)  # an edit must not change the curve
    digest = hashlib.sha256(f"{world.seed}|{post.platform}|{post.account}|{text}".encode()).digest()
    shares = [byte / 255 for byte in digest[:8]]
    views = (400 + 9600 * shares[0]) * grown
    likes = views * (0.02 + 0.08 * shares[1])
    return EmulatedCounts(
        views=int(views),
        likes=int(likes),
        reposts=int(likes * (0.05 + 0.25 * shares[2])),
        replies=int(likes * (0.05 + 0.2 * shares[3])),
        quotes=int(likes * 0.1 * shares[4]),
        bookmarks=int(likes * (0.02 + 0.15 * shares[5])),
    )
